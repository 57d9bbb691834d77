"""The HTTP protocol of uvicorn with deadlines for the headers and a limit of connections."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0  # for the headers of a request
MAX_CONNECTIONS = 256


class GuardedProtocol(H11Protocol):
    """Closes connections whose headers do not arrive, and connections beyond the limit."""

    _deadline: asyncio.TimerHandle | None = None
    _is_stream = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
            return
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        """Process bytes of the client."""
        super().data_received(data)
        if self._is_stream or (self.cycle is not None and not self.cycle.response_complete):
            self._cancel()  # bodies and streams have deadlines of their own
        elif self._deadline is None and not self.transport.is_closing():
            self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection."""
        self._cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Pass the connection on; the stream has a deadline of its own."""
        self._is_stream = True
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._cancel()  # the timeout of idle connections is in effect

    def _expect_headers(self) -> None:
        self._cancel()
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._close)

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close(self) -> None:
        self._deadline = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()
