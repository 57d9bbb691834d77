"""Output formats, and the base of the writers: each result is written at once, in one piece."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import signal
import sys
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, TypeVar

from ..errors import ConfigError, EdgeSerError
from ..messages import printable
from .terminal import Interruption, is_terminal, print_error

if TYPE_CHECKING:
    from ..inference.prediction import Prediction
    from ..streaming.segments import Segment


class OutputFormat(str, Enum):
    """Format of the results."""

    text = "text"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"
    audacity = "audacity"
    srt = "srt"
    vtt = "vtt"


# Formats of a timeline only. They do not name the recording, so that a file holds one.
SINGLE_RECORDING_FORMATS = (OutputFormat.audacity, OutputFormat.srt, OutputFormat.vtt)

SUFFIXES = {
    ".json": OutputFormat.json,
    ".jsonl": OutputFormat.jsonl,
    ".ndjson": OutputFormat.jsonl,
    ".csv": OutputFormat.csv,
    ".txt": OutputFormat.text,
    ".srt": OutputFormat.srt,
    ".vtt": OutputFormat.vtt,
}


def format_of(output: Path | None, requested: OutputFormat | None) -> OutputFormat:
    """Return the requested format, else that of the suffix of a file, else text.

    Raises:
        ConfigError: If the suffix is not known and no format is requested.
    """
    if requested is not None or output is None or not output.suffix:
        return requested or OutputFormat.text
    if output.suffix.lower() not in SUFFIXES:
        raise ConfigError(
            f"--output {output}: expected a name that ends in {', '.join(SUFFIXES)}; rename it, or "
            "pass --format"
        )
    return SUFFIXES[output.suffix.lower()]


class Writer:
    """Base of the writers; writes each result to a file at once.

    Args:
        file: The text file.
        header: Text before the first result.

    Attributes:
        count: Number of results written.
        failed: True if an input failed; set by the caller.
    """

    def __init__(self, file: TextIO, header: str = "") -> None:
        self.count = 0
        self.failed = False
        self._file = file
        self._ascii = is_ascii(file)
        self._header = header
        self._closed = False

    def close(self) -> None:
        """Write the end of the file, once."""
        if not self._closed:
            self._write(self._footer())
        self._closed = True

    def _footer(self) -> str:
        return ""

    def _json_line(self, row: dict[str, Any]) -> str:
        return json.dumps(row, ensure_ascii=self._ascii) + "\n"

    def _write(self, text: str) -> None:
        """Write in one piece, so that Ctrl-C leaves no half line."""
        text, self._header = self._header + text, ""
        self._file.write(text)
        self._file.flush()


class JsonList:
    r"""Text of a JSON list that is written item by item.

    On a terminal every part ends with a line break, because errors and the progress bar appear
    between the parts; the comma then begins the next part. `end` is valid at any time, also after
    an interruption.

    Args:
        file: The file that the parts are written to.

    Attributes:
        begin: The first part.

    Example:
        >>> parts = JsonList(io.StringIO())
        >>> parts.begin + parts.item({"a": 1}) + parts.item({"a": 2}) + parts.end()
        '[\n  {\n    "a": 1\n  },\n  {\n    "a": 2\n  }\n]\n'
    """

    def __init__(self, file: TextIO) -> None:
        self._ascii = is_ascii(file)
        self._on_terminal = is_terminal(file)
        self._count = 0
        self.begin = "[\n" if self._on_terminal else "["

    def item(self, row: dict[str, Any]) -> str:
        """Return the next item, with the comma before it."""
        text = json.dumps(row, indent=2, ensure_ascii=self._ascii).replace("\n", "\n  ")
        self._count += 1
        if self._on_terminal:
            return f"{'  ' if self._count == 1 else ', '}{text}\n"
        return ("\n  " if self._count == 1 else ",\n  ") + text

    def end(self) -> str:
        """Return the end of the list."""
        return "\n]\n" if self._count and not self._on_terminal else "]\n"


AnyWriter = TypeVar("AnyWriter", bound=Writer)


@contextlib.contextmanager
def open_writer(
    output: Path | None, force: bool, create: Callable[[TextIO], AnyWriter]
) -> Iterator[AnyWriter]:
    """Open the output of `edge-ser classify` and yield a writer for it.

    A file is renamed from FILE.part when it is complete. If every input failed, it keeps its
    previous content. Ctrl-C ends the process, and leaves complete results in FILE.part.

    Args:
        output: The file. Default: stdout.
        force: Replace an existing file.
        create: Creates the writer for an open file.

    Raises:
        ConfigError: If the file cannot be created, or exists and `force` is False.
        EdgeSerError: If it cannot be written.
    """
    from ..files import NothingWrittenError, atomic_text_writer

    existed = output is not None and output.is_file()
    with (
        contextlib.nullcontext(sys.stdout)
        if output is None
        else atomic_text_writer(output, force) as file
    ):
        writer = None
        try:
            writer = create(file)
            try:
                yield writer
            finally:
                writer.close()
            is_empty = writer.failed and not writer.count
            if is_empty and output is not None:
                raise NothingWrittenError  # handled by atomic_text_writer
        except KeyboardInterrupt:
            _leave_interrupted(writer, file, output)
    if is_empty and existed:
        print_error(EdgeSerError(f"{output}: not changed; no input could be classified"))


def _leave_interrupted(writer: Writer | None, file: TextIO, output: Path | None) -> NoReturn:
    """Complete the output and exit now, without waiting for a recording in progress."""
    from ..files import partial_path

    for number in Interruption.SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if writer is not None:
        writer.close()
    file.flush()
    if output is not None:
        path = printable(str(partial_path(output)))
        print(f"edge-ser: interrupted; the results so far are in {path}", file=sys.stderr)
    sys.stderr.flush()
    Interruption.leave()


def is_ascii(file: TextIO) -> bool:
    """Return True if JSON must be ASCII, because the file is not encoded in UTF-8."""
    return (file.encoding or "").lower().replace("-", "") != "utf8"


def rounded(probabilities: dict[str, float]) -> dict[str, float]:
    """Return probabilities with six decimals."""
    return {label: round(p, 6) for label, p in probabilities.items()}


def confidence_of(result: Prediction | Segment) -> float | None:
    """Return the confidence with six decimals, or None if the label is not an emotion."""
    return round(result.confidence, 6) if result.label in result.probabilities else None


def arousal_of(result: Prediction | Segment) -> float | None:
    """Return the arousal with six decimals, or None as it is."""
    return None if result.arousal is None else round(result.arousal, 6)


def csv_row(values: list[Any]) -> str:
    """Return a line of CSV with its line break."""
    line = io.StringIO()
    # With CR LF as the line end, csv quotes either character inside a name (RFC 4180).
    csv.writer(line, lineterminator="\r\n").writerow(values)
    return line.getvalue()[:-2] + "\n"
