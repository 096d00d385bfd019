from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from shoptalk.baselines import baseline_names, make_baseline, make_ranker, ranker_names
from shoptalk.errors import RecipeError
from shoptalk.recipe import Evaluation, parse_recipe
from shoptalk.registry import BASELINES, BaselineEntry
from shoptalk.report.names import baseline_label
from shoptalk.schema import EvalExample, History, Item

from .small_dataset import CATALOGUE, case, options, split

CASES = [case("v1", ["soap"], ["hair1", "lip1"], 1), case("v2", ["lip1"], ["soap", "hair2", "lip2"], 0)]


NAMES, RANKERS = baseline_names(), ranker_names()
LIBRARY = {"als": "implicit", "bpr": "implicit", "svd": "surprise"}


def parameters(names: tuple[str, ...]) -> list[object]:
    """The names as parameters of a test; those without their library are skipped."""
    skipif = pytest.mark.skipif
    return [
        pytest.param(name, marks=skipif(name in LIBRARY and find_spec(LIBRARY[name]) is None, reason="not installed"))
        for name in names
    ]


def test_names_are_those_of_the_recipe() -> None:
    assert set(NAMES) | {"sasrec"} == set(BASELINES)  # sasrec is trained by stages
    assert [baseline_label(name, "recall@10") for name in ("svd", "majority")] == ["SVD", "majority class"]
    assert set(Evaluation().baselines) <= set(NAMES)
    assert set(RANKERS) <= set(NAMES)


def test_the_error_of_an_unknown_name_proposes_a_similar_name() -> None:
    with pytest.raises(RecipeError, match="did you mean popularity"):
        make_baseline("popularty", split(), CATALOGUE, 1)
    with pytest.raises(RecipeError, match="known here: chance, popularity"):
        make_baseline("zzz", split(), CATALOGUE, 1)


@pytest.mark.parametrize("name", parameters(NAMES))
def test_every_baseline_scores_every_option(name: str) -> None:
    baseline = make_baseline(name, split(train_cases=CASES, validation=CASES), CATALOGUE, 1)
    assert baseline.name == name
    histories = [History("a", ("soap", "lip1")), History("b", ()), History("c", ("never heard of",))]
    candidates = [options("lip1", "lip2"), options("soap"), options("hair1", "not in the catalogue", "hair2")]
    scores = baseline.score(histories, candidates)
    assert [len(row) for row in scores] == [2, 1, 3]
    assert all(row.dtype == np.float64 and np.isfinite(row).all() for row in scores)
    assert baseline.score([], []) == []


@pytest.mark.parametrize("name", parameters(NAMES))
def test_scores_do_not_depend_on_the_batch_or_the_order_of_options(name: str) -> None:
    baseline = make_baseline(name, split(train_cases=CASES, validation=CASES), CATALOGUE, 1)
    histories = [History("a", ("soap", "lip1")), History("b", ("lip2",))]
    first, second = options("lip1", "hair1", "lip2"), options("soap", "hair2")
    together = baseline.score(histories, [first, second])
    assert baseline.score(histories[1:], [second])[0] == pytest.approx(together[1])
    turned = baseline.score(histories[:1], [options("lip2", "hair1", "lip1")])[0]
    assert turned[::-1] == pytest.approx(together[0])


@pytest.mark.parametrize("name", parameters(NAMES))
def test_same_seed_same_scores(name: str) -> None:
    def scores() -> list[np.ndarray]:
        baseline = make_baseline(name, split(train_cases=CASES), CATALOGUE, 3)
        return baseline.score([History("a", ("soap",))], [options("lip1", "hair1", "lip2")])

    assert np.array_equal(scores()[0], scores()[0])


@pytest.mark.parametrize("name", parameters(NAMES))
def test_the_test_part_is_never_read(name: str) -> None:
    class Forbidden(list[EvalExample]):
        def __iter__(self):  # type: ignore[no-untyped-def]
            raise AssertionError("the test part was read")

        __getitem__ = __len__ = __iter__

    data = replace(split(train_cases=CASES), refit=False, test=Forbidden())
    assert make_baseline(name, data, CATALOGUE, 1).name == name


@pytest.mark.parametrize("name", parameters(RANKERS))
def test_every_ranker_scores_the_catalogue_and_options_alike(name: str) -> None:
    ranker = make_ranker(name, split(validation=CASES), CATALOGUE, 1)
    assert tuple(ranker.items) == tuple(CATALOGUE)
    histories = [History("a", ("soap", "lip1")), History("b", ()), History("c", ("never heard of", "hair2"))]
    scores = ranker.score_all(histories)
    assert scores.shape == (3, 5)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert ranker.score_all([]).shape == (0, 5)
    assert ranker.score_all(histories[2:])[0] == pytest.approx(scores[2], abs=1e-6)
    scores[:] = 0  # the caller may overwrite the scores
    assert ranker.score_all(histories[:1]).any()
    option_scores = ranker.score(histories, [options(*CATALOGUE)] * 3)
    assert np.array(option_scores) == pytest.approx(ranker.score_all(histories), abs=1e-6)


def test_not_every_baseline_ranks() -> None:
    with pytest.raises(RecipeError, match="scores options and cannot rank"):
        make_ranker("tfidf", split(), CATALOGUE, 1)
    with pytest.raises(RecipeError, match="did you mean item_knn"):
        make_ranker("item_knnn", split(), CATALOGUE, 1)


def test_a_baseline_is_one_file_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BASELINES, "new", BaselineEntry("new baseline", "shoptalk.baselines.chance"))
    assert Evaluation(baselines=("new",)).baselines == ("new",)
    assert make_baseline("new", split(), CATALOGUE, 1).score([History("a", ())], [options("soap")])[0].tolist() == [0]


def test_the_error_of_a_recipe_proposes_a_similar_baseline() -> None:
    content = {
        "data": {"source": "table", "interactions": "i.csv"},
        "candidates": {},
        "evaluation": {"baselines": ["popularty"]},
    }
    with pytest.raises(
        RecipeError, match=r"evaluation.baselines: unknown baseline popularty \(did you mean popularity"
    ):
        parse_recipe(content)


@pytest.mark.parametrize("name", parameters(NAMES))
def test_an_item_without_purchases_gets_a_score(name: str) -> None:
    catalogue = {**CATALOGUE, "new": Item("new", "green soap")}
    baseline = make_baseline(name, split(train_cases=CASES, validation=CASES), catalogue, 1)
    scores = baseline.score([History("a", ("soap",))], [options("new", "lip1")])[0]
    assert np.isfinite(scores).all()
    if name in RANKERS:
        all_scores = make_ranker(name, split(validation=CASES), catalogue, 1).score_all([History("a", ("soap",))])
        assert all_scores.shape == (1, len(CATALOGUE) + 1)
        assert np.isfinite(all_scores).all()
