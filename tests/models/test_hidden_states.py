"""Text vectors from a causal language model: pooled over the text alone, rescaled, and the same when loaded again."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from shoptalk.errors import ModelError
from shoptalk.models.bases import CARD
from shoptalk.models.create import create
from shoptalk.models.encoders import encoder_folder, language_model_folder, load_encoder, make_encoder
from shoptalk.models.hidden_states import PooledStates, fit_hidden_states
from shoptalk.models.prepared import RECORD, VARIABLE
from shoptalk.models.storage import load, save
from shoptalk.recipe import Lora, Model
from tests.words import TITLES, small_model


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A folder with a small model, as a hub would give it."""
    save(small_model(), tmp_path / "plain")
    (tmp_path / "plain" / CARD).unlink()
    return tmp_path / "plain"


@pytest.fixture
def adapted(tmp_path: Path, plain: Path) -> Path:
    """The folder of a model with LoRA that has changed."""
    model = create(Model(base=str(plain), tuning="lora", precision="fp32"), Lora(r=4, dropout=0), [], 1, 128)
    for name, parameter in model.network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    save(model, tmp_path / "adapted")
    return tmp_path / "adapted"


def mean_state(folder: Path, text: str) -> np.ndarray:
    """The mean hidden state of one text, alone in its batch."""
    model = load(folder)
    with torch.inference_mode():
        states = model.hidden(torch.tensor([model.tokenizer.encode(text)]))
    return states[0].mean(dim=0).float().numpy()


def test_padding_and_batches_change_nothing(plain: Path) -> None:
    (plain / CARD).write_text(json.dumps({"base": "nano", "tuning": "full", "precision": "fp32"}))
    texts = [*TITLES, "Rose " * 20 + "soap", "Mint"]
    vectors = PooledStates(plain).of(texts)
    for number in (0, 5, len(TITLES), len(TITLES) + 1):
        np.testing.assert_allclose(vectors[number], mean_state(plain, texts[number]), atol=0.02)


def test_catalogue_is_centred_and_of_unit_length(plain: Path) -> None:
    encoder = fit_hidden_states("plain", plain, TITLES, 8)
    vectors = encoder.encode(TITLES)
    assert vectors.shape == (len(TITLES), 8)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    raw = PooledStates(plain).of(TITLES)
    raw /= np.linalg.norm(raw, axis=1, keepdims=True)
    assert (vectors @ vectors.T).mean() < (raw @ raw.T).mean() - 0.1  # the common direction is gone
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[-1]  # Rose shampoo: nearer to Rose soap than to Mint oil


def test_no_more_dimensions_than_the_texts_span(plain: Path) -> None:
    assert fit_hidden_states("plain", plain, ["Rose soap", "Mint balm", "Cedar oil"], 8).directions.shape[1] == 2


def test_text_without_tokens_is_zero(plain: Path) -> None:
    vectors = fit_hidden_states("plain", plain, TITLES, 8).encode(["", "Rose soap"])
    assert not vectors[0].any()
    assert vectors[1].any()


def test_saved_encoder_says_the_same_of_new_texts(tmp_path: Path, plain: Path) -> None:
    encoder = make_encoder(str(plain), TITLES, 8, seed=1)
    (tmp_path / "model").mkdir()
    encoder.save(tmp_path / "model")
    new = ["Cedar balm with mint", "Rose"]
    np.testing.assert_allclose(load_encoder(tmp_path / "model").encode(new), encoder.encode(new), atol=1e-5)


def test_model_of_a_run_has_its_adapters(plain: Path, adapted: Path) -> None:
    assert language_model_folder(str(adapted)) == adapted.resolve()
    before, after = (make_encoder(str(folder), TITLES, 8, seed=1).encode(TITLES) for folder in (plain, adapted))
    assert not np.allclose(before @ before.T, after @ after.T, atol=0.01)
    np.testing.assert_allclose(PooledStates(adapted).of(TITLES[:1])[0], mean_state(adapted, TITLES[0]), atol=0.05)


def test_prepared_model_is_found_by_name(tmp_path: Path, plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (plain / RECORD).write_text(json.dumps({"kind": "folder", "name": "plain"}))
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert encoder_folder("plain") == language_model_folder("plain") == tmp_path / "plain"
    assert language_model_folder("minilm") is None


def test_replaced_model_is_an_error(tmp_path: Path, plain: Path) -> None:
    (tmp_path / "model").mkdir()
    make_encoder(str(plain), TITLES, 8, seed=1).save(tmp_path / "model")
    save(small_model(seed=2), plain)
    with pytest.raises(ModelError, match="weights differ"):
        load_encoder(tmp_path / "model")


def test_equal_texts_cannot_be_told_apart(plain: Path) -> None:
    with pytest.raises(ModelError, match="told apart"):
        fit_hidden_states("plain", plain, ["Rose", "Rose"], 4)
