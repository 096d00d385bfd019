"""Conversations: ``{"messages": [{"role": "user", "content": ".."}, {"role": "assistant", "content": ".."}]}``.

The answer is the last message, which must be of the assistant; the prompt is everything before it. ShareGPT's
``{"conversations": [{"from": "human", "value": ".."}, {"from": "gpt", "value": ".."}]}`` is read as well.
"""

from typing import Any

from shoptalk.data.benchmarks.row import BenchmarkRow, user_and_part
from shoptalk.errors import SourceError
from shoptalk.files import JsonObject

EXAMPLE = '{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}'
_KEYS = ("messages", "conversations")
_ANSWERING = ("assistant", "gpt", "model", "bot")


def matches(row: JsonObject) -> bool:
    """Whether a row has this format."""
    return any(key in row for key in _KEYS)


def read(row: JsonObject, where: str) -> BenchmarkRow:
    """Read a row.

    Raises
    ------
    SourceError
        When the messages are not a conversation that ends with an answer; with its location.
    """
    key = next((key for key in _KEYS if key in row), _KEYS[0])
    conversation = messages_of(row.get(key), key, where)
    if len(conversation) < 2 or conversation[-1][0] not in _ANSWERING:
        raise SourceError(
            f'"{key}" must end with a message of the assistant, after one of the user',
            where=where,
            hint=f"write rows like {EXAMPLE}",
        )
    prompt = "\n".join(text for _, text in conversation[:-1])
    return BenchmarkRow(where, prompt, conversation[-1][1], **user_and_part(row, where))


def messages_of(value: Any, key: str, where: str) -> list[tuple[str, str]]:
    """Role and text of each message.

    Raises
    ------
    SourceError
        When the value is not a list of messages; with its location.
    """
    messages = []
    for message in value if isinstance(value, list) else [None]:
        fields = message if isinstance(message, dict) else {}
        role, text = fields.get("role", fields.get("from")), fields.get("content", fields.get("value"))
        if not isinstance(role, str) or not isinstance(text, str):
            raise SourceError(
                f'"{key}" must be a list of messages, each with a role and a text',
                where=where,
                hint=f"write rows like {EXAMPLE}",
            )
        messages.append((role.casefold(), text))
    return messages
