"""Terminal output: error lines, colours, bars, and interruptions by signals."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import sys
import textwrap
import time
from datetime import datetime, timedelta
from typing import Any, NoReturn, TextIO

import typer

from ..messages import printable

NOTE_WIDTH = 26  # fits "100000 times real time"

# The progress bar appears after this time: short work needs none.
PROGRESS_DELAY_SECONDS = 1.0

# Codes of the labels, in their order: red, yellow, green, blue, magenta, cyan.
COLOURS = (31, 33, 32, 34, 35, 36)


def print_error(error: Exception) -> None:
    """Print an error as one line on stderr.

    Raises:
        KeyboardInterrupt: After Ctrl-C; the error is then only a consequence.
    """
    Interruption.check()
    print(f"edge-ser: {printable(str(error))}", file=sys.stderr)


class BestEffortStream:
    """A stderr wrapper that ignores write errors, so that a closed stderr never loses results.

    Args:
        stream: The stream to wrap.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text if possible."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream if possible."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def has_colours(file: TextIO) -> bool:
    """Return True if a file is a terminal with colours, unless NO_COLOR is set.

    https://no-color.org
    """
    enabled = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return enabled and is_terminal(file)


def bold(text: str) -> str:
    """Return text between the escape sequences for bold."""
    return f"\x1b[1m{text}\x1b[0m"


def dim(text: str) -> str:
    """Return text between the escape sequences for dim."""
    return f"\x1b[2m{text}\x1b[0m"


class LabelColours:
    """Colours text by label, if a file shows colours.

    Args:
        labels: Labels of the model; each gets a colour.
        file: The file to write to.

    Example:
        >>> import io
        >>> LabelColours(("angry", "sad"), io.StringIO())("text", "sad")
        'text'
    """

    def __init__(self, labels: tuple[str, ...], file: TextIO) -> None:
        colours = zip(labels, itertools.cycle(COLOURS))
        self._colour_of = dict(colours) if has_colours(file) else {}

    def __call__(self, text: str, label: str) -> str:
        """Return text in the colour of a label; other labels have none."""
        colour = self._colour_of.get(label)
        return text if colour is None else f"\x1b[{colour}m{text}\x1b[0m"


def bar(share: float, width: int, file: TextIO) -> str:
    """Return a bar for a share from 0 to 1.

    Args:
        share: Values outside 0 to 1 are clipped.
        width: Number of characters.
        file: The file to write to; without block characters in its encoding the bar is ASCII.
    """
    full, empty = ("█", "░") if can_hold("█░", file) else ("#", ".")
    n_full = round(width * min(max(share, 0.0), 1.0))
    return full * n_full + empty * (width - n_full)


