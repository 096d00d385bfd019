"""The page ``docs/reference/recipe-keys.md``, made from the models of `shoptalk.recipe`."""

import json
from collections.abc import Iterator
from typing import Any

from shoptalk.recipe import Recipe
from shoptalk.registry import BASELINES
from shoptalk.tasks import get_task, task_names

HEAD = """# Recipe keys

This page is made from the models in `src/shoptalk/recipe.py` by `make reference`, and a test compares the two. What a
recipe is, and how the keys work together, is in the [guide](../guide/recipes.md). An unknown key is an error that names
the nearest known one. `--set section.key=value` sets a key on the command line.

"""
_TYPES = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false"}


def recipe_keys_page() -> str:
    """The page as Markdown."""
    schema = Recipe.model_json_schema()
    sections = {name: model for name, field in schema["properties"].items() if (model := _model(field, schema))}
    plain = {name: field for name, field in schema["properties"].items() if name not in sections}
    parts = [HEAD + _task_defaults(), f"## Top level\n\n{_table({'properties': plain}, schema)}"]
    for name, model in sections.items():
        optional = schema["properties"][name].get("description", "")
        about = " ".join(filter(None, [model.get("description", ""), _sentence(optional)]))
        parts.append(f"## [{name}]\n\n{about}\n\n{_table(model, schema)}")
    return "\n".join(parts)


def _task_defaults() -> str:
    """The section on defaults that depend on the task."""
    lines = [
        "## Defaults of tasks",
        "",
        "Without `prompt.task` the task is `next_item`, or `multiple_choice` in a recipe with `[candidates]`.",
        "Some tasks have defaults of their own, in place of those in the tables below:",
        "",
        "| task | key | default |",
        "|---|---|---|",
    ]
    for name in task_names():
        for section, settings in get_task(name).default_settings({}).items():
            lines += [f"| `{name}` | `{section}.{key}` | {_default(value)} |" for key, value in settings.items()]
    return "\n".join([*lines, "", ""])


def keys_without_meaning() -> list[str]:
    """The keys that their model does not describe."""
    return [key for key, field in _keys() if not _meaning(field)]


def _keys() -> Iterator[tuple[str, dict[str, Any]]]:
    schema = Recipe.model_json_schema()
    for name, field in schema["properties"].items():
        model = _model(field, schema)
        if model is None:
            yield name, field
        else:
            yield from ((f"{name}.{key}", inner) for key, inner in model["properties"].items())


def _model(field: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any] | None:
    """The model that a field refers to; None where it holds a plain value."""
    for kind in (field, *field.get("anyOf", ())):
        if "$ref" in kind:
            model: dict[str, Any] = schema["$defs"][kind["$ref"].rpartition("/")[2]]
            return model
    return None


def _table(model: dict[str, Any], schema: dict[str, Any]) -> str:
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, field in model["properties"].items():
        default = "required" if key in model.get("required", ()) else _default(field.get("default"))
        meaning = f"{_meaning(field)}: {_baselines()}" if key == "baselines" else _meaning(field)
        cells = (f"`{key}`", _type(field, schema), default, meaning)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _baselines() -> str:
    return ", ".join(f"`{name}`" for name in BASELINES)


def _meaning(field: dict[str, Any]) -> str:
    return str(field.get("description", ""))


def _sentence(text: str) -> str:
    """The text with a capital letter and a full stop."""
    return "" if not text else f"{text[0].upper()}{text[1:].removesuffix('.')}."


def _type(field: dict[str, Any], schema: dict[str, Any]) -> str:
    """The type of a field of a JSON schema, in words."""
    if "$ref" in field:
        inner = _model(field, schema) or {}
        return "table of " + ", ".join(f"`{key}`" for key in inner.get("properties", {}))
    if kinds := field.get("anyOf") or field.get("oneOf"):
        return " or ".join(dict.fromkeys(_type(kind, schema) for kind in kinds if kind.get("type") != "null"))
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") in {"array", "object"}:
        return _container(field, schema)
    return f"{_TYPES.get(field.get('type', ''), 'value')}{_bounds(field)}"


def _container(field: dict[str, Any], schema: dict[str, Any]) -> str:
    """The type of a list or table of a JSON schema, in words."""
    if "prefixItems" in field:
        return f"list of {len(field['prefixItems'])}: {_type(field['prefixItems'][0], schema)}"
    if field["type"] == "array":
        return f"list of {_type(field.get('items', {}), schema)}"
    values = field.get("additionalProperties")
    return f"table: name to {_type(values, schema)}" if isinstance(values, dict) else "table"


def _bounds(field: dict[str, Any]) -> str:
    low, above, high = field.get("minimum"), field.get("exclusiveMinimum"), field.get("maximum")
    parts = [f"{low:g} to {high:g}"] if low is not None and high is not None else []
    if not parts:
        parts += [f"at least {low:g}"] if low is not None else []
        parts += [f"above {above:g}"] if above is not None else []
        parts += [f"at most {high:g}"] if high is not None else []
    parts += [f"multiple of {field['multipleOf']:g}"] if "multipleOf" in field else []
    return f", {', '.join(parts)}" if parts else ""


def _default(value: Any) -> str:
    return "none" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"
