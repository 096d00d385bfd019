"""Examples as files: CSV of prompts and outputs (system A), Alpaca JSON (system C), chat JSON lines."""

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from shoptalk.errors import PromptError
from shoptalk.files import replacing
from shoptalk.prompts.encode import Tokenizer
from shoptalk.prompts.styles import pieces
from shoptalk.schema import Example, Message

FORMATS = ("csv", "alpaca", "chat")


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
        With file and row, for anything that is not such a file.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else (error.strerror or "").lower()
        raise PromptError(f"cannot read the examples: {reason}", where=str(path)) from error
    rows = list(_objects(text, path))
    if not rows:
        raise PromptError("holds no examples", where=str(path))
    return (_example(row, f"{path}:{place}") for place, row in rows)


def _objects(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    """Each object with its line (JSON lines) or its number in the array."""
    try:
        if text.lstrip().startswith("["):
            yield from enumerate(json.loads(text), 1)
            return
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise PromptError(f"not valid JSON: {error}", where=f"{path}:{line}") from error
    for number, line in enumerate(text.splitlines(), 1):
        try:
            if line.strip():
                yield number, json.loads(line)
        except (ValueError, RecursionError) as error:
            raise PromptError(f"not valid JSON: {error}", where=f"{path}:{number}") from error


def _example(row: Any, where: str) -> Example:
    hint = 'write {"instruction": "..", "input": "..", "output": ".."}'
    if not isinstance(row, dict):
        raise PromptError("not an object", where=where, hint=hint)
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
        asked = "".join(piece.text for piece in read if piece.role != "assistant")
        writer.writerow([asked, _said(example)])
    return count


def _write_alpaca(file: TextIO, examples: Iterable[Example]) -> int:
    count = 0
    for count, example in enumerate(examples, 1):
        row = {
            "instruction": "\n".join(m.text for m in example.messages if m.role == "system"),
            "input": "\n".join(m.text for m in example.messages if m.role == "user"),
            "output": _said(example),
        }
        file.write(("[\n" if count == 1 else ",\n") + json.dumps(row, ensure_ascii=False))
    file.write("\n]\n" if count else "[]\n")
    return count


def _write_chat(file: TextIO, examples: Iterable[Example]) -> int:
    count = 0
    for count, example in enumerate(examples, 1):  # noqa: B007
        asked = "\n".join(m.text for m in example.messages if m.role == "user")
        told = [{"role": "system", "content": m.text} for m in example.messages if m.role == "system"]
        messages = [*told, {"role": "user", "content": asked}, {"role": "assistant", "content": _said(example)}]
        file.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
    return count


def _said(example: Example) -> str:
    return "\n".join(message.text for message in example.messages if message.role == "assistant")
