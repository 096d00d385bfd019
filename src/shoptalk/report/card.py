"""Data card and cost of a run: sources, filtering, split, time per stage, model size."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shoptalk import schema
from shoptalk.arrow import read_parquet
from shoptalk.data.tables import INFO, INTERACTIONS
from shoptalk.files import read_json
from shoptalk.recipe import CandidatesSection, Recipe
from shoptalk.results import EvaluationResult
from shoptalk.runs import Run

#: Labels of the reasons why purchases are dropped.
DROPPED = {
    "unverified": "not a verified purchase",
    "duplicate": "duplicate reviews of a product by the same user",
    "rating": "below data.min_rating",
    "no_title": "product without a title",
    "k_core": "not in the k-core",
    "min_history": "users with too few purchases",
    "min_categories": "users with too few categories",
    "not_drawn": "users outside the subset that was drawn",
}
SPLITS = {
    "leave-one-out": "each user's last purchase is the test target, the one before it the validation target",
    "by-user": "every user is in exactly one part",
    "by-time": "two points in time separate training, validation and test",
    "by-time-per-user": "each user's purchases are split by time",
    "random": "each user's purchases are shuffled and then split",
}
TIES = {
    "source": "in the order of the file",
    "random": "in random order, drawn by the seed",
    "set": "all of them are targets",
}
STAGES = {
    "prepare": "prepare the data",
    "train": "train",
    "open": "load the model",
    "rankings": "rank the catalogue (with baselines)",
    "options": "multiple choice (with baselines)",
    "titles": "generate titles",
    "audit": "audit",
    "errors": "analyse errors",
}
#: Times before 1980 are sequence positions, not dates.
_EARLIEST = 315_532_800


@dataclass(frozen=True, slots=True)
class CostView:
    """Seconds per stage and in total, and properties of the model and the machine."""

    stages: list[tuple[str, float]]
    total: float
    facts: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class DataCard:
    """Sources, filtering and split of the dataset; counts are those of ``dataset.json``."""

    sources: list[dict[str, str]]
    read: Mapping[str, int]
    dropped: list[tuple[str, int]]
    unbought: int
    kept: Mapping[str, int]
    cases: Mapping[str, int]
    dates: tuple[str, str] | None
    split: tuple[str, str]
    ties: str
    tied: float | None
    candidates: CandidatesSection | None
    cleaning: str


def data_card(run: Run) -> DataCard | None:
    """Sources, filtering and split of the dataset; None if the dataset folder does not exist any more."""
    info = read_json(run.dataset / INFO)
    if info is None:
        return None
    recipe: Recipe = run.recipe
    counts = info.get("dropped", {})
    dropped = [(DROPPED.get(name, name), count) for name, count in counts.items() if count and name != "unbought"]
    return DataCard(
        sources=[
            {"name": "/".join(Path(source["path"]).parts[-2:]), "sha256": source["sha256"]}
            for source in info.get("sources", [])
        ],
        read=info.get("read", {}),
        dropped=dropped,
        unbought=counts.get("unbought", 0),
        kept=info.get("kept", {}),
        cases=info.get("cases", {}),
        dates=dates(run.dataset),
        split=(recipe.split.method, SPLITS.get(recipe.split.method, "")),
        ties=TIES.get(recipe.split.ties, recipe.split.ties),
        tied=tied_share(run.folder),
        candidates=recipe.candidates,
        cleaning=recipe.data.cleaning,
    )


def dates(dataset: Path) -> tuple[str, str] | None:
    """The dates of the first and of the last purchase; None if times are not dates."""
    try:
        times = read_parquet(dataset / INTERACTIONS, columns=[schema.TIME])[schema.TIME]
        first, last = pc.min_max(times).as_py().values()
        if first is None or first < _EARLIEST:
            return None
        start, end = (datetime.fromtimestamp(seconds, UTC).date().isoformat() for seconds in (first, last))
    except (OSError, pa.ArrowException, KeyError, ValueError, OverflowError):
        return None
    return start, end


def tied_share(run: Path) -> float | None:
    """The share of test cases whose target has the same timestamp as a neighbouring purchase."""
    path = run / "predictions.parquet"
    try:
        mean = pc.mean(read_parquet(path, columns=["tied"])["tied"]).as_py()
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return None
    return None if mean is None else float(mean)


def cost(run: Run, result: EvaluationResult) -> CostView:
    """Seconds of each stage, and tokens, parameters, memory and machine of the training."""
    prepared = read_json(run.dataset / INFO) or {}
    seconds = {"prepare": prepared.get("seconds"), **result.seconds}
    training = run.info.get("training", {})
    stages = [
        (STAGES.get(name, name), value)
        for name, value in seconds.items()
        if value is not None and value >= 0.05  # skip stages that were not run
    ]
    trained = training.get("seconds")
    return CostView(
        stages=stages,
        total=sum(value for _, value in stages),
        facts=[(name, value) for name, value in _facts(run, training, trained) if value],
    )


def _facts(run: Run, training: dict[str, Any], seconds: float | None) -> list[tuple[str, str]]:
    """Names and formatted values of the properties; empty values are unknown."""
    tokens, parameters = training.get("tokens"), training.get("parameters")
    share = training.get("trainable_share")
    memory, joules = run.info.get("peak_memory_bytes"), training.get("joules")
    machine = run.info.get("machine", {})
    speed = f", {tokens / seconds:,.0f} a second" if tokens and seconds else ""
    trained = f", {share:.1%} of them trained" if share is not None else ""
    model = run.recipe.model
    best, losses = training.get("best_epoch"), training.get("losses") or []
    return [
        ("model", f"{model.base}, {model.tuning} tuning, {training.get('precision') or model.precision}"),
        ("parameters", f"{parameters:,}{trained}" if parameters else ""),
        ("examples", f"{training['examples']:,}" if training.get("examples") else ""),
        ("tokens trained on", f"{tokens:,}{speed}" if tokens else ""),
        ("epochs", f"{len(losses)}, weights of epoch {best} kept" if losses and best else ""),
        ("peak memory", f"{memory / 1e9:.2f} GB" if memory else ""),
        ("energy", f"{joules / 3600:,.2f} Wh" if joules else ""),
        ("machine", ", ".join(str(machine[key]) for key in ("processor", "system") if machine.get(key))),
        ("Python", str(machine.get("python", ""))),
    ]
