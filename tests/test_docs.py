"""Links of the documentation resolve, and the recipe keys that the guide names exist."""

import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from pydantic import BaseModel

from shoptalk.recipe import Recipe
from shoptalk.schema import Split
from shoptalk.serve.rules import read_rules

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG", "SECURITY")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
GUIDE = sorted((ROOT / "docs" / "guide").glob("*.md"))

_FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"\]\(<?([^)\s>]+)>?\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_LINKED_TEXT = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """The model among the types of an annotation such as ``Lora`` or ``Sweep | None``."""
    types = (annotation, *getattr(annotation, "__args__", ()))
    return next((one for one in types if isinstance(one, type) and issubclass(one, BaseModel)), None)


SECTIONS: dict[str, dict[str, Any]] = {
    name: dict(model.model_fields)
    for name, field in Recipe.model_fields.items()
    if (model := _model_of(field.annotation)) is not None
}


def _anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page: equal ones are numbered."""
    found: dict[str, int] = {}
    anchors = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        words = _LINKED_TEXT.sub(r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        count = found.get(anchor, 0)
        found[anchor] = count + 1
        anchors.add(f"{anchor}-{count}" if count else anchor)
    return anchors


def _broken(page: Path) -> list[str]:
    """The relative links of a page that lead nowhere."""
    text = page.read_text(encoding="utf-8")
    broken = []
    for link in _LINK.findall(_CODE.sub("", _FENCE.sub("", text))):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):  # of another site
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (
            anchor and (target.suffix != ".md" or anchor not in _anchors(target.read_text(encoding="utf-8")))
        ):
            broken.append(link)
    return broken


def _unknown_keys(text: str) -> list[str]:
    """What stands in backticks as ``section.key`` (with or without a value) where the section has no such key."""
    named = re.findall(r"`(?:--set )?'?([a-z_]+)\.([a-z_]+)(?:`| ?=)", _FENCE.sub("", text))
    named += re.findall(r"--set '?([a-z_]+)\.([a-z_]+)=", text)
    # A file such as data.md is no setting, nor is an attribute such as split.validation of a `Split`.
    others = {"md", "py", "toml", "json", "html", "parquet", *Split.__dataclass_fields__}
    return [
        f"{section}.{key}"
        for section, key in named
        if section in SECTIONS and key not in SECTIONS[section] and key not in others
    ]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_relative_links_and_anchors_resolve(page: Path) -> None:
    assert _broken(page) == []


@pytest.mark.parametrize("page", [ROOT / "README.md", *GUIDE], ids=lambda page: page.name)
def test_recipe_keys_that_are_named_exist(page: Path) -> None:
    assert _unknown_keys(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", GUIDE, ids=lambda page: page.name)
def test_keys_of_toml_blocks_exist(page: Path, tmp_path: Path) -> None:
    unknown = []
    for block in re.findall(r"^```toml\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        if block.startswith("[[rule]]"):  # business rules of the service
            (tmp_path / "rules.toml").write_text(block, encoding="utf-8")
            assert read_rules(tmp_path / "rules.toml")
            continue
        for section, content in tomllib.loads(block).items():
            known = SECTIONS.get(section, {}) if isinstance(content, dict) else Recipe.model_fields
            keys = content if isinstance(content, dict) else [section]
            unknown += [f"{section}.{key}" for key in keys if key not in known]
    assert unknown == []


def test_broken_links_and_unknown_keys_are_found(tmp_path: Path) -> None:
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    other.write_text("# A `b` title: c\n\n# Same\n\n# Same\n", encoding="utf-8")
    page.write_text(
        "[1](other.md) [2](other.md#a-b-title-c) [3](other.md#same-1) [4](https://example.org/x) `[5](no.md)`\n"
        "[6](absent.md) [7](other.md#same-2) [8](#nothing)\n",
        encoding="utf-8",
    )
    assert _broken(page) == ["absent.md", "other.md#same-2", "#nothing"]
    assert _unknown_keys("`training.epochs`, `training.epoch`, `data.md`, `items.nothing = 1`, `other.key`") == [
        "training.epoch",
        "items.nothing",
    ]
