"""The timelines of one recording, one for each channel that is processed."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..audio.decode import AudioFile
from ..audio.resample import StreamResampler
from ..errors import AudioError
from ..streaming.timeline import TimelineStream
from .classify_request import STDIN, AudioInputs, PlotTarget, StreamSettings
from .output_folder import file_stem, make_folder
from .terminal import Interruption

if TYPE_CHECKING:
    from ..audio.read import AudioSource
    from ..inference.profile import SpeakerProfile
    from ..model import EmotionModel
    from ..results.timelines import Channel
    from ..streaming.segments import Segment
    from .plot import Sheet

PART_SECONDS = 30.0  # of a recording, held in memory to adapt to its speaker


class ChannelKey(NamedTuple):
    """A channel of the recordings of one unit: the same speaker.

    Attributes:
        unit: The unit, from `batch.speaker_units`.
        place: Index of the timeline, 0 without `--channel each`.
    """

    unit: str
    place: int


Profiles = Mapping[ChannelKey, "SpeakerProfile | None"]


@dataclass(frozen=True)
class ChannelTimeline:
    """A complete timeline.

    Attributes:
        channel: The channel; None for the mean of all.
        segments: Its segments.
    """

    channel: Channel | None
    segments: list[Segment]


@dataclass(frozen=True)
class RecordingTimelines:
    """All timelines of a recording.

    Attributes:
        timelines: The timelines.
        error: Why the recording could not be read to its end, or None.
    """

    timelines: list[ChannelTimeline]
    error: AudioError | None


@dataclass(frozen=True)
class TimelineWork:
    """Computes the timelines of recordings; supports pickle.

    Attributes:
        model: The model.
        inputs: How to read the recordings.
        settings: Settings of the timeline.
        threshold: Confidence below which the label is "uncertain".
        speech_threshold: Probability from which a frame is speech.
        profile: Profile of the speaker of all recordings.
        unit_of: Unit of each recording, to adapt to its speaker.
        profiles: Profile of each channel of each unit.
        plot: Pictures to draw, or None.
        stems: For a folder of results, the path of those of each recording, without a suffix.
    """

    model: EmotionModel
    inputs: AudioInputs
    settings: StreamSettings
    threshold: float | None
    speech_threshold: float | None
    profile: SpeakerProfile | None
    unit_of: Mapping[str, str]
    profiles: Profiles
    plot: PlotTarget | None
    stems: Mapping[str, str]

    def __call__(self, name: str) -> RecordingTimelines:
        """Return the timelines of a recording, and draw them.

        Raises:
            AudioError: If nothing of it can be read.
        """
        recording = self.open(name)
        segments: list[list[Segment]] = [[] for _ in recording.channels]
        error: AudioError | None = None
        try:
            for step in recording.steps():
                for known, new in zip(segments, step):
                    known += new
        except AudioError as raised:
            error = raised
        recording.save_plots()
        timelines = [ChannelTimeline(*pair) for pair in zip(recording.channels, segments)]
        return RecordingTimelines(timelines, error)

    def open(self, name: str) -> OpenRecording:
        """Open a recording and read its beginning.

        Raises:
            AudioError: If it cannot be read.
        """
        return OpenRecording(self, name, open_audio(name, self.inputs))

    def picture_of(self, name: str, channel: Channel | None) -> Path | None:
        """Return the picture of a timeline to draw, or None."""
        if self.plot is None or self.plot.path is not None:
            return None if self.plot is None else self.plot.path
        return Path(file_stem(self.stems[name], channel) + self.plot.suffix)

    def profile_of(self, name: str, index: int) -> SpeakerProfile | None:
        """Return the profile of the speaker of a timeline, or None."""
        if name in self.unit_of:
            return self.profiles.get(ChannelKey(self.unit_of[name], index))
        return self.profile


class OpenRecording:
    """A recording whose timelines are computed block by block.

    Args:
        work: The settings.
        name: Name of the recording.
        audio: The recording.

    Attributes:
        channels: Channel of each timeline; None for the mean of all.
        duration: Duration by the header in seconds; 0 if it is not known.

    Raises:
        AudioError: If its beginning cannot be read.
    """

    def __init__(self, work: TimelineWork, name: str, audio: AudioSource) -> None:
        choice = work.inputs.channel
        self.channels = choice.timelines(audio)
        self.duration = (audio.n_samples or 0) / audio.sample_rate
        self._sheets: list[tuple[Sheet, Path] | None] = []
        self._streams: list[TimelineStream] = []
        for index, channel in enumerate(self.channels):
            path = work.picture_of(name, channel)
            sheet = None
            if path is not None and work.plot is not None:
                from .plot import Sheet

                title = name if channel is None else f"{name}, {channel.name}"
                sheet = Sheet(work.model, audio.sample_rate, title, mfcc=work.plot.mfcc)
            self._sheets.append(None if sheet is None or path is None else (sheet, path))
            self._streams.append(
                TimelineStream(
                    work.model,
                    audio.sample_rate,
                    **work.settings._asdict(),
                    threshold=work.threshold,
                    speech_threshold=work.speech_threshold,
                    profile=work.profile_of(name, index),
                    on_step=None if sheet is None else sheet.add_step,
                )
            )
        # Each block has the samples of each timeline.
        blocks: Iterator[Iterable[np.ndarray]] = zip(audio)
        if choice.each:
            blocks = (block.T for block in audio.channels())
        first = next(blocks)
        self._blocks = itertools.chain([first], blocks)

    @property
    def seconds(self) -> float:
        """Seconds of audio processed so far."""
        return self._streams[0].seconds

    def steps(self) -> Iterator[list[list[Segment]]]:
        """Yield the segments of each timeline that end in each block.

        Raises:
            AudioError: If the recording breaks off, after the last segments.
        """
        error: AudioError | None = None
        try:
            for block in self._blocks:
                Interruption.check()
                yield self._add(
                    [
                        stream.push(np.ascontiguousarray(samples))
                        for stream, samples in zip(self._streams, self._drawn(block))
                    ]
                )
        except AudioError as raised:
            error = raised
        yield self._add([stream.flush() for stream in self._streams])
        if error is not None:
            raise error

    def _drawn(self, block: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the samples of each timeline, after they were added to its picture."""
        for samples, drawing in zip(block, self._sheets):
            if drawing is not None:
                drawing[0].push(samples)
            yield samples

    def _add(self, segments: list[list[Segment]]) -> list[list[Segment]]:
        """Add segments to the pictures, and return them."""
        for new, drawing in zip(segments, self._sheets):
            if drawing is not None:
                for segment in new:
                    drawing[0].add(segment)
        return segments

    def save_plots(self) -> None:
        """Write the pictures.

        Raises:
            EdgeSerError: If one cannot be written.
        """
        for drawing in filter(None, self._sheets):
            sheet, path = drawing
            make_folder(path.parent)
            sheet.save(path)


