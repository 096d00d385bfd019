"""Errors of recipes: the wrong key, the nearest known key, and the line or option that the value comes from."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from shoptalk.errors import RecipeError

#: What pydantic adds to the place of an error to name a member of a union of plain types.
_UNION_MEMBER = re.compile(r"(constrained-)?(int|float|str)$|literal\[")


@dataclass(frozen=True)
class Origin:
    """Where the settings of a recipe come from.

    Attributes
    ----------
    where
        The file, or what else to name in errors.
    text
        The content of the file, empty where there is none.
    options
        Settings that the command line gave, as ``section.key`` -> ``--set section.key=value``.
    """

    where: str = "recipe"
    text: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    def place(self, settings: Sequence[Sequence[str]], message: str = "") -> str:
        """The option of the command line, or else the file with its line, that an error is about.

        Parameters
        ----------
        settings
            The settings in question, each as ``["section", "key"]`` or a section alone, the most probable first.
        message
            The text of the error, to find the setting where only its section is known.
        """
        for keys in settings:
            if (option := self._option(keys, message)) is not None:
                return option
        lines = (line_of(self.text, keys) for keys in settings)
        line = next((line for line in lines if line is not None), None)
        return self.where if line is None else f"{self.where}:{line}"

    def _option(self, keys: Sequence[str], message: str) -> str | None:
        """The option that gave a setting, or, of a section, a setting that the message names."""
        setting = ".".join(key for key in keys if not key.isdigit())
        for name, option in self.options.items():
            if setting == name or setting.startswith(f"{name}."):
                return option
            if name.startswith(f"{setting}."):
                is_named = re.search(rf"\b{re.escape(name.rpartition('.')[2])}\b", message)
                if is_named or line_of(self.text, keys) is None:
                    return option
        return None


def named_settings(message: str) -> list[list[str]]:
    """The settings that a message names as ``section.key``, the last one first.

    Examples
    --------
    >>> named_settings("prompt.task cannot use training.choice_epochs")
    [['training', 'choice_epochs'], ['prompt', 'task']]
    """
    return [name.split(".") for name in reversed(re.findall(r"\b[a-z]+\.[a-z_]+", message))]


def explain(error: ValidationError, model: type[BaseModel], origin: Origin) -> RecipeError:
    """The first mistake of an error that reading a recipe into ``model`` raised, as a `RecipeError`."""
    mistake: Any = error.errors()[0]
    keys = [str(key) for key in mistake["loc"] if not _UNION_MEMBER.match(str(key))]
    message = _message(mistake, keys)
    where = origin.place([keys] if keys else named_settings(message), message)
    return RecipeError(message, where=where, hint=_hint(mistake, keys, model))


def line_of(text: str, keys: Sequence[str]) -> int | None:
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


def _message(mistake: Any, keys: list[str]) -> str:
    setting = ".".join(keys) or "the recipe"
    if mistake["type"] == "extra_forbidden":
        return f"unknown key {setting}"
    if mistake["type"] == "missing":
        return f"{setting} is missing"
    return f"{setting}: {mistake['msg'].removeprefix('Value error, ')}"


def _hint(mistake: Any, keys: list[str], model: type[BaseModel]) -> str | None:
    """The nearest known key for an unknown one."""
    if mistake["type"] != "extra_forbidden":
        return None
    valid_keys = _valid_keys(keys[:-1], model)
    near = difflib.get_close_matches(keys[-1], valid_keys, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(valid_keys))}"


def _valid_keys(keys: list[str], model: type[BaseModel]) -> list[str]:
    for key in keys:
        if key in model.model_fields:  # else the name of a swept setting, or of a member of a union
            model = next(_models(model.model_fields[key].annotation), model)
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation contains."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
