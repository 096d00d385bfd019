"""One request to an OpenAI-compatible endpoint, with every answer of a hostile server as a clear failure."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

from shoptalk.errors import TeacherError, require
from shoptalk.recipe_sections import Teacher
from shoptalk.stages.teacher_cache import Answer

if TYPE_CHECKING:
    from openai import AsyncOpenAI

#: Most bytes of a response, and most tokens that a server can plausibly charge for one request.
LONGEST_RESPONSE, MOST_TOKENS = 1 << 20, 10_000_000
#: Seconds of waiting between retries, at most, in all.
_WAITING = 60.0


class Failed(Exception):
    """A request without an answer; ``kind`` is counted, ``message`` is for the user."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.message = kind, message


def api_key(teacher: Teacher) -> str:
    """The key of the API from the environment; a placeholder for a server without keys.

    Raises
    ------
    TeacherError
        When the variable is not set.
    """
    if not teacher.key_variable:
        return "none"
    key = os.environ.get(teacher.key_variable, "").strip()
    if not key:
        raise TeacherError(
            f"the environment variable {teacher.key_variable} with the key of the API is not set",
            hint='set it, or set teacher.key_variable = "" for a server without keys',
        )
    if not (key.isascii() and key.isprintable()):
        raise TeacherError(f"the environment variable {teacher.key_variable} holds no key of an API")
    return key


def make_client(teacher: Teacher) -> AsyncOpenAI:
    """The official client, with its own retries and back-off."""
    require("openai", "teacher")
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    return AsyncOpenAI(
        api_key=api_key(teacher),
        base_url=teacher.url,
        timeout=teacher.timeout,
        max_retries=teacher.retries,
        default_headers={"Accept-Encoding": "identity"},
        http_client=DefaultAsyncHttpxClient(follow_redirects=False, timeout=teacher.timeout),
    )


def parameters(teacher: Teacher, messages: list[dict[str, str]]) -> dict[str, Any]:
    """Everything that a request sends."""
    sampling = {} if teacher.temperature is None else {"temperature": teacher.temperature}
    return {"model": teacher.model, "messages": messages, teacher.limit: teacher.max_answer_tokens, **sampling}


async def ask(client: AsyncOpenAI, teacher: Teacher, request: dict[str, Any]) -> Answer:
    """The answer to one request.

    Raises
    ------
    Failed
        Where this request has no answer.
    TeacherError
        Where no request would have one: a wrong key, model or address.
    """
    import openai

    try:
        async with asyncio.timeout(teacher.timeout * (teacher.retries + 1) + _WAITING):
            async with client.chat.completions.with_streaming_response.create(**request) as response:
                body = bytearray()
                async for piece in response.iter_bytes():
                    body += piece
                    if len(body) > LONGEST_RESPONSE:
                        raise Failed("huge", f"the response has more than {LONGEST_RESPONSE >> 20} MiB")
    except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
        raise TeacherError(
            f"the teacher refuses: HTTP status {error.status_code}: {_said(error, client.api_key)}",
            where=teacher.url,
            hint=f"check teacher.url, teacher.model and {teacher.key_variable or 'teacher.key_variable'}",
        ) from None
    except openai.APIStatusError as error:
        said = f"HTTP status {error.status_code}: {_said(error, client.api_key)}"
        raise Failed(f"status_{error.status_code}", said) from None
    except (openai.APITimeoutError, TimeoutError):
        raise Failed("timeout", f"no answer within {teacher.timeout:g} seconds") from None
    except openai.APIError as error:
        raise Failed("connection", _clean(f"no connection: {error.__cause__ or error}", client.api_key)) from None
    except Failed:
        raise
    except Exception as error:  # what the HTTP library raises while a body is read, and for headers that are no headers
        raise Failed("connection", _clean(f"{type(error).__name__}: {error}", client.api_key)) from None
    return _answer(bytes(body), request)


def _answer(body: bytes, request: dict[str, Any]) -> Answer:
    """The answer in the body of a response."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise Failed("not_json", "the response is not JSON") from None
    try:
        choice = content["choices"][0]
        text = choice["message"]["content"] or ""
        finish = choice.get("finish_reason")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise Failed("no_answer", "the response holds no choices with a message") from None
    if not isinstance(text, str):
        raise Failed("no_answer", "the message of the response is not a text")
    usage = content.get("usage")
    read, written = (_tokens(usage, name) for name in ("prompt_tokens", "completion_tokens"))
    most = most_tokens(request)
    text = text.encode("utf-8", "replace").decode("utf-8")
    return Answer(text, finish != "length", most[0] if read is None else read, most[1] if written is None else written)


def most_tokens(request: dict[str, Any]) -> tuple[int, int]:
    """Upper bounds of the input and output tokens of a request: a token has at least one byte."""
    limit = request.get("max_tokens") or request.get("max_completion_tokens") or 0
    return sum(len(message["content"].encode("utf-8", "replace")) + 16 for message in request["messages"]), limit


def _tokens(usage: Any, name: str) -> int | None:
    """A number of tokens that the server reports; None where it reports none that is plausible."""
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS else None


def _said(error: Any, key: str) -> str:
    """What a server says about an error: its message, or the beginning of the body."""
    body = error.body if isinstance(error.body, dict) else {}
    message = body.get("message")
    return _clean(message if isinstance(message, str) else str(error), key)


def _clean(text: str, key: str) -> str:
    """The beginning of a server's text in one line of printable characters, without the key of the API."""
    text = text[:2000].replace(key, "[key]") if len(key) > 4 else text[:2000]
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:200]
