"""Frames in which nobody makes a sound are not worth the network's time, nor its attention.

A frame is loud if its level is within `range_db` of the loudest so far, and kept if a loud frame is
near. The rule looks back without bound and ahead by twice the margin only, so that a stream keeps
the frames that the whole clip keeps. How loud the frames are says as much of the microphone as of
the voice: the levels of what is kept can be those below the loudest.
"""

from __future__ import annotations

import functools
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..messages import brief_repr
from .config import MfccConfig
from .filterbank import cepstra_of


@dataclass(frozen=True)
class SilenceConfig:
    """What counts as silence. Levels are means of the log mel spectrum in dB."""

    range_db: float = 40.0  # below the loudest frame so far
    floor_db: float = -80.0  # below this a frame is silent in any case
    margin: float = 0.1  # seconds kept on either side of a loud frame
    decay: float = 1.0  # dB per second by which the loudest frame is forgotten
    relative: bool = False  # the level of the loudest so far is taken off the frames

    def __post_init__(self) -> None:
        if not isinstance(self.relative, bool):
            raise ConfigError(f"relative={self.relative!r} must be True or False")
        for field in fields(self)[:-1]:
            value = getattr(self, field.name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not abs(value) < 1e30:
                raise ConfigError(f"{field.name}={brief_repr(value)} must be a number")
        for name, low, high in (("range_db", 0, 200), ("margin", 0, 10), ("decay", 0, 1000)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name}={brief_repr(value)} must be from {low} to {high}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> SilenceConfig:
        """The inverse of `to_dict`; ConfigError for keys that are missing or unknown."""
        names = {field.name for field in fields(cls)}
        if isinstance(values, dict):  # earlier models do not name it
            values = {"relative": False, **values}
        if not isinstance(values, dict) or set(values) != names:
            wanted = ", ".join(sorted(names))
            raise ConfigError(f"wanted an object with {wanted}; got {brief_repr(values)}")
        return cls(**values)


class SilenceGate:
    """Lets the frames of a clip through that are not silent, their level relative if wanted.

    Frames may be pushed in any pieces; what comes out, one after the other, is the same.

    >>> gate = SilenceGate(SilenceConfig(), MfccConfig(hop_length=320))
    >>> frames = np.zeros((100, 13), np.float32)
    >>> frames[:, 0] = -600.0      # silence: -95 dB
    >>> frames[40:60, 0] = -200.0  # a sound of 0.4 s
    >>> len(gate.whole(frames))    # and 0.1 s on either side of it
    30
    """

    def __init__(self, config: SilenceConfig, mfcc: MfccConfig) -> None:
        self.config = config
        self.to_level = level_weights(mfcc)
        self.per_db = coefficients_per_db(mfcc)
        period = mfcc.frame_period
        self.margin = round(config.margin / period)
        self.decay = config.decay * period  # dB a frame
        self._n_mfcc = mfcc.n_mfcc
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next frames begin a new clip."""
        self._held = np.empty((0, self._n_mfcc), np.float32)  # not decided upon, or a margin back
        self._levels = np.empty(0)  # of the held frames
        self._peaks = np.empty(0)  # the loudest up to each held frame, as if it did not decay
        self._first = 0  # index of the first held frame
        self._decided = 0  # frames that were kept or dropped

    def push(self, frames: np.ndarray, last: bool = False) -> np.ndarray:
        """Those frames `(n, n_mfcc)` that are decided upon and kept; `last` decides upon all."""
        decided, kept = self.decide(frames, last)
        return decided[kept]

    def decide(self, frames: np.ndarray, last: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Those frames `(n, n_mfcc)` that are decided upon, and whether each is kept, bool `(n,)`;
        with `relative`, less the level of the loudest.

        Every frame is decided upon once and in order, up to two margins after it was pushed.
        """
        levels = frames @ self.to_level
        index = self._first + len(self._held) + np.arange(len(frames))
        rising = levels + self.decay * index
        if len(self._peaks):
            rising = np.maximum(rising, self._peaks[-1])
        self._held = np.concatenate([self._held, frames])
        self._levels = np.concatenate([self._levels, levels])
        self._peaks = np.concatenate([self._peaks, np.maximum.accumulate(rising)])
        end = self._first + len(self._held)
        ready = end if last else max(self._decided, end - 2 * self.margin)
        if ready == self._decided:
            return np.empty((0, self._n_mfcc), np.float32), np.empty(0, bool)
        now = slice(self._decided - self._first, ready - self._first)
        loudest = self._loudest()
        kept = self._kept(loudest)[now]
        decided = self._held[now]
        if self.config.relative:
            decided = decided - (loudest[now, np.newaxis] * self.per_db).astype(np.float32)
        self._decided = ready
        drop = max(0, ready - self.margin - self._first)
        self._held, self._levels = self._held[drop:], self._levels[drop:]
        self._peaks, self._first = self._peaks[drop:], self._first + drop
        return decided, kept

    def whole(self, frames: np.ndarray) -> np.ndarray:
        """The frames of a clip that are kept; of nothing but silence the first."""
        self.reset()
        decided, kept = self.decide(frames, last=True)
        self.reset()
        return decided[kept] if kept.any() else decided[:1]

    def _loudest(self) -> np.ndarray:
        """The level in dB of the loudest frame up to a margin behind each held frame."""
        n = len(self._held)
        ahead = np.minimum(np.arange(n) + self.margin, n - 1)
        return self._peaks[ahead] - self.decay * (self._first + np.arange(n))

    def _kept(self, loudest: np.ndarray) -> np.ndarray:
        """Which of the held frames are near a loud one, as far as is known yet."""
        loud = (self._levels > loudest - self.config.range_db) & (
            self._levels > self.config.floor_db
        )
        return dilated(loud, self.margin)


def dilated(loud: np.ndarray, margin: int) -> np.ndarray:
    """Which frames, bool `(n,)`, have a loud one within `margin` frames."""
    # The count of loud frames then differs across their surroundings.
    count = np.concatenate([[0], np.cumsum(loud)])
    n, around = len(loud), np.arange(len(loud))
    return count[np.minimum(around + margin + 1, n)] > count[np.maximum(around - margin, 0)]


@functools.lru_cache(maxsize=8)  # every clip and every stream has a gate of its own
def level_weights(mfcc: MfccConfig) -> np.ndarray:
    """The weights `(n_mfcc,)` by which a frame's coefficients add up to its level in dB.

    That is the mean over the bands of the spectrum that the coefficients hold, which is linear in
    them; for the orthonormal DCT it is c0 alone, and where c0 is the energy, that.
    """
    weights = np.linalg.pinv(cepstra_of(mfcc)).mean(axis=1)
    return weights / (weights @ coefficients_per_db(mfcc))


@functools.lru_cache(maxsize=8)
def coefficients_per_db(mfcc: MfccConfig) -> np.ndarray:
    """What the coefficients `(n_mfcc,)` of a frame gain when it gets 1 dB louder."""
    # The log mel spectrum is in bel, or in nepers of power.
    unit = 10.0 if mfcc.convention == "librosa" else 10.0 / math.log(10.0)
    return cepstra_of(mfcc).sum(axis=0) / unit
