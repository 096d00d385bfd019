import numpy as np
import pytest

from shoptalk.baselines.als import Als, factorise
from shoptalk.baselines.als import Settings as AlsSettings
from shoptalk.errors import ModelError
from shoptalk.ranking import CatalogueRecommender
from shoptalk.recommend.transition_text import MixingWeights, TransitionTextScorer
from shoptalk.schema import History
from shoptalk.second_stage.sources import (
    Block,
    FactorSource,
    GraphSource,
    ModelSource,
    PopularitySource,
    TextSource,
    TransitionTextSource,
    default_sources,
)
from shoptalk.second_stage.tables import FACTORS

from .world import catalogue, index, purchases, split, tables

SHOWN = [History("a", ("i3", "i4", "i5")), History("b", ("i17",)), History("c", ())]


def block() -> Block:
    return Block(SHOWN, index(), tables())


def test_one_step_sums_the_edges_of_the_history() -> None:
    graph = tables().graphs["both"].toarray()
    scores = GraphSource("s", "both", decay=0.5).scores(block())
    assert scores[0] == pytest.approx(0.25 * graph[3] + 0.5 * graph[4] + graph[5], rel=1e-5)
    assert scores[1] == pytest.approx(graph[17])
    assert not scores[2].any()
    assert GraphSource("s", "both", last=1).scores(block())[0] == pytest.approx(graph[5])


def test_two_steps_are_two_products() -> None:
    graph = tables().graphs["both"].toarray()
    scores = GraphSource("s", "both", last=1, steps=2).scores(block())
    assert scores[0] == pytest.approx(graph[5] @ graph, rel=1e-4)


def test_forward_and_backward_are_directions_of_the_same_pairs() -> None:
    graphs = tables().graphs
    forward, backward = graphs["forward"].toarray(), graphs["backward"].toarray()
    assert np.array_equal(forward > 0, backward.T > 0)
    assert forward[3, 4] > forward[4, 3]  # i4 mostly follows i3
    assert backward[3, 4] < backward[4, 3]


def test_texts_and_popularity() -> None:
    scores = TextSource("s").scores(block())
    assert scores[1, 10:20].min() > 0  # the word of its group
    assert scores[1, :10].max() < 0.1 * scores[1, 10:20].min()  # one word in common: the category "all"
    recent = PopularitySource("s").scores(block())
    last = [history.items[-1] for history in split().train]
    assert recent[2, 7] == pytest.approx(np.log1p(last.count("i7")))


def test_factors_agree_with_the_baseline() -> None:
    pytest.importorskip("implicit")
    train = purchases(list(split().train))
    settings = AlsSettings(FACTORS.factors, FACTORS.regularization, FACTORS.alpha, decay=0.7)
    expected = Als(factorise(train, FACTORS, 1), train, tuple(catalogue()), settings).score_all(SHOWN[:2])
    assert FactorSource("s", decay=0.7).scores(block())[:2] == pytest.approx(expected, abs=2e-3)


def test_the_transition_text_scorer_is_a_source() -> None:
    mixing = MixingWeights()
    scorer = TransitionTextScorer(tables().graphs["both"], tables().texts.words, tables().counts > 0, mixing)
    assert TransitionTextSource("s").scores(block()) == pytest.approx(scorer.scores(purchases(SHOWN)), rel=1e-4)


class Fixed(CatalogueRecommender):
    """Scores by the number of the item; remembers what it was shown."""

    name = "fixed"

    def __init__(self, items: int) -> None:
        self.items = [f"i{number}" for number in range(items)]
        self.shown: list[tuple[str, ...]] = []

    def score_all(self, histories):
        self.shown += [history.items for history in histories]
        return np.tile(np.arange(len(self.items), dtype=np.float32) - 5, (len(histories), 1))


def test_a_model_is_a_source() -> None:
    model = Fixed(60)
    assert ModelSource(model).scores(block())[1, :3].tolist() == [0, 1, 2]
    assert model.shown == [history.items for history in SHOWN]
    with pytest.raises(ModelError, match="59 items, the second stage 60"):
        ModelSource(Fixed(59)).scores(block())


def test_names_are_unique_and_scores_have_a_shape() -> None:
    sources = default_sources(tables())
    assert len({source.name for source in sources}) == len(sources)
    shared = block()
    for source in sources:
        assert source.scores(shared).shape == (3, len(index()))
