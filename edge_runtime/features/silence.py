"""Drop silent frames, and express levels relative to the loudest frame.

A frame is loud if its level is within `range_db` of the loudest frame so far, and kept if a loud
frame is near. The rule looks back without bound, but ahead by twice the margin only, so that a
stream keeps the same frames as the whole clip. The level of a frame depends on the microphone as
much as on the voice; `relative` therefore subtracts the level of the loudest frame.
"""

from __future__ import annotations

import functools
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..validation import check_fields, check_number
from .config import MfccConfig
from .filterbank import cepstral_matrix


@dataclass(frozen=True)
class SilenceConfig:
    """The settings of silence detection. Levels are means of the log mel spectrum in dB.

    Attributes:
        range_db: A frame is loud if it is less than this below the loudest frame so far, 0 to 200.
        floor_db: Level below which a frame is silent in any case.
        margin: Seconds that are kept on either side of a loud frame, 0 to 10.
        decay: Decay of the level of the loudest frame in dB per second, 0 to 1000.
        relative: Subtract the level of the loudest frame from the frames.

    Raises:
        ConfigError: If a value is out of range.
    """

    range_db: float = 40.0
    floor_db: float = -80.0
    margin: float = 0.1
    decay: float = 1.0
    relative: bool = False

    def __post_init__(self) -> None:
        check_number("range_db", self.range_db, 0, 200, unit="dB")
        check_number("floor_db", self.floor_db)
        check_number("margin", self.margin, 0, 10, unit="seconds")
        check_number("decay", self.decay, 0, 1000, unit="dB per second")
        if not isinstance(self.relative, bool):
            raise ConfigError(f"relative={self.relative!r} must be True or False")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a dict that JSON can store."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: Any) -> SilenceConfig:
        """Restore the settings of `to_dict`.

        Args:
            settings: A dict with every field and no other key.

        Raises:
            ConfigError: If a key is missing or unknown, or a value out of range.
        """
        return cls(**check_fields(cls, settings, "silence settings"))


