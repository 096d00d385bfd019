"""Silence while models are loaded and written, and only then: what a program around us has set stays as it is."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars
from transformers.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled

#: bitsandbytes asks, when it is loaded, for a package that would fetch code from a hub, and transformers says of models
#: that compute attention in their own way that they go on doing so; neither is of use to who trains or scores.
LOGGERS = ("bitsandbytes.backends.cpu.ops", "transformers.modeling_utils")


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars of transformers, which would stand between our own, and no warnings of `LOGGERS`.

    A function that it decorates is quiet from beginning to end. Afterwards everything is as it was before.
    """
    bars, of_the_hub = is_progress_bar_enabled(), not are_progress_bars_disabled()
    levels = [(logger, logger.level) for logger in map(logging.getLogger, LOGGERS)]
    disable_progress_bar()
    for logger, _ in levels:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in levels:
            logger.setLevel(level)
        if bars:
            enable_progress_bar()
            if not of_the_hub:
                disable_progress_bars()
