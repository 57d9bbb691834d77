"""Keep what C libraries print on standard error off the terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

_STDERR = 2  # the descriptor that C libraries write to


def silence_process() -> None:
    """Redirect the descriptor of standard error to the null device until the process ends.

    The output of `sys.stderr` still appears. It is for a process with several threads, in which C
    libraries print about recordings.
    """
    with contextlib.suppress(OSError, ValueError):  # closed
        sys.stderr.flush()
        printed = os.dup(_STDERR)
        os.set_inheritable(printed, False)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, _STDERR)
        os.close(null)
        sys.stderr = open(  # noqa: SIM115 (for the rest of the process)
            printed, "w", encoding="utf-8", errors="backslashreplace", buffering=1
        )


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Redirect the descriptor of standard error to the null device.

    libmpg123 prints warnings there, which do not name the file, and onnxruntime one where it finds
    no graphics card. The descriptor belongs to all threads: in a process with several threads
    nothing is redirected, so that no line of another thread is lost.
    """
    saved = -1
    if threading.active_count() == 1:
        with contextlib.suppress(OSError):  # closed
            saved = os.dup(_STDERR)
    if saved < 0:
        yield
        return
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, _STDERR)
        finally:
            os.close(null)
        yield
    finally:
        os.dup2(saved, _STDERR)
        os.close(saved)
