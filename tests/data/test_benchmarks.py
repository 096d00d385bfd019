"""Benchmark files of other systems: formats, the parts of prompts, and errors with file, line and value."""

import gzip
import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from shoptalk import jsonrows
from shoptalk.constants import HISTORY_SEGMENT, LAST_LINE_SEGMENT, OPTIONS_SEGMENT, REST_SEGMENT, TARGET_SEGMENT
from shoptalk.data.benchmarks.interpret import interpret, listed_items
from shoptalk.data.benchmarks.options_in_text import find_options
from shoptalk.data.benchmarks.read import read_benchmark
from shoptalk.data.benchmarks.row import BenchmarkRow
from shoptalk.errors import SourceError

QUESTION = {"history": ["Soap"], "options": ["Razor", "Comb"], "answer": 1}
ALPACA = {"instruction": "Recommend.", "input": "Soap", "output": "Comb"}


def lines(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def read(path: Path, **settings: object) -> list[BenchmarkRow]:
    return read_benchmark(path, **settings).rows  # type: ignore[arg-type]


def test_questions(tmp_path: Path) -> None:
    test_row, train_row = {**QUESTION, "answer": "Razor", "user": 7, "split": "test"}, {**QUESTION, "split": "train"}
    rows = read(lines(tmp_path / "exam.jsonl", QUESTION, test_row, train_row))
    assert [(row.options, row.right, row.user, row.for_training) for row in rows] == [
        (("Razor", "Comb"), 1, "", None),
        (("Razor", "Comb"), 0, "7", False),
        (("Razor", "Comb"), 1, "", True),
    ]
    assert rows[0].where == f"{tmp_path / 'exam.jsonl'}:1"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**QUESTION, "answer": 2}, "neither the index of an option"),
        ({**QUESTION, "answer": -1}, "neither the index of an option"),
        ({**QUESTION, "answer": True}, "neither the index of an option"),
        ({**QUESTION, "answer": "Brush"}, "neither the index of an option"),
        ({**QUESTION, "options": ["Razor"], "answer": 0}, "two options"),
        ({**QUESTION, "options": "Razor"}, '"options" must be a list of texts'),
        ({**QUESTION, "history": [1]}, '"history" must be a list of texts'),
        ({**QUESTION, "user": [1]}, '"user" must be'),
        ([1], "expected a JSON object, not a list"),
    ],
)
def test_invalid_questions_are_refused_with_their_line(tmp_path: Path, row: object, message: str) -> None:
    path = lines(tmp_path / "exam.jsonl", QUESTION, row)
    with pytest.raises(SourceError) as caught:
        read(path)
    assert message in caught.value.message
    assert caught.value.where == f"{path}:2"


PARTS = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Which?"}]
ANSWER = {"role": "assistant", "content": "Comb"}


@pytest.mark.parametrize(
    ("row", "format_name", "prompt"),
    [
        (ALPACA, "instruction rows", "Recommend.\nSoap"),
        ({"input": "Soap", "output": "Comb", "user_id": "u"}, "instruction rows", "Soap"),
        ({"prompt": "Which?", "completion": "Comb"}, "prompts and completions", "Which?"),
        ({"prompt": PARTS, "completion": [ANSWER]}, "prompts and completions", "Be brief.\nWhich?"),
        ({"messages": [*PARTS, ANSWER]}, "conversations", "Be brief.\nWhich?"),
        (
            {"conversations": [{"from": "human", "value": "Which?"}, {"from": "gpt", "value": "Comb"}]},
            "conversations",
            "Which?",
        ),
    ],
)
def test_texts(tmp_path: Path, row: dict, format_name: str, prompt: str) -> None:
    file = read_benchmark(lines(tmp_path / "rows", row), for_training=True)
    assert (file.format, file.total) == (format_name, 1)
    assert (file.rows[0].prompt, file.rows[0].answer, file.rows[0].for_training) == (prompt, "Comb", True)
    assert file.rows[0].user == row.get("user_id", "")


MINIONEREC = (
    "user_id,history_item_title,item_title,history_item_id,item_id,history_item_sid,item_sid\n"
    'A1,"[\'Soap\', ""Comb, wide""]",Razor,"[4, 9]",2,"[\'<a_1><b_2>\', \'<a_1><b_3>\']",<a_7><b_0>\n'
)


