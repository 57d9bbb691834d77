"""The command `edge-ser`. What is heavy is imported in the functions that need it."""

from __future__ import annotations

import copy
import csv
import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TextIO

import typer

from .. import __version__
from ..errors import AudioError, ConfigError, EdgeSerError
from ..messages import system_reason
from . import bench as cli_bench
from . import classify as cli_classify
from . import doctor as cli_doctor
from . import listen as cli_listen
from . import profile as cli_profile
from .terminal import BestEffortStream, Interruption, wrap_hanging
from .terminal import print_error as _complain

if TYPE_CHECKING:
    import numpy as np

app = typer.Typer(
    name="edge-ser",
    help="Tell from a voice whether it sounds angry, happy, sad or neutral; offline.",
    epilog="Exit status: 0 all went well; 1 some input or output failed, and the others were "
    "answered; 2 wrong command line; 130 interrupted by Ctrl-C; 141 nobody read the output to its "
    "end.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,  # rich costs more start-up than the help is worth
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


app.add_typer(cli_profile.app, name="profile")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edge-ser {__version__}")
        raise typer.Exit()


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command()(cli_classify.classify)
app.command()(cli_listen.listen)
app.command()(cli_doctor.doctor)
app.command()(cli_bench.bench)


@app.command()
def info(
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="[MODEL]", readable=False, help="An .onnx model [default: the bundled one]."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Tell what a model is and what it is worth.

    Its labels, front end, size, inputs and outputs, the corpora it was trained on, its scores and
    its licence: all that the file says of itself.

    \b
    Examples:
      edge-ser info
      edge-ser info my.onnx --json | jq .scores
    """
    from ..diagnostics.model_info import INDENT, as_text, describe
    from ..model import EmotionModel

    about = describe(EmotionModel.load(model))
    if as_json:
        print(json.dumps(about, indent=2, ensure_ascii=False))
    else:
        print(wrap_hanging(as_text(about), INDENT, sys.stdout))


@app.command()
def mfcc(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="CLIP", readable=False, help="An audio file, or - for one on standard input."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="A .npy array (frames, coefficients) or a .csv table [default: csv on stdout].",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of the front end, such as hop_length=320; repeatable.",
        ),
    ] = None,
    python_speech_features: Annotated[
        bool, typer.Option("--psf", help="Begin with python_speech_features' conventions.")
    ] = False,
) -> None:
    """Write the MFCC of a clip, for other models.

    The defaults are librosa.feature.mfcc(sr=16000, n_mfcc=13, n_fft=512, hop_length=160,
    n_mels=40) without its clamp (top_db=80 gives that). A table has the times of the frames'
    centres in seconds as its first column.

    \b
    Examples:
      edge-ser mfcc clip.wav -o features.npy
      edge-ser mfcc clip.wav --set n_mels=80 --set top_db=80 > features.csv
      edge-ser mfcc clip.wav --psf
      sox clip.aiff -t wav - | edge-ser mfcc - > features.csv
    """
    if output is not None and output.suffix.lower() not in (".npy", ".csv"):
        raise ConfigError(f"--output {output}: wanted a name that ends in .npy or .csv")
    if output is not None:
        from ..files import check_free

        check_free(output, force)
    from ..audio.limits import AudioLimits
    from ..audio.read import read_audio, whole
    from ..features.config import MfccConfig
    from ..features.mfcc import Mfcc

    begin = MfccConfig.python_speech_features() if python_speech_features else MfccConfig()
    front = Mfcc(begin.with_settings(settings or []))
    try:
        if str(path) == "-":
            from ..audio.stdin import all_of_stdin

            samples = whole(all_of_stdin(None, AudioLimits()), front.config.sample_rate)
        else:
            samples = read_audio(path, front.config.sample_rate)
        features = front(samples)
    except AudioError as error:
        raise error if str(path) in str(error) else AudioError(f"{path}: {error}") from error
    _write_features(features, front.framing.frame_times(len(features)), output)
    if output is not None:
        period = 1000 * front.config.frame_period
        print(f"{output}: {len(features)} frames, one every {period:g} ms", file=sys.stderr)


def _write_features(features: np.ndarray, times: np.ndarray, output: Path | None) -> None:
    """As a table on stdout, or as what the suffix of `output` says."""
    if output is None:
        _write_table(features, times, sys.stdout)
        return
    from ..files import atomic_replace

    with atomic_replace(output) as temporary:
        if output.suffix.lower() == ".npy":
            import numpy as np

            content = io.BytesIO()  # numpy's own words for a full disk are numbers
            np.save(content, features)
            temporary.write_bytes(content.getvalue())
        else:
            with temporary.open("w", newline="") as table:
                _write_table(features, times, table)


def _write_table(features: np.ndarray, times: np.ndarray, file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["time", *(f"mfcc_{k}" for k in range(features.shape[1]))])
    for time, row in zip(times, features):
        writer.writerow([f"{time:.6f}", *(f"{value:.5f}" for value in row)])


def _asked_for(arguments: list[str]) -> typer.Typer:
    """The application with the command that `arguments` begin with, or all of it: what typer makes
    of the others takes longer than the network."""
    wanted = copy.copy(app)
    for command in app.registered_commands:
        if command.callback is not None and arguments[:1] == [command.callback.__name__]:
            wanted.registered_commands, wanted.registered_groups = [command], []
    return wanted


def main() -> None:
    """The entry point; a setting out of range is a wrong command line, exit status 2."""
    if sys.stdout is None:  # closed by the caller
        sys.exit("edge-ser: there is no standard output to print to")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):  # names of files need not be text
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.stderr = BestEffortStream(sys.stderr)  # type: ignore[assignment]
    try:
        try:
            with Interruption():
                _asked_for(sys.argv[1:])()
        finally:
            sys.stdout.flush()
    except ConfigError as error:
        _complain(error)
        sys.exit(2)
    except EdgeSerError as error:
        _complain(error)
        sys.exit(1)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            _nobody_reads()
        _complain(EdgeSerError(f"cannot write the answers: {system_reason(error)}"))  # a full disk
        _drop_output()
        sys.exit(1)
    except SystemExit as left:
        Interruption.check()
        if isinstance(left.__context__, BrokenPipeError):  # which typer has made of it
            _nobody_reads()
        raise


def _nobody_reads() -> NoReturn:
    """Whoever read the output has had enough, as `| head` has: no error, and no success."""
    _drop_output()
    sys.exit(141)  # 128 + SIGPIPE, as of the programs which that signal ends


def _drop_output() -> None:
    """What is left in the buffer could not be written at exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
