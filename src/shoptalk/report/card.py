"""What a run was made of and what it cost: the data card, stages and their times, the model's size."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shoptalk import schema
from shoptalk.data.tables import INFO, INTERACTIONS
from shoptalk.files import read_json
from shoptalk.recipe import CandidatesSection, Recipe
from shoptalk.results import EvaluationResult
from shoptalk.runs import Run

#: What each reason to drop something means.
DROPPED = {
    "unverified": "not verified as purchases",
    "duplicate": "repeated reviews of one product by one user",
    "rating": "below data.min_rating",
    "no_title": "of products without a title",
    "k_core": "outside of the k-core",
    "min_history": "of users with too few purchases",
    "min_categories": "of users with products of too few categories",
}
SPLITS = {
    "leave-one-out": "each user's last purchase is the test, the one before it validation",
    "by-user": "users are divided; nobody is in two parts",
    "by-time": "two moments divide all purchases",
    "by-time-per-user": "each user's purchases are divided by time",
}
TIES = {
    "source": "in the order of the file",
    "random": "in a random order, drawn by the seed",
    "set": "all of them count as right",
}
STAGES = {
    "prepare": "prepare the data",
    "train": "train",
    "open": "open the model",
    "rankings": "rank the catalogue, with the simple methods",
    "options": "choose among options, with the simple methods",
    "titles": "generate titles",
    "audit": "audit",
    "errors": "analyse errors",
}
#: A time before 1980 is a place in a row and no date.
_EARLIEST = 315_532_800


@dataclass(frozen=True, slots=True)
class CostView:
    """Seconds by stage and together, and what is to be said of model and machine."""

    stages: list[tuple[str, float]]
    total: float
    facts: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class DataCard:
    """Where the data came from, what became of it, and how it was split; counts are those of ``dataset.json``."""

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
    """Where the data came from, what became of it, and how it was split; None where the dataset has gone."""
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
    """The days of the first and of the last purchase; None where times are no dates."""
    try:
        times = pq.read_table(dataset / INTERACTIONS, columns=[schema.TIME])[schema.TIME]
        first, last = pc.min_max(times).as_py().values()
        if first is None or first < _EARLIEST:
            return None
        day, other = (datetime.fromtimestamp(moment, UTC).date().isoformat() for moment in (first, last))
    except (OSError, pa.ArrowException, KeyError, ValueError, OverflowError):
        return None
    return day, other


def tied_share(run: Path) -> float | None:
    """The share of test cases whose answer shares its moment with a neighbour."""
    path = run / "predictions.parquet"
    try:
        mean = pc.mean(pq.read_table(path, columns=["tied"])["tied"]).as_py()
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return None
    return None if mean is None else float(mean)


def cost(run: Run, result: EvaluationResult) -> CostView:
    """Seconds of each stage, and what training was: tokens, parameters, memory, machine."""
    prepared = read_json(run.dataset / INFO) or {}
    seconds = {"prepare": prepared.get("seconds"), **result.seconds}
    training = run.info.get("training", {})
    stages = [
        (STAGES.get(name, name), value)
        for name, value in seconds.items()
        if value is not None and value >= 0.05  # what was not done took no time
    ]
    trained = training.get("seconds")
    return CostView(
        stages=stages,
        total=sum(value for _, value in stages),
        facts=[(name, words) for name, words in _facts(run, training, trained) if words],
    )


def _facts(run: Run, training: dict[str, Any], seconds: float | None) -> list[tuple[str, str]]:
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
        ("tokens read", f"{tokens:,}{speed}" if tokens else ""),
        ("epochs", f"{len(losses)}, the weights of epoch {best} kept" if losses and best else ""),
        ("most memory held", f"{memory / 1e9:.2f} GB" if memory else ""),
        ("energy", f"{joules / 3600:,.2f} Wh" if joules else ""),
        ("machine", ", ".join(str(machine[key]) for key in ("processor", "system") if machine.get(key))),
        ("Python", str(machine.get("python", ""))),
    ]
