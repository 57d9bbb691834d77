"""`edge-ser classify --timeline`: long recordings as segments."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TextIO

from ..audio.decode import AudioFile
from ..audio.paths import expand
from ..errors import AudioError, ConfigError, EdgeSerError
from ..streaming.timeline import TimelineStream
from .classify_request import STDIN, AudioInputs, ClassifyRequest
from .output import SINGLE_RECORDING_FORMATS, open_writer
from .terminal import Interruption, Progress, print_error
from .timeline_output import TimelineWriter, timeline_writer

if TYPE_CHECKING:
    import numpy as np

    from ..audio.read import AudioSource
    from ..inference.profile import SpeakerProfile
    from ..model import EmotionModel
    from ..streaming.segments import Segment
    from .plot import Sheet


def run_timelines(
    request: ClassifyRequest, model: EmotionModel, profile: SpeakerProfile | None
) -> bool:
    """Write the segments of all recordings, one recording after the other.

    Returns:
        True if a recording failed. The segments before a failure are written.

    Raises:
        ConfigError: If there are several recordings, and the format or a plot supports only one.
        EdgeSerError: If a plot is requested and matplotlib is missing.
    """
    recordings = list(expand(request.inputs.paths))
    _check_count(len(recordings), request)
    if request.timeline is not None and request.timeline.plot is not None:
        from .plot import load_pyplot

        load_pyplot()  # fails before anything is written
    output = request.output

    def create_writer(file: TextIO) -> TimelineWriter:
        has_arousal = model.card.arousal is not None
        return timeline_writer(output.format, file, model.labels, has_arousal=has_arousal)

    with open_writer(output.path, output.force, create_writer) as writer:
        for name in recordings:
            try:
                if isinstance(name, AudioError):
                    raise name
                _write_timeline(name, _open(name, request.inputs), request, model, profile, writer)
            except ConfigError:
                raise
            except EdgeSerError as error:
                print_error(error)
                writer.failed = True
    return writer.failed


def _check_count(n_recordings: int, request: ClassifyRequest) -> None:
    if n_recordings <= 1:
        return
    if request.output.format in SINGLE_RECORDING_FORMATS:
        raise ConfigError(
            f"--format {request.output.format.value} supports one recording, got {n_recordings}; "
            "use --format jsonl or csv"
        )
    if request.timeline is not None and request.timeline.plot is not None:
        raise ConfigError(f"--plot supports one recording, got {n_recordings}")


def _open(name: str, inputs: AudioInputs) -> AudioSource:
    if name == STDIN:
        return inputs.read_stdin()
    return AudioFile(name, limits=inputs.limits, channel=inputs.channel)


def _write_timeline(
    name: str,
    audio: AudioSource,
    request: ClassifyRequest,
    model: EmotionModel,
    profile: SpeakerProfile | None,
    writer: TimelineWriter,
) -> None:
    """Write the segments of one recording, and draw them.

    Raises:
        AudioError: If the recording breaks off, after the segments before that are written.
    """
    options = request.timeline
    assert options is not None
    sheet = None
    if options.plot is not None:
        from .plot import Sheet

        sheet = Sheet(model, audio.sample_rate, name)
    stream = TimelineStream(
        model,
        audio.sample_rate,
        window=options.window,
        hop=options.hop,
        threshold=request.threshold,
        profile=profile,
        on_step=None if sheet is None else sheet.add_step,
    )
    progress = None
    if request.show_progress and audio.n_samples:
        progress = _SpeedBar(audio.n_samples / audio.sample_rate)
    chunks = iter(audio)
    first = next(chunks)  # an unreadable file raises here, before anything is written
    error: AudioError | None = None
    complete = False
    writer.begin(name)
    try:
        for segments in _segments(stream, itertools.chain([first], chunks), sheet):
            if progress is not None and segments and writer.on_terminal:
                progress.clear()
            for segment in segments:
                writer.add(segment)
                if sheet is not None:
                    sheet.add(segment)
            if progress is not None:
                progress.advance_to(stream.seconds)
        complete = True
    except AudioError as raised:
        error = raised
    finally:
        if progress is not None:
            progress.close()
        writer.end(complete)
    if sheet is not None and options.plot is not None:
        sheet.save(options.plot)
    if error is not None:
        raise error


def _segments(
    stream: TimelineStream, chunks: Iterable[np.ndarray], sheet: Sheet | None
) -> Iterator[list[Segment]]:
    """Yield the segments that end in each chunk; an AudioError follows the last segments."""
    error: AudioError | None = None
    try:
        for chunk in chunks:
            Interruption.check()
            if sheet is not None:
                sheet.push(chunk)
            yield stream.push(chunk)
    except AudioError as raised:
        error = raised
    yield stream.flush()
    if error is not None:
        raise error


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
