"""Endpoint detection: stretches of speech and pauses, from the probability of every frame.

The terms are those of voice activity detectors: onset and offset are two thresholds (hysteresis),
and the hangover keeps the end of a word, whose energy falls below both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..validation import check_number

# Speech goes on down to this much below the onset.
HYSTERESIS = 0.1
# Seconds before the first and after the last frame of speech that belong to the stretch.
ONSET_SECONDS, HANGOVER_SECONDS = 0.08, 0.08
# Seconds of speech frames of the shortest stretch; less is a click, a cough or a slamming door.
MIN_SPEECH_SECONDS = 0.2
# Seconds without speech between two phrases of a stretch.
BREAK_SECONDS = 0.2
# Seconds without speech after which an attempt at `MIN_SPEECH_SECONDS` has failed.
MAX_GAP_SECONDS = 0.3


START, BREAK, END = "start", "break", "end"


class Endpoint(NamedTuple):
    """An endpoint of a stretch of speech, or a gap in it.

    Attributes:
        kind: START or END of a stretch; BREAK between two phrases of one.
        frame: The first frame of the stretch, the middle of the gap, or the first frame after the
            stretch.
    """

    kind: str
    frame: int


@dataclass(frozen=True)
class EndpointConfig:
    """Settings of the endpoint detection.

    Attributes:
        min_pause: Seconds of the shortest pause, 0.1 to 60; shorter ones belong to the speech.
        min_speech: Seconds of speech frames that a stretch must contain, 0 to 60.

    Raises:
        ConfigError: If a value is out of range.
    """

    min_pause: float = 0.5
    min_speech: float = MIN_SPEECH_SECONDS

    def __post_init__(self) -> None:
        check_number("min_pause", self.min_pause, 0.1, 60, unit="seconds")
        check_number("min_speech", self.min_speech, 0, 60, unit="seconds")


class EndpointDetector:
    """Finds stretches of speech in a stream of frames.

    The endpoints do not depend on the sizes of the chunks, and memory is constant.

    Args:
        config: The settings.
        onset: Probability from which a frame is speech.
        period: Seconds between frames.

    Attributes:
        n_frames: Frames so far.
        in_speech: True between the start and the end of a stretch.

    Example:
        >>> detector = EndpointDetector(EndpointConfig(), onset=0.5, period=0.1)
        >>> detector.push(np.repeat([0.0, 0.9, 0.0], 10))
        [Endpoint(kind='start', frame=9), Endpoint(kind='end', frame=21)]
    """

    def __init__(self, config: EndpointConfig, onset: float, period: float) -> None:
        self._onset, self._offset = onset, max(onset - HYSTERESIS, 0.5 * onset)
        self._min_pause = max(1, round(config.min_pause / period))
        self._min_speech = max(1, round(config.min_speech / period))
        self._max_gap = min(self._min_pause, max(1, round(MAX_GAP_SECONDS / period)))
        self._break = max(1, round(BREAK_SECONDS / period))
        self._before, self._after = (
            round(seconds / period) for seconds in (ONSET_SECONDS, HANGOVER_SECONDS)
        )
        self.n_frames = 0
        self.in_speech = False
        self._n_speech = 0  # frames of speech of an attempted stretch
        self._first = self._last = 0  # first and last frame of speech
        self._end = 0  # of the stretch before

    @property
    def settled(self) -> int:
        """Frames before this one can no longer change between speech and pause.

        Later breaks lie at this frame or after it.
        """
        if self.in_speech:
            return min(self._last + 1 + self._after, self.n_frames)
        return max(self._end, self._start(self._first if self._n_speech else self.n_frames))

    def push(self, probabilities: np.ndarray) -> list[Endpoint]:
        """Add the probabilities of speech of the next frames, `(n_frames,)`."""
        endpoints: list[Endpoint] = []
        for p in probabilities.tolist():
            self._add(p, endpoints)
        return endpoints

    def flush(self) -> list[Endpoint]:
        """Return the end of the stretch in progress, if any, which is that of the stream."""
        return [Endpoint(END, self.n_frames)] if self.in_speech else []

    def _add(self, p: float, endpoints: list[Endpoint]) -> None:
        frame = self.n_frames
        self.n_frames += 1
        going_on = (self._n_speech or self.in_speech) and self._last == frame - 1
        if p >= self._onset or (going_on and p >= self._offset):
            if not self._n_speech:
                self._first = frame
            elif self.in_speech and frame - self._last > self._break:
                endpoints.append(Endpoint(BREAK, max(self.settled, (self._last + frame) // 2)))
            self._last = frame
            self._n_speech += 1
            if not self.in_speech and self._n_speech >= self._min_speech:
                self.in_speech = True
                endpoints.append(Endpoint(START, self._start(self._first)))
        elif self.in_speech:
            if frame - self._last >= self._min_pause + self._after:
                endpoints.append(self._leave())
        elif self._n_speech and frame - self._last >= self._max_gap:
            self._n_speech = 0

    def _start(self, first: int) -> int:
        """Return the start of a stretch with this first frame of speech."""
        start = first - self._before
        if not self._end:  # the start of the stream
            return start if start >= self._min_pause else 0
        return min(first, max(start, self._end + self._min_pause))

    def _leave(self) -> Endpoint:
        self.in_speech, self._n_speech = False, 0
        self._end = min(self._last + 1 + self._after, self.n_frames)
        return Endpoint(END, self._end)
