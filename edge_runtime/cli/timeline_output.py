"""Writers of timelines: text for people, and formats that other programs read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

from ..inference.prediction import NO_SPEECH
from ..messages import printable
from ..streaming.segments import LabelDurations
from .output import JsonList, OutputFormat, Writer, arousal_of, confidence_of, csv_row, rounded
from .terminal import LabelColours, arousal_text, bar, clock, columns, is_terminal, wrap_hanging

if TYPE_CHECKING:
    from ..streaming.segments import Segment

# Characters of a bar for probability 1, of the rest of its line, and of the arousal after it.
BAR_WIDTH, TEXT_WIDTH, AROUSAL_WIDTH = 20, 41, 14

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
        self.on_terminal = is_terminal(file)
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
        self._rows.append(_as_row(segment))

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
        self._write(self._json_line({"file": self._name, **_as_row(segment)}))


class CsvTimelineWriter(TimelineWriter):
    """A header and one row per segment.

    Args:
        file: The text file.
        labels: Labels of the model.
    """

    def __init__(self, file: TextIO, labels: tuple[str, ...]) -> None:
        header = ["file", "start", "end", "label", "confidence", *labels, "arousal"]
        super().__init__(file, csv_row(header))

    def add(self, segment: Segment) -> None:
        """Write the row of a segment."""
        row = _as_row(segment)
        arousal, probabilities = row.pop("arousal"), row.pop("probabilities").values()
        self._write(csv_row([self._name, *row.values(), *probabilities, arousal]))


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
    return f"{segment.start:.6f}\t{segment.end:.6f}\t{segment.label}"


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
    return f"{start} --> {end}\n{segment.label}{percent}"


def _cue_time(seconds: float, decimal_mark: str) -> str:
    """Return HH:MM:SS,mmm; hours may exceed 99."""
    rest, milliseconds = divmod(round(1000 * seconds), 1000)
    hours, rest = divmod(rest, 3600)
    return f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}{decimal_mark}{milliseconds:03d}"


def _as_row(segment: Segment) -> dict[str, Any]:
    return {
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "label": segment.label,
        "confidence": confidence_of(segment),
        "probabilities": rounded(segment.probabilities),
        "arousal": arousal_of(segment),
    }
