"""Files of questions and of instruction rows: what is read, and errors with file and line."""

import gzip
import json
from pathlib import Path

import pytest

from shoptalk.data.question_files import Instruction, Question, as_question, read_alpaca, read_candidates
from shoptalk.errors import SourceError

ROW = {"history": ["Soap"], "options": ["Razor", "Comb"], "answer": 1}


def lines(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_questions(tmp_path: Path) -> None:
    test_row, train_row = {**ROW, "answer": "Razor", "user": 7, "split": "test"}, {**ROW, "split": "train"}
    path = lines(tmp_path / "exam.jsonl", ROW, test_row, train_row)
    assert read_candidates(path) == [
        Question(("Soap",), ("Razor", "Comb"), 1),
        Question(("Soap",), ("Razor", "Comb"), 0, "7", False),
        Question(("Soap",), ("Razor", "Comb"), 1, "", True),
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**ROW, "answer": 2}, "neither the index of an option"),
        ({**ROW, "answer": -1}, "neither the index of an option"),
        ({**ROW, "answer": True}, "neither the index of an option"),
        ({**ROW, "answer": "Brush"}, "neither the index of an option"),
        ({**ROW, "options": ["Razor"], "answer": 0}, "two options"),
        ({**ROW, "options": "Razor"}, '"options" must be a list of texts'),
        ({**ROW, "history": [1]}, '"history" must be a list of texts'),
        ({**ROW, "user": [1]}, '"user" must be'),
        ([1], "expected a JSON object, not a list"),
    ],
)
def test_invalid_questions_are_refused_with_their_line(tmp_path: Path, row: object, message: str) -> None:
    path = lines(tmp_path / "exam.jsonl", ROW, row)
    with pytest.raises(SourceError) as caught:
        read_candidates(path)
    assert message in caught.value.message
    assert caught.value.where == f"{path}:2"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    files = {
        "empty": (b"", "no questions"),
        "half": (gzip.compress(b"{}" * 99)[:-9], "damaged"),
        "latin": (b'{"history": "\xe9"}', "UTF-8"),
    }
    for name, (content, message) in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SourceError, match=message):
            read_candidates(tmp_path / name)
    with pytest.raises(SourceError, match="cannot be read"):
        read_alpaca(tmp_path)


def test_instructions_as_lines_and_as_one_array(tmp_path: Path) -> None:
    row = {"instruction": "Recommend.", "input": "Soap", "output": "Comb"}
    expected = [Instruction("Recommend.\nSoap", "Comb")] * 2
    assert read_alpaca(lines(tmp_path / "a.jsonl", row, row)) == expected
    (tmp_path / "b.json").write_text(json.dumps([row, row], indent=1))
    assert read_alpaca(tmp_path / "b.json") == expected
    (tmp_path / "c.json").write_text(json.dumps([row, {"instruction": "x"}]))
    with pytest.raises(SourceError) as caught:
        read_alpaca(tmp_path / "c.json")
    assert caught.value.where == f"{tmp_path / 'c.json'}, member 2"


def test_an_instruction_may_have_a_user_and_list_items(tmp_path: Path) -> None:
    row = {"instruction": "List.", "output": "<|item_B1|>, <|item_B2|> <|item_B1|> <|item_none|>"}
    first, second = read_alpaca(lines(tmp_path / "a", {**row, "user": 7, "split": "train"}, {**row, "split": "test"}))
    assert (first.user, first.for_training, first.items) == ("7", True, ("B1", "B2"))
    assert (second.user, second.for_training) == ("", False)
    with pytest.raises(SourceError, match='"user" must be'):
        read_alpaca(lines(tmp_path / "b", {**row, "user": None}))


@pytest.mark.parametrize("answer", ["B", "B)", "(B) Comb, large", "Comb, large", "b) not"])
def test_a_prompt_that_lists_options_is_a_question(answer: str) -> None:
    prompt = "Reviewer has bought Soap (5 oz). Which next? A) Razor B) Comb, large, C) Brush (x)"
    question = as_question(Instruction(prompt, answer))
    if answer == "b) not":
        assert question is None
        return
    assert question == Question(
        ("Reviewer has bought Soap (5 oz). Which next? ",), ("Razor", "Comb, large", "Brush (x)"), 1
    )


@pytest.mark.parametrize("prompt", ["Recommend something.", "A) only one", "A) Soap A) Soap twice"])
def test_prompts_without_options_are_not_questions(prompt: str) -> None:
    assert as_question(Instruction(prompt, "A")) is None
