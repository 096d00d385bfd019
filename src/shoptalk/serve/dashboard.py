"""What the dashboard shows beside the figures of the database: counters, runs with verdicts, rules, experiments."""

import time
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from shoptalk import __version__
from shoptalk.errors import DatabaseError, ShoptalkError
from shoptalk.evaluation.verdict import main_result
from shoptalk.files import read_json
from shoptalk.online.summary import summarise
from shoptalk.report.names import metric_label
from shoptalk.report.verdict import show_verdict
from shoptalk.results.storage import read_audit, read_evaluation
from shoptalk.serve.live_figures import (
    Period,
    answers_over_time,
    drift,
    events_over_time,
    period_of,
    times,
    trained_on,
)
from shoptalk.serve.page import Page
from shoptalk.serve.rules import Rule
from shoptalk.typed_json import as_json

#: Most runs, looks at an experiment over a period, and seconds for which a link to a report is valid.
MOST_RUNS, LOOKS, TICKET = 30, 8, 900
REPORT = "report.html"


def dashboard(page: Page, hours: float, window: float) -> dict[str, Any]:
    """All figures of the last hours, as JSON."""
    service = page.service
    state, period = service.state, period_of(hours)
    arm = state.arms[0].base or state.arms[0]
    database = service.database
    return {
        "version": __version__,
        "now": time.time(),
        "started": page.started,
        "workers": service.settings.workers,
        "items": int(state.catalogue.offered.sum()),
        "new_items": len(state.catalogue.new),
        "period": {"start": period.start, "end": period.end, "width": period.width},
        "requests": counters(service.metrics.text().decode()),
        "answers": answers_over_time(database, period),
        "times": times(database, period),
        "events": events_over_time(database, period),
        "drift": drift(database, period, page.keep("trained", arm.dataset, lambda _: trained_on(arm))),
        "experiment": experiment(page, period, window),
        "runs": runs(page),
        "rules": [rule_text(rule) for rule in state.rules.rules],
        "refused": {what: one.message for what, one in service.upkeep.refused.items()},
    }


def counters(text: str) -> list[dict[str, Any]]:
    """Requests by route and status since the service started, of all its workers."""
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(text):
        if family.name == "shoptalk_requests":
            for sample in family.samples:
                if sample.name == "shoptalk_requests_total":
                    key = sample.labels["route"], sample.labels["status"]
                    found[key] = found.get(key, 0) + sample.value
    ordered = sorted(found.items(), key=lambda entry: -entry[1])
    return [{"route": route, "status": status, "requests": int(count)} for (route, status), count in ordered]


def experiment(page: Page, period: Period, window: float) -> dict[str, Any] | None:
    """The experiment as it stands, and its rates as they stood at several times of the period; None without answers."""
    now = time.time()
    step = (period.end - period.start) / LOOKS
    past = [period.start + step * number for number in range(1, LOOKS) if period.start + step * number < now]
    latest = _look(page, now, window)
    if latest is None:
        return None
    looks = [(at, page.remember(("look", at, window), partial(_look, page, at, window))) for at in past]
    (own,) = latest["experiments"]
    return {
        **{key: latest[key] for key in ("metric", "window", "events", "attributed")},
        **own,
        "looks": [
            {
                "at": at,
                "arms": [
                    {"arm": arm["arm"], "users": arm["users"], "rates": arm["rates"]}
                    for arm in look["experiments"][0]["arms"]
                ],
            }
            for at, look in [*looks, (now, latest)]
            if look is not None
        ],
    }


def _look(page: Page, at: float, window: float) -> dict[str, Any] | None:
    """The experiment of this service at a time; None if it had no answers."""
    service = page.service
    try:
        found = summarise(service.database, experiment=service.settings.experiment, window=window, now=at)
    except DatabaseError:
        return None
    content: dict[str, Any] = as_json(found)
    return content if content["experiments"] else None


def runs(page: Page) -> list[dict[str, Any]]:
    """The runs that are served, and those in the same folders, the newest first."""
    served: dict[Path, list[str]] = {}
    for arm in page.service.state.arms:
        served.setdefault(Path(arm.settings.folder).resolve(), []).append(arm.name)
    folders = set(served)
    for parent in {folder.parent for folder in served}:
        folders |= {path.parent for path in parent.glob("*/run.json")}
    ordered = sorted(folders, key=lambda folder: (folder not in served, -_modified(folder)))[:MOST_RUNS]
    return [{**_run(page, folder), "arms": served.get(folder, [])} for folder in ordered]


def report_of(page: Page, name: str, ticket: str) -> bytes | None:
    """The report of a run that `runs` lists; None without a valid ticket."""
    expires, _, signature = ticket.partition(".")
    if not expires.isdigit() or len(expires) > 12 or int(expires) < time.time():
        return None
    if not page.visitors.matches("report", f"{name}.{expires}", signature):
        return None
    folders = {Path(arm.settings.folder).resolve().parent for arm in page.service.state.arms}
    for folder in sorted(folders):
        if any(path.name == name for path in folder.iterdir()) and (folder / name / REPORT).is_file():
            return (folder / name / REPORT).read_bytes()
    return None


def _run(page: Page, folder: Path) -> dict[str, Any]:
    """A run with its verdict."""
    about: dict[str, Any] = {"name": folder.name, "changed": _modified(folder), "verdict": None, "report": None}
    try:
        info = read_json(folder / "run.json") or {}
        result, audit = read_evaluation(folder), read_audit(folder)
    except ShoptalkError as error:
        return {**about, "problem": error.message}
    about["trained"] = bool(info.get("trained"))
    if result is not None:
        view, main = show_verdict(result, audit), main_result(result)
        about["verdict"] = {"kind": view.kind, "symbol": view.symbol, "title": view.title, "sentence": view.sentence}
        if main is not None and main.model.known:
            about["metric"] = {"name": metric_label(main.metric), **as_json(main.model)}
    if (folder / REPORT).is_file():
        expires = str(int(time.time()) + TICKET)
        about["report"] = f"{expires}.{page.visitors.sign('report', f'{folder.name}.{expires}')}"
    return about


def rule_text(rule: Rule) -> dict[str, str]:
    """A rule in words."""
    where = "; ".join(
        f"{name.replace('_', ' ')}: {', '.join(map(str, value)) if isinstance(value, tuple) else value}"
        for name, value in rule.where.model_dump(exclude_defaults=True).items()
    )
    value = getattr(rule, rule.action)
    what = rule.action.replace("_", " ") + ("" if value is True else f" {value:g}")
    return {
        "name": rule.name,
        "what": what if rule.per == "list" else f"{what} per {rule.per}",
        "where": where or "all products",
    }


def _modified(folder: Path) -> float:
    try:
        return (folder / "run.json").stat().st_mtime
    except OSError:
        return 0.0
