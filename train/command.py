"""How `python -m train` and `python -m export` end: what a person can mend is one line."""

from __future__ import annotations

import signal
import sys

import typer

from edge_runtime import EdgeSerError
from edge_runtime.messages import printable, system_reason


def run(app: typer.Typer, name: str) -> None:
    """Run the command line; errors go to stderr, one line each, and the exit status is 1.

    `kill` ends it as Ctrl-C does, with all processes that it has begun.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    for stream in (sys.stdout, sys.stderr):  # names of files need not be text
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        app()
    except EdgeSerError as error:
        sys.exit(f"{name}: {printable(str(error))}")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(f"{name}: {printable(where + system_reason(error))}")
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):  # torch's way of saying it
            raise
        sys.exit(f"{name}: the memory is not enough for a network or batches of that size")
    except MemoryError:
        sys.exit(f"{name}: the memory is not enough; give fewer recordings, or fewer --jobs")
