"""Fitting: which purchases the sources see, which users the ranker learns from, and which users choose it.

The ranker learns on validation targets, with sources of training purchases only. At the test the sources also hold the
validation purchases, and the relation is the same: a user's history is in the sources, the target is not. So nobody's
own purchases explain themselves; `check_targets_unseen` makes sure of it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shoptalk.errors import RecipeError
from shoptalk.graph.interactions import InteractionMatrix, item_index_of
from shoptalk.progress import Progress, silent
from shoptalk.schema import Catalogue, EvalExample, History, Split
from shoptalk.second_stage.examples import LabelledCases, Sources, label_cases
from shoptalk.second_stage.features import feature_names
from shoptalk.second_stage.ranker import Groups, LinearRanker, Ranker, TreeSettings, fit_lambdamart, fit_linear
from shoptalk.second_stage.recommender import Calibration, SecondStage, log_softmax
from shoptalk.second_stage.sources import CandidateSource, default_sources
from shoptalk.second_stage.tables import ItemTexts, fit_tables

#: Validation cases without which no ranker is learned.
LEAST_CASES = 200
#: Temperatures that calibration tries.
TEMPERATURES = np.geomspace(0.1, 10, 81)


@dataclass(frozen=True, slots=True)
class Settings:
    """How the second stage is fitted; chosen on validation users of Beauty (see ``docs/notes/second-stage.md``).

    Attributes
    ----------
    ranker
        ``auto`` chooses on held-out users between LambdaMART, linear weights and the best source alone; ``lambdamart``
        and ``linear`` are used whatever their figures.
    depth
        Items that each source proposes.
    stopping, choosing
        Shares of the validation users who stop the learning, and who choose between rankers.
    most_cases
        Validation cases that are used at most.
    negatives
        Candidates of each learning case besides its targets, drawn uniformly; 0 keeps all.
    earlier
        Whether the ranker also learns one step earlier: on each user's last training purchase, with sources without it.
    """

    ranker: Literal["auto", "lambdamart", "linear"] = "auto"
    depth: int = 50
    stopping: float = 0.15
    choosing: float = 0.1
    most_cases: int = 40_000
    negatives: int = 100
    earlier: bool = True
    trees: TreeSettings = field(default_factory=TreeSettings)


@dataclass(frozen=True, slots=True)
class RankerChoice:
    """A learned ranker, and how it was chosen.

    Attributes
    ----------
    ranker
        The ranker that is used.
    calibration
        Of its scores.
    ndcg
        NDCG@10 on the held-out validation users, of each source alone and of each ranker.
    chosen
        Its name: of a ranker, or of the source that is used alone.
    cases
        Validation cases that were used, and those of them that chose.
    """

    ranker: Ranker
    calibration: Calibration
    ndcg: dict[str, float]
    chosen: str
    cases: tuple[int, int]


def fit_second_stage(
    split: Split, catalogue: Catalogue, seed: int, settings: Settings = Settings(), progress: Progress = silent
) -> tuple[SecondStage, RankerChoice]:
    """Learn the ranker on validation cases, then rebuild the sources with what the final fit sees.

    With fewer than 200 validation cases nothing is learned, and the transition-text scorer ranks.
    """
    texts = ItemTexts.of(catalogue)
    choice = fit_ranker(split, catalogue, texts, seed, settings, progress)
    return build(split.for_final_fit().train, catalogue, texts, seed, choice, settings), choice


def build(
    train: Sequence[History],
    catalogue: Catalogue,
    texts: ItemTexts,
    seed: int,
    choice: RankerChoice,
    settings: Settings,
    models: Sequence[CandidateSource] = (),
) -> SecondStage:
    """A learned ranker over sources that are built from the given purchases.

    Parameters
    ----------
    models
        Sources of the same names as in `fit_ranker`, of models that have learned from the same purchases.
    """
    tables = fit_tables(InteractionMatrix.of(train, item_index_of(catalogue)), texts, seed)
    sources = [*models, *default_sources(tables)]
    return SecondStage(tuple(catalogue), sources, tables, choice.ranker, settings.depth, choice.calibration)


def fit_ranker(
    split: Split,
    catalogue: Catalogue,
    texts: ItemTexts,
    seed: int,
    settings: Settings = Settings(),
    progress: Progress = silent,
    models: Sequence[CandidateSource] = (),
) -> RankerChoice:
    """Learn a ranker on validation cases, with sources of the training purchases.

    Parameters
    ----------
    split
        Its test is never looked at.
    models
        Further sources, of models that have learned from the training purchases only. With them the ranker does not
        learn one step earlier, as the models have seen those targets.

    Raises
    ------
    RecipeError
        When a validation target is among the training purchases.
    """
    item_index = item_index_of(catalogue)
    cases = _draw_cases(split, item_index, seed, settings)
    check_targets_unseen(cases, split.train)
    if len(cases) < LEAST_CASES:
        tables = fit_tables(InteractionMatrix.of(split.train, item_index), texts, seed)
        return _not_learned([*models, *default_sources(tables)], len(cases))
    group = _groups_of_users(cases, seed, settings)
    progress("second stage", 0, 3, "features of validation cases")
    tables = fit_tables(InteractionMatrix.of(split.train, item_index), texts, seed)
    sources = Sources([*models, *default_sources(tables)], tables, settings.depth)
    learn, stop, choose = (
        label_cases(
            [case for case, number in zip(cases, group.tolist(), strict=True) if number == wanted],
            item_index,
            sources,
            settings.negatives if wanted == 0 else 0,
            seed,
        )
        for wanted in range(3)
    )
    train = learn.groups
    if settings.earlier and not models:
        users = {case.history.user_id for case, number in zip(cases, group.tolist(), strict=True) if number == 0}
        progress("second stage", 1, 3, "features one step earlier")
        train = _joined(train, _earlier(split.train, users, item_index, texts, seed, settings).groups)
    progress("second stage", 2, 3, f"learning from {len(train.sizes):,} pools of {len(train.label):,} candidates")
    rankers = _candidate_rankers(train, stop.groups, seed, settings)
    choice = _choose(rankers, choose, sources, len(cases), forced=settings.ranker != "auto")
    progress("second stage", 3, 3, f"{choice.chosen}, NDCG@10 {choice.ndcg[choice.chosen]:.4f} on held-out users")
    return choice


def check_targets_unseen(cases: Sequence[EvalExample], train: Sequence[History]) -> None:
    """Make sure that no target is among its user's training purchases beyond the history that the case shows.

    Raises
    ------
    RecipeError
        When a ranker would learn from sources that hold the answer.
    """
    bought = {history.user_id: history.items for history in train}
    for case in cases:
        own = bought.get(case.history.user_id, ())
        if len(own) > len(case.history.items) and set(case.targets) & set(own[len(case.history.items) :]):
            raise RecipeError(
                f"the training purchases of user {case.history.user_id} hold the target of a validation case",
                hint="a second stage needs validation targets that nothing was learned from",
            )


def _draw_cases(split: Split, item_index: dict[str, int], seed: int, settings: Settings) -> list[EvalExample]:
    order = np.sort(np.random.default_rng(seed).permutation(len(split.validation))[: settings.most_cases])
    drawn = (split.validation[number] for number in order.tolist())
    return [case for case in drawn if any(item in item_index for item in case.targets)]


def _groups_of_users(cases: Sequence[EvalExample], seed: int, settings: Settings) -> NDArray[np.int64]:
    """(N,) 0: learn, 1: stop, 2: choose; all cases of a user are in one group."""
    names, number = np.unique([case.history.user_id for case in cases], return_inverse=True)
    draw = np.random.default_rng([seed, 1]).random(len(names))[number]
    return np.where(draw < settings.choosing, 2, np.where(draw < settings.choosing + settings.stopping, 1, 0))


def _earlier(
    train: Sequence[History],
    users: set[str],
    item_index: dict[str, int],
    texts: ItemTexts,
    seed: int,
    settings: Settings,
) -> LabelledCases:
    """Cases whose target is the last training purchase, of the given users; the sources hold nobody's last purchase."""
    shorter = [History(history.user_id, history.items[:-1]) for history in train if len(history.items) > 1]
    last = {history.user_id: history.items[-1] for history in train}
    cases = [
        EvalExample(history, (last[history.user_id],))
        for history in shorter
        if history.user_id in users and last[history.user_id] not in history.items
    ]
    tables = fit_tables(InteractionMatrix.of(shorter, item_index), texts, seed)
    sources = Sources(default_sources(tables), tables, settings.depth)
    return label_cases(cases, item_index, sources, settings.negatives, seed)


