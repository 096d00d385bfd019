"""What works with which architecture: measured, and as the documentation says."""

from pathlib import Path

import pytest

from tests.architectures import COLUMNS, SETTINGS, line, measure

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "models.md"


def documented() -> dict[str, str]:
    """The lines of the table, by architecture."""
    _, _, table = PAGE.read_text(encoding="utf-8").partition("\n| architecture |")
    lines = [text for text in table.split("\n\n")[0].splitlines() if text.startswith("| `")]
    return {text.split("`")[1]: text for text in lines}


def test_the_table_has_a_line_for_each_architecture() -> None:
    assert list(documented()) == list(SETTINGS)
    assert f"| architecture | {' | '.join(COLUMNS)} |" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SETTINGS)
def test_the_table_says_what_is_measured(name: str) -> None:
    assert documented()[name] == line(name, measure(name)), "python -m tests.architectures prints the table"
