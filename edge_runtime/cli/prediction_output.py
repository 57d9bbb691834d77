"""How answers are printed: as text for people, as JSON, JSON lines or CSV for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from ..errors import ConfigError
from ..inference.prediction import NO_SPEECH
from ..messages import printable
from .terminal import is_terminal, percentages

if TYPE_CHECKING:
    from ..inference.prediction import Prediction
    from ..streaming.segments import Segment

# Names longer than this do not push the answers of all the others to the right.
MAX_NAME_WIDTH = 60


class Format(str, Enum):
    text = "text"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"
    audacity = "audacity"
    srt = "srt"
    vtt = "vtt"


# Formats of files that are about one recording, which they do not name.
OF_ONE_RECORDING = (Format.audacity, Format.srt, Format.vtt)

SUFFIXES = {
    ".json": Format.json,
    ".jsonl": Format.jsonl,
    ".ndjson": Format.jsonl,
    ".csv": Format.csv,
    ".txt": Format.text,
    ".srt": Format.srt,
    ".vtt": Format.vtt,
}


def format_of(output: Path | None, wanted: Format | None) -> Format:
    """The format `wanted`, or that of the suffix of `output`; text if neither says."""
    if wanted is not None or output is None or not output.suffix:
        return wanted or Format.text
    if output.suffix.lower() not in SUFFIXES:
        raise ConfigError(
            f"--output {output}: wanted a name that ends in {', '.join(SUFFIXES)}, or --format"
        )
    return SUFFIXES[output.suffix.lower()]


class JsonList:
    """The parts of a list that is written item by item, each complete as soon as it is there.

    On a terminal every part ends its line, because errors and the progress bar are shown there as
    well; the comma is then at the beginning of the next. `end` ends the list also where the last
    item, after a Ctrl-C, was not written.

    >>> import io
    >>> parts = JsonList(io.StringIO())
    >>> print(parts.begin + parts.item({"a": 1}) + parts.item({"a": 2}) + parts.end(), end="")
    [
      {
        "a": 1
      },
      {
        "a": 2
      }
    ]
    """

    def __init__(self, file: TextIO) -> None:
        self._ascii = is_ascii(file)
        self._lines = is_terminal(file)
        self._count = 0
        self.begin = "[\n" if self._lines else "["

    def item(self, row: dict[str, Any]) -> str:
        text = json.dumps(row, indent=2, ensure_ascii=self._ascii).replace("\n", "\n  ")
        self._count += 1
        if self._lines:
            return f"{'  ' if self._count == 1 else ', '}{text}\n"
        return ("\n  " if self._count == 1 else ",\n  ") + text

    def end(self) -> str:
        return "\n]\n" if self._count and not self._lines else "]\n"


class Writer:
    """Writes to `file` what comes, each at once and whole.

    Args:
        begin: what stands before the first answer, but for the beginning of a JSON list.
        colours: whether what is written has colours.
    """

    def __init__(self, format: Format, file: TextIO, begin: str, colours: bool = False) -> None:
        self.count = 0  # answers, or recordings of a timeline
        self._format, self._file = format, file
        self._ascii = is_ascii(file)
        self._list = JsonList(file)
        self._begin = self._list.begin if format is Format.json else begin
        self._colours = colours
        self._closed = False

    def close(self) -> None:
        """End the list of a JSON file, once; the others are complete after every answer."""
        if not self._closed:
            self._write(self._list.end() if self._format is Format.json else "")
        self._closed = True

    def _write(self, text: str) -> None:
        """In one piece, so that no line is half there when Ctrl-C comes."""
        text, self._begin = self._begin + text, ""
        if self._colours:
            typer.echo(text, file=self._file, nl=False, color=True)
        else:
            self._file.write(text)
            self._file.flush()


class PredictionWriter(Writer):
    """Writes predictions.

    Args:
        colours: whether the label of a text stands out by more than its place.
        names: all the files there will be, if that is known: text is then in columns.
    """

    def __init__(
        self,
        format: Format,
        file: TextIO,
        labels: tuple[str, ...],
        *,
        colours: bool = False,
        names: Iterable[str] = (),
    ) -> None:
        header = ["file", "label", "confidence", *labels]
        super().__init__(format, file, csv_row(header) if format is Format.csv else "", colours)
        self._width = max(
            (len(n) for n in map(printable, names) if len(n) <= MAX_NAME_WIDTH), default=0
        )
        self._label_width = max(map(len, (*labels, "uncertain", "no speech")))

    def add(self, name: str, prediction: Prediction) -> None:
        probabilities = rounded(prediction.probabilities)
        confidence = confidence_of(prediction)
        if self._format is Format.csv:
            line = csv_row([name, prediction.label, confidence, *probabilities.values()])
        elif self._format is Format.text:
            line = self._text(name, prediction)
        else:
            line = self._json(
                {
                    "file": name,
                    "label": prediction.label,
                    "confidence": confidence,
                    "probabilities": probabilities,
                }
            )
        self._write(line)
        self.count += 1

    def _text(self, name: str, prediction: Prediction) -> str:
        each = percentages(prediction.probabilities)
        label = prediction.label
        if self._width:
            label = f"{label:<{self._label_width}}"
        if self._colours:
            known = prediction.label in prediction.probabilities
            label = typer.style(label, bold=True) if known else typer.style(label, dim=True)
        if prediction.label == NO_SPEECH:  # what it would sound like is no news
            return f"{printable(name) + ':':<{self._width + 1}} {label.rstrip()}\n"
        return f"{printable(name) + ':':<{self._width + 1}} {label}  ({each})\n"

    def _json(self, row: dict[str, Any]) -> str:
        if self._format is Format.jsonl:
            return json.dumps(row, ensure_ascii=self._ascii) + "\n"
        return self._list.item(row)


def is_ascii(file: TextIO) -> bool:
    """Whether JSON is to hold ASCII alone: more is readable in UTF-8, and no JSON in others."""
    return (file.encoding or "").lower().replace("-", "") != "utf8"


def rounded(probabilities: dict[str, float]) -> dict[str, float]:
    """Probabilities with as many digits as mean something."""
    return {label: round(p, 6) for label, p in probabilities.items()}


def confidence_of(answer: Prediction | Segment) -> float | None:
    """The confidence with as many digits; None where the label is no emotion: it would be that of
    an emotion which the label does not name."""
    return round(answer.confidence, 6) if answer.label in answer.probabilities else None


def csv_row(values: list[Any]) -> str:
    """A line of CSV with its end, valid whatever the values hold."""
    line = io.StringIO()
    # With CR LF as the end of a line csv quotes either of them in a name (RFC 4180).
    csv.writer(line, lineterminator="\r\n").writerow(values)
    return line.getvalue()[:-2] + "\n"
