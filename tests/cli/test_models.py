"""``shoptalk models``: what it lists, what it prepares and what it refuses."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shoptalk.cli.main import main
from shoptalk.models.bases import CARD
from shoptalk.models.create import create
from shoptalk.models.memory import memory_needs
from shoptalk.models.prepared import RECORD, VARIABLE
from shoptalk.models.storage import save
from shoptalk.recipe import Lora, Model
from shoptalk.stages.models import nano_shape
from tests.words import TITLES, small_model

from ..models.gguf_files import VOCABULARY, WIDTH, write_gguf


@pytest.fixture(autouse=True)
def models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of prepared models, and an empty cache of the hub."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "models"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "models"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as stop:
        main(["models", *map(str, arguments)])
    output = capsys.readouterr()
    assert "Traceback" not in output.err
    return int(stop.value.code or 0), output.out, output.err


def entries(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    code, out, _ = run(capsys, "--json")
    assert code == 0
    return {entry["name"]: entry for entry in json.loads(out)["models"]}


def test_a_file_is_prepared_under_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_gguf(tmp_path / "Tiny.F32.gguf")
    assert list(entries(capsys)) == ["nano"]
    code, out, _ = run(capsys, "add", tmp_path / "Tiny.F32.gguf", "--name", "tiny", "--json")
    added = json.loads(out)
    assert (code, added["name"], added["added"]) == (0, "tiny", True)
    tiny = entries(capsys)["tiny"]
    assert tiny["kind"] == "prepared"
    assert (tiny["licence"], tiny["source"], tiny["path"]) == ("mit", "Tiny.F32.gguf", added["path"])
    assert (tiny["layers"], tiny["width"], tiny["vocabulary"], tiny["context"]) == (2, WIDTH, VOCABULARY, 256)
    model = create(Model(base="tiny", precision="fp32"), Lora(), [], 1, 128)
    assert tiny["parameters"] == model.parameters()["parameters"]
    assert model.origin is not None
    assert model.origin.path == added["path"]
    assert "tiny" in run(capsys)[1]
    assert json.loads(run(capsys, "add", tmp_path / "Tiny.F32.gguf", "--name", "tiny", "--json")[1])["added"] is False


def test_another_model_of_the_same_name_is_refused(
    tmp_path: Path, models_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    write_gguf(tmp_path / "other.gguf", seed=2)
    run(capsys, "add", tmp_path / "tiny.gguf")
    code, _, err = run(capsys, "add", tmp_path / "other.gguf", "--name", "tiny")
    assert code == 2
    assert "another model has the name 'tiny'" in err
    for name in ("nano", "a/b", "..", ".x", ""):
        code, _, err = run(capsys, "add", tmp_path / "other.gguf", f"--name={name}")
        assert (code, "cannot have the name" in err) == (2, True), name
    assert [path.name for path in models_folder.iterdir()] == ["tiny"]


def test_a_folder_is_copied_without_code(
    tmp_path: Path, models_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "plain"
    save(small_model(), source)
    assert run(capsys, "add", source)[0] == 2  # the model of a run
    (source / CARD).unlink()
    (source / "evil.py").write_text("raise SystemExit")
    (source / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\n# Small\n")
    assert run(capsys, "add", source)[0] == 0
    assert entries(capsys)["plain"]["licence"] == "apache-2.0"
    assert not list(models_folder.rglob("*.py"))
    assert create(Model(base="plain", precision="fp32"), Lora(), [], 1, 128).tokenizer.encode("Rose")


@pytest.mark.parametrize("name", ["absent.gguf", "no-organisation/no-model", "junk.gguf", "recipe.toml", "empty"])
def test_what_is_no_model_is_refused_in_one_line(
    name: str, tmp_path: Path, models_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "junk.gguf").write_bytes(b"GGUF" + bytes(range(200)))
    (tmp_path / "recipe.toml").write_text("[data]\n")
    (tmp_path / "empty").mkdir()
    code, out, err = run(capsys, "add", name, "--json")
    assert code == 2
    assert json.loads(out)["error"]["kind"] == "model"
    assert len(err.splitlines()) == 1
    assert not models_folder.exists() or list(models_folder.iterdir()) == []


def test_a_damaged_folder_is_named_and_the_others_are_listed(
    tmp_path: Path, models_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    run(capsys, "add", tmp_path / "tiny.gguf")
    for name, file, content in [
        ("config", "config.json", "{"),
        ("weights", "model.safetensors", "\xff" * 20),
        ("record", RECORD, "[]"),
        ("sizes", "config.json", "{}"),
    ]:
        shutil.copytree(models_folder / "tiny", models_folder / name)
        (models_folder / name / file).write_text(content)
    (models_folder / ".half.1234.tmp").mkdir()
    code, out, _ = run(capsys, "--json")
    result = json.loads(out)
    assert code == 0
    assert [entry["name"] for entry in result["models"]] == ["nano", "tiny"]
    assert [Path(line.split(":")[0]).name for line in result["unreadable"]] == ["config", "record", "sizes", "weights"]


def test_causal_models_in_the_cache_of_the_hub_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, architecture in (("org--causal", "LlamaForCausalLM"), ("org--encoder", "BertModel")):
        folder = tmp_path / "hub" / f"models--{name}"
        save(small_model(), folder / "snapshots" / "abc")
        config = folder / "snapshots" / "abc" / "config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"architectures": [architecture]}))
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text("abc")
    listed = entries(capsys)
    assert list(listed) == ["nano", "org/causal"]
    assert listed["org/causal"]["parameters"] == small_model().parameters()["parameters"]


@pytest.mark.parametrize(("width", "layers"), [(64, 1), (160, 3)])
def test_the_size_of_nano_is_that_of_the_model(width: int, layers: int) -> None:
    settings = Model(width=width, layers=layers, vocabulary=320, precision="fp32")
    shape, model = nano_shape(settings), create(settings, Lora(), TITLES, 1, 128)
    fewer = settings.vocabulary - model.tokenizer.size  # the titles have too few words for a full vocabulary
    assert shape.parameters == model.parameters()["parameters"] + fewer * width
    assert (shape.inner, shape.context) == (model.network.config.intermediate_size, model.longest)


def test_listing_imports_no_model_library() -> None:
    code = (
        "import sys; from shoptalk.stages.models import list_models; list_models();"
        "sys.exit(', '.join({'torch', 'transformers', 'peft'} & sys.modules.keys()) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1000:]


#: Trains a step of 4,096 tokens, after a short one that makes the optimiser's states, or scores as many tokens, and
#: prints the peak of the process above that before: a process for each kind, forked after the imports.
CHILD = """
import os
import sys
import psutil
import torch
from shoptalk.models.create import create
from shoptalk.models.lora import add_adapters
from shoptalk.recipe import Lora, Model
from shoptalk.system import peak_memory
from shoptalk.training.cross_entropy import fused_cross_entropy
from shoptalk.models.create import nano
from shoptalk.models.tokenizer import train_tokenizer

