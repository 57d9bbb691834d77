"""Entry point of `python -m train`, `evaluate` and `export`: help, console output and errors."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from collections.abc import Callable
from typing import Any

import typer

from edge_runtime import EdgeSerError
from edge_runtime.messages import printable, system_reason

# Names of free values in the help; choices are listed as <a|b>.
# Click and Typer name some types differently.
_METAVARS = {
    **dict.fromkeys(["int", "integer"], "N"),
    "float": "X",
    **dict.fromkeys(["path", "file"], "PATH"),
    **dict.fromkeys(["str", "text"], "TEXT"),
}


def command_line(help: str | None = None) -> typer.Typer:
    """Return an empty command line with the settings that all of them share.

    Args:
        help: Description of the program.
    """
    return typer.Typer(
        help=help,
        no_args_is_help=help is not None,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},
    )


def run_function(function: Callable[..., Any]) -> None:
    """Run a program of one function, whose parameters are its options."""
    app = command_line()
    app.command()(function)
    _with_metavars(typer.main.get_command(app))()


class _ConsoleHandler(logging.Handler):
    """Prints messages to stdout; a closed stdout ends the command, as with `print`."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm = getattr(sys.modules.get("tqdm"), "tqdm", None)  # imported late, with the trainings
        # A bar on the terminal is cleared first, and drawn again below the line.
        with contextlib.nullcontext() if tqdm is None else tqdm.external_write_mode():
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
        _with_metavars(typer.main.get_command(app))()
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


def _with_metavars(command: Any) -> Any:
    """Return a command whose options name their values in capitals, as those of `edge-ser` do."""
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            parameter.metavar = parameter.metavar or parameter.name.upper()
        elif parameter.metavar is None and not getattr(parameter, "is_flag", False):
            name = parameter.type.name.removesuffix(" range")
            parameter.metavar = _METAVARS.get(name, parameter.metavar)
    for subcommand in getattr(command, "commands", {}).values():
        _with_metavars(subcommand)
    return command


def log_to_console() -> None:
    """Print the messages of the training packages, and notes on audio files, to stdout."""
    for package in ("train", "evaluate", "export", "edge_runtime"):
        logger = logging.getLogger(package)
        logger.setLevel(logging.INFO)
        if not logger.handlers:
            logger.addHandler(_ConsoleHandler())
