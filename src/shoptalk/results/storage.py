"""Reading and writing results in a run's folder."""

from pathlib import Path
from typing import TypeVar

from shoptalk.errors import RunError
from shoptalk.files import read_json, write_json
from shoptalk.results.audit import AuditResult
from shoptalk.results.evaluation import EvaluationResult
from shoptalk.typed_json import SchemaError, as_json, from_json

T = TypeVar("T")


#: The result files of a run's folder.
METRICS, AUDIT = "metrics.json", "audit.json"


def write_result(path: Path, result: object) -> None:
    """Write a result as JSON, atomically."""
    write_json(path, as_json(result))


def read_evaluation(folder: Path) -> EvaluationResult | None:
    """The ``metrics.json`` of a run's folder; None if there is none.

    Raises
    ------
    RunError
        If it is damaged; the message names the first wrong value.
    """
    return _read(EvaluationResult, folder / METRICS, f"shoptalk evaluate {folder}")


def read_audit(folder: Path) -> AuditResult | None:
    """The ``audit.json`` of a run's folder; None if there is none.

    Raises
    ------
    RunError
        If it is damaged; the message names the first wrong value.
    """
    return _read(AuditResult, folder / AUDIT, f"shoptalk evaluate {folder}")


def _read(cls: type[T], path: Path, command: str) -> T | None:
    """The checked content of a file; ``command`` writes the file again."""
    content = read_json(path, error=RunError, hint=f"write it again: {command}")
    if content is None:
        return None
    try:
        return from_json(cls, content)
    except (SchemaError, RecursionError) as error:
        raise RunError(f"damaged: {error}", where=str(path), hint=f"write it again: {command}") from error
