"""Dropout: what share goes, what becomes of the rest, and of gradients."""

import pytest
import torch

from shoptalk.models.dropout import dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_share_is_dropped_and_the_mean_stays(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    out = dropout(torch.ones(1000, 101, dtype=dtype), 0.4, training=True)
    assert float((out == 0).float().mean()) == pytest.approx(0.4, abs=0.01)  # 102 / 256 is .398
    assert float(out.float().mean()) == pytest.approx(1, abs=0.02)
    assert len(out.unique()) == 2


def test_every_byte_of_a_draw_is_fair() -> None:
    torch.manual_seed(0)
    gone = (dropout(torch.ones(20_000, 8), 0.4, training=True) == 0).float().mean(dim=0)
    assert torch.allclose(gone, torch.full((8,), 102 / 256), atol=0.02)  # the sign's byte too


def test_nothing_is_dropped_outside_training_or_for_no_share() -> None:
    values = torch.randn(7)
    assert dropout(values, 0.4, training=False) is values
    assert dropout(values, 0.0, training=True) is values


def test_what_is_dropped_has_no_gradient() -> None:
    torch.manual_seed(0)
    values = torch.ones(300, requires_grad=True)
    out = dropout(values, 0.5, training=True)
    out.sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad, out.detach())  # each is 0, or the scale
