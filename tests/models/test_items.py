"""Item tokens: told by words, learned only where there is something to learn from, the same after a reload."""

from pathlib import Path

import numpy as np
import pytest
import torch

from shoptalk.errors import ModelError
from shoptalk.models.item_embeddings import with_items
from shoptalk.models.items import FILE, ItemTokens
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.storage import load, save
from tests.words import CATALOGUE, small_model

IDS = tuple(CATALOGUE)


def vectors(seed: int = 0) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(len(IDS), 32)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def model_with_items(share: float = 0.0, cold: int = 3) -> LanguageModel:
    known = np.arange(len(IDS)) >= cold  # the first few were never bought
    return with_items(small_model(), IDS, vectors(), known, share)


def own(model: LanguageModel) -> ItemTokens:
    assert model.items is not None
    return model.items


def test_before_training_what_is_most_alike_comes_next() -> None:
    model = model_with_items()
    items = own(model)
    model.train(False)
    ids = torch.tensor([[items.first + 5]])
    with torch.no_grad():
        table = items.table()
        scores = (model.hidden(ids)[0, -1] @ table.vectors.T + table.biases).numpy()
    like = vectors() @ vectors()[5]
    assert np.array_equal(np.argsort(-scores), np.argsort(-like))


def test_the_learned_part_of_an_item_without_interactions_stays_zero() -> None:
    items = own(model_with_items())
    optimiser = torch.optim.AdamW(items.parameters(), lr=0.1)
    for _ in range(3):
        table = items.table()
        (table.vectors.pow(2).sum() + (table.biases - 1).pow(2).sum()).backward()
        optimiser.step()
        optimiser.zero_grad()
    assert not items.residual[:3].any()
    assert not items.bias[:3].any()
    assert items.residual[3:].abs().min() > 0


def test_some_items_go_without_their_learned_part_in_training_and_none_after() -> None:
    items = own(model_with_items(share=0.5, cold=0))
    with torch.no_grad():
        items.residual += 1
    torch.manual_seed(0)
    plain = items.project(items.text_vectors)
    with_it = (items.train().table().vectors - plain).abs().sum(dim=1) > 1e-3
    assert 0 < int(with_it.sum()) < len(IDS)
    assert bool(((items.eval().table().vectors - plain).abs().sum(dim=1) > 1e-3).all())


def test_rows_are_rows_of_the_table() -> None:
    items = own(model_with_items()).eval()
    some = torch.tensor([7, 2, 11])
    rows = items.rows(some)
    assert torch.allclose(rows.vectors, items.table().vectors[some])
    assert rows.rows_of(torch.tensor([2, 11, 7])).tolist() == [1, 2, 0]


def test_a_reloaded_model_says_the_same(tmp_path: Path) -> None:
    model = model_with_items()
    with torch.no_grad():
        own(model).residual += torch.randn(len(IDS), 32)
    model.train(False)
    save(model, tmp_path)
    again = load(tmp_path)
    assert own(again).ids == IDS
    ids = torch.tensor([[own(model).first + index for index in (4, 9, 2)]])
    with torch.no_grad():
        assert torch.allclose(model.hidden(ids), again.hidden(ids), atol=1e-6)
        assert torch.allclose(own(model).table().vectors, own(again).table().vectors)


def test_damaged_items_are_one_clear_error(tmp_path: Path) -> None:
    save(model_with_items(), tmp_path)
    (tmp_path / FILE).write_bytes(b"x" * 64)
    with pytest.raises(ModelError, match="damaged"):
        load(tmp_path)


def test_new_items_stand_where_their_words_put_them() -> None:
    items = own(model_with_items()).eval()
    grown = items.extended(["new"], items.text_vectors[4:5])
    assert grown.ids == (*IDS, "new")
    assert torch.allclose(grown.table().vectors[:-1], items.table().vectors)
    assert torch.allclose(grown.table().vectors[-1], items.project(items.text_vectors[4]))
    assert not bool(grown.has_interactions[-1])
