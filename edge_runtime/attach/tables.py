"""Labels of Audacity, and CSV with the columns start, end and speaker.

https://manual.audacityteam.org/man/importing_and_exporting_labels.html
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from .transcript import (
    Cue,
    CueEmotion,
    Edit,
    Style,
    Transcript,
    TranscriptError,
    parse_time,
    prefix_edits,
)

_LABEL = re.compile(r"([\d.,]+)\t([\d.,]+)(\t?)")


class AudacityTranscript(Transcript):
    """A label track of Audacity. Points, and the frequencies of spectral selections, stay.

    Raises:
        TranscriptError: If a line is not a label.
    """

    styles = (Style.prefix,)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._places: list[tuple[int, bool]] = []  # and whether a tab must precede the label
        position = 0
        for number, line in enumerate(text.splitlines(keepends=True), 1):
            content = line.lstrip("\ufeff")
            begin, position = position + len(line) - len(content), position + len(line)
            if not content.strip() or content.startswith("\\"):
                continue
            match = _LABEL.match(content)
            try:
                if match is None:
                    raise ValueError("no label")
                start, end = parse_time(match[1]), parse_time(match[2])
            except ValueError as error:
                raise TranscriptError(
                    f"line {number}: expected start, end and label, separated by tabs"
                ) from error
            if end > start:
                self.cues.append(Cue(start, end))
                self._places.append((begin + match.end(), not match[3]))

    def edits(self, emotions: Sequence[CueEmotion | None], style: Style) -> list[Edit]:
        """Return the insertions of `[label]`."""
        edits = prefix_edits([place for place, _ in self._places], emotions)
        needs_tab = {place for place, missing in self._places if missing}
        return [
            edit._replace(text="\t" + edit.text.rstrip()) if edit.start in needs_tab else edit
            for edit in edits
        ]


class CsvTranscript(Transcript):
    """A CSV file with the columns start and end in seconds, and optionally speaker.

    Commas, semicolons and tabs are recognised as separators. The columns emotion and confidence
    are appended to every row.

    Raises:
        TranscriptError: If a column is missing or a row has no valid times.
    """

    styles = (Style.key,)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        lines = list(io.StringIO(text, newline=""))
        header = lines[0].lstrip("\ufeff") if lines else ""
        self._separator = max(",;\t", key=header.count)
        ends = [0]
        for line in lines:
            ends.append(ends[-1] + len(line))
        reader = csv.reader(lines, delimiter=self._separator)
        names: list[str] = []
        self._header = 0
        self._places: list[int] = []  # end of the row of each cue
        try:
            for row in reader:
                line = lines[reader.line_num - 1]
                place = ends[reader.line_num] - (len(line) - len(line.rstrip("\r\n")))
                if not names:
                    names = [name.strip().lower().lstrip("\ufeff") for name in row]
                    self._header = place
                    self._check_names(names)
                elif row:
                    self._add(dict(zip(names, row)), place, reader.line_num)
        except csv.Error as error:
            raise TranscriptError(f"line {reader.line_num}: is not CSV: {error}") from error
        if not names:
            raise TranscriptError("is empty; expected CSV with the columns start and end")

    def _check_names(self, names: list[str]) -> None:
        if missing := [name for name in ("start", "end") if name not in names]:
            raise TranscriptError(f"has no column {' and '.join(missing)}; found {names}")
        if present := [name for name in ("emotion", "confidence") if name in names]:
            raise TranscriptError(f"has a column {present[0]!r} already; rename or remove it")

    def _add(self, row: dict[str, str], place: int, line: int) -> None:
        try:
            start, end = parse_time(row["start"]), parse_time(row["end"])
        except (KeyError, ValueError) as error:
            raise TranscriptError(f"line {line}: expected times in start and end") from error
        self.cues.append(Cue(start, end, row.get("speaker") or None))
        self._places.append(place)

    def edits(self, emotions: Sequence[CueEmotion | None], style: Style) -> list[Edit]:
        """Return the insertions of two columns; without any emotion, none."""
        if not any(emotions):
            return []
        separator = self._separator
        edits = [Edit(self._header, self._header, f"{separator}emotion{separator}confidence")]
        for place, emotion in zip(self._places, emotions):
            values = ("", "") if emotion is None else (emotion.label, f"{emotion.confidence:.4f}")
            edits.append(Edit(place, place, "".join(separator + value for value in values)))
        return edits
