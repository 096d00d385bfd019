"""The benchmark of the service: its arithmetic, and a run of a second."""

from collections import Counter
from pathlib import Path

import pytest

from tests.benchmarks.conftest import Load


def test_figures_by_hand(load: Load) -> None:
    benchmark = load("serve")
    measured = benchmark.Load(2.0, [0.010, 0.020, 0.030, 0.040], Counter({"200": 4}), server=0.08, generator=0.004)
    figures = measured.figures()
    assert (figures["per_second"], figures["p50"]) == (2.0, pytest.approx(25.0))  # 4 answers in 2 s
    assert figures["server_processor"] == pytest.approx(20.0)  # 0.08 s for 4 answers
    bare = benchmark.Bare([0.32 * 32, 0.48 * 32], [0.01 * 32, 0.01 * 32])  # for 32 histories each: 400 and 10 ms each
    over = benchmark.overheads(figures, {"model": bare})["model"]
    assert over["wall"] == pytest.approx(500 / 400 - 1)  # an answer takes 500 ms at 2 a second
    assert over["processor"] == pytest.approx(20 / 10 - 1)
    slow = benchmark.Load(2.0, [0.010] * 4, Counter({"200": 3, "200 by popularity": 1}), server=0.08)
    assert benchmark.overheads(slow.figures(), {"model": bare}) is None


def test_a_short_run(load: Load, service_shop: Path, tmp_path: Path) -> None:
    benchmark = load("serve")
    report = benchmark.benchmark(service_shop / "run", tmp_path, [4], seconds=1.0, turns=1)
    for loads in report["loads"].values():
        assert set(loads[4]["statuses"]) == {"200"}
        assert 0 < loads[4]["p50"] <= loads[4]["p95"] <= loads[4]["p99"]
    assert report["batch_size"]["no batching"] == 1 < report["batch_size"]["batches of 32"]
    assert report["method"] == "model"
    table = benchmark.markdown(report)
    assert "| no batching | 4 |" in table
    assert "Answers other than those of the model: none" in table
