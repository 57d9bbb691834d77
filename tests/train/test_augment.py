"""Changed clips: what the augmentation does to features is what it stands for."""

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
    how = dataclasses.replace(PLAIN, **changes)
    return Augmenter(how, TRAINING_MFCC, np.ones(13, np.float32), list(noises))


def test_augmentation_shifts_and_stretches_but_keeps_the_shape_of_a_clip():
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


def test_another_vocal_tract_moves_the_formants_as_resampling_does(voice_clips):
    """Played faster, a voice has its formants higher and its frames sooner; the features of that,
    with frames as much denser, are what the augmentation approximates."""
    from edge_runtime.audio.resample import resample

    factor = 1.12
    samples = voice_clips[0]
    faster = resample(samples, 16_000, round(16_000 / factor))
    config = dataclasses.replace(TRAINING_MFCC, fmax=4000.0, n_mels=16)
    true = mfcc(faster, dataclasses.replace(config, hop_length=round(320 / factor)))
    plain = mfcc(samples, config)
    change = Augmenter(dataclasses.replace(PLAIN, vtlp=0.1), config, np.ones(13, np.float32), [])
    moved = plain @ (change._to_mel @ change._warped(factor) @ change._to_cepstra)
    n = min(len(true), len(moved)) - 4
    before = np.abs(plain[4:n] - true[4:n])[:, 1:].mean()
    after = np.abs(moved[4:n] - true[4:n])[:, 1:].mean()
    assert after < 0.75 * before
    np.testing.assert_allclose(
        plain @ (change._to_mel @ change._warped(1.0) @ change._to_cepstra), plain, atol=1e-2
    )


def test_the_mean_tract_is_what_many_tracts_make_of_a_clip_on_average(voice_clips):
    clip = mfcc(voice_clips[0], TRAINING_MFCC)
    change = augmenter(vtlp=0.1)
    rng = np.random.default_rng(0)
    found = np.mean([change(clip, rng) for _ in range(4000)], axis=0)
    mean = clip @ change.mean_tract(0.1)
    moved = np.abs(mean - clip).max(axis=0)
    # Not quite the same: for a tract beyond two deviations, training takes one of two.
    assert np.abs(found - mean).max() < 0.2 * moved.max()
    # The finer a detail, the less of it is left.
    kept = np.diag(change.mean_tract(0.1))
    assert (np.diff(kept) < 0).all() and kept[0] > 0.99 and kept[12] < 0.6
    np.testing.assert_allclose(change.mean_tract(0.0), np.eye(13), atol=1e-5)


def test_added_noise_is_what_adding_the_samples_gives(voice_clips):
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


