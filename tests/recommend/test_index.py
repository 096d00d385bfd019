"""The approximate index: searching, saving and loading, and ranked lists random_table with it."""

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


def random_table(seed: int = 0, count: int = COUNT) -> ItemTable:
    """Items around fifty centres."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(50, D))
    vectors = centres[random.integers(0, 50, count)] + 0.5 * random.normal(size=(count, D))
    biases = 0.1 * random.normal(size=count)
    return ItemTable(torch.tensor(vectors, dtype=torch.float32), torch.tensor(biases, dtype=torch.float32))


TABLE = random_table()
INDEX = Index.build(TABLE)
STATES = TABLE.vectors[::100].numpy() + 0.1


def exact_scores(table: ItemTable, states: np.ndarray) -> np.ndarray:
    """Scores of all items."""
    return (torch.from_numpy(states) @ table.vectors.T + table.biases).numpy()


def test_reading_every_list_is_exact_and_reading_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBES", 1_000)
    expected = np.argsort(-exact_scores(TABLE, STATES), axis=1)[:, :10]
    assert np.array_equal(INDEX.search(STATES, 10), expected)
    assert INDEX.recall(STATES, TABLE) == 1
    monkeypatch.setattr(module, "PROBES", 1)
    monkeypatch.setattr(module, "LISTS_PER_PROBE", 1_000)
    indices = INDEX.search(STATES, 10)
    hits = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(indices.tolist(), expected.tolist(), strict=True)])
    assert 0.1 < hits < 1
    assert INDEX.recall(STATES, TABLE) == pytest.approx(hits)


def test_a_bias_counts_as_in_the_model() -> None:
    biases = TABLE.biases.clone()
    biases[7] = 1e3
    index = Index.build(ItemTable(TABLE.vectors, biases))
    assert set(index.search(STATES, 1)[:, 0].tolist()) == {7}


def test_only_allowed_items_are_found() -> None:
    allowed = np.zeros(COUNT, dtype=np.bool_)
    allowed[[3, 1_500, 2_999]] = True
    indices = INDEX.search(STATES, 5, allowed)
    assert set(indices.ravel().tolist()) <= {3, 1_500, 2_999, -1}
    assert {3, 1_500, 2_999} <= set(indices.ravel().tolist())
    assert (indices[:, 3:] == -1).all()


def test_an_index_is_saved_and_loaded_for_its_table_only(tmp_path: Path) -> None:
    INDEX.save(tmp_path, TABLE)
    loaded = Index.load(tmp_path, TABLE)
    assert loaded is not None
    assert np.array_equal(loaded.search(STATES, 10), INDEX.search(STATES, 10))
    assert Index.load(tmp_path, random_table(seed=1)) is None  # trained anew
    assert Index.load(tmp_path, random_table(count=COUNT + 1)) is None  # an item was added
    assert Index.load(tmp_path / "nowhere", TABLE) is None


@pytest.mark.parametrize("name", [FILE, CARD])
@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle?" * 40])
def test_a_damaged_index_is_one_clear_error(tmp_path: Path, name: str, content: bytes) -> None:
    INDEX.save(tmp_path, TABLE)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match="the index is damaged"):
        Index.load(tmp_path, TABLE)


def test_an_index_is_built_once_and_only_for_large_catalogues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_index(tmp_path, TABLE) is None  # few items
    assert not list(tmp_path.iterdir())
    assert open_index(tmp_path, TABLE, least=10) is not None
    monkeypatch.setattr(Index, "build", lambda table: pytest.fail("built twice"))
    assert open_index(tmp_path, TABLE, least=10) is not None
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert open_index(tmp_path, TABLE, least=10) is None  # the library is not installed


def with_transition_text(ranker: ItemRecommender) -> TransitionTextScorer:
    """A scorer with a transition from the first to the last item, and a different word for each item."""
    count = len(ranker.items)
    graph = sparse.csr_array((np.ones(1, np.float32), ([0], [count - 1])), shape=(count, count))
    text_vectors = sparse.eye_array(count, format="csr", dtype=np.float32)
    return TransitionTextScorer(graph, text_vectors, np.ones(count, dtype=bool), MixingWeights(edges=50.0, words=1.0))


@pytest.mark.parametrize("with_scorer", [False, True])
@pytest.mark.parametrize("exclude_history", [True, False])
def test_lists_are_those_of_all_scores(with_scorer: bool, exclude_history: bool) -> None:
    ranker = recommender()
    ranker.scorer = with_transition_text(ranker) if with_scorer else None
    allowed = np.arange(len(ranker.items)) != 4
    expected = ranker.rank(HISTORIES, 3, allowed=allowed, exclude_history=exclude_history)
    ranker.index = Index.build(ranker.table)
    lists = ranker.rank(HISTORIES, 3, allowed=allowed, exclude_history=exclude_history)
    assert [ranked.items for ranked in lists] == [ranked.items for ranked in expected]
    assert [ranked.user_id for ranked in lists] == [ranked.user_id for ranked in expected]
    for ranked, expected_list in zip(lists, expected, strict=True):
        assert ranked.scores == pytest.approx(expected_list.scores, abs=1e-4)


def test_items_with_transitions_are_candidates_whatever_the_model_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    ranker = recommender()
    last = ranker.items[-1]
    monkeypatch.setattr(items, "INDEX_FACTOR", 1)
    ranker.index = Index.build(ranker.table)
    histories = [history(ranker.items[0])]
    ranked = ranker.rank(histories, 2)[0].items
    assert last not in ranked
    ranker.scorer = with_transition_text(ranker)
    assert ranker.rank(histories, 2)[0].items[0] == last
    allowed = np.array([item != last for item in ranker.items])
    assert last not in ranker.rank(histories, 2, allowed=allowed)[0].items


def test_longer_lists_than_the_index_returns_are_made_of_all_scores() -> None:
    ranker = recommender()
    ranker.index = Index.build(ranker.table)
    assert len(ranker.rank([history("R0")], 1_000)[0].items) == len(ranker.items) - 1
    few = np.array([item in {"R1", "C0"} for item in ranker.items])
    assert set(ranker.rank([history("R0")], 5, allowed=few)[0].items) == {"R1", "C0"}


def test_lists_do_not_depend_on_the_batch() -> None:
    ranker = recommender()
    ranker.scorer = with_transition_text(ranker)
    ranker.index = Index.build(ranker.table)
    together = ranker.rank(HISTORIES, 3)
    assert [ranked.items for ranked in together] == [ranker.rank([single], 3)[0].items for single in HISTORIES]
    assert nearest_items(ranker.index, ranker.table, None, purchases_of([]), np.zeros((0, 32), np.float32), 3) == []
    assert ranker.rank([], 3) == []


def purchases_of(histories: list[History]) -> "items.Purchases":
    return items.InteractionMatrix.of(histories, {"a": 0})


def test_items_with_a_common_rare_word_are_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    ranker = recommender()
    count = len(ranker.items)
    monkeypatch.setattr(items, "INDEX_FACTOR", 1)
    ranker.index = Index.build(ranker.table)
    histories, last = [history(ranker.items[0])], ranker.items[-1]
    assert last not in ranker.rank(histories, 2)[0].items
    words = np.zeros((count, 2), dtype=np.float32)
    words[[0, count - 1], 0] = 1.0  # the first and the last item share a word that no other has
    words[:, 1] = 0.1  # and all share one
    empty = sparse.csr_array((count, count), dtype=np.float32)
    ranker.scorer = TransitionTextScorer(
        empty, sparse.csr_array(words), np.ones(count, dtype=bool), MixingWeights(edges=0.0, words=50.0)
    )
    assert ranker.rank(histories, 2)[0].items[0] == last
    monkeypatch.setattr("shoptalk.recommend.index.RARE", 1)
    assert last not in ranker.rank(histories, 2)[0].items


def test_the_best_by_rare_words_are_those_of_the_allowed_items(monkeypatch: pytest.MonkeyPatch) -> None:
    ranker = recommender()
    count = len(ranker.items)
    monkeypatch.setattr(items, "INDEX_FACTOR", 1)
    ranker.index = Index.build(ranker.table)
    words = np.zeros((count, 2), dtype=np.float32)
    words[:, 0] = np.linspace(1, 0.5, count)  # the later, the less alike to the first
    words[:, 1] = np.sqrt(1 - words[:, 0] ** 2)
    graph = sparse.csr_array((count, count), dtype=np.float32)
    ranker.scorer = TransitionTextScorer(
        graph, sparse.csr_array(words), np.ones(count, dtype=bool), MixingWeights(edges=0.0, words=1e3)
    )
    allowed = np.arange(count) >= count // 2
    histories = [history(ranker.items[0])]
    assert ranker.rank(histories, 2, allowed=allowed)[0].items == tuple(ranker.items[count // 2 : count // 2 + 2])


def test_new_items_get_their_bonus_as_in_all_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    ranker = recommender()
    ranker.scorer = with_transition_text(ranker)
    ranker.scorer.has_interactions[[2, 5]] = False
    ranker.scorer.mixing = replace(ranker.scorer.mixing, cold_start_bonus=100.0)
    expected = ranker.rank(HISTORIES, 3)
    monkeypatch.setattr(items, "INDEX_FACTOR", 1)
    ranker.index = Index.build(ranker.table)
    lists = ranker.rank(HISTORIES, 3)
    assert [ranked.items for ranked in lists] == [ranked.items for ranked in expected]
    assert {ranker.items[2], ranker.items[5]} & set(lists[0].items)
    for ranked, expected_list in zip(lists, expected, strict=True):
        assert ranked.scores == pytest.approx(expected_list.scores, abs=1e-4)
    only = np.arange(len(ranker.items)) == 5
    assert ranker.rank(HISTORIES[:1], 3, allowed=only)[0].items == (ranker.items[5],)
