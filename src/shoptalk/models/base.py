"""The language model: `nano`, made here, or any Hugging Face causal model; whole, or with LoRA or QLoRA adapters."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.functional import embedding
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from shoptalk.errors import ModelError, StorageError
from shoptalk.models import attention, capabilities
from shoptalk.models.bases import CARD, Base, base_network, base_tokenizer, find_base, locate, read_card
from shoptalk.models.capabilities import LogitTransform, layer_masks, logit_transform
from shoptalk.models.dropout import dropout
from shoptalk.models.items import ItemTable, ItemTokens, load_items, save_items
from shoptalk.models.lora import add_adapters, keep_trainable, load_adapters, quantisation
from shoptalk.models.precision import DTYPES, choose_precision, device
from shoptalk.models.quiet import quiet
from shoptalk.models.tokenizer import LOADING_HINT, Tokenizer, first_line, load_tokenizer, train_tokenizer
from shoptalk.models.weights import check_loaded
from shoptalk.recipe import Lora, Model
from shoptalk.schema import ITEM_OPENS, USER_OPENS


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A causal model with its tokenizer, ready for training or scoring."""

    network: Any
    tokenizer: Tokenizer
    base: str
    tuning: str
    precision: str
    items: ItemTokens | None = None
    dropout: float = 0.0
    origin: Base | None = None
    notes: tuple[str, ...] = ()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.network.parameters()).device

    @property
    def longest(self) -> int:
        """Most tokens that the model can read."""
        config = self.network.config
        return int(getattr(config, "max_position_embeddings", 0) or getattr(config, "max_seq_len", 0) or 1 << 20)

    def parameters(self) -> dict[str, int | float]:
        """How many parameters there are, how many of them are trained, and their share (4-bit ones count as two)."""
        own = self.items.parameters() if self.items is not None else ()
        counts = [(_count(p), p.requires_grad) for p in (*self.network.parameters(), *own)]
        total = sum(count for count, _ in counts)
        trained = sum(count for count, learns in counts if learns)
        return {"parameters": total, "trainable": trained, "trainable_share": trained / total if total else 0.0}

    def autocast(self) -> torch.autocast:
        """The context in which products run in the model's precision."""
        lower = self.precision != "fp32"
        return torch.autocast(
            self.device.type, dtype=DTYPES[self.precision] if lower else torch.bfloat16, enabled=lower
        )

    def trainable_parameters(self) -> dict[str, nn.Parameter]:
        """The parameters that training changes, by name; those of the item tokens begin with ``items.``."""
        named = {name: p for name, p in self.network.named_parameters() if p.requires_grad}
        if self.items is not None:
            named |= {f"items.{name}": p for name, p in self.items.named_parameters() if p.requires_grad}
        return named

    def train(self, mode: bool = True) -> None:
        """Switch dropout on (or off)."""
        self.network.train(mode)
        if self.items is not None:
            self.items.train(mode)

    def hidden(
        self,
        ids: Tensor,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        table: ItemTable | None = None,
    ) -> Tensor:
        """Hidden states after the last layer, (B, T, D), for ids (B, T).

        Without ``positions`` (B, T) and ``mask`` (B, 1, T, T; true where attention is allowed) each row is one text.
        ``table`` saves making the item tokens' embeddings again. Only a model that `reads_trees` may be given a mask.
        """
        given: dict[str, Tensor] = {"input_ids": ids}
        if self.items is not None:
            given = {"inputs_embeds": self._embedded(ids, self.items, table or self.items.table())}
        if mask is not None and positions is not None:
            given |= self.tree_arguments(mask, positions, positions)
        return self.decoder(**given, use_cache=False, return_dict=True).last_hidden_state

    def tree_arguments(self, allowed: Tensor, query: Tensor, key: Tensor) -> dict[str, Any]:
        """The decoder's arguments for tokens (B, T) at positions ``query`` that see others (B, S) at positions ``key``.

        ``allowed`` (B, 1, T, S) is true where tokens belong to one text; the reach of each layer's attention is added.
        """
        config = self.network.config
        dtype = self.network.get_input_embeddings().weight.dtype
        masks = layer_masks(config, config._attn_implementation, allowed, query, key, dtype)
        return {"position_ids": query, "attention_mask": masks}

    def reads_trees(self, length: int) -> bool:
        """Whether several continuations of a text can stand in one row of ``length`` tokens, behind a mask.

        A model that cannot do so (ALiBi, state-space layers) computes one continuation a row.
        """
        return capabilities.reads_trees(self, length)

    def logits(self, states: Tensor) -> Tensor:
        """Logits (..., V) of words after states (..., D): the output layer, with the model's own scale and cap."""
        return self.logit_transform(self.head(states))

    def _embedded(self, ids: Tensor, items: ItemTokens, table: ItemTable) -> Tensor:
        is_item = ids >= items.first
        words = self.network.get_input_embeddings()(ids.masked_fill(is_item, 0))
        rows = embedding(table.find((ids - items.first).clamp(min=0)), table.vectors) * items.length
        embedded = torch.where(is_item[..., None], rows.to(words.dtype), words)
        return dropout(embedded, self.dropout, self.network.training)

    @property
    def decoder(self) -> Any:
        """The layers below the output layer."""
        return getattr(self.plain, self.plain.base_model_prefix)

    @property
    def head(self) -> nn.Module:
        """The output layer, hidden states to logits but for the model's `logit_transform`."""
        return self.network.get_output_embeddings()

    @property
    def logit_transform(self) -> LogitTransform:
        """What the model does to the products of its output layer."""
        return logit_transform(self.plain)

    @property
    def plain(self) -> Any:
        """The network without the wrapper of its adapters."""
        return self.network.get_base_model() if hasattr(self.network, "get_base_model") else self.network


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
    """The model that a recipe asks for, ready for training.

    Parameters
    ----------
    texts
        The shop's own texts, from which the nano model's tokenizer is trained.
    longest
        Most tokens that it must be able to read.
    names
        Ids of items that become plain tokens of the vocabulary, learned like any other (task ``generate_ids``).
    users
        Ids of users that do.
    origin
        The base with its hash, where that is known already.

    Raises
    ------
    ModelError
        When the base cannot be loaded, or is too short for the prompts.
    """
    precision = choose_precision(recipe.precision)
    torch.manual_seed(seed)
    tokenizer, network, fresh, notes = _begin(recipe, texts, longest, precision, names, users)
    if origin is None and recipe.base != "nano":
        origin = find_base(recipe.base)
    if recipe.tuning != "full":
        network = add_adapters(network, lora, quantised=recipe.tuning == "qlora", fresh=fresh)
    share = recipe.dropout if recipe.base == "nano" else 0.0
    model = LanguageModel(
        network.to(device()), tokenizer, recipe.base, recipe.tuning, precision, None, share, origin, notes
    )
    if share:
        _drop_out(model)
    if model.longest < longest:
        raise ModelError(
            f"{recipe.base} reads at most {model.longest} tokens, and prompt.max_tokens is {longest}",
            hint="lower prompt.max_tokens",
        )
    check_head(model, longest)
    return model


