"""Writers of timelines in formats that other programs read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from ..inference.prediction import NO_SPEECH
from ..streaming.summary import summarise
from .rows import (
    answer_columns,
    answer_values,
    clock_time,
    period_row,
    segment_row,
    summary_columns,
    summary_row,
    summary_values,
)
from .segment_formats import VTT_HEADER, as_audacity, as_rttm, as_srt, as_textgrid, as_vtt
from .summary_text import summary_lines
from .writer import JsonList, OutputFormat, Writer, csv_row

if TYPE_CHECKING:
    from datetime import datetime

    from ..streaming.segments import Segment
    from ..streaming.summary import RecordingSummary

# Kinds of rows in formats with one row per segment.
SEGMENT, SUMMARY = "segment", "summary"

SIDES = ("left", "right")
MONO = "mono"


class Channel(NamedTuple):
    """A channel of a recording.

    Attributes:
        name: Its name, such as "left".
        number: Its number, counted from 1.
    """

    name: str
    number: int


def default_names(n_channels: int) -> list[str]:
    """Return the names of the channels of a recording."""
    if n_channels == 1:
        return [MONO]
    if n_channels == len(SIDES):
        return list(SIDES)
    return [f"channel {number}" for number in range(1, n_channels + 1)]


class TimelineWriter(Writer):
    """Base of the writers of segments, one recording after the other.

    Args:
        file: The text file.
        header: Text before the first recording.

    Attributes:
        on_terminal: True if a progress bar shares the terminal with the segments.
        name: Name of the recording.
        channel: Its channel; None for the mean of all.
        start_time: Clock time of its start; None for times from its start only.
        segments: Its segments so far.
    """

    def __init__(self, file: TextIO, header: str = "") -> None:
        super().__init__(file, header)
        self.on_terminal = file.isatty()
        self.name = ""
        self.channel: Channel | None = None
        self.start_time: datetime | None = None
        self.segments: list[Segment] = []

    def begin(
        self, name: str, channel: Channel | None = None, start_time: datetime | None = None
    ) -> None:
        """Begin a recording.

        Args:
            name: Its name.
            channel: Its channel. Default: the mean of all.
            start_time: Clock time of its start, for clock times in addition.
        """
        self.name, self.channel, self.start_time = name, channel, start_time
        self.segments = []

    @property
    def channel_name(self) -> str | None:
        """Name of the channel; None for the mean of all."""
        return None if self.channel is None else self.channel.name

    def add(self, segment: Segment) -> None:
        """Write the next segment of the recording."""
        self.segments.append(segment)
        self._add(segment)

    def end(self, complete: bool = True) -> RecordingSummary:
        """End the recording, and return its summary.

        Args:
            complete: False if it could not be read to its end.
        """
        summary = summarise(self.segments)
        self._end(summary, complete)
        self.count += 1
        return summary

    def _add(self, segment: Segment) -> None:
        raise NotImplementedError

    def _end(self, summary: RecordingSummary, complete: bool) -> None:
        """Write the summary."""


class JsonTimelineWriter(TimelineWriter):
    """One JSON list with an object per recording.

    Args:
        file: The text file.
    """

    def __init__(self, file: TextIO) -> None:
        self._list = JsonList(file)
        super().__init__(file, self._list.begin)

    def _add(self, segment: Segment) -> None:
        """Do nothing: the object is written as a whole."""

    def _end(self, summary: RecordingSummary, complete: bool) -> None:
        rows = [segment_row(segment, self.start_time) for segment in self.segments]
        self._write(self._list.item({**recording_row(self, summary, complete), "segments": rows}))

    def _footer(self) -> str:
        return self._list.end()


class JsonLinesTimelineWriter(TimelineWriter):
    """One JSON object per line: each segment, and then the summary of the recording."""

    def _add(self, segment: Segment) -> None:
        names = {"row": SEGMENT, "file": self.name, "channel": self.channel_name}
        self._write(self._json_line({**names, **segment_row(segment, self.start_time)}))

    def _end(self, summary: RecordingSummary, complete: bool) -> None:
        self._write(self._json_line({"row": SUMMARY, **recording_row(self, summary, complete)}))


class CsvTimelineWriter(TimelineWriter):
    """A header, one row per segment, and one row per recording with its summary.

    Args:
        file: The text file.
        labels: Labels of the model.
        has_times: Add columns for clock times.
    """

    def __init__(self, file: TextIO, labels: tuple[str, ...], *, has_times: bool = False) -> None:
        period = ["start", "end", *(("start_time", "end_time") if has_times else ())]
        answer, summary = answer_columns(labels), summary_columns(labels)
        self._labels = labels
        self._n_period, self._n_answer, self._n_summary = map(len, (period, answer, summary))
        header = ["row", "file", "channel", *period, *answer, "complete", *summary]
        super().__init__(file, csv_row(header))

    def _add(self, segment: Segment) -> None:
        values = [*answer_values(segment), *[None] * (1 + self._n_summary)]
        self._write_row(SEGMENT, segment.start, segment.end, values)

    def _end(self, summary: RecordingSummary, complete: bool) -> None:
        values = [*[None] * self._n_answer, str(complete).lower()]
        values += summary_values(summary, self._labels)
        self._write_row(SUMMARY, 0.0, summary.seconds, values)

    def _write_row(self, kind: str, start: float, end: float, values: list[Any]) -> None:
        period = list(period_row(start, end, self.start_time).values())
        period += [None] * (self._n_period - len(period))
        self._write(csv_row([kind, self.name, self.channel_name, *period, *values]))


class SummaryWriter(Writer):
    """A CSV table with one row per recording: its summary.

    Args:
        file: The text file.
        labels: Labels of the model.
    """

    def __init__(self, file: TextIO, labels: tuple[str, ...]) -> None:
        self._labels = labels
        header = ["file", "channel", "output", "seconds", "complete", *summary_columns(labels)]
        super().__init__(file, csv_row(header))

    def add(
        self, name: str, channel: str | None, output: str, summary: RecordingSummary, complete: bool
    ) -> None:
        """Write the row of a recording.

        Args:
            name: Its name.
            channel: Name of its channel, or None.
            output: The file that its segments were written to.
            summary: Its summary.
            complete: False if it could not be read to its end.
        """
        values = [round(summary.seconds, 3), str(complete).lower()]
        self._write(
            csv_row([name, channel, output, *values, *summary_values(summary, self._labels)])
        )
        self.count += 1


def recording_row(
    recording: TimelineWriter, summary: RecordingSummary, complete: bool
) -> dict[str, Any]:
    """Return what a recording is and its summary.

    Args:
        recording: The writer that the recording was begun with.
        summary: The summary.
        complete: False if the recording could not be read to its end.
    """
    start_time = recording.start_time
    return {
        "file": recording.name,
        "channel": recording.channel_name,
        **({} if start_time is None else {"start_time": clock_time(start_time, 0.0)}),
        "seconds": round(summary.seconds, 3),
        "complete": complete,
        "summary": summary_row(summary),
    }


class AudacityWriter(TimelineWriter):
    """A label track for Audacity."""

    def _add(self, segment: Segment) -> None:
        self._write(as_audacity(segment) + "\n")


class SrtWriter(TimelineWriter):
    """SubRip subtitles; pauses have none."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(file)
        self._n_cues = 0

    def _add(self, segment: Segment) -> None:
        if segment.label != NO_SPEECH:
            self._n_cues += 1
            self._write(as_srt(segment, self._n_cues) + "\n")


