"""Writers of timelines: text for people, and the choice of a format."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from ..messages import printable
from ..results.rows import confidence_of
from ..results.timelines import TimelineWriter, timeline_file_writer
from ..results.writer import OutputFormat
from ..streaming.segments import LabelDurations
from .terminal import LabelColours, arousal_text, bar, clock, columns, wrap_hanging

if TYPE_CHECKING:
    from ..streaming.segments import Segment

# Characters of a bar for probability 1, of the rest of its line, and of the arousal after it.
BAR_WIDTH, TEXT_WIDTH, AROUSAL_WIDTH = 20, 41, 14


class TextTimelineWriter(TimelineWriter):
    """One line per segment and a summary, for people.

    Args:
        file: The text file.
        labels: Labels of the model.
        has_arousal: True if the segments of speech have an arousal, for which there must be room.
    """

    def __init__(self, file: TextIO, labels: tuple[str, ...], *, has_arousal: bool = False) -> None:
        super().__init__(file)
        self._colour = LabelColours(labels, file)
        room = columns(file) - TEXT_WIDTH if self.on_terminal else BAR_WIDTH
        if has_arousal and self.on_terminal:
            room -= AROUSAL_WIDTH
        self._bar_width = max(1, min(BAR_WIDTH, room))
        self._durations = LabelDurations()

    def begin(self, name: str) -> None:
        """Write the name of the recording."""
        super().begin(name)
        self._durations = LabelDurations()
        self._write(f"{printable(name)}\n")

    def add(self, segment: Segment) -> None:
        """Write the line of a segment."""
        self._durations.add(segment)
        times = f"  {clock(segment.start):>9}  {clock(segment.end):>9}"
        if confidence_of(segment) is None:
            # The confidence is missing, so that the arousal stays in its column.
            label = f"{segment.label:<15}" if segment.arousal is not None else segment.label
            arousal = arousal_text(segment.arousal)
            self._write(f"{times}  {'':{self._bar_width}}  {label}{arousal}\n")
            return
        confidence = bar(segment.confidence, self._bar_width, self._file)
        self._write(
            f"{times}  {self._colour(confidence, segment.label)}  "
            f"{self._colour(f'{segment.label:<10}', segment.label)} "
            f"{100 * segment.confidence:3.0f}%{arousal_text(segment.arousal)}\n"
        )

    def end(self, complete: bool = True) -> None:
        """Write the share of each label."""
        shares = self._durations.shares().items()
        summary = ", ".join(f"{label} {100 * share:.0f}%" for label, share in shares)
        period = "in all" if complete else "until it broke off"
        line = f"  {clock(self._durations.total()):>9} {period}: {summary or 'nothing'}"
        self._write(wrap_hanging(line, 20, self._file) + "\n")
        super().end(complete)


def timeline_writer(
    format: OutputFormat, file: TextIO, labels: tuple[str, ...], *, has_arousal: bool = False
) -> TimelineWriter:
    """Return the writer of a format.

    Args:
        format: Any format.
        file: The text file.
        labels: Labels of the model.
        has_arousal: True if the model predicts the arousal.
    """
    if format is OutputFormat.text:
        return TextTimelineWriter(file, labels, has_arousal=has_arousal)
    return timeline_file_writer(format, file, labels)
