"""What people see while `edge-ser` works: complaints, colours, a progress bar."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import time
from typing import TextIO

import typer

# Work that is done sooner needs no bar.
MOMENT = 1.0  # seconds


def complain(error: Exception) -> None:
    """One line on stderr, whatever the message holds."""
    print(f"edge-ser: {' '.join(str(error).splitlines())}", file=sys.stderr)


def has_colours(file: TextIO) -> bool:
    """Whether `file` is a terminal that shows colours, and its user wants them.

    https://no-color.org
    """
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wanted and is_terminal(file)


# Of the labels, in their order: red, yellow, green, blue, magenta, cyan.
COLOURS = (31, 33, 32, 34, 35, 36)


class Paint:
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


class Progress:
    """A bar on stderr with the time left, once there has been work for a moment.

    `length` is how much there is to do. Call `clear` before anything else is printed, and `advance`
    when so much of it is done.
    """

    def __init__(self, length: int, *, show_pos: bool = True) -> None:
        width = max(0, min(36, shutil.get_terminal_size().columns - 42))
        self._bar = typer.progressbar(
            length=length, show_pos=show_pos, width=width, file=sys.stderr, label="edge-ser",
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
        self._bar.current_item = note
        self._bar.make_step(steps)
        self._visible = self._visible or time.monotonic() - self._started > MOMENT
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
