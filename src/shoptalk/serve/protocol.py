"""HTTP connections that do not wait for ever: one that sends its request too slowly is closed."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from shoptalk.serve.settings import Limits


class TimedProtocol(H11Protocol):
    """uvicorn's protocol with a limit on the time from the first byte of a request's head to its last.

    A new connection has the same time to begin. Bodies have their own limit, see `shoptalk.serve.guard`.
    """

    seconds: float = Limits().header_seconds
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Read, and wait on only where the head of a request is incomplete."""
        super().data_received(data)
        if self._reads_head():
            self._expect_head()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """End waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _reads_head(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _expect_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.seconds, self._close_slow)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close_slow(self) -> None:
        self._deadline = None
        if self._reads_head() and not self.transport.is_closing():
            self.transport.close()
