"""Every registered metric: its contract, example and reference; and that no other module lists metrics."""

import doctest
import importlib
import re
from pathlib import Path
from pkgutil import iter_modules

import numpy as np
import pytest

import shoptalk
from shoptalk.evaluation import metrics
from shoptalk.evaluation.id_map import Bools, Ints
from shoptalk.evaluation.metrics import METRICS, Metric, larger_is_better
from shoptalk.report.names import metric_label
from tests.evaluation.reference import REFERENCE

MODULES = [metrics.__name__, *(f"{metrics.__name__}.{module.name}" for module in iter_modules(metrics.__path__))]


def random_hits(k: int, users: int = 50) -> tuple[Bools, Ints]:
    """Hits (N, k) and relevant items (N,); at least as many are relevant as are found, and to some nothing is."""
    generator = np.random.default_rng(k)
    hits = generator.random((users, k)) < 0.2
    hits[::7] = False
    relevant = hits.sum(axis=1) + generator.integers(0, 3, users)
    return hits, relevant


def test_every_metric_has_a_reference() -> None:
    assert METRICS.keys() == REFERENCE.keys()


@pytest.mark.parametrize("k", [1, 3, 20])
@pytest.mark.parametrize("name", METRICS)
def test_the_contract(name: str, k: int) -> None:
    hits, relevant = random_hits(k)
    before = hits.copy(), relevant.copy()
    values = METRICS[name](hits, relevant, k)
    assert values.shape == (50,)
    assert values.dtype == np.float64
    np.testing.assert_array_equal(np.isnan(values), relevant == 0)
    np.testing.assert_array_equal(hits, before[0])  # what a metric is given belongs to all of them
    np.testing.assert_array_equal(relevant, before[1])
    np.testing.assert_array_equal(values[3:5], METRICS[name](hits[3:5], relevant[3:5], k))  # no user depends on another
    assert METRICS[name](hits[:0], relevant[:0], k).shape == (0,)


@pytest.mark.parametrize("name", METRICS)
def test_moving_a_hit_up_never_hurts(name: str) -> None:
    indices = np.eye(6, dtype=np.bool_)  # user n has the only relevant item at rank n + 1
    values = METRICS[name](indices, np.ones(6, dtype=np.int64), 6)
    steps = np.diff(values)
    assert (steps <= 0 if METRICS[name].larger_is_better else steps >= 0).all()


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module))
    assert result.failed == 0
    assert result.attempted or module.endswith(".metric")  # every family shows an example


def test_one_value_per_user() -> None:
    wrong = Metric("Mean", lambda hits, relevant, k: np.asarray(hits.mean()))
    with pytest.raises(ValueError, match=r"Mean gives an array of shape \(\) for 50 users"):
        wrong(*random_hits(3), 3)


def test_names_and_directions_come_from_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    mean_rank = Metric("Mean rank", lambda hits, relevant, k: relevant * 1.0, larger_is_better=False, tested=True)
    monkeypatch.setitem(METRICS, "rank", mean_rank)
    assert metric_label("rank@5") == "Mean rank@5"
    assert (larger_is_better("rank@5"), larger_is_better("recall@5"), larger_is_better("ece")) == (False, True, False)
    assert metrics.tested_names(5) == ("recall@5", "ndcg@5", "rank@5")
    assert metrics.compared_names(5) == ("recall@5", "ndcg@5", "mrr@5")


def test_nothing_else_lists_metrics() -> None:
    """A line that names two ranking metrics is a list of metrics."""
    source = Path(shoptalk.__file__).parent
    name = re.compile(rf"""["']({"|".join(METRICS)})(?:@(?:\d+|\{{\w+\}}))?["']""")
    of_options = source / "evaluation/options.py", source / "report/options.py"  # metrics of choices, by their own sums
    lists = [
        f"{path.relative_to(source)}:{number}: {line.strip()}"
        for path in sorted(source.rglob("*.py"))
        if path not in of_options and path.parent.name != "metrics"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(set(name.findall(line))) > 1
    ]
    assert lists == []
