"""SubRip and WebVTT subtitles.

https://www.w3.org/TR/webvtt1/ (WebVTT; the description of SubRip is the practice of players)
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

from .transcript import (
    Cue,
    CueEmotion,
    Edit,
    Style,
    Transcript,
    TranscriptError,
    parse_time,
    prefix_edits,
)

_TIME = r"(?:\d+:)?\d{1,2}:\d{1,2}[.,]\d{1,3}"
_TIMING = re.compile(rf"[ \t]*({_TIME})[ \t]*-->[ \t]*({_TIME})(?:[ \t].*)?$")

# Position and style of Advanced SubStation, which players expect at the start of the text.
_OVERRIDE = re.compile(r"(?:\{\\[^}\n]*\})*")
# WhisperX and others write the speaker of a SubRip subtitle in brackets.
_SPEAKER = re.compile(r"(?:\{\\[^}\n]*\})*\[([^\]\n]{1,80})\]:")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?[ \t]+([^>\n]*)>")
_VOICE_END = re.compile(r"</v>")


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the index and the content of every line, without its line end."""
    position = 0
    for line in re.split(r"(\r\n|\n|\r)", text):
        if line not in ("\r\n", "\n", "\r"):
            yield position, line
        position += len(line)


def _timed_texts(text: str) -> Iterator[tuple[float, float, int, int]]:
    """Yield start and end in seconds, and start and end of the text, of each subtitle.

    Comments and styles of WebVTT cannot contain an arrow, so that every line of times begins a cue.
    """
    lines = list(_lines(text))
    number = 0
    while number < len(lines):
        match = _TIMING.match(lines[number][1])
        number += 1
        if match is None:
            continue
        first = number
        while (
            number < len(lines) and lines[number][1].strip() and not _TIMING.match(lines[number][1])
        ):
            number += 1
        if number > first:
            position, line = lines[number - 1]
            yield parse_time(match[1]), parse_time(match[2]), lines[first][0], position + len(line)


class SrtTranscript(Transcript):
    """SubRip subtitles. A speaker in brackets, as in `[SPEAKER_00]: Hello`, is read.

    Raises:
        TranscriptError: If there are no subtitles in a text that is not empty.
    """

    styles = (Style.prefix,)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._places: list[int] = []
        for start, end, first, _ in _timed_texts(text):
            speaker = _SPEAKER.match(text, first)
            override = _OVERRIDE.match(text, first)
            self.cues.append(Cue(start, end, speaker[1].strip() if speaker else None))
            self._places.append(override.end() if override else first)
        if not self.cues and text.strip("\ufeff \t\r\n") and "-->" not in text:
            raise TranscriptError("is not SubRip: expected lines such as 00:00:01,000 --> 00:00:02")

    def edits(self, emotions: Sequence[CueEmotion | None], style: Style) -> list[Edit]:
        """Return the insertions of `[label]`."""
        return prefix_edits(self._places, emotions)


class VttTranscript(Transcript):
    """WebVTT subtitles. The speaker of a cue is that of its first voice span.

    Raises:
        TranscriptError: If the text does not begin with WEBVTT.
    """

    styles = (Style.class_, Style.prefix)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        if not re.match(r"\ufeff?WEBVTT(?:[ \t\r\n]|$)", text):
            raise TranscriptError("is not WebVTT: the first line must begin with WEBVTT")
        self._texts: list[tuple[int, int]] = []
        for start, end, first, last in _timed_texts(text):
            voice = _VOICE.search(text, first, last)
            speaker = html.unescape(voice[1]).strip() if voice else ""
            self.cues.append(Cue(start, end, speaker or None))
            self._texts.append((first, last))

    def edits(self, emotions: Sequence[CueEmotion | None], style: Style) -> list[Edit]:
        """Return the insertions of `[label]`, or of class spans within the voice spans."""
        edits = []
        for (first, last), emotion in zip(self._texts, emotions):
            if emotion is None:
                continue
            voice = _VOICE.match(self.text, first, last)
            if style is Style.prefix:
                place = voice.end() if voice else first
                edits.append(Edit(place, place, f"[{emotion.label}] "))
                continue
            name = re.sub(r"[^\w-]+", "-", emotion.label)
            for begin, stop in self._spans(first, last):
                edits += [Edit(begin, begin, f"<c.{name}>"), Edit(stop, stop, "</c>")]
        return edits

    def _spans(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yield the stretches of the text of a cue that one class span can enclose."""
        voices = list(_VOICE.finditer(self.text, first, last))
        begins = [first, *(voice.end() for voice in voices)]
        stops = [*(voice.start() for voice in voices), last]
        for begin, stop in zip(begins, stops):
            closing = _VOICE_END.search(self.text, begin, stop)
            stop = closing.start() if closing else stop
            if self.text[begin:stop].strip():
                yield begin, stop
