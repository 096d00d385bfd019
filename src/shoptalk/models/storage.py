"""Saving and loading models: safetensors only, and no code that comes with a model."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM

from shoptalk.errors import ModelError, StorageError
from shoptalk.models import attention
from shoptalk.models.bases import CARD, Base, base_network, check_names, item_range, locate, read_card
from shoptalk.models.graph_setup import load_graph_attention, save_graph_attention
from shoptalk.models.items import load_items, save_items
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.loading_errors import LOADING_HINT, first_line
from shoptalk.models.lora import keep_trainable, load_adapters, quantisation
from shoptalk.models.precision import DTYPES, choose_precision, device
from shoptalk.models.quiet import quiet
from shoptalk.models.tokenizer import load_tokenizer
from shoptalk.models.weights import check_loaded


@quiet()
def load_network(name: str, tuning: str, precision: str) -> Any:
    """Load a causal model by name or path: safetensors only, and no remote code.

    With full tuning the weights are kept in fp32, because small updates are lost in 16 bits; a frozen base is kept in
    the precision of its computation.

    Raises
    ------
    ModelError
        When they cannot be loaded.
    """
    attention.register()
    arguments: dict[str, Any] = {"dtype": torch.float32 if tuning == "full" else DTYPES[precision]}
    if tuning == "qlora":
        arguments["quantization_config"] = quantisation(precision)
    try:
        network, loading_info = AutoModelForCausalLM.from_pretrained(
            name, trust_remote_code=False, use_safetensors=True, output_loading_info=True, **arguments
        )
        attention.use_attention(network)
    except Exception as error:  # transformers raises many types for a broken folder
        raise ModelError(f"cannot load the model {name!r}: {first_line(error)}", hint=LOADING_HINT) from error
    check_loaded(network, loading_info, name)
    return keep_trainable(network) if tuning == "qlora" else network


def fit_vocabulary(network: Any, size: int) -> range:
    """Grow the embedding of a network to ``size`` rows, never shrink it. Returns the indices of the new rows."""
    rows = int(network.get_input_embeddings().weight.shape[0])
    if size > rows:
        network.resize_token_embeddings(size)
    return range(rows, max(rows, size))


@quiet()
def save(model: LanguageModel, folder: Path) -> None:
    """Write the model into an existing or new folder: safetensors, tokenizer, and a card for `load`.

    Raises
    ------
    StorageError
        When the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # An adapter holds the rows of the tokens that it added; the library would save all rows of a base that grew.
        options = {} if model.tuning == "full" else {"save_embedding_layers": False}
        model.network.save_pretrained(folder, **options)
    except SafetensorError as error:
        raise StorageError(f"cannot write the model: {error}", where=str(folder), hint="free space") from error
    model.tokenizer.save(folder)
    card: dict[str, Any] = {"base": model.base, "tuning": model.tuning, "precision": model.precision}
    card["tokens"] = model.tokenizer.names_digest()
    if model.origin is not None:
        card["origin"] = model.origin.card(folder)
    if model.items is not None:
        card["items"] = {"first": model.items.first, "count": len(model.items.ids)}
        save_items(model.items, folder)
    if model.graph is not None:
        card["graph"] = save_graph_attention(model.graph, folder)
    (folder / CARD).write_text(json.dumps(card), encoding="utf-8")


@quiet()
def load(folder: Path) -> LanguageModel:
    """Load a saved model for scoring.

    Raises
    ------
    ModelError
        When the folder is not a saved model, or a weight is missing from it.
    """
    try:
        card = read_card(folder)
        base, tuning, precision = card["base"], card["tuning"], card["precision"]
        first, count = item_range(card)
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError("not a saved model", where=str(folder), hint="train first: shoptalk train") from error
    tokenizer = load_tokenizer(str(folder))
    check_names(card, tokenizer, folder)
    if tuning == "full":
        network = load_network(str(folder), "full", "fp32")
    else:
        network, _ = base_network(locate(card, folder), tuning, precision, load_network)
        # item tokens have their own embeddings and need no rows
        fit_vocabulary(network, first if count else tokenizer.size)
        network = load_adapters(network, folder, quantised=tuning == "qlora")
    network = network.to(device()).eval()
    precision = choose_precision("auto") if precision == "fp16" and device().type == "cpu" else precision
    items = load_items(folder, tokenizer.names(first, count), first).to(device()) if count else None
    origin = card.get("origin")
    graph = None
    if "graph" in card:
        graph = load_graph_attention(folder, card["graph"], network, tokenizer).to(device())
    recorded = Base.from_card(origin) if origin else None
    return LanguageModel(network, tokenizer, base, tuning, precision, items, origin=recorded, graph=graph)
