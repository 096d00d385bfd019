"""Comparing runs with known predictions: metrics, grouping by recipe, and errors."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shoptalk.cli.main import main
from shoptalk.errors import RunError, ShoptalkError, UsageError
from shoptalk.results import as_json
from shoptalk.stages import compare as stage
from tests.runs import BAD, GOOD, USERS, make_run


def compare(folders: Sequence[Path]) -> dict[str, Any]:
    """What ``--json`` prints."""
    content: dict[str, Any] = as_json(stage.compare(folders))
    return content


def error_of(*folders: Path) -> ShoptalkError:
    """The error that comparing these runs raises."""
    with pytest.raises(ShoptalkError) as caught:
        compare(folders)
    return caught.value


def test_metrics_of_rankings(tmp_path: Path) -> None:
    folders = [make_run(tmp_path / "good", GOOD, name="good"), make_run(tmp_path / "bad", BAD, name="bad", width=64)]
    report = compare(folders)
    assert report["metrics"] == ["recall@10", "ndcg@10", "mrr@10"]
    assert (report["fingerprint"], report["users"]) == ("f" * 64, USERS)
    good, bad = (group["metrics"] for group in report["groups"])
    assert good["recall@10"]["value"] == pytest.approx(40 / 60)
    assert bad["recall@10"]["value"] == pytest.approx(30 / 60)
    assert bad["mrr@10"]["value"] == pytest.approx(30 / 2 / 60)
    assert bad["ndcg@10"]["value"] == pytest.approx(30 / np.log2(3) / 60)
    recall, _, mrr = report["comparisons"]
    assert recall["difference"] == pytest.approx(10 / 60)
    assert (recall["wins"], recall["losses"], recall["ties"]) == pytest.approx((10 / 60, 0, 50 / 60))
    assert recall["p_randomisation"] == 2 / 2**10  # ten users differ, all in one direction: exact over all 2^10 signs
    assert mrr["difference"] == pytest.approx((40 - 15) / 60)
    assert (mrr["wins"], mrr["n"]) == (pytest.approx(40 / 60), USERS)
    assert report["verdict"].startswith("good is significantly better than bad: Recall@10 0.6667 against 0.5000")


def test_the_shape_of_the_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [make_run(tmp_path / "a", GOOD), make_run(tmp_path / "b", BAD, width=64)]
    with pytest.raises(SystemExit) as caught:
        main(["compare", *map(str, folders), "--json"])
    assert not caught.value.code
    report = json.loads(capsys.readouterr().out)
    assert {"fingerprint", "groups", "comparisons", "verdict", "warnings", "users"} <= report.keys()
    group = report["groups"][0]
    assert {"name", "runs", "seeds", "metrics", "cost", "settings"} == group.keys()
    assert {"value", "low", "high", "n", "spread", "by_seed"} == group["metrics"]["ndcg@10"].keys()
    assert group["metrics"]["ndcg@10"]["spread"] is None
    assert group["cost"] | {"peak_memory_bytes": 0} == {
        "training_seconds": 60,
        "evaluation_seconds": 6,
        "peak_memory_bytes": 0,
        "tokens": 1000,
        "parameters": 5000,
        "joules": None,
        "joules_of": [],
    }
    names = "one other metric difference low high p p_randomisation p_holm effect wins losses ties n users_needed"
    assert set(names.split()) == report["comparisons"][0].keys()


def test_only_shared_metrics_are_compared(tmp_path: Path) -> None:
    both = make_run(tmp_path / "both", GOOD, [1] * 45 + [0] * 15)
    options_only = make_run(tmp_path / "options", options=[1] * 30 + [0] * 30, width=64)
    report = compare([both, options_only])
    assert report["metrics"] == ["accuracy"]
    assert [group["metrics"]["accuracy"]["value"] for group in report["groups"]] == [45 / 60, 30 / 60]
    assert f"recall@10 is not compared: {options_only} has none" in report["warnings"]
    second = make_run(tmp_path / "second", BAD, [1] * USERS, width=64)
    assert compare([both, second])["metrics"] == ["recall@10", "ndcg@10", "mrr@10", "accuracy"]


def test_runs_that_differ_in_the_seed_are_averaged_for_each_user(tmp_path: Path) -> None:
    narrow_runs = [
        make_run(tmp_path / f"a{seed}", ranks, seed=seed, name=f"a{seed}", seconds=60 * seed)
        for seed, ranks in ((1, [1] * USERS), (2, [0] * USERS), (3, GOOD))
    ]
    wide_run = make_run(tmp_path / "b", BAD, width=64)
    report = compare([narrow_runs[0], wide_run, *narrow_runs[1:]])
    narrow, wide = report["groups"]
    assert (narrow["seeds"], narrow["runs"]) == ([1, 2, 3], [str(folder) for folder in narrow_runs])
    recall = narrow["metrics"]["recall@10"]
    assert recall["by_seed"] == pytest.approx([1, 0, 2 / 3])
    assert recall["value"] == pytest.approx((1 + 0 + 2 / 3) / 3)
    assert recall["spread"] == pytest.approx(np.std([1, 0, 2 / 3], ddof=1))
    assert narrow["cost"]["training_seconds"] == pytest.approx((60 + 120 + 180) / 3)
    assert (wide["seeds"], wide["metrics"]["recall@10"]["spread"]) == ([1], None)
    comparison = report["comparisons"][0]
    # Users 0..9: 2/3 against 0; 10..39: 2/3 against 1; 40..59: 1/3 against 0.
    assert comparison["difference"] == pytest.approx((10 * 2 / 3 - 30 / 3 + 20 / 3) / 60)
    assert (comparison["wins"], comparison["losses"], comparison["ties"]) == pytest.approx((30 / 60, 30 / 60, 0))
    assert (narrow["name"], wide["name"]) == ("width=32", "width=64")  # the second recipe has no name
    assert narrow["settings"] == {"model.width": 32}
    assert report["warnings"] == [
        "trained with one seed: width=64; the effect of another seed is not known (see --seed)"
    ]


def test_seeds_of_one_recipe_are_not_compared(tmp_path: Path) -> None:
    report = compare([make_run(tmp_path / f"{seed}", GOOD, seed=seed, name="small") for seed in (1, 2)])
    assert report["comparisons"] == report["warnings"] == []
    assert report["verdict"] == "Nothing to compare: all 2 runs are seeds of the same recipe, small."


def test_a_copy_is_a_group_of_its_own_and_equal(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", GOOD, name="same")
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    report = compare([run, copy])
    assert [group["name"] for group in report["groups"]] == ["run", "copy"]
    assert {comparison["p_holm"] for comparison in report["comparisons"]} == {1}
    assert {comparison["users_needed"] for comparison in report["comparisons"]} == {None}
    assert report["verdict"] == "run and copy are equally good by Recall@10: 0.6667."


def test_a_difference_that_is_significant_over_users_but_not_over_seeds_is_a_warning(tmp_path: Path) -> None:
    """The values of the seeds of a vary by more than a and b differ on average."""
    a = [make_run(tmp_path / f"a{seed}", ranks, seed=seed) for seed, ranks in ((1, [1] * USERS), (2, BAD))]
    b = [make_run(tmp_path / f"b{seed}", ranks, seed=seed, width=64) for seed, ranks in ((1, BAD), (2, [0] * USERS))]
    report = compare([*a, *b])
    assert report["comparisons"][0]["p_holm"] < 0.05
    assert "differs significantly over these users, but not over seeds" in report["warnings"][0]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((GOOD, BAD, [0] * USERS), "a is best by Recall@10, 0.6667: significantly better than each of the other 2."),
        (
            (GOOD, [1] * 39 + [0] * 21, [0] * USERS),
            "a is best by Recall@10, 0.6667, but not significantly better than",
        ),
        ((GOOD, [1] * 39 + [0] * 21, [1] * 38 + [0] * 22), "but not significantly better than any other: b (0.65"),
    ],
)
def test_the_verdict_on_three(tmp_path: Path, values: tuple[list[int], ...], verdict: str) -> None:
    settings = zip("abc", values, (32, 64, 96), strict=True)
    report = compare([make_run(tmp_path / name, ranks, name=name, width=width) for name, ranks, width in settings])
    assert verdict in report["verdict"]


def test_number_of_users_needed(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "a", GOOD, name="a"), make_run(tmp_path / "b", [1] * 39 + [0] * 21, name="b", width=64)]
    report = compare(runs)
    # One user of 60 differs: d_z = (1/60) / sqrt(1/60 * 59/60 * 60/59) = .1291, ((1.96 + .8416) / .1291)^2 + 1.92.
    assert report["comparisons"][0]["users_needed"] == 473
    assert "413 more users would be needed to detect it" in report["verdict"]


def test_different_machines_are_a_warning(tmp_path: Path) -> None:
    first, second = make_run(tmp_path / "a", GOOD), make_run(tmp_path / "b", BAD, width=64)
    info = json.loads((second / "run.json").read_text())
    (second / "run.json").write_text(json.dumps(info | {"machine": {"system": "another"}}))
    warning = "the runs were made on different machines: their times and joules cannot be compared"
    assert warning in compare([first, second])["warnings"]


def test_one_run_and_equal_folders_are_errors(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", GOOD)
    assert isinstance(error_of(run), UsageError)
    assert "given twice" in str(error_of(run, tmp_path / "." / "run"))


def test_different_datasets_are_an_error_that_names_the_sections(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", GOOD)
    second = make_run(tmp_path / "second", GOOD, fingerprint="0" * 64, negatives="popularity")
    error = error_of(run, second)
    assert isinstance(error, RunError)
    assert error.where == str(second)
    assert "they differ in [candidates] (fingerprints 000000000000 and ffffffffffff)" in error.message
    assert "--data DATASET" in str(error)


def test_different_test_users_are_an_error(tmp_path: Path) -> None:
    run, second = make_run(tmp_path / "run", GOOD), make_run(tmp_path / "second", BAD, width=64)
    table = pq.read_table(second / "predictions.parquet")
    pq.write_table(table.slice(2), second / "predictions.parquet")
    error = error_of(run, second)
    assert "other test users" in error.message
    assert "(2 are not in both)" in error.message
    assert f"shoptalk evaluate {second}" in str(error)


def test_runs_without_a_common_metric_are_an_error(tmp_path: Path) -> None:
    error = error_of(make_run(tmp_path / "lists", GOOD), make_run(tmp_path / "choices", options=[1] * USERS, width=64))
    assert error.message == (
        f"it has accuracy, {tmp_path / 'lists'} has recall@10, ndcg@10, mrr@10: no metric in common to compare"
    )
    assert error.where == str(tmp_path / "choices")


def test_a_folder_that_is_no_evaluated_run_is_an_error(tmp_path: Path) -> None:
    run, missing = make_run(tmp_path / "run", GOOD), tmp_path / "missing"
    assert "not a run" in str(error_of(run, missing))
    untrained = make_run(tmp_path / "untrained", GOOD)
    info = json.loads((untrained / "run.json").read_text())
    (untrained / "run.json").write_text(json.dumps(info | {"trained": False}))
    assert "training has not ended" in str(error_of(run, untrained))
    unevaluated = make_run(tmp_path / "unevaluated", GOOD)
    (unevaluated / "predictions.parquet").unlink()
    assert f"it has no predictions to compare (run: shoptalk evaluate {unevaluated}" in str(error_of(run, unevaluated))


DAMAGE: dict[str, Any] = {
    "cut off": b"PAR1 and then nothing",
    "empty": b"",
    "no users": {"user_id": pa.array([], pa.string()), "answer": pa.array([], pa.int8()), "scores": []},
    "no names": {"user_id": [None, "u"], "answer": [0, 0], "scores": [[1.0], [1.0]]},
    "no column of users": {"answer": [0], "scores": [[1.0]]},
    "an answer that is no option": {"user_id": ["u"], "answer": [7], "scores": [[1.0, 0.0]]},
    "no answer": {"user_id": ["u"], "answer": pa.array([None], pa.int8()), "scores": [[1.0, 0.0]]},
    "scores that are words": {"user_id": ["u"], "answer": [0], "scores": [["high", "low"]]},
    "no scores": {"user_id": ["u"], "answer": [0], "scores": pa.array([None], pa.list_(pa.float64()))},
    "no lists": {"user_id": ["u"], "truth": [["i"]], "ranked": pa.array([None], pa.list_(pa.string()))},
    "lists that are numbers": {"user_id": ["u"], "truth": [["i"]], "ranked": [3]},
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_predictions_are_an_error_of_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    run, second = make_run(tmp_path / "run", GOOD), make_run(tmp_path / "second", GOOD, width=64)
    path, content = second / "predictions.parquet", DAMAGE[damage]
    path.write_bytes(content) if isinstance(content, bytes) else pq.write_table(pa.table(content), path)
    with pytest.raises(SystemExit) as caught:
        main(["compare", str(run), str(second)])
    assert caught.value.code == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert printed.startswith(f"error: {path}: damaged: ")
    assert f"make it again: shoptalk evaluate {second}" in printed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "not a JSON object"),
        ("{", "not readable as JSON"),
        ("[" * 100_000, "not readable as JSON"),
        ('{"metrics": {}}', "baselines: is missing"),
        ('{"metrics": {}, "baselines": {}, "seconds": 3}', "seconds: expected an object, not 3"),
        (
            '{"metrics": {}, "baselines": {}, "seconds": {"rankings": "long"}}',
            "seconds.rankings: expected a number, not 'long'",
        ),
    ],
    ids=["a list", "cut off", "nested", "no baselines", "seconds are a number", "seconds are words"],
)
def test_damaged_metrics_are_an_error(tmp_path: Path, content: str, message: str) -> None:
    run, second = make_run(tmp_path / "run", GOOD), make_run(tmp_path / "second", GOOD, width=64)
    (second / "metrics.json").write_text(content)
    error = error_of(run, second)
    assert isinstance(error, RunError)
    assert error.where == str(second / "metrics.json")
    assert f"damaged: {message}" in str(error)
    assert "shoptalk evaluate" in str(error)


def test_unknown_costs_are_none(tmp_path: Path) -> None:
    run, second = make_run(tmp_path / "run", GOOD), make_run(tmp_path / "second", BAD, width=64)
    (second / "metrics.json").write_text('{"metrics": {}, "baselines": {}, "seconds": {"rankings": NaN}}')
    assert compare([run, second])["groups"][1]["cost"]["evaluation_seconds"] is None
    (second / "metrics.json").unlink()
    cost = compare([run, second])["groups"][1]["cost"]
    assert cost["evaluation_seconds"] is None
    assert cost["training_seconds"] == 60
