"""What people see while `edge-ser` works: complaints, colours, a progress bar."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import sys
import textwrap
import time
from typing import Any, NoReturn, TextIO

import typer

from ..messages import printable

NOTE_WIDTH = 26  # the longest note is "100000 times real time"

# Work that is done sooner needs no bar.
PROGRESS_DELAY_SECONDS = 1.0  # seconds


def print_error(error: Exception) -> None:
    """One line on stderr, whatever the message holds; KeyboardInterrupt after Ctrl-C, which is the
    only thing wrong then."""
    Interruption.check()
    print(f"edge-ser: {printable(str(error))}", file=sys.stderr)


class BestEffortStream:
    """A stream for what is told beside the answers: where it is full or nobody reads it, that is
    lost, and no answer with it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def has_colours(file: TextIO) -> bool:
    """Whether `file` is a terminal that shows colours, and its user wants them.

    https://no-color.org
    """
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wanted and is_terminal(file)


# Of the labels, in their order: red, yellow, green, blue, magenta, cyan.
COLOURS = (31, 33, 32, 34, 35, 36)


class LabelColours:
    """Colours text for a label, where `file` shows colours.

    >>> import io
    >>> Paint(("angry", "sad"), io.StringIO())("text", "sad")
    'text'
    """

    def __init__(self, labels: tuple[str, ...], file: TextIO) -> None:
        colours = zip(labels, itertools.cycle(COLOURS))
        self._colour_of = dict(colours) if has_colours(file) else {}

    def __call__(self, text: str, label: str) -> str:
        colour = self._colour_of.get(label)
        return text if colour is None else f"\x1b[{colour}m{text}\x1b[0m"


def bar(share: float, width: int, file: TextIO) -> str:
    """`share`, 0 to 1, as a bar of `width` characters, in blocks where `file` can hold them."""
    full, empty = ("█", "░") if can_hold("█░", file) else ("#", ".")
    n_full = round(width * min(max(share, 0.0), 1.0))
    return full * n_full + empty * (width - n_full)


def can_hold(text: str, file: TextIO) -> bool:
    """Whether the encoding of `file` has these characters."""
    try:
        text.encode(file.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def percentages(probabilities: dict[str, float]) -> str:
    """Each label with its probability.

    >>> percentages({"happy": 0.052, "sad": 0.948})
    'happy   5%  sad  95%'
    """
    return "  ".join(f"{label} {100 * p:3.0f}%" for label, p in probabilities.items())


def clock(seconds: float) -> str:
    """Hours if there are any, minutes, and seconds to a tenth.

    >>> clock(59.96), clock(3725.5)
    ('1:00.0', '1:02:05.5')
    """
    tenths = round(10 * seconds)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    front = f"{hours}:{minutes:02d}" if hours else str(minutes)
    return f"{front}:{rest / 10:04.1f}"


def is_terminal(file: TextIO | None) -> bool:
    return file is not None and file.isatty()


def columns(file: TextIO) -> int:
    """The width of the terminal that `file` is."""
    try:
        width = os.get_terminal_size(file.fileno()).columns
    except (OSError, ValueError):
        width = 0
    return width or shutil.get_terminal_size().columns  # some terminals do not know theirs


def wrap_hanging(text: str, indent: int, file: TextIO) -> str:
    """`text` with its lines broken between words where the terminal `file` ends, and what goes on
    in another line indented; as it is for what is no terminal."""
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
    """Ctrl-C or `kill`, noticed even where Python or a library swallows it, or makes another error
    of it: while an object is cleaned up, a library loads, or a decoder asks for more of a file.

    In a `with` block an interruption raises KeyboardInterrupt; `check` raises it again, from
    wherever it is called. There is one end of a process, and so one memory of it.
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
        if cls._seen is not None:
            raise KeyboardInterrupt

    @classmethod
    def leave(cls) -> NoReturn:
        """End the process now, as the signal would have, with status 130 after Ctrl-C."""
        if cls._seen == signal.SIGTERM:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        os._exit(130)  # 128 + SIGINT, as shells count

    @classmethod
    def note(cls, number: int) -> None:
        """For who hears the signal instead."""
        cls._seen = number

    def _note(self, number: int, _: object) -> None:
        self.note(number)
        raise KeyboardInterrupt

    def _unraisable(self, what: sys.UnraisableHookArgs) -> None:
        """No traceback of an interruption in a place that cannot raise it: `check` will."""
        if not issubclass(what.exc_type, KeyboardInterrupt):
            self._report(what)


class Progress:
    """A bar on stderr with the time left, once there has been work for a moment.

    `length` is how much there is to do. Call `clear` before anything else is printed, and `advance`
    when so much of it is done.
    """

    def __init__(self, length: int, *, show_pos: bool = True) -> None:
        # Label, share and time left, and the count or the note: a line that wraps would stay.
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
        """Leave the line to others."""
        if self._drawn:
            typer.echo("\r\033[K", file=sys.stderr, nl=False)
            self._drawn = False

    def advance(self, steps: int = 1, note: str | None = None) -> None:
        self._bar.current_item = note if self._has_note else None
        self._bar.make_step(steps)
        self._visible = self._visible or time.monotonic() - self._started > PROGRESS_DELAY_SECONDS
        if self._visible:
            self._bar.render_progress()
            self._drawn = True

    def close(self) -> None:
        """Leave no trace of it."""
        if self._visible:
            self.clear()
            self._bar.render_finish()  # shows the cursor again, and goes to the next line
            typer.echo("\033[A", file=sys.stderr, nl=False)
            self._visible = False
