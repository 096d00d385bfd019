"""Texts of users and sellers at most so long: one field must not push the rest out of a prompt, whatever is in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shoptalk.files import JsonObject

#: Longest text of one field, in characters. What is left may still be many tokens (page script, rare scripts), so that
#: ``prompt.field_tokens`` bounds these as well.
LONGEST = {"title": 256, "brand": 60, "categories": 120, "description": 200, "review": 200}


@dataclass(slots=True)
class ShorteningReport:
    """What has been shortened so far.

    Attributes
    ----------
    items
        For each field, the items (for reviews: of whom) whose text was cut, each with the characters it had.
    questions
        How many examples and prompts fitted only with their texts cut further.
    """

    items: dict[str, dict[str, int]] = field(default_factory=dict)
    questions: int = 0

    def add(self, name: str, item_id: str, length: int) -> None:
        """A field of an item was cut, which had so many characters."""
        lengths = self.items.setdefault(name, {})
        lengths[item_id] = max(length, lengths.get(item_id, 0))

    def as_dict(self) -> JsonObject:
        """How many items lost text in each field, the longest of each, and how many questions needed more than that."""
        fields = {
            name: {"items": len(lengths), "longest": {"item_id": item, "characters": lengths[item]}}
            for name, lengths in sorted(self.items.items())
            for item in [max(sorted(lengths), key=lambda item: lengths[item])]
        }
        return {"fields": fields, "questions": self.questions}


def shorten(text: str, tokens: int, encode: Callable[[str], Sequence[int]]) -> str:
    """The longest beginning of a text (found by bisection) with at most so many tokens; never less than a character."""
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
    """What `ShorteningReport.as_dict` says, a line for each field and one for the questions; none for nothing cut."""
    lines = [
        f"{row['items']:,} {name} cut for the prompt, the longest of {row['longest']['item_id']}"
        f" ({row['longest']['characters']:,} characters)"
        for name, row in report["fields"].items()
    ]
    if report["questions"]:
        lines.append(f"{report['questions']:,} examples fitted only with their texts cut further")
    return lines
