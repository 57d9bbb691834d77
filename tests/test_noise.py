"""Synthesised noise, recordings of it, and the recipe's settings."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from conftest import TRAINING_MFCC

from edge_runtime import ConfigError
from edge_runtime.silence import SilenceConfig
from train.corpora import DatasetError
from train.noise import noise_features, synthetic_noise
from train.recipe import BETTER


def test_noise_is_of_every_level_within_full_scale_and_always_the_same():
    levels = []
    for seed in range(60):
        noise = synthetic_noise(np.random.default_rng(seed))
        assert noise.dtype == np.float32 and 16_000 <= len(noise) <= 80_000
        assert np.isfinite(noise).all() and np.abs(noise).max() <= 1
        levels.append(np.abs(noise).max())
    assert min(levels) < 0.01 < 0.5 < max(levels)
    again = synthetic_noise(np.random.default_rng(7))
    np.testing.assert_array_equal(again, synthetic_noise(np.random.default_rng(7)))


def test_recordings_of_noise_are_added(tmp_path, monkeypatch):
    monkeypatch.setattr("train.noise.N_SYNTHETIC", 12)
    with pytest.raises(DatasetError, match="no recording of noise"):
        noise_features(TRAINING_MFCC, None, [tmp_path])
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "rain.wav", 0.1 * rng.standard_normal(20_000), 16_000)
    features = noise_features(TRAINING_MFCC, SilenceConfig(), [tmp_path])
    assert len(features) == 13
    assert all(f.shape[1] == 13 and len(f) >= 1 and np.isfinite(f).all() for f in features)


def test_settings_are_changed_by_name():
    changed = BETTER.with_settings(["hidden_size=32", "offset=0.5", "epochs=3", "residual=false"])
    assert changed.network.hidden_size == 32 and not changed.network.residual
    assert changed.fit.augment.offset == 0.5 and changed.fit.epochs == 3
    assert changed.fit.augment.speed == BETTER.fit.augment.speed
    for wrong, message in (
        ("hidden=3", "wanted NAME=VALUE with a NAME of .*hidden_size"), ("epochs", "wanted NAME"),
        ("epochs=x", "wanted a whole number, such as 0"), ("epochs=-1", "must be 1 or more"),
        ("seed=9999999999", "must be from 0 to 2147483647"), ("learning_rate=inf", "and finite"),
        ("pooling=max", "'mean' or 'attention'"), ("residual=yes", "true or false"),
        ("n_classes=3", "wanted NAME"), ("noise=2", "from 0 to 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            BETTER.with_settings([wrong])


def test_few_clips_take_more_epochs():
    def taken(n_clips, *settings):
        return BETTER.with_settings(list(settings)).sized(4, n_clips).fit.epochs

    assert taken(339) == 120 and taken(1439) == 60 and taken(10) == 120 and taken(100_000) == 60
    assert taken(600) == 3000 // 38
    assert taken(600, "batch_size=32") == 120
    assert taken(339, "epochs=7") == 7
