"""Writers of timelines in formats that other programs read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

from ..inference.prediction import NO_SPEECH
from ..streaming.segments import LabelDurations
from .rows import answer_columns, answer_text, answer_values, confidence_of, segment_row
from .writer import JsonList, OutputFormat, Writer, csv_row

if TYPE_CHECKING:
    from ..streaming.segments import Segment

VTT_HEADER = "WEBVTT\n"


class TimelineWriter(Writer):
    """Base of the writers of segments, one recording after the other.

    Args:
        file: The text file.
        header: Text before the first recording.

    Attributes:
        on_terminal: True if a progress bar shares the terminal with the segments.
    """

    def __init__(self, file: TextIO, header: str = "") -> None:
        super().__init__(file, header)
        self.on_terminal = file.isatty()
        self._name = ""

    def begin(self, name: str) -> None:
        """Begin the recording `name`."""
        self._name = name

    def add(self, segment: Segment) -> None:
        """Write the next segment of the recording."""
        raise NotImplementedError

    def end(self, complete: bool = True) -> None:
        """End the recording.

        Args:
            complete: False if it could not be read to its end.
        """
        self.count += 1


class JsonTimelineWriter(TimelineWriter):
    """One JSON list with an object per recording.

    Args:
        file: The text file.
    """

    def __init__(self, file: TextIO) -> None:
        self._list = JsonList(file)
        super().__init__(file, self._list.begin)
        self._durations = LabelDurations()
        self._rows: list[dict[str, Any]] = []

    def begin(self, name: str) -> None:
        """Begin the object of a recording."""
        super().begin(name)
        self._durations, self._rows = LabelDurations(), []

    def add(self, segment: Segment) -> None:
        """Add a segment to the object."""
        self._durations.add(segment)
        self._rows.append(segment_row(segment))

    def end(self, complete: bool = True) -> None:
        """Write the object."""
        shares = self._durations.shares().items()
        recording = {
            "file": self._name,
            "seconds": round(self._durations.total(), 3),
            "complete": complete,
            "shares": {label: round(share, 6) for label, share in shares},
            "segments": self._rows,
        }
        self._write(self._list.item(recording))
        super().end(complete)

    def _footer(self) -> str:
        return self._list.end()


class JsonLinesTimelineWriter(TimelineWriter):
    """One JSON object per segment and line."""

    def add(self, segment: Segment) -> None:
        """Write the object of a segment."""
        self._write(self._json_line({"file": self._name, **segment_row(segment)}))


class CsvTimelineWriter(TimelineWriter):
    """A header and one row per segment.

    Args:
        file: The text file.
        labels: Labels of the model.
    """

    def __init__(self, file: TextIO, labels: tuple[str, ...]) -> None:
        super().__init__(file, csv_row(["file", "start", "end", *answer_columns(labels)]))

    def add(self, segment: Segment) -> None:
        """Write the row of a segment."""
        times = [round(segment.start, 3), round(segment.end, 3)]
        self._write(csv_row([self._name, *times, *answer_values(segment)]))


class AudacityWriter(TimelineWriter):
    """A label track for Audacity."""

    def add(self, segment: Segment) -> None:
        """Write the label of a segment."""
        self._write(as_audacity(segment) + "\n")


class SrtWriter(TimelineWriter):
    """SubRip subtitles; pauses have none."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(file)
        self._n_cues = 0

    def add(self, segment: Segment) -> None:
        """Write the subtitle of a segment."""
        if segment.label != NO_SPEECH:
            self._n_cues += 1
            self._write(as_srt(segment, self._n_cues) + "\n")


class VttWriter(TimelineWriter):
    """WebVTT subtitles; pauses have none."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(file, VTT_HEADER + "\n")

    def add(self, segment: Segment) -> None:
        """Write the cue of a segment."""
        if segment.label != NO_SPEECH:
            self._write(as_vtt(segment) + "\n")


# Writers that do not need the labels.
WRITERS: dict[OutputFormat, Callable[[TextIO], TimelineWriter]] = {
    OutputFormat.json: JsonTimelineWriter,
    OutputFormat.jsonl: JsonLinesTimelineWriter,
    OutputFormat.audacity: AudacityWriter,
    OutputFormat.srt: SrtWriter,
    OutputFormat.vtt: VttWriter,
}


def timeline_file_writer(
    format: OutputFormat, file: TextIO, labels: tuple[str, ...]
) -> TimelineWriter:
    """Return the writer of a format that other programs read.

    Args:
        format: Any format but text.
        file: The text file.
        labels: Labels of the model.
    """
    if format is OutputFormat.csv:
        return CsvTimelineWriter(file, labels)
    return WRITERS[format](file)


def as_audacity(segment: Segment) -> str:
    r"""Return a line of a label track.

    https://manual.audacityteam.org/man/importing_and_exporting_labels.html

    Example:
        >>> from edge_runtime.streaming.segments import Segment
        >>> as_audacity(Segment(1.0, 2.5, "sad", 0.75, {"sad": 0.75}))
        '1.000000\t2.500000\tsad'
    """
    return f"{segment.start:.6f}\t{segment.end:.6f}\t{answer_text(segment)}"


def as_srt(segment: Segment, number: int) -> str:
    """Return a SubRip subtitle, without the empty line after it.

    Args:
        segment: The segment.
        number: Number of the subtitle, from 1.
    """
    return f"{number}\n{_cue(segment, ',')}\n"


def as_vtt(segment: Segment) -> str:
    """Return a WebVTT cue, without the empty line after it.

    The file begins with `VTT_HEADER`: https://www.w3.org/TR/webvtt1/
    """
    return f"{_cue(segment, '.')}\n"


def _cue(segment: Segment, decimal_mark: str) -> str:
    confidence = confidence_of(segment)
    percent = "" if confidence is None else f" {100 * confidence:.0f}%"
    start, end = (_cue_time(t, decimal_mark) for t in (segment.start, segment.end))
    return f"{start} --> {end}\n{answer_text(segment)}{percent}"


def _cue_time(seconds: float, decimal_mark: str) -> str:
    """Return HH:MM:SS,mmm; hours may exceed 99."""
    rest, milliseconds = divmod(round(1000 * seconds), 1000)
    hours, rest = divmod(rest, 3600)
    return f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}{decimal_mark}{milliseconds:03d}"
