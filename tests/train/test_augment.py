"""Augmentation of features, compared with the same change of the samples."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.signal import fftconvolve
from support.training import PLAIN, TRAINING_MFCC

from edge_runtime import ConfigError, MfccConfig, mfcc
from edge_runtime.features.silence import coefficients_per_db, level_weights
from train.augment import Augment, Augmenter, style_of


def augmenter(noises=(), **changes):
    return Augmenter(
        dataclasses.replace(PLAIN, **changes), TRAINING_MFCC, np.ones(13, np.float32), list(noises)
    )


def test_offset_is_constant_and_speed_keeps_first_and_last_frame():
    clip = np.random.default_rng(0).standard_normal((100, 13)).astype(np.float32)
    rng = np.random.default_rng(1)
    np.testing.assert_array_equal(augmenter()(clip, rng), clip)
    shifted = augmenter(cepstral_offset=0.5)(clip, rng) - clip
    np.testing.assert_allclose(shifted, np.broadcast_to(shifted[0], clip.shape), atol=1e-5)
    assert 0.1 < np.abs(shifted[0]).mean() < 1
    stretch = augmenter(speed=0.2)
    lengths = {len(stretch(clip, rng)) for _ in range(50)}
    assert min(lengths) >= 83 and max(lengths) <= 125 and len(lengths) > 10
    np.testing.assert_allclose(stretch(clip, rng)[[0, -1]], clip[[0, -1]], atol=1e-5)
    for length in (1, 2, 3):
        assert len(stretch(clip[:length], rng)) >= 1


def test_warp_matches_resampling(voice_clips):
    """Faster playback raises the formants and shortens the clip.

    With a hop shorter by the same factor, its frames match those of the warp.
    """
    from edge_runtime.audio.resample import resample

    factor = 1.12
    samples = voice_clips[0]
    faster = resample(samples, 16_000, round(16_000 / factor))
    config = dataclasses.replace(TRAINING_MFCC, fmax=4000.0, n_mels=16)
    true = mfcc(faster, dataclasses.replace(config, hop_length=round(320 / factor)))
    plain = mfcc(samples, config)
    change = Augmenter(dataclasses.replace(PLAIN, vtlp=0.1), config, np.ones(13, np.float32), [])
    moved = plain @ (change._to_mel @ change._band_warp(factor) @ change._to_cepstra)
    n = min(len(true), len(moved)) - 4
    before = np.abs(plain[4:n] - true[4:n])[:, 1:].mean()
    after = np.abs(moved[4:n] - true[4:n])[:, 1:].mean()
    assert after < 0.75 * before
    np.testing.assert_allclose(
        plain @ (change._to_mel @ change._band_warp(1.0) @ change._to_cepstra), plain, atol=1e-2
    )


def test_mean_warp_is_the_average_of_many_warps(voice_clips):
    clip = mfcc(voice_clips[0], TRAINING_MFCC)
    change = augmenter(vtlp=0.1)
    rng = np.random.default_rng(0)
    average = np.mean([change(clip, rng) for _ in range(4000)], axis=0)
    mean = clip @ change.mean_warp(0.1)
    moved = np.abs(mean - clip).max(axis=0)
    # Not exactly: training clips warps to two deviations.
    assert np.abs(average - mean).max() < 0.2 * moved.max()
    # Finer details are attenuated more.
    gains = np.diag(change.mean_warp(0.1))
    assert (np.diff(gains) < 0).all() and gains[0] > 0.99 and gains[12] < 0.6
    np.testing.assert_allclose(change.mean_warp(0.0), np.eye(13), atol=1e-5)


def test_noise_matches_adding_samples(voice_clips):
    config = dataclasses.replace(TRAINING_MFCC, fmax=4000.0, n_mels=16, n_mfcc=13)
    samples = voice_clips[0]
    noise = np.random.default_rng(0).standard_normal(len(samples)).astype(np.float32)
    add = Augmenter(
        dataclasses.replace(PLAIN, noise=1.0),
        config,
        np.ones(13, np.float32),
        [mfcc(noise, config)],
    )
    plain = mfcc(samples, config)
    noisy = add(plain, np.random.default_rng(3))
    levels = [1e-3, 3e-3, 1e-2, 3e-2, 0.1]
    true = [mfcc(samples + level * noise, config) for level in levels]
    errors = [np.abs(noisy - t).mean() for t in true]
    assert min(errors) < 0.45 * np.abs(noisy - plain).mean()


def test_telephone_matches_filter_and_noise(voice_clips):
    """Compare at equal levels, because the augmentation keeps the level of the clip."""
    from scipy.signal import butter, sosfilt

    config = dataclasses.replace(TRAINING_MFCC, fmax=4000.0, n_mels=16)
    samples = voice_clips[0]
    change = Augmenter(
        dataclasses.replace(PLAIN, telephone=1.0), config, np.ones(13, np.float32), []
    )
    plain = mfcc(samples, config)
    changed = change(plain, np.random.default_rng(0))
    band = butter(4, (300, 3400), "bandpass", fs=16_000, output="sos")
    noise = np.random.default_rng(0).standard_normal(len(samples)) * 1e-3
    true = mfcc((sosfilt(band, samples) + noise).astype(np.float32), config)
    level = level_weights(config)
    true -= (true @ level).max() * coefficients_per_db(config).astype(np.float32)
    loudest = (plain @ level).max() * coefficients_per_db(config).astype(np.float32)
    assert (changed @ level).max() == pytest.approx((plain @ level).max(), abs=1e-3)
    loud = slice(10, -10)
    before = np.abs(plain - loudest - true)[loud].mean()
    assert np.abs(changed - loudest - true)[loud].mean() < 0.6 * before
    assert not np.array_equal(changed, change(plain, np.random.default_rng(1)))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_room_matches_convolution_with_its_response(voice_clips, seed):
    """Moorer's room response is noise that decays exponentially."""
    config = dataclasses.replace(TRAINING_MFCC, fmax=4000.0, n_mels=16)
    samples = voice_clips[0]
    plain = mfcc(samples, config)
    room = Augmenter(dataclasses.replace(PLAIN, room=1.0), config, np.ones(13, np.float32), [])
    changed = room(plain, np.random.default_rng(seed))
    rng = np.random.default_rng(seed)  # the numbers that the augmentation drew
    assert 0 <= rng.random() < 1
    seconds, ratio = rng.uniform(0.2, 1.0), 10 ** rng.uniform(-1.2, 0.6)
    time = np.arange(round(16_000 * seconds)) / 16_000
    response = rng.standard_normal(len(time)) * 10 ** (-3 * time / seconds)
    response *= np.sqrt(ratio / (response**2).sum())
    response[0] = 1
    true = mfcc(fftconvolve(samples, response).astype(np.float32), config)
    level = level_weights(config)
    per_db = coefficients_per_db(config).astype(np.float32)
    assert (changed @ level).max() == pytest.approx((plain @ level).max(), abs=1e-3)
    louder = (true @ level).max() - (changed @ level).max()
    assert len(plain) <= len(changed) <= len(plain) + seconds / 0.02 * 2 / 3 + 1  # 40 of 60 dB
    both = slice(5, len(plain) - 5)
    error = np.abs(changed[both] + louder * per_db - true[both]).mean()
    assert error < 0.6 * np.abs(plain[both] + louder * per_db - true[both]).mean()
    # A constant decay: straight lines in dB after the last sound.
    fall = np.diff((changed @ level)[len(plain) + 2 :])
    if len(fall) > 3:
        np.testing.assert_allclose(fall, -60 * 0.02 / seconds, atol=0.05)


