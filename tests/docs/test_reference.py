"""Generated pages are those of the code, and leave nothing out."""

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from shoptalk.cli.main import COMMANDS
from shoptalk.recipe import Recipe, Training

DOCS = Path(__file__).parents[2] / "docs"
Script = Callable[[str], ModuleType]
NAMES = ("architecture.svg", "reference/commands.md", "reference/files.md", "reference/recipe-keys.md")


@pytest.mark.parametrize("name", NAMES)
def test_a_generated_file_is_up_to_date(name: str, script: Script) -> None:
    generated = script("reference").GENERATED
    assert set(generated) == set(NAMES)
    assert (DOCS / name).read_text(encoding="utf-8") == generated[name](), "write it again: make reference"


def test_every_recipe_key_is_listed_with_a_meaning(script: Script) -> None:
    recipe_keys = script("recipe_keys")
    assert recipe_keys.keys_without_meaning() == []
    page = recipe_keys.recipe_keys_page()
    assert re.findall(r"^## \[(\w+)\]$", page, re.MULTILINE) == [
        name for name in Recipe.model_fields if name not in {"name", "seed"}
    ]
    training = page.split("## [training]")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)`", training, re.MULTILINE) == list(Training.model_fields)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ({"type": "integer", "minimum": 1}, "integer, at least 1"),
        ({"type": "number", "minimum": 0, "maximum": 1}, "number, 0 to 1"),
        ({"type": "number", "exclusiveMinimum": 0}, "number, above 0"),
        ({"enum": ["full", "lora"], "type": "string"}, "`full`, `lora`"),
        ({"type": "array", "items": {"type": "string"}}, "list of text"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "table: name to true or false"),
    ],
    ids=["integer", "share", "above", "choice", "list", "optional", "table"],
)
def test_types_in_words(field: dict[str, object], expected: str, script: Script) -> None:
    assert script("recipe_keys")._type(field, {}) == expected


def test_every_command_has_a_section_with_its_options(script: Script) -> None:
    page = script("commands").commands_page()
    sections = re.findall(r"^## shoptalk (\w+)", page, re.MULTILINE)
    assert list(dict.fromkeys(sections)) == list(COMMANDS)  # a group has a section for each of its commands
    recommend = page.split("## shoptalk recommend\n")[1].split("\n## ")[0]
    assert "shoptalk recommend RUN [OPTIONS]" in recommend
    assert "| `-k INTEGER` | Number of recommendations. | `10` |" in recommend
    assert "| `--explain` |" in recommend  # a switch takes no value
    run = page.split("## shoptalk run\n")[1].split("\n## ")[0]
    assert "shoptalk run RECIPE --out RUN [OPTIONS]" in run  # a required option is part of the usage
    export = page.split("## shoptalk export\n")[1].split("\n## ")[0]
    assert r"`--format csv\|alpaca\|chat`" in export  # a bar would end the cell


def test_the_drawing_has_every_layer(script: Script) -> None:
    architecture = script("architecture")
    drawing = architecture.architecture_svg()
    for layer in architecture.layers():
        for module in layer.split(" | "):
            assert re.search(rf">[^<]*\b{module}\b[^<]*</text>", drawing), module


def test_long_layers_are_wrapped(script: Script) -> None:
    architecture = script("architecture")
    names = [f"module_{index:02d}" for index in range(10)]  # 9 characters each, 117 with the bars
    lines = architecture._wrapped(" | ".join(names))
    assert len(lines) == 2
    assert all(len(line) <= architecture.LINE_LENGTH + 2 for line in lines)
    assert " ".join(lines) == " | ".join(names)
