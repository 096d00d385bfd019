"""Files of examples: CSV of prompts and outputs, Alpaca JSON, JSON lines of chat messages."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from shoptalk.errors import PromptError
from shoptalk.files import replacing
from shoptalk.jsonrows import read_objects
from shoptalk.prompts.encode import Tokenizer
from shoptalk.prompts.styles import segments
from shoptalk.schema import Example, Message

FORMATS = ("csv", "alpaca", "chat")
EXAMPLE = '{"instruction": "..", "input": "..", "output": ".."}'


def write_rows(examples: Iterable[Example], path: Path, form: str, style: str, tokenizer: Tokenizer) -> int:
    """Write examples, all or nothing.

    Parameters
    ----------
    form
        ``csv``: the columns prompt and output, with the prompt as the model reads it. ``alpaca``: one JSON array of
        instruction / input / output. ``chat``: JSON lines of messages.
    style, tokenizer
        Style of the prompts, and the tokenizer whose chat template it may use; for ``csv`` only.

    Returns
    -------
    int
        The number of examples.
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
        With file and row, when the file is of another form (see `jsonrows.read_objects`) or has no example.
    """
    rows = list(read_objects(path, PromptError, EXAMPLE, arrays=True))
    if not rows:
        raise PromptError("holds no examples", where=str(path))
    return (_example(row, where) for _, where, row in rows)


def _example(row: Mapping[str, Any], where: str) -> Example:
    """The example of one checked row; ``where`` names file and row for the error."""
    hint = f"write {EXAMPLE}"
    instruction, input_text, output = (row.get(key, "") for key in ("instruction", "input", "output"))
    if not all(isinstance(text, str) for text in (instruction, input_text, output)):
        raise PromptError("instruction, input and output must be text", where=where, hint=hint)
    if not instruction or not output:
        raise PromptError("instruction and output must not be empty", where=where, hint=hint)
    user = [Message("user", input_text)] if input_text else []
    return Example((Message("system", instruction), *user, Message("assistant", output)))


def _write_csv(file: TextIO, examples: Iterable[Example], style: str, tokenizer: Tokenizer) -> int:
    """Write the format ``csv``; returns the number of examples."""
    writer = csv.writer(file)
    writer.writerow(["prompt", "output"])
    count = 0
    for count, example in enumerate(examples, 1):  # noqa: B007  (the last number is the count)
        texts = segments(style, example.messages, tokenizer)
        question = "".join(segment.text for segment in texts if segment.role != "assistant")
        writer.writerow([question, _answer_text(example)])
    return count


def _write_alpaca(file: TextIO, examples: Iterable[Example]) -> int:
    """Write the format ``alpaca``; returns the number of examples."""
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
    """Write the format ``chat``; returns the number of examples."""
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
    """The messages of the assistant as lines."""
    return "\n".join(message.text for message in example.messages if message.role == "assistant")
