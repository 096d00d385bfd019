"""The approximate index: what it finds, what it leaves out, how it is kept, and lists made with it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse

from shoptalk.errors import ModelError
from shoptalk.models.items import ItemTable
from shoptalk.recommend import index as module
from shoptalk.recommend import items
from shoptalk.recommend.index import CARD, FILE, Index, nearest_items, open_index
from shoptalk.recommend.items import ItemRecommender
from shoptalk.recommend.transition_text import MixingWeights, TransitionTextScorer
from shoptalk.schema import History
from tests.recommend.test_items import HISTORIES, recommender
from tests.words import history

pytest.importorskip("faiss")

COUNT, D = 3_000, 16


def made(seed: int = 0, count: int = COUNT) -> ItemTable:
    """Items around fifty centres."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(50, D))
    vectors = centres[random.integers(0, 50, count)] + 0.5 * random.normal(size=(count, D))
    biases = 0.1 * random.normal(size=count)
    return ItemTable(torch.tensor(vectors, dtype=torch.float32), torch.tensor(biases, dtype=torch.float32))


TABLE = made()
INDEX = Index.build(TABLE)
STATES = TABLE.vectors[::100].numpy() + 0.1


def exact(table: ItemTable, states: np.ndarray) -> np.ndarray:
    return (torch.from_numpy(states) @ table.vectors.T + table.biases).numpy()


def test_reading_every_list_is_exact_and_reading_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBES", 1_000)
    expected = np.argsort(-exact(TABLE, STATES), axis=1)[:, :10]
    assert np.array_equal(INDEX.search(STATES, 10), expected)
    assert INDEX.recall(STATES, TABLE) == 1
    monkeypatch.setattr(module, "PROBES", 1)
    monkeypatch.setattr(module, "LISTS_PER_PROBE", 1_000)
    found = INDEX.search(STATES, 10)
    hits = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found.tolist(), expected.tolist(), strict=True)])
    assert 0.1 < hits < 1
    assert INDEX.recall(STATES, TABLE) == pytest.approx(hits)


def test_a_bias_counts_as_in_the_model() -> None:
    biases = TABLE.biases.clone()
    biases[7] = 1e3
    index = Index.build(ItemTable(TABLE.vectors, biases))
    assert set(index.search(STATES, 1)[:, 0].tolist()) == {7}


def test_only_what_is_allowed_is_found() -> None:
    allowed = np.zeros(COUNT, dtype=np.bool_)
    allowed[[3, 1_500, 2_999]] = True
    found = INDEX.search(STATES, 5, allowed)
    assert set(found.ravel().tolist()) <= {3, 1_500, 2_999, -1}
    assert {3, 1_500, 2_999} <= set(found.ravel().tolist())
    assert (found[:, 3:] == -1).all()


def test_it_is_kept_beside_the_model_and_belongs_to_one_table(tmp_path: Path) -> None:
    INDEX.save(tmp_path, TABLE)
    again = Index.load(tmp_path, TABLE)
    assert again is not None
    assert np.array_equal(again.search(STATES, 10), INDEX.search(STATES, 10))
    assert Index.load(tmp_path, made(seed=1)) is None  # trained anew
    assert Index.load(tmp_path, made(count=COUNT + 1)) is None  # an item was added
    assert Index.load(tmp_path / "nowhere", TABLE) is None


@pytest.mark.parametrize("name", [FILE, CARD])
@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle?" * 40])
def test_a_damaged_index_is_one_clear_error(tmp_path: Path, name: str, content: bytes) -> None:
    INDEX.save(tmp_path, TABLE)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match="the index is damaged"):
        Index.load(tmp_path, TABLE)


def test_it_is_built_once_and_only_where_it_pays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_index(tmp_path, TABLE) is None  # few items
    assert not list(tmp_path.iterdir())
    assert open_index(tmp_path, TABLE, least=10) is not None
    monkeypatch.setattr(Index, "build", lambda table: pytest.fail("built twice"))
    assert open_index(tmp_path, TABLE, least=10) is not None
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert open_index(tmp_path, TABLE, least=10) is None  # the library is not installed


def with_transition_text(ours: ItemRecommender) -> TransitionTextScorer:
    """From item 0 to item 17, and each item its own word."""
    count = len(ours.items)
    graph = sparse.csr_array((np.ones(1, np.float32), ([0], [count - 1])), shape=(count, count))
    own = sparse.eye_array(count, format="csr", dtype=np.float32)
    return TransitionTextScorer(graph, own, np.ones(count, dtype=bool), MixingWeights(edges=50.0, words=1.0))


