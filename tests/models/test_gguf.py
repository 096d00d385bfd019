"""GGUF files as bases: converted once, equal to the network that was written, and refused where they are damaged."""

import json
import random
import struct
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from shoptalk.errors import MissingExtra, ModelError
from shoptalk.models import gguf_conversion, prepared
from shoptalk.models.bases import CARD, Base, find_base, local_folder
from shoptalk.models.create import create
from shoptalk.models.gguf_header import read_header
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.storage import load, save
from shoptalk.recipe import Lora, Model
from shoptalk.schema import ITEM_OPENS, item_token

pytest.importorskip("gguf")
from .gguf_files import LAYERS, VOCABULARY, WIDTH, network, write_gguf

IDS = torch.tensor([[7, 40, 41, 42, 90, 200, 3, 4, 258, 1]])


@pytest.fixture(autouse=True)
def models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of prepared models."""
    monkeypatch.setenv(prepared.VARIABLE, str(tmp_path / "models"))
    return tmp_path / "models"


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        output: torch.Tensor = model.eval()(input_ids=IDS, use_cache=False).logits
        return output


def make(base: Path | str, tuning: str = "full", names: tuple[str, ...] = ()) -> LanguageModel:
    return create(Model(base=str(base), tuning=tuning, precision="fp32"), Lora(r=4, dropout=0), [], 1, 128, names)


def test_the_converted_model_is_the_one_that_was_written(tmp_path: Path) -> None:
    original = write_gguf(tmp_path / "tiny.gguf")
    folder = local_folder(str(tmp_path / "tiny.gguf"))
    assert folder is not None
    saved = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True)
    assert torch.allclose(logits(saved), logits(original), atol=1e-5)
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert "quantization_config" not in config
    assert (config["hidden_size"], config["num_hidden_layers"]) == (WIDTH, LAYERS)
    assert sorted(path.suffix for path in folder.iterdir()) == [".jinja", *[".json"] * 5, ".safetensors"]


def test_quantised_weights_are_close_to_those_that_were_written(tmp_path: Path) -> None:
    original = write_gguf(tmp_path / "tiny.gguf", quantised=True)
    (tmp_path / "out").mkdir()
    gguf_conversion.convert(tmp_path / "tiny.gguf", tmp_path / "out")
    saved = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    difference = (logits(saved) - logits(original)).abs().max()
    assert 0 < difference < 0.05 * logits(original).abs().max()
    assert gguf_conversion.quantisation_of(tmp_path / "tiny.gguf") == "Q8_0"


def test_tokens_are_those_of_the_file(tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    tokenizer = make(tmp_path / "tiny.gguf").tokenizer
    assert tokenizer.start == []
    assert (tokenizer.end, tokenizer.pad_id) == ("<|im_end|>", 2)
    assert tokenizer.encode(" soap<|im_end|>") == [VOCABULARY - 1, 2]  # the last merge, then a special token
    text = "Rosé soap 3 × 250 ml"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.chat("soap") == "<|im_start|>soap<|im_end|>"


def test_a_file_is_converted_once(tmp_path: Path, models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "Tiny Model.F32.gguf"
    write_gguf(file)
    folder = local_folder(str(file))
    digest = prepared.gguf_digest(file)
    assert folder == models_folder / f"tiny-model.f32-{digest[:12]}"
    monkeypatch.setattr(gguf_conversion, "convert", lambda *_: pytest.fail("converted again"))
    assert local_folder(str(file)) == local_folder(folder.name) == folder
    (tmp_path / "copy.gguf").write_bytes(file.read_bytes())
    assert local_folder(str(tmp_path / "copy.gguf")) == folder  # the content counts, not the name
    assert find_base(str(file)).source == prepared.Source("gguf", file.name, digest, None, "F32", "mit")


def test_a_saved_adapter_names_the_file_and_finds_the_base_again(
    tmp_path: Path, models_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tiny.gguf"
    write_gguf(file)
    model = make(file, "lora", names=("B1", "B2"))
    assert model.tokenizer.encode(item_token("B2")) == [VOCABULARY + 1]
    torch.nn.init.normal_(next(p for n, p in model.network.named_parameters() if "lora_B" in n), std=0.3)
    save(model, tmp_path / "saved")
    origin = json.loads((tmp_path / "saved" / CARD).read_text())["origin"]
    assert (origin["source"]["name"], origin["source"]["sha256"]) == ("tiny.gguf", prepared.gguf_digest(file))
    again = load(tmp_path / "saved")
    assert torch.allclose(logits(again.network), logits(model.network), atol=1e-5)
    assert again.origin == model.origin
    assert again.tokenizer.names(VOCABULARY, 2) == ["B1", "B2"]
    assert again.tokenizer.hugging_face.convert_ids_to_tokens([VOCABULARY])[0].startswith(ITEM_OPENS)

    # another machine: the base was prepared there under another name, and the former folder does not exist
    monkeypatch.setenv(prepared.VARIABLE, str(tmp_path / "elsewhere"))
    prepared.write_model("other", lambda folder: prepared.write_gguf(file, folder))
    (models_folder / f"tiny-{prepared.gguf_digest(file)[:12]}").rename(tmp_path / "gone")
    moved = load(tmp_path / "saved")
    assert torch.allclose(logits(moved.network), logits(model.network), atol=1e-5)


def test_a_damaged_record_of_the_source_is_refused() -> None:
    with pytest.raises(ModelError, match="record of the base is damaged"):
        Base.from_card({"path": "x", "sha256": "0", "source": {"kind": "gguf"}})


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    monkeypatch.setattr("shoptalk.errors.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"pip install 'shoptalk\[gguf\]'"):
        local_folder(str(tmp_path / "tiny.gguf"))


def refused(file: Path, models_folder: Path) -> str:
    """The message for a file that cannot be converted; nothing is left behind."""
    with pytest.raises(ModelError) as error:
        local_folder(str(file))
    assert not models_folder.exists() or list(models_folder.iterdir()) == []
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_file_that_ends_early_is_refused(tmp_path: Path, models_folder: Path) -> None:
    write_gguf(tmp_path / "whole.gguf")
    whole = (tmp_path / "whole.gguf").read_bytes()
    start = read_header(tmp_path / "whole.gguf").data_start
    file = tmp_path / "tiny.gguf"
    for size in (4, 7, 8, 20, 24, 30, 100, 700, start // 2, start - 40):
        file.write_bytes(whole[:size])
        assert "damaged: it ends" in refused(file, models_folder), size
    for size in (start, (start + len(whole)) // 2, len(whole) - 64):
        file.write_bytes(whole[:size])
        assert "truncated" in refused(file, models_folder), size
    for size in (0, 3):
        file.write_bytes(whole[:size])
        assert "not a GGUF file" in refused(file, models_folder), size


def test_random_bytes_are_refused(tmp_path: Path, models_folder: Path) -> None:
    file, numbers = tmp_path / "tiny.gguf", random.Random(1)
    file.write_bytes(numbers.randbytes(5000))
    assert "not a GGUF file" in refused(file, models_folder)
    for _ in range(50):
        file.write_bytes(b"GGUF" + struct.pack("<I", 3) + numbers.randbytes(numbers.randrange(5000)))
        refused(file, models_folder)


def test_changed_bytes_of_the_header_are_refused_or_harmless(tmp_path: Path, models_folder: Path) -> None:
    write_gguf(tmp_path / "whole.gguf")
    whole = bytearray((tmp_path / "whole.gguf").read_bytes())
    file, numbers = tmp_path / "tiny.gguf", random.Random(2)
    kinds = set()
    for _ in range(200):
        changed = bytearray(whole)
        for _ in range(3):
            changed[numbers.randrange(4, 1500)] = numbers.randrange(256)
        file.write_bytes(changed)
        kinds.add(_kind_of_header(file))
    assert kinds == {"read", "the GGUF file is damaged"}  # some changes only replace a letter of a text


def _kind_of_header(file: Path) -> str:
    try:
        return "read" if read_header(file).tensors else "empty"
    except ModelError as error:
        return error.message.partition(":")[0]


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (lambda data: data.__setitem__(slice(0, 4), b"GGJT"), "not a GGUF file"),
        (lambda data: data.__setitem__(slice(4, 8), struct.pack("<I", 1)), "its version is 1"),
        (lambda data: data.__setitem__(slice(4, 8), struct.pack(">I", 3)), "its version is"),
        (lambda data: data.__setitem__(slice(8, 16), struct.pack("<Q", 1 << 60)), "ends before its"),
        (lambda data: data.__setitem__(slice(16, 24), struct.pack("<Q", 1 << 60)), "damaged"),
    ],
    ids=["magic", "version", "big-endian", "tensors", "values"],
)
def test_a_wrong_beginning_is_refused(patch: object, message: str, tmp_path: Path, models_folder: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    data = bytearray((tmp_path / "tiny.gguf").read_bytes())
    patch(data)  # type: ignore[operator]
    (tmp_path / "tiny.gguf").write_bytes(data)
    assert message in refused(tmp_path / "tiny.gguf", models_folder)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "clip"}, "architecture 'clip' cannot be converted"),
        ({"architecture": "general"}, "cannot be converted"),
        ({"blocks": 1 << 30}, "damaged: it says that it has 1073741824 layers"),
        ({"vocabulary": 1 << 30}, "damaged: vocab_size is 1073741824"),
        ({"without": "blk.1.ffn_up"}, "lack model.layers.1.mlp.up_proj.weight"),
        ({"without": "blk"}, "and 15 more, which would be random"),
    ],
    ids=["architecture", "general", "layers", "vocabulary", "tensor", "all layers"],
)
def test_a_file_that_holds_no_whole_model_is_refused(
    settings: dict[str, object], message: str, tmp_path: Path, models_folder: Path
) -> None:
    write_gguf(tmp_path / "tiny.gguf", **settings)  # type: ignore[arg-type]
    assert message in refused(tmp_path / "tiny.gguf", models_folder)


def test_infinite_weights_are_refused(tmp_path: Path, models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = network()
    with torch.no_grad():
        broken.model.layers[0].mlp.up_proj.weight[3, 5] = torch.inf
    monkeypatch.setattr("tests.models.gguf_files.network", lambda _: broken)
    write_gguf(tmp_path / "tiny.gguf")
    assert "hold NaN or infinity in model.layers.0.mlp.up_proj.weight" in refused(tmp_path / "tiny.gguf", models_folder)


def test_files_that_are_no_models_are_refused(tmp_path: Path, models_folder: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"pickle")
    assert "this file is no model" in refused(tmp_path / "model.bin", models_folder)
    assert "there is no such file" in refused(tmp_path / "absent.gguf", models_folder)


def test_a_hostile_chat_template_reaches_nothing(tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf", template="{{ ''.__class__.__mro__[1].__subclasses__() }}")
    model = make(tmp_path / "tiny.gguf")
    with pytest.raises(ModelError, match="chat template cannot be filled in"):
        model.tokenizer.chat("soap")


def test_code_beside_a_file_is_never_run(tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    marker = tmp_path / "ran"
    (tmp_path / "evil.py").write_text(f"open({str(marker)!r}, 'w')")
    config = {"model_type": "evil", "auto_map": {"AutoConfig": "evil.E", "AutoModelForCausalLM": "evil.E"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"auto_map": {"AutoTokenizer": ["evil.E", None]}}))
    folder = local_folder(str(tmp_path / "tiny.gguf"))
    assert folder is not None
    assert "evil" not in (folder / "config.json").read_text()
    assert not marker.exists()
