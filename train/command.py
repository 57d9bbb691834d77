"""Entry point of `python -m train`, `evaluate` and `export`: console output and errors."""

from __future__ import annotations

import logging
import signal
import sys

import typer

from edge_runtime import EdgeSerError
from edge_runtime.messages import printable, system_reason


class _ConsoleHandler(logging.Handler):
    """Prints messages to stdout; a closed stdout ends the command, as with `print`."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), flush=True)


def run(app: typer.Typer, name: str) -> None:
    """Run a command line; report errors on stderr, one line each, with exit status 1.

    SIGTERM ends it as Ctrl-C does, together with the processes that it started.

    Args:
        app: The commands.
        name: Program name, which begins every error message.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    for stream in (sys.stdout, sys.stderr):  # file names may not be valid text
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    log_to_console()
    try:
        app()
    except EdgeSerError as error:
        sys.exit(f"{name}: {printable(str(error))}")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(f"{name}: {printable(where + system_reason(error))}")
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):  # how torch reports it
            raise
        sys.exit(f"{name}: not enough memory for a network or batches of this size")
    except MemoryError:
        sys.exit(f"{name}: not enough memory; use fewer recordings or fewer --jobs")


def log_to_console() -> None:
    """Print the messages of the training packages, and notes on audio files, to stdout."""
    for package in ("train", "evaluate", "export", "edge_runtime"):
        logger = logging.getLogger(package)
        logger.setLevel(logging.INFO)
        if not logger.handlers:
            logger.addHandler(_ConsoleHandler())