def test_tables_with_histories(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(MINIONEREC)
    (row,) = read(tmp_path / "a.csv")
    assert (row.user, row.history, row.target, row.answer) == ("A1", ("Soap", "Comb, wide"), "Razor", "Razor")
    assert row.ids == ("4", "9", "2")
    assert row.where == f"{tmp_path / 'a.csv'}:2"
    (tmp_path / "b.tsv").write_text("user_id:token\titem_id_list:token_seq\titem_id:token\nu\t4 9\t2\n")
    (row,) = read(tmp_path / "b.tsv")
    assert (row.history, row.target, row.ids) == (("4", "9"), "2", ("4", "9", "2"))
    labelled = "history,item,label\n['Soap'],Comb,{}\n"
    (tmp_path / "c.csv").write_text(labelled.format(1))
    (row,) = read(tmp_path / "c.csv")
    assert (row.answer, row.target, row.has_label) == ("1", "Comb", True)
    assert [row.answer for row in interpret([row, row])] == ["Comb", "Comb"]  # a label that never differs is none


def test_candidate_lists(tmp_path: Path) -> None:
    row = {"seq": [[4, 5], [9, 3], [99, 0]], "len_seq": 2, "seq_name": ["Soap", "Comb"], "next": [2, 5]}
    named = {**row, "item_name": "Razor", "cans_name": ["Brush", "Razor"], "cans": [3, 2]}
    (first,) = read(lines(tmp_path / "a", named))
    assert (first.history, first.options, first.right, first.ids) == (
        ("Soap", "Comb"),
        ("Brush", "Razor"),
        1,
        ("4", "9", "2"),
    )
    with pytest.raises(SourceError, match="does not contain the right item 'Razor'"):
        read(lines(tmp_path / "b", {**named, "cans_name": ["Brush", "Towel"], "cans": [3, 5]}))


def test_an_array_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{**ALPACA, "output": f"Cömb {number}"} for number in range(50)]
    monkeypatch.setattr(jsonrows, "_PIECE", 7)
    for number, text in enumerate([json.dumps(rows), "\n" + json.dumps(rows, ensure_ascii=False, indent=1)]):
        (tmp_path / f"{number}.json").write_text(text, encoding="utf-8")
        assert [row.answer for row in read(tmp_path / f"{number}.json")] == [row["output"] for row in rows]
    (tmp_path / "packed").write_bytes(gzip.compress(json.dumps(rows).encode()))
    assert len(read(tmp_path / "packed")) == 50
    monkeypatch.setattr(jsonrows, "MAX_OBJECT", 8)
    with pytest.raises(SourceError, match="characters") as caught:
        read(tmp_path / "0.json")
    assert caught.value.where == f"{tmp_path / '0.json'}, member 1"
    with pytest.raises(SourceError, match="characters") as caught:
        read(lines(tmp_path / "long.jsonl", {"a": 1}, {"a": "b" * 60}))
    assert caught.value.where.startswith(f"{tmp_path / 'long.jsonl'}:")


