"""Chat templates: messages as text, what closes an answer, and a fixed date in place of the clock."""

import json
import re
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from shoptalk.errors import ModelError
from shoptalk.models.loading_errors import first_line

#: The chat format of the nano model, for the style `chat`.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
#: In a saved tokenizer's folder: the date that its chat template writes.
DATE_FILE = "chat_date.json"
#: Stands for an answer when a chat template is rendered to see how it closes one; no template contains it.
ANSWER_MARKER = "x0answer0x"
_HINT = 'choose prompt.style "alpaca", "phi3" or "plain"'


def writes_date(hugging_face: Any) -> bool:
    """Whether the chat template of a tokenizer writes the current date."""
    return "strftime_now" in str(hugging_face.chat_template)


def render_chat(
    hugging_face: Any, messages: list[dict[str, str]], day: date | None, *, add_generation_prompt: bool
) -> str:
    """Messages in the chat template of a tokenizer, with ``day`` (None: today) as the current date.

    Raises
    ------
    ModelError
        When there is no chat template, or it fails.
    """
    if not hugging_face.chat_template:
        raise ModelError("this tokenizer has no chat template", hint=_HINT)
    try:
        template = str(hugging_face.get_chat_template())
        if writes_date(hugging_face):
            template = frozen_clock(day or date.today()) + template
        text = hugging_face.apply_chat_template(
            messages, chat_template=template, tokenize=False, add_generation_prompt=add_generation_prompt
        )
    except Exception as error:  # a template is a program, which can fail in any way
        raise ModelError(f"the chat template cannot be filled in: {first_line(error)}", hint=_HINT) from error
    return str(text)


def answer_end(hugging_face: Any, day: date | None, control: Sequence[str]) -> str | None:
    """The text behind an answer in the chat template, up to and with its first control token.

    Parameters
    ----------
    control
        The texts of control tokens.

    Returns
    -------
    str or None
        None where the template writes no control token behind an answer.

    Raises
    ------
    ModelError
        When there is no chat template, or it does not write the messages of the assistant.
    """
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": ANSWER_MARKER}]
    text = render_chat(hugging_face, messages, day, add_generation_prompt=False)
    _, marker, end = text.rpartition(ANSWER_MARKER)
    if not marker:
        raise ModelError("the chat template does not show what the assistant says", hint=_HINT)
    tokens = sorted((token for token in control if token.strip()), key=len, reverse=True)
    match = re.search("|".join(map(re.escape, tokens)), end)
    return end[: match.end()] if match else None


def frozen_clock(day: date) -> str:
    """A Jinja macro ``strftime_now`` for the template that follows it, with midnight of a given day as the time.

    The clock is replaced inside the template, because the library passes it no functions of the caller.
    """
    midnight = datetime(day.year, day.month, day.day)
    values = {f"%{letter}": midnight.strftime(f"%{letter}") for letter in "aAwdbBmyYHIpMSfjUWcxXGuV"}
    values |= {"%-d": str(day.day), "%-m": str(day.month), "%e": f"{day.day:2}", "%F": day.isoformat()}
    table = json.dumps([["%%", "\0"], *map(list, values.items()), ["\0", "%"]])
    return (
        "{%- macro strftime_now(format) -%}{%- set date = namespace(text=format) -%}"
        f"{{%- for code, value in {table} -%}}"
        "{%- set date.text = date.text | replace(code, value) -%}{%- endfor -%}"
        "{{- date.text -}}{%- endmacro -%}"
    )


def read_date(path: Path) -> date | None:
    """The date in the file of a saved tokenizer; None where there is no file.

    Raises
    ------
    ModelError
        When the file is damaged.
    """
    try:
        return date.fromisoformat(json.loads(path.read_text(encoding="utf-8"))["date"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(
            f"the date of the prompts is damaged: {first_line(error)}", where=str(path), hint="train again"
        ) from error
