"""What a training clip could also have sounded like, computed on its features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_runtime import ConfigError


@dataclass(frozen=True)
class Augment:
    """How far training clips are changed, anew in every epoch. 0 turns one off.

    offset: deviation, in deviations of each coefficient, of a constant that is added to all frames
        of a clip. A fixed filter (microphone, room, telephone), another level and much of a vocal
        tract multiply the spectrum, which is an addition in the cepstrum.
    speed: a clip is spoken faster or slower by up to this share, its spectra unchanged.
    """

    offset: float = 0.15
    speed: float = 0.15

    def __post_init__(self) -> None:
        if not self.offset >= 0:
            raise ConfigError(f"offset={self.offset} must be 0 or more")
        if not 0 <= self.speed < 1:
            raise ConfigError(f"speed={self.speed} must be from 0 to less than 1")


def augment(
    frames: np.ndarray, how: Augment, std: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A changed copy of a clip, float32 `(n_frames, n_mfcc)` → `(n_new_frames, n_mfcc)`.

    `std (n_mfcc,)` is the deviation of the training frames.
    """
    if how.speed > 0:
        frames = _resample(frames, round(len(frames) / rng.uniform(1 - how.speed, 1 + how.speed)))
    if how.offset > 0:
        frames = frames + how.offset * std * rng.standard_normal(len(std)).astype(np.float32)
    return frames


def _resample(frames: np.ndarray, n_frames: int) -> np.ndarray:
    """Linear interpolation along time, first and last frame kept."""
    position = np.linspace(0, len(frames) - 1, max(n_frames, 1))
    before = position.astype(int)
    after = np.minimum(before + 1, len(frames) - 1)
    share = (position - before).astype(np.float32)[:, None]
    return frames[before] * (1 - share) + frames[after] * share
