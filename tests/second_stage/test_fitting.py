from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from shoptalk.errors import RecipeError
from shoptalk.schema import EvalExample, History
from shoptalk.second_stage import cross_fitting, fitting
from shoptalk.second_stage.cross_fitting import LinearKind
from shoptalk.second_stage.fitting import (
    RankerChoice,
    Settings,
    build,
    check_targets_unseen,
    fit_ranker,
    fit_second_stage,
)
from shoptalk.second_stage.ranker import LinearRanker, TreeSettings, fit_linear
from shoptalk.second_stage.recommender import SecondStage
from shoptalk.second_stage.sources import Block, ModelSource
from shoptalk.second_stage.tables import ItemTexts

from .test_sources import Fixed
from .world import catalogue, split

SMALL = Settings(depth=15, trees=TreeSettings(trees=80, leaves=8, smallest_leaf=20, patience=20))
#: Learned from one step only and chosen by one fold, for tests of what does not depend on either.
QUICK = replace(SMALL, ranker="linear", choosing=50, earlier=False)


@lru_cache
def fitted(ranker: str = "linear") -> tuple[SecondStage, RankerChoice]:
    settings = replace(SMALL, ranker=ranker) if ranker == "linear" else replace(QUICK, ranker=ranker)
    return fit_second_stage(split(), catalogue(), 1, settings)


def recall(stage: SecondStage) -> float:
    lists = stage.rank([case.history for case in split().test], 3)
    return float(np.mean([case.targets[0] in ranked.items for case, ranked in zip(split().test, lists, strict=True)]))


def test_it_is_at_least_as_good_as_its_sources() -> None:
    stage, choice = fitted()
    assert choice.ndcg["linear"] > np.median(list(choice.ndcg.values()))
    assert recall(stage) > 0.5  # of ten items in the group about five are left, and the next is mostly bought


def test_lambdamart_is_learned() -> None:
    pytest.importorskip("lightgbm")
    stage, choice = fitted("lambdamart")
    assert choice.ndcg["lambdamart"] > choice.ndcg["recent_popularity"] + 0.1
    assert recall(stage) > 0.5


def test_linear_where_lightgbm_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_fitting, "find_spec", lambda name: None)
    settings = replace(QUICK, ranker="auto")
    choice = fit_ranker(split(), catalogue(), ItemTexts.of(catalogue()), 1, settings)
    assert "lambdamart" not in choice.ndcg
    assert isinstance(choice.ranker, LinearRanker)


def test_the_best_source_alone_where_no_ranker_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    def useless(train):
        count = train.features.shape[1]
        return LinearRanker(np.zeros(count, np.float32), np.ones(count, np.float32), np.zeros(count, np.float32))

    monkeypatch.setattr(fitting, "ranker_kinds", lambda *_: [LinearKind(useless)])
    choice = fit_ranker(split(), catalogue(), ItemTexts.of(catalogue()), 1, QUICK)
    assert choice.chosen == "linear"
    stage, choice = fit_second_stage(split(), catalogue(), 1, replace(QUICK, ranker="auto"))
    assert choice.chosen == max(choice.ndcg, key=lambda name: choice.ndcg[name]) != "linear"
    source = next(source for source in stage.sources if source.name == choice.chosen)
    history = split().test[0].history
    ranked = stage.rank([history], 5)[0].items

    scores = source.scores(Block([history], stage.item_index, stage.tables))[0]
    best = [
        item
        for item in sorted(stage.items, key=lambda item: -scores[stage.item_index[item]])
        if item not in history.items
    ]
    assert list(ranked) == best[:5]


def test_the_test_is_never_looked_at() -> None:
    shuffled = replace(split(), test=[replace(case, targets=("i0",)) for case in split().test])
    stage, same = (fit_second_stage(cases, catalogue(), 1, QUICK)[0] for cases in (split(), shuffled))
    assert isinstance(stage.ranker, LinearRanker)
    assert isinstance(same.ranker, LinearRanker)
    assert np.array_equal(stage.ranker.weights, same.ranker.weights)


def test_sources_are_rebuilt_with_validation_purchases() -> None:
    stage, _ = fitted()
    train = sum(len(history.items) for history in split().train)
    assert stage.tables.counts.sum() == train + len(split().validation)
    without, _ = fit_second_stage(replace(split(), refit=False), catalogue(), 1, QUICK)
    assert without.tables.counts.sum() == train


def test_targets_that_were_learned_from_are_refused() -> None:
    leaky = replace(split(), train=[case.with_targets() for case in split().validation])
    with pytest.raises(RecipeError, match="hold the target of a validation case"):
        fit_second_stage(leaky, catalogue(), 1, SMALL)
    case = EvalExample(History("u", ("a",)), ("a",))
    check_targets_unseen([case], [History("u", ("a",))])  # bought again: the history shows it


def test_few_cases_choose_between_the_sources() -> None:
    stage, choice = fit_second_stage(replace(split(), validation=split().validation[:20]), catalogue(), 1, SMALL)
    assert not {"linear", "lambdamart"} & set(choice.ndcg)
    assert choice.ndcg[choice.chosen] == max(choice.ndcg.values())
    assert choice.cases == (20, 20)
    assert recall(stage) > 0.4


def test_without_cases_the_first_source_ranks() -> None:
    stage, choice = fit_second_stage(replace(split(), validation=[]), catalogue(), 1, SMALL)
    assert (choice.chosen, choice.ndcg, choice.cases) == ("tuned_transitions", {}, (0, 0))
    assert recall(stage) > 0.4


def test_few_cases_are_held_out_in_turn() -> None:
    _, choice = fitted()
    assert choice.cases == (len(split().validation), len(split().validation))
    _, choice = fit_second_stage(split(), catalogue(), 1, QUICK)
    assert 50 <= choice.cases[1] < 70  # one fold of eight


def test_the_last_ranker_learns_from_all_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    pools = []

    def count(train):
        pools.append(len(train.sizes))
        return fit_linear(train)

    monkeypatch.setattr(fitting, "ranker_kinds", lambda *_: [LinearKind(count)])
    fit_ranker(split(), catalogue(), ItemTexts.of(catalogue()), 1, replace(SMALL, ranker="linear", earlier=False))
    assert len(pools) == 8 + 1
    assert max(pools[:8]) < 0.8 * pools[8]


def test_one_step_earlier_adds_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    pools = []

    def count(train):
        pools.append(len(train.sizes))
        return fit_linear(train)

    monkeypatch.setattr(fitting, "ranker_kinds", lambda *_: [LinearKind(count)])
    for earlier in (False, True):
        fit_ranker(split(), catalogue(), ItemTexts.of(catalogue()), 1, replace(QUICK, earlier=earlier))
    assert len(pools) == 2 * (1 + 1)  # without one fold, then with all
    assert pools[3] > 1.7 * pools[1]


def test_a_model_is_one_more_source() -> None:
    class Oracle(Fixed):
        """Knows the next item of each group."""

        def score_all(self, histories):
            scores = super().score_all(histories) * 0
            for row, history in enumerate(histories):
                if history.items:
                    last = int(history.items[-1][1:])
                    scores[row, last // 10 * 10 + (last + 1) % 10] = 5
            return scores

    settings, texts = QUICK, ItemTexts.of(catalogue())
    model = ModelSource(Oracle(60))
    choice = fit_ranker(split(), catalogue(), texts, 1, settings, models=[model])
    assert choice.ndcg["model"] > 0.4
    stage = build(split().for_final_fit().train, catalogue(), texts, 1, choice, settings, [model])
    assert stage.feature_names[0] == "model: score"
    assert recall(stage) > 0.5
