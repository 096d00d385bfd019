"""The graph of a saved model on disk: ``graph.safetensors`` in the model's folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy import sparse

from shoptalk.errors import ModelError
from shoptalk.graph.user_items import UserItemGraph

FILE = "graph.safetensors"
Arrays = Mapping[str, NDArray[Any]]


def save_graph(graph: UserItemGraph, other: Arrays, folder: Path) -> None:
    """Write a graph, and other arrays with it."""
    purchases: Any = graph.purchases
    arrays = {
        "shape": np.array(purchases.shape, dtype=np.int64),
        "starts": purchases.indptr.astype(np.int64),
        "items": purchases.indices.astype(np.int32),
        "brand": graph.brand,
        "category": graph.category,
        **other,
    }
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / FILE)


def load_graph(folder: Path) -> tuple[UserItemGraph, Arrays]:
    """A saved graph, and all arrays of the file.

    Raises
    ------
    ModelError
        When the file is missing or damaged.
    """
    try:
        arrays = load_file(folder / FILE)
        users, items = arrays["shape"].tolist()
        ones = np.ones(len(arrays["items"]), dtype=np.float32)
        purchases: Any = sparse.csr_array((ones, arrays["items"], arrays["starts"]), shape=(users, items))
        purchases.check_format(full_check=True)
        brand, category = arrays["brand"], arrays["category"]
        if not len(brand) == len(category) == items:
            raise ValueError(f"{len(brand)} brands and {len(category)} categories of {items} items")
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise ModelError(f"the graph is damaged: {error}", where=str(folder / FILE), hint="train again") from error
    return UserItemGraph(purchases, brand, category), arrays
