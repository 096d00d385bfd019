"""Number formats."""

from itertools import chain

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


def test_the_speedup_is_that_of_the_best_tries() -> None:
    took = [7.0, 3.0, 9.0, 3.5, 4.0, 6.0, 8.0, 2.0, 2.5, 5.0]  # five products in fp32, five in bf16
    clock = chain.from_iterable((10.0 * index, 10.0 * index + seconds) for index, seconds in enumerate(took))
    assert precision.bf16_speedup(clock.__next__) == 3.0 / 2.0


@pytest.mark.parametrize(("native", "chosen"), [(True, "bf16"), (False, "fp16")])
def test_a_gpu_that_only_emulates_bf16_computes_in_fp16(
    monkeypatch: pytest.MonkeyPatch, native: bool, chosen: str
) -> None:
    def supported(including_emulation: bool = True) -> bool:
        """As on a GPU before Ampere: PyTorch says yes, unless it is asked for what the hardware does."""
        return native or including_emulation

    monkeypatch.setattr(precision, "device", lambda: torch.device("cuda"))
    monkeypatch.setattr("torch.cuda.is_bf16_supported", supported)
    assert precision.choose_precision("auto") == chosen
