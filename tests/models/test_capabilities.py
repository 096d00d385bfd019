"""Local attention, masks of our own, and what a model does to its logits."""

import math

import pytest
import torch
from transformers import GraniteConfig, MistralConfig

from shoptalk.errors import ModelError
from shoptalk.models import attention, capabilities, language_model
from shoptalk.models.capabilities import LocalAttention, LogitTransform, layer_masks, local_attention, shortest_reach
from shoptalk.models.create import check_head
from shoptalk.models.storage import load_network
from shoptalk.recommend.tree_decoder import TreeDecoder
from tests.architectures import TOLERANCE, make, option_error, pair
from tests.words import small_model


@pytest.mark.parametrize("name", ["mistral", "gemma3_text", "qwen2", "gemma2"])
def test_answers_behind_a_prompt_longer_than_the_window_score_as_alone(name: str) -> None:
    with pair(name) as both:
        assert shortest_reach(both.model.network.config) == 8  # and the prompts have 20 and 30 tokens
        assert both.model.reads_trees(40)
        assert option_error(both) <= TOLERANCE


def test_a_window_is_counted_in_positions_and_not_in_places() -> None:
    # a prompt of three tokens with two answers of two: place 5 has position 3, next to position 2
    positions = torch.tensor([[0, 1, 2, 3, 4, 3, 4]])
    seen = LocalAttention(window=2).within(positions, positions)[0, 5]
    assert seen.tolist() == [False, False, True, True, True, True, True]  # 3 - key < 2; the mask keeps answers apart
    chunks = LocalAttention(chunk=2).within(positions, positions)[0, 5]
    assert chunks.tolist() == [False, False, True, True, False, True, False]  # positions 2 and 3


def test_each_kind_of_layer_gets_its_own_mask() -> None:
    config = MistralConfig(sliding_window=2)
    config.layer_types = ["sliding_attention", "full_attention"]
    assert local_attention(config) == {
        "sliding_attention": LocalAttention(window=2),
        "full_attention": LocalAttention(),
    }
    allowed = torch.ones(1, 1, 3, 3, dtype=torch.bool).tril()
    positions = torch.arange(3)[None]
    masks = layer_masks(config, "sdpa", allowed, positions, positions, torch.float32)
    assert masks["full_attention"][0, 0].tolist() == allowed[0, 0].tolist()
    assert masks["sliding_attention"][0, 0].tolist() == [[True, False, False], [True, True, False], [False, True, True]]
    added = layer_masks(config, "eager", allowed, positions, positions, torch.float32)["full_attention"]
    lowest = torch.finfo(torch.float32).min
    assert added[0, 0].tolist() == [[0, lowest, lowest], [0, 0, lowest], [0, 0, 0]]


def test_a_model_without_windows_sees_everything() -> None:
    assert math.isinf(shortest_reach(small_model().network.config))


def test_a_mask_that_a_model_does_not_follow_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        LocalAttention, "within", lambda self, query, key: torch.ones(1, query.shape[1], key.shape[1], dtype=torch.bool)
    )
    with pair("mistral") as both:
        assert both.model.reads_trees(8)  # here the window makes no difference
        assert not both.model.reads_trees(40)
        assert option_error(both) <= TOLERANCE  # one by one


def test_the_check_reads_a_text_longer_than_the_window() -> None:
    with pair("mistral") as both:
        lengths = []
        both.model.decoder.register_forward_pre_hook(
            lambda _, args, given: lengths.append(given["input_ids"].shape[1]), with_kwargs=True
        )
        check_head(both.model, 256)
        assert max(lengths) == 8 + capabilities.BEYOND
        lengths.clear()
        check_head(both.model, 8)  # texts are never longer than the window
        assert max(lengths) == 12


def test_attention_that_sees_later_tokens_is_refused() -> None:
    with pair("bloom") as both:
        both.model.network.config._attn_implementation = attention.NAME  # its mask is not the one that Bloom adds
        with pytest.raises(ModelError, match="attends to later tokens"):
            check_head(both.model)


@pytest.mark.parametrize("name", ["cohere", "granite", "gemma2"])
def test_logits_that_are_not_understood_are_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pair(name) as both:
        monkeypatch.setattr(language_model, "logit_transform", lambda network: LogitTransform())
        with pytest.raises(ModelError, match="computes its logits with more than its output layer"):
            check_head(both.model)


def test_logits_are_scaled_and_then_capped() -> None:
    assert LogitTransform(scale=0.5, cap=2.0)(torch.tensor([4.0])).item() == pytest.approx(2 * math.tanh(0.5 * 4 / 2))
    assert capabilities.logit_transform(_with(GraniteConfig(logits_scaling=4.0))) == LogitTransform(scale=1 / 4)


def _with(config: object) -> torch.nn.Module:
    network = torch.nn.Module()
    network.config = config
    return network


def test_short_rows_are_read_as_trees_and_long_ones_are_not() -> None:
    """GPT-Neo counts its window in places of the row, so that a tree is right only while the row is short."""
    with pair("gpt_neo") as both, torch.no_grad():
        assert both.model.reads_trees(8)
        assert not both.model.reads_trees(9)
        branches = TreeDecoder(both.model, [[5, 6, 7]])
        assert branches.cache is not None
        one = torch.ones(1, 1, dtype=torch.long)
        _, _, seen = branches.grow(torch.tensor([[[8, 9]]]), 2 * one, 0 * one, branches.seen)
        assert branches.cache is not None
        more = torch.arange(10, 18)
        states, _, _ = branches.grow(more[None, None], 8 * one, 2 * one, seen)  # 3 + 2 + 8 places
        assert branches.cache is None
        own = both.reference.transformer(torch.tensor([[5, 6, 7, 8, 9, *more.tolist()]])).last_hidden_state[0, 5:]
        assert torch.allclose(states, own, atol=TOLERANCE)


def test_branches_of_a_model_with_windows_share_a_cache() -> None:
    with pair("gemma3_text") as both, torch.no_grad():
        prompt = list(range(20, 50))
        branches = TreeDecoder(both.model, [prompt])
        tokens, count = torch.tensor([[[7, 8], [9, 10]]]), torch.full((1, 2), 2)
        states, _, seen = branches.grow(tokens, count, torch.zeros_like(count), branches.seen.expand(-1, 2, -1))
        assert branches.cache is not None
        # the second branch goes on; between it and its prompt stand the places of the first
        order = seen[:, 1:]
        again, _, _ = branches.grow(torch.tensor([[[11]]]), torch.ones(1, 1, dtype=torch.long), count[:, :1], order)
        own = both.reference.model(torch.tensor([[*prompt, 9, 10, 11]])).last_hidden_state[0, -3:]
        assert torch.allclose(torch.cat([states[2:], again]), own, atol=TOLERANCE)


def test_a_base_without_fused_attention_is_loaded_from_its_folder(tmp_path) -> None:
    make("mpt", tmp_path)
    network = load_network(str(tmp_path), "full", "fp32")
    assert network.config._attn_implementation == "eager"


@pytest.mark.parametrize(("name", "says"), [("mixtral", "lora_dropout"), ("mamba", "out_proj")])
def test_layers_that_cannot_have_adapters_are_named(name: str, says: str) -> None:
    with pytest.raises(ModelError, match=f"a layer cannot have adapters: .*{says}"), pair(name, tuning="lora"):
        pass