@pytest.mark.parametrize("with_scorer", [False, True])
@pytest.mark.parametrize("exclude_history", [True, False])
def test_lists_are_those_of_all_scores(with_scorer: bool, exclude_history: bool) -> None:
    ours = recommender()
    ours.scorer = with_transition_text(ours) if with_scorer else None
    allowed = np.arange(len(ours.items)) != 4
    expected = ours.rank(HISTORIES, 3, allowed=allowed, exclude_history=exclude_history)
    ours.index = Index.build(ours.table)
    found = ours.rank(HISTORIES, 3, allowed=allowed, exclude_history=exclude_history)
    assert [one.items for one in found] == [one.items for one in expected]
    assert [one.user_id for one in found] == [one.user_id for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-4)


def test_what_the_graph_names_is_found_however_far_the_model_puts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = recommender()
    last = ours.items[-1]
    monkeypatch.setattr(items, "INDEX_FACTOR", 1)
    ours.index = Index.build(ours.table)
    asked = [history(ours.items[0])]
    ranked = ours.rank(asked, 2)[0].items
    assert last not in ranked
    ours.scorer = with_transition_text(ours)
    assert ours.rank(asked, 2)[0].items[0] == last
    shut = np.array([item != last for item in ours.items])
    assert last not in ours.rank(asked, 2, allowed=shut)[0].items


def test_more_than_the_index_finds_comes_from_all_scores() -> None:
    ours = recommender()
    ours.index = Index.build(ours.table)
    assert len(ours.rank([history("R0")], 1_000)[0].items) == len(ours.items) - 1
    few = np.array([item in {"R1", "C0"} for item in ours.items])
    assert set(ours.rank([history("R0")], 5, allowed=few)[0].items) == {"R1", "C0"}


def test_a_batch_is_as_one_by_one() -> None:
    ours = recommender()
    ours.scorer = with_transition_text(ours)
    ours.index = Index.build(ours.table)
    together = ours.rank(HISTORIES, 3)
    assert [one.items for one in together] == [ours.rank([one], 3)[0].items for one in HISTORIES]
    assert nearest_items(ours.index, ours.table, None, ours_purchases([]), np.zeros((0, 32), np.float32), 3) == []
    assert ours.rank([], 3) == []


def ours_purchases(histories: list[History]) -> "items.Purchases":
    return items.InteractionMatrix.of(histories, {"a": 0})


def test_what_rare_words_name_is_found_and_what_frequent_ones_name_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = recommender()
    count = len(ours.items)
    monkeypatch.setattr(items, "INDEX_FACTOR", 1)
    ours.index = Index.build(ours.table)
    asked, last = [history(ours.items[0])], ours.items[-1]
    assert last not in ours.rank(asked, 2)[0].items
    words = np.zeros((count, 2), dtype=np.float32)
    words[[0, count - 1], 0] = 1.0  # the first and the last item share a word that no other has
    words[:, 1] = 0.1  # and all share one
    empty = sparse.csr_array((count, count), dtype=np.float32)
    ours.scorer = TransitionTextScorer(
        empty, sparse.csr_array(words), np.ones(count, dtype=bool), MixingWeights(edges=0.0, words=50.0)
    )
    assert ours.rank(asked, 2)[0].items[0] == last
    monkeypatch.setattr("shoptalk.recommend.index.RARE", 1)
    assert last not in ours.rank(asked, 2)[0].items


def test_the_best_by_rare_words_are_those_of_the_allowed_items(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = recommender()
    count = len(ours.items)
    monkeypatch.setattr(items, "INDEX_FACTOR", 1)
    ours.index = Index.build(ours.table)
    words = np.zeros((count, 2), dtype=np.float32)
    words[:, 0] = np.linspace(1, 0.5, count)  # the later, the less alike to the first
    words[:, 1] = np.sqrt(1 - words[:, 0] ** 2)
    graph = sparse.csr_array((count, count), dtype=np.float32)
    ours.scorer = TransitionTextScorer(
        graph, sparse.csr_array(words), np.ones(count, dtype=bool), MixingWeights(edges=0.0, words=1e3)
    )
    allowed = np.arange(count) >= count // 2
    asked = [history(ours.items[0])]
    assert ours.rank(asked, 2, allowed=allowed)[0].items == tuple(ours.items[count // 2 : count // 2 + 2])


def test_new_items_are_lifted_as_in_all_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = recommender()
    ours.scorer = with_transition_text(ours)
    ours.scorer.has_interactions[[2, 5]] = False
    ours.scorer.mixing = replace(ours.scorer.mixing, cold_start_bonus=100.0)
    expected = ours.rank(HISTORIES, 3)
    monkeypatch.setattr(items, "INDEX_FACTOR", 1)
    ours.index = Index.build(ours.table)
    found = ours.rank(HISTORIES, 3)
    assert [one.items for one in found] == [one.items for one in expected]
    assert {ours.items[2], ours.items[5]} & set(found[0].items)
    for one, other in zip(found, expected, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-4)
    only = np.arange(len(ours.items)) == 5
    assert ours.rank(HISTORIES[:1], 3, allowed=only)[0].items == (ours.items[5],)
