"""Folders of runs, written by hand as training, evaluation and audit write them."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shoptalk.recipe import Recipe
from shoptalk.results import AuditResult, EvaluationResult, from_json

#: Titles that would break a page which does not escape them, or its layout.
HOSTILE = ("<script>document.title = 'owned'</script>", "</pre></script><img src=x onerror=alert(1)>", "W" * 400,
           "&lt;b&gt; {{ 7 * 7 }} {% raw %}", "$x_1$ \\frac", "Σαπούνι 石鹸 🧼")  # fmt: skip


def result(content: dict[str, Any]) -> EvaluationResult:
    """The result read from a ``metrics.json`` with this content."""
    return from_json(EvaluationResult, content)


def audited(content: dict[str, Any]) -> AuditResult:
    """The result read from an ``audit.json`` with this content."""
    return from_json(AuditResult, content)


def estimate(value: float, half: float = 0.01, n: int = 1000) -> dict[str, Any]:
    """An estimate as in ``metrics.json``."""
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def difference(value: float, p: float) -> dict[str, Any]:
    """A paired difference as in ``metrics.json``."""
    return {"difference": value, "low": value - 0.001, "high": value + 0.001, "p": p / 2, "p_holm": p, "n": 1000}


def option_metrics(original: float = 0.6, swapped: float = 0.3, simple: float = 0.5) -> dict[str, Any]:
    """Choices among options, as in ``metrics.json``."""
    return {
        "metrics": {
            "accuracy": estimate(original),
            "swapped_accuracy": estimate(swapped),
            "personalisation_gap": estimate(original - swapped),
            **{name: estimate(original) for name in ("precision", "recall", "f1", "mrr")},
            "ece": {"value": 0.1, "low": None, "high": None, "n": 1000},
        },
        "baselines": {
            "chance": {"accuracy": estimate(0.25, 0)},
            "tfidf": {"accuracy": estimate(simple)},
            "options_only": {"accuracy": estimate(0.99)},  # a probe is no baseline
        },
        "positions": {
            "positions": [
                {"position": 1, "answers": 0.5, "chosen": 0.75, "accuracy": 0.8},
                {"position": 2, "answers": 0.5, "chosen": 0.25, "accuracy": None},
            ],
            "bias": 0.25,
            "no_choice": 0.0,
        },
        "warnings": [],
        "seconds": {"train": 60.0, "open": 0.5, "options": 3700.0, "titles": 1e-5},
        "fingerprint": "f" * 64,
    }


def ranking_metrics(original: float = 0.06, swapped: float = 0.002, p: float = 0.002) -> dict[str, Any]:
    """Rankings of the whole catalogue, as in ``metrics.json``."""
    heads = ("recall@5", "recall@10", "recall@20", "ndcg@10", "mrr@10")

    def metrics_of(value: float) -> dict[str, Any]:
        return dict.fromkeys(heads, estimate(value, 0.001))

    segment = {
        name: {"recall@10": estimate(value, 0.001)}
        for name, value in (("model", original), ("als", 0.04), ("popularity", 0.01))
    }
    return {
        "metrics": {
            **metrics_of(original),
            "coverage@10": {"value": 0.5, "low": None, "high": None, "n": 1000},
            "swapped_recall@10": estimate(swapped, 0.001),
            "personalisation_gap": estimate(original - swapped, 0.001),
        },
        "baselines": {"popularity": metrics_of(0.01), "als": metrics_of(0.04), "chance": {"accuracy": estimate(0.25)}},
        "versus": {
            "popularity": {"recall@10": difference(original - 0.01, 0.002)},
            "als": {"recall@10": difference(original - 0.04, p)},
        },
        "segments": {"ties": {"tied": segment, "untied": segment}, "cold": {"warm": segment}},
    }


def errors() -> dict[str, Any]:
    """An error analysis full of hostile titles."""
    example = {"user": "u1", "history": list(HOSTILE), "options": list(HOSTILE[:3]), "scores": [-1.5, -0.5, -2.0],
               "answer": 0, "chosen": 1, "why": f"{HOSTILE[0]} pulls"}  # fmt: skip
    return {
        "what": "options",
        "cases": 1000,
        "wrong": 400,
        "groups": [
            {"name": "cold_item", "title": "cold item", "says": "Nobody bought it.", **estimate(0.125),
             "reference": 0.12, "excess": {"value": 0.005, "low": -0.001, "high": 0.011, "n": 1000}, "examples": []},
            {"name": "semantic_pull", "title": "semantic pull", "says": "More similar.", **estimate(0.5),
             "reference": 0.25, "examples": [example]},
            {"name": "empty", "title": "nothing", "says": "", "value": None, "low": None, "high": None, "n": 0,
             "examples": []},
        ],
        "words": [{"word": HOSTILE[4], "pull": 1.5, "low": None, "high": None, "n": 3}],
        "calibration": [
            {"low": 0.0, "high": 0.5, "cases": 0, "confidence": None, "accuracy": None},
            {"low": 0.5, "high": 1.0, "cases": 1000, "confidence": 0.75, "accuracy": 0.6},
        ],
        "what_if": [{"user": "u1", "history": list(HOSTILE), "answer": HOSTILE[1], "chosen": HOSTILE[2], "steps": [
            {"removed": None, "answer": HOSTILE[2], "probability": 0.25},
            {"removed": HOSTILE[0], "answer": HOSTILE[1], "rank": None}]}],
    }  # fmt: skip


def audit() -> dict[str, Any]:
    """Findings of each severity; the fail is not the first."""
    blank = {"value": None, "low": None, "high": None, "n": 0, "example": "", "do": ""}
    return {
        "findings": [
            {**blank, "check": "time", "severity": "info", "says": "nothing from the future"},
            {**blank, "check": "popularity", "severity": "warn", "says": "popularity tells"},
            {**blank, "check": "options_only", "severity": "fail", "says": f"a leak: {HOSTILE[0]}", **estimate(0.985),
             "example": HOSTILE[1], "do": "clean alike"},
        ],
        "clean": False,
    }  # fmt: skip


def write_run(folder: Path, metrics: dict[str, Any], name: str = "small", **extra: dict[str, Any]) -> Path:
    """A run with a dataset of three purchases; ``extra`` are further JSON files, by their names without the ending."""
    dataset = folder / "dataset"
    dataset.mkdir(parents=True)
    recipe = Recipe.model_validate(
        {"name": name, "data": {"source": "table", "interactions": "${SHOPTALK_DATA}/shop/buys.csv"}, "candidates": {}}
    )
    (folder / "recipe.toml").write_text(recipe.to_toml(), encoding="utf-8")
    losses = [
        {"epoch": 1, "train": 5.0, "validation": 4.5, "phase": "catalogue"},
        {"epoch": 2, "train": 3.0, "validation": 2.5, "phase": "answers"},
        {"epoch": 3, "train": 1.0, "validation": None, "phase": "options", "ndcg@10": 0.5},
    ]
    files = {
        "run": {
            "dataset": str(dataset), "fingerprint": "f" * 64, "packages": {"torch": "2.0"},
            "machine": {"python": "3.11", "system": "Linux", "processor": "x86"}, "peak_memory_bytes": 2_000_000_000,
            "training": {"parameters": 1000, "trainable_share": 0.5, "tokens": 6000, "seconds": 60.0, "examples": 10,
                         "losses": losses, "best_epoch": 2, "precision": "bf16"},
        },
        "dataset/dataset": {
            "read": {"reviews": 5, "items": 4, "bad_lines": 1}, "dropped": {"no_title": 1, "duplicate": 0},
            "kept": {"users": 2, "items": 3, "interactions": 3}, "cases": {"train": 1, "validation": 1, "test": 1},
            "sources": [{"path": "/somewhere/private/shop/buys.csv", "sha256": "a1" * 32}], "seconds": 1.5,
        },
        "metrics": metrics, **extra,
    }  # fmt: skip
    for file, content in files.items():
        (folder / f"{file}.json").write_text(json.dumps(content), encoding="utf-8")
    times = [1_000_000_000, 1_100_000_000, 1_200_000_000]  # 2001-09-09, 2004-11-09, 2008-01-10
    pq.write_table(pa.table({"timestamp": pa.array(times, pa.int64())}), dataset / "interactions.parquet")
    pq.write_table(pa.table({"tied": [True, False, False, False]}), folder / "predictions.parquet")
    return folder


def full_run(folder: Path) -> Path:
    """A run with data for all sections, with hostile titles."""
    metrics = option_metrics() | {"errors": errors()}
    ranked = ranking_metrics()
    both = {key: {**metrics.get(key, {}), **ranked[key]} for key in ("metrics", "baselines", "versus")}
    both["metrics"] |= metrics["metrics"] | {"options_personalisation_gap": estimate(0.3)}
    samples = [{"prompt": HOSTILE[1], "answer": HOSTILE[0]},
               {"prompt": "<|item_1|>", "answer": "<|item_2|>", "tokens": 1, "others": [HOSTILE[2]],
                "titles": {"<|item_1|>": HOSTILE[0]}}]  # fmt: skip
    option_errors = {"option_errors": {**metrics["errors"], "what": "ranking", "calibration": []}}
    ranking = {
        "chosen": "linear", "ndcg": {"model": 0.31, "linear": 0.33, "transitions": 0.3}, "validation_cases": 1200,
        "held_out_cases": 1050, "calibration_error": 0.04, "uncalibrated_error": 0.06,
    }  # fmt: skip
    content = {**ranked, **metrics, **both, **option_errors, "samples": samples, "warnings": [HOSTILE[0]]}
    content["training"] = {"ranking": ranking}
    return write_run(folder, content, name=HOSTILE[0], audit=audit())
