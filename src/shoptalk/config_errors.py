"""What a mistake in a recipe means to its author: the key at fault, the nearest that is known, and the line."""

import difflib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError


class Explained(NamedTuple):
    """A mistake in words."""

    message: str
    line: int | None
    hint: str | None


def explain(error: ValidationError, model: type[BaseModel], text: str) -> Explained:
    """The first mistake of an error that reading the recipe ``text`` into ``model`` raised."""
    first: Any = error.errors()[0]
    keys = [str(key) for key in first["loc"]]
    return Explained(_message(first, keys), line_of(text, keys), _hint(first, keys, model))


def line_of(text: str, keys: list[str]) -> int | None:
    """The line of ``[section]`` or of ``key =`` inside it; None where the text does not hold it."""
    keys = [key for key in keys if not key.isdigit()]
    section: list[str] = []
    best = None
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if header := re.match(r"\[+\s*([\w.\-\"]+)\s*\]+", stripped):
            section = header[1].replace('"', "").split(".")
            inside = section == keys[: len(section)]
            best = number if inside or (keys and not best and section[: len(keys)] == keys) else best
        name = stripped.split("=", 1)[0].strip().strip('"')
        if "=" in stripped and [*section, name] == keys[: len(section) + 1]:
            return number
    return best


def _message(error: Any, keys: list[str]) -> str:
    index = ".".join(keys) or "the recipe"
    if error["type"] == "extra_forbidden":
        return f"unknown key {index}"
    if error["type"] == "missing":
        return f"{index} is missing"
    return f"{index}: {error['msg'].removeprefix('Value error, ')}"


def _hint(error: Any, keys: list[str], model: type[BaseModel]) -> str | None:
    if error["type"] != "extra_forbidden":
        return None
    valid_keys = _valid_keys(keys[:-1], model)
    near = difflib.get_close_matches(keys[-1], valid_keys, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(valid_keys))}"


def _valid_keys(keys: list[str], model: type[BaseModel]) -> list[str]:
    for key in keys:
        if key in model.model_fields:  # else a setting's name, or a kind of value
            model = next(_sections(model.model_fields[key].annotation), model)
    return list(model.model_fields)


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _sections(inner)
