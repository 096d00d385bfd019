"""How the code is built, in numbers: what a reader or extender would trip over, with the places.

    python benchmarks/structure.py [SOURCE_FOLDER] [--sites]

- task decisions: comparisons of ``.task``, look-ups by it and ``isinstance`` of a recommender, outside ``tasks/``
- rank signatures: different parameter lists of methods and functions called ``rank``
- NDCG implementations: functions whose body holds a logarithm to base 2 and a discount
- untyped results: functions that return ``dict[str, Any]``
- private words: identifiers (functions, classes, arguments, assigned names) with a word that the field does not use
- import circles: groups of modules that import each other when they are imported
"""

import argparse
import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

#: Words that stand in no book about recommender systems or language models.
_WORDS = """teller told tell held likeness shares led alike lend lending goods shelf swap beyond mistakes newcomer
newcomers place places said truth exam"""
PRIVATE = frozenset(_WORDS.split())
Sites = dict[str, list[str]]


def modules(root: Path) -> Iterator[tuple[Path, ast.Module]]:
    """All modules of a package with their syntax trees."""
    for path in sorted(root.rglob("*.py")):
        yield path.relative_to(root), ast.parse(path.read_text(encoding="utf-8"))


def task_decisions(root: Path) -> Iterator[str]:
    """Places outside ``tasks/`` that ask which task it is."""
    for path, tree in modules(root):
        for node in ast.walk(tree) if "tasks" not in path.parts else ():
            parts = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
            compares = any(isinstance(part, ast.Attribute) and part.attr == "task" for part in parts)
            looks_up = isinstance(node, ast.Subscript) and ast.unparse(node.slice).endswith(".task")
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance"
            if compares or looks_up or (is_call and "Recommender" in ast.unparse(node.args[1])):
                yield f"{path}:{node.lineno}"


def rank_signatures(root: Path) -> Iterator[str]:
    """The different parameter lists of what is called ``rank``."""
    found: dict[str, str] = {}
    for path, tree in modules(root):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name == "rank":
                names = ", ".join(argument.arg for argument in [*node.args.args, *node.args.kwonlyargs])
                found.setdefault(names, f"{path}:{node.lineno} ({names})")
    yield from found.values()


def ndcg_implementations(root: Path) -> Iterator[str]:
    """Functions that compute a discounted gain."""
    for path, tree in modules(root):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                body = ast.unparse(ast.Module(node.body, []))
                if re.search(r"/ (np|torch|math)\.log2\(", body):
                    yield f"{path}:{node.lineno} {node.name}"


def untyped_results(root: Path) -> Iterator[str]:
    """Functions that return a dictionary of anything."""
    for path, tree in modules(root):
        for node in ast.walk(tree):
            function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if function and node.returns is not None and "dict[str, Any]" in ast.unparse(node.returns):
                yield f"{path}:{node.lineno} {node.name}"


def private_words(root: Path) -> Iterator[str]:
    """Identifiers that hold a private word."""
    for path, tree in modules(root):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = node.name
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                name = node.id
            elif isinstance(node, ast.arg):
                name = node.arg
            else:
                continue
            words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
            if PRIVATE.intersection(words):
                yield f"{path}:{node.lineno} {name}"


def import_circles(root: Path) -> Iterator[str]:
    """Groups of modules that import each other at their top, by Tarjan's algorithm."""
    package = root.name
    trees = {".".join((package, *path.with_suffix("").parts)).removesuffix(".__init__"): tree
             for path, tree in modules(root)}  # fmt: skip
    imports = {name: set(_imports(tree, trees)) - {name} for name, tree in trees.items()}
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    circles: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(imports[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                circles.append(group)

    for name in trees:
        if name not in index:
            visit(name)
    yield from (" <-> ".join(sorted(group)) for group in circles)


def _imports(tree: ast.Module, known: dict[str, ast.Module]) -> Iterator[str]:
    """Modules that are imported when this one is, not inside functions and not for types alone."""
    for node in tree.body:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name in known)


MEASURES = {
    "sites that decide on a task outside tasks/": task_decisions,
    "rank signatures": rank_signatures,
    "NDCG implementations": ndcg_implementations,
    "functions that return dict[str, Any]": untyped_results,
    "identifiers of private words": private_words,
    "import circles": import_circles,
}


def measure(root: Path) -> Sites:
    """The places of each measure."""
    return {name: list(find(root)) for name, find in MEASURES.items()}


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", type=Path, default=Path(__file__).parent.parent / "src" / "shoptalk")
    parser.add_argument("--sites", action="store_true", help="print every site")
    parser.add_argument("--json", action="store_true", help="print one JSON object of counts")
    given = parser.parse_args()
    found = measure(given.source)
    if given.json:
        print(json.dumps({name: len(sites) for name, sites in found.items()}))
        return
    for name, sites in found.items():
        print(f"{len(sites):>5}  {name}")
        if given.sites:
            grouped = defaultdict(list)
            for site in sites:
                grouped[site.split(":")[0]].append(site)
            print("\n".join(f"       {site}" for group in grouped.values() for site in group))


if __name__ == "__main__":
    main()
