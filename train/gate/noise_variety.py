"""Variations of recorded noise: speed, rhythm, mixtures, microphones.

A few hundred recordings are learned by heart. Varied, they stand for the noises that they resemble.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edge_runtime.audio.resample import resample

from ..data.degradation import channel_of, degraded

SPEED_SHARE = 0.7  # of the noises that are played at another speed
MAX_OCTAVES = 0.9
RATE_STEP = 100  # Hz; rates with large common factors are quick to resample
REPEATED_SHARE = 0.6  # of the short noises that are repeated at irregular times
MAX_REPETITIONS = 5
MIXED_SHARE = 0.33  # of the noises that are mixed with another one
MAX_RATIO_DB = 25.0
CHANNEL_SHARE = 0.4  # of the noises that pass another microphone and room
FLOOR_SHARE = 0.3  # of the noises with a noise floor
FLOOR_DB = (-100.0, -30.0)  # below their peak


def piece_of(samples: np.ndarray, n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Return a random piece of a recording, which is repeated if it is shorter."""
    if len(samples) < n_samples:
        samples = np.tile(samples, -(-n_samples // max(1, len(samples))))
    start = int(rng.integers(len(samples) - n_samples + 1))
    return samples[start : start + n_samples]


def varied_noise(
    draw: Callable[[], np.ndarray], n_samples: int, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Return a variation of noise, float32 `(n_samples,)`.

    Args:
        draw: Returns the samples of a noise, of any length.
        n_samples: Number of samples.
        sample_rate: Their rate in Hz.
        rng: Random numbers.
    """

    def one() -> np.ndarray:
        samples = draw()
        if rng.random() < SPEED_SHARE:
            # Twice as many as are needed, because faster ones are shorter.
            samples = _at_other_speed(samples[: 2 * n_samples], sample_rate, rng)
        if len(samples) < n_samples and rng.random() < REPEATED_SHARE:
            samples = _repeated(samples, n_samples, sample_rate, rng)
        return piece_of(samples, n_samples, rng)

    samples = one()
    if rng.random() < MIXED_SHARE:
        other = one()
        gain = 10 ** (-rng.uniform(0, MAX_RATIO_DB) / 20)
        samples = samples + other * (gain * _peak(samples) / _peak(other))
    if rng.random() < CHANNEL_SHARE:
        channel = replace(channel_of(str(rng.integers(1 << 60))), noise_ratio=np.inf)
        samples = degraded(samples, sample_rate, channel, int(rng.integers(1 << 31)))
    if rng.random() < FLOOR_SHARE:
        floor = _peak(samples) * 10 ** (rng.uniform(*FLOOR_DB) / 20)
        samples = samples + floor * rng.standard_normal(n_samples)
    return np.asarray(samples, np.float32)


def _at_other_speed(samples: np.ndarray, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    rate = sample_rate * 2 ** rng.uniform(-MAX_OCTAVES, MAX_OCTAVES)
    return resample(samples, sample_rate, int(rate) // RATE_STEP * RATE_STEP)


def _repeated(
    samples: np.ndarray, n_samples: int, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Return a short noise in silence, up to `MAX_REPETITIONS` times."""
    repeated = np.zeros(n_samples, np.float32)
    start = int(rng.uniform(0, 0.5) * n_samples)
    for _ in range(rng.integers(1, MAX_REPETITIONS + 1)):
        piece = samples[: n_samples - start]
        repeated[start : start + len(piece)] += piece * np.float32(rng.uniform(0.4, 1))
        start += int(len(samples) * rng.uniform(0.6, 2.5)) + sample_rate // 20
        if start >= n_samples:
            break
    return repeated


def _peak(samples: np.ndarray) -> float:
    return max(float(np.abs(samples).max(initial=0.0)), 1e-6)
