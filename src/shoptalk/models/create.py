"""Creating the model of a recipe: `nano` with random weights, or any Hugging Face causal model, also with adapters."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from shoptalk.errors import ModelError
from shoptalk.models import attention, capabilities
from shoptalk.models.bases import CARD, Base, base_network, base_tokenizer, find_base
from shoptalk.models.dropout import dropout
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.lora import add_adapters
from shoptalk.models.precision import choose_precision, device
from shoptalk.models.quiet import quiet
from shoptalk.models.storage import fit_vocabulary, load_network
from shoptalk.models.tokenizer import Tokenizer, train_tokenizer
from shoptalk.recipe import Lora, Model, decided
from shoptalk.schema import ITEM_OPENS, USER_OPENS


@quiet()
def create(
    recipe: Model,
    lora: Lora,
    texts: Iterable[str],
    seed: int,
    longest: int,
    names: Sequence[str] = (),
    users: Sequence[str] = (),
    origin: Base | None = None,
) -> LanguageModel:
    """Create the model of a recipe, ready for training.

    Parameters
    ----------
    texts
        Texts of the dataset, from which the tokenizer of the nano model is trained.
    longest
        Context length that the model must have, in tokens.
    names
        Ids of items that become ordinary tokens of the vocabulary (task ``generate_ids``).
    users
        Ids of users that become tokens of the vocabulary.
    origin
        The base with the hash of its weights, if known already; by default it is computed.

    Raises
    ------
    ModelError
        When the base cannot be loaded, or its context is too short for the prompts.
    """
    precision = choose_precision(recipe.precision)
    torch.manual_seed(seed)
    tokenizer, network, new_tokens, notes = _tokenizer_and_network(recipe, texts, longest, precision, names, users)
    if origin is None and recipe.base != "nano":
        origin = find_base(recipe.base)
    if recipe.tuning != "full":
        network = add_adapters(network, lora, quantised=recipe.tuning == "qlora", new_tokens=new_tokens)
    p = recipe.dropout if recipe.base == "nano" else 0.0
    model = LanguageModel(
        network.to(device()), tokenizer, recipe.base, recipe.tuning, precision, None, p, origin, notes
    )
    if p:
        _add_dropout(model)
    if model.longest < longest:
        raise ModelError(
            f"{recipe.base} reads at most {model.longest} tokens, and prompt.max_tokens is {longest}",
            hint="lower prompt.max_tokens",
        )
    check_head(model, longest)
    return model


def _tokenizer_and_network(
    recipe: Model, texts: Iterable[str], longest: int, precision: str, names: Sequence[str], users: Sequence[str]
) -> tuple[Tokenizer, Any, list[int], tuple[str, ...]]:
    """The tokenizer with the names, a network with a row for each token, the ids of new rows, and notes for the log."""
    if recipe.base == "nano":
        if recipe.tuning != "full":
            raise ModelError(
                "adapters need a trained base, and nano starts from random weights",
                hint="name a model folder in model.base (that of a nano run works too), or set model.tuning to full",
            )
        tokenizer = train_tokenizer(texts, recipe.vocabulary)
    else:
        tokenizer = base_tokenizer(recipe.base)
    folder = Path(recipe.base).expanduser()
    reuse = recipe.base != "nano" and (folder / CARD).exists()
    ids = tokenizer.add_names(ITEM_OPENS, names, reuse=reuse) + tokenizer.add_names(USER_OPENS, users, reuse=reuse)
    if recipe.base == "nano":
        return tokenizer, nano(recipe, tokenizer, longest), ids, ()
    network, notes = base_network(recipe.base, recipe.tuning, precision, load_network)
    rows = fit_vocabulary(network, tokenizer.size)
    return tokenizer, network, sorted({*ids, *rows}), notes


def nano(recipe: Model, tokenizer: Tokenizer, longest: int) -> LlamaForCausalLM:
    """A small Llama with random weights: heads of 64 (or 32), SwiGLU of 8/3 the width, tied embeddings."""
    attention.register()
    width = decided(recipe.width)
    head_size = 64 if width % 64 == 0 else 32
    config = LlamaConfig(
        vocab_size=tokenizer.size,
        hidden_size=width,
        intermediate_size=int(width * 8 / 3 + 31) // 32 * 32,
        num_hidden_layers=recipe.layers,
        num_attention_heads=width // head_size,
        num_key_value_heads=width // head_size,
        max_position_embeddings=max(2048, longest),
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_id,
        bos_token_id=None,
        eos_token_id=tokenizer.hugging_face.eos_token_id,
        attn_implementation=attention.NAME,
    )
    return LlamaForCausalLM(config)


def _add_dropout(model: LanguageModel) -> None:
    """Add dropout to the output of attention and MLP, where the architecture has none."""
    for layer in model.decoder.layers:
        layer.self_attn.register_forward_hook(
            lambda module, _, out: (dropout(out[0], model.dropout, module.training), *out[1:])
        )
        layer.mlp.register_forward_hook(lambda module, _, out: dropout(out, model.dropout, module.training))


def check_head(model: LanguageModel, longest: int | None = None) -> None:
    """Check that decoder and output layer, called separately, give the logits of the model, and that it is causal.

    They are called separately so that logits are computed only where they are needed. A model that does more between
    the two than `LogitTransform` describes is refused. The text is longer than the reach of local attention, where
    texts of that length can occur, and tree masks are tested on it (`LanguageModel.reads_trees`).

    Parameters
    ----------
    longest
        Longest text, in tokens; by default the context length of the model.

    Raises
    ------
    ModelError
        When the logits differ, or when a position attends to later ones.
    """
    reach = capabilities.shortest_reach(model.network.config)
    longest = min(longest or model.longest, model.longest)
    length = int(reach) + capabilities.BEYOND if reach < longest else 12
    with capabilities.measuring(model), torch.no_grad():
        ids = capabilities.sample_ids(length, capabilities.text_token_count(model), model.device)
        expected = model.network(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
        logits = model.logits(model.hidden(ids))
        later = torch.cat([ids[:, :-2], ids[:, :2]], 1)
        causal = model.logits(model.hidden(later))[:, :-2]
    coarse = capabilities.is_coarse(model)
    if not capabilities.agree(logits, expected, coarse):
        raise ModelError(
            f"{model.base} computes its logits with more than its output layer", hint="choose another base"
        )
    if not capabilities.agree(causal, expected[:, :-2], coarse):
        raise ModelError(f"{model.base} attends to later tokens: it is not a causal model", hint="choose another base")
    model.reads_trees(length)
