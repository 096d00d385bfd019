"""Number formats: chosen by what the hardware at hand does fast, which is measured and not guessed."""

import time
from collections.abc import Callable
from functools import cache

import torch

from shoptalk.errors import ModelError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def choose_precision(wanted: str) -> str:
    """``fp32``, ``bf16`` or ``fp16``: the one that is asked for, or for ``auto`` the one that is fast here.

    On a GPU bf16 where its tensor cores know it (older ones only emulate it, slowly), else fp16. On a CPU bf16 where a
    matrix product in it takes at most two thirds of the time in fp32, measured in a few milliseconds (some CPUs do bf16
    five times faster, others four times slower).

    Raises
    ------
    ModelError
        When fp16 is asked for on a CPU, where its small numbers vanish and nothing makes up for that.
    """
    on_gpu = device().type == "cuda"
    if wanted == "fp16" and not on_gpu:
        raise ModelError("fp16 training needs a GPU", hint='set model.precision to "auto", "fp32" or "bf16"')
    if wanted != "auto":
        return wanted
    if on_gpu:
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if bf16_speedup() >= 1.5 else "fp32"


@cache
def bf16_speedup(clock: Callable[[], float] = time.perf_counter) -> float:
    """How many times faster this CPU multiplies matrices in bf16 than in fp32 (the best of a few tries each)."""
    times = {}
    for dtype in (torch.float32, torch.bfloat16):
        left, right = torch.ones(512, 256, dtype=dtype), torch.ones(256, 512, dtype=dtype)
        left @ right  # the first product sets things up
        tries = []
        for _ in range(5):
            begin = clock()
            left @ right
            tries.append(clock() - begin)
        times[dtype] = min(tries)
    return times[torch.float32] / times[torch.bfloat16]
