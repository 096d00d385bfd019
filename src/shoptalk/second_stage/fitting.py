"""Fitting: which purchases the sources see, which users the ranker learns from, and which users choose it.

The ranker learns on validation targets, with sources of training purchases only. At the test the sources also hold the
validation purchases, and the relation is the same: a user's history is in the sources, the target is not. So nobody's
own purchases explain themselves; `check_targets_unseen` makes sure of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shoptalk.baselines import transitions
from shoptalk.baselines.text_knn import Texts
from shoptalk.baselines.transitions import choose_mix
from shoptalk.errors import RecipeError
from shoptalk.graph.interactions import InteractionMatrix, item_index_of
from shoptalk.progress import Progress, silent
from shoptalk.schema import Catalogue, EvalExample, History, Split
from shoptalk.second_stage.calibration import (
    UNCALIBRATED,
    Calibration,
    FirstCandidates,
    check_calibration,
    fit_calibration,
)
from shoptalk.second_stage.cross_fitting import (
    FOLDS,
    Pools,
    RankerKind,
    cross_fit,
    fold_of_users,
    held_out_folds,
    ranker_kinds,
)
from shoptalk.second_stage.examples import LabelledCases, Sources, label_cases
from shoptalk.second_stage.features import feature_names
from shoptalk.second_stage.ranker import LinearRanker, Ranker, TreeSettings
from shoptalk.second_stage.recommender import SecondStage
from shoptalk.second_stage.sources import UNTUNED, CandidateSource, default_sources
from shoptalk.second_stage.tables import ItemTexts, fit_tables

#: Validation cases with a target among their candidates without which no ranker is learned.
LEAST_POOLS = 100


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
    choosing
        Validation cases that choose, at least. Where one fold of the users has fewer, more folds are held out in turn.
    most_cases
        Validation cases that are used at most.
    negatives
        Candidates of each learning case besides its targets, drawn uniformly; 0 keeps all.
    earlier
        Whether the ranker also learns one step earlier: on each user's last training purchase, with sources without it.
    """

    ranker: Literal["auto", "lambdamart", "linear"] = "auto"
    depth: int = 50
    choosing: int = 1_000
    most_cases: int = 25_000
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
    first
        How probable the first candidates of the cases that chose were; None without cases.
    mix
        Settings of the tuned mix of transitions and texts, which is one of the sources.
    """

    ranker: Ranker
    calibration: Calibration
    ndcg: dict[str, float]
    chosen: str
    cases: tuple[int, int]
    first: FirstCandidates | None = None
    mix: transitions.Settings = UNTUNED


def fit_second_stage(
    split: Split, catalogue: Catalogue, seed: int, settings: Settings = Settings(), progress: Progress = silent
) -> tuple[SecondStage, RankerChoice]:
    """Learn the ranker on validation cases, then rebuild the sources with what the final fit sees.

    With few validation cases no ranker is learned, and the best source ranks alone.
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
    tables = fit_tables(InteractionMatrix.of(train, item_index_of(catalogue)), texts, seed, choice.mix.graph)
    sources = [*models, *default_sources(tables, choice.mix)]
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
    """Learn rankers on validation cases with sources of the training purchases, and choose on held-out users.

    The chosen ranker is then learned again from all validation cases.

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
    given = make_pools(split, catalogue, texts, seed, settings, progress, models)
    if not given.pools.cases.cases:
        return _first_source(given.sources)
    kinds = ranker_kinds(settings.ranker, seed, settings.trees) if _is_enough(given.pools) else []
    progress("second stage", 2, 3, f"learning from {len(given.pools.learning.sizes):,} pools")
    choice = replace(_choose(kinds, given.pools, given.sources, settings), mix=given.mix)
    progress("second stage", 3, 3, f"{choice.chosen}, NDCG@10 {choice.ndcg[choice.chosen]:.4f} on held-out users")
    return choice


@dataclass(frozen=True, slots=True)
class LearningData:
    """What rankers learn from.

    Attributes
    ----------
    pools
        Candidates of validation cases.
    sources
        What gave them; they hold training purchases only.
    mix
        Settings of the tuned mix of transitions and texts, which is one of the sources.
    """

    pools: Pools
    sources: Sources
    mix: transitions.Settings


def make_pools(
    split: Split,
    catalogue: Catalogue,
    texts: ItemTexts,
    seed: int,
    settings: Settings = Settings(),
    progress: Progress = silent,
    models: Sequence[CandidateSource] = (),
) -> LearningData:
    """The candidates of validation cases; see `fit_ranker` for parameters and errors."""
    item_index = item_index_of(catalogue)
    cases = _draw_cases(split, item_index, seed, settings)
    check_targets_unseen(cases, split.train)
    progress("second stage", 0, 3, "features of validation cases")
    mix = choose_mix(split, item_index, Texts(texts.tfidf), seed)
    tables = fit_tables(InteractionMatrix.of(split.train, item_index), texts, seed, mix.graph)
    sources = Sources([*models, *default_sources(tables, mix)], tables, settings.depth)
    fold = fold_of_users(cases, seed)
    labelled = label_cases(cases, item_index, sources)
    pools = Pools(labelled, fold, labelled.sampled(settings.negatives, seed))
    if settings.earlier and not models and _is_enough(pools):
        progress("second stage", 1, 3, "features one step earlier")
        fold_of_user = dict(zip((case.history.user_id for case in cases), fold.tolist(), strict=True))
        pools = _with_earlier(pools, split.train, fold_of_user, item_index, texts, seed, settings, mix)
    return LearningData(pools, sources, mix)


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


def _is_enough(pools: Pools) -> bool:
    """Whether there are enough pools with a target to learn from, and some in each fold."""
    fold = pools.group_fold
    return len(fold) >= LEAST_POOLS and bool((np.bincount(fold, minlength=FOLDS) > 0).all())


def _with_earlier(
    pools: Pools,
    train: Sequence[History],
    fold_of_user: dict[str, int],
    item_index: dict[str, int],
    texts: ItemTexts,
    seed: int,
    settings: Settings,
    mix: transitions.Settings,
) -> Pools:
    """Add cases whose target is a user's last training purchase; their sources hold nobody's last purchase."""
    shorter = [History(history.user_id, history.items[:-1]) for history in train if len(history.items) > 1]
    last = {history.user_id: history.items[-1] for history in train}
    cases = [
        EvalExample(history, (last[history.user_id],))
        for history in shorter
        if history.user_id in fold_of_user and last[history.user_id] not in history.items
    ]
    if not cases:
        return pools
    tables = fit_tables(InteractionMatrix.of(shorter, item_index), texts, seed, mix.graph)
    labelled = label_cases(cases, item_index, Sources(default_sources(tables, mix), tables, settings.depth))
    fold = np.array([fold_of_user[case.history.user_id] for case in cases], dtype=np.int64)
    earlier = labelled.sampled(settings.negatives, seed)
    return replace(pools, earlier=earlier, earlier_fold=fold[labelled.index])


def _choose(kinds: Sequence[RankerKind], pools: Pools, sources: Sources, settings: Settings) -> RankerChoice:
    """The ranker, or source alone, with the best NDCG@10 on held-out users; a ranker where the setting names one."""
    held_out = held_out_folds(pools.fold, settings.choosing) if kinds else list(range(FOLDS))
    chooses = np.isin(pools.fold, held_out)  # (N,)
    cases, names = pools.cases, feature_names(sources.sources)
    scores: dict[str, NDArray[np.float64]] = {}
    for source in sources.sources:
        scores[source.name] = cases.groups.features[:, names.index(f"{source.name}: score")].astype(np.float64)
    fitted: dict[str, list[Ranker]] = {}
    for kind in kinds:
        scores[kind.name], fitted[kind.name] = cross_fit(kind, pools, held_out)
    ndcg = {name: float(cases.ndcg(values)[chooses].mean()) for name, values in scores.items()}
    forced = bool(kinds) and settings.ranker != "auto"
    chosen = max(fitted if forced else ndcg, key=lambda name: ndcg[name])
    if chosen in fitted:
        kind = next(kind for kind in kinds if kind.name == chosen)
        ranker = kind.fit_last(pools.without(()), fitted[chosen])
    else:
        ranker = one_feature(names, f"{chosen}: score")
    calibration, first = _calibrate(scores[chosen], cases, chooses)
    return RankerChoice(ranker, calibration, ndcg, chosen, (cases.cases, int(chooses.sum())), first)


def _first_source(sources: Sources) -> RankerChoice:
    """The first source alone, uncalibrated."""
    name = sources.sources[0].name
    ranker = one_feature(feature_names(sources.sources), f"{name}: score")
    return RankerChoice(ranker, UNCALIBRATED, {}, name, (0, 0))


def one_feature(names: Sequence[str], name: str) -> LinearRanker:
    """The ranker that ranks by one feature: with a source's score, it is that source alone."""
    weights = np.array([float(feature == name) for feature in names], dtype=np.float32)
    return LinearRanker(np.zeros_like(weights), np.ones_like(weights), weights)


def _calibrate(
    scores: NDArray[np.float64], cases: LabelledCases, chooses: NDArray[np.bool_]
) -> tuple[Calibration, FirstCandidates | None]:
    """Calibrate scores (P,) on the cases that chose (N,); without any, there is nothing to measure."""
    used = chooses[cases.index]
    if not used.any():
        return UNCALIBRATED, None
    candidates = np.repeat(used, cases.groups.sizes)
    given = scores[candidates], cases.groups.label[candidates], cases.groups.sizes[used]
    coverage = float(used.sum() / chooses.sum())
    return replace(fit_calibration(*given), coverage=coverage), check_calibration(*given)
