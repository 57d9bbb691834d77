"""`edge-ser classify --timeline`: long recordings as segments."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ..batch import process_all, speaker_units
from ..errors import AudioError, ConfigError, EdgeSerError
from ..messages import printable
from ..results.summary_text import summary_lines
from ..results.timelines import Channel, SummaryWriter, TimelineWriter
from ..results.writer import SINGLE_RECORDING_FORMATS
from .classify_request import STDIN, ClassifyRequest, TimelineOptions
from .output import open_writer
from .output_folder import SUFFIX_OF, SUMMARY_NAME, check_new, file_stem, make_folder, output_stems
from .recordings import (
    ChannelKey,
    OpenRecording,
    RecordingTimelines,
    TimelineWork,
    open_audio,
    unit_profiles,
)
from .terminal import Interruption, Progress, print_error
from .timeline_output import timeline_writer

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ..inference.profile import SpeakerProfile
    from ..model import EmotionModel
    from ..streaming.segments import Segment


def run_timelines(
    request: ClassifyRequest, model: EmotionModel, profile: SpeakerProfile | None
) -> bool:
    """Write the timelines of all recordings, in their order.

    Returns:
        True if a recording failed. The segments before a failure are written.

    Raises:
        ConfigError: If there are several recordings, and the format or a plot supports only one;
            or results exist already.
        EdgeSerError: If a plot is requested and matplotlib is missing.
    """
    options = request.timeline
    assert options is not None
    recordings, unit_of = speaker_units(request.inputs.paths)
    if request.output.folder is None:
        _check_single(len(recordings), request)
    if options.start_time is not None and len(recordings) > 1:
        raise ConfigError(f"--start-time supports one recording, got {len(recordings)}")
    if options.plot is not None:
        from .plot import load_pyplot

        load_pyplot()  # fails before anything is written
    stems: dict[str, str] = {}
    if request.output.folder is not None:
        stems = {
            name: str(request.output.folder / stem)
            for name, stem in output_stems(request.inputs.paths).items()
        }
    profiles: dict[ChannelKey, SpeakerProfile | None] = {}
    work = TimelineWork(
        model,
        request.inputs,
        options.settings,
        request.threshold,
        request.speech_threshold,
        profile,
        unit_of if request.adapt else {},
        profiles,
        options.plot,
        stems,
    )
    has_arousal = model.card.arousal is not None

    def create_writer(file: TextIO) -> TimelineWriter:
        return timeline_writer(
            request.output.format,
            file,
            model.labels,
            has_arousal=has_arousal,
            has_times=options.start_time is not None,
            summary_only=options.plot is not None and options.plot.is_alone,
        )

    with contextlib.ExitStack() as stack:
        target: SingleFile | FolderOfFiles
        if request.output.folder is None:
            output = request.output
            target = SingleFile(
                stack.enter_context(open_writer(output.path, output.force, create_writer)), options
            )
        else:
            target = FolderOfFiles(request, work, create_writer)
            check_new([*_planned(recordings, work, target), target.summary_path], target.force)
            make_folder(request.output.folder)
            target.open_summary(stack, model.labels)
        run = _run_sequentially if request.jobs == 1 or len(recordings) <= 1 else _run_in_processes
        run(recordings, request, work, profiles, target)
    picture = None if options.plot is None else options.plot.path
    if picture is not None and not target.failed and not request.quiet:
        print(f"edge-ser: {printable(str(picture))} is written", file=sys.stderr)
    return target.failed


def _check_single(n_recordings: int, request: ClassifyRequest) -> None:
    """Raise ConfigError if a format or a plot for one timeline gets several."""
    if n_recordings <= 1 and not request.inputs.channel.each:
        return
    count = f"one recording, got {n_recordings}"
    if n_recordings <= 1:
        count = "one timeline, and --channel each gives several"
    if request.output.format in SINGLE_RECORDING_FORMATS:
        raise ConfigError(
            f"--format {request.output.format.value} supports {count}; use --format jsonl or csv, "
            "or --output-dir, which writes a file for each"
        )
    if request.timeline is not None and request.timeline.plot is not None:
        raise ConfigError(f"--plot supports {count}; use --output-dir DIR --plot png")


def _planned(
    recordings: list[str | AudioError], work: TimelineWork, target: FolderOfFiles
) -> list[Path]:
    """Return the files that will be written, as far as they can be known before."""
    paths = []
    choice = work.inputs.channel
    for name in recordings:
        channels: list[Channel | None] = [None]
        if isinstance(name, AudioError):
            continue
        if choice.each or choice.number is not None:
            if name == STDIN:
                continue
            with contextlib.suppress(EdgeSerError):  # reported when the recording is processed
                channels = choice.timelines(open_audio(name, work.inputs))
        for channel in channels:
            paths.append(target.path_of(name, channel))
            if work.plot is not None and (picture := work.picture_of(name, channel)) is not None:
                paths.append(picture)
    return paths


class SingleFile:
    """One file for all timelines, or stdout.

    Args:
        writer: Its writer.
        options: The options of the timelines.

    Attributes:
        failed: True if a recording failed.
    """

    def __init__(self, writer: TimelineWriter, options: TimelineOptions) -> None:
        self._writer, self._options = writer, options

    @property
    def failed(self) -> bool:
        """Return True if a recording failed."""
        return self._writer.failed

    def fail(self, error: EdgeSerError) -> None:
        """Report that a recording failed."""
        print_error(error)
        self._writer.failed = True

    @contextlib.contextmanager
    def timeline(self, name: str, channel: Channel | None) -> Iterator[TimelineWriter]:
        """Begin a timeline and yield its writer; `end` ends it."""
        self._writer.begin(name, channel, self._options.start_time)
        yield self._writer

    def end(self, writer: TimelineWriter, complete: bool) -> None:
        """End a timeline."""
        writer.end(complete)


class FolderOfFiles:
    """One file for each timeline, and a table of their summaries.

    Args:
        request: The request.
        work: How the timelines are computed.
        create: Creates the writer for an open file.

    Attributes:
        failed: True if a recording failed.
        force: Replace existing files.
        summary_path: The table of the summaries.
    """

    def __init__(
        self,
        request: ClassifyRequest,
        work: TimelineWork,
        create: Callable[[TextIO], TimelineWriter],
    ) -> None:
        assert request.output.folder is not None and request.timeline is not None
        self.failed = False
        self.force = request.output.force
        self.summary_path = request.output.folder / SUMMARY_NAME
        self._suffix = SUFFIX_OF[request.output.format]
        self._start_time = request.timeline.start_time
        self._work, self._create = work, create
        self._summaries: SummaryWriter

    def open_summary(self, stack: contextlib.ExitStack, labels: tuple[str, ...]) -> None:
        """Open the table of the summaries until a stack ends."""
        create = functools.partial(SummaryWriter, labels=labels)
        self._summaries = stack.enter_context(open_writer(self.summary_path, self.force, create))

    def path_of(self, name: str, channel: Channel | None) -> Path:
        """Return the file of a timeline."""
        return Path(file_stem(self._work.stems[name], channel) + self._suffix)

    def fail(self, error: EdgeSerError) -> None:
        """Report that a recording failed."""
        print_error(error)
        self.failed = self._summaries.failed = True

    @contextlib.contextmanager
    def timeline(self, name: str, channel: Channel | None) -> Iterator[TimelineWriter]:
        """Begin a timeline in a file of its own and yield its writer; `end` ends it."""
        path = self.path_of(name, channel)
        make_folder(path.parent)
        with open_writer(path, self.force, self._create) as writer:
            writer.begin(name, channel, self._start_time)
            self._path = path
            yield writer

    def end(self, writer: TimelineWriter, complete: bool) -> None:
        """End a timeline, add its summary to the table, and print that it was written."""
        summary = writer.end(complete)
        path = os.path.relpath(self._path, self.summary_path.parent)
        self._summaries.add(writer.name, writer.channel_name, path, summary, complete)
        print(printable(f"{self._path}: {summary_lines(summary, complete)[0]}"), flush=True)


def _run_sequentially(
    recordings: list[str | AudioError],
    request: ClassifyRequest,
    work: TimelineWork,
    profiles: dict[ChannelKey, SpeakerProfile | None],
    target: SingleFile | FolderOfFiles,
) -> None:
    """Process one recording after the other, and write its segments as soon as they end."""
    adapted: set[str] = set()
    for name in recordings:
        try:
            if isinstance(name, AudioError):
                raise name
            if request.adapt and (unit := work.unit_of[name]) not in adapted:
                adapted.add(unit)
                profiles.update(unit_profiles(work.model, work.inputs, work.unit_of, unit))
            _write_recording(name, work.open(name), target, request.show_progress)
        except ConfigError:
            raise
        except EdgeSerError as error:
            target.fail(error)


def _write_recording(
    name: str, recording: OpenRecording, target: SingleFile | FolderOfFiles, show_progress: bool
) -> None:
    """Write the timelines of one recording; the first one as it is computed.

    Raises:
        AudioError: If the recording breaks off, after the segments before that are written.
    """
    progress = None
    if show_progress and recording.duration:
        progress = _SpeedBar(recording.duration)
    others: list[list[Segment]] = [[] for _ in recording.channels[1:]]
    error: AudioError | None = None
    with target.timeline(name, recording.channels[0]) as writer:
        try:
            for first, *more in recording.steps():
                if progress is not None and first and writer.on_terminal:
                    progress.clear()
                for segment in first:
                    writer.add(segment)
                for known, new in zip(others, more):
                    known += new
                if progress is not None:
                    progress.advance_to(recording.seconds)
        except AudioError as raised:
            error = raised
        finally:
            if progress is not None:
                progress.close()
        target.end(writer, error is None)
    for channel, segments in zip(recording.channels[1:], others):
        _write_timeline(name, channel, segments, error is None, target)
    recording.save_plots()
    if error is not None:
        raise error


def _write_timeline(
    name: str,
    channel: Channel | None,
    segments: list[Segment],
    complete: bool,
    target: SingleFile | FolderOfFiles,
) -> None:
    """Write a timeline that was computed before."""
    with target.timeline(name, channel) as writer:
        for segment in segments:
            writer.add(segment)
        target.end(writer, complete)


def _run_in_processes(
    recordings: list[str | AudioError],
    request: ClassifyRequest,
    work: TimelineWork,
    profiles: dict[ChannelKey, SpeakerProfile | None],
    target: SingleFile | FolderOfFiles,
) -> None:
    """Process several recordings at a time, and write each as soon as those before it are."""
    if request.adapt:
        units = list(dict.fromkeys(work.unit_of.values()))
        of_unit = functools.partial(unit_profiles, work.model, work.inputs, work.unit_of)
        for known in process_all(of_unit, units, request.jobs):
            Interruption.check()
            if not isinstance(known.result, EdgeSerError):
                profiles.update(known.result)
    progress = Progress(len(recordings)) if request.show_progress else None
    in_process = {STDIN: functools.partial(work, STDIN)}
    results = process_all(work, recordings, request.jobs, in_process)
    with contextlib.closing(results), _closing(progress):
        for item in results:
            Interruption.check()
            if progress is not None:
                progress.clear()
            if isinstance(item.result, EdgeSerError):
                target.fail(item.result)
            else:
                _write_result(item.file, item.result, target)
            if progress is not None:
                progress.advance()


def _write_result(
    name: str, result: RecordingTimelines, target: SingleFile | FolderOfFiles
) -> None:
    for timeline in result.timelines:
        complete = result.error is None
        _write_timeline(name, timeline.channel, timeline.segments, complete, target)
    if result.error is not None:
        target.fail(result.error)


def _closing(progress: Progress | None) -> AbstractContextManager[object]:
    return contextlib.nullcontext() if progress is None else contextlib.closing(progress)


class _SpeedBar(Progress):
    """A progress bar over the seconds of a recording, with the speed as its note."""

    def __init__(self, seconds: float) -> None:
        super().__init__(round(seconds), show_pos=False)
        self._position = 0

    def advance_to(self, seconds: float) -> None:
        """Move the bar to a position in the recording."""
        speed = seconds / max(time.monotonic() - self._started, 1e-3)
        self.advance(int(seconds) - self._position, f"{speed:.0f} times real time")
        self._position = int(seconds)
