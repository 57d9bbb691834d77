"""A sound like a voice that is made on the spot, for trials that need no recording."""

from __future__ import annotations

import math

import numpy as np

# First three formants in Hz of /a e i o u/ of a man; Peterson and Barney 1952,
# https://doi.org/10.1121/1.1906875
VOWELS = (
    (730, 1090, 2440),
    (530, 1840, 2480),
    (270, 2290, 3010),
    (570, 840, 2410),
    (300, 870, 2240),
)
BANDWIDTHS = (80.0, 100.0, 140.0)

PITCH = 130.0  # Hz
SYLLABLES = 4.0  # a second; every seventh is a pause
MAX_HARMONIC_HZ = 4000.0  # Hz, of the harmonics
BREATH = 0.1  # noise in the voice, which reaches beyond its harmonics
NOISE = 3e-4  # so that the pauses are no digital silence


def synthetic_voice(seconds: float, sample_rate: int = 16_000) -> np.ndarray:
    """Vowels in a falling and rising pitch, the same in every call: float32 `(n_samples,)`, with a
    peak of 0.5.

    The harmonics of a glottal pulse, each as loud as a cascade of formants makes it (after Klatt
    1980, https://doi.org/10.1121/1.383940).

    >>> len(synthetic_voice(0.5))
    8000
    """
    n = max(1, round(seconds * sample_rate))
    time = np.arange(n) / sample_rate
    syllable = (time * SYLLABLES).astype(int)
    formants = np.array(VOWELS, float)[syllable % len(VOWELS)]  # (n, 3)
    pitch = PITCH * 2.0 ** (0.25 * np.sin(2 * np.pi * 0.7 * time))
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    sound = np.zeros(n)
    for k in range(1, math.ceil(min(MAX_HARMONIC_HZ, sample_rate / 2) / pitch.max())):
        sound += _gain(k * pitch, formants) / k * np.sin(k * phase)
    place = time * SYLLABLES - syllable
    sound *= np.sqrt(np.sin(np.pi * place)) * (syllable % 7 != 6)
    noise = np.random.default_rng(0)
    sound *= 1 + BREATH * noise.standard_normal(n)
    sound *= 0.5 / max(float(np.abs(sound).max()), 1e-9)
    sound += NOISE * noise.standard_normal(n)
    return sound.astype(np.float32)


def _gain(frequency: np.ndarray, formants: np.ndarray) -> np.ndarray:
    """Of resonators of unit gain at 0 Hz, one after the other, at `frequency (n,)`."""
    gain = np.ones(len(frequency))
    for centre, bandwidth in zip(formants.T, BANDWIDTHS):
        distance = np.hypot(centre**2 - frequency**2, bandwidth * frequency)
        gain *= centre**2 / distance
    return gain
