"""A second stage on disk: JSON, safetensors and LightGBM's text format."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy import sparse

from shoptalk.errors import ModelError
from shoptalk.recommend.transition_text import TensorReader
from shoptalk.second_stage.calibration import Calibration
from shoptalk.second_stage.ranker import LambdaMart, LinearRanker, Ranker
from shoptalk.second_stage.recommender import SecondStage
from shoptalk.second_stage.sources import (
    CandidateSource,
    FactorSource,
    GraphSource,
    ModelSource,
    PopularitySource,
    TextSource,
    TransitionTextSource,
    TunedMixSource,
)
from shoptalk.second_stage.tables import ItemTables, ItemTexts

CARD, TENSORS, TREES = "second_stage.json", "second_stage.safetensors", "second_stage.lightgbm.txt"
#: Sources that are written as their class and settings; a model is saved by its own run.
SOURCES: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (GraphSource, TextSource, FactorSource, PopularitySource, TransitionTextSource, TunedMixSource)
}
#: Stands for the model among the sources.
MODEL = "ModelSource"


def save_second_stage(stage: SecondStage, folder: Path) -> None:
    """Write the second stage into an existing folder, without the model among its sources, if there is one."""
    tensors = _table_tensors(stage.tables)
    ranker = stage.ranker
    if isinstance(ranker, LambdaMart):
        (folder / TREES).write_text(ranker.text, encoding="utf-8")
    elif isinstance(ranker, LinearRanker):
        tensors |= {"linear.mean": ranker.mean, "linear.scale": ranker.scale, "linear.weights": ranker.weights}
    else:
        raise TypeError(f"no file format for a ranker of type {type(ranker).__name__}")
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, folder / TENSORS)
    card = {
        "ranker": ranker.name,
        "depth": stage.depth,
        "calibration": asdict(stage.calibration),
        "items": list(stage.items),
        "sources": [_source_card(source) for source in stage.sources],
        "features": list(stage.feature_names),
    }
    (folder / CARD).write_text(json.dumps(card, ensure_ascii=False), encoding="utf-8")


def load_second_stage(
    folder: Path, model: ModelSource | None = None, read: TensorReader = load_file
) -> SecondStage | None:
    """The second stage of a folder; None if it has none.

    Parameters
    ----------
    model
        The source that was left out when it was saved.
    read
        Gives the tensors of a file, in memory or mapped.

    Raises
    ------
    ModelError
        When a file is damaged, or the model is missing.
    """
    if not (folder / CARD).exists():
        return None
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        tensors = read(folder / TENSORS)
        tables = _tables(tensors)
        if len(card["items"]) != tables.items:
            raise ValueError("items and tables differ")
        sources = [_source(entry, model) for entry in card["sources"]]
        ranker = _ranker(card["ranker"], tensors, folder)
        calibration = Calibration(**card["calibration"])
        stage = SecondStage(card["items"], sources, tables, ranker, card["depth"], calibration)
        if list(stage.feature_names) != card["features"] or stage.ranker.features != len(card["features"]):
            raise ValueError("it was written with other features")
    except (OSError, ValueError, KeyError, TypeError, SafetensorError, RecursionError) as error:
        raise ModelError(f"the second stage is damaged: {error}", where=str(folder), hint="train again") from error
    return stage


def _source_card(source: CandidateSource) -> Mapping[str, Any]:
    if isinstance(source, ModelSource):
        return {"class": MODEL, "name": source.name}
    values = {entry.name: getattr(source, entry.name) for entry in fields(source)}  # type: ignore[arg-type]
    return {"class": type(source).__name__, **values}


def _source(card: dict[str, Any], model: ModelSource | None) -> CandidateSource:
    settings = {name: value for name, value in card.items() if name != "class"}
    if card["class"] != MODEL:
        source: CandidateSource = SOURCES[card["class"]](**settings)
        return source
    if model is None or model.name != card["name"]:
        raise ValueError(f"it needs the source {card['name']!r}")
    return model


def _ranker(name: str, tensors: dict[str, Any], folder: Path) -> Ranker:
    if name == LinearRanker.name:
        return LinearRanker(*(tensors[f"linear.{part}"] for part in ("mean", "scale", "weights")))
    if name != LambdaMart.name:
        raise ValueError(f"unknown ranker {name!r}")
    return LambdaMart((folder / TREES).read_text(encoding="utf-8"))


def _table_tensors(tables: ItemTables) -> dict[str, NDArray[Any]]:
    """All arrays of the tables by name."""
    tensors: dict[str, NDArray[Any]] = {
        "counts": tables.counts,
        "recent": tables.recent,
        "brand": tables.texts.brand,
    }
    if tables.factors is not None:
        tensors["factors"] = tables.factors
    for name, matrix in tables.graphs.items():
        tensors |= _sparse_tensors(f"graph.{name}", matrix)
    for name in ("words", "categories", "tfidf"):
        matrix = getattr(tables.texts, name)
        tensors |= _sparse_tensors(name, matrix) if sparse.issparse(matrix) else {name: matrix}
    return tensors


def _tables(tensors: dict[str, Any]) -> ItemTables:
    graphs = sorted({name.split(".")[1] for name in tensors if name.startswith("graph.")})
    words, categories, tfidf = (_matrix(tensors, name) for name in ("words", "categories", "tfidf"))
    texts = ItemTexts(words, categories, tensors["brand"], tfidf)
    matrices = {name: _matrix(tensors, f"graph.{name}") for name in graphs}
    return ItemTables(matrices, texts, tensors.get("factors"), tensors["counts"], tensors["recent"])


def _sparse_tensors(name: str, matrix: Any) -> dict[str, NDArray[Any]]:
    matrix = sparse.csr_array(matrix)
    return {
        f"{name}.data": matrix.data.astype(np.float32),
        f"{name}.indices": matrix.indices.astype(np.int32),
        f"{name}.indptr": matrix.indptr.astype(np.int64),
        f"{name}.shape": np.array(matrix.shape, dtype=np.int64),
    }


def _matrix(tensors: dict[str, Any], name: str) -> Any:
    if name in tensors:
        return tensors[name]
    data, indices, indptr, shape = (tensors[f"{name}.{part}"] for part in ("data", "indices", "indptr", "shape"))
    matrix: Any = sparse.csr_array((data, indices, indptr), shape=tuple(shape.tolist()))
    matrix.check_format(full_check=True)  # a damaged index would read beyond the arrays
    return matrix
