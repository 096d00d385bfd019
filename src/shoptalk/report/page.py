"""``report.html``: one self-contained page about a run, for people who would rather look than read."""

import base64
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from shoptalk.files import write_text
from shoptalk.report import rankings as names
from shoptalk.report.bars import draw_bars
from shoptalk.report.rankings import (
    ACCURACY,
    BEYOND,
    best_baseline,
    corrected_p,
    has_rankings,
    method_rows,
    ranking_verdict,
    recall_bars,
    segment_panels,
    show_p,
)
from shoptalk.report.segments import draw_segments
from shoptalk.runs import open_run

#: A popular product is the most popular option where options are shown.
NAMES = names.NAMES | {"popularity": "most popular option"}


def write_report(run: Path) -> None:
    """Write ``report.html`` from what training and evaluation left in a run's folder.

    Raises
    ------
    RunError
        When the folder is not a run.
    """
    opened = open_run(run)
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    rows = accuracy_rows(metrics)
    page = Environment(
        loader=PackageLoader("shoptalk.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    ).get_template("report.html")
    text = page.render(
        recipe=opened.recipe,
        toml=opened.recipe.to_toml(),
        info=opened.info,
        metrics=metrics,
        verdict=verdict(metrics),
        rows=rows,
        bars=draw_bars(rows) if rows else "",
        losses=_picture(run / "loss.png"),
        ranked=_ranked(metrics),
        number=_number,
        title=_title,
    )
    write_text(run / "report.html", text)


def _ranked(metrics: dict[str, Any]) -> dict[str, Any] | None:
    """What the page shows of whole-catalogue rankings; None where there are none."""
    if not has_rankings(metrics):
        return None
    best, panels = best_baseline(metrics), segment_panels(metrics)
    rows = [row | {"p": show_p(corrected_p(row["versus"])) if row["versus"] else ""} for row in method_rows(metrics)]
    return {
        "rows": rows,
        "bars": draw_bars(recall_bars(metrics), "Recall@10", 4),
        "accuracy": ACCURACY,
        "beyond": BEYOND,
        "panels": panels,
        "best": NAMES.get(best, best) if best else "",
        "segments": draw_segments(panels, names.NAMES.get(best, best) if best else "") if panels else "",
    }


def accuracy_rows(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Accuracy of the model, with its own and with other users' histories, and of each simple method; NaN is None."""
    own = metrics["metrics"]
    if "accuracy" not in own:
        return []
    rows = [{"name": NAMES["model"], "kind": "model", **own["accuracy"]}]
    if "swapped_accuracy" in own:
        rows.append({"name": NAMES["swapped"], "kind": "swapped", **own["swapped_accuracy"]})
    rows += [
        {"name": NAMES.get(name, name), "kind": "baseline", **table["accuracy"]}
        for name, table in metrics["baselines"].items()
        if "accuracy" in table
    ]
    return rows


def verdict(metrics: dict[str, Any]) -> str:
    """One sentence with the honest number."""
    own = metrics["metrics"]
    if has_rankings(metrics):
        return ranking_verdict(metrics)
    if "accuracy" not in own:
        exact = own.get("title_exact_match")
        return (
            f"It names the exact title for {exact['value']:.3f} of {exact['n']:,} users."
            if exact
            else "Nothing was judged."
        )
    accuracy = own["accuracy"]
    said = (
        f"Right for {accuracy['value']:.3f} of {accuracy['n']:,} users "
        f"(95 % interval {accuracy['low']:.3f} to {accuracy['high']:.3f})"
    )
    gap = own.get("personalisation_gap")
    simple = {name: table["accuracy"] for name, table in metrics["baselines"].items() if name != "options_only"}
    if gap is not None and gap["value"] < 0.5 * max(accuracy["value"] - _chance(metrics), 0):
        return f"{said}, but hardly for their histories: with another user's history it loses only {gap['value']:.3f}."
    if not simple:
        return f"{said}."
    best = max(simple, key=lambda name: simple[name]["value"])
    if accuracy["low"] > simple[best]["high"]:
        return f"{said}: better than the best simple method ({NAMES.get(best, best)}, {simple[best]['value']:.3f})."
    worse = accuracy["high"] < simple[best]["low"]
    return (
        f"{said}: {'worse than' if worse else 'not clearly better than'} the best simple method "
        f"({NAMES.get(best, best)}, {simple[best]['value']:.3f})."
    )


def _number(value: float | None, digits: int = 4) -> str:
    return "n/a" if value is None else f"{value:.{digits}f}"


def _title(name: str) -> str:
    """A metric's name as a column's: Recall@10, NDCG@10, repeats."""
    word, at, k = name.partition("@")
    short = {
        "ndcg": "NDCG",
        "mrr": "MRR",
        "repeat_share": "repeats",
        "echo_share": "echoes",
        "invalid_share": "invalid",
    }
    in_ten = word in {"coverage", "novelty", "diversity"}  # the heading says so already
    return short.get(word, word if in_ten else word.capitalize()) + ("" if in_ten else f"{at}{k}")


def _chance(metrics: dict[str, Any]) -> float:
    chance = metrics["baselines"].get("chance")
    return float(chance["accuracy"]["value"]) if chance else 0.0


def _picture(path: Path) -> str:
    """A PNG as a data address; empty where there is none."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode() if path.exists() else ""
