"""Transcripts: timed cues in a text, and edits that leave the rest of the text as it is.

A reader of a format locates the cues in the text. A transcript with emotions is the original text
with a few insertions, so that whatever a reader does not interpret stays byte for byte.
"""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import Enum
from typing import ClassVar, NamedTuple

from ..errors import EdgeSerError


class TranscriptError(EdgeSerError):
    """A transcript that cannot be read."""


class By(str, Enum):
    """Unit whose mean voice the emotion of a cue is relative to."""

    segment = "segment"
    speaker = "speaker"
    channel = "channel"


class Style(str, Enum):
    """Style of the emotions in a transcript.

    `prefix` is `[angry]` before the text, `class` is a class span of WebVTT, and `key` is a field
    of its own: a key of JSON, a column of CSV or a tier of a TextGrid.
    """

    prefix = "prefix"
    class_ = "class"
    key = "key"


class Cue(NamedTuple):
    """A stretch of a recording that a transcript describes.

    Attributes:
        start: Start in seconds.
        end: End in seconds.
        speaker: Name of the speaker. None: the transcript does not give it.
        channel: Channel of the recording, counted from 1. None: the transcript does not give it.
    """

    start: float
    end: float
    speaker: str | None = None
    channel: int | None = None


class CueEmotion(NamedTuple):
    """The emotion of a cue.

    Attributes:
        label: One of the labels of the model.
        confidence: Probability of the label, in [0, 1].
        probabilities: Probability of every label.
    """

    label: str
    confidence: float
    probabilities: dict[str, float]


class Edit(NamedTuple):
    """A change of a text.

    Attributes:
        start: Index of the first character to replace.
        end: Index after the last one; equal to `start` for an insertion.
        text: The new characters.
    """

    start: int
    end: int
    text: str


class Transcript(ABC):
    """A transcript in one format.

    Attributes:
        text: The whole text, with its own line ends.
        cues: The cues, in the order of the text.
        styles: Styles that the format supports; the first one is the default.
    """

    styles: ClassVar[tuple[Style, ...]] = ()

    def __init__(self, text: str) -> None:
        self.text = text
        self.cues: list[Cue] = []

    @abstractmethod
    def edits(self, emotions: Sequence[CueEmotion | None], style: Style) -> list[Edit]:
        """Return the changes that write emotions into the text.

        Args:
            emotions: Emotion of each cue; None leaves the cue as it is.
            style: One of `styles`.
        """

    def with_emotions(self, emotions: Sequence[CueEmotion | None], style: Style) -> str:
        """Return the text with the emotion of each cue.

        Args:
            emotions: Emotion of each cue; None leaves the cue as it is.
            style: One of `styles`.
        """
        parts, position = [], 0
        for edit in sorted(self.edits(emotions, style), key=lambda edit: (edit.start, edit.end)):
            parts += [self.text[position : edit.start], edit.text]
            position = edit.end
        return "".join([*parts, self.text[position:]])


def prefix_edits(places: Sequence[int], emotions: Sequence[CueEmotion | None]) -> list[Edit]:
    """Return the insertions of `[label]` at the start of the text of each cue.

    Args:
        places: Index of the first character of the text of each cue.
        emotions: Emotion of each cue, or None.
    """
    return [
        Edit(place, place, f"[{emotion.label}] ")
        for place, emotion in zip(places, emotions)
        if emotion is not None
    ]


def parse_time(text: str) -> float:
    """Parse a time in seconds, or as [HH:]MM:SS with a fraction after a full stop or comma.

    Raises:
        ValueError: If the text is not a time.

    Example:
        >>> parse_time("1.5"), parse_time("00:01:02,250"), parse_time("01:02.25")
        (1.5, 62.25, 62.25)
    """
    seconds = 0.0
    parts = text.strip().replace(",", ".").split(":")
    if len(parts) > 3:
        raise ValueError(f"{text!r} is not a time")
    for part in parts:
        seconds = 60 * seconds + float(part)
    if not 0 <= seconds < 1e7:  # also NaN
        raise ValueError(f"{text!r} is not a time")
    return seconds


# Byte order marks; the mark stays in the text, so that encoding it again gives the same bytes.
_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def decode(content: bytes) -> tuple[str, str]:
    """Return the text of a file and its encoding.

    UTF-16 is recognised by its byte order mark; everything else is read as UTF-8. Bytes that are
    not valid UTF-8 become lone surrogates, which `encode` turns back.

    Raises:
        TranscriptError: If the file is damaged UTF-16.
    """
    encoding = _MARKS.get(content[:2], "utf-8")
    try:
        return content.decode(encoding, "surrogateescape" if encoding == "utf-8" else "strict"), (
            encoding
        )
    except UnicodeDecodeError as error:
        raise TranscriptError(f"is not valid {encoding.upper()}: {error.reason}") from error


def encode(text: str, encoding: str) -> bytes:
    """Return the bytes of a text that `decode` returned."""
    return text.encode(encoding, "surrogateescape" if encoding == "utf-8" else "strict")
