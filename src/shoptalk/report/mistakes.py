"""What goes wrong, by the error analysis: groups with their examples, words that pull, shorter histories."""

from typing import Any

#: Where ``metrics.json`` holds error analyses: of what a run is judged by, and of options where that is rankings.
EXAMS = ("errors", "option_errors")
#: Smaller shares would be told as 0.000.
SHOWN = 0.0005


def mistakes(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Every error analysis as the page shows it: groups the largest first, options marked as right and chosen."""
    return [_exam(metrics[name]) for name in EXAMS if metrics.get(name)]


def mistake_bars(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows for ``bars.draw_bars``: each group's share of the wrong answers; grey where it may be chance."""
    return [
        {
            "name": str(group["title"]),
            "kind": "model" if group["beyond"] else "baseline",
            **{key: group.get(key) for key in ("value", "low", "high", "reference")},
        }
        for group in groups
    ]


def _exam(errors: dict[str, Any]) -> dict[str, Any]:
    groups = sorted((_group(group) for group in errors.get("groups", [])), key=lambda group: -(group["value"] or 0))
    return {
        "what": errors.get("what", "options"),
        "says": errors.get("says", ""),
        "cases": errors.get("cases"),
        "wrong": errors.get("wrong"),
        "groups": [group for group in groups if (group["value"] or 0) >= SHOWN],
        "empty": [str(group["title"]) for group in groups if (group["value"] or 0) < SHOWN],
        "words": errors.get("words", []),
        "what_if": [{**case, "steps": [_step(step) for step in case.get("steps", [])]}
                    for case in errors.get("what_if", [])],
    }  # fmt: skip


def _group(group: dict[str, Any]) -> dict[str, Any]:
    """A group with whether it is clearly ``beyond`` its reference; True too where there is none."""
    low = (group.get("excess") or {}).get("low")
    return {
        **group,
        "reference": group.get("reference"),
        "beyond": low is None or low > 0,
        "examples": [_example(example) for example in group.get("examples", [])],
    }


def _example(example: dict[str, Any]) -> dict[str, Any]:
    """An example whose options are rows of ``title``, ``score``, ``right``, ``chosen``."""
    options, scores = example.get("options", []), example.get("scores") or []
    rows = [
        {
            "title": title,
            "score": scores[place] if place < len(scores) else None,
            "right": place == example.get("answer"),
            "chosen": place == example.get("chosen"),
        }
        for place, title in enumerate(options)
    ]
    return {"user": example.get("user", ""), "history": example.get("history", []), "why": example.get("why", ""),
            "rows": rows}  # fmt: skip


def _step(step: dict[str, Any]) -> dict[str, Any]:
    """A step with its figure in words: how likely the right one was then, or where it stood."""
    if step.get("probability") is not None:
        figure = f"{step['probability']:.3f}"
    else:
        figure = "not listed" if step.get("rank") is None else f"rank {step['rank']}"
    return {"removed": step.get("removed"), "answer": step.get("answer"), "figure": figure}
