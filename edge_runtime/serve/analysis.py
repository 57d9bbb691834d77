"""Answers for uploads, with the fields that the commands print."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..audio.decode import AudioFile
from ..audio.limits import AudioLimits
from ..audio.pcm import Encoding, PcmFormat
from ..audio.read import AudioSource
from ..errors import AudioError, ConfigError, EdgeSerError
from ..messages import brief_repr
from ..results.rows import parse_clock_time, prediction_row
from ..results.sources import classify_source
from ..results.timelines import Channel, TimelineWriter, default_names, timeline_file_writer
from ..results.writer import SINGLE_RECORDING_FORMATS, OutputFormat
from .options import EACH

if TYPE_CHECKING:
    from datetime import datetime

    from ..inference.profile import SpeakerProfile
    from ..model import EmotionModel
    from ..streaming.segments import Segment
    from ..streaming.timeline import TimelineStream

DEFAULT_WINDOW, DEFAULT_HOP = 3.0, 1.0  # seconds


def open_source(
    content: bytes, name: str, options: dict[str, Any], limits: AudioLimits
) -> AudioSource:
    """Open an upload as an audio file, or as raw PCM if a rate is given.

    Args:
        content: The bytes.
        name: Name for messages.
        options: Options of the request.
        limits: Maximum duration and size.

    Raises:
        AudioError: If it is not audio.
        ConfigError: If the options cannot be combined.
    """
    rate = options.get("rate")
    channel = None if options.get("channel") == EACH else options.get("channel")
    if rate is None:
        if "channels" in options or "encoding" in options:
            raise ConfigError("channels and encoding apply to raw PCM and require rate")
        return AudioFile(name, content, limits, channel)
    from ..audio.stdin import RawAudio

    encoding = Encoding(options.get("encoding", Encoding.s16le.value))
    format = PcmFormat(rate, options.get("channels", 1), encoding)
    audio = RawAudio(content, format, limits, channel)
    audio.path = Path(name)
    return audio


def classify(
    model: EmotionModel,
    content: bytes,
    name: str,
    options: dict[str, Any],
    limits: AudioLimits,
    profile: SpeakerProfile | None,
) -> dict[str, Any]:
    """Return the answer for a clip, as `edge-ser classify --format jsonl` prints it.

    Raises:
        EdgeSerError: If the clip or an option cannot be used.
    """
    audio = open_source(content, name, options, limits)
    prediction = classify_source(
        model,
        audio,
        threshold=options.get("threshold"),
        speech_threshold=options.get("speech_threshold"),
        profile=profile,
    )
    return prediction_row(name, prediction)


def examine_clip(
    model: EmotionModel, content: bytes, name: str, limits: AudioLimits
) -> dict[str, Any]:
    """Return the report on a recording, as `edge-ser doctor --json` prints it.

    Raises:
        AudioError: If it cannot be read.
    """
    from ..diagnostics.doctor_json import clip_row, report_row
    from ..diagnostics.recording_checks import examine

    examination = examine(name, model, content, limits)
    return report_row([], [clip_row(examination)], examination.findings)


class _Text(io.StringIO):
    """Collects the text of a writer."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """UTF-8: JSON need not be ASCII."""
        return "utf-8"

    def take(self) -> str:
        """Return what was written since the last call."""
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text


@dataclass
class Step:
    """Text that a block of a recording adds to its timeline.

    Attributes:
        text: The text.
        error: Reason why the recording could not be read to its end.
    """

    text: str
    error: AudioError | None = None


def timeline_steps(
    model: EmotionModel,
    content: bytes,
    name: str,
    options: dict[str, Any],
    limits: AudioLimits,
    profile: SpeakerProfile | None,
) -> Iterator[Step]:
    """Yield the timeline of a recording in parts, each for a block of audio.

    With `channel=each`, there is a timeline for every channel. The first one is written block by
    block, and the others at the end, as by the command.

    Raises:
        EdgeSerError: If the recording or an option cannot be used.
    """
    format, start_time = OutputFormat(options.get("format", "json")), _start_time(options)
    is_each = options.get("channel") == EACH
    if is_each and format in SINGLE_RECORDING_FORMATS:
        raise ConfigError(
            f"format={format.value} supports one timeline; channel=each gives several"
        )
    audio = open_source(content, name, options, limits)
    channels = _channels(audio, options.get("channel"))
    streams = [_new_stream(model, audio.sample_rate, options, profile) for _ in channels]
    text = _Text()
    has_times = start_time is not None
    writer = timeline_file_writer(format, text, model.labels, has_times=has_times)
    # Each block has the samples of each timeline.
    blocks: Iterator[Iterable[np.ndarray]] = zip(audio)
    if is_each:
        blocks = (block.T for block in audio.channels())
    first = next(blocks)  # an unreadable recording raises here, before there is an answer
    writer.begin(name, channels[0], start_time)
    segments: list[list[Segment]] = [[] for _ in channels]  # of the channels after the first
    error: AudioError | None = None
    try:
        for block in itertools.chain([first], blocks):
            for index, samples in enumerate(block):
                new = streams[index].push(np.ascontiguousarray(samples))
                _add(new, writer if index == 0 else segments[index])
            yield Step(text.take())
    except AudioError as raised:
        error = raised
    for index, stream in enumerate(streams):
        _add(stream.flush(), writer if index == 0 else segments[index])
    writer.end(error is None)
    for channel, known in zip(channels[1:], segments[1:]):
        writer.begin(name, channel, start_time)
        _add(known, writer)
        writer.end(error is None)
    writer.close()
    yield Step(text.take(), error)


def _start_time(options: dict[str, Any]) -> datetime | None:
    if "start_time" not in options:
        return None
    try:
        return parse_clock_time(options["start_time"])
    except ValueError:
        raise ConfigError(
            f"start_time={brief_repr(options['start_time'])} must be a date and time in ISO 8601, "
            "such as 2026-03-01T14:05:00+01:00"
        ) from None


def _channels(audio: AudioSource, channel: int | str | None) -> list[Channel | None]:
    """Return the channel of each timeline of a recording; None is the mean of its channels."""
    if channel is None:
        return [None]
    names = enumerate(default_names(audio.n_channels), 1)
    channels = [Channel(name, number) for number, name in names]
    return [*channels] if channel == EACH else [channels[int(channel) - 1]]


def _new_stream(
    model: EmotionModel, sample_rate: int, options: dict[str, Any], profile: SpeakerProfile | None
) -> TimelineStream:
    from ..streaming.timeline import TimelineStream

    window = options.get("window", DEFAULT_WINDOW)
    names = ("threshold", "speech_threshold", "min_segment", "min_pause", "vad")
    try:
        return TimelineStream(
            model,
            sample_rate,
            window=window,
            hop=options.get("hop", min(DEFAULT_HOP, window)),
            profile=profile,
            **{name: options[name] for name in names if name in options},
        )
    except ConfigError:
        raise
    except EdgeSerError as error:  # a package of the detector is missing
        raise ConfigError(str(error)) from error


def _add(segments: list[Segment], target: TimelineWriter | list[Segment]) -> None:
    if isinstance(target, list):
        target += segments
        return
    for segment in segments:
        target.add(segment)


def only_recording(text: str) -> str:
    """Return the one item of the JSON list that a writer has written."""
    (recording,) = json.loads(text)
    return json.dumps(recording, ensure_ascii=False)
