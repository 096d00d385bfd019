"""Dataclasses as JSON and back: every value is checked, and nothing is guessed."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from shoptalk.typed_json import ABSENT, INLINE, SchemaError, as_json, attributes, describe, from_json


@dataclass(frozen=True)
class Inner:
    """An inner one.

    Attributes
    ----------
    low, high
        The ends |x|.
    """

    low: float
    high: float = math.nan


@dataclass(frozen=True)
class Outer:
    """An outer one, of ``parts``.

    Attributes
    ----------
    parts
        Its parts, in
        two lines.
    """

    kind: Literal["a", "b"]
    parts: tuple[Inner, ...]
    by_name: Mapping[str, float | None]
    ends: Inner = field(metadata=INLINE)
    note: str | None = field(default=None, metadata=ABSENT)
    count: int | None = None
    sure: bool = False
    free: Any = None


FULL = Outer(
    "a", (Inner(1.0, 2.0), Inner(0.5, 1.0)), {"x": 1.0, "y": None}, Inner(0.0, 3.0), "n", 4, sure=True, free=[1]
)


def test_what_is_written_is_read_back() -> None:
    content = as_json(FULL)
    assert content == {
        "kind": "a", "parts": [{"low": 1.0, "high": 2.0}, {"low": 0.5, "high": 1.0}], "by_name": {"x": 1.0, "y": None},
        "low": 0.0, "high": 3.0, "note": "n", "count": 4, "sure": True, "free": [1],
    }  # fmt: skip
    assert from_json(Outer, json.loads(json.dumps(content))) == FULL


def test_nan_is_null_and_what_is_absent_is_left_out() -> None:
    bare = Outer("b", (), {}, Inner(math.nan, math.inf))
    content = as_json(bare)
    assert (content["low"], content["high"]) == (None, None)
    assert "note" not in content
    assert content["count"] is None  # null, as it is not marked as absent
    read = from_json(Outer, content)
    assert math.isnan(read.ends.low)
    assert (read.note, read.count) == (None, None)


def test_a_whole_number_is_a_number_and_unknown_keys_are_ignored() -> None:
    assert from_json(Inner, {"low": 1, "newer": {}}).low == 1.0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "c"}, "kind: expected one of a, b, not 'c'"),
        ({"kind": ["a"]}, "kind: expected one of a, b, not a list"),
        ({"parts": 3}, "parts: expected a list, not 3"),
        ({"parts": [{"low": 1.0}, {"high": 1.0}]}, "parts[1].low: is missing"),
        ({"parts": ["x"]}, "parts[0]: expected an object, not 'x'"),
        ({"by_name": []}, "by_name: expected an object, not a list"),
        ({"by_name": {"x": "1"}}, "by_name.x: expected a number, not '1'"),
        ({"low": True}, "low: expected a number, not True"),
        ({"count": 1.5}, "count: expected a whole number, not 1.5"),
        ({"count": True}, "count: expected a whole number, not True"),
        ({"sure": 1}, "sure: expected true or false, not 1"),
        ({"note": 5}, "note: expected a text, not 5"),
        ({"note": {}}, "note: expected a text, not an object"),
        ({"kind": "x" * 100}, f"kind: expected one of a, b, not '{'x' * 39}..."),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(change: dict[str, Any], says: str) -> None:
    with pytest.raises(SchemaError) as caught:
        from_json(Outer, as_json(FULL) | change)
    assert str(caught.value) == says


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(SchemaError, match="expected an object, not null"):
        from_json(Outer, None)


def test_the_page_has_a_table_for_each_class() -> None:
    page = describe(Outer)
    assert [line for line in page.split("\n") if line.startswith("###")] == ["### Outer", "### Inner"]
    assert "An outer one, of `parts`." in page
    assert '| `kind` | `"a"` or `"b"` | yes |  |' in page
    assert "| `parts` | list of [Inner](#inner) | yes | Its parts, in two lines. |" in page
    assert "| `by_name` | object: name to number or null | yes |  |" in page
    assert "| | the keys of [Inner](#inner) | yes |  |" in page
    assert "| `note` | text or null | no |  |" in page
    assert "| `high` | number or null | yes | The ends \\|x\\|. |" in page
    assert attributes(Inner) == {"low": "The ends |x|.", "high": "The ends |x|."}