def _joined(first: Groups, second: Groups) -> Groups:
    return Groups(
        np.concatenate([first.features, second.features]),
        np.concatenate([first.label, second.label]),
        np.concatenate([first.sizes, second.sizes]),
    )


def _candidate_rankers(train: Groups, stop: Groups, seed: int, settings: Settings) -> dict[str, Ranker]:
    """The rankers that the setting allows, learned; LambdaMART only where LightGBM is installed or asked for."""
    rankers: dict[str, Ranker] = {}
    if settings.ranker != "lambdamart":
        rankers["linear"] = fit_linear(train)
    if settings.ranker == "lambdamart" or (settings.ranker == "auto" and find_spec("lightgbm") is not None):
        rankers["lambdamart"] = fit_lambdamart(train, stop, seed, settings.trees)
    return rankers


def _choose(
    rankers: dict[str, Ranker], choose: LabelledCases, sources: Sources, cases: int, *, forced: bool
) -> RankerChoice:
    """The ranker, or source alone, with the best NDCG@10 on held-out users; only a ranker where it is ``forced``."""
    names = feature_names(sources.sources)
    alone = {source.name: one_feature(names, f"{source.name}: score") for source in sources.sources}
    features = choose.groups.features
    figures = {
        name: float(choose.ndcg(ranker.predict(features)).mean()) for name, ranker in {**alone, **rankers}.items()
    }
    chosen = max(rankers if forced else figures, key=lambda name: figures[name])
    ranker = {**alone, **rankers}[chosen]
    calibration = calibrate(ranker.predict(features), choose)
    return RankerChoice(ranker, calibration, figures, chosen, (cases, choose.cases))


