"""Which method a shop should use: the simple ones are learned and measured, models are judged by other shops' curves.

Half of the validation users choose the settings of each method, the other half measures it. Methods are learned from
nested subsets of the training users, so that their curves can be extrapolated. The test is never read.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from shoptalk.baselines import make_baseline
from shoptalk.constants import DEFAULT_K
from shoptalk.data.dataset import Dataset
from shoptalk.errors import DatasetError
from shoptalk.evaluation.bootstrap import RESAMPLES, Floats
from shoptalk.evaluation.catalogue import per_user
from shoptalk.evaluation.choice import Measured, MethodChoice, choose_method
from shoptalk.evaluation.expected_gap import LearningCurves, Scale, gaps_of, packaged_curves
from shoptalk.evaluation.options import correctness
from shoptalk.evaluation.verdict import OPTION_METRIC
from shoptalk.progress import Progress
from shoptalk.report.choice import describe_choice
from shoptalk.results import ChoiceResult, ExpectedModel
from shoptalk.schema import Catalogue, Estimate, EvalExample, History, Recommender, Split

RANKING_METRIC = f"ndcg@{DEFAULT_K}"
#: The methods that are learned here, the simplest first: for rankings of the catalogue, and for options.
RANKERS = ("popularity", "recent_popularity", "text_knn", "item_knn", "transitions")
CHOOSERS = ("popularity", "recent_popularity", "tfidf", "text_knn", "cooccurrence", "item_knn", "transitions")
#: Shares of the training users from which methods are learned, and the fewest users of a share.
SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)
LEAST_USERS = 8
#: Most training users, and most validation users that tune and that measure, so that an answer takes minutes.
MOST_USERS, MOST_TUNING, MOST_MEASURING = 50_000, 500, 5_000
#: Probability from which on a model is recommended without having been trained in this shop.
MODEL_PROBABILITY = 0.975
#: The options that the learning curves of other shops were measured with.
CURVE_OPTIONS, CURVE_NEGATIVES = 4, "uniform"


@dataclass(frozen=True, slots=True)
class _Cases:
    """Validation cases of users that tune, and of others that measure."""

    tuning: list[EvalExample]
    measuring: list[EvalExample]
    users: int


def choose(
    dataset: Dataset,
    progress: Progress,
    *,
    seed: int = 1,
    resamples: int = RESAMPLES,
    curves: LearningCurves | None = None,
) -> ChoiceResult:
    """Recommend a method for a dataset, from its training and validation purchases.

    Parameters
    ----------
    seed
        Seed of the subsets, the halves of the validation users and the resamples.
    curves
        Learning curves of other shops; by default those of the package.

    Raises
    ------
    DatasetError
        If the dataset has too few training or validation users.
    """
    split = replace(dataset.split("last"), train_cases=(), test=(), refit=False)
    has_options = dataset.recipe.candidates is not None
    cases = _divide(split.validation, dataset, seed)
    train, warnings = _training_users(split, dataset, seed)
    measured, seconds = _measure(train, cases, dataset.catalogue, has_options, seed, progress)
    choice = choose_method(measured, resamples=resamples, seed=seed)
    known = curves or packaged_curves()
    value = next(curve.value for curve in choice.curves if curve.method == choice.best)
    result = ChoiceResult(
        fingerprint=dataset.fingerprint,
        metric=OPTION_METRIC if has_options else RANKING_METRIC,
        users=measured.users[-1],
        purchases=measured.purchases[-1],
        items=len(dataset.catalogue),
        validation_users=cases.users,
        tuned_on=len({case.history.user_id for case in cases.tuning}),
        measured_on=measured.last().shape[1],
        seed=seed,
        recommended=choice.recommended,
        best=choice.best,
        kind=choice.kind,
        probability=choice.probability,
        loss=choice.loss,
        most_loss=choice.most_loss,
        users_needed=_validation_users(choice, cases, measured),
        curves=choice.curves,
        models=tuple(_expected(model, known, dataset, measured.purchases[-1], value) for model in known.models),
        curves_from=known.source,
        curve_error=choice.curve_error,
        seconds=seconds,
        warnings=warnings,
        says=(),
    )
    result = _with_model(result)
    return replace(result, says=describe_choice(result))


def _divide(validation: Sequence[EvalExample], dataset: Dataset, seed: int) -> _Cases:
    """The cases of the two halves of the validation users, of at most `MOST_TUNING` and `MOST_MEASURING` users."""
    by_user: dict[str, list[EvalExample]] = {}
    for case in validation:
        by_user.setdefault(case.history.user_id, []).append(case)
    if len(by_user) < 4:
        raise DatasetError(
            f"{len(by_user)} validation users are too few to choose a method",
            where=str(dataset.folder),
            hint="give validation a share in [split], or prepare more purchases",
        )
    users = np.random.default_rng(seed).permutation(sorted(by_user)).tolist()
    half = len(users) // 2
    tuning, measuring = users[:half][:MOST_TUNING], users[half:][:MOST_MEASURING]
    return _Cases(
        [case for user in tuning for case in by_user[user]],
        [case for user in measuring for case in by_user[user]],
        len(users),
    )


def _training_users(split: Split, dataset: Dataset, seed: int) -> tuple[list[History], tuple[str, ...]]:
    """The histories to learn from, in random order, and a warning where not all are used."""
    count = len(split.train)
    if count < 2:
        raise DatasetError(
            f"{count} training users are too few to learn from",
            where=str(dataset.folder),
            hint="prepare more purchases",
        )
    order = np.random.default_rng(seed).permutation(count)[:MOST_USERS].tolist()
    warning = f"learned from {MOST_USERS:,} of the {count:,} training users, drawn by seed {seed}"
    return [split.train[index] for index in order], (warning,) if count > MOST_USERS else ()


def _measure(
    train: list[History],
    cases: _Cases,
    catalogue: Catalogue,
    has_options: bool,
    seed: int,
    progress: Progress,
) -> tuple[Measured, dict[str, float]]:
    """Learn every method from every share of the training users, and measure it; also the seconds by method."""
    methods = CHOOSERS if has_options else RANKERS
    sizes = sorted({size for share in SHARES if (size := math.floor(share * len(train))) >= LEAST_USERS} | {len(train)})
    values: dict[str, list[Floats]] = {method: [] for method in methods}
    seconds: dict[str, list[float]] = {method: [] for method in methods}
    works = [(size, method) for size in sizes for method in methods]
    done, total = 0, sum(size for size, _ in works)
    for size, method in works:
        progress("choose", done, total, f"{method}, {size:,} users")
        begin = time.perf_counter()
        part = Split(train=train[:size], train_cases=(), validation=cases.tuning, test=())
        recommender = make_baseline(method, part, catalogue, seed)
        values[method].append(_values(recommender, cases.measuring, has_options))
        seconds[method].append(time.perf_counter() - begin)
        done += size
    progress("choose", total, total, "done")
    purchases = np.cumsum([len(history.items) for history in train])
    measured = Measured(
        tuple(sizes),
        tuple(int(purchases[size - 1]) for size in sizes),
        {method: np.stack(rows) for method, rows in values.items()},
        {method: tuple(times) for method, times in seconds.items()},
    )
    return measured, {method: sum(times) for method, times in seconds.items()}


def _values(recommender: Recommender, cases: Sequence[EvalExample], has_options: bool) -> Floats:
    """The metric of each user (N,); the mean over the cases of a user."""
    histories = [case.history for case in cases]
    if has_options:
        scores = recommender.score(histories, [case.candidates for case in cases if case.candidates is not None])
        values = correctness(scores, [case.answer for case in cases if case.answer is not None])
    else:
        lists = recommender.rank(histories, DEFAULT_K)
        ranked, targets = [each.items for each in lists], [case.targets for case in cases]
        values = per_user(ranked, targets, (DEFAULT_K,))[RANKING_METRIC]
    _, user = np.unique([history.user_id for history in histories], return_inverse=True)
    return np.asarray(np.bincount(user, weights=values) / np.bincount(user))


def _validation_users(choice: MethodChoice, cases: _Cases, measured: Measured) -> int | None:
    """The number of validation users of which those that are needed for a significant difference can measure."""
    if choice.users_needed is None:
        return None
    return math.ceil(choice.users_needed * max(2.0, cases.users / measured.last().shape[1]))


def _expected(model: str, curves: LearningCurves, dataset: Dataset, purchases: int, best: Estimate) -> ExpectedModel:
    """What to expect of a model with so many training purchases, given the value of the best trained method."""
    options = dataset.recipe.candidates
    scale: Scale = "ratio" if options is None else "difference"
    gaps = gaps_of(curves, model, scale)
    smallest, largest = gaps.range
    unknown = ExpectedModel(model, None, None, smallest, largest, (), "")
    if options is not None and (options.options, options.negatives) != (CURVE_OPTIONS, CURVE_NEGATIVES):
        return replace(unknown, reason=f"only with {CURVE_OPTIONS} options and {CURVE_NEGATIVES} distractors")
    if not largest:
        return replace(unknown, reason="in no shop with this task")
    if not smallest <= purchases <= largest:
        return replace(unknown, reason=f"only from {smallest:,} to {largest:,} training purchases")
    gap = gaps.at(purchases)
    if gap is None:
        return replace(unknown, reason="in too few shops to predict from")

    def value(added: float) -> float:
        """The metric at a gap; it stays in [0, 1]."""
        return min(1.0, max(0.0, best.value + added if scale == "difference" else best.value * math.exp(added)))

    low, high = gap.interval
    expected = Estimate(value(gap.mean), value(low), value(high), best.n)
    return ExpectedModel(model, expected, gap.probability, smallest, largest, gap.shops, "")


def _with_model(result: ChoiceResult) -> ChoiceResult:
    """The result with a model as the recommendation, where one is nearly certain to be better."""
    certain = [
        model for model in result.models if (model.probability or 0) >= MODEL_PROBABILITY and result.kind != "little"
    ]
    if not certain:
        return result
    best = max(certain, key=lambda model: model.value.value if model.value else 0.0)
    return replace(
        result, recommended=best.model, kind="model", probability=best.probability or 0.0, loss=0.0, most_loss=0.0
    )
