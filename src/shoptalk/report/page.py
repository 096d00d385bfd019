"""``report.html``: one self-contained page about a run, for people who would rather look than read.

Every section takes what is there, and is left out where nothing is.
"""

from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from shoptalk.errors import RunError
from shoptalk.files import read_json, write_text
from shoptalk.report import options, rankings
from shoptalk.report.bars import draw_bars
from shoptalk.report.card import cost, data_card
from shoptalk.report.curves import draw_training, loss_rows
from shoptalk.report.figure import picture
from shoptalk.report.findings import failures, finding_rows
from shoptalk.report.mistakes import mistake_bars, mistakes
from shoptalk.report.options import accuracy_rows, best_first, draw_calibration, draw_positions
from shoptalk.report.rankings import best_baseline, corrected_p, has_rankings, method_rows, segment_panels, show_p
from shoptalk.report.render import render
from shoptalk.report.segments import draw_segments
from shoptalk.report.verdict import Result, decide, main_result, options_result, reads_histories
from shoptalk.runs import Run, open_run, read_log

#: A sample prompt tells at least its prompt and its answer.
_SAMPLE: dict[str, Any] = {"tokens": None, "others": [], "titles": {}}


def write_report(folder: Path) -> None:
    """Write ``report.html`` from what training, evaluation and audit left in a run's folder.

    Raises
    ------
    RunError
        When the folder is not a run, was not evaluated, or is damaged.
    """
    run = open_run(folder)
    metrics = read_json(folder / "metrics.json")
    if metrics is None:
        raise RunError("not evaluated yet", where=str(folder), hint=f"shoptalk evaluate {folder}")
    audit = read_json(folder / "audit.json")
    try:
        text = render("report.html", **collect(run, metrics, audit))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, TemplateError) as error:
        raise RunError(
            f"what it measured cannot be shown: {type(error).__name__}: {error}",
            where=str(folder),
            hint=f"shoptalk evaluate {folder}",
        ) from error
    write_text(folder / "report.html", text)


def collect(run: Run, metrics: dict[str, Any], audit: dict[str, Any] | None) -> dict[str, Any]:
    """What the page's sections show; None where there is nothing to show."""
    errors = [metrics[name] for name in ("errors", "option_errors") if metrics.get(name)]
    return {
        "name": run.recipe.name or "A run",
        "verdict": decide(metrics, failures(audit)),
        "tiles": _tiles(metrics, audit),
        "warnings": metrics.get("warnings", []),
        "ranked": _ranked(metrics),
        "chosen": _chosen(metrics),
        "personal": [one for one in (_personal(metrics, result) for result in _results(metrics)) if one],
        "findings": None if audit is None else finding_rows(audit),
        "segments": _segments(metrics),
        "positions": _positions(metrics),
        "calibration": _calibration(metrics),
        "mistakes": [{**mistakes(one), "bars": _mistake_picture(one)} for one in errors],
        "training": _training(run),
        "samples": [_SAMPLE | sample for sample in metrics.get("samples", [])],
        "card": data_card(run),
        "cost": cost(run, metrics),
        "fingerprint": run.info["fingerprint"],
        "seed": run.recipe.seed,
        "toml": run.recipe.to_toml(),
        "packages": run.info.get("packages", {}),
        "all_metrics": metrics["metrics"],
    }


def _results(metrics: dict[str, Any]) -> list[Result]:
    """The main result, and the accuracy among options where it is not that."""
    found = [main_result(metrics), options_result(metrics) if has_rankings(metrics) else None]
    return [result for result in found if result is not None]


def _tiles(metrics: dict[str, Any], audit: dict[str, Any] | None) -> list[dict[str, str]]:
    """The figures that a reader wants first: ``label``, ``value``, ``note``."""
    tiles: list[dict[str, str]] = []
    for place, result in enumerate(_results(metrics)):
        if result.own["value"] is None:
            continue
        what = "Accuracy among options" if result.digits == 3 else "Recall@10, whole catalogue"
        tiles.append(_tile(what, result.own, result.digits))
        if place:
            continue
        if result.simple is not None:
            tiles.append(_tile("Best simple method", result.simple, result.digits, str(result.best)))
        if result.swapped is not None:
            note = "the histories matter" if reads_histories(result) else "the histories hardly matter"
            tiles.append(_tile("With another user's history", result.swapped, result.digits, note))
    return tiles if audit is None else [*tiles, _audit_tile([row["severity"] for row in finding_rows(audit)])]


