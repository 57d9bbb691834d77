"""Format and file of the output of a command."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, TextIO, TypeVar

from ..errors import ConfigError, EdgeSerError
from ..messages import printable
from ..results.writer import OutputFormat, Writer
from .terminal import Interruption, print_error

SUFFIXES = {
    ".json": OutputFormat.json,
    ".jsonl": OutputFormat.jsonl,
    ".ndjson": OutputFormat.jsonl,
    ".csv": OutputFormat.csv,
    ".txt": OutputFormat.text,
    ".srt": OutputFormat.srt,
    ".vtt": OutputFormat.vtt,
    ".rttm": OutputFormat.rttm,
    ".textgrid": OutputFormat.textgrid,
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
