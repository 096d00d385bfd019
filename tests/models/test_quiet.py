"""Silence while models are loaded, and none afterwards."""

import logging

import pytest
from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from transformers.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled

from shoptalk.models.quiet import LOGGERS, quiet


@pytest.mark.parametrize(("bars", "of_the_hub"), [(True, True), (True, False), (False, False)])
def test_what_was_set_before_is_set_afterwards(bars: bool, of_the_hub: bool) -> None:
    (enable_progress_bar if bars else disable_progress_bar)()
    (enable_progress_bars if of_the_hub else disable_progress_bars)()
    logging.getLogger(LOGGERS[0]).setLevel(logging.INFO)

    def now() -> tuple[object, ...]:
        return is_progress_bar_enabled(), are_progress_bars_disabled(), *(logging.getLogger(n).level for n in LOGGERS)

    def broken() -> None:
        with quiet():
            assert now() == (False, True, logging.ERROR, logging.ERROR)
            raise ValueError

    before = now()
    try:
        with pytest.raises(ValueError, match="^$"):
            broken()
        assert now() == before
    finally:
        logging.getLogger(LOGGERS[0]).setLevel(logging.NOTSET)
        enable_progress_bar()
