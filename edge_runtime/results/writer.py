"""Output formats, and the base of the writers: each result is written at once, in one piece."""

from __future__ import annotations

import csv
import io
import json
from enum import Enum
from typing import Any, TextIO


class OutputFormat(str, Enum):
    """Format of the results."""

    text = "text"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"
    audacity = "audacity"
    srt = "srt"
    vtt = "vtt"
    rttm = "rttm"
    textgrid = "textgrid"


# Formats of a timeline only. A file holds one recording: most of them do not name it.
SINGLE_RECORDING_FORMATS = (
    OutputFormat.audacity,
    OutputFormat.srt,
    OutputFormat.vtt,
    OutputFormat.rttm,
    OutputFormat.textgrid,
)


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
        self._on_terminal = file.isatty()
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


def is_ascii(file: TextIO) -> bool:
    """Return True if JSON must be ASCII, because the file is not encoded in UTF-8."""
    return (file.encoding or "").lower().replace("-", "") != "utf8"


def csv_row(values: list[Any]) -> str:
    """Return a line of CSV with its line break."""
    line = io.StringIO()
    # With CR LF as the line end, csv quotes either character inside a name (RFC 4180).
    csv.writer(line, lineterminator="\r\n").writerow(values)
    return line.getvalue()[:-2] + "\n"
