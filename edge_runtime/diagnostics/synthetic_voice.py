"""A synthetic voice, for tests and measurements without a recording."""

from __future__ import annotations

import math

import numpy as np

# First three formants of /a e i o u/ in Hz, male speakers; Peterson and Barney 1952,
# https://doi.org/10.1121/1.1906875
VOWELS = (
    (730, 1090, 2440),
    (530, 1840, 2480),
    (270, 2290, 3010),
    (570, 840, 2410),
    (300, 870, 2240),
)
BANDWIDTHS = (80.0, 100.0, 140.0)  # Hz

PITCH_HZ = 130.0
SYLLABLES_PER_SECOND = 4.0
PAUSE_EVERY = 7  # syllables
MAX_HARMONIC_HZ = 4000.0
BREATH_NOISE = 0.1  # relative to the voice; extends above the harmonics
BACKGROUND_NOISE = 3e-4  # RMS; pauses are not digital silence


def synthetic_voice(seconds: float, sample_rate: int = 16_000) -> np.ndarray:
    """Synthesise vowels with a rising and falling pitch.

    The harmonics of a glottal pulse are weighted by a cascade of formant resonators (Klatt 1980,
    https://doi.org/10.1121/1.383940).

    Args:
        seconds: Duration.
        sample_rate: Sample rate in Hz.

    Returns:
        Samples, float32 `(n_samples,)`, with a peak of 0.5; the same in every call.

    Example:
        >>> len(synthetic_voice(0.5))
        8000
    """
    n = max(1, round(seconds * sample_rate))
    time = np.arange(n) / sample_rate
    syllable = (time * SYLLABLES_PER_SECOND).astype(int)
    formants = np.array(VOWELS, float)[syllable % len(VOWELS)]  # (n, 3)
    pitch = PITCH_HZ * 2.0 ** (0.25 * np.sin(2 * np.pi * 0.7 * time))
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    sound = np.zeros(n)
    for k in range(1, math.ceil(min(MAX_HARMONIC_HZ, sample_rate / 2) / pitch.max())):
        sound += _gain(k * pitch, formants) / k * np.sin(k * phase)
    position = time * SYLLABLES_PER_SECOND - syllable
    sound *= np.sqrt(np.sin(np.pi * position)) * (syllable % PAUSE_EVERY != PAUSE_EVERY - 1)
    noise = np.random.default_rng(0)
    sound *= 1 + BREATH_NOISE * noise.standard_normal(n)
    sound *= 0.5 / max(float(np.abs(sound).max()), 1e-9)
    sound += BACKGROUND_NOISE * noise.standard_normal(n)
    return sound.astype(np.float32)


def _gain(frequency: np.ndarray, formants: np.ndarray) -> np.ndarray:
    """Return the gain at `frequency (n,)` of resonators in series, each with gain 1 at 0 Hz."""
    gain: np.ndarray = np.ones(len(frequency))
    for centre, bandwidth in zip(formants.T, BANDWIDTHS):
        distance = np.hypot(centre**2 - frequency**2, bandwidth * frequency)
        gain *= centre**2 / distance
    return gain
