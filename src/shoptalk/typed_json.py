"""Frozen dataclasses as JSON and back, with every value checked, and a table of what the JSON holds.

The format is defined by the class: the names and types of its fields, and their meanings under ``Attributes`` in its
docstring. Fields may be numbers, texts, booleans, literals, other such classes, tuples of one type, mappings from text,
and any of these or None. JSON has no NaN: it is written as null, and null is read as NaN where a field must be a float.
"""

import dataclasses
import math
import types
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
#: Metadata of a field that is left out of the JSON where it is None.
ABSENT = {"absent": True}
#: Metadata of a field whose fields are written beside the other keys, not as an object under its name.
INLINE = {"inline": True}


class SchemaError(ValueError):
    """Content that does not have the fields and types of a class; the message names the location."""


def as_json(value: Any) -> Any:
    """A dataclass, or a structure of dataclasses, as values for ``json.dumps``; NaN and infinities become None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        content: dict[str, Any] = {}
        for field in dataclasses.fields(value):
            inner = getattr(value, field.name)
            if field.metadata.get("inline"):
                content |= as_json(inner)
            elif not (field.metadata.get("absent") and inner is None):
                content[field.name] = as_json(inner)
        return content
    if isinstance(value, Mapping):
        return {str(key): as_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def from_json(cls: type[T], content: object) -> T:
    """The object of a class from the result of `as_json`, checked. Unknown keys are ignored, as newer files have them.

    Raises
    ------
    SchemaError
        When a value is missing or of another type; the message names the first.
    """
    value: T = _read(cls, content, "")
    return value


def _read(kind: Any, content: object, where: str) -> Any:
    if kind is Any:
        return content
    if dataclasses.is_dataclass(kind):
        return _read_class(kind, content, where)
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _read_optional(inner, content, where)
    if origin is Literal:
        if content not in inner:
            raise SchemaError(f"{_at(where)}expected one of {', '.join(map(str, inner))}, not {_show(content)}")
        return content
    if origin is not None:
        return _read_many(origin, inner, content, where)
    return _read_plain(kind, content, where)


def _read_many(origin: type, inner: tuple[Any, ...], content: object, where: str) -> Any:
    """A tuple of one type, or a mapping from text."""
    if issubclass(origin, tuple):
        if not isinstance(content, list):
            raise SchemaError(f"{_at(where)}expected a list, not {_show(content)}")
        return tuple(_read(inner[0], value, f"{where}[{number}]") for number, value in enumerate(content))
    if not isinstance(content, dict):
        raise SchemaError(f"{_at(where)}expected an object, not {_show(content)}")
    return {key: _read(inner[1], value, _join(where, key)) for key, value in content.items()}


def _read_class(cls: Any, content: object, where: str) -> Any:
    if not isinstance(content, dict):
        raise SchemaError(f"{_at(where)}expected an object, not {_show(content)}")
    values = {}
    for field, kind in _fields(cls):
        if field.metadata.get("inline"):
            values[field.name] = _read(kind, content, where)
        elif field.name in content:
            values[field.name] = _read(kind, content[field.name], _join(where, field.name))
        elif _required(field):
            raise SchemaError(f"{_join(where, field.name)}: is missing")
    return cls(**values)


def _read_optional(kinds: tuple[Any, ...], content: object, where: str) -> Any:
    if content is None and type(None) in kinds:
        return None
    (kind,) = (member for member in kinds if member is not type(None))
    return _read(kind, content, where)


def _read_plain(kind: type, content: object, where: str) -> Any:
    if kind is float:
        if content is None:
            return math.nan
        if isinstance(content, (int, float)) and not isinstance(content, bool):
            return float(content)
    elif kind is int:
        if isinstance(content, int) and not isinstance(content, bool):
            return content
    elif isinstance(content, kind):
        return content
    raise SchemaError(f"{_at(where)}expected {_TYPE_NAMES[kind]}, not {_show(content)}")


_TYPE_NAMES: dict[Any, str] = {float: "a number", int: "a whole number", str: "a text", bool: "true or false"}
#: Most characters of a value in a message.
_MOST_SHOWN = 40


def _show(content: object) -> str:
    """A value as shown in a message."""
    if isinstance(content, dict):
        return "an object"
    if isinstance(content, list):
        return "a list"
    text = "null" if content is None else ascii(content)
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."


def _at(where: str) -> str:
    return f"{where}: " if where else ""


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


@lru_cache
def _fields(cls: type) -> list[tuple[dataclasses.Field[Any], Any]]:
    hints = get_type_hints(cls)
    return [(field, hints[field.name]) for field in dataclasses.fields(cls)]


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def describe(*classes: type) -> str:
    """Markdown: for each class, and each that its fields hold, a heading and a table of key, type and meaning."""
    collected: dict[type, None] = {}
    for cls in classes:
        _collect(cls, collected)
    return "\n".join(_table(cls) for cls in collected)


def _collect(cls: type, collected: dict[type, None]) -> None:
    if cls in collected:
        return
    collected[cls] = None
    for _, kind in _fields(cls):
        for inner in _classes(kind):
            _collect(inner, collected)


def _classes(kind: Any) -> list[type]:
    if dataclasses.is_dataclass(kind):
        return [kind]  # type: ignore[list-item]
    return [cls for inner in get_args(kind) for cls in _classes(inner)]


def _table(cls: type) -> str:
    meanings = attributes(cls)
    rows = []
    for field, kind in _fields(cls):
        if field.metadata.get("inline"):
            rows.append(f"| | the keys of {_type(kind)} | yes | {_cell(meanings.get(field.name, ''))} |")
        else:
            there = "no" if field.metadata.get("absent") else "yes"
            rows.append(f"| `{field.name}` | {_type(kind)} | {there} | {_cell(meanings.get(field.name, ''))} |")
    summary = _cell(" ".join((cls.__doc__ or "").strip().split("\n\n")[0].split()))
    head = "| key | type | always there | meaning |\n|---|---|---|---|"
    return f"### {cls.__name__}\n\n{summary}\n\n{head}\n" + "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    """Text of a docstring, escaped for a table of Markdown."""
    return text.replace("``", "`").replace("|", "\\|")


def _type(kind: Any) -> str:
    """The name of a JSON type, for the table."""
    if dataclasses.is_dataclass(kind):
        name = kind.__name__  # type: ignore[union-attr]
        return f"[{name}](#{name.lower()})"
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        (plain,) = (member for member in inner if member is not type(None))
        return _type(plain) if plain is float else f"{_type(plain)} or null"  # a float may be null as it is
    if origin is Literal:
        return " or ".join(f'`"{value}"`' for value in inner)
    if origin is not None:
        return f"list of {_type(inner[0])}" if origin is tuple else f"object: name to {_type(inner[1])}"
    return {float: "number or null", int: "whole number", str: "text", bool: "true or false", Any: "anything"}[kind]


def attributes(cls: type) -> dict[str, str]:
    """The meanings under ``Attributes`` in a class's NumPy docstring, by name."""
    meanings: dict[str, str] = {}
    names: list[str] = []
    lines = (cls.__doc__ or "").split("\n")
    start = next((n for n, line in enumerate(lines) if line.strip() == "Attributes"), len(lines))
    for line in lines[start + 2 :]:
        text, depth = line.strip(), len(line) - len(line.lstrip())
        if not text:
            continue
        if depth <= 4:
            names = [name.strip() for name in text.split(",")]
        else:
            meanings |= {name: f"{meanings.get(name, '')} {text}".strip() for name in names}
    return meanings
