"""The language model: `nano`, made here, or any Hugging Face causal model; whole, or with LoRA or QLoRA adapters."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers.utils.logging import disable_progress_bar

from shoptalk.errors import ModelError, StorageError
from shoptalk.models.lora import add_adapters, load_adapters, quantisation
from shoptalk.models.precision import DTYPES, choose_precision, device
from shoptalk.models.tokenizer import LOADING_HINT, Tokenizer, first_line, load_tokenizer, train_tokenizer
from shoptalk.recipe import Lora, Model

disable_progress_bar()  # of weights being loaded: it would stand between our own bars

#: In a saved model's folder: what it is made of, so that it can be put together again.
CARD = "shoptalk.json"


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A causal model with its tokenizer, ready for training or scoring."""

    network: Any
    tokenizer: Tokenizer
    base: str
    tuning: str
    precision: str

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.network.parameters()).device

    @property
    def longest(self) -> int:
        """Most tokens that the model can read."""
        return int(getattr(self.network.config, "max_position_embeddings", 0) or 1 << 20)

    def parameters(self) -> dict[str, int | float]:
        """How many parameters there are, how many of them are trained, and their share (4-bit ones count as two)."""
        counts = [(_count(p), p.requires_grad) for p in self.network.parameters()]
        total = sum(count for count, _ in counts)
        trained = sum(count for count, learns in counts if learns)
        return {"parameters": total, "trainable": trained, "trainable_share": trained / total if total else 0.0}

    def autocast(self) -> torch.autocast:
        """The context in which products run in the model's precision."""
        lower = self.precision != "fp32"
        return torch.autocast(
            self.device.type, dtype=DTYPES[self.precision] if lower else torch.bfloat16, enabled=lower
        )

    def hidden(self, ids: Tensor, positions: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Hidden states after the last layer, (B, T, D), for ids (B, T).

        Without ``positions`` (B, T) and ``mask`` (B, 1, T, T; true where attention is allowed) each row is one text.
        """
        output = self.decoder(
            input_ids=ids, position_ids=positions, attention_mask=mask, use_cache=False, return_dict=True
        )
        return output.last_hidden_state

    @property
    def decoder(self) -> Any:
        """The layers below the output layer."""
        plain = self.network.get_base_model() if hasattr(self.network, "get_base_model") else self.network
        return getattr(plain, plain.base_model_prefix)

    @property
    def head(self) -> nn.Module:
        """The output layer, hidden states to logits."""
        return self.network.get_output_embeddings()


def create(recipe: Model, lora: Lora, texts: Iterable[str], seed: int, longest: int) -> LanguageModel:
    """The model that a recipe asks for, ready for training.

    Parameters
    ----------
    texts
        The shop's own texts, from which the nano model's tokenizer is trained.
    longest
        Most tokens that it must be able to read.

    Raises
    ------
    ModelError
        When the base cannot be loaded, or is too short for the prompts.
    """
    precision = choose_precision(recipe.precision)
    torch.manual_seed(seed)
    if recipe.base == "nano":
        if recipe.tuning != "full":
            raise ModelError(
                "adapters need a trained base, and nano begins with fresh weights",
                hint="name a model folder in model.base (that of a nano run works too), or set model.tuning to full",
            )
        tokenizer = train_tokenizer(texts, recipe.vocabulary)
        network: Any = nano(recipe, tokenizer, longest)
    else:
        tokenizer = load_tokenizer(recipe.base)
        network = load_network(recipe.base, recipe.tuning, precision)
    if recipe.tuning != "full":
        network = add_adapters(network, lora, quantised=recipe.tuning == "qlora")
    model = LanguageModel(network.to(device()), tokenizer, recipe.base, recipe.tuning, precision)
    if model.longest < longest:
        raise ModelError(
            f"{recipe.base} reads at most {model.longest} tokens, and prompt.max_tokens is {longest}",
            hint="lower prompt.max_tokens",
        )
    check_head(model)
    return model


def nano(recipe: Model, tokenizer: Tokenizer, longest: int) -> LlamaForCausalLM:
    """A small Llama with fresh weights: heads of 64 (or 32), SwiGLU of 8/3 the width, shared embeddings."""
    head = 64 if recipe.width % 64 == 0 else 32
    config = LlamaConfig(
        vocab_size=len(tokenizer.hugging_face),
        hidden_size=recipe.width,
        intermediate_size=int(recipe.width * 8 / 3 + 31) // 32 * 32,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.width // head,
        num_key_value_heads=recipe.width // head,
        max_position_embeddings=max(2048, longest),
        attention_dropout=recipe.dropout,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_id,
        bos_token_id=None,
        eos_token_id=tokenizer.hugging_face.eos_token_id,
        attn_implementation="sdpa",
    )
    return LlamaForCausalLM(config)


def load_network(name: str, tuning: str, precision: str) -> Any:
    """Weights of a causal model by name or path: safetensors only, and no code that comes with them.

    With full tuning the weights are kept in fp32, because updates vanish in 16 bits; a frozen base is kept in the
    precision it is computed in.

    Raises
    ------
    ModelError
        When they cannot be loaded.
    """
    arguments: dict[str, Any] = {"dtype": torch.float32 if tuning == "full" else DTYPES[precision]}
    if tuning == "qlora":
        arguments["quantization_config"] = quantisation(precision)
    try:
        return AutoModelForCausalLM.from_pretrained(
            name, trust_remote_code=False, use_safetensors=True, attn_implementation="sdpa", **arguments
        )
    except Exception as error:  # a broken folder fails in many ways inside the library
        raise ModelError(f"cannot load the model {name!r}: {first_line(error)}", hint=LOADING_HINT) from error


def check_head(model: LanguageModel) -> None:
    """Make sure that decoder and output layer, called apart, give the model's own logits.

    They are called apart so that logits are computed only where they are needed; a model that does more between the two
    (scaling, capping) must not be trained on something else than it is.

    Raises
    ------
    ModelError
        When they differ.
    """
    ids = torch.arange(8, device=model.device).remainder(model.network.config.vocab_size)[None]
    was_training = model.network.training
    model.network.eval()
    with torch.no_grad(), model.autocast():
        own = model.network(input_ids=ids, use_cache=False).logits
        apart = model.head(model.hidden(ids))
    model.network.train(was_training)
    if not torch.allclose(own.float(), apart.float(), atol=2e-2, rtol=2e-2):
        raise ModelError(f"{model.base} needs more than its output layer to make logits", hint="choose another base")


def save(model: LanguageModel, folder: Path) -> None:
    """Write the model into an existing or new folder: safetensors, tokenizer, and a card that says how to load it.

    Raises
    ------
    StorageError
        When the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        model.network.save_pretrained(folder)
    except SafetensorError as error:
        raise StorageError(f"cannot write the model: {error}", where=str(folder), hint="free space") from error
    model.tokenizer.save(folder)
    card = {"base": model.base, "tuning": model.tuning, "precision": model.precision}
    (folder / CARD).write_text(json.dumps(card), encoding="utf-8")


def load(folder: Path) -> LanguageModel:
    """Load a saved model for scoring.

    Raises
    ------
    ModelError
        When the folder is not a saved model, or a weight is missing from it.
    """
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        base, tuning, precision = str(card["base"]), str(card["tuning"]), str(card["precision"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError("not a saved model", where=str(folder), hint="train first: shoptalk train") from error
    tokenizer = load_tokenizer(str(folder))
    if tuning == "full":
        network = load_network(str(folder), "full", "fp32")
    else:
        network = load_adapters(load_network(base, tuning, precision), folder)
    network = network.to(device()).eval()
    here = choose_precision("auto") if precision == "fp16" and device().type == "cpu" else precision
    return LanguageModel(network, tokenizer, base, tuning, here)


def _count(parameter: nn.Parameter) -> int:
    """Parameters in a tensor; 4-bit weights are stored two to a byte."""
    return parameter.numel() * (2 if parameter.dtype == torch.uint8 else 1)