def test_a_telephone_is_what_the_filter_and_its_noise_give(voice_clips):
    """At the level of the clip itself, as the augmentation leaves it."""
    from scipy.signal import butter, sosfilt

    config = dataclasses.replace(TRAINING_MFCC, fmax=4000.0, n_mels=16)
    samples = voice_clips[0]
    change = Augmenter(
        dataclasses.replace(PLAIN, telephone=1.0), config, np.ones(13, np.float32), []
    )
    plain = mfcc(samples, config)
    heard = change(plain, np.random.default_rng(0))
    band = butter(4, (300, 3400), "bandpass", fs=16_000, output="sos")
    noise = np.random.default_rng(0).standard_normal(len(samples)) * 1e-3
    true = mfcc((sosfilt(band, samples) + noise).astype(np.float32), config)
    level = level_weights(config)
    true -= (true @ level).max() * coefficients_per_db(config).astype(np.float32)
    loudest = (plain @ level).max() * coefficients_per_db(config).astype(np.float32)
    assert (heard @ level).max() == pytest.approx((plain @ level).max(), abs=1e-3)
    loud = slice(10, -10)
    before = np.abs(plain - loudest - true)[loud].mean()
    assert np.abs(heard - loudest - true)[loud].mean() < 0.6 * before
    assert not np.array_equal(heard, change(plain, np.random.default_rng(1)))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_room_is_what_convolution_with_its_response_gives(voice_clips, seed):
    """The response of Moorer's rooms: noise that decays exponentially."""
    config = dataclasses.replace(TRAINING_MFCC, fmax=4000.0, n_mels=16)
    samples = voice_clips[0]
    plain = mfcc(samples, config)
    room = Augmenter(dataclasses.replace(PLAIN, room=1.0), config, np.ones(13, np.float32), [])
    heard = room(plain, np.random.default_rng(seed))
    rng = np.random.default_rng(seed)  # what the room drew
    assert 0 <= rng.random() < 1
    seconds, ratio = rng.uniform(0.2, 1.0), 10 ** rng.uniform(-1.2, 0.6)
    time = np.arange(round(16_000 * seconds)) / 16_000
    response = rng.standard_normal(len(time)) * 10 ** (-3 * time / seconds)
    response *= np.sqrt(ratio / (response**2).sum())
    response[0] = 1
    true = mfcc(fftconvolve(samples, response).astype(np.float32), config)
    level = level_weights(config)
    per_db = coefficients_per_db(config).astype(np.float32)
    assert (heard @ level).max() == pytest.approx((plain @ level).max(), abs=1e-3)
    louder = (true @ level).max() - (heard @ level).max()
    assert len(plain) <= len(heard) <= len(plain) + seconds / 0.02 * 2 / 3 + 1  # 40 of 60 dB
    both = slice(5, len(plain) - 5)
    error = np.abs(heard[both] + louder * per_db - true[both]).mean()
    assert error < 0.6 * np.abs(plain[both] + louder * per_db - true[both]).mean()
    # A constant decay: straight lines in dB after the last sound.
    fall = np.diff((heard @ level)[len(plain) + 2 :])
    if len(fall) > 3:
        np.testing.assert_allclose(fall, -60 * 0.02 / seconds, atol=0.05)


def test_a_room_is_heard_of_few_frames_as_well():
    room = augmenter(room=1.0)
    rng = np.random.default_rng(0)
    for length in (1, 2, 3):
        clip = rng.standard_normal((length, 13)).astype(np.float32)
        heard = room(clip, rng)
        assert heard.dtype == np.float32 and np.isfinite(heard).all() and len(heard) >= length


def test_augmentation_that_needs_librosas_convention_says_so():
    with pytest.raises(ConfigError, match="vtlp=0.1 .* --set vtlp=0"):
        Augmenter(Augment(), MfccConfig.python_speech_features(), np.ones(13, np.float32), [])


def test_mixed_styles_lie_between_those_of_the_two_clips():
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
        # What is said, and when, is the same: each coefficient moves as it did.
        for k in range(13):
            assert np.corrcoef(changed[:, k], clip[:, k])[0, 1] > 0.9999
    assert len(shares) > 15 and min(shares) >= 0 and max(shares) <= 1
    np.testing.assert_allclose(mix(clip, rng, (own, own)), clip, atol=1e-5)
    np.testing.assert_array_equal(mix(clip, rng), clip)  # nobody to resemble
    constant = np.ones((5, 13), np.float32)
    assert np.isfinite(mix(constant, rng, (style_of(constant), like))).all()
    half = augmenter(mixstyle=0.5)
    some = [np.array_equal(half(clip, rng, (own, like)), clip) for _ in range(200)]
    assert 60 < sum(some) < 140


def test_a_stronger_augmentation_keeps_what_is_off():
    assert Augment(cepstral_offset=0.25, vtlp=0.5, noise=0.3).stronger() == Augment(
        cepstral_offset=0.5, vtlp=0.75, noise=0.3
    )
    assert PLAIN.stronger() == PLAIN


def test_a_shuffled_clip_has_its_pieces_in_another_order():
    clip = np.arange(100 * 13, dtype=np.float32).reshape(100, 13)  # 20 ms each: 16 in a piece
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
    kept = sum(np.array_equal(half(clip, rng), clip) for _ in range(200))
    assert 70 < kept < 130


@pytest.mark.parametrize("name", ["mixstyle", "segment_shuffle", "room", "telephone", "noise"])
def test_shares_are_from_0_to_1(name):
    with pytest.raises(ConfigError, match=f"{name}=1.5 must be from 0 to 1"):
        Augment(**{name: 1.5})