def can_hold(text: str, file: TextIO) -> bool:
    """Return True if the encoding of a file has all characters of a text."""
    try:
        text.encode(file.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def percentages(probabilities: dict[str, float]) -> str:
    """Return each label with its probability in percent.

    Example:
        >>> percentages({"happy": 0.052, "sad": 0.948})
        'happy   5%  sad  95%'
    """
    return "  ".join(f"{label} {100 * p:3.0f}%" for label, p in probabilities.items())


def arousal_text(arousal: float | None) -> str:
    """Return the arousal in percent, after two spaces; empty for None.

    Example:
        >>> arousal_text(0.824)
        '  arousal  82%'
    """
    return "" if arousal is None else f"  arousal {100 * arousal:3.0f}%"


def long_clock(seconds: float) -> str:
    """Return a time as hours, minutes and seconds with one decimal, all with leading zeros.

    Example:
        >>> long_clock(59.96)
        '00:01:00.0'
    """
    minutes, tenths = divmod(round(10 * seconds), 600)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{tenths / 10:04.1f}"


def clock_of_day(start: datetime, seconds: float) -> str:
    """Return the time of day of a moment, in seconds after the start, with one decimal.

    Example:
        >>> clock_of_day(datetime(2026, 3, 1, 23, 59), 61.5)
        '00:00:01.5'
    """
    moment = start + timedelta(milliseconds=100 * round(10 * seconds))
    return f"{moment:%H:%M:%S}.{moment.microsecond // 100_000}"


def is_terminal(file: TextIO | None) -> bool:
    """Return True if a file is a terminal; False for a closed standard stream (None)."""
    return file is not None and file.isatty()


def columns(file: TextIO) -> int:
    """Return the width of the terminal in characters."""
    try:
        width = os.get_terminal_size(file.fileno()).columns
    except (OSError, ValueError):
        width = 0
    return width or shutil.get_terminal_size().columns  # some terminals report 0


def wrap_hanging(text: str, indent: int, file: TextIO) -> str:
    """Wrap the lines of a text at the width of the terminal.

    Args:
        text: Lines; words are never broken.
        indent: Spaces before continuation lines.
        file: The file to write to; for a pipe or a regular file, text is returned unchanged.
    """
    if not is_terminal(file):
        return text
    lines = [
        textwrap.fill(
            line,
            columns(file),
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in text.splitlines()
    ]
    return "\n".join(lines)


class Interruption:
    """Ctrl-C or `kill`, recorded so that no library can swallow it.

    Python drops or converts a KeyboardInterrupt that is raised in a finalizer, while a library
    loads, or in a callback of a decoder. Inside a `with` block both signals raise
    KeyboardInterrupt; `check` raises it again wherever it is called. The state is shared by the
    process.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    _seen: int | None = None

    def __enter__(self) -> None:
        Interruption._seen = None
        self._before = [signal.signal(number, self._note) for number in self.SIGNALS]
        self._report = sys.unraisablehook
        sys.unraisablehook = self._unraisable

    def __exit__(self, *_: object) -> None:
        for number, before in zip(self.SIGNALS, self._before):
            signal.signal(number, before)
        sys.unraisablehook = self._report

    @classmethod
    def check(cls) -> None:
        """Raise KeyboardInterrupt if a signal has arrived."""
        if cls._seen is not None:
            raise KeyboardInterrupt

    @classmethod
    def leave(cls) -> NoReturn:
        """Exit now: status 130 after Ctrl-C, else by SIGTERM itself."""
        if cls._seen == signal.SIGTERM:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        os._exit(130)  # 128 + SIGINT, as shells report it

    @classmethod
    def note(cls, number: int) -> None:
        """Record a signal that another handler has received."""
        cls._seen = number

    def _note(self, number: int, _: object) -> None:
        self.note(number)
        raise KeyboardInterrupt

    def _unraisable(self, args: sys.UnraisableHookArgs) -> None:
        """Print no traceback of an interruption in a finalizer: `check` raises it later."""
        if not issubclass(args.exc_type, KeyboardInterrupt):
            self._report(args)


class Progress:
    """A progress bar on stderr with the time left; it appears after `PROGRESS_DELAY_SECONDS`.

    Call `clear` before printing anything else.

    Args:
        length: Number of steps.
        show_pos: Show the number of steps done. False: show the note of `advance`.
    """

    def __init__(self, length: int, *, show_pos: bool = True) -> None:
        # Fixed parts: label, percentage, time left, and count or note. A wrapped line cannot be
        # cleared.
        room = columns(sys.stderr) - 38
        self._has_note = not show_pos and room > NOTE_WIDTH + 5
        show_pos = show_pos and room > 2 * len(str(length)) + 6
        room -= NOTE_WIDTH if self._has_note else 2 * len(str(length)) + 3 if show_pos else 0
        self._bar = typer.progressbar(
            length=length,
            show_pos=show_pos,
            width=max(1, min(36, room)),
            file=sys.stderr,
            label="edge-ser",
            item_show_func=lambda note: note,
        )
        self._started = time.monotonic()
        self._visible = False
        self._drawn = False

    def clear(self) -> None:
        """Clear the line."""
        if self._drawn:
            typer.echo("\r\033[K", file=sys.stderr, nl=False)
            self._drawn = False

    def advance(self, steps: int = 1, note: str | None = None) -> None:
        """Count steps as done.

        Args:
            steps: Number of steps.
            note: Text after the bar.
        """
        self._bar.current_item = note if self._has_note else None
        self._bar.make_step(steps)
        self._visible = self._visible or time.monotonic() - self._started > PROGRESS_DELAY_SECONDS
        if self._visible:
            self._bar.render_progress()
            self._drawn = True

    def close(self) -> None:
        """Remove the bar."""
        if self._visible:
            self.clear()
            self._bar.render_finish()  # shows the cursor again, and goes to the next line
            typer.echo("\033[A", file=sys.stderr, nl=False)
            self._visible = False
