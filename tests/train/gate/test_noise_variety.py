"""Variations and synthesis of noise for the speech gate."""

from __future__ import annotations

import numpy as np
import pytest

from train.gate import noise_variety
from train.gate.noise_variety import MAX_OCTAVES, MAX_REPETITIONS, varied_noise
from train.gate.synthesis import bursts, melody

RATE = 16_000
SHARES = ("SPEED_SHARE", "REPEATED_SHARE", "MIXED_SHARE", "CHANNEL_SHARE", "FLOOR_SHARE")


@pytest.fixture
def only(monkeypatch):
    """Return a function that leaves one kind of variation, which is always applied."""

    def set_shares(name: str) -> None:
        for share in SHARES:
            monkeypatch.setattr(noise_variety, share, float(share == name))

    return set_shares


def tone(hz: float, n_samples: int) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(n_samples) / RATE).astype(np.float32)


def peak_frequency(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax()) * RATE / len(samples)


def test_speed_changes_the_pitch_within_its_range(only):
    only("SPEED_SHARE")
    rng = np.random.default_rng(0)
    octaves = []
    for _ in range(20):
        noise = varied_noise(lambda: tone(1000, 2 * RATE), RATE // 2, RATE, rng)
        octaves.append(np.log2(peak_frequency(noise) / 1000))
    assert np.ptp(octaves) > MAX_OCTAVES / 2
    assert np.abs(octaves).max() < MAX_OCTAVES + 0.02


def test_short_noise_is_repeated_with_pauses(only):
    only("REPEATED_SHARE")
    rng = np.random.default_rng(1)
    counts = []
    for _ in range(30):
        noise = varied_noise(lambda: np.ones(400, np.float32), 2 * RATE, RATE, rng)
        onsets = np.flatnonzero((noise[1:] > 0) & (noise[:-1] == 0))
        counts.append(len(onsets) + (noise[0] > 0))
    assert min(counts) == 1 and max(counts) == MAX_REPETITIONS


def test_mixture_contains_both_noises(only):
    only("MIXED_SHARE")
    recordings = iter([tone(500, RATE), 0.001 * tone(3000, RATE)])
    noise = varied_noise(lambda: next(recordings), RATE, RATE, np.random.default_rng(2))
    powers = np.abs(np.fft.rfft(noise)) ** 2
    ratio_db = 10 * np.log10(powers[500] / powers[3000])
    assert -0.1 <= ratio_db <= noise_variety.MAX_RATIO_DB + 0.1


def test_variations_are_repeatable_and_finite():
    def recording() -> np.ndarray:
        return np.random.default_rng(3).standard_normal(5000).astype(np.float32)

    noises = []
    for seed in (*range(20), 0):
        rng = np.random.default_rng(seed)
        noises.append(varied_noise(recording, RATE, RATE, rng))
        assert noises[-1].shape == (RATE,) and noises[-1].dtype == np.float32
        assert np.isfinite(noises[-1]).all()
    np.testing.assert_array_equal(noises[0], noises[-1])


def test_silent_recording_stays_finite():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        noise = varied_noise(lambda: np.zeros(3000, np.float32), RATE, RATE, rng)
        assert np.isfinite(noise).all()


@pytest.mark.parametrize("sample_rate", [8000, 16_000])
@pytest.mark.parametrize("synthesise", [melody, bursts])
def test_synthesis_is_finite_and_not_silent(synthesise, sample_rate):
    for seed in range(4):
        samples = synthesise(sample_rate, sample_rate, np.random.default_rng(seed))
        assert samples.shape == (sample_rate,)
        assert np.isfinite(samples).all()
    assert np.abs(samples).max() > 0


def test_melody_is_more_tonal_than_bursts():
    def flatness(samples: np.ndarray) -> float:
        """Return the spectral flatness: geometric over arithmetic mean of the power."""
        power = np.abs(np.fft.rfft(samples[: RATE // 4] * np.hanning(RATE // 4))) ** 2 + 1e-12
        return float(np.exp(np.log(power).mean()) / power.mean())

    values = [
        [flatness(synthesise(RATE, RATE, np.random.default_rng(seed))) for seed in range(12)]
        for synthesise in (melody, bursts)
    ]
    tonal, noisy = np.median(values, axis=1)
    assert tonal < noisy
