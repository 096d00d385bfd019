"""Text vectors from a causal language model: the mean of its last hidden states over the tokens of a text, rescaled.

The hidden states of a language model lie in a narrow cone, so that any two texts have a high cosine (K. Ethayarajh,
"How contextual are contextualized word representations?", EMNLP 2019). The vectors of the catalogue are therefore
centred, and rescaled along their leading directions, which is half of the whitening of J. Su et al., "Whitening
sentence representations for better semantics and faster retrieval", arXiv 2103.15316: each coordinate is divided by the
square root of its standard deviation, as `fit_lsa` does. The same is done to vectors of new texts.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from shoptalk.errors import ModelError
from shoptalk.length_batching import length_batches
from shoptalk.models.bases import base_network, base_tokenizer
from shoptalk.models.encoders import CARD, WEIGHTS, find_encoder, to_unit_length
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.precision import choose_precision, device
from shoptalk.models.storage import load_network

Floats = NDArray[np.float32]

#: Most tokens of a batch, padding included, and of a text; what follows in a longer text is not read.
_BATCH_TOKENS, _LONGEST = 4096, 256
#: Directions with a smaller share of the largest variance are rounding errors.
_LEAST_VARIANCE = 1e-6


class PooledStates:
    """The mean of the last hidden states over the tokens of a text, kept for texts that were read before.

    Parameters
    ----------
    folder
        A plain causal model, or the model of a run, whose adapters are merged.
    """

    def __init__(self, folder: Path) -> None:
        precision = choose_precision("auto")
        network, _ = base_network(str(folder), "lora", precision, load_network)
        tokenizer = base_tokenizer(str(folder))
        self._model = LanguageModel(network.to(device()).eval(), tokenizer, str(folder), "lora", precision)
        self._known: dict[str, Floats] = {}

    def of(self, texts: Sequence[str]) -> Floats:
        """(N, D) vectors of N texts; zeros for a text without tokens."""
        unread = [text for text in dict.fromkeys(texts) if text not in self._known]
        encoded = [self._model.tokenizer.encode(text)[:_LONGEST] for text in unread]
        for rows in length_batches([len(ids) for ids in encoded], _BATCH_TOKENS):
            vectors = self._pool([encoded[row] for row in rows.tolist()])
            self._known |= {unread[row]: vector for row, vector in zip(rows.tolist(), vectors, strict=True)}
        return np.stack([self._known[text] for text in texts])

    @torch.inference_mode()
    def _pool(self, encoded: Sequence[Sequence[int]]) -> Floats:
        """(B, D) vectors of B texts; padding at the end needs no mask in a causal model."""
        lengths = torch.tensor([len(ids) for ids in encoded], device=self._model.device)
        ids = torch.zeros(len(encoded), max(1, int(lengths.max())), dtype=torch.long, device=self._model.device)
        for row, text in enumerate(encoded):
            ids[row, : len(text)] = torch.tensor(text, dtype=torch.long)
        with self._model.autocast():
            states = self._model.hidden(ids).float()
        is_text = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        total = (states * is_text[..., None]).sum(dim=1)
        return np.asarray((total / lengths.clamp(min=1)[:, None]).cpu().numpy(), dtype=np.float32)


class HiddenStates:
    """Rescaled mean hidden states of a causal language model; see `Encoder`.

    Parameters
    ----------
    name
        Name or path, as in the recipe.
    folder
        Folder of the model.
    pooled
        The model.
    centre
        (D,) the mean of the vectors of the catalogue.
    directions
        (D, E) the projection of centred vectors.
    """

    def __init__(self, name: str, folder: Path, pooled: PooledStates, centre: Floats, directions: Floats) -> None:
        self.name, self.folder, self.centre, self.directions = name, folder, centre, directions
        self._pooled = pooled

    def encode(self, texts: Sequence[str]) -> Floats:
        """(N, E) vectors; see `Encoder`."""
        if not texts:
            return np.zeros((0, self.directions.shape[1]), dtype=np.float32)
        pooled = self._pooled.of(texts)
        is_read = pooled.any(axis=1, keepdims=True)
        vectors = np.where(is_read, (pooled - self.centre) @ self.directions, 0)
        return to_unit_length(np.asarray(vectors, dtype=np.float32))

    def features(self, texts: Sequence[str]) -> Floats:
        """The vectors themselves; see `Encoder`."""
        return self.encode(texts)

    def save(self, folder: Path) -> None:
        """Write centre and directions, and the path and hash of the model, whose weights are not copied."""
        save_file({"centre": self.centre, "directions": self.directions}, folder / WEIGHTS)
        card = {"encoder": self.name, "pooling": "mean", **find_encoder(self.folder).card(folder)}
        (folder / CARD).write_text(json.dumps(card), encoding="utf-8")


def fit_hidden_states(name: str, folder: Path, texts: Sequence[str], dimensions: int) -> HiddenStates:
    """Fit `HiddenStates` on the texts of the catalogue; it has at most as many dimensions as they span.

    Raises
    ------
    ModelError
        When all texts have the same vector, or the model cannot be loaded.
    """
    pooled = PooledStates(folder)
    vectors = pooled.of(texts)
    centre = vectors.mean(axis=0)
    covariance = np.cov((vectors - centre).astype(np.float64), rowvar=False, bias=True)
    variances, axes = np.linalg.eigh(np.atleast_2d(covariance))
    leading = np.argsort(-variances)[:dimensions]
    leading = leading[variances[leading] > max(_LEAST_VARIANCE * variances.max(), 1e-12)]
    if not len(leading):
        raise ModelError("the texts of the items cannot be told apart", hint="check prompt.fields")
    directions = np.ascontiguousarray(axes[:, leading] / variances[leading] ** 0.25, dtype=np.float32)
    return HiddenStates(name, folder, pooled, centre, directions)


def load_hidden_states(card: Mapping[str, Any], folder: Path, model: Path) -> HiddenStates:
    """The encoder with a card in ``folder``, of the language model in ``model``.

    Raises
    ------
    ModelError
        When the model cannot be loaded, or has another width.
    """
    tensors = load_file(folder / WEIGHTS)
    return HiddenStates(str(card["encoder"]), model, PooledStates(model), tensors["centre"], tensors["directions"])
