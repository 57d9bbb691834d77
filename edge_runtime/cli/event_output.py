"""Writers of live events: JSON lines for programs; for people, text lines below a live one."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Protocol

from ..inference.prediction import NO_SPEECH
from ..messages import clock
from ..results.rows import answer_text, event_row
from .terminal import LabelColours, arousal_text, bar, can_hold, clock_of_day, percentages

if TYPE_CHECKING:
    from ..inference.prediction import Prediction
    from ..streaming.listen_events import ListenEvent
    from .clock_times import StreamClock

REDRAW_SECONDS = 0.1
MIN_DBFS = -60.0  # left end of the level meter
METER_WIDTH = 10  # characters


class EventWriter(Protocol):
    """Writes the events of a listener to stdout."""

    def add(self, event: ListenEvent, shown: bool = True) -> None:
        """Write an event.

        Args:
            event: The event.
            shown: False for an utterance that people do not need to see.
        """

    def show_level(self, seconds: float, level: float) -> None:
        """Show the progress.

        Args:
            seconds: Audio processed so far.
            level: Level of its last 0.1 s in dBFS.
        """

    def close(self) -> None:
        """End the output."""


class JsonEventWriter:
    """One JSON object per event and line.

    Args:
        updates: Write events of kind "update", too.
        clock: Clock time of the stream.
    """

    def __init__(self, updates: bool, clock: StreamClock) -> None:
        self._updates = updates
        self._clock = clock

    def add(self, event: ListenEvent, shown: bool = True) -> None:
        """Write an event, shown or not: every start has its end."""
        if event.kind == "update" and not self._updates:
            return
        row = event_row(event, self._clock.start_time)
        print(json.dumps(row, ensure_ascii=False), flush=True)

    def show_level(self, seconds: float, level: float) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class TextEventWriter:
    """One line per utterance; on a terminal, a live line below them.

    Args:
        labels: Labels of the model.
        clock: Clock time of the stream.
    """

    def __init__(self, labels: tuple[str, ...], clock: StreamClock) -> None:
        self._clock = clock
        self._live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._colour = LabelColours(labels, sys.stdout)
        self._dash = "–" if can_hold("–", sys.stdout) else "-"
        self._current: Prediction | None = None
        self._drawn = -math.inf  # when the live line was drawn

    def add(self, event: ListenEvent, shown: bool = True) -> None:
        """Print an utterance at its end, or lost audio."""
        if event.kind in ("start", "update"):
            self._current = event.prediction
            self._drawn = -math.inf
            return
        period = f"{self._time(event.start)} {self._dash} {self._time(event.end)}"
        if event.prediction is None:
            self._print(f"{period}  {event.end - event.start:.2f} s of audio were lost")
            return
        self._current = None
        self._drawn = -math.inf
        if not shown:
            return
        label, text = event.prediction.label, answer_text(event.prediction)
        if label == NO_SPEECH:  # probabilities mean nothing without speech
            self._print(f"{period}  {label}")
            return
        shares = percentages(event.prediction.probabilities)
        arousal = arousal_text(event.prediction.arousal)
        self._print(f"{period}  {self._colour(f'{text:<9}', label)}  ({shares}){arousal}")

    def show_level(self, seconds: float, level: float) -> None:
        """Redraw the live line, at most every `REDRAW_SECONDS`."""
        if not self._live or time.monotonic() - self._drawn < REDRAW_SECONDS:
            return
        self._drawn = time.monotonic()
        meter = bar((level - MIN_DBFS) / -MIN_DBFS, METER_WIDTH, sys.stdout)
        head = f"{self._time(seconds)}  {meter}  "
        label, tail = "", "listening"
        if self._current is not None:
            label = f"{self._current.label:<9}"
            confidence = bar(self._current.confidence, METER_WIDTH, sys.stdout)
            shares = percentages(self._current.probabilities)
            tail = f" {confidence}  {shares}{arousal_text(self._current.arousal)}"
        room = shutil.get_terminal_size().columns - 1  # a full line would wrap
        head = head[:room]
        label = label[: room - len(head)]
        tail = tail[: room - len(head) - len(label)]
        if self._current is not None:
            label = self._colour(label, self._current.label)
        sys.stdout.write(f"\r{head}{label}{tail}\x1b[K")
        sys.stdout.flush()

    def close(self) -> None:
        """Clear the live line."""
        if self._live:
            sys.stdout.write("\r\x1b[K")
            sys.stdout.flush()

    def _time(self, seconds: float) -> str:
        """Return the time of the clock, or from the start of the stream."""
        start_time = self._clock.start_time
        return clock(seconds) if start_time is None else clock_of_day(start_time, seconds)

    def _print(self, line: str) -> None:
        print(f"\r\x1b[K{line}" if self._live else line, flush=True)
        self._drawn = -math.inf
