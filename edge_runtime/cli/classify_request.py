"""A validated request of `edge-ser classify`, parsed from the command line."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..audio.limits import AudioLimits, audio_limits
from ..audio.pcm import PcmFormat
from ..errors import ConfigError
from ..results.writer import SINGLE_RECORDING_FORMATS, OutputFormat
from .channels import ChannelChoice
from .clock_times import parse_start_time
from .output import format_of
from .terminal import is_terminal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ..audio.read import AudioSource

STDIN = "-"  # a file of that name is ./-

# stdout by another name: opened as a file, it would truncate the target of a redirection.
STDOUT = (Path("-"), Path("/dev/stdout"), Path("/dev/fd/1"))

# Defaults of the timeline, in seconds.
WINDOW, HOP = 3.0, 1.0
MIN_SEGMENT, MIN_PAUSE = 1.0, 0.5


# The requests are named tuples: dataclasses take ten times as long to create at start-up.


class AudioInputs(NamedTuple):
    """The recordings to read.

    Attributes:
        paths: Files, folders, patterns, or `STDIN`.
        channel: The channels to use.
        limits: Maximum duration and size of a file.
        stdin_limits: The same for stdin, which is held in memory.
        raw: Format of raw PCM on stdin. None: stdin holds an audio file.
    """

    paths: list[str]
    channel: ChannelChoice
    limits: AudioLimits
    stdin_limits: AudioLimits
    raw: PcmFormat | None

    def read_stdin(self) -> AudioSource:
        """Read stdin to its end."""
        from ..audio.stdin import read_all_stdin

        return read_all_stdin(self.raw, self.stdin_limits, self.channel.number)


class OutputTarget(NamedTuple):
    """Where and how to write the results.

    Attributes:
        path: The file. None: stdout.
        folder: Folder for one file per recording. None: one file for all.
        format: Format of the results.
        force: Replace existing files.
    """

    path: Path | None
    folder: Path | None
    format: OutputFormat
    force: bool


class StreamSettings(NamedTuple):
    """Settings of a `TimelineStream`, by the names of its arguments.

    Attributes:
        window: Seconds that the network gets at once.
        hop: Seconds from one window to the next.
        min_segment: Seconds of the shortest emotion within a stretch of speech.
        min_pause: Seconds of the shortest pause.
        vad: Detector of speech.
    """

    window: float = WINDOW
    hop: float = HOP
    min_segment: float = MIN_SEGMENT
    min_pause: float = MIN_PAUSE
    vad: str = "model"


class PlotTarget(NamedTuple):
    """Pictures to draw.

    Attributes:
        path: The file, if there is one recording.
        suffix: Suffix of the pictures in the folder of `OutputTarget`, if there is one.
        mfcc: Draw the MFCC, too.
        is_alone: The picture is all that is requested; text is then a summary.
    """

    path: Path | None
    suffix: str
    mfcc: bool
    is_alone: bool


class TimelineOptions(NamedTuple):
    """Options of `--timeline`.

    Attributes:
        settings: Settings of the timeline.
        plot: Pictures to draw, or None.
        start_time: Clock time of the start of the recording, or None.
    """

    settings: StreamSettings
    plot: PlotTarget | None
    start_time: datetime | None


class ClassifyRequest(NamedTuple):
    """A request of `edge-ser classify`.

    Attributes:
        inputs: The recordings to read.
        output: Where and how to write the results.
        timeline: Options of `--timeline`. None: one result per file.
        threshold: Confidence below which the label is "uncertain". None: that of the model.
        speech_threshold: Probability from which a frame is speech. None: that of the model.
        jobs: Number of processes. 0: one per core.
        adapt: Adapt to the speaker of each folder, and of the files given by name.
        show_progress: Show a progress bar on stderr.
        quiet: Print errors only.
    """

    inputs: AudioInputs
    output: OutputTarget
    timeline: TimelineOptions | None
    threshold: float | None
    speech_threshold: float | None
    jobs: int
    adapt: bool
    show_progress: bool
    quiet: bool


def parse_inputs(
    paths: list[str],
    channel: ChannelChoice,
    raw: PcmFormat | None,
    limits: tuple[float | None, str | None],
    is_timeline: bool,
) -> AudioInputs:
    """Validate the options of the inputs.

    Args:
        paths: The arguments.
        channel: The channels to use.
        raw: `--rate`, `--channels` and `--encoding`.
        limits: `--max-duration` and `--max-size`.
        is_timeline: True for `--timeline` and `--plot`, whose default limits are larger.

    Raises:
        ConfigError: If stdin cannot be read, or an option is out of range.
    """
    if paths.count(STDIN) > 1:
        raise ConfigError("- is given twice; stdin can be read only once")
    if STDIN in paths and is_terminal(sys.stdin):
        raise ConfigError("- reads stdin, which is a terminal; pipe audio into it")
    if raw is not None and STDIN not in paths:
        raise ConfigError("--rate applies to raw PCM on stdin; pass - as a PATH")
    duration, size = limits
    return AudioInputs(
        paths,
        channel,
        audio_limits(duration, size, is_timeline),
        audio_limits(duration, size or "1G", is_timeline),
        raw,
    )


def parse_output(
    output: Path | None,
    folder: Path | None,
    format: OutputFormat | None,
    force: bool,
    plot: PlotTarget | None,
) -> OutputTarget:
    """Validate `--output`, `--output-dir`, `--format` and `--force`.

    Raises:
        ConfigError: If a file cannot be created, or exists and `--force` is missing, or the options
            cannot be combined.
    """
    if output in STDOUT:
        output = None
    if folder is not None and output is not None:
        raise ConfigError("--output and --output-dir cannot be combined")
    if folder is not None and folder.exists() and not folder.is_dir():
        raise ConfigError(f"--output-dir {folder}: is not a folder")
    target = OutputTarget(output, folder, format_of(output, format), force)
    picture = None if plot is None else plot.path
    if force and output is None and folder is None and picture is None:
        raise ConfigError("--force requires --output, --output-dir or --plot")
    if output is not None and picture is not None and output.resolve() == picture.resolve():
        raise ConfigError(f"--output and --plot must be different files, got {output} for both")
    for path in (picture, output):
        if path is not None:
            from ..files import check_writable

            check_writable(path, force)
    return target


def parse_plot(
    plot: Path | None, mfcc: bool, folder: Path | None, is_alone: bool
) -> PlotTarget | None:
    """Validate `--plot` and `--plot-mfcc`.

    Args:
        plot: A file; with `--output-dir` a format.
        mfcc: Draw the MFCC, too.
        folder: `--output-dir`.
        is_alone: Neither `--timeline` nor an output is requested.

    Returns:
        The pictures to draw, or None.

    Raises:
        ConfigError: If the format is not supported.
    """
    if plot is None:
        if mfcc:
            raise ConfigError("--plot-mfcc requires --plot")
        return None
    from .plot import SUFFIXES, check_suffix

    if folder is None:
        check_suffix(plot)
        return PlotTarget(plot, "", mfcc, is_alone)
    suffix = f".{str(plot).lower().lstrip('.')}"
    if suffix not in SUFFIXES:
        raise ConfigError(
            f"--plot {plot}: with --output-dir, expected a format: "
            f"{', '.join(name[1:] for name in SUFFIXES)}"
        )
    return PlotTarget(None, suffix, mfcc, False)


def parse_timeline(
    is_timeline: bool,
    settings: Mapping[str, float | str | None],
    plot: PlotTarget | None,
    start_time: str | None,
) -> TimelineOptions | None:
    """Validate the options of a timeline.

    Args:
        is_timeline: True for `--timeline` and `--plot`.
        settings: The fields of `StreamSettings`; None where an option is missing.
        plot: Pictures to draw.
        start_time: `--start-time`.

    Returns:
        The options, or None without `--timeline` and `--plot`.

    Raises:
        ConfigError: If an option is out of range, or requires `--timeline`.
    """
    if not is_timeline:
        for name, value in settings.items():
            if value is not None:
                raise ConfigError(f"--{name.replace('_', '-')} requires --timeline")
        if start_time is not None:
            raise ConfigError("--start-time requires --timeline")
        return None
    from ..streaming.timeline import check_segmentation, check_window

    given: dict[str, Any] = {name: value for name, value in settings.items() if value is not None}
    stream = StreamSettings(**given)
    if "hop" not in given:
        stream = stream._replace(hop=min(HOP, stream.window))
    check_window(stream.window, stream.hop)
    check_segmentation(stream.min_segment, stream.min_pause)
    time = None if start_time is None else parse_start_time(start_time)
    return TimelineOptions(stream, plot, time)


def check_request(request: ClassifyRequest) -> None:
    """Raise ConfigError if options cannot be combined, or an input would be overwritten."""
    format = request.output.format
    if request.timeline is None and format in SINGLE_RECORDING_FORMATS:
        raise ConfigError(f"--format {format.value} requires --timeline")
    if request.timeline is None:
        if request.inputs.channel.each:
            raise ConfigError("--channel each requires --timeline")
        if request.inputs.channel.names:
            raise ConfigError("--channel-names requires --timeline")
        if request.output.folder is not None:
            raise ConfigError("--output-dir requires --timeline")
    if request.adapt and STDIN in request.inputs.paths:
        raise ConfigError("--adapt reads the recordings twice, which stdin (-) does not support")
    plot = None
    if request.timeline is not None and request.timeline.plot is not None:
        plot = request.timeline.plot.path
    _check_not_input(request.inputs.paths, {"--output": request.output.path, "--plot": plot})


def _check_not_input(paths: list[str], outputs: dict[str, Path | None]) -> None:
    from ..audio.paths import expand

    existing = {
        option: path for option, path in outputs.items() if path is not None and path.is_file()
    }
    for name in expand(paths) if existing else ():
        for option, path in existing.items():
            with contextlib.suppress(OSError):  # reported when the input is read
                if isinstance(name, str) and os.path.samefile(name, path):
                    raise ConfigError(
                        f"{option} {path}: is also an input ({name}) and would be overwritten; "
                        "choose another name"
                    )
