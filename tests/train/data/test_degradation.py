"""Degraded copies of clips."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from train.data.degradation import Channel, channel_of, degraded

RATE = 16_000
CLEAN = Channel(0.0, (), 0.0, np.inf, 0.0, 0.0, np.inf, 0.0)


@pytest.fixture
def tones():
    """Return a second of tones at 200, 1000 and 6000 Hz."""
    time = np.arange(RATE) / RATE
    return sum(0.2 * np.sin(2 * np.pi * hz * time) for hz in (200, 1000, 6000)).astype(np.float32)


def level(samples, hz):
    return 20 * np.log10(np.abs(np.fft.rfft(samples)[hz]) + 1e-9)


def test_channel_depends_on_the_speaker_alone():
    assert channel_of("a/0") == channel_of("a/0")
    assert len({channel_of(f"speaker {k}/0") for k in range(50)}) == 50


def test_clean_channel_changes_nothing(tones):
    np.testing.assert_allclose(degraded(tones, RATE, CLEAN, 0), tones, atol=1e-5)


def test_telephone_band(tones):
    telephone = dataclasses.replace(CLEAN, low_cut=300.0, high_cut=3400.0)
    copy = degraded(tones, RATE, telephone, 0)
    assert level(copy, 200) < level(copy, 1000) - 15
    assert level(copy, 6000) < level(copy, 1000) - 40


def test_tilt_is_in_db_per_octave(tones):
    copy = degraded(tones, RATE, dataclasses.replace(CLEAN, tilt=-3.0), 0)
    octaves = np.log2(6000 / 1000)
    difference = level(copy, 6000) - level(copy, 1000) - level(tones, 6000) + level(tones, 1000)
    assert difference == pytest.approx(-3 * octaves, abs=0.1)


def test_noise_has_the_ratio_of_the_channel(tones):
    copy = degraded(tones, RATE, dataclasses.replace(CLEAN, noise_ratio=10.0), 0)
    gain = (copy @ tones) / (tones @ tones)
    noise = copy - gain * tones
    ratio = 10 * np.log10((gain * tones).var() / noise.var())
    assert ratio == pytest.approx(10, abs=0.5)


def test_reverberation_continues_after_a_sound():
    click = np.zeros(RATE, np.float32)
    click[100] = 0.5
    copy = degraded(click, RATE, dataclasses.replace(CLEAN, decay=0.4, direct_ratio=3.0), 0)
    tail = copy[300:]
    early, late = (tail[k : k + 1600] for k in (0, 3200))
    # 0.2 s of a decay of 60 dB in 0.4 s
    assert 10 * np.log10(early.var() / late.var()) == pytest.approx(30, abs=2)


def test_copies_keep_length_and_peak(tones):
    for k in range(30):
        copy = degraded(tones, RATE, channel_of(f"{k}/0"), k)
        assert copy.shape == tones.shape
        assert copy.dtype == np.float32
        assert np.abs(copy).max() == pytest.approx(np.abs(tones).max(), rel=1e-5)
    assert not degraded(np.zeros(800, np.float32), RATE, channel_of("a/0"), 0).any()
