import numpy as np

from shoptalk.schema import EvalExample, History
from shoptalk.second_stage.cross_fitting import FOLDS, LinearKind, Pools, cross_fit, fold_of_users, held_out_folds
from shoptalk.second_stage.examples import LabelledCases
from shoptalk.second_stage.ranker import Groups


class Memory:
    """Gives 1 to candidates that it has learned from, and 0 to all others."""

    def __init__(self, train: Groups) -> None:
        self.known = set(train.features[:, 0].tolist())

    def predict(self, features):
        return np.array([float(value in self.known) for value in features[:, 0].tolist()])


def pools(cases: int = 40, candidates: int = 3) -> Pools:
    """Every second case has its target among its candidates; each candidate has a number as its only feature."""
    index = np.arange(0, cases, 2)
    groups = Groups(
        np.arange(len(index) * candidates, dtype=np.float32)[:, None],
        np.tile([True, False, False], len(index)),
        np.full(len(index), candidates),
    )
    labelled = LabelledCases(groups, np.ones(len(index), np.int64), index, cases)
    return Pools(labelled, np.arange(cases) // 2 % FOLDS, groups)


def test_nobody_is_ranked_by_what_learned_from_them() -> None:
    made = pools()
    scores, rankers = cross_fit(LinearKind(Memory), made, range(FOLDS))
    assert (scores == 0).all()
    assert len(rankers) == FOLDS
    # Each ranker knows all folds but its own and the one that stops.
    size = np.bincount(made.group_fold, minlength=FOLDS) * 3
    assert [len(ranker.known) for ranker in rankers] == [
        size.sum() - size[fold] - size[(fold + 1) % FOLDS] for fold in range(FOLDS)
    ]


def test_other_folds_have_no_scores() -> None:
    made = pools()
    scores, _ = cross_fit(LinearKind(Memory), made, [2])
    held_out = np.repeat(made.group_fold, 3) == 2
    assert np.isnan(scores).tolist() == (~held_out).tolist()


def test_earlier_pools_of_held_out_users_are_left_out() -> None:
    made = pools()
    earlier = Groups(np.array([[100.0], [200.0]], np.float32), np.array([True, True]), np.array([1, 1]))
    made = Pools(made.cases, made.fold, made.learning, earlier, np.array([0, 5]))
    assert set(made.without({0}).features[:, 0]) & {100, 200} == {200}
    assert set(made.without(()).features[:, 0]) & {100, 200} == {100, 200}


def test_folds_divide_users() -> None:
    cases = [EvalExample(History(f"u{number % 80}", ("a",)), ("b",)) for number in range(160)]
    fold = fold_of_users(cases, 1)
    assert (fold[:80] == fold[80:]).all()
    assert (np.bincount(fold) == 160 // FOLDS).all()


def test_as_few_folds_are_held_out_as_needed() -> None:
    fold = np.repeat(np.arange(FOLDS), 10)
    assert held_out_folds(fold, 10) == [0]
    assert held_out_folds(fold, 11) == [0, 1]
    assert held_out_folds(fold, 80) == list(range(FOLDS))
    assert held_out_folds(fold, 1000) == list(range(FOLDS))
