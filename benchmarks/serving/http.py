"""A small HTTP/1.1 client over asyncio: one request at a time on a connection that is kept open."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Self

HOST = "127.0.0.1"
#: Largest head of an answer.
_HEAD = 65_536


class Lost(Exception):
    """The connection ended before the answer was complete."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)


def request_bytes(method: str, path: str, body: Any = None) -> bytes:
    """A whole request; ``body`` is sent as JSON."""
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
    if content:
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return head.encode() + b"\r\n" + content


class Connection:
    """A connection to a service on this machine, opened again where it was closed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def ask(self, method: str, path: str, body: Any = None, timeout: float = 30.0) -> Reply:
        """The answer to a request; see `send`."""
        return await self.send(request_bytes(method, path, body), timeout)

    async def send(self, request: bytes, timeout: float = 30.0) -> Reply:
        """The answer to the bytes of a request.

        Raises
        ------
        Lost
            When the connection cannot be opened, or ends, or no answer comes within ``timeout`` seconds. The request
            may have been handled or not.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._exchange(request)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError, TimeoutError) as error:
            self.close()
            raise Lost(type(error).__name__) from error
        except BaseException:
            self.close()
            raise

    async def _exchange(self, request: bytes) -> Reply:
        if self._streams is None:
            self._streams = await asyncio.open_connection(HOST, self.port, limit=_HEAD)
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Reply(int(first.split(" ", 2)[1]), headers, body)
