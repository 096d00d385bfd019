"""Prompts and completions, as TRL reads them: ``{"prompt": "..", "completion": ".."}``.

Both may be texts, or lists of messages. The completion may also be called ``response``, or ``chosen`` as in data of
preferences.
"""

from shoptalk.data.benchmarks import messages
from shoptalk.data.benchmarks.row import BenchmarkRow, text_of, user_and_part
from shoptalk.files import JsonObject

EXAMPLE = '{"prompt": "...", "completion": "..."}'
_COMPLETION_KEYS = ("completion", "response", "chosen")


def matches(row: JsonObject) -> bool:
    """Whether a row has this format."""
    return "prompt" in row and any(key in row for key in _COMPLETION_KEYS)


def read(row: JsonObject, where: str) -> BenchmarkRow:
    """Read a row.

    Raises
    ------
    SourceError
        When the prompt or the completion is neither a text nor a list of messages; with its location.
    """
    completion = next((key for key in _COMPLETION_KEYS if key in row), _COMPLETION_KEYS[0])
    prompt, answer = (
        "\n".join(text for _, text in messages.messages_of(row[key], key, where))
        if isinstance(row.get(key), list)
        else text_of(row, key, where, EXAMPLE)
        for key in ("prompt", completion)
    )
    return BenchmarkRow(where, prompt, answer, **user_and_part(row, where))
