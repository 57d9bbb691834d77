"""`edge-ser classify --timeline`: long recordings as segments."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import AudioError, ConfigError, EdgeSerError
from .prediction_output import OF_ONE_RECORDING, Format
from .terminal import Interruption, Progress, print_error

if TYPE_CHECKING:
    from ..audio.limits import AudioLimits
    from ..audio.read import Audio
    from ..inference.profile import SpeakerProfile
    from ..model import EmotionModel
    from .timeline_output import Timelines


@dataclass(frozen=True)
class TimelineOptions:
    """What `TimelineStream` takes, where a sheet is drawn to, and what is too much."""

    window: float
    hop: float
    threshold: float | None
    profile: SpeakerProfile | None
    plot: Path | None
    limits: AudioLimits
    channel: int | None


def check_options(format: Format, options: TimelineOptions, n_inputs: int) -> None:
    """ConfigError for what does not go together, before anything is read or written."""
    from ..streaming.timeline import check_window

    check_window(options.window, options.hop)
    if n_inputs > 1 and format in OF_ONE_RECORDING:
        raise ConfigError(
            f"--format {format.value} is of one recording, and {n_inputs} are given; give one, or "
            "--format jsonl or csv, which name them"
        )
    if options.plot is not None:
        from .plot import check_plot

        if n_inputs > 1:
            raise ConfigError(f"--plot draws one recording, and {n_inputs} are given; give one")
        check_plot(options.plot)


def write_timelines(
    model: EmotionModel,
    inputs: list[str | AudioError],
    out: Timelines,
    here: Mapping[str, Callable[[], Audio]],
    options: TimelineOptions,
    show_progress: bool,
) -> bool:
    """Write the segments of all recordings; whether one of them failed.

    `here`: the names that are no files, and what gives their samples. A recording that breaks off
    has failed, but the segments of what was heard are written.
    """
    from ..audio.decode import AudioFile

    failed = False
    try:
        for name in inputs:
            try:
                if isinstance(name, AudioError):
                    raise name
                recording = (
                    here[name]()
                    if name in here
                    else AudioFile(name, limits=options.limits, channel=options.channel)
                )
                _write_one(model, name, out, recording, options, show_progress)
            except ConfigError:
                raise
            except EdgeSerError as error:
                print_error(error)
                failed = True
    finally:
        out.close()
    return failed


def _write_one(
    model: EmotionModel,
    name: str,
    out: Timelines,
    recording: Audio,
    options: TimelineOptions,
    show_progress: bool,
) -> None:
    from ..streaming.timeline import TimelineStream

    sheet = None
    if options.plot is not None:
        from .plot import Sheet

        sheet = Sheet(model, recording.sample_rate, name)
    stream = TimelineStream(
        model,
        recording.sample_rate,
        window=options.window,
        hop=options.hop,
        threshold=options.threshold,
        profile=options.profile,
        watch=sheet.add_step if sheet is not None else lambda step: None,
    )
    progress = None
    if show_progress and recording.n_samples:
        progress = Progress(round(recording.n_samples / recording.sample_rate), show_pos=False)
    pieces = iter(recording)
    first = next(pieces)  # nothing is written of what cannot be read at all
    failed, complete = None, False
    started = time.monotonic()
    done = 0
    out.begin(name)
    try:
        try:
            for piece in itertools.chain([first], pieces):
                Interruption.check()
                if sheet is not None:
                    sheet.hear(piece)
                segments = stream.push(piece)
                if progress is not None and segments and out.shown:
                    progress.clear()
                for segment in segments:
                    out.add(segment)
                    if sheet is not None:
                        sheet.add(segment)
                if progress is not None:
                    speed = stream.seconds / max(time.monotonic() - started, 1e-3)
                    progress.advance(int(stream.seconds) - done, f"{speed:.0f} times real time")
                    done = int(stream.seconds)
        except AudioError as error:
            failed = error
        for segment in stream.flush():
            out.add(segment)
            if sheet is not None:
                sheet.add(segment)
        complete = failed is None
    finally:
        if progress is not None:
            progress.close()
        out.end(complete)
    if sheet is not None and options.plot is not None:
        sheet.save(options.plot)
    if failed is not None:
        raise failed
