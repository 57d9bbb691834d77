"""What people see while `edge-ser` works: complaints, colours, a progress bar."""

from __future__ import annotations

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


def is_terminal(file: TextIO | None) -> bool:
    return file is not None and file.isatty()


class Progress:
    """A bar on stderr with the time left, once there has been work for a moment.

    Call `clear` before anything else is printed, and `advance` when an input is done.
    """

    def __init__(self, n_inputs: int) -> None:
        width = max(0, min(36, shutil.get_terminal_size().columns - 42))
        self._bar = typer.progressbar(
            length=n_inputs, show_pos=True, width=width, file=sys.stderr, label="edge-ser"
        )
        self._started = time.monotonic()
        self._visible = False
        self._drawn = False

    def clear(self) -> None:
        """Leave the line to others."""
        if self._drawn:
            typer.echo("\r\033[K", file=sys.stderr, nl=False)
            self._drawn = False

    def advance(self) -> None:
        self._bar.make_step(1)
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