def open_audio(name: str, inputs: AudioInputs, channel: int | None = None) -> AudioSource:
    """Open a recording, or stdin.

    Args:
        name: The file, or `STDIN`.
        inputs: How to read it.
        channel: Channel to use, counted from 1. Default: that of `inputs`.

    Raises:
        AudioError: If it cannot be used.
    """
    if name == STDIN:
        return inputs.read_stdin()
    return AudioFile(name, limits=inputs.limits, channel=channel or inputs.channel.number)


def unit_profiles(
    model: EmotionModel, inputs: AudioInputs, unit_of: Mapping[str, str], unit: str
) -> dict[ChannelKey, SpeakerProfile | None]:
    """Return the profiles of the speakers of a unit, one for each timeline.

    A speaker with too little speech has no profile. Unreadable recordings do not count; their
    errors are reported when they are processed.
    """
    from ..inference.profile import SpeakerProfile

    files = [file for file, of_unit in unit_of.items() if of_unit == unit]
    n_channels = 1
    if inputs.channel.each:
        for file in files:
            with contextlib.suppress(AudioError):
                n_channels = max(n_channels, open_audio(file, inputs).n_channels)
    profiles: dict[ChannelKey, SpeakerProfile | None] = {}
    for index in range(n_channels):
        channel = index + 1 if inputs.channel.each else None
        try:
            parts = _parts(files, inputs, channel, model.sample_rate)
            profiles[ChannelKey(unit, index)] = SpeakerProfile.create("adapted", model, parts)
        except AudioError:
            profiles[ChannelKey(unit, index)] = None
    return profiles


def _parts(
    files: list[str], inputs: AudioInputs, channel: int | None, sample_rate: int
) -> Iterator[np.ndarray]:
    """Yield recordings at the rate of the model, in parts of about `PART_SECONDS`."""
    for file in files:
        with contextlib.suppress(AudioError):
            yield from _parts_of_file(file, inputs, channel, sample_rate)


def _parts_of_file(
    file: str, inputs: AudioInputs, channel: int | None, sample_rate: int
) -> Iterator[np.ndarray]:
    audio = open_audio(file, inputs, channel)
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
