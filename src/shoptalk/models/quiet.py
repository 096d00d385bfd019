"""No progress bars, log messages and warnings of libraries while models are loaded and saved; settings are restored."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars
from transformers.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled

#: On import, bitsandbytes suggests a package that would fetch code from a hub; transformers reports models that keep
#: another attention implementation, and layers that are not sharded. Users can act on none of these.
LOGGERS = ("bitsandbytes.backends.cpu.ops", "transformers")


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars of transformers, which would mix with those of shoptalk, and no warnings of `LOGGERS`.

    Nor warnings of one library about another, for instance of transformers about what peft still uses.

    It also decorates functions. Afterwards all settings are as before.
    """
    bars, hub_bars = is_progress_bar_enabled(), not are_progress_bars_disabled()
    levels = [(logger, logger.level) for logger in map(logging.getLogger, LOGGERS)]
    disable_progress_bar()
    for logger, _ in levels:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for category in (FutureWarning, DeprecationWarning):
                warnings.simplefilter("ignore", category)
            yield
    finally:
        for logger, level in levels:
            logger.setLevel(level)
        if bars:
            enable_progress_bar()
            if not hub_bars:
                disable_progress_bars()
