"""MkDocs hooks: pages made of the files that lie beside ``docs/``."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
#: Files of the repository's root -> the pages that show them.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}

#: Front matter of a page without the list of pages at its left.
_WIDE = "---\nhide: [navigation]\n---\n\n"
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages, with their links rewritten."""
    for source, page in PAGES.items():
        text = as_page((ROOT / source).read_text(encoding="utf-8"))
        files.append(File.generated(config, page, content=_WIDE + text if page == "index.md" else text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links from ``docs/`` to files of the root lead to their pages."""
    return to_pages(markdown, page.file.src_uri)


def to_pages(text: str, page: str) -> str:
    """The text of a page of ``docs/`` with such links rewritten.

    Examples
    --------
    >>> to_pages("[install](../../README.md#cpu-or-gpu) [data](data.md)", "guide/start.md")
    '[install](../index.md#cpu-or-gpu) [data](data.md)'
    """
    up = "../" * page.count("/")
    for source, target in PAGES.items():
        text = re.sub(rf"\]\({re.escape(f'../{up}{source}')}(?=[)#])", f"]({up}{target}", text)
    return text


def on_page_content(html: str, **_: Any) -> str:
    """Remove the double colons by which docstrings announce literal blocks, which Markdown shows as text.

    Examples
    --------
    >>> on_page_content("<p>The tree:</p><p>::</p><p>As in::</p>")
    '<p>The tree:</p><p>As in:</p>'
    """
    return html.replace("<p>::</p>", "").replace("::</p>", ":</p>")


def as_page(text: str) -> str:
    """The text of a file of the root as a page: links start in ``docs/``; to files that have no page, only their text.

    Examples
    --------
    >>> as_page("[guide](docs/guide/data.md#time) [code](src/shoptalk/schema.py) [site](https://example.org)")
    '[guide](guide/data.md#time) code [site](https://example.org)'
    """
    return _LINK.sub(_rewritten, text)


def _rewritten(link: re.Match[str]) -> str:
    mark, label, target = link.groups()
    path, hash_sign, anchor = target.partition("#")
    if re.match(r"[a-z][a-z0-9+.-]*:", target) or not path:  # of another site, or of the same page
        return link[0]
    label = label if mark else _LINK.sub(_rewritten, label)
    if path in PAGES:
        return f"{mark}[{label}]({PAGES[path]}{hash_sign}{anchor})"
    if path.startswith("docs/"):
        return f"{mark}[{label}]({path.removeprefix('docs/')}{hash_sign}{anchor})"
    return label
