"""Events that wait for a reader, and the events of the device's microphone."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any

from .metrics import Metrics

MAX_UPDATES = 4  # that wait for a reader
MAX_EVENTS = 1000  # of other kinds
HISTORY = 100  # events that a reader may ask for again


class Outbox:
    """Messages for one reader. A slow one loses updates, oldest first, and nothing else.

    Args:
        metrics: Counts the lost updates.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._messages: deque[tuple[int, Mapping[str, Any]]] = deque()
        self._change = asyncio.Event()
        self._n_updates = 0
        self.closed = False

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, message: Mapping[str, Any], number: int = 0) -> None:
        """Add a message.

        Args:
            message: The message; an event of kind "update" may be dropped.
            number: Number of the event.
        """
        if message.get("event") == "update":
            if self._n_updates >= MAX_UPDATES:
                self._drop_update()
            self._n_updates += 1
        self._messages.append((number, message))
        if len(self._messages) - self._n_updates > MAX_EVENTS:
            self.closed = True  # the reader asks again for what is missing
        self._change.set()

    async def get(self) -> tuple[int, Mapping[str, Any]] | None:
        """Return the next message and its number; None at the end."""
        while not self._messages:
            if self.closed:
                return None
            self._change.clear()
            await self._change.wait()
        number, message = self._messages.popleft()
        self._n_updates -= message.get("event") == "update"
        return number, message

    def close(self) -> None:
        """End the messages, after those that wait."""
        self.closed = True
        self._change.set()

    def _drop_update(self) -> None:
        for k, (_, message) in enumerate(self._messages):
            if message.get("event") == "update":
                del self._messages[k]
                break
        self._n_updates -= 1
        self._metrics.count("dropped_updates")


class Hub:
    """Passes the events of the device's microphone to all readers; one thread.

    Args:
        metrics: Counts the events.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._readers: set[Outbox] = set()
        self._history: deque[tuple[int, Mapping[str, Any]]] = deque(maxlen=HISTORY)
        self._number = 0
        self._closed = False

    def __len__(self) -> int:
        return len(self._readers)

    def publish(self, row: Mapping[str, Any]) -> None:
        """Pass an event on."""
        self._number += 1
        self._metrics.count("microphone_events", str(row["event"]))
        if row["event"] != "update":
            self._history.append((self._number, row))
        for reader in self._readers:
            reader.put(row, self._number)

    def subscribe(self, last: int | None = None) -> Outbox:
        """Return the messages for a new reader.

        Args:
            last: Number of the last event that it has. Default: only new events.
        """
        outbox = Outbox(self._metrics)
        if last is not None:
            for number, row in self._history:
                if number > last:
                    outbox.put(row, number)
        self._readers.add(outbox)
        if self._closed:
            outbox.close()
        return outbox

    def unsubscribe(self, outbox: Outbox) -> None:
        """Remove a reader."""
        self._readers.discard(outbox)

    def close(self) -> None:
        """End the events of all readers."""
        self._closed = True
        for reader in self._readers:
            reader.close()