torch.set_num_threads(1)

def measure(kind):
    settings = Model(width=256, layers=4, vocabulary=4096, precision="fp32")
    network = nano(settings, train_tokenizer(["a b c"], 300), 512)
    network.resize_token_embeddings(4096)
    if kind == "lora":
        network = add_adapters(network, Lora(), quantised=False)
    trained = [p for p in network.parameters() if p.requires_grad]
    base = network.get_base_model() if kind == "lora" else network
    weights = sum(p.numel() * 4 for p in network.parameters())
    before = psutil.Process().memory_info().rss - weights
    ids = torch.arange(4096).reshape(32, 128) % 4096
    if kind == "inference":
        network.eval()
        with torch.inference_mode():
            network(input_ids=ids, use_cache=False)
    else:
        network.train()
        optimiser = torch.optim.AdamW(trained, fused=True)
        for batch in (ids[:1], ids):
            hidden = base.model(input_ids=batch, use_cache=False).last_hidden_state.flatten(0, 1)
            loss = fused_cross_entropy(hidden, base.lm_head.weight, None, batch.flatten(), torch.float32)
            loss.backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
    print(kind, peak_memory() - before, flush=True)

for kind in sys.argv[1:]:
    child = os.fork()
    if not child:
        measure(kind)
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
"""


def test_needs_are_within_a_factor_of_two_of_the_measured_peak() -> None:
    kinds = ["full", "lora", "inference"]
    done = subprocess.run([sys.executable, "-c", CHILD, *kinds], capture_output=True, text=True, check=True)
    measured = {kind: int(peak) for kind, peak in map(str.split, done.stdout.splitlines())}
    assert list(measured) == kinds
    needs = memory_needs(nano_shape(Model()))
    for kind, peak in measured.items():
        assert peak / 2 < getattr(needs, kind) < peak * 2, (kind, peak, needs)
