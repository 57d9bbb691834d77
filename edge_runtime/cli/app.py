"""The `edge-ser` command: a lazy group of commands, errors and exit statuses."""

from __future__ import annotations

import importlib
import os
import re
import sys
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from .. import __version__
from ..errors import ConfigError, EdgeSerError
from ..messages import printable, system_reason
from ..notes import notes_to
from .terminal import BestEffortStream, Interruption, print_error

# Each is defined in the module of the same name, "-" becomes "_".
COMMANDS = (
    "classify",
    "listen",
    "serve",
    "attach",
    "archive",
    "profile",
    "score",
    "doctor",
    "bench",
    "info",
    "mfcc",
    "parity-dump",
)


class LazyGroup(TyperGroup):
    """A group that imports the module of a command when the command is used.

    Importing all modules, and building all commands, takes longer than running the network.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, or None if the name is unknown."""
        if cmd_name not in COMMANDS:  # load all: typer suggests names from `self.commands`
            for name in COMMANDS:
                self.get_command(ctx, name)
        elif cmd_name not in self.commands:
            self.commands[cmd_name] = _load(cmd_name)
        return self.commands.get(cmd_name)


class CheckedCommand(TyperCommand):
    """A command that refuses a second `--channel`, and names options in the errors of settings.

    The last `--channel` would count silently. Settings have the names of Python arguments in their
    errors.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments.

        Raises:
            UsageError: If they are not valid, or `--channel` is given twice.
        """
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        if sum(parameter.name == "channel" for parameter in order) > 1:
            ctx.fail(
                "--channel is given twice; it selects one channel, and without it all channels "
                "are averaged. `classify --timeline --channel each` gives a timeline for each."
            )
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command.

        Raises:
            ConfigError: If an option is not valid.
        """
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            names = {name for parameter in self.params for name in parameter.opts}
            error.args = (_with_options(str(error), names),)
            raise


def _with_options(message: str, names: set[str]) -> str:
    """Return the message of a setting, such as `min_pause=9 must be …`, with the option's name."""

    def replaced(match: re.Match[str]) -> str:
        option = f"--{match[1].replace('_', '-')}"
        return f"{option} {match[2]}" if option in names else match[0]

    return re.sub(r"\b([a-z_]+)=(\S+)(?= must )", replaced, message)


def _load(name: str) -> Any:
    """Import a command, a function or a `typer.Typer`, and return it as a click command."""
    attribute = name.replace("-", "_")
    command = getattr(importlib.import_module(f".{attribute}", __package__), attribute)
    if not isinstance(command, typer.Typer):
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(name)(command)
        command = single
    for registered in command.registered_commands:
        registered.cls = CheckedCommand
    return typer.main.get_command(command)


app = typer.Typer(
    name="edge-ser",
    cls=LazyGroup,
    help="Recognise the emotion of a voice: angry, happy, neutral or sad; offline.",
    epilog="Exit status: 0 success; 1 some inputs or outputs failed, the others were processed; "
    "2 invalid command line; 130 interrupted by Ctrl-C; 141 output pipe closed early.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,  # rich costs more start-up than the help is worth
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"edge-ser {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; ends with SystemExit.

    A ConfigError is an invalid command line, exit status 2. Any other EdgeSerError is status 1.
    """
    if sys.stdout is None:  # closed by the caller
        sys.exit("edge-ser: standard output is closed")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):  # file names need not be valid text
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.stderr = BestEffortStream(sys.stderr)
    try:
        try:
            with Interruption(), notes_to(_print_note):
                app()
        finally:
            sys.stdout.flush()
    except ConfigError as error:
        print_error(error)
        sys.exit(2)
    except EdgeSerError as error:
        print_error(error)
        sys.exit(1)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            _exit_broken_pipe()
        print_error(EdgeSerError(f"cannot write the output: {system_reason(error)}"))  # disk full
        _discard_output()
        sys.exit(1)
    except SystemExit as exit:
        Interruption.check()
        if isinstance(exit.__context__, BrokenPipeError):  # typer converts it to SystemExit
            _exit_broken_pipe()
        raise


def _print_note(message: str) -> None:
    print(f"edge-ser: {printable(message)}", file=sys.stderr)


def _exit_broken_pipe() -> NoReturn:
    """Exit without a message: the reader of the output has ended, as `| head` does."""
    _discard_output()
    sys.exit(141)  # 128 + SIGPIPE, as shells report it


def _discard_output() -> None:
    """Redirect stdout to the null device: flushing its buffer at exit would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