class SilenceGate:
    """Drop the silent frames of a clip, whole or in chunks.

    The output, concatenated, does not depend on the chunks.

    Args:
        config: The settings.
        mfcc_config: The front end of the frames.

    Attributes:
        config: The settings.
        to_level: Weights `(n_mfcc,)` from the coefficients of a frame to its level in dB.
        per_db: Change of the coefficients `(n_mfcc,)` per dB.
        margin: `config.margin` in frames.
        decay: `config.decay` in dB per frame.

    Example:
        >>> gate = SilenceGate(SilenceConfig(), MfccConfig(hop_length=320))
        >>> frames = np.zeros((100, 13), np.float32)
        >>> frames[:, 0] = -600.0            # silence: -95 dB
        >>> frames[40:60, 0] = -200.0        # a sound of 0.4 s
        >>> len(gate.filter_clip(frames))    # and 0.1 s on either side of it
        30
    """

    def __init__(self, config: SilenceConfig, mfcc_config: MfccConfig) -> None:
        self.config = config
        self.to_level = level_weights(mfcc_config)
        self.per_db = coefficients_per_db(mfcc_config)
        period = mfcc_config.frame_period
        self.margin = round(config.margin / period)
        self.decay = config.decay * period
        self._n_mfcc = mfcc_config.n_mfcc
        self.reset()

    def reset(self) -> None:
        """Discard all state: the next frames begin a new clip."""
        # The undecided frames, and the decided ones up to a margin before them.
        self._held = np.empty((0, self._n_mfcc), np.float32)
        self._levels = np.empty(0)  # of the held frames
        self._peaks = np.empty(0)  # the loudest level up to each held frame, without the decay
        self._first = 0  # index of the first held frame
        self._n_decided = 0

    def push(self, frames: np.ndarray, last: bool = False) -> np.ndarray:
        """Add frames.

        Args:
            frames: MFCC, float32 `(n_frames, n_mfcc)`.
            last: End the clip: decide on all frames.

        Returns:
            The frames that are decided and kept, as `decide` returns them.
        """
        decided, kept = self.decide(frames, last)
        return np.asarray(decided[kept])

    def decide(self, frames: np.ndarray, last: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Add frames, and decide which frames to keep.

        Every frame is decided once, in order, up to two margins after it was added.

        Args:
            frames: MFCC, float32 `(n_frames, n_mfcc)`.
            last: End the clip: decide on all frames.

        Returns:
            The frames that are decided now, float32 `(n_decided, n_mfcc)`, with relative levels if
            `relative` is set; and True for each that is kept, bool `(n_decided,)`.
        """
        levels = frames @ self.to_level
        index = self._first + len(self._held) + np.arange(len(frames))
        undecayed = levels + self.decay * index
        if len(self._peaks):
            undecayed = np.maximum(undecayed, self._peaks[-1])
        self._held = np.concatenate([self._held, frames])
        self._levels = np.concatenate([self._levels, levels])
        self._peaks = np.concatenate([self._peaks, np.maximum.accumulate(undecayed)])
        end = self._first + len(self._held)
        ready = end if last else max(self._n_decided, end - 2 * self.margin)
        if ready == self._n_decided:
            return np.empty((0, self._n_mfcc), np.float32), np.empty(0, bool)
        now = slice(self._n_decided - self._first, ready - self._first)
        loudest = self._loudest()
        kept = self._near_loud(loudest)[now]
        decided = self._held[now]
        if self.config.relative:
            decided = decided - (loudest[now, np.newaxis] * self.per_db).astype(np.float32)
        self._n_decided = ready
        drop = max(0, ready - self.margin - self._first)
        self._held, self._levels = self._held[drop:], self._levels[drop:]
        self._peaks, self._first = self._peaks[drop:], self._first + drop
        return decided, kept

    def filter_clip(self, frames: np.ndarray) -> np.ndarray:
        """Drop the silent frames of a whole clip.

        Args:
            frames: MFCC, float32 `(n_frames, n_mfcc)`.

        Returns:
            The frames that are kept; if all are silent, the first.
        """
        self.reset()
        decided, kept = self.decide(frames, last=True)
        self.reset()
        return np.asarray(decided[kept] if kept.any() else decided[:1])

    def _loudest(self) -> np.ndarray:
        """Return the level in dB of the loudest frame up to a margin after each held frame."""
        n = len(self._held)
        ahead = np.minimum(np.arange(n) + self.margin, n - 1)
        return np.asarray(self._peaks[ahead] - self.decay * (self._first + np.arange(n)))

    def _near_loud(self, loudest: np.ndarray) -> np.ndarray:
        """Return True for each held frame that is near a loud one, as far as frames are known."""
        loud = (self._levels > loudest - self.config.range_db) & (
            self._levels > self.config.floor_db
        )
        return dilate(loud, self.margin)


def dilate(mask: np.ndarray, margin: int) -> np.ndarray:
    """Return True for each frame within `margin` frames of a True one, bool `(n_frames,)`."""
    # The count of True frames then differs across the neighbourhood.
    count = np.concatenate([[0], np.cumsum(mask)])
    n, index = len(mask), np.arange(len(mask))
    return np.asarray(
        count[np.minimum(index + margin + 1, n)] > count[np.maximum(index - margin, 0)]
    )


@functools.lru_cache(maxsize=8)  # every clip and every stream has its own gate
def level_weights(config: MfccConfig) -> np.ndarray:
    """Return the weights `(n_mfcc,)` from the coefficients of a frame to its level in dB.

    The level is the mean over the bands of the log mel spectrum that the coefficients represent,
    which is linear in them. For the orthonormal DCT it is c0 alone; if c0 is the energy, that.
    """
    weights = np.linalg.pinv(cepstral_matrix(config)).mean(axis=1)
    return np.asarray(weights / (weights @ coefficients_per_db(config)))


@functools.lru_cache(maxsize=8)
def coefficients_per_db(config: MfccConfig) -> np.ndarray:
    """Return the change of the coefficients `(n_mfcc,)` of a frame that gets 1 dB louder."""
    # The log mel spectrum is in bel, or in nepers of power.
    unit = 10.0 if config.convention == "librosa" else 10.0 / math.log(10.0)
    return np.asarray(cepstral_matrix(config).sum(axis=0) / unit)
