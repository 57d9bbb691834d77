"""`edge-ser classify --timeline`: long recordings as segments."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TextIO

from ..audio.decode import AudioFile
from ..audio.resample import StreamResampler
from ..batch import speaker_units
from ..errors import AudioError, ConfigError, EdgeSerError
from ..results.timelines import TimelineWriter
from ..results.writer import SINGLE_RECORDING_FORMATS
from ..streaming.timeline import TimelineStream
from .classify_request import STDIN, AudioInputs, ClassifyRequest
from .output import open_writer
from .terminal import Interruption, Progress, print_error
from .timeline_output import timeline_writer

if TYPE_CHECKING:
    import numpy as np

    from ..audio.read import AudioSource
    from ..inference.profile import SpeakerProfile
    from ..model import EmotionModel
    from ..streaming.segments import Segment
    from .plot import Sheet


PART_SECONDS = 30.0  # of a recording, held in memory to adapt to its speaker


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
    recordings, unit_of = speaker_units(request.inputs.paths)
    _check_count(len(recordings), request)
    if request.timeline is not None and request.timeline.plot is not None:
        from .plot import load_pyplot

        load_pyplot()  # fails before anything is written
    output = request.output

    def create_writer(file: TextIO) -> TimelineWriter:
        has_arousal = model.card.arousal is not None
        return timeline_writer(output.format, file, model.labels, has_arousal=has_arousal)

    profiles: dict[str, SpeakerProfile | None] = {}  # by unit
    with open_writer(output.path, output.force, create_writer) as writer:
        for name in recordings:
            try:
                if isinstance(name, AudioError):
                    raise name
                if request.adapt:
                    unit = unit_of[name]
                    if unit not in profiles:
                        files = [file for file, of_unit in unit_of.items() if of_unit == unit]
                        profiles[unit] = _profile_of(files, request.inputs, model)
                    profile = profiles[unit]
                _write_timeline(name, _open(name, request.inputs), request, model, profile, writer)
            except ConfigError:
                raise
            except EdgeSerError as error:
                print_error(error)
                writer.failed = True
    return writer.failed


def _profile_of(
    files: list[str], inputs: AudioInputs, model: EmotionModel
) -> SpeakerProfile | None:
    """Return a profile of the speaker of some recordings, or None if they have too little speech.

    Unreadable recordings do not count; their errors are reported when they are processed.
    """
    from ..inference.profile import SpeakerProfile

    def parts() -> Iterator[np.ndarray]:
        for file in files:
            with contextlib.suppress(AudioError):
                yield from _parts(file, inputs, model.sample_rate)

    try:
        return SpeakerProfile.create("adapted", model, parts())
    except AudioError:
        return None


def _parts(file: str, inputs: AudioInputs, sample_rate: int) -> Iterator[np.ndarray]:
    """Yield a recording at the rate of the model, in parts of about `PART_SECONDS`."""
    import numpy as np

    audio = _open(file, inputs)
    resampler = StreamResampler(audio.sample_rate, sample_rate)
    held: list[np.ndarray] = []
    for chunk in audio:
        Interruption.check()
        held.append(resampler.push(chunk))
        if sum(map(len, held)) >= PART_SECONDS * sample_rate:
            yield np.concatenate(held)
            held = []
    held.append(resampler.push(np.empty(0, np.float32), last=True))
    last = np.concatenate(held)
    if len(last):
        yield last


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
