"""shoptalk turns purchase histories into text and fine-tunes language models that recommend.

The names below are imported when they are first used, so that ``import shoptalk`` is fast.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shoptalk.api.audit import audit
    from shoptalk.api.choose import choose
    from shoptalk.api.data import prepare
    from shoptalk.api.evaluation import Report, compare, evaluate
    from shoptalk.api.model import Model, fit, load
    from shoptalk.api.rankings import evaluate_rankings
    from shoptalk.data.dataset import Dataset
    from shoptalk.errors import ShoptalkError
    from shoptalk.schema import Recommender

__version__ = "0.1.0"
__all__ = [
    "Dataset",
    "Model",
    "Recommender",
    "Report",
    "ShoptalkError",
    "audit",
    "choose",
    "compare",
    "evaluate",
    "evaluate_rankings",
    "fit",
    "load",
    "prepare",
]

#: Public name -> the module that defines it.
_MODULES = {
    "Dataset": "shoptalk.data.dataset",
    "Model": "shoptalk.api.model",
    "Recommender": "shoptalk.schema",
    "Report": "shoptalk.api.evaluation",
    "ShoptalkError": "shoptalk.errors",
    "audit": "shoptalk.api.audit",
    "choose": "shoptalk.api.choose",
    "compare": "shoptalk.api.evaluation",
    "evaluate": "shoptalk.api.evaluation",
    "evaluate_rankings": "shoptalk.api.rankings",
    "fit": "shoptalk.api.model",
    "load": "shoptalk.api.model",
    "prepare": "shoptalk.api.data",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'shoptalk' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
