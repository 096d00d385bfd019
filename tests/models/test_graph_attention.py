"""Graph attention: equal to a formula written by hand, with padding, cache, adapters, and after saving and loading."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, silu
from transformers import DynamicCache

from shoptalk.errors import ModelError
from shoptalk.graph.node_pairs import RELATIONS, constant_weights, published_weights
from shoptalk.graph.user_items import UserItemGraph, users_of
from shoptalk.models.create import create
from shoptalk.models.graph_attention import GraphAttention
from shoptalk.models.graph_setup import continue_graph, with_graph, with_items_added
from shoptalk.models.item_embeddings import with_items
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.storage import load, save
from shoptalk.models.tree import tree_log_probabilities
from shoptalk.recipe import Lora, Model
from shoptalk.recommend.tree_decoder import TreeDecoder
from shoptalk.schema import History, Item
from tests.architectures import SETTINGS, make
from tests.words import CATALOGUE, TITLES

IDS = list(CATALOGUE)
HISTORIES = [History("u", ("R0", "R1", "C2")), History("v", ("C2", "C3", "M1")), History("w", ("R0", "R1", "M5"))]
FORMS = ("ones", "published", "all-edges", "learned")


def item_model(model: LanguageModel) -> LanguageModel:
    """A model with item tokens, with weights for which attention matters, and without a graph."""
    text = np.random.default_rng(0).normal(size=(len(IDS), 8)).astype(np.float32)
    model = with_items(model, IDS, text, np.ones(len(IDS), dtype=bool), 0.0)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in (*model.network.parameters(), *model.items.parameters()):
            if parameter.requires_grad and parameter.ndim == 2:
                parameter.normal_(std=0.25)
    model.train(False)
    return model


def add_graph(model: LanguageModel, form: str, scalars: float = 1.0) -> LanguageModel:
    graph = UserItemGraph.of(HISTORIES, CATALOGUE)
    model = with_graph(model, form, graph, users_of(HISTORIES), IDS)
    if model.graph.scalars is not None:
        torch.manual_seed(2)
        with torch.no_grad():
            model.graph.scalars.normal_().mul_(scalars)
    model.train(False)
    return model


def base(name: str, folder: Path, lora: Lora | None = None, **settings: object) -> LanguageModel:
    make(name, folder)
    recipe = Model(base=str(folder), precision="fp32", **settings)
    return item_model(create(recipe, lora or Lora(), [], 1, 256, users=["v"]))


@pytest.fixture
def nano() -> LanguageModel:
    recipe = Model.model_validate({"width": 32, "layers": 2, "vocabulary": 320, "precision": "fp32"})
    return item_model(create(recipe, Lora(), TITLES, 1, 256, users=["v"]))


def rows(model: LanguageModel, length: int = 9) -> Tensor:
    """Rows of item tokens of every kind of relation, with words and the token of a user among them."""
    items = ["R0", "R1", "C2", "M1", "M5", "B9", "R0", "C3"]
    ids = [model.items.first + IDS.index(item) if item in CATALOGUE else 7 for item in items]
    user = model.tokenizer.hugging_face.convert_tokens_to_ids("<|user_v|>")
    return torch.tensor([[*ids[:7], user, ids[7]], [user, *ids[3:], 40, 41, ids[0]]])[:, :length]


def expected_bias(model: LanguageModel, ids: Tensor, layer: int) -> Tensor:
    """(B, H or 1, T, T) the bias, pair by pair, from the whole matrix of distances of the graph."""
    graph = model.graph.graph
    codes = model.graph.pairs.pair_codes(*(part.ravel() for part in np.indices((graph.node_count,) * 2)))
    codes = codes.reshape(graph.node_count, -1)
    nodes = model.graph.node_of_token[ids.numpy()]
    heads = 1 if model.graph.scalars is None else model.graph.scalars.shape[1]
    bias = torch.zeros(len(ids), heads, ids.shape[1], ids.shape[1])
    weights = constant_weights() if model.graph.form == "ones" else published_weights()
    for row, query, key in np.ndindex(len(ids), ids.shape[1], ids.shape[1]):
        left, right = nodes[row, query], nodes[row, key]
        if left < 0 or right < 0:
            continue
        code = codes[left, right]
        if model.graph.scalars is None:
            bias[row, 0, query, key] = float(weights[code])
        else:
            table = model.graph.table[:, int(code)]
            bias[row, :, query, key] = model.graph.scalars[layer].detach() @ table
    return bias


def embeddings(model: LanguageModel, ids: Tensor) -> Tensor:
    return model._input_embeddings(ids, model.items, model.items.table())


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """softmax(Q K' / sqrt(d) + causal mask + B) V for (B, H, T, D)."""
    length = query.shape[2]
    causal = torch.full((length, length), -math.inf).triu(1)
    logits = query @ key.transpose(2, 3) / math.sqrt(query.shape[-1]) + causal + bias
    return logits.softmax(-1) @ value


def by_heads(values: Tensor, heads: int) -> Tensor:
    return values.unflatten(-1, (heads, -1)).transpose(1, 2)


def llama_states(model: LanguageModel, ids: Tensor) -> Tensor:
    """Hidden states of a Llama, written by hand."""
    decoder, config = model.decoder, model.network.config
    groups = config.num_attention_heads // config.num_key_value_heads
    states = embeddings(model, ids)
    cos, sin = decoder.rotary_emb(states, torch.arange(ids.shape[1])[None])
    cos, sin = cos[:, None], sin[:, None]

    def rotate(values: Tensor) -> Tensor:
        first, second = values.chunk(2, -1)
        return values * cos + torch.cat([-second, first], -1) * sin

    for number, layer in enumerate(decoder.layers):
        normed, part = layer.input_layernorm(states), layer.self_attn
        query = rotate(by_heads(part.q_proj(normed), config.num_attention_heads))
        key = rotate(by_heads(part.k_proj(normed), config.num_key_value_heads)).repeat_interleave(groups, 1)
        value = by_heads(part.v_proj(normed), config.num_key_value_heads).repeat_interleave(groups, 1)
        attended = attend(query, key, value, expected_bias(model, ids, number))
        states = states + part.o_proj(attended.transpose(1, 2).flatten(2))
        normed, mlp = layer.post_attention_layernorm(states), layer.mlp
        states = states + mlp.down_proj(silu(mlp.gate_proj(normed)) * mlp.up_proj(normed))
    return decoder.norm(states)


def gpt2_states(model: LanguageModel, ids: Tensor) -> Tensor:
    """Hidden states of a GPT-2, written by hand."""
    decoder, heads = model.decoder, model.network.config.n_head
    states = embeddings(model, ids) + decoder.wpe(torch.arange(ids.shape[1]))

    def norm(values: Tensor, layer: torch.nn.LayerNorm) -> Tensor:
        return layer_norm(values, values.shape[-1:], layer.weight, layer.bias, layer.eps)

    for number, block in enumerate(decoder.h):
        query, key, value = (
            by_heads(values, heads) for values in block.attn.c_attn(norm(states, block.ln_1)).chunk(3, -1)
        )
        attended = attend(query, key, value, expected_bias(model, ids, number))
        states = states + block.attn.c_proj(attended.transpose(1, 2).flatten(2))
        inner = gelu(block.mlp.c_fc(norm(states, block.ln_2)), approximate="tanh")
        states = states + block.mlp.c_proj(inner)
    return norm(states, decoder.ln_f)


@torch.no_grad()
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "reference"), [("llama", llama_states), ("gpt2", gpt2_states)])
def test_it_is_the_formula(name: str, reference: object, form: str, tmp_path: Path) -> None:
    plain = base(name, tmp_path)
    model = add_graph(plain, form)
    ids = rows(model)
    states = model.hidden(ids)
    assert not model.graph.through_masks
    assert torch.allclose(states, reference(model, ids), atol=2e-5)
    assert (states - plain.hidden(ids)).abs().max() > 0.01


