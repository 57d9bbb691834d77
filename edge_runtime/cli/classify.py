"""`edge-ser classify`: the emotion of files, folders and standard input."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from ..audio.limits import limits_of
from ..audio.pcm import Encoding, PcmFormat
from ..audio.stdin import STDIN_NAME, all_of_stdin, raw_format
from ..errors import AudioError, ConfigError, EdgeSerError
from ..messages import printable
from .prediction_output import OF_ONE_RECORDING, Format, PredictionWriter, Writer, format_of
from .profile import known_profiles
from .terminal import Interruption, Progress, has_colours, is_terminal, print_error

if TYPE_CHECKING:
    import numpy as np

    from ..audio.read import Audio
    from ..batch import BatchResult
    from ..inference.prediction import Prediction

STDIN = "-"  # the file of this name is ./-

# As a file to write, standard output would lose what it is redirected to.
STDOUT = (Path("-"), Path("/dev/stdout"), Path("/dev/fd/1"))


def classify(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help='Audio files, folders, patterns such as "calls/**/*.wav", or - for standard '
            "input.",
        ),
    ],
    format: Annotated[
        Format | None,
        typer.Option(help="How to write the answers [default: the suffix of --output, or text]."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write to FILE [default: standard output]."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", readable=False, help="An .onnx model [default: the bundled one]."
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            min=0.0,
            max=1.0,
            help='Answer "uncertain" below this confidence [default: the model\'s].',
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=known_profiles,
            help="Who speaks: a profile that `edge-ser profile create` made.",
        ),
    ] = None,
    timeline: Annotated[
        bool,
        typer.Option(
            "--timeline",
            "-t",
            help="Long recordings: segments from when to when, and where nobody speaks.",
        ),
    ] = False,
    window: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="What is heard at once for a timeline; below 2 much of what is said counts as no "
            "speech [default: 3].",
        ),
    ] = None,
    hop: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="From one window to the next [default: 1]."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw the timeline of one recording: .png, .svg or .pdf."
        ),
    ] = None,
    channel: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Hear this channel alone, 1 is left, such as one side of a call [default: their "
            "mean].",
        ),
    ] = None,
    max_duration: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Refuse what is longer [default: 1800; with --timeline a day]."
        ),
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Refuse larger files; 500M or 2G [default: 1G; with --timeline 32G].",
        ),
    ] = None,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs", "-j", metavar="N", min=0, help="How many files at a time; 0: one a core."
        ),
    ] = 1,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress bar. Errors are still told.")
    ] = False,
    rate: Annotated[
        int | None,
        typer.Option(metavar="HZ", help="Standard input is raw samples (PCM), so many a second."),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Of raw samples, interleaved [default: 1]."),
    ] = None,
    encoding: Annotated[
        Encoding | None, typer.Option(help="Of raw samples [default: s16le].")
    ] = None,
) -> None:
    """Tell the emotion of audio files.

    WAV, FLAC, OGG, MP3 and what else libsndfile reads, at any rate. A folder stands for the audio
    files in it and in the folders below, without hidden ones. Each file is one answer, in the
    order given and printed as soon as it is ready: its label, the confidence (the largest
    probability) and the probability of every label. "no speech" and "uncertain" are answers too.
    A file that cannot be used is one line on standard error, and the others are still answered.

    json writes one list, jsonl one object a line, csv a header and a row a file; "no speech" and
    "uncertain" have no confidence there (null, or nothing). --output fills
    FILE.part and renames it to FILE at the end. After Ctrl-C the answers so far are complete:
    those on standard output as they are, those of --output in FILE.part.

    --timeline answers a recording of any length by segments: start and end in seconds, and "no
    speech" for the pauses. audacity writes a label track, srt and vtt subtitles. --plot draws
    waveform, MFCC and probabilities on one sheet.

    Standard input is read to its end: a WAV, FLAC, OGG or MP3, also a WAV whose header leaves its
    length open, or raw samples if --rate is given.

    \b
    Examples:
      edge-ser classify clip.wav other.mp3
      edge-ser classify recordings/ --jobs 0 -o answers.csv
      edge-ser classify "calls/**/*.flac" --format jsonl --threshold 0.6
      edge-ser classify --profile anna clip.wav
      edge-ser classify --timeline --channel 2 call.wav
      edge-ser classify --timeline call.mp3 -o call.srt
      edge-ser classify call.mp3 --plot call.png
      arecord -d 5 -f S16_LE -r 16000 | edge-ser classify -
      ffmpeg -i film.mkv -f s16le -ac 1 -ar 16000 - | edge-ser classify - --rate 16000
    """
    from ..batch import answer_all
    from ..files import NothingWrittenError, atomic_text_writer, check_free

    raw = _raw_format(paths, rate, channels, encoding)
    limits = limits_of(max_duration, max_size, timeline or plot is not None)
    held = limits_of(
        max_duration, max_size or "1G", timeline or plot is not None
    )  # of standard input
    if output in STDOUT:
        output = None
    format = format_of(output, format)
    timeline = timeline or plot is not None
    if force and output is None and plot is None:
        raise ConfigError("--force replaces what --output or --plot name: give one of them as well")
    _check_timeline(timeline, format, jobs, window, hop)
    if plot is not None:
        check_free(plot, force)
    if output is not None:
        check_free(output, force)
    _check_apart(paths, output, plot)
    from ..model import EmotionModel

    speaker = None
    if profile is not None:
        from ..inference.network import network_of
        from ..inference.profile import SpeakerProfile, profile_path

        speaker = SpeakerProfile.load(profile_path(profile))
    try:
        loaded = EmotionModel.load(model)
    except EdgeSerError as error:
        print_error(error)
        raise typer.Exit(1) from None
    if speaker is not None:
        speaker.bias_for(network_of(loaded))  # fails once, not for every file

    hear = functools.partial(loaded.classify, threshold=threshold, profile=speaker)
    stdin = functools.partial(all_of_stdin, raw, held, channel)
    if timeline:
        from ..audio.paths import expand
        from .timeline import TimelineOptions, check_options, write_timelines
        from .timeline_output import Timelines

        recordings = list(expand(paths))
        window = 3.0 if window is None else window
        hop = min(1.0, window) if hop is None else hop
        options = TimelineOptions(window, hop, threshold, speaker, plot, limits, channel)
        check_options(format, options, len(recordings))
    kept = output is not None and output.is_file()
    with (
        contextlib.nullcontext(sys.stdout)
        if output is None
        else atomic_text_writer(output, force) as file
    ):
        answers: Writer | None = None
        try:
            if timeline:
                answers = Timelines(format, file, loaded.labels)
                failed = write_timelines(
                    loaded,
                    recordings,
                    answers,
                    {STDIN: stdin},
                    options,
                    is_terminal(sys.stderr) and not quiet,
                )
            else:
                inputs, progress, names = _inputs(paths, quiet, output is None)
                answers = PredictionWriter(
                    format, file, loaded.labels, colours=has_colours(file), names=names
                )
                here = {STDIN: lambda: _clip_of_stdin(stdin, hear, loaded.sample_rate)}
                work = functools.partial(hear, limits=limits, channel=channel)
                failed = _write(answer_all(work, inputs, jobs, here), answers, progress)
            nothing = failed and not answers.count
            if nothing and output is not None:
                raise NothingWrittenError  # rather keep what FILE held before
        except KeyboardInterrupt:
            _interrupted(answers, file, output)
    if nothing and kept:
        print_error(EdgeSerError(f"{output}: is as it was before: there is no answer to write"))
    if failed:
        raise typer.Exit(1)


def _check_timeline(
    timeline: bool, format: Format, jobs: int, window: float | None, hop: float | None
) -> None:
    """ConfigError for what goes only with --timeline, or not with it."""
    if timeline and jobs != 1:
        raise ConfigError(
            f"--jobs {jobs} is for clips; a timeline is made of one recording after the other"
        )
    if not timeline and format in OF_ONE_RECORDING:
        raise ConfigError(f"--format {format.value} needs --timeline")
    if not timeline and (window is not None or hop is not None):
        raise ConfigError("--window and --hop are of --timeline: give that as well")


def _check_apart(paths: list[str], output: Path | None, plot: Path | None) -> None:
    """ConfigError if what is written would replace what is read, or the sheet the answers."""
    from ..audio.paths import expand

    written = {"--output": output, "--plot": plot}
    there = {name: path for name, path in written.items() if path is not None and path.is_file()}
    if output is not None and plot is not None and output.resolve() == plot.resolve():
        raise ConfigError(f"--output and --plot are both {output}; give two files")
    for found in expand(paths) if there else ():
        for option, path in there.items():
            with contextlib.suppress(OSError):  # whoever reads it will tell
                if isinstance(found, str) and os.path.samefile(found, path):
                    raise ConfigError(
                        f"{option} {path}: is an input as well, {found}, and would be lost; give "
                        "another name"
                    )


def _inputs(
    paths: list[str], quiet: bool, printed: bool
) -> tuple[Iterable[str | AudioError], Progress | None, list[str]]:
    """The inputs that `paths` stand for, and if people watch a bar, and the names for columns."""
    from ..audio.paths import expand

    has_bar = is_terminal(sys.stderr) and not quiet
    has_columns = printed and is_terminal(sys.stdout)
    found = expand(paths)
    if not has_bar and not has_columns:
        return found, None, []  # as they are found: there may be a million
    inputs = list(found)
    names = [name for name in inputs if isinstance(name, str)] if has_columns else []
    return inputs, Progress(len(inputs)) if has_bar else None, names


def _write(
    done: Generator[BatchResult[Prediction], None, None],
    answers: PredictionWriter,
    progress: Progress | None,
) -> bool:
    """Write all answers and complain of what was no input; whether anything was not."""
    failed = False
    try:
        with contextlib.closing(done):
            for answer in done:
                Interruption.check()
                if progress is not None:
                    progress.clear()
                if isinstance(answer.result, EdgeSerError):
                    print_error(answer.result)
                    failed = True
                else:
                    answers.add(answer.file, answer.result)
                if progress is not None:
                    progress.advance()
    finally:
        if progress is not None:
            progress.close()
        answers.close()
    return failed


def _interrupted(answers: Writer | None, file: TextIO, output: Path | None) -> None:
    """Leave at once: whatever is in the middle of a long recording is not waited for."""
    from ..files import partial_path

    for number in Interruption.SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if answers is not None:
        answers.close()
    file.flush()
    if output is not None:
        where = printable(str(partial_path(output)))
        print(f"edge-ser: interrupted; the answers so far are in {where}", file=sys.stderr)
    sys.stderr.flush()
    Interruption.leave()


def _raw_format(
    paths: list[str], rate: int | None, channels: int | None, encoding: Encoding | None
) -> PcmFormat | None:
    """What standard input holds, None for a file; ConfigError for a wrong combination."""
    if paths.count(STDIN) > 1:
        raise ConfigError("- is given twice, but standard input can be read only once")
    if STDIN in paths and is_terminal(sys.stdin):
        raise ConfigError("- is standard input, and that is a terminal: pipe audio into it")
    raw = raw_format(rate, channels, encoding)
    if raw is not None and STDIN not in paths:
        raise ConfigError("--rate is of raw samples on standard input: give - as a PATH")
    return raw


def _clip_of_stdin(
    stdin: Callable[[], Audio], hear: Callable[[np.ndarray], Prediction], sample_rate: int
) -> Prediction:
    """The answer of `hear` to all of standard input, at the rate of the model."""
    from ..audio.read import whole

    try:
        return hear(whole(stdin(), sample_rate))
    except AudioError as error:
        said = str(error)
        raise AudioError(
            said if said.startswith(STDIN_NAME) else f"{STDIN_NAME}: {said}"
        ) from error