HOSTILE = {
    "empty": (b"", "empty", ""),
    "no rows": (b"[]", "no rows", ""),
    "half": (gzip.compress(b'{"input": "a", "output": "b"}' * 99)[:-9], "damaged", ":"),
    "latin": (b'{"input": "\xe9"}', "UTF-8", ":1"),
    "other keys": (b'{"a": 1, "b": 2}', "it has 'a', 'b'", ":1"),
    "number": (b'[{"input": "a", "output": "b"}, 7]', "expected a JSON object, not a number", ", member 2"),
    "open": (b'[{"input": "a", "output": "b"}', "not valid JSON", ", member 2"),
    "comma": (b'[{"input": "a", "output": "b"} {"input": 1}]', "expected a comma", ", member 2"),
    "behind": (b'[{"input": "a", "output": "b"}] x', "text after the end", ", member 2"),
    "not text": (b'{"input": "a", "output": ["b"]}', "must be texts", ":1"),
    "prompt": (b'{"prompt": 5, "completion": "b"}', '"prompt" must be a text, not a number', ":1"),
    "no answer": (b'{"messages": [{"role": "user", "content": "a"}]}', "must end with a message", ":1"),
    "message": (b'{"messages": [{"role": "user"}]}', "each with a role and a text", ":1"),
    "pickle": (pickle.dumps({"seq": [1]}, protocol=2), "pickle", ""),
    "newer pickle": (pickle.dumps({"seq": [1]}, protocol=5), "pickle", ""),
    "list": (MINIONEREC.replace('"[4, 9]"', "\"[__import__('os')]\"").encode(), 'cannot be parsed: "[__import__', ":2"),
    "deep": (MINIONEREC.replace('"[4, 9]"', "[" * 5000).encode(), "cannot be parsed", ":2"),
    "object": (MINIONEREC.replace('"[4, 9]"', '"[{1: 2}]"').encode(), "must be a list of titles or ids, not", ":2"),
    "cells": ((MINIONEREC + "B,C\n").encode(), "has 2 cells and the header 7", ":3"),
    "nul": (MINIONEREC.replace("A1", "A\0").encode(), "", ":2"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_one_error(name: str, tmp_path: Path) -> None:
    content, message, place = HOSTILE[name]
    (tmp_path / "file").write_bytes(content)
    if name == "nul":
        assert read(tmp_path / "file")[0].user == "A\0"
        return
    with pytest.raises(SourceError) as caught:
        read(tmp_path / "file")
    assert message in caught.value.message
    assert caught.value.where.startswith(f"{tmp_path / 'file'}{place}")


def test_files_that_are_missing(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(SourceError) as caught:
            read(path)
        assert caught.value.where == str(path)
        assert "recipe" not in str(caught.value)


def test_a_long_file_is_sampled(tmp_path: Path) -> None:
    path = lines(tmp_path / "rows", *({**ALPACA, "output": str(number)} for number in range(100)))
    file = read_benchmark(path, most=20)
    numbers = [int(row.answer) for row in file.rows]
    assert (file.total, len(numbers), numbers) == (100, 20, sorted(numbers))
    assert max(numbers) > 40


def text_row(prompt: str, answer: str) -> BenchmarkRow:
    return BenchmarkRow("here", prompt, answer)


TALLREC = (
    'Answer "Yes." or "No.".\nUser Preference: "Paris, Texas", {}\nUser Unpreference: "K{}"\n'
    "Whether the user will like the target {}?"
)


def test_a_target_with_a_label() -> None:
    rows = [text_row(TALLREC.format(f'"B{n}"', n, f'movie "Rock, The {n}"'), ("Yes.", "No.")[n % 2]) for n in range(30)]
    row = interpret(rows)[3]
    assert (row.history, row.target) == (("B3", "K3"), "Rock, The 3")  # "Paris, Texas" is in all: the template's
    assert row.segments[TARGET_SEGMENT] == "Rock, The 3"
    assert row.segments[LAST_LINE_SEGMENT].startswith("Whether")
    assert "Rock" not in row.segments[HISTORY_SEGMENT]
    assert "Rock" in row.segments[REST_SEGMENT]
    assert "B3" not in row.segments[REST_SEGMENT]
    books = [text_row(TALLREC.format("", n, f'book ""Emma {n}" written by Jane Austen"'), "Yes.") for n in range(30)]
    assert interpret(books)[5].segments[TARGET_SEGMENT] == 'Emma 5" written by Jane Austen'
    assert interpret(books)[5].target == "Emma 5"
    sentence = [
        text_row(f'The user liked "A{n}", "B{n}". Will the user like "C. D{n}"?', ["yes", "no"][n % 2])
        for n in range(30)
    ]
    assert (interpret(sentence)[1].target, interpret(sentence)[1].history) == ("C. D1", ("A1", "B1"))
    colon = [
        text_row(f'History: "A{n}".\nTarget item: Comb {n}\nAnswer with Yes or No.\nAnswer:', "Yes") for n in range(9)
    ]
    assert interpret(colon)[4].target == "Comb 4"


def test_sentences_are_no_labels() -> None:
    rows = [text_row(f'Had "A{n}". Next?', "The next item is a comb" if n % 2 else "Soap") for n in range(90)]
    assert not any(row.has_label for row in interpret(rows))
    assert all(row.has_label for row in interpret([replace(row, answer=row.answer[:4]) for row in rows]))


def test_of_many_rows_a_sample_has_segments() -> None:
    asked = [text_row(f'Had "A{n}". Likes "B{n}"?', ("No", "Yes")[n % 2]) for n in range(90)]
    rows = interpret(asked, most_segments=30)
    assert sum(bool(row.segments) for row in rows) == 30
    assert all(row.target == f"B{n}" for n, row in enumerate(rows))


def test_items_in_prompts() -> None:
    codes = [text_row(f"After <a_1><b_{n}>, <a_2><b_3> comes", f"<a_4><b_{n}>") for n in range(40)]
    assert (interpret(codes)[7].history, interpret(codes)[7].target) == (("<a_1><b_7>", "<a_2><b_3>"), "<a_4><b_7>")
    numbered = [text_row(f"Bought:\n1. Soap {n}\n2. Comb {n}\nWhat is next?", f'"Razor {n}"\n') for n in range(40)]
    assert (interpret(numbered)[7].history, interpret(numbered)[7].target) == (("Soap 7", "Comb 7"), "Razor 7")
    plain_list = [text_row(f"Bought: ['Soap {n}', 'Comb']. Next?", f"Razor {n}") for n in range(40)]
    assert interpret(plain_list)[7].history == ("Soap 7", "Comb")
    assert listed_items("<|item_B1|>, <|item_B2|> <|item_B1|> <|item_none|>") == ("B1", "B2")


@pytest.mark.parametrize("answer", ["B", "B)", "(B) Comb, large", "Comb, large", "b) not"])
def test_options_with_letters(answer: str) -> None:
    prompt = "Reviewer has bought Soap (5 oz). Which next? A) Razor B) Comb, large, C) Brush (x)"
    found = find_options(prompt, answer)
    if answer == "b) not":
        assert found is None
        return
    assert found is not None
    assert (found.options, found.right) == (("Razor", "Comb, large", "Brush (x)"), 1)


LIST = "Choose from the following {} movie titles: Heat, Rock, The, Dr. No. Answer:"


@pytest.mark.parametrize(
    ("prompt", "answer", "options"),
    [
        ("Bought:\n1. A\n2. B\nWhich of these is next?\n1. X\n2. Y\n3. Z\nAnswer:", "2", ("X", "Y", "Z")),
        ("Bought:\n1. A\n2. B\nSelect one option: [1] X [2] Y", "Y", ("X", "Y")),
        ("Bought:\n1. A\n2. B\n\n\n\nRate the next item from 1 to 5.", "2", None),
        (LIST.format(3), "Heat", ("Heat", "Rock, The", "Dr. No")),
        (LIST.format(4), "Heat", None),  # the number does not fit: not known where one ends
        (LIST.format("").replace("Rock, The, ", ""), "Heat", ("Heat", "Dr. No")),
        (LIST.format("").replace("Rock, The, ", ""), "Up", None),
        (LIST.format(""), "Heat", None),  # without a number, and a title has a comma
        ("Given the following titles: [Heat, Up], recommend one.", "Up", ("Heat", "Up")),
        ("Candidates:\nHeat\nUp\n\nAnswer:", "up.", ("Heat", "Up")),
        ('Pick one of the candidates: "Heat, or so", "Up".', '"Up"', ("Heat, or so", "Up")),
        ("Options: Heat :: Up", "Heat", ("Heat", "Up")),
        ("A) only one", "A", None),
        ("A) Soap A) Soap twice", "A", None),
        ("Recommend something.", "A", None),
    ],
)
def test_options_in_prompts(prompt: str, answer: str, options: tuple[str, ...] | None) -> None:
    found = find_options(prompt, answer, {"Rock, The"} if "Rock" in prompt else set())
    assert (found.options if found else None) == options


def test_a_prompt_that_is_too_long_is_not_searched() -> None:
    row = text_row("Which? A) Soap B) Comb" + " " * 10**6, "A")
    assert [row.unread_options for row in interpret([row])] == [True]


def test_rows_whose_options_cannot_be_told_apart_are_counted() -> None:
    rows = interpret([text_row(LIST.format(4), "Heat"), text_row(LIST.format(3) + " ", "Rock, The")])
    assert [row.unread_options for row in rows] == [True, False]
    assert rows[1].segments[OPTIONS_SEGMENT] == "Heat, Rock, The, Dr. No"
