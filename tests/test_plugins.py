"""Plugins: small distributions on the path, whose entry points are loaded once and when they are needed."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from shoptalk.data.prepare import prepare
from shoptalk.data.sealed import seal
from shoptalk.errors import UsageError
from shoptalk.plugins import Registry
from shoptalk.recipe import parse_recipe
from shoptalk.stages.trial import Event, Trial
from shoptalk.stages.workers import ProcessPool
from tests.tasks.test_seventh_task import dataset_recipe

TASK = '''
from shoptalk.tasks import register
from shoptalk.tasks.generate_title import GenerateTitle


class PluginTask(GenerateTitle):
    """Writes titles as `GenerateTitle` does, under another name."""

    name = "plugin_task"


print("the plugin is loaded")
register(PluginTask())
'''
TABLES = '''
from shoptalk.evaluation.audit import CHECKS
from shoptalk.evaluation.audit.finding import Finding
from shoptalk.evaluation.metrics import METRICS, Metric
from shoptalk.registry import BASELINES, BaselineEntry


def hits_at_one(hits, relevant, k):
    """Whether the first item is relevant."""
    return hits[:, 0].astype(float)


def check(evidence):
    """One finding for every dataset."""
    return iter(())


def add():
    """Register a metric, a baseline and a check."""
    METRICS.register("first", Metric("First", "plugin_tables:hits_at_one"))
    BASELINES.register("plugin_baseline", BaselineEntry("of a plugin", "shoptalk.baselines.popularity", ranks=True))
    CHECKS.register("check of a plugin", check)
'''


def distribution(folder: Path, package: str, module: str, code: str, target: str = "") -> None:
    """Write a distribution with one module and an entry point for it, or for the function ``target`` of it."""
    path = folder / f"{module.replace('.', '/')}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(code, encoding="utf-8")
    metadata = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
    entry_points = f"[shoptalk.plugins]\n{module.replace('.', '_')} = {module}{target}\n"
    (metadata / "entry_points.txt").write_text(entry_points, encoding="utf-8")


def run_python(folder: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run Python with a folder of distributions on its path."""
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, env=environment)


def shoptalk(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command with a folder of distributions on its path."""
    return run_python(folder, ["-m", "shoptalk.cli.main", *map(str, arguments)])


def test_plugins_are_loaded_once_and_when_they_are_needed(tmp_path: Path) -> None:
    distribution(tmp_path, "shoptalk-task", "plugin_task_module", TASK)
    program = """
import shoptalk.baselines, shoptalk.cli.main, shoptalk.evaluation.audit, shoptalk.tasks as tasks
tasks.get_task("next_item")
print("not needed yet")
print(tasks.get_task("plugin_task").name, *tasks.task_names()[-1:], "popularity" in shoptalk.baselines.baseline_names())
"""
    completed = run_python(tmp_path, ["-c", program])
    assert completed.stdout.splitlines() == [
        "not needed yet", "the plugin is loaded", "plugin_task plugin_task True"
    ], completed.stderr  # fmt: skip


def test_a_command_knows_the_metrics_of_a_plugin(tmp_path: Path) -> None:
    distribution(tmp_path, "shoptalk-tables", "plugin_tables", TABLES, ":add")
    predictions = tmp_path / "predictions.jsonl"
    predictions.write_text('{"user": "u", "truth": ["a"], "ranked": ["a", "b"]}\n', encoding="utf-8")
    completed = shoptalk(tmp_path, "score", predictions, "--json")
    assert completed.returncode == 0, completed.stderr
    assert json.loads(completed.stdout)["first@10"] == 1


def test_tables_hold_the_entries_of_a_plugin(tmp_path: Path) -> None:
    distribution(tmp_path, "shoptalk-tables", "plugin_tables", TABLES, ":add")
    program = """
from shoptalk.baselines import ranker_names
from shoptalk.evaluation.audit import CHECKS
from shoptalk.recipe import Evaluation
print(Evaluation(baselines=("plugin_baseline",)).baselines, ranker_names()[-1], list(CHECKS)[-1])
"""
    completed = run_python(tmp_path, ["-c", program])
    assert completed.stdout.split("\n")[0] == "('plugin_baseline',) plugin_baseline check of a plugin", completed.stderr


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import a_module_that_is_missing", "ModuleNotFoundError: No module named 'a_module_that_is_missing'"),
        (TASK.replace("plugin_task", "next_item"), "UsageError: a task named 'next_item' is registered already"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_named(tmp_path: Path, code: str, reason: str) -> None:
    distribution(tmp_path, "shoptalk-broken", "broken_module", code)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[data]\nsource = "table"\ninteractions = "p.csv"\n[prompt]\ntask = "unknown"\n[candidates]\n')
    completed = shoptalk(tmp_path, "prepare", recipe, "--out", tmp_path / "dataset", "--json")
    assert completed.returncode == 2
    error = json.loads(completed.stdout.splitlines()[-1])["error"]
    assert error["kind"] == "plugin"
    assert error["message"].startswith("the plugin 'broken_module' of shoptalk-broken cannot be loaded: ")
    assert reason in error["message"]
    assert error["where"] == "broken_module"
    assert completed.stderr.count("\n") == 1


@pytest.mark.slow
def test_workers_of_a_sweep_know_the_task_of_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(tmp_path, "shoptalk-task", "plugin_task_module", TASK)
    sections = {"candidates": {"options": 3}, "prompt": {"task": "generate_title", "style": "plain"}}
    recipe = dataset_recipe(tmp_path, **sections)
    prepare(recipe, tmp_path / "whole")
    seal(tmp_path / "whole", tmp_path / "sealed")
    recipe = parse_recipe(tomllib.loads(recipe.to_toml().replace("generate_title", "plugin_task")))
    monkeypatch.syspath_prepend(tmp_path)  # a child process takes over the path
    ends: list[Event] = []
    with ProcessPool(1, lambda _, event: bool(event["kind"] == "end" and ends.append(event))) as workers:
        workers.start(0, Trial(recipe, tmp_path / "run", tmp_path / "sealed", "accuracy"))
        while workers.busy():
            workers.step()
    assert [(end["state"], end["says"]) for end in ends] == [("complete", "")]
    assert "plugin_task_module" not in sys.modules


def test_a_name_that_is_taken_is_refused() -> None:
    registry = Registry({"first": 1})
    registry.register("second", 2)
    with pytest.raises(UsageError, match="'second' is registered already"):
        registry.register("second", 3)
    assert dict(registry) == {"first": 1, "second": 2}
