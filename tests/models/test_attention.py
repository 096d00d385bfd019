"""Attention of short texts in training: that it is the attention it replaces."""

import pytest
import torch
from torch import nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from shoptalk.models.attention import SHORT, attention
from tests.words import small_model


def heads(length: int, keys: int = 4) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(2, count, length, 16, requires_grad=True) for count in (4, keys, keys)]


class Layer(nn.Module):
    num_key_value_groups = 1
    is_causal = True


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("length", [1, 7, 64, SHORT + 1])
@pytest.mark.parametrize("keys", [4, 2])
def test_values_and_gradients_are_those_of_the_fused_form(length: int, keys: int, masked: bool) -> None:
    layer = Layer()
    layer.num_key_value_groups = 4 // keys
    mask = torch.ones(1, 1, length, length, dtype=torch.bool).tril()
    mask[..., length // 2 :, : length // 3] = False
    given = mask if masked else None
    results = []
    for way in (attention, sdpa_attention_forward):
        query, key, value = heads(length, keys)
        with torch.autocast("cpu", torch.bfloat16):
            out, _ = way(layer, query, key, value, given, scaling=0.2)
        out.float().square().sum().backward()
        results.append([out.detach().float(), *(one.grad for one in (query, key, value))])
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4 + 0.03 * float(theirs.abs().max()))


def test_learning_needs_no_fused_form(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the fused form was used")

    model = small_model(precision="bf16")
    monkeypatch.setattr("shoptalk.models.attention.sdpa_attention_forward", never)
    model.network.train()
    with model.autocast():
        hidden = model.hidden(torch.tensor([[7, 40, 41, 42, 90, 200]]))
    hidden.float().sum().backward()
    assert all(parameter.grad is not None for parameter in model.decoder.layers.parameters())


def test_without_learning_the_fused_form_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr(
        "shoptalk.models.attention.sdpa_attention_forward", lambda *given, **_: called.append(given) or (given[1], None)
    )
    query, key, value = (one.detach() for one in heads(7))
    with torch.autocast("cpu", torch.bfloat16):
        attention(Layer(), query, key, value, None)
    assert called


@pytest.mark.parametrize("shown", [{"position_bias": 30.0}, {"is_causal": False}])
def test_what_it_does_not_know_is_left_to_the_fused_form(
    monkeypatch: pytest.MonkeyPatch, shown: dict[str, float]
) -> None:
    called = []
    monkeypatch.setattr(
        "shoptalk.models.attention.sdpa_attention_forward", lambda *given, **_: called.append(given) or (given[1], None)
    )
    with torch.autocast("cpu", torch.bfloat16):
        attention(Layer(), *heads(7), None, **shown)
    assert called


@pytest.mark.parametrize("shown", [{"softcap": 30.0}, {"s_aux": torch.zeros(4)}])
def test_what_the_fused_form_would_leave_out_is_refused(shown: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="computed by the model itself"):
        attention(Layer(), *heads(7), None, **shown)
