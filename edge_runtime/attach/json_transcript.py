"""JSON of Whisper, WhisperX, faster-whisper and whisper.cpp.

https://github.com/openai/whisper (`segments` with `start` and `end` in seconds)
https://github.com/ggml-org/whisper.cpp (`transcription` with `offsets` in milliseconds)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from .transcript import Cue, CueEmotion, Edit, Style, Transcript, TranscriptError

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder(strict=False)


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    assert match is not None
    return match.end()


def _members(text: str, position: int) -> Iterator[tuple[str, int, int]]:
    """Yield key, start and end of the value of each member of the object at a position."""
    position = _skip(text, position + 1)
    while text[position] != "}":
        key, position = _DECODER.raw_decode(text, position)
        start = _skip(text, _skip(text, position) + 1)  # after the colon
        _, end = _DECODER.raw_decode(text, start)
        yield key, start, end
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)


def _items(text: str, position: int) -> Iterator[tuple[Any, int, int]]:
    """Yield value, start and end of each item of the array at a position."""
    position = _skip(text, position + 1)
    while text[position] != "]":
        value, end = _DECODER.raw_decode(text, position)
        yield value, position, end
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)


class JsonTranscript(Transcript):
    """Segments of Whisper or whisper.cpp; speakers of WhisperX are read.

    Raises:
        TranscriptError: If the text is not JSON, or holds no list of segments.
    """

    styles = (Style.key, Style.prefix)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        # Start and end of the object of each cue, and the index of its text.
        self._places: list[tuple[int, int, int | None]] = []
        begin = _skip(text, 1 if text.startswith("\ufeff") else 0)
        try:
            value, end = _DECODER.raw_decode(text, begin)
            if _skip(text, end) != len(text):
                raise ValueError("text follows the first value")
        except (ValueError, RecursionError) as error:
            raise TranscriptError(f"is not JSON: {error}") from error
        array: int | None = begin if isinstance(value, list) else None
        if isinstance(value, dict):
            for key in ("segments", "transcription"):
                if array is None and isinstance(value.get(key), list):
                    array = next(s for name, s, _ in _members(text, begin) if name == key)
        if array is None:
            raise TranscriptError(
                "is not a transcript: expected `segments` of Whisper or `transcription` of "
                "whisper.cpp"
            )
        for number, (item, start, end) in enumerate(_items(text, array)):
            try:
                self.cues.append(_cue_of(item))
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise TranscriptError(
                    f"segment {number + 1}: expected numbers `start` and `end`, or `offsets`"
                ) from error
            places = [place for name, place, _ in _members(text, start) if name == "text"]
            has_text = places and isinstance(item["text"], str)
            self._places.append((start, end, places[0] if has_text else None))

    def edits(self, emotions: Sequence[CueEmotion | None], style: Style) -> list[Edit]:
        """Return the insertions of keys, or of `[label]` into `text`."""
        edits = []
        for (start, end, text_place), emotion in zip(self._places, emotions):
            if emotion is None:
                continue
            if style is Style.prefix:
                if text_place is not None:
                    place = _skip(self.text, text_place + 1)
                    edits.append(Edit(place, place, f"[{emotion.label}] "))
                continue
            first = _skip(self.text, start + 1)
            separator = self.text[start + 1 : first] or (" " if ", " in self.text else "")
            *_, (_, _, last) = _members(self.text, start)
            colon = ":" if '":"' in self.text[start:end] else ": "
            added = {"emotion": emotion.label, "emotion_confidence": round(emotion.confidence, 4)}
            members = (f"{json.dumps(k)}{colon}{json.dumps(v)}" for k, v in added.items())
            edits.append(Edit(last, last, "".join(f",{separator}{m}" for m in members)))
        return edits


def _cue_of(item: Any) -> Cue:
    speaker = item.get("speaker")
    if "offsets" in item:
        start, end = item["offsets"]["from"] / 1000, item["offsets"]["to"] / 1000
    else:
        start, end = float(item["start"]), float(item["end"])
    return Cue(start, end, None if speaker is None else str(speaker))
