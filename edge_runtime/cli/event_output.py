"""How the events of a listener are printed: lines of JSON, or lines and a live one for people."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

from .prediction_output import confidence_of, rounded
from .terminal import LabelColours, bar, can_hold, clock, percentages

if TYPE_CHECKING:
    from ..inference.prediction import Prediction
    from ..streaming.listener import ListenEvent

REDRAW_SECONDS = 0.1
MIN_DBFS = -60.0  # the left end of the level meter
METER = 10  # characters of a bar


class JsonLines:
    """One object a line for each event, at once."""

    def __init__(self, updates: bool) -> None:
        self._updates = updates

    def event(self, event: ListenEvent, shown: bool = True) -> None:
        """Every event, whether people want it `shown` or not: each start has its end."""
        if event.kind == "update" and not self._updates:
            return
        row: dict[str, object] = {
            "event": event.kind,
            "start": round(event.start, 3),
            "end": round(event.end, 3),
        }
        if event.prediction is None:
            row["seconds"] = round(event.end - event.start, 3)
        else:
            row["label"] = event.prediction.label
            row["confidence"] = confidence_of(event.prediction)
            row["probabilities"] = rounded(event.prediction.probabilities)
        print(json.dumps(row, ensure_ascii=False), flush=True)

    def heard(self, seconds: float, level: float) -> None:
        """So much was heard, and its last 0.1 s were `level` dBFS loud."""

    def close(self) -> None:
        """No more events come."""


class TextLines:
    """A line for each utterance; on a terminal, below them, one of what is going on."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self._live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._paint = LabelColours(labels, sys.stdout)
        self._dash = "–" if can_hold("–", sys.stdout) else "-"
        self._now: Prediction | None = None
        self._drawn = -math.inf  # when the live line was drawn

    def event(self, event: ListenEvent, shown: bool = True) -> None:
        if event.kind in ("start", "update"):
            self._now = event.prediction
            self._drawn = -math.inf
            return
        when = f"{clock(event.start)} {self._dash} {clock(event.end)}"
        if event.prediction is None:
            self._print(f"{when}  {event.end - event.start:.2f} s of audio were lost")
            return
        self._now = None
        self._drawn = -math.inf
        if not shown:
            return
        label, each = event.prediction.label, percentages(event.prediction.probabilities)
        self._print(f"{when}  {self._paint(f'{label:<9}', label)}  ({each})")

    def heard(self, seconds: float, level: float) -> None:
        """So much was heard, and its last 0.1 s were `level` dBFS loud."""
        if not self._live or time.monotonic() - self._drawn < REDRAW_SECONDS:
            return
        self._drawn = time.monotonic()
        loud = bar((level - MIN_DBFS) / -MIN_DBFS, METER, sys.stdout)
        head = f"{clock(seconds)}  {loud}  "
        label, tail = "", "listening"
        if self._now is not None:
            label = f"{self._now.label:<9}"
            meter = bar(self._now.confidence, METER, sys.stdout)
            tail = f" {meter}  {percentages(self._now.probabilities)}"
        room = shutil.get_terminal_size().columns - 1  # a full line would wrap
        head = head[:room]
        label = label[: room - len(head)]
        tail = tail[: room - len(head) - len(label)]
        if self._now is not None:
            label = self._paint(label, self._now.label)
        sys.stdout.write(f"\r{head}{label}{tail}\x1b[K")
        sys.stdout.flush()

    def close(self) -> None:
        """No more events come."""
        if self._live:
            sys.stdout.write("\r\x1b[K")
            sys.stdout.flush()

    def _print(self, line: str) -> None:
        print(f"\r\x1b[K{line}" if self._live else line, flush=True)
        self._drawn = -math.inf
