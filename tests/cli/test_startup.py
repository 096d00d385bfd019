"""No command imports a heavy library that it does not need."""

import subprocess
import sys
from pathlib import Path

import pytest

from shoptalk.data.sample import write_sample
from shoptalk.online.database import open_database
from shoptalk.online.shown import Recommendation, ShownItem, log_recommendation

CHILD = """
import sys
from shoptalk.cli.main import main
forbidden, arguments = sys.argv[1].split(","), sys.argv[2:]
try:
    main(arguments)
except SystemExit as stop:
    assert not stop.code, stop.code
imported = [name for name in forbidden if name in sys.modules]
assert not imported, imported
"""
MODELS = ["torch", "transformers", "peft", "huggingface_hub"]
TABLES = ["pandas", "pyarrow.dataset", "sklearn", "scipy.stats", "matplotlib"]
PACKAGES = ["numpy", "scipy", "pyarrow", "pydantic", "rich", "ibis", "duckdb"]


def check(forbidden: list[str], *arguments: object) -> None:
    """Run a command in a new process, which fails if a forbidden module is imported."""
    command = [sys.executable, "-c", CHILD, ",".join(forbidden), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_package() -> None:
    forbidden = [*MODELS, *TABLES, *PACKAGES]
    code = f"import shoptalk, sys; sys.exit(', '.join(set({forbidden}) & sys.modules.keys()) or None)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_version() -> None:
    check([*MODELS, *TABLES, "numpy", "scipy", "pyarrow", "ibis", "duckdb"], "--version")


def test_prepare_and_audit(tmp_path: Path) -> None:
    write_sample(tmp_path, users=60, items=30)
    check([*MODELS, *TABLES, "scipy"], "prepare", tmp_path / "recipe.toml", "--out", tmp_path / "dataset", "--json")
    check([*MODELS, "matplotlib", "jinja2", "ibis", "duckdb"], "audit", tmp_path / "dataset", "--json")


def test_online(tmp_path: Path) -> None:
    database = open_database(tmp_path / "shop.db")
    log_recommendation(database, Recommendation("r", "u", (ShownItem("a"),), created=1.0))
    database.close()
    check([*MODELS, *TABLES, "pyarrow", "ibis", "duckdb", "psycopg"], "online", tmp_path / "shop.db", "--json")


@pytest.mark.parametrize("more", [[], ["--explain"]])
def test_recommend(trained_run: Path, more: list[str]) -> None:
    items = (trained_run / "items.txt").read_text().split()
    forbidden = [*MODELS, *TABLES, "ibis", "duckdb", "jinja2"]
    check(forbidden, "recommend", trained_run, "--history", items[0], "--json", *more)


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small trained run with item tokens, and a file with the ids of its items."""
    from shoptalk.data.dataset import open_dataset
    from shoptalk.data.prepare import prepare
    from shoptalk.progress import silent
    from shoptalk.stages.train import train
    from shoptalk.tasks import load_recipe

    folder = tmp_path_factory.mktemp("startup")
    write_sample(folder, users=60, items=30)
    settings = ["model.width=32", "model.layers=1", "model.precision=fp32", "model.vocabulary=300"]
    settings += ["training.epochs=1", "training.pretrain_epochs=0", "training.choice_epochs=0"]
    settings += ["prompt.task=next_item", "prompt.style=bare", "items.dimensions=16"]
    recipe = load_recipe(folder / "recipe.toml", settings)
    prepare(recipe, folder / "dataset")
    dataset = open_dataset(folder / "dataset")
    train(recipe, dataset, folder / "run", silent)
    (folder / "run" / "items.txt").write_text("\n".join(dataset.catalogue))
    return folder / "run"
