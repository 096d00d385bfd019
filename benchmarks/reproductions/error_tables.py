"""Tables of the error analysis of a run, as its ``metrics.json`` holds it."""

from typing import Any

#: Largest number of words that pull, and of kinds of errors with an example.
WORDS, EXAMPLES = 8, 3


def error_section(what: str, analysis: dict[str, Any]) -> str:
    """What is wrong in the answers of a run: the kinds of errors, words that pull, and examples.

    Parameters
    ----------
    what
        The run, as tables call it.
    analysis
        ``errors`` of its ``metrics.json``.
    """
    head = f"Error analysis of *{what}* ({analysis['wrong']:,} of {analysis['cases']:,} answers are wrong). "
    lines = [
        head + analysis["says"],
        "",
        "| wrong answers | share | reference | more than the reference |",
        "|---|---|---|---|",
    ]
    groups = sorted(analysis["groups"], key=lambda group: -group["value"])
    lines += [_row(group) for group in groups]
    pulling = [word for word in analysis["words"] if word["low"] > 1][:WORDS]
    shown = ", ".join(f"*{word['word']}* ({word['pull']:.1f} times as often as by chance)" for word in pulling)
    lines += ["", f"Words of wrong options that are chosen too often: {shown or 'none beyond chance'}."]
    examples = [_example(group) for group in groups if group["examples"]][:EXAMPLES]
    return "\n".join([*lines, *(["", *examples] if examples else [])])


def _row(group: dict[str, Any]) -> str:
    """One kind of errors; in the last column the excess with its interval."""
    reference = "" if group["reference"] is None else f"{group['reference']:.3f}"
    excess = group["excess"]
    more = "" if excess["value"] is None else f"{excess['value']:+.3f} [{excess['low']:+.3f}, {excess['high']:+.3f}]"
    share = f"{group['value']:.3f} [{group['low']:.3f}, {group['high']:.3f}]"
    return f"| {group['title']} | {share} | {reference} | {more} |"


def _example(group: dict[str, Any]) -> str:
    """The most typical example of a kind, as an item of a list."""
    example = group["examples"][0]
    history = "; ".join(example["history"])
    chosen, right = (example["options"][example[key]] for key in ("chosen", "answer"))
    return f"- {group['title']}: bought *{history}*; chosen *{chosen}*, right *{right}* ({example['why']})."
