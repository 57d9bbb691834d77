"""TextGrids of Praat, long and short.

https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html: free-standing numbers, texts in
quotes and flags in angle brackets are data, and everything else is a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .transcript import Cue, CueEmotion, Edit, Style, Transcript, TranscriptError, prefix_edits

_TOKEN = re.compile(
    r'"((?:[^"]|"")*)"'
    r"|(?<!\S)([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)%?(?!\S)"
    r"|(<\w+>)"
    r"|(?<!\S)![^\r\n]*"
)


class _Token(NamedTuple):
    start: int
    end: int
    raw: str


class _Interval(NamedTuple):
    """An interval of a tier, with its bounds as they are written, and its text."""

    start: str
    end: str
    text: _Token


class _Tier(NamedTuple):
    """An interval tier."""

    name: str
    start: str
    end: str
    intervals: list[_Interval]


class TextGridTranscript(Transcript):
    """Interval tiers of a TextGrid. With several tiers, the name of a tier is the speaker.

    Args:
        text: The text.
        tier: Name of the only tier to use. Default: all interval tiers.

    Raises:
        TranscriptError: If the text is not a TextGrid, or has no such tier.
    """

    styles = (Style.key, Style.prefix)

    def __init__(self, text: str, tier: str | None = None) -> None:
        super().__init__(text)
        if "ooBinaryFile" in text[:40]:
            raise TranscriptError("is a binary TextGrid; save it as a text file in Praat")
        self._tokens = self._all_tokens()
        self._n_tiers = 0
        try:
            tiers = list(self._tiers())
        except (StopIteration, RuntimeError, ValueError) as error:
            raise TranscriptError("is not a TextGrid, or is truncated") from error
        self._used = [t for t in tiers if tier is None or t.name == tier]
        if tier is not None and not self._used:
            names = ", ".join(repr(t.name) for t in tiers)
            raise TranscriptError(f"has no interval tier {tier!r}; found {names}")
        self._intervals: list[tuple[int, _Interval]] = []
        for number, used in enumerate(self._used):
            for interval in used.intervals:
                if interval.text.raw.strip():
                    speaker = used.name if len(self._used) > 1 else None
                    cue = Cue(float(interval.start), float(interval.end), speaker)
                    self.cues.append(cue)
                    self._intervals.append((number, interval))

    def _all_tokens(self) -> Iterator[_Token]:
        for match in _TOKEN.finditer(self.text):
            if match.lastindex is not None:
                yield _Token(match.start(), match.end(), match[match.lastindex])

    def _number(self) -> _Token:
        token = next(self._tokens)
        float(token.raw)
        return token

    def _tiers(self) -> Iterator[_Tier]:
        """Yield the interval tiers."""
        if [next(self._tokens).raw, next(self._tokens).raw] != ["ooTextFile", "TextGrid"]:
            raise ValueError("expected a TextGrid")
        self._number(), self._number()
        if next(self._tokens).raw != "<exists>":
            return
        self._count = self._number()
        self._n_tiers = int(self._count.raw)
        for _ in range(self._n_tiers):
            kind, name = next(self._tokens).raw, next(self._tokens).raw.replace('""', '"')
            start, end, n_items = (self._number().raw for _ in range(3))
            if kind == "IntervalTier":
                intervals = [
                    _Interval(self._number().raw, self._number().raw, next(self._tokens))
                    for _ in range(int(n_items))
                ]
                yield _Tier(name, start, end, intervals)
            elif kind == "TextTier":
                for _ in range(int(n_items)):
                    self._number(), next(self._tokens)
            else:
                raise ValueError(f"unknown tier {kind}")

    def edits(self, emotions: Sequence[CueEmotion | None], style: Style) -> list[Edit]:
        """Return the insertions of `[label]`, or of further tiers; without any emotion, none."""
        if style is Style.prefix:
            return prefix_edits([i.text.start + 1 for _, i in self._intervals], emotions)
        if not any(emotions):
            return []
        labels = {
            (number, interval.text.start): emotion.label
            for (number, interval), emotion in zip(self._intervals, emotions)
            if emotion is not None
        }
        newline = "\r\n" if "\r\n" in self.text else "\n"
        is_long = re.search(r"^\s*item\s*\[", self.text, re.MULTILINE) is not None
        lines: list[str] = []
        for number, tier in enumerate(self._used):
            name = "emotion" if len(self._used) == 1 else f"{tier.name} emotion"
            texts = [labels.get((number, i.text.start), "") for i in tier.intervals]
            write = _long_tier if is_long else _short_tier
            lines += write(self._n_tiers + number + 1, name, tier, texts)
        end = len(self.text)
        before = "" if self.text.endswith(("\n", "\r")) else newline
        count = str(self._n_tiers + len(self._used))
        return [
            Edit(self._count.start, self._count.end, count),
            Edit(end, end, before + "".join(line + newline for line in lines)),
        ]


def quoted(text: str) -> str:
    """Return a text as Praat writes it, in quotes."""
    return '"' + text.replace('"', '""') + '"'


def _long_tier(index: int, name: str, tier: _Tier, texts: list[str]) -> list[str]:
    lines = [
        f"    item [{index}]:",
        '        class = "IntervalTier" ',
        f"        name = {quoted(name)} ",
        f"        xmin = {tier.start} ",
        f"        xmax = {tier.end} ",
        f"        intervals: size = {len(texts)} ",
    ]
    for number, (interval, text) in enumerate(zip(tier.intervals, texts), 1):
        lines += [
            f"        intervals [{number}]:",
            f"            xmin = {interval.start} ",
            f"            xmax = {interval.end} ",
            f"            text = {quoted(text)} ",
        ]
    return lines


def _short_tier(index: int, name: str, tier: _Tier, texts: list[str]) -> list[str]:
    lines = ['"IntervalTier"', quoted(name), tier.start, tier.end, str(len(texts))]
    for interval, text in zip(tier.intervals, texts):
        lines += [interval.start, interval.end, quoted(text)]
    return lines
