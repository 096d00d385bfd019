"""Progress without a terminal: one line for each step of a short stage, few lines for a long one."""

import pytest

from shoptalk.progress_bars import progress_bars


def test_long_stages_print_at_most_one_line_in_an_interval(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars() as progress:
        progress("prepare", 0, 2, "reading")
        progress("prepare", 1, 2, "writing")
        for done in range(100):
            progress("rankings", done, 100, "own histories")
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["prepare: reading", "prepare: writing", "rankings   0%: own histories"]
