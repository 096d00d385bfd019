"""Silence while models are loaded, and none afterwards."""

import logging
import warnings

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


def test_no_warnings_of_libraries_about_each_other() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet():
            warnings.warn("will be removed in the next version", FutureWarning, stacklevel=1)
            warnings.warn("cannot be used", UserWarning, stacklevel=1)
        warnings.warn("will be removed in the next version", FutureWarning, stacklevel=1)
    assert [warning.category for warning in caught] == [UserWarning, FutureWarning]