class VttWriter(TimelineWriter):
    """WebVTT subtitles; pauses have none. The summary is a comment at the end."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(file, VTT_HEADER + "\n")

    def _add(self, segment: Segment) -> None:
        if segment.label != NO_SPEECH:
            self._write(as_vtt(segment) + "\n")

    def _end(self, summary: RecordingSummary, complete: bool) -> None:
        lines = summary_lines(summary, complete)
        self._write("\n".join(["NOTE", *lines]).replace("-->", "->") + "\n\n")


class RttmWriter(TimelineWriter):
    """RTTM, a line of ten fields per segment; pauses have none.

    The field of the speaker holds the label, and the next one the confidence.
    """

    def _add(self, segment: Segment) -> None:
        if segment.label != NO_SPEECH:
            number = 1 if self.channel is None else self.channel.number
            self._write(as_rttm(segment, self.name, number) + "\n")


class TextGridWriter(TimelineWriter):
    """A TextGrid of Praat with one tier; pauses are empty intervals."""

    def _add(self, segment: Segment) -> None:
        """Write nothing: the number of segments precedes them."""

    def _end(self, summary: RecordingSummary, complete: bool) -> None:
        self._write(as_textgrid(self.segments))


# Writers that do not need the labels.
WRITERS: dict[OutputFormat, Callable[[TextIO], TimelineWriter]] = {
    OutputFormat.json: JsonTimelineWriter,
    OutputFormat.jsonl: JsonLinesTimelineWriter,
    OutputFormat.audacity: AudacityWriter,
    OutputFormat.srt: SrtWriter,
    OutputFormat.vtt: VttWriter,
    OutputFormat.rttm: RttmWriter,
    OutputFormat.textgrid: TextGridWriter,
}


def timeline_file_writer(
    format: OutputFormat, file: TextIO, labels: tuple[str, ...], *, has_times: bool = False
) -> TimelineWriter:
    """Return the writer of a format that other programs read.

    Args:
        format: Any format but text.
        file: The text file.
        labels: Labels of the model.
        has_times: Recordings are begun with a clock time, for which CSV needs columns.
    """
    if format is OutputFormat.csv:
        return CsvTimelineWriter(file, labels, has_times=has_times)
    return WRITERS[format](file)
