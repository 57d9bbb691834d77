"""Answers for uploads, with the fields that the commands print."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..audio.decode import AudioFile
from ..audio.limits import AudioLimits
from ..audio.pcm import Encoding, PcmFormat
from ..audio.read import AudioSource
from ..errors import AudioError, ConfigError
from ..results.rows import prediction_row
from ..results.sources import classify_source
from ..results.timelines import timeline_file_writer
from ..results.writer import OutputFormat

if TYPE_CHECKING:
    from ..inference.profile import SpeakerProfile
    from ..model import EmotionModel

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
    rate, channel = options.get("rate"), options.get("channel")
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

    Raises:
        EdgeSerError: If the recording or an option cannot be used.
    """
    from ..streaming.timeline import TimelineStream

    window = options.get("window", DEFAULT_WINDOW)
    hop = options.get("hop", min(DEFAULT_HOP, window))
    audio = open_source(content, name, options, limits)
    stream = TimelineStream(
        model,
        audio.sample_rate,
        window=window,
        hop=hop,
        threshold=options.get("threshold"),
        speech_threshold=options.get("speech_threshold"),
        profile=profile,
        **{name: options[name] for name in ("min_segment", "min_pause") if name in options},
    )
    format = OutputFormat(options.get("format", "json"))
    text = _Text()
    writer = timeline_file_writer(format, text, model.labels)
    blocks = iter(audio)
    first = next(blocks)  # an unreadable recording raises here, before there is an answer
    writer.begin(name)
    error: AudioError | None = None
    segments = stream.push(first)
    while True:
        for segment in segments:
            writer.add(segment)
        yield Step(text.take())
        try:
            block = next(blocks, None)
            if block is None:
                break
            segments = stream.push(block)
        except AudioError as raised:
            error = raised
            break
    for segment in stream.flush():
        writer.add(segment)
    writer.end(error is None)
    writer.close()
    yield Step(text.take(), error)


def only_recording(text: str) -> str:
    """Return the one item of the JSON list that a writer has written."""
    (recording,) = json.loads(text)
    return json.dumps(recording, ensure_ascii=False)
