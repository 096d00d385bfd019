"""Limits on the length of texts of users and sellers, so that a long field cannot fill a prompt; a report of cuts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shoptalk.files import JsonObject

#: Longest text of each field, in characters. It may still be many tokens (program code, rare scripts), which
#: ``prompt.field_tokens`` limits.
LONGEST = {"title": 256, "brand": 60, "categories": 120, "description": 200, "features": 200, "review": 200}


@dataclass(slots=True)
class ShorteningReport:
    """The texts that have been shortened so far.

    Attributes
    ----------
    items
        By field, then by id of the item: the number of characters before the cut.
    questions
        Number of examples and prompts that fitted only with their texts cut further.
    """

    items: dict[str, dict[str, int]] = field(default_factory=dict)
    questions: int = 0

    def add(self, name: str, item_id: str, length: int) -> None:
        """Record that a field of an item with ``length`` characters was cut."""
        lengths = self.items.setdefault(name, {})
        lengths[item_id] = max(length, lengths.get(item_id, 0))

    def as_dict(self) -> JsonObject:
        """By field the number of items with a cut and the longest of them, and the number of ``questions``."""
        fields = {
            name: {"items": len(lengths), "longest": {"item_id": item, "characters": lengths[item]}}
            for name, lengths in sorted(self.items.items())
            for item in [max(sorted(lengths), key=lambda item: lengths[item])]
        }
        return {"fields": fields, "questions": self.questions}


def shorten(text: str, tokens: int, encode: Callable[[str], Sequence[int]]) -> str:
    """The longest beginning of a text with at most ``tokens`` tokens, by bisection; at least one character."""
    if len(encode(text)) <= tokens:
        return text
    low, high = 1, len(text)  # `high` characters are too many
    while high - low > 1:
        middle = (low + high) // 2
        if len(encode(text[:middle])) <= tokens:
            low = middle
        else:
            high = middle
    return text[:low].rstrip()


def shortening_lines(report: JsonObject) -> list[str]:
    """`ShorteningReport.as_dict` as text: a line for each field and one for the questions with cuts."""
    lines = [
        f"{row['items']:,} {name} cut for the prompt, the longest of {row['longest']['item_id']}"
        f" ({row['longest']['characters']:,} characters)"
        for name, row in report["fields"].items()
    ]
    if report["questions"]:
        lines.append(f"{report['questions']:,} examples fitted only with their texts cut further")
    return lines
