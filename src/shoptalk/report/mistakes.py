"""What goes wrong, by the error analysis: groups with their examples, words that pull, shorter histories."""

from typing import Any


def mistake_bars(errors: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows for ``bars.draw_bars``: each group's share of the wrong answers, the largest first."""
    rows = [
        {"name": str(group["title"]), "kind": "model", **{key: group[key] for key in ("value", "low", "high")},
         "reference": group.get("reference")}
        for group in errors.get("groups", [])
        if group.get("value") is not None
    ]  # fmt: skip
    return sorted(rows, key=lambda row: -row["value"])


def mistakes(errors: dict[str, Any]) -> dict[str, Any]:
    """The error analysis as the page shows it: groups the largest first, and options with what they are."""
    groups = sorted(errors.get("groups", []), key=lambda group: -(group.get("value") or 0))
    return {
        "what": errors.get("what", "options"),
        "cases": errors.get("cases"),
        "wrong": errors.get("wrong"),
        "groups": [
            {**group, "reference": group.get("reference"), "examples": [_example(e) for e in group.get("examples", [])]}
            for group in groups
        ],
        "words": errors.get("words", []),
        "what_if": [{**case, "steps": [_step(step) for step in case.get("steps", [])]}
                    for case in errors.get("what_if", [])],
    }  # fmt: skip


def _example(example: dict[str, Any]) -> dict[str, Any]:
    """An example whose options are rows of ``place``, ``title``, ``score``, ``right``, ``chosen``."""
    options, scores = example.get("options", []), example.get("scores") or []
    rows = [
        {
            "place": place + 1,
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
