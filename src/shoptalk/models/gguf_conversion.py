"""GGUF files (quantised models of llama.cpp) as folders of safetensors, with weights in fp32."""

import io
import math
from contextlib import redirect_stderr
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from shoptalk.errors import ModelError, require
from shoptalk.models.gguf_header import GgufHeader, read_header
from shoptalk.models.loading_errors import first_line

#: The text by which tokenizers are compared before and after saving.
SAMPLE = "The 12 best soaps of 2019: Rosé & Lavender – 3 × 250 ml\n\n"
#: Number of tokens on which the logits are compared before and after saving.
SAMPLE_TOKENS = 16
#: Names of architectures in GGUF files that transformers has under another name.
_RENAMED = {"qwen2moe", "qwen3moe"}
_HINT = "copy the file again, or name a model folder or another file"


def convert(file: Path, folder: Path) -> None:
    """De-quantise a GGUF file into an existing empty folder: safetensors in fp32, configuration and tokenizer.

    The saved model is loaded again. It must have no missing or infinite weight, give the logits of the model that was
    read from the file, and the same tokens.

    Raises
    ------
    MissingExtra
        Without the package ``gguf``.
    ModelError
        When the file is damaged, or transformers cannot convert its architecture.
    """
    require("gguf", "gguf")
    from shoptalk.models.quiet import quiet

    header = read_header(file)
    _check_architecture(header, file)
    _check_data(header, file)
    try:
        with quiet(), redirect_stderr(io.StringIO()):  # the conversion has a progress bar that cannot be switched off
            expected = _convert(file, folder)
    except ModelError as error:
        raise ModelError(error.message, where=str(file), hint=_HINT) from error
    except Exception as error:  # a damaged file fails in many ways inside the libraries
        raise ModelError(
            f"the GGUF file cannot be converted: {first_line(error)}", where=str(file), hint=_HINT
        ) from error
    _verify(folder, expected, file)


def quantisation_of(file: Path) -> str:
    """The type of most weights of a file, such as ``Q4_1``."""
    from gguf import GGMLQuantizationType

    sizes: dict[int, int] = {}
    for tensor in read_header(file).tensors:
        sizes[tensor.kind] = sizes.get(tensor.kind, 0) + math.prod(tensor.shape)
    return str(GGMLQuantizationType(max(sizes, key=lambda kind: sizes[kind])).name)


def _check_architecture(header: GgufHeader, file: Path) -> None:
    """Refuse a file of an architecture that transformers cannot convert."""
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    no_models = {"general", "tokenizer"}
    supported = sorted({*GGUF_SUPPORTED_ARCHITECTURES} - no_models)
    name = header.architecture
    if name in no_models or name.replace("-", "_") not in {known.replace("-", "_") for known in supported} | _RENAMED:
        raise ModelError(
            f"models of the architecture {name[:50]!r} cannot be converted"
            if name
            else "the file names no architecture",
            where=str(file),
            hint=f"transformers converts {', '.join(supported)}",
        )
    if header.lengths.get("tokenizer.ggml.tokens", 0) == 0:
        raise ModelError("the GGUF file has no tokenizer", where=str(file), hint="it is no whole language model")


def _check_data(header: GgufHeader, file: Path) -> None:
    """Make sure that the data of every tensor is in the file."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    size = file.stat().st_size
    for tensor in header.tensors:
        try:
            block, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType(tensor.kind)]
        except (KeyError, ValueError) as error:
            raise ModelError(
                f"the tensor {tensor.name[:100]!r} has the unknown type {tensor.kind}",
                where=str(file),
                hint="install a newer version of the package gguf",
            ) from error
        end = header.data_start + tensor.offset + -(-math.prod(tensor.shape) // block) * block_bytes
        if end > size:
            raise ModelError(
                f"the GGUF file is truncated: it has {size:,} bytes, and {tensor.name[:100]!r} ends at {end:,}",
                where=str(file),
                hint="copy the file again",
            )


def _convert(file: Path, folder: Path) -> tuple[Any, list[int]]:
    """Write model and tokenizer; returns the logits of the sample and the tokens of `SAMPLE`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from shoptalk.models.weights import check_loaded

    with TemporaryDirectory() as temporary:  # other files beside the file are not read
        link = Path(temporary) / "model.gguf"
        link.symlink_to(file.resolve())
        arguments = {"gguf_file": link.name, "trust_remote_code": False, "local_files_only": True}
        tokenizer = AutoTokenizer.from_pretrained(temporary, **arguments)
        network, loading_info = AutoModelForCausalLM.from_pretrained(
            temporary, dtype=torch.float32, output_loading_info=True, **arguments
        )
    check_loaded(network, loading_info, file.name)
    logits = _logits(network.eval())
    _without_quantisation(network).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return logits, list(tokenizer(SAMPLE)["input_ids"])


def _without_quantisation(network: Any) -> Any:
    """A network of the same class with the same weights, whose configuration names no quantisation."""
    import torch

    content = network.config.to_dict()
    for key in ("quantization_config", "_name_or_path", "_model_name_or_path"):  # the latter is a title in the file
        content.pop(key, None)
    with torch.device("meta"):
        plain = type(network)(type(network.config).from_dict(content))
    plain.load_state_dict(network.state_dict(), assign=True)
    plain.tie_weights()
    plain.generation_config = network.generation_config
    return plain


def _verify(folder: Path, expected: tuple[Any, list[int]], file: Path) -> None:
    """Load the saved model, and compare logits and tokens with those of the file."""
    from shoptalk.models.capabilities import agree
    from shoptalk.models.storage import load_network
    from shoptalk.models.tokenizer import load_tokenizer

    logits, tokens = expected
    saved = _logits(load_network(str(folder), "full", "fp32").eval())
    if not agree(saved, logits, coarse=False):
        raise ModelError("the saved model gives other logits than the file", where=str(file), hint=_HINT)
    tokenizer = load_tokenizer(str(folder))
    if list(tokenizer.hugging_face(SAMPLE)["input_ids"]) != tokens:
        raise ModelError("the saved tokenizer gives other tokens than the file", where=str(file), hint=_HINT)


def _logits(network: Any) -> Any:
    """(1, T, V) logits of tokens in no regular order."""
    import torch

    from shoptalk.models.capabilities import sample_ids

    rows = int(network.get_input_embeddings().weight.shape[0])
    with torch.inference_mode():
        return network(input_ids=sample_ids(SAMPLE_TOKENS, rows, network.device), use_cache=False).logits.float()
