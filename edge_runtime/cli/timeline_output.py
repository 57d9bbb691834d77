"""Writers of timelines: text for people, and the choice of a format."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TextIO

from ..inference.prediction import UNCERTAIN
from ..messages import clock, printable
from ..results.rows import answer_text, confidence_of
from ..results.summary_text import summary_lines
from ..results.timelines import Channel, TimelineWriter, timeline_file_writer
from ..results.writer import OutputFormat
from .terminal import (
    LabelColours,
    arousal_text,
    bar,
    clock_of_day,
    columns,
    long_clock,
    wrap_hanging,
)

if TYPE_CHECKING:
    from ..streaming.segments import Segment
    from ..streaming.summary import RecordingSummary

# Characters of a bar for probability 1, of a time, of the gaps in a line, and of the arousal.
BAR_WIDTH, TIME_WIDTH, GAPS_WIDTH, AROUSAL_WIDTH = 20, 10, 8, 14


class TextTimelineWriter(TimelineWriter):
    """One line per segment and a summary, for people; with bars and colours on a terminal only.

    Args:
        file: The text file.
        labels: Labels of the model.
        has_arousal: True if the segments of speech have an arousal, for which there must be room.
        summary_only: Write no segments.
    """

    def __init__(
        self,
        file: TextIO,
        labels: tuple[str, ...],
        *,
        has_arousal: bool = False,
        summary_only: bool = False,
    ) -> None:
        super().__init__(file)
        self._summary_only = summary_only
        self._colour = LabelColours(labels, file)
        self._answer_width = max(len(f"{UNCERTAIN} ({label}?)") for label in labels)
        room = columns(file) - 2 * TIME_WIDTH - GAPS_WIDTH - self._answer_width
        if has_arousal:
            room -= AROUSAL_WIDTH
        self._bar_width = max(1, min(BAR_WIDTH, room))

    def begin(
        self, name: str, channel: Channel | None = None, start_time: datetime | None = None
    ) -> None:
        """Write the name of the recording."""
        super().begin(name, channel, start_time)
        time = None if start_time is None else start_time.isoformat(" ", "seconds")
        parts = [name, *filter(None, (self.channel_name, time))]
        self._write(f"{', '.join(map(printable, parts))}\n")

    def _add(self, segment: Segment) -> None:
        if self._summary_only:
            return
        times = [self._time(seconds) for seconds in (segment.start, segment.end)]
        answer = answer_text(segment)
        if confidence_of(segment) is not None:
            percent = f"{100 * segment.confidence:3.0f}%"
            answer = f"{answer:<{self._answer_width - len(percent) - 1}} {percent}"
        arousal = arousal_text(segment.arousal)
        if arousal:
            answer = f"{answer:<{self._answer_width}}"
        if not self.on_terminal:
            self._write(f"{'  '.join([*times, answer])}{arousal}\n")
            return
        confidence = " " * self._bar_width
        if confidence_of(segment) is not None:
            confidence = bar(segment.confidence, self._bar_width, self._file)
        times = [f"  {time:>{TIME_WIDTH}}" for time in times]
        self._write(
            f"{''.join(times)}  {self._colour(confidence, segment.label)}  "
            f"{self._colour(answer, segment.label)}{arousal}\n"
        )

    def _end(self, summary: RecordingSummary, complete: bool) -> None:
        for line in summary_lines(summary, complete):
            indent = "  " if self.on_terminal else ""
            self._write(wrap_hanging(f"{indent}{line}", 4, self._file) + "\n")

    def _time(self, seconds: float) -> str:
        """Return a time: of the clock, or from the start; of one length in a file."""
        if self.start_time is None:
            return clock(seconds) if self.on_terminal else long_clock(seconds)
        return clock_of_day(self.start_time, seconds)


def timeline_writer(
    format: OutputFormat,
    file: TextIO,
    labels: tuple[str, ...],
    *,
    has_arousal: bool = False,
    has_times: bool = False,
    summary_only: bool = False,
) -> TimelineWriter:
    """Return the writer of a format.

    Args:
        format: Any format.
        file: The text file.
        labels: Labels of the model.
        has_arousal: True if the model predicts the arousal.
        has_times: Recordings are begun with a clock time.
        summary_only: Write no segments, in text.
    """
    if format is OutputFormat.text:
        return TextTimelineWriter(file, labels, has_arousal=has_arousal, summary_only=summary_only)
    return timeline_file_writer(format, file, labels, has_times=has_times)
