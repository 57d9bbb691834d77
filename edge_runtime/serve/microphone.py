"""The device's own microphone: a thread that listens and passes events on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from ..audio.pcm import mono
from ..errors import EdgeSerError
from ..messages import printable
from ..results.events import NoiseFilter
from ..results.rows import event_row

if TYPE_CHECKING:
    from ..audio.read import Block
    from ..streaming.listen_events import ListenEvent
    from ..streaming.listener import Listener

RETRY_SECONDS = 10.0  # after an error, such as a microphone that was unplugged
STOP_SECONDS = 2.0  # for the last events


class Source(Protocol):
    """An open microphone: blocks of samples, without end."""

    sample_rate: float

    def __iter__(self) -> Any:
        """Yield the blocks."""


class Publisher(Protocol):
    """Publishes events elsewhere, such as an MQTT broker."""

    def add(self, row: Mapping[str, Any]) -> None:
        """Publish an event."""

    def show_level(self, level: float) -> None:
        """Publish the level in dBFS."""

    def is_muted(self) -> bool:
        """Return True while the audio must be discarded."""


class MicrophoneThread(threading.Thread):
    """Listens until it is stopped; an error is reported, and the microphone opened again.

    Args:
        open_source: Opens the microphone.
        new_listener: Creates a listener for a sample rate.
        channel: Channel to use, counted from 1; None for the mean of all.
        publish: Called with each event, in this thread.
        report: Called with each error, for people.
        publisher: Publishes the events elsewhere, too.

    Attributes:
        error: The error of the last attempt to listen; None while it works.
    """

    def __init__(
        self,
        open_source: Callable[[], AbstractContextManager[Any]],
        new_listener: Callable[[float], Listener],
        channel: int | None,
        publish: Callable[[dict[str, Any]], None],
        report: Callable[[str], None],
        publisher: Publisher | None = None,
    ) -> None:
        super().__init__(name="edge-ser-microphone", daemon=True)
        self.error: str | None = None
        self._open, self._new_listener, self._channel = open_source, new_listener, channel
        self._publish, self._report, self._publisher = publish, report, publisher
        self._stop_requested = threading.Event()
        self._filter = NoiseFilter()

    def run(self) -> None:
        """Listen until `stop` is called."""
        while not self._stop_requested.is_set():
            try:
                with self._open() as source:
                    self._listen(source, source.sample_rate)
            except EdgeSerError as error:
                message = printable(str(error))
                if message != self.error:
                    self._report(message)
                self.error = message
            except Exception as error:  # of a driver; the server goes on
                self.error = f"microphone: {type(error).__name__}"
                self._report(self.error)
            self._stop_requested.wait(RETRY_SECONDS)

    def stop(self) -> None:
        """End the utterance in progress, and the thread."""
        self._stop_requested.set()
        if self.ident is not None:
            self.join(STOP_SECONDS)

    def _listen(self, source: Iterable[Block], sample_rate: float) -> None:
        listener = self._new_listener(sample_rate)
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: self._emit(listener.flush()))
            for block in source:
                self.error = None
                if self._stop_requested.is_set():
                    return
                if block.lost:
                    self._emit(listener.skip(block.lost))
                samples = mono(block.samples, self._channel)
                if self._publisher is not None and self._publisher.is_muted():
                    events = listener.skip(len(samples) / listener.sample_rate)
                    self._emit([event for event in events if event.kind != "overrun"])
                    continue
                self._emit(listener.push(samples))
                if self._publisher is not None:
                    self._publisher.show_level(listener.level)

    def _emit(self, events: list[ListenEvent]) -> None:
        for event in self._filter.select(events):
            row = event_row(event)
            if self._publisher is not None:
                self._publisher.add(row)
            self._publish(row)
