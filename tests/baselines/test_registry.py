import numpy as np
import pytest

from shoptalk.baselines import NAMES, make_baseline
from shoptalk.errors import RecipeError
from shoptalk.recipe import Evaluation
from shoptalk.schema import Case, History

from .shop import CATALOGUE, case, options, split

CASES = [case("v1", ["soap"], ["hair1", "lip1"], 1), case("v2", ["lip1"], ["soap", "hair2", "lip2"], 0)]


def test_names_are_those_of_the_recipe() -> None:
    assert Evaluation().baselines == NAMES


def test_unknown_name_has_a_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean popularity"):
        make_baseline("popularty", split(), CATALOGUE, 1)
    with pytest.raises(RecipeError, match="known here: chance, popularity"):
        make_baseline("zzz", split(), CATALOGUE, 1)


@pytest.mark.parametrize("name", NAMES)
def test_every_baseline_scores_every_option(name: str) -> None:
    baseline = make_baseline(name, split(train_cases=CASES, validation=CASES), CATALOGUE, 1)
    assert baseline.name == name
    histories = [History("a", ("soap", "lip1")), History("b", ()), History("c", ("never heard of",))]
    candidates = [options("lip1", "lip2"), options("soap"), options("hair1", "not in the catalogue", "hair2")]
    scores = baseline.score(histories, candidates)
    assert [len(row) for row in scores] == [2, 1, 3]
    assert all(row.dtype == np.float64 and np.isfinite(row).all() for row in scores)
    assert baseline.score([], []) == []


@pytest.mark.parametrize("name", NAMES)
def test_scores_do_not_depend_on_the_batch_or_the_order_of_options(name: str) -> None:
    baseline = make_baseline(name, split(train_cases=CASES, validation=CASES), CATALOGUE, 1)
    histories = [History("a", ("soap", "lip1")), History("b", ("lip2",))]
    first, second = options("lip1", "hair1", "lip2"), options("soap", "hair2")
    together = baseline.score(histories, [first, second])
    assert baseline.score(histories[1:], [second])[0] == pytest.approx(together[1])
    turned = baseline.score(histories[:1], [options("lip2", "hair1", "lip1")])[0]
    assert turned[::-1] == pytest.approx(together[0])


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_scores(name: str) -> None:
    def scores() -> list[np.ndarray]:
        baseline = make_baseline(name, split(train_cases=CASES), CATALOGUE, 3)
        return baseline.score([History("a", ("soap",))], [options("lip1", "hair1", "lip2")])

    assert np.array_equal(scores()[0], scores()[0])


@pytest.mark.parametrize("name", NAMES)
def test_the_test_part_is_never_looked_at(name: str) -> None:
    class Forbidden(list[Case]):
        def __iter__(self):  # type: ignore[no-untyped-def]
            raise AssertionError("the test part was looked at")

        __getitem__ = __len__ = __iter__

    plain = split(train_cases=CASES)
    guarded = type(plain)(plain.train, plain.train_cases, plain.validation, Forbidden())
    assert make_baseline(name, guarded, CATALOGUE, 1).name == name
