"""Files of examples."""

import csv
import json
from pathlib import Path

import pytest

from shoptalk.errors import PromptError
from shoptalk.prompts.encode import encode
from shoptalk.prompts.rows import read_rows, write_rows
from shoptalk.recipe import Prompt
from tests.words import CATALOGUE, eval_data, prompt_builder, tokenizer

TOKENIZER = tokenizer()
BUILDER = prompt_builder(Prompt(task="multiple_choice"), CATALOGUE)
EXAMPLES = [example for case in eval_data(3) for example in BUILDER.examples(case)]


def test_alpaca_reads_back_to_the_same_tokens(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    assert write_rows(EXAMPLES, path, "alpaca", "alpaca", TOKENIZER) == 3
    for before, after in zip(EXAMPLES, read_rows(path), strict=True):
        assert encode("alpaca", before.messages, TOKENIZER) == encode("alpaca", after.messages, TOKENIZER)


def test_csv_holds_the_prompt_as_the_model_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write_rows(EXAMPLES, path, "csv", "alpaca", TOKENIZER)
    rows = list(csv.DictReader(path.open(newline="")))
    assert rows[0]["prompt"].endswith("### Response:\n")
    assert rows[0]["output"] == EXAMPLES[0].messages[-1].text


def test_chat_lines_have_roles(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_rows(EXAMPLES, path, "chat", "alpaca", TOKENIZER)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [message["role"] for message in rows[2]["messages"]] == ["system", "user", "assistant"]


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("", "", "holds no examples"),
        ("[]", "", "holds no examples"),
        ('[{"instruction": "a", "output": "b"}, 3]', ", member 2", "expected a JSON object, not a number"),
        ('{"instruction": "a", "output": "b"}\n{"instruction": 1, "output": "b"}', ":2", "must be text"),
        ('{"instruction": "a", "output": "b"}\n\nnonsense', ":3", "not valid JSON"),
        ('{"instruction": "a", "output": ""}', ":1", "must not be empty"),
        ("[" * 100_000, ", member 1", "nested too deeply"),
        ('\n [{"instruction": "a", "output": "b"}, []]', ", member 2", "expected a JSON object, not a list"),
        ('{"instruction": NaN, "output": "b"}', ":1", "NaN is not a JSON value"),
    ],
)
def test_another_kind_of_file_is_an_error(tmp_path: Path, text: str, where: str, message: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(PromptError, match=message) as caught:
        list(read_rows(path))
    assert caught.value.where == f"{path}{where}"
