import contextlib
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoptalk.errors import PredictionsError
from shoptalk.evaluation.predictions import EXAMPLE, Prediction, read_predictions

GOOD = b'{"user": "u", "truth": ["a"], "ranked": ["b", "a"]}\n'


def write(folder: Path, content: bytes, name: str = "predictions.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_plain_and_gzip_read_alike(tmp_path: Path) -> None:
    expected = [Prediction("u", ("a",), ("b", "a"))]
    assert read_predictions(write(tmp_path, GOOD)) == expected
    assert read_predictions(write(tmp_path, gzip.compress(GOOD), "predictions.jsonl.gz")) == expected
    assert read_predictions(write(tmp_path, gzip.compress(GOOD), "named-otherwise")) == expected


def test_the_example_in_the_hints_is_right(tmp_path: Path) -> None:
    assert read_predictions(write(tmp_path, EXAMPLE.encode())) == [Prediction("u1", ("i7",), ("i3", "i7"))]


@pytest.mark.parametrize(
    "line",
    [
        b'{"user": 1, "truth": [7], "ranked": ["7", 8]}',  # whole numbers are ids as well, and 7 is "7"
        b'\xef\xbb\xbf{"user": "1", "truth": ["7"], "ranked": [7, "8"]}',  # a byte order mark
        b'\n  \r\n{"user": "1", "truth": [7], "ranked": [7, 8], "score": 1e999}\r\n\n',  # blank lines, more keys
    ],
)
def test_what_is_accepted(tmp_path: Path, line: bytes) -> None:
    assert read_predictions(write(tmp_path, line)) == [Prediction("1", ("7",), ("7", "8"))]


def test_empty_lists_are_fine(tmp_path: Path) -> None:
    assert read_predictions(write(tmp_path, b'{"user": "u", "truth": [], "ranked": []}')) == [Prediction("u", (), ())]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "not valid JSON"),
        (b"user,truth,ranked", "not valid JSON"),
        (b"[1, 2]", "expected a JSON object, not a list"),
        (b"7", "expected a JSON object, not a number"),
        (b"null", "expected a JSON object, not null"),
        (b'{"user": "v", "ranked": []}', '"truth" is missing'),
        (b'{"user": "v", "truth": [], "ranks": []}', "is it 'ranks'? call it ranked"),
        (b'{"user": "v", "truth": "a", "ranked": []}', '"truth" must be a list of ids, not a text'),
        (b'{"user": "v", "truth": ["a"], "ranked": {"a": 1}}', '"ranked" must be a list of ids, not an object'),
        (b'{"user": "v", "truth": null, "ranked": []}', "not null"),
        (b'{"user": true, "truth": [], "ranked": []}', '"user" contains true or false in place of an id'),
        (b'{"user": 1.5, "truth": [], "ranked": []}', '"user" contains a number in place of an id'),
        (b'{"user": "v", "truth": [["a"]], "ranked": []}', '"truth" contains a list in place of an id'),
        (b'{"user": "v", "truth": [], "ranked": [null]}', '"ranked" contains null in place of an id'),
        (b'{"user": "v", "truth": [], "ranked": [""]}', '"ranked" contains an empty id'),
        (b'{"user": "v", "truth": [NaN], "ranked": []}', "NaN is not a JSON value"),
        (b'{"user": "v", "truth": [], "ranked": [], "loss": -Infinity}', "-Infinity is not a JSON value"),
        (b'{"user": "u", "truth": [], "ranked": []}', "user 'u' already has a line, line 1"),
        (b'{"user": "\xff", "truth": [], "ranked": []}', "not UTF-8"),
        (b'{"user": "v", "truth": ' + b"[" * 200_000 + b"]" * 200_000 + b', "ranked": []}', "nested too deeply"),
        (b'{"user": ' + b"9" * 10_000 + b', "truth": [], "ranked": []}', "not valid JSON"),
        (b"\x00\x00", "not valid JSON"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: bytes, says: str) -> None:
    path = write(tmp_path, GOOD + b"\n" + line + b"\n" + GOOD)
    with pytest.raises(PredictionsError) as caught:
        read_predictions(path)
    assert caught.value.where == f"{path}:3"
    assert says in str(caught.value)
    assert caught.value.hint


def test_duplicate_user_of_any_name_can_be_printed(tmp_path: Path) -> None:
    line = json.dumps({"user": "\ud800" + "x" * 500, "truth": [], "ranked": []}).encode() + b"\n"
    with pytest.raises(PredictionsError) as caught:
        read_predictions(write(tmp_path, line * 2))
    assert len(str(caught.value).encode("utf-8")) < 400


@pytest.mark.parametrize(
    "content", [b"", b"\n\n  \n", gzip.compress(b"", mtime=0)], ids=["empty", "only white space", "empty gzip"]
)
def test_empty_file(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(PredictionsError, match="contains no predictions"):
        read_predictions(write(tmp_path, content))


def test_folder_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match="is a directory"):
        read_predictions(tmp_path)
    with pytest.raises(PredictionsError, match="no such file"):
        read_predictions(tmp_path / "absent")


def test_gzip_cut_off_or_damaged(tmp_path: Path) -> None:
    packed = gzip.compress(b"".join(GOOD.replace(b'"u"', b'"u%d"' % index) for index in range(2000)))
    with pytest.raises(PredictionsError, match="damaged or cut off"):
        read_predictions(write(tmp_path, packed[: len(packed) // 2]))
    damaged = bytearray(packed)
    damaged[len(packed) // 2] ^= 0xFF
    with pytest.raises(PredictionsError):
        read_predictions(write(tmp_path, bytes(damaged)))


@given(st.binary(max_size=60), st.integers(0, len(GOOD)))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_have_an_answer(tmp_path: Path, noise: bytes, index: int) -> None:
    path = write(tmp_path, GOOD[:index] + noise + GOOD[index:])
    rows: list[Prediction] = []
    with contextlib.suppress(PredictionsError):  # any other error fails the test
        rows = read_predictions(path)
    assert all(isinstance(item, str) and item for row in rows for item in (row.user, *row.targets, *row.ranked))
