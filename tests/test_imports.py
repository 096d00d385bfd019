"""Importing the package changes nothing for the program around it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"

CHILD = """
import ast, importlib, logging, os, sys, warnings
from pathlib import Path

source = Path(sys.argv[1])
files = sorted((source / "shoptalk").rglob("*.py"))
for file in files:  # what the libraries themselves change when they are loaded is not ours
    for node in ast.parse(file.read_text()).body:
        named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        named += [node.module] if isinstance(node, ast.ImportFrom) else []
        for name in named:
            if not name.startswith("shoptalk"):
                importlib.import_module(name)

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.utils import logging as of_transformers
from huggingface_hub.utils import are_progress_bars_disabled

of_transformers.enable_progress_bar()

def state():
    loggers = {name: logging.getLogger(name) for name in ["root", *logging.root.manager.loggerDict]}
    return {
        "levels": {name: logger.level for name, logger in loggers.items() if logger.level},
        "handlers": {name: len(logger.handlers) for name, logger in loggers.items() if logger.handlers},
        "verbosity": of_transformers.get_verbosity(),
        "bars": (of_transformers.is_progress_bar_enabled(), are_progress_bars_disabled()),
        "attention": sorted(AttentionInterface().valid_keys()),
        "masks": sorted(AttentionMaskInterface().valid_keys()),
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
        "threads": torch.get_num_threads(),
        "hook": sys.excepthook,
    }

before = state()
for file in files:
    name = ".".join(file.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
    importlib.import_module(name)
after = state()
changed = {key: (before[key], after[key]) for key in before if before[key] != after[key]}
assert not changed, changed
print(len(files))
"""


def test_importing_every_module_leaves_the_process_as_it_was() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD, str(SOURCE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 100


def private(tree: ast.AST) -> Iterator[str]:
    """Private functions of others that are called, and private names and modules of others that are imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner, name = node.func.value, node.func.attr
            own = isinstance(owner, ast.Name) and owner.id in ("self", "cls")
            if name.startswith("_") and not name.startswith("__") and not own:
                yield ast.unparse(node.func)
        elif isinstance(node, ast.ImportFrom) and not str(node.module).startswith("shoptalk"):
            parts = [*str(node.module).split("."), *(alias.name for alias in node.names)]
            yield from (f"{node.module}: {part}" for part in parts if part.startswith("_") and part != "__future__")


def test_no_private_function_of_a_library_is_called() -> None:
    """They may go in any release that the open version ranges allow."""
    found = {
        (file.relative_to(SOURCE).as_posix(), name)
        for file in SOURCE.rglob("*.py")
        for name in private(ast.parse(file.read_text(encoding="utf-8")))
    }
    assert found == {("shoptalk/stages/workers.py", "os._exit")}  # documented, its underline notwithstanding
