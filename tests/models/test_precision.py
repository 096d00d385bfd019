"""Number formats."""

import pytest
import torch

from shoptalk.models import precision


def test_what_is_asked_for_is_taken() -> None:
    assert precision.choose_precision("bf16") == "bf16"
    assert precision.choose_precision("fp32") == "fp32"


@pytest.mark.skipif(torch.cuda.is_available(), reason="the CPU's choice")
@pytest.mark.parametrize(("speedup", "chosen"), [(4.7, "bf16"), (1.2, "fp32"), (0.25, "fp32")])
def test_a_cpu_computes_in_what_it_does_fast(monkeypatch: pytest.MonkeyPatch, speedup: float, chosen: str) -> None:
    monkeypatch.setattr(precision, "bf16_speedup", lambda: speedup)
    assert precision.choose_precision("auto") == chosen


def test_the_speedup_is_measured() -> None:
    assert 0.01 < precision.bf16_speedup() < 100
