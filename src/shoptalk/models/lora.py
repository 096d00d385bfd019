"""Low-rank adapters (Hu et al. 2021) on a frozen base, which QLoRA (Dettmers et al. 2023) keeps in 4-bit NF4."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shoptalk.errors import ModelError, require
from shoptalk.models.dropout import Dropout
from shoptalk.models.precision import DTYPES
from shoptalk.models.weights import ADAPTER
from shoptalk.recipe import Lora


def add_adapters(network: Any, lora: Lora, *, quantised: bool, new_tokens: Sequence[int] = ()) -> Any:
    """The network with new adapters; everything else is frozen, except the embeddings of the tokens ``new_tokens``.

    PEFT scales by alpha / r, as in the paper.

    Raises
    ------
    ModelError
        When no layer has one of the names that ``lora.targets`` gives, or a layer cannot have adapters.
    """
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
    from peft.tuners.lora import LoraLayer

    if quantised:
        network = prepare_model_for_kbit_training(network, use_gradient_checkpointing=False)
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets) or "all-linear",
        task_type="CAUSAL_LM",
        trainable_token_indices=_embeddings(network, new_tokens) if new_tokens else None,
    )
    try:
        adapted = get_peft_model(network, config)
    except ValueError as error:
        if "not found in the base model" in str(error):
            problem, hint = f"no layer fits lora.targets = {list(lora.targets)}", "leave it empty for all"
        else:  # experts of a mixture with dropout, for instance, or the output layers of Mamba
            problem = f"a layer cannot have adapters: {str(error).splitlines()[0]}"
            hint = "name other layers in lora.targets, or set lora.dropout to 0"
        raise ModelError(problem, hint=hint) from error
    for module in adapted.modules():
        if isinstance(module, LoraLayer) and lora.dropout:
            for name in module.lora_dropout:
                module.lora_dropout[name] = Dropout(lora.dropout)
    return adapted


def keep_trainable(network: Any) -> Any:
    """Keep 4-bit weights in the layout that supports gradients.

    On some CPUs bitsandbytes (0.50) repacks them in the first forward pass without gradients (a validation, for
    example) for a faster kernel that has no backward pass. It never restores them, and training would go on with wrong
    gradients.
    """
    for module in network.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return network


def _embeddings(network: Any, tokens: Sequence[int]) -> dict[str, list[int]]:
    """The rows to be trained, by the name of their layer; a tied output layer needs no entry."""
    layers = [network.get_input_embeddings()]
    if not network.config.tie_word_embeddings:
        layers.append(network.get_output_embeddings())
    names = {id(module): name for name, module in network.named_modules()}
    return {names[id(layer)].rsplit(".", 1)[-1]: list(tokens) for layer in layers}


def load_adapters(network: Any, folder: Path, *, quantised: bool) -> Any:
    """The network with the saved adapters of a folder; weights that are not in 4 bits are in fp32, as in training.

    Raises
    ------
    ModelError
        When they cannot be read.
    """
    from peft import PeftModel, prepare_model_for_kbit_training

    if quantised:
        network = prepare_model_for_kbit_training(network, use_gradient_checkpointing=False)
    if not (folder / ADAPTER).is_file():  # PEFT would read pickled weights instead
        raise ModelError(f"there is no {ADAPTER}; pickled weights are not read", where=str(folder))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*missing adapter keys.*")
            return PeftModel.from_pretrained(network, str(folder), use_safetensors=True)
    except Exception as error:  # a broken folder fails in many ways inside the library
        raise ModelError(f"cannot load adapters: {error}".splitlines()[0], where=str(folder)) from error


def quantisation(precision: str) -> Any:
    """4-bit NormalFloat weights with doubly quantised scales, computed in the given precision."""
    require("bitsandbytes", "qlora")
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=DTYPES[precision],
    )