def test_room_works_on_very_short_clips():
    room = augmenter(room=1.0)
    rng = np.random.default_rng(0)
    for length in (1, 2, 3):
        clip = rng.standard_normal((length, 13)).astype(np.float32)
        changed = room(clip, rng)
        assert changed.dtype == np.float32 and np.isfinite(changed).all() and len(changed) >= length


def test_other_mfcc_conventions_are_refused():
    with pytest.raises(ConfigError, match="vtlp=0.1 requires .* --set vtlp=0"):
        Augmenter(Augment(), MfccConfig.python_speech_features(), np.ones(13, np.float32), [])


def test_mixed_style_lies_between_the_two_clips():
    rng = np.random.default_rng(0)
    clip = rng.standard_normal((100, 13)).astype(np.float32)
    other = (3 + 2 * rng.standard_normal((60, 13))).astype(np.float32)
    mix = augmenter(mixstyle=1.0)
    own, like = style_of(clip), style_of(other)
    shares = set()
    for _ in range(20):
        changed = mix(clip, rng, (own, like))
        share = (style_of(changed) - own) / (like - own)
        np.testing.assert_allclose(share, np.broadcast_to(share[0, 0], (2, 13)), atol=1e-3)
        shares.add(round(float(share[0, 0]), 3))
        # The content is unchanged: each coefficient follows the same course.
        for k in range(13):
            assert np.corrcoef(changed[:, k], clip[:, k])[0, 1] > 0.9999
    assert len(shares) > 15 and min(shares) >= 0 and max(shares) <= 1
    np.testing.assert_allclose(mix(clip, rng, (own, own)), clip, atol=1e-5)
    np.testing.assert_array_equal(mix(clip, rng), clip)  # no other clip
    constant = np.ones((5, 13), np.float32)
    assert np.isfinite(mix(constant, rng, (style_of(constant), like))).all()
    half = augmenter(mixstyle=0.5)
    unchanged = [np.array_equal(half(clip, rng, (own, like)), clip) for _ in range(200)]
    assert 60 < sum(unchanged) < 140


def test_stronger_augmentation_keeps_zeros():
    assert Augment(cepstral_offset=0.25, vtlp=0.5, noise=0.3).stronger() == Augment(
        cepstral_offset=0.5, vtlp=0.75, noise=0.3
    )
    assert PLAIN.stronger() == PLAIN


def test_segments_are_shuffled():
    clip = np.arange(100 * 13, dtype=np.float32).reshape(100, 13)  # 20 ms each: 16 per segment
    rng = np.random.default_rng(0)
    shuffle = augmenter(segment_shuffle=1.0)
    new = shuffle(clip, rng)
    np.testing.assert_array_equal(np.sort(new[:, 0]), clip[:, 0])
    starts = np.flatnonzero(np.diff(new[:, 0]) != 13) + 1
    assert 4 <= len(starts) <= 6 and not np.array_equal(new, shuffle(clip, rng))
    assert {int(new[k, 0] / 13) % 16 for k in [0, *starts]} == {0}
    for length in (1, 16):
        np.testing.assert_array_equal(shuffle(clip[:length], rng), clip[:length])
    half = augmenter(segment_shuffle=0.5)
    unchanged = sum(np.array_equal(half(clip, rng), clip) for _ in range(200))
    assert 70 < unchanged < 130


@pytest.mark.parametrize("name", ["mixstyle", "segment_shuffle", "room", "telephone", "noise"])
def test_shares_are_from_0_to_1(name):
    with pytest.raises(ConfigError, match=f"{name}=1.5 must be from 0 to 1"):
        Augment(**{name: 1.5})
