"""How timelines are written: as text for people, or in a format of other programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TextIO

from ..inference.prediction import NO_SPEECH
from ..messages import printable
from ..streaming.segments import LabelDurations
from .prediction_output import Format, Writer, confidence_of, csv_row, rounded
from .terminal import LabelColours, bar, clock, columns, is_terminal, wrap_hanging
from .timeline_formats import VTT_HEADER, as_audacity, as_srt, as_vtt

if TYPE_CHECKING:
    from ..streaming.segments import Segment

# Characters of a bar that stand for a probability of 1, and those of the line beside it.
BAR, BESIDE_BAR = 20, 41


class Timelines(Writer):
    """Writes the segments of one recording after the other."""

    def __init__(self, format: Format, file: TextIO, labels: tuple[str, ...]) -> None:
        begin = ""
        if format is Format.csv:
            begin = csv_row(["file", "start", "end", "label", "confidence", *labels])
        elif format is Format.vtt:
            begin = VTT_HEADER + "\n"
        super().__init__(format, file, begin)
        self._paint = LabelColours(labels, file)
        self.shown = is_terminal(file)
        room = columns(file) - BESIDE_BAR if is_terminal(file) else BAR
        self._bar = max(1, min(BAR, room))
        self._name = ""
        self._shares = LabelDurations()
        self._rows: list[dict[str, Any]] = []  # of the recording, for a JSON list
        self._cues = 0

    def begin(self, name: str) -> None:
        """The segments that follow are of the recording `name`."""
        self._name, self._shares, self._rows = name, LabelDurations(), []
        if self._format is Format.text:
            self._write(f"{printable(name)}\n")

    def add(self, segment: Segment) -> None:
        self._shares.add(segment)
        probabilities = rounded(segment.probabilities)
        row: dict[str, Any] = {
            "start": round(segment.start, 3),
            "end": round(segment.end, 3),
            "label": segment.label,
            "confidence": confidence_of(segment),
            "probabilities": probabilities,
        }
        if self._format is Format.text:
            self._write(self._text(segment))
        elif self._format is Format.json:
            self._rows.append(row)
        elif self._format is Format.jsonl:
            text = json.dumps({"file": self._name, **row}, ensure_ascii=self._ascii)
            self._write(text + "\n")
        elif self._format is Format.csv:
            values = list(row.values())[:-1]
            self._write(csv_row([self._name, *values, *probabilities.values()]))
        elif self._format is Format.audacity:
            self._write(as_audacity(segment) + "\n")
        elif segment.label != NO_SPEECH:  # a subtitle where there is something to say
            self._cues += 1
            cue = as_srt(segment, self._cues) if self._format is Format.srt else as_vtt(segment)
            self._write(cue + "\n")

    def end(self, complete: bool = True) -> None:
        """The recording is over, or it broke off and is not `complete`."""
        shares, seconds = self._shares.shares(), self._shares.total()
        if self._format is Format.text:
            each = ", ".join(f"{label} {100 * share:.0f}%" for label, share in shares.items())
            summary = f"  {clock(seconds):>9} {'in all' if complete else 'until it broke off'}: "
            summary += each or "nothing"
            self._write(wrap_hanging(summary, 20, self._file) + "\n")
        elif self._format is Format.json:
            about = {
                "file": self._name,
                "seconds": round(seconds, 3),
                "complete": complete,
                "shares": {label: round(share, 6) for label, share in shares.items()},
                "segments": self._rows,
            }
            self._write(self._list.item(about))
        self.count += 1

    def _text(self, segment: Segment) -> str:
        times = f"  {clock(segment.start):>9}  {clock(segment.end):>9}"
        if confidence_of(segment) is None:
            return f"{times}  {'':{self._bar}}  {segment.label}\n"
        label = self._paint(f"{segment.label:<10}", segment.label)
        confidence = bar(segment.confidence, self._bar, self._file)
        return (
            f"{times}  {self._paint(confidence, segment.label)}  {label} "
            f"{100 * segment.confidence:3.0f}%\n"
        )
