"""README, CONTRIBUTING and CHANGELOG as pages of the web site."""

import doctest
from collections.abc import Callable
from types import ModuleType

import pytest

pytest.importorskip("mkdocs", reason="the extra docs is not installed")


@pytest.fixture
def hooks(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("hooks")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](docs/results.md)", "[a](results.md)"),
        ("[a](docs/guide/data.md#time)", "[a](guide/data.md#time)"),
        ("![a](docs/beauty.png)", "![a](beauty.png)"),
        ("[a](CONTRIBUTING.md)", "[a](contributing.md)"),
        ("[a](README.md#motivation)", "[a](index.md#motivation)"),
        ("[a](#motivation)", "[a](#motivation)"),
        ("[a](https://example.org/docs/x.md)", "[a](https://example.org/docs/x.md)"),
        ("see [the code](src/shoptalk/schema.py)", "see the code"),  # no page shows it
    ],
    ids=["page", "anchor", "picture", "contributing", "home", "same page", "other site", "no page"],
)
def test_links_are_rewritten(text: str, expected: str, hooks: ModuleType) -> None:
    assert hooks.as_page(text) == expected


def test_the_examples_of_the_docstrings(hooks: ModuleType) -> None:
    tested = doctest.testmod(hooks)
    assert tested.attempted == 3
    assert tested.failed == 0