def _begin(
    recipe: Model, texts: Iterable[str], longest: int, precision: str, names: Sequence[str], users: Sequence[str]
) -> tuple[Tokenizer, Any, list[int], tuple[str, ...]]:
    """The tokenizer, which knows the names, a network with a row for each token, the new rows, and what was done."""
    if recipe.base == "nano":
        if recipe.tuning != "full":
            raise ModelError(
                "adapters need a trained base, and nano begins with fresh weights",
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
    """A small Llama with fresh weights: heads of 64 (or 32), SwiGLU of 8/3 the width, shared embeddings."""
    attention.register()
    head = 64 if recipe.width % 64 == 0 else 32
    config = LlamaConfig(
        vocab_size=tokenizer.size,
        hidden_size=recipe.width,
        intermediate_size=int(recipe.width * 8 / 3 + 31) // 32 * 32,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.width // head,
        num_key_value_heads=recipe.width // head,
        max_position_embeddings=max(2048, longest),
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_id,
        bos_token_id=None,
        eos_token_id=tokenizer.hugging_face.eos_token_id,
        attn_implementation=attention.NAME,
    )
    return LlamaForCausalLM(config)


def with_items(
    model: LanguageModel, ids: Sequence[str], text: NDArray[np.float32] | None, known: NDArray[np.bool_], share: float
) -> LanguageModel:
    """The model with a token for each of I items, told by their words; see `ItemTokens`.

    In a nano model every layer then begins by adding nothing, so that what comes out is what went in: before the first
    step, an item is followed by those with the words most like its own.

    Parameters
    ----------
    text
        (I, E) vectors of the items' words; without them, items begin at random places and are nothing but learned.
    has_interactions
        (I,) which items have training interactions.
    share
        Of the items that go without their learned part in a training step.
    """
    indices = model.tokenizer.add_names(ITEM_OPENS, ids)
    first = indices[0] if indices else model.tokenizer.size
    if indices != list(range(first, model.tokenizer.size)):
        raise ModelError("the tokenizer does not number new tokens one after the other", hint="choose another base")
    layer = model.network.get_input_embeddings()
    words = layer.weight
    fresh = model.base == "nano"
    length = 1.0 if fresh or words.shape[1] == 0 else _mean_norm(layer)
    text_vectors = torch.zeros(len(ids), 1) if text is None else torch.from_numpy(text)
    items = ItemTokens(
        ids,
        first,
        text_vectors,
        torch.from_numpy(known),
        words.shape[1],
        dropout=0 if text is None else share,
        length=length,
    )
    if text is None:
        nn.init.normal_(items.residual, std=words.shape[1] ** -0.5)
    if fresh:
        for layer in model.decoder.layers:
            nn.init.zeros_(layer.self_attn.o_proj.weight)
            nn.init.zeros_(layer.mlp.down_proj.weight)
    return replace(model, items=items.to(model.device))


@torch.no_grad()
def _mean_norm(layer: nn.Module) -> float:
    """Mean length of the words' vectors as an embedding layer gives them; some layers scale their weights (Gemma 3)."""
    weight: Any = layer.weight
    return float(layer(torch.arange(len(weight), device=weight.device)).float().norm(dim=1).mean())


def continue_items(model: LanguageModel, folder: Path) -> LanguageModel:
    """The model whose item tokens go on from those of the saved model in a folder: what they share by id is taken over.

    The projection and the length of embeddings are taken over too, so both need the same text encoder.

    Raises
    ------
    ModelError
        When the parts do not fit.
    """
    items = model.items
    assert items is not None  # `with_items` made them
    card = read_card(folder)["items"]
    ids = load_tokenizer(str(folder)).names(int(card["first"]), int(card["count"]))
    before = load_items(folder, ids, int(card["first"])).to(model.device)
    if before.project.weight.shape != items.project.weight.shape:
        raise ModelError("the text vectors of the base have another size", where=str(folder), hint="use its encoder")
    index = {item: number for number, item in enumerate(ids)}
    pairs = [(new, index[item]) for new, item in enumerate(items.ids) if item in index]
    to, of = torch.tensor(pairs, dtype=torch.long, device=model.device).view(-1, 2).T
    with torch.no_grad():
        items.project.weight.copy_(before.project.weight)
        items.residual[to], items.bias[to] = before.residual[of], before.bias[of]
        items.has_interactions[to] |= before.has_interactions[of]
        items.length.copy_(before.length)
    note = f"{len(pairs)} of {len(items.ids)} items go on from what the base learned of them"
    return replace(model, notes=(*model.notes, note))


def _drop_out(model: LanguageModel) -> None:
    """Dropout of what each layer adds: the architecture has none of its own there."""
    for layer in model.decoder.layers:
        layer.self_attn.register_forward_hook(
            lambda module, _, out: (dropout(out[0], model.dropout, module.training), *out[1:])
        )
        layer.mlp.register_forward_hook(lambda module, _, out: dropout(out, model.dropout, module.training))


@quiet()
def load_network(name: str, tuning: str, precision: str) -> Any:
    """Weights of a causal model by name or path: safetensors only, and no code that comes with them.

    With full tuning the weights are kept in fp32, because updates vanish in 16 bits; a frozen base is kept in the
    precision it is computed in.

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
        network, loaded = AutoModelForCausalLM.from_pretrained(
            name, trust_remote_code=False, use_safetensors=True, output_loading_info=True, **arguments
        )
        attention.use_own(network)
    except Exception as error:  # a broken folder fails in many ways inside the library
        raise ModelError(f"cannot load the model {name!r}: {first_line(error)}", hint=LOADING_HINT) from error
    check_loaded(network, loaded, name)
    return keep_trainable(network) if tuning == "qlora" else network


def fit_vocabulary(network: Any, size: int) -> range:
    """Give a network rows for token ids up to ``size``; what it has already is kept. Returns the new rows."""
    rows = int(network.get_input_embeddings().weight.shape[0])
    if size > rows:
        network.resize_token_embeddings(size)
    return range(rows, max(rows, size))


def check_head(model: LanguageModel, longest: int | None = None) -> None:
    """Make sure that decoder and output layer, called apart, give the model's own logits, and that it is causal.

    They are called apart so that logits are computed only where they are needed; a model that does more between the two
    than `LogitTransform` knows must not be trained on something else than it is. The text is longer than the reach of
    local attention, where texts of that length can occur, and masks are tried on it (`LanguageModel.reads_trees`).

    Parameters
    ----------
    longest
        Most tokens of a text; by default all that the model can read.

    Raises
    ------
    ModelError
        When the logits differ, or when a position sees later ones.
    """
    reach = capabilities.shortest_reach(model.network.config)
    longest = min(longest or model.longest, model.longest)
    length = int(reach) + capabilities.BEYOND if reach < longest else 12
    with capabilities.measuring(model), torch.no_grad():
        ids = capabilities.sample_ids(length, capabilities.word_count(model), model.device)
        own = model.network(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
        apart = model.logits(model.hidden(ids))
        later = torch.cat([ids[:, :-2], ids[:, :2]], 1)
        causal = model.logits(model.hidden(later))[:, :-2]
    coarse = capabilities.is_coarse(model)
    if not capabilities.agree(apart, own, coarse):
        raise ModelError(f"{model.base} needs more than its output layer to make logits", hint="choose another base")
    if not capabilities.agree(causal, own[:, :-2], coarse):
        raise ModelError(f"{model.base} lets a token see later ones: it is no causal model", hint="choose another base")
    model.reads_trees(length)


@quiet()
def save(model: LanguageModel, folder: Path) -> None:
    """Write the model into an existing or new folder: safetensors, tokenizer, and a card that says how to load it.

    Raises
    ------
    StorageError
        When the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # An adapter holds the rows of the tokens that it added; the library would save all rows of a base that grew.
        whole = {} if model.tuning == "full" else {"save_embedding_layers": False}
        model.network.save_pretrained(folder, **whole)
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
        first, count = (int(card["items"][key]) for key in ("first", "count")) if "items" in card else (0, 0)
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError("not a saved model", where=str(folder), hint="train first: shoptalk train") from error
    tokenizer = load_tokenizer(str(folder))
    if card.get("tokens", tokenizer.names_digest()) != tokenizer.names_digest():
        raise ModelError(
            "the tokens of items or users have other ids than in training", where=str(folder), hint="train again"
        )
    if tuning == "full":
        network = load_network(str(folder), "full", "fp32")
    else:
        plain, _ = base_network(locate(card, folder), tuning, precision, load_network)
        # item tokens with embeddings of their own need no rows
        fit_vocabulary(plain, first if count else tokenizer.size)
        network = load_adapters(plain, folder, quantised=tuning == "qlora")
    network = network.to(device()).eval()
    here = choose_precision("auto") if precision == "fp16" and device().type == "cpu" else precision
    items = load_items(folder, tokenizer.names(first, count), first).to(device()) if count else None
    origin = card.get("origin")
    known = Base(origin["path"], origin["sha256"]) if origin else None
    return LanguageModel(network, tokenizer, base, tuning, here, items, origin=known)


def _count(parameter: nn.Parameter) -> int:
    """Parameters in a tensor; 4-bit weights are stored two to a byte."""
    return parameter.numel() * (2 if parameter.dtype == torch.uint8 else 1)
