"""`edge-ser classify --timeline`: long recordings as segments."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .answers import OF_ONE_RECORDING, Format
from .errors import AudioError, ConfigError, EdgeSerError
from .terminal import Interruption, Progress, complain, is_terminal

if TYPE_CHECKING:
    import numpy as np

    from .model import EmotionModel
    from .profile import SpeakerProfile
    from .timeline_output import Timelines


@dataclass(frozen=True)
class Recording:
    """Samples piece by piece, mono float `(n,)`; `seconds` is None where nothing tells."""

    pieces: Iterable[np.ndarray]
    sample_rate: float
    seconds: float | None


@dataclass(frozen=True)
class TimelineOptions:
    """What `TimelineStream` takes, and where a sheet is drawn to."""

    window: float
    hop: float
    threshold: float | None
    profile: SpeakerProfile | None
    plot: Path | None


def _of_file(name: str) -> Recording:
    """An audio file that is read piece by piece."""
    from .audio import AudioFile

    file = AudioFile(name)
    seconds = None if file.n_samples is None else file.n_samples / file.sample_rate
    return Recording(file, file.sample_rate, seconds)


def _of_samples(samples: np.ndarray, sample_rate: int) -> Recording:
    from .audio import in_pieces

    return Recording(in_pieces(samples), sample_rate, len(samples) / sample_rate)


def check_options(format: Format, options: TimelineOptions, n_inputs: int) -> None:
    """ConfigError for what does not go together, before anything is read or written."""
    from .timeline import check_window

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
    model: EmotionModel, inputs: list[str | AudioError], out: Timelines,
    here: Mapping[str, Callable[[], np.ndarray]], options: TimelineOptions, show_progress: bool,
    interruption: Interruption,
) -> bool:
    """Write the segments of all recordings; whether one of them failed.

    `here`: the names that are no files, and what gives their samples at the rate of the model.
    """
    failed = False
    try:
        for name in inputs:
            try:
                if isinstance(name, AudioError):
                    raise name
                if name in here:
                    recording = _of_samples(here[name](), model.sample_rate)
                else:
                    recording = _of_file(name)
                _write_one(model, name, out, recording, options, show_progress, interruption)
            except ConfigError:
                raise
            except EdgeSerError as error:
                complain(error)
                failed = True
    finally:
        out.close()
    return failed


def _write_one(
    model: EmotionModel, name: str, out: Timelines, recording: Recording, options: TimelineOptions,
    show_progress: bool, interruption: Interruption,
) -> None:
    from .timeline import TimelineStream

    sheet = None
    if options.plot is not None:
        from .plot import Sheet

        sheet = Sheet(model, recording.sample_rate, name)
    stream = TimelineStream(
        model, recording.sample_rate, window=options.window, hop=options.hop,
        threshold=options.threshold, profile=options.profile,
        watch=sheet.add_step if sheet is not None else lambda step: None,
    )
    progress = None
    if show_progress and recording.seconds:
        progress = Progress(round(recording.seconds), show_pos=False)
    started = time.monotonic()
    done = 0
    out.begin(name)
    try:
        for piece in recording.pieces:
            interruption.check()
            if sheet is not None:
                sheet.hear(piece)
            segments = stream.push(piece)
            if progress is not None and segments and is_terminal(sys.stdout):
                progress.clear()
            for segment in segments:
                out.add(segment)
                if sheet is not None:
                    sheet.add(segment)
            if progress is not None:
                speed = stream.seconds / max(time.monotonic() - started, 1e-3)
                progress.advance(int(stream.seconds) - done, f"{speed:.0f} times real time")
                done = int(stream.seconds)
        for segment in stream.flush():
            out.add(segment)
            if sheet is not None:
                sheet.add(segment)
    finally:
        if progress is not None:
            progress.close()
        out.end()
    if sheet is not None and options.plot is not None:
        sheet.save(options.plot)
