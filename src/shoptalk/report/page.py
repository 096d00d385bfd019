"""``report.html``: one self-contained page about a run, for people who would rather look than read."""

import base64
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from shoptalk.files import write_text
from shoptalk.report.bars import draw_bars
from shoptalk.runs import open_run

#: Names of metrics and simple methods as a reader knows them.
NAMES = {
    "model": "this model",
    "swapped": "this model, another user's history",
    "chance": "chance",
    "popularity": "most popular option",
    "tfidf": "TF-IDF similarity to the history",
    "cooccurrence": "bought together (co-occurrence)",
    "options_only": "options only, history never seen",
    "majority": "the usual answer",
}


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
    )
    write_text(run / "report.html", text)


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
    ]
    return rows


def verdict(metrics: dict[str, Any]) -> str:
    """One sentence with the honest number."""
    own = metrics["metrics"]
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


def _chance(metrics: dict[str, Any]) -> float:
    chance = metrics["baselines"].get("chance")
    return float(chance["accuracy"]["value"]) if chance else 0.0


def _picture(path: Path) -> str:
    """A PNG as a data address; empty where there is none."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode() if path.exists() else ""
