"""The study of a sweep: which trials it proposes, and what it reports of them."""

from pathlib import Path

import pytest

from shoptalk.errors import RunError
from shoptalk.recipe import Recipe, parse_recipe
from shoptalk.stages.study import Study

pytest.importorskip("optuna")


def study_recipe(**section: object) -> Recipe:
    """A recipe with a random search, and with these settings of its section [sweep]."""
    space = {"training.epochs": {"low": 1, "high": 9}}
    return parse_recipe(
        {
            "data": {"source": "table", "interactions": "x.csv"},
            "prompt": {"task": "generate_title"},
            "sweep": {"method": "random", "trials": 3, "space": space, **section},
        }
    )


def test_proposed_configurations_do_not_depend_on_interruptions(tmp_path: Path) -> None:
    recipe = study_recipe(trials=4)
    uninterrupted = Study(recipe, tmp_path / "uninterrupted.db")
    expected = []
    while (started := uninterrupted.next()) is not None:
        expected.append(started.point)
        uninterrupted.end(started.number, "complete", float(started.point["training.epochs"]))
    points = []
    for _ in range(4):  # every second trial is interrupted
        study = Study(recipe, tmp_path / "study.db")
        study.queue()
        if (started := study.next()) is not None:
            points.append(started.point)
            study.end(started.number, "complete", float(started.point["training.epochs"]))
        study.next()
    study = Study(recipe, tmp_path / "study.db")
    assert points == expected
    assert [row.settings for row in study.rows() if row.state == "complete"] == expected
    assert study.best().value == min(point["training.epochs"] for point in expected)


def test_settings_may_be_lists_of_texts(tmp_path: Path) -> None:
    choices = [["q_proj"], ["q_proj", "v_proj"]]
    study = Study(study_recipe(method="grid", space={"lora.targets": choices}), tmp_path / "study.db")
    study.queue()
    points = [started.point for started in (study.next(), study.next()) if started is not None]
    assert points == [{"lora.targets": ("q_proj",)}, {"lora.targets": ("q_proj", "v_proj")}]
    assert study.next() is None


def test_a_configuration_has_the_recipes_values_for_omitted_settings(tmp_path: Path) -> None:
    recipe = study_recipe(method="grid", space={}, configurations=[{}, {"lora.r": 4}, {"training.epochs": 9}])
    study = Study(recipe, tmp_path / "study.db")
    study.queue()
    points = [started.point for started in (study.next() for _ in range(3)) if started is not None]
    assert [tuple(point.values()) for point in points] == [(16, 5), (4, 5), (16, 9)]


def test_importance_of_the_only_setting_with_an_effect(tmp_path: Path) -> None:
    space = {"lora.r": [2, 4, 8], "training.epochs": [1, 2, 3]}
    study = Study(study_recipe(method="grid", space=space), tmp_path / "study.db")
    study.queue()
    while (started := study.next()) is not None:
        study.end(started.number, "complete", float(started.point["lora.r"]))  # training.epochs has no effect
    importance = study.importance()
    assert importance["lora.r"] > 0.99
    assert sum(importance.values()) == pytest.approx(1)


def test_a_study_without_a_finished_trial_has_no_best(tmp_path: Path) -> None:
    study = Study(study_recipe(), tmp_path / "study.db")
    started = study.next()
    assert started is not None
    study.end(started.number, "failed", None, says="the base cannot be loaded")
    with pytest.raises(RunError, match="the base cannot be loaded"):
        study.best()


def test_a_damaged_study_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_bytes(b"not a database, but long enough to be taken for one" * 40)
    with pytest.raises(RunError, match="cannot be opened") as caught:
        Study(study_recipe(), tmp_path / "study.db")
    assert caught.value.where == str(tmp_path / "study.db")
