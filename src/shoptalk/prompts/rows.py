"""Examples as files: CSV of prompts and outputs (system A), Alpaca JSON (system C), chat JSON lines."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from shoptalk.errors import PromptError
from shoptalk.files import replacing
from shoptalk.jsonrows import read_objects
from shoptalk.prompts.encode import Tokenizer
from shoptalk.prompts.styles import pieces
from shoptalk.schema import Example, Message

FORMATS = ("csv", "alpaca", "chat")
EXAMPLE = '{"instruction": "..", "input": "..", "output": ".."}'


def write_rows(examples: Iterable[Example], path: Path, form: str, style: str, tokenizer: Tokenizer) -> int:
    """Write examples, all or nothing.

    Parameters
    ----------
    form
        ``csv``: the columns prompt and output, the prompt exactly as the model reads it. ``alpaca``: one JSON array of
        instruction / input / output. ``chat``: JSON lines of messages.

    Returns
    -------
    int
        How many examples were written.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        if form == "csv":
            return _write_csv(file, examples, style, tokenizer)
        return _write_alpaca(file, examples) if form == "alpaca" else _write_chat(file, examples)


def read_rows(path: Path) -> Iterator[Example]:
    """Examples of a file of instruction / input / output objects: a JSON array, or JSON lines.

    Raises
    ------
    PromptError
        With file and row, for anything that is not such a file (see `jsonrows.read_objects`).
    """
    rows = list(read_objects(path, PromptError, EXAMPLE, arrays=True))
    if not rows:
        raise PromptError("holds no examples", where=str(path))
    return (_example(row, where) for _, where, row in rows)


def _example(row: Mapping[str, Any], where: str) -> Example:
    hint = f"write {EXAMPLE}"
    instruction, given, output = (row.get(key, "") for key in ("instruction", "input", "output"))
    if not all(isinstance(text, str) for text in (instruction, given, output)):
        raise PromptError("instruction, input and output must be text", where=where, hint=hint)
    if not instruction or not output:
        raise PromptError("instruction and output must not be empty", where=where, hint=hint)
    user = [Message("user", given)] if given else []
    return Example((Message("system", instruction), *user, Message("assistant", output)))


def _write_csv(file: TextIO, examples: Iterable[Example], style: str, tokenizer: Tokenizer) -> int:
    writer = csv.writer(file)
    writer.writerow(["prompt", "output"])
    count = 0
    for count, example in enumerate(examples, 1):  # noqa: B007  (the last number is the count)
        read = pieces(style, example.messages, tokenizer)
        question = "".join(piece.text for piece in read if piece.role != "assistant")
        writer.writerow([question, _answer_text(example)])
    return count


def _write_alpaca(file: TextIO, examples: Iterable[Example]) -> int:
    count = 0
    for count, example in enumerate(examples, 1):
        row = {
            "instruction": "\n".join(m.text for m in example.messages if m.role == "system"),
            "input": "\n".join(m.text for m in example.messages if m.role == "user"),
            "output": _answer_text(example),
        }
        file.write(("[\n" if count == 1 else ",\n") + json.dumps(row, ensure_ascii=False))
    file.write("\n]\n" if count else "[]\n")
    return count


def _write_chat(file: TextIO, examples: Iterable[Example]) -> int:
    count = 0
    for count, example in enumerate(examples, 1):  # noqa: B007
        question = "\n".join(m.text for m in example.messages if m.role == "user")
        system_messages = [{"role": "system", "content": m.text} for m in example.messages if m.role == "system"]
        messages = [
            *system_messages,
            {"role": "user", "content": question},
            {"role": "assistant", "content": _answer_text(example)},
        ]
        file.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
    return count


def _answer_text(example: Example) -> str:
    return "\n".join(message.text for message in example.messages if message.role == "assistant")
