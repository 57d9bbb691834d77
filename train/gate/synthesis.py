"""Synthesis of sounds that resemble speech: melodies, and bursts of filtered noise.

Instruments and impacts share pitch, formants or rhythm with speech, but not the way they change.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

MAX_FREQUENCY = 0.47  # of harmonics, as a share of the sample rate
VIBRATO_RATE = 36.0  # radians per second: 5.7 Hz


def melody(n_samples: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Synthesise up to three voices of harmonic notes, float64 `(n_samples,)`.

    Each voice has its own timbre, decay, vibrato and tempo; its pitch changes in semitones.

    Args:
        n_samples: Number of samples.
        sample_rate: Their rate in Hz.
        rng: Random numbers.
    """
    voices = [_voice(n_samples, sample_rate, rng) for _ in range(rng.integers(1, 4))]
    samples = np.sum(voices, axis=0)
    if rng.random() < 0.5:
        samples = _resonant(samples, sample_rate, rng)
    if rng.random() < 0.4:
        floor = np.abs(samples).max() * 10 ** rng.uniform(-3, -0.7)
        samples = samples + floor * rng.standard_normal(n_samples)
    return samples


def _voice(n_samples: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Synthesise notes and rests of one voice."""
    samples = np.zeros(n_samples)
    pitch, tempo = rng.uniform(60, 900), rng.uniform(0.08, 1.2)
    step = 2 if rng.random() < 0.2 else 1  # 2: odd harmonics alone
    harmonics = np.arange(1, rng.integers(2, 25) + 1, step)
    slope, attack = rng.uniform(0.3, 2.2), rng.choice([0.003, 0.03, 0.1])
    decay = rng.choice([0, rng.uniform(0.5, 15)])
    vibrato = rng.choice([0, rng.uniform(0, 0.02)])
    start = 0
    while start < n_samples:
        length = min(int(sample_rate * tempo * rng.uniform(0.5, 1.5)) + 1, n_samples - start)
        if rng.random() < 0.8:
            time = np.arange(length) / sample_rate
            frequency = pitch * 2 ** (rng.integers(-12, 13) / 12)
            turns = frequency * (time + vibrato / VIBRATO_RATE * np.sin(VIBRATO_RATE * time))
            envelope = np.exp(-decay * time) * np.minimum(1, time / attack)
            n_end = min(length, sample_rate // 100)
            envelope[length - n_end :] *= np.linspace(1, 0, n_end)
            audible = harmonics[frequency * harmonics <= MAX_FREQUENCY * sample_rate]
            heights = rng.uniform(0.2, 1, len(audible)) * audible**-slope
            phases = np.outer(audible, turns) + rng.uniform(0, 1, (len(audible), 1))
            note = heights @ np.sin(2 * np.pi * phases)
            samples[start : start + length] += rng.uniform(0.3, 1) * note * envelope
        start += length
    return samples


def bursts(n_samples: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Synthesise bursts of filtered noise at up to nine per second, float64 `(n_samples,)`.

    Args:
        n_samples: Number of samples.
        sample_rate: Their rate in Hz.
        rng: Random numbers.
    """
    envelope, rate, start = np.zeros(n_samples), rng.uniform(1, 9), 0
    while start < n_samples:
        length = int(sample_rate / rate * rng.uniform(0.3, 1.7))
        time = np.arange(length) / sample_rate
        attack = rng.choice([0.001, 0.01, 0.05])
        burst = np.exp(-time * rng.uniform(3, 60)) * np.minimum(1, time / attack)
        burst = burst[: n_samples - start]
        envelope[start : start + len(burst)] = burst * rng.uniform(0.1, 1)
        start += length
    samples: np.ndarray = _resonant(rng.standard_normal(n_samples), sample_rate, rng) * envelope
    return samples


def _resonant(samples: np.ndarray, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Pass samples through one to three resonances at random frequencies."""
    for _ in range(rng.integers(1, 4)):
        angle = 2 * np.pi * rng.uniform(150, 4800) / sample_rate
        radius = rng.uniform(0.8, 0.99)
        samples = lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], samples)
    return samples
