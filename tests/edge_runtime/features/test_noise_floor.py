"""Frames that stand out from background noise."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime import MfccConfig, mfcc
from edge_runtime.features.noise_floor import NoiseFloor

MFCC = MfccConfig(hop_length=320)


def noise(seconds: float, dbfs: float, seed: int = 0) -> np.ndarray:
    samples = np.random.default_rng(seed).standard_normal(round(16_000 * seconds))
    return (10 ** (dbfs / 20) * samples).astype(np.float32)


@pytest.mark.parametrize("dbfs", [-70, -50, -20])
def test_steady_noise_stands_out_for_one_second(dbfs):
    _, stands_out = NoiseFloor(MFCC).push(mfcc(noise(60, dbfs), MFCC))
    assert not stands_out[50:].any()


def test_voice_stands_out_from_noise(voice_clips):
    voice = voice_clips[0] / np.sqrt(np.mean(voice_clips[0] ** 2)) * 0.05  # -26 dBFS
    gap = np.zeros(32_000, np.float32)
    samples = np.concatenate([gap, voice, gap, voice, gap])
    samples = (samples + noise(len(samples) / 16_000, -50)).astype(np.float32)
    _, stands_out = NoiseFloor(MFCC).push(mfcc(samples, MFCC))
    is_voice = np.zeros(len(stands_out), bool)
    for start in (32_000, 64_000 + len(voice)):
        is_voice[start // 320 - 1 : (start + len(voice)) // 320 + 2] = True
    assert stands_out[is_voice].mean() > 0.5  # a voice has gaps
    assert stands_out[50:][~is_voice[50:]].mean() < 0.02


def test_single_band_sound_stands_out_from_noise():
    rng = np.random.default_rng(0)
    beep = 0.05 * np.sin(2 * np.pi * 300 * np.arange(8_000) / 16_000)  # 0.5 s of one band of many
    samples = np.concatenate([np.zeros(48_000), beep, np.zeros(16_000)])
    samples += 0.01 * rng.standard_normal(len(samples))  # 11 dB below
    _, stands_out = NoiseFloor(MFCC).push(mfcc(samples.astype(np.float32), MFCC))
    assert stands_out[151:174].all() and not stands_out[50:148].any() and not stands_out[178:].any()


@pytest.mark.parametrize(
    "config",
    [
        MfccConfig(hop_length=320),
        MfccConfig(hop_length=320, n_mfcc=20, n_mels=20, lifter=22, dct_type=3),
        MfccConfig.python_speech_features(),
        MfccConfig.python_speech_features(appendEnergy=False),
    ],
    ids=["librosa", "liftered", "python_speech_features", "without energy"],
)
@pytest.mark.parametrize("gain_db", [-20.0, 6.0])
def test_level_is_in_decibels(config, gain_db):
    samples = noise(1, -40) + 0.02 * np.sin(np.arange(16_000)).astype(np.float32)
    quiet, _ = NoiseFloor(config).push(mfcc(samples, config))
    louder, _ = NoiseFloor(config).push(mfcc(10 ** (gain_db / 20) * samples, config))
    np.testing.assert_allclose(louder - quiet, gain_db, atol=0.01)


def test_level_is_the_power_of_all_bands():
    """The reference is scipy's inverse DCT, with as many coefficients as bands."""
    config = MfccConfig(n_mfcc=20, n_mels=20)
    frames = mfcc(noise(0.5, -30), config)
    bands = scipy.fft.idct(frames.astype(float), norm="ortho")  # dB
    levels, _ = NoiseFloor(config).push(frames)
    np.testing.assert_allclose(levels, 10 * np.log10((10 ** (bands / 10)).mean(axis=1)), atol=1e-3)


def test_new_noise_is_background_after_five_seconds():
    samples = np.concatenate([noise(10, -70), noise(20, -40)])
    _, stands_out = NoiseFloor(MFCC).push(mfcc(samples, MFCC))
    assert stands_out[510:740].all() and not stands_out[760:].any()


@settings(max_examples=50, deadline=None)
@given(
    levels=st.lists(st.integers(-120, 0), min_size=1, max_size=400),
    sizes=st.lists(st.integers(0, 50), min_size=1).filter(any),
)
def test_chunked_equals_whole_clip(levels, sizes):
    frames = np.zeros((len(levels), 13), np.float32)
    frames[:, 0] = (np.array(levels) + 0.37) * np.sqrt(40)
    _, whole = NoiseFloor(MFCC).push(frames)
    floor, chunks, start, k = NoiseFloor(MFCC), [], 0, 0
    while start < len(frames):
        size = sizes[k % len(sizes)]
        chunks.append(floor.push(frames[start : start + size])[1])
        start, k = start + size, k + 1
    np.testing.assert_array_equal(np.concatenate(chunks), whole)