def _audit_tile(severities: list[str]) -> dict[str, str]:
    failed, warned = severities.count("fail"), severities.count("warn")
    warnings = f"{warned} warning{'s' * (warned != 1)}" if warned else ""
    if failed:
        return {"label": "Audit", "value": f"{failed} fail{'s' * (failed != 1)}", "note": warnings}
    return {"label": "Audit", "value": warnings or "clean", "note": f"{len(severities)} things looked at"}


def _tile(label: str, figure: dict[str, Any], digits: int, note: str = "") -> dict[str, str]:
    if not note and figure.get("low") is not None:
        note = f"{figure['low']:.{digits}f} to {figure['high']:.{digits}f}"
    return {"label": label, "value": f"{figure['value']:.{digits}f}", "note": note}


def _ranked(metrics: dict[str, Any]) -> dict[str, Any] | None:
    """Whole-catalogue rankings: bars, methods, and what their lists are like."""
    if not has_rankings(metrics):
        return None
    return {
        "rows": _with_p(method_rows(metrics)),
        "bars": picture(draw_bars, rankings.recall_bars(metrics), "Recall@10", 4),
        "columns": _present(rankings.ACCURACY, metrics),
        "more": _present(rankings.MORE, metrics),
        "beyond": _present(rankings.BEYOND, metrics),
    }


def _chosen(metrics: dict[str, Any]) -> dict[str, Any] | None:
    """Choices among options, where there were some."""
    bars = accuracy_rows(metrics)
    if not bars:
        return None
    return {
        "rows": _with_p(method_rows(metrics, options.MAIN, options.NAMES)),
        "bars": picture(draw_bars, best_first(bars)),
        "columns": _present(options.BESIDE, metrics),
        "more": _present(options.MORE, metrics),
    }


def _present(columns: tuple[str, ...], metrics: dict[str, Any]) -> list[str]:
    return [name for name in columns if name in metrics["metrics"]]


def _with_p(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"p": show_p(corrected_p(row["versus"])) if row["versus"] else ""} for row in rows]


def _personal(metrics: dict[str, Any], result: Result) -> dict[str, Any] | None:
    """Own histories beside others', and what the options give away without any."""
    if result.swapped is None or result.gap is None or result.gap["value"] is None:
        return None
    options_asked = result.digits == 3
    rows = [
        {"name": "own history", "kind": "model", **result.own},
        {"name": "another user's history", "kind": "swapped", **result.swapped},
    ]
    probe = metrics["baselines"].get(rankings.PROBE, {}).get(options.MAIN)
    if options_asked and probe:
        rows.append({"name": "no history (options only)", "kind": "baseline", **probe})
    what = "accuracy" if options_asked else "Recall@10"
    return {
        "what": what,
        "digits": result.digits,
        "own": result.own,
        "swapped": result.swapped,
        "gap": result.gap,
        "reads": reads_histories(result),
        "bars": picture(draw_bars, rows, what, result.digits),
    }


def _segments(metrics: dict[str, Any]) -> dict[str, Any] | None:
    panels = segment_panels(metrics) if has_rankings(metrics) else []
    if not panels:
        return None
    best = best_baseline(metrics)
    name = rankings.NAMES.get(best, best) if best else ""
    return {"panels": panels, "best": name, "picture": picture(draw_segments, panels, name)}


def _positions(metrics: dict[str, Any]) -> dict[str, Any] | None:
    report = metrics.get("positions")
    if not report or not report["positions"]:
        return None
    return report | {"picture": picture(draw_positions, report["positions"])}


def _calibration(metrics: dict[str, Any]) -> dict[str, Any] | None:
    bins = [row for row in (metrics.get("errors") or {}).get("calibration") or [] if row["cases"]]
    if not bins:
        return None
    return {"bins": bins, "ece": metrics["metrics"].get("ece"), "picture": picture(draw_calibration, bins)}


def _mistake_picture(errors: dict[str, Any]) -> Any:
    rows = mistake_bars(errors)
    return picture(draw_bars, rows, "share of the wrong answers", 3, of="") if rows else None


def _training(run: Run) -> dict[str, Any] | None:
    """Losses of every phase, the refit on validation purchases included; None where nothing was trained."""
    training = run.info.get("training") or {}
    losses = training.get("losses") or []
    if not losses:
        return None
    refit = [event for event in read_log(run.folder / "refit") if event.get("event") == "epoch"]
    return {
        "rows": loss_rows(losses, refit),
        "kept": training.get("best_epoch"),
        "stopped": training.get("stopped_early"),
        "picture": picture(draw_training, losses, refit, training.get("best_epoch")),
    }
