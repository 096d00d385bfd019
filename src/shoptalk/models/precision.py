"""Number formats, chosen by the measured speed of the hardware."""

import time
from collections.abc import Callable
from functools import cache

import torch

from shoptalk.errors import ModelError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def choose_precision(setting: str) -> str:
    """``fp32``, ``bf16`` or ``fp16``: the given setting, or for ``auto`` the fastest on this machine.

    On a GPU bf16 where its tensor cores support it (older ones only emulate it, slowly), else fp16. On a CPU bf16 where
    a matrix product in it takes at most two thirds of the time in fp32, measured in a few milliseconds (some CPUs do
    bf16 five times faster, others four times slower).

    Raises
    ------
    ModelError
        For fp16 on a CPU, where small gradients underflow and there is no loss scaling.
    """
    on_gpu = device().type == "cuda"
    if setting == "fp16" and not on_gpu:
        raise ModelError("fp16 training needs a GPU", hint='set model.precision to "auto", "fp32" or "bf16"')
    if setting != "auto":
        return setting
    if on_gpu:
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if bf16_speedup() >= 1.5 else "fp32"


@cache
def bf16_speedup(clock: Callable[[], float] = time.perf_counter) -> float:
    """How many times faster this CPU multiplies matrices in bf16 than in fp32 (the best of a few tries each)."""
    times = {}
    for dtype in (torch.float32, torch.bfloat16):
        left, right = torch.ones(512, 256, dtype=dtype), torch.ones(256, 512, dtype=dtype)
        left @ right  # warm-up
        tries = []
        for _ in range(5):
            begin = clock()
            left @ right
            tries.append(clock() - begin)
        times[dtype] = min(tries)
    return times[torch.float32] / times[torch.bfloat16]