@torch.no_grad()
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_scalars_of_zero_give_bit_equal_states(name: str, tmp_path: Path) -> None:
    plain = base(name, tmp_path)
    model = add_graph(plain, "learned", scalars=0)
    ids = rows(model)
    assert torch.equal(model.hidden(ids), plain.hidden(ids))
    long = ids.repeat(1, 20)
    assert torch.equal(model.hidden(long), plain.hidden(long))


@torch.no_grad()
@pytest.mark.parametrize("form", FORMS)
def test_padding_and_other_rows_change_nothing(nano: LanguageModel, form: str) -> None:
    model = add_graph(nano, form)
    ids = rows(model)
    together = torch.zeros(2, 20, dtype=torch.long)
    together[:, :9] = ids
    for row in range(2):
        assert torch.allclose(model.hidden(together)[row, :9], model.hidden(ids[row : row + 1])[0], atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma3_text", "gemma2"])
def test_cached_decoding_is_the_full_pass(name: str, form: str, tmp_path: Path) -> None:
    model = add_graph(base(name, tmp_path), form)
    ids = rows(model)
    vectors, cache, states = embeddings(model, ids), DynamicCache(), []
    for start, stop in ((0, 4), (4, 7), (7, 8), (8, 9)):
        positions = torch.arange(stop).expand(2, -1)
        allowed = (positions[:, start:, None] >= positions[:, None])[:, None]
        inputs = {"inputs_embeds": vectors[:, start:stop], "past_key_values": cache}
        inputs |= model.tree_arguments(allowed, positions[:, start:], positions)
        inputs = model.with_graph_bias(inputs, ids[:, start:stop], ids[:, :stop])
        states.append(model.decoder(**inputs, use_cache=True).last_hidden_state)
    assert torch.allclose(torch.cat(states, 1), model.hidden(ids), atol=2e-5)


@torch.no_grad()
def test_one_token_after_a_cache_needs_no_mask(nano: LanguageModel) -> None:
    model = add_graph(nano, "published")
    ids = rows(model)
    vectors, cache = embeddings(model, ids), DynamicCache()
    for start, stop in ((0, 8), (8, 9)):
        inputs = {"inputs_embeds": vectors[:, start:stop], "past_key_values": cache}
        inputs = model.with_graph_bias(inputs, ids[:, start:stop], ids[:, :stop])
        states = model.decoder(**inputs, use_cache=True).last_hidden_state
    assert torch.allclose(states[:, 0], model.hidden(ids)[:, 8], atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("form", ["published", "learned"])
def test_item_tokens_of_the_vocabulary_are_decoded_with_the_graph(form: str) -> None:
    recipe = Model.model_validate({"width": 32, "layers": 2, "vocabulary": 320, "precision": "fp32"})
    model = create(recipe, Lora(), TITLES, 1, 256, names=IDS)
    model = add_graph(model, form)
    first = int(model.tokenizer.hugging_face.convert_tokens_to_ids("<|item_R0|>"))
    prompt, answer = [first, first + 1, 7, first + 8], [first + 2, first + 9, 30]
    decoder = TreeDecoder(model, [prompt])
    hidden, _, _ = decoder.grow(torch.tensor([[answer]]), torch.tensor([[3]]), torch.tensor([[0]]), decoder.seen)
    full = model.hidden(torch.tensor([prompt + answer]))[0]
    assert torch.allclose(torch.cat([decoder.last, hidden]), full[3:], atol=1e-5)
    scores = tree_log_probabilities(model, [(prompt, [answer, [first + 3, 8]])])
    logits = model.logits(full[3:6]).log_softmax(-1)
    assert torch.allclose(scores[:3], logits[torch.arange(3), torch.tensor(answer)], atol=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("length", [9, 300])
def test_the_loss_reaches_every_relation_that_occurs(nano: LanguageModel, length: int, precision: str) -> None:
    model = replace(add_graph(nano, "learned"), precision=precision)
    ids = rows(model).repeat(1, 40)[:, :length]
    model.train()
    with model.autocast():
        model.hidden(ids).float().square().sum().backward()
    gradient = model.graph.scalars.grad
    occurs = model.graph.bias(ids).relations.any(1)
    assert gradient.isfinite().all()
    assert (gradient.abs().amax((0, 1)) > 0).tolist() == occurs.tolist()
    assert occurs.sum() >= 8
    assert "graph.scalars" in model.trainable_parameters()


def test_gradients_are_those_of_finite_differences(nano: LanguageModel) -> None:
    model = add_graph(nano, "learned")
    ids = rows(model)
    weights = torch.randn(2, 9, 32)

    def loss() -> Tensor:
        return (model.hidden(ids) * weights).sum()

    loss().backward()
    gradient = model.graph.scalars.grad
    index = np.unravel_index(int(gradient.abs().argmax()), gradient.shape)
    values = []
    for step in (1e-2, -2e-2):
        with torch.no_grad():
            model.graph.scalars[index] += step
            values.append(float(loss()))
    assert (values[0] - values[1]) / 2e-2 == pytest.approx(float(gradient[index]), rel=2e-2)


def test_gradient_checkpointing_changes_no_gradient(tmp_path: Path) -> None:
    gradients = []
    for checkpointing in (False, True):
        folder = tmp_path / str(checkpointing)
        folder.mkdir()
        model = add_graph(base("llama", folder), "learned")
        model.train()
        if checkpointing:
            model.network.gradient_checkpointing_enable({"use_reentrant": False})
        model.hidden(rows(model)).square().sum().backward()
        gradients.append(model.graph.scalars.grad)
    assert torch.allclose(*gradients, atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_saved_and_loaded(form: str, tuning: str, tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    model = add_graph(base("llama", tmp_path / "base", Lora(r=2), tuning=tuning), form)
    save(model, tmp_path / "model")
    loaded = load(tmp_path / "model")
    ids = rows(model)
    assert torch.allclose(loaded.hidden(ids), model.hidden(ids), atol=1e-5)
    assert loaded.graph.form == form
    assert loaded.parameters()["parameters"] == model.parameters()["parameters"]
    (tmp_path / "model" / "graph.safetensors").write_bytes(b"half")
    with pytest.raises(ModelError, match="the graph is damaged"):
        load(tmp_path / "model")


@pytest.mark.parametrize(("name", "tuning"), [("gemma2", "lora"), ("gpt_neo", "full"), ("llama", "qlora")])
def test_other_ways_are_trained_saved_and_loaded(name: str, tuning: str, tmp_path: Path) -> None:
    """With masks that all layers share, and on 4-bit weights."""
    if tuning == "qlora":
        pytest.importorskip("bitsandbytes")
    (tmp_path / "base").mkdir()
    model = add_graph(base(name, tmp_path / "base", Lora(r=2), tuning=tuning), "learned")
    assert model.graph.through_masks == (tuning != "qlora")
    assert len(model.graph.scalars) == (1 if model.graph.through_masks else 2)
    ids = rows(model)
    model.train()
    model.hidden(ids).float().square().sum().backward()
    assert (model.graph.scalars.grad.abs().sum(1) > 0).any(0).sum() >= 8
    model.train(False)
    save(model, tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert torch.allclose(loaded.hidden(ids), model.hidden(ids), atol=1e-4)


def test_a_base_with_graph_attention_is_continued(nano: LanguageModel, tmp_path: Path) -> None:
    model = add_graph(nano, "learned")
    save(model, tmp_path)
    continued = continue_graph(add_graph(nano, "learned", scalars=0), tmp_path)
    assert torch.equal(continued.graph.scalars, model.graph.scalars)
    assert "continue from the base" in continued.notes[-1]
    assert "leaves out" in continue_graph(nano, tmp_path).notes[-1]
    assert continue_graph(nano, tmp_path / "elsewhere") is nano
    wider = replace(model, graph=GraphAttention("learned", model.graph.graph, model.graph.node_of_token, 5, 1))
    with pytest.raises(ModelError, match="another shape"):
        continue_graph(wider, tmp_path)


@torch.no_grad()
def test_added_items_keep_the_bias_of_the_others(nano: LanguageModel) -> None:
    model = add_graph(nano, "learned")
    catalogue = {**CATALOGUE, "N1": Item("N1", "Rose pen", brand="Rose")}
    model.tokenizer.add_names("<|item_", ["N1"])
    extended = replace(model, items=model.items.extended(["N1"], torch.ones(1, 8)))
    extended = with_items_added(extended, catalogue)
    ids = rows(model)
    assert torch.equal(extended.hidden(ids), model.hidden(ids))
    added = torch.tensor([[extended.items.first + len(IDS), int(ids[0, 0])]])
    relations = extended.graph.bias(added).relations.view(-1, 2, 2)[:, 0, 1] > 0
    assert [name for name, has in zip(RELATIONS, relations.tolist(), strict=True) if has] == ["same_brand"]


#: Architectures whose attention adds a bias of its own to the scores, and takes no other.
REFUSED = {"bloom", "falcon (ALiBi)"}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_an_architecture_that_takes_no_bias_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="supports no bias"):
        add_graph(base(name, tmp_path), "learned")


@torch.no_grad()
@pytest.mark.parametrize("name", sorted(SETTINGS.keys() - REFUSED - {"mamba"}))
def test_any_other_architecture_has_the_bias(name: str, tmp_path: Path) -> None:
    plain = base(name, tmp_path)
    model = add_graph(plain, "learned")
    ids = rows(model)
    zero = replace(model, graph=_zeroed(model.graph))
    assert torch.allclose(zero.hidden(ids), plain.hidden(ids), atol=1e-5)
    assert (model.hidden(ids) - plain.hidden(ids)).abs().max() > 1e-3
    scalars = model.graph.scalars.clone()
    model.graph.scalars[:, 1:] = 0  # another head has another bias
    assert (model.hidden(ids) - plain.hidden(ids)).abs().max() > 1e-4
    model.graph.scalars[:] = scalars
    assert len(model.graph.scalars) == (1 if model.graph.through_masks else 2)


def _zeroed(graph: GraphAttention) -> GraphAttention:
    extended = graph.extended(graph.graph, graph.node_of_token)
    torch.nn.init.zeros_(extended.scalars)
    return extended


def test_a_model_without_attention_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no attention heads"):
        add_graph(base("mamba", tmp_path), "learned")