def _not_learned(sources: Sequence[CandidateSource], cases: int) -> RankerChoice:
    """The first source alone, uncalibrated."""
    name = sources[0].name
    ranker = one_feature(feature_names(sources), f"{name}: score")
    return RankerChoice(ranker, Calibration(), {}, name, (cases, 0))


def one_feature(names: Sequence[str], name: str) -> LinearRanker:
    """The ranker that ranks by one feature: with a source's score, it is that source alone."""
    weights = np.array([float(feature == name) for feature in names], dtype=np.float32)
    return LinearRanker(np.zeros_like(weights), np.ones_like(weights), weights)


def calibrate(scores: NDArray[np.float64], cases: LabelledCases) -> Calibration:
    """The temperature with the least cross-entropy of the targets in their pools, and the share of cases with one.

    C. Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    label, sizes = cases.groups.label, cases.groups.sizes
    if not label.any():
        return Calibration()
    loss = [-log_softmax(scores / temperature, sizes)[label].mean() for temperature in TEMPERATURES]
    return Calibration(float(TEMPERATURES[int(np.argmin(loss))]), cases.coverage)


def describe(choice: RankerChoice) -> dict[str, object]:
    """What is reported of a choice, as JSON."""
    return {
        "chosen": choice.chosen,
        "ndcg@10": choice.ndcg,
        "validation_cases": choice.cases[0],
        "held_out_cases": choice.cases[1],
        "calibration": asdict(choice.calibration),
    }
