"""Synthesised noise and recordings of noise."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from support.training import TRAINING_MFCC

from edge_runtime.datasets.clip import DatasetError
from edge_runtime.features.silence import SilenceConfig
from train.data.noise import noise_features, synthetic_noise


@pytest.mark.slow
def test_synthetic_noise_is_reproducible_and_of_any_level():
    levels = []
    for seed in range(60):
        noise = synthetic_noise(np.random.default_rng(seed))
        assert noise.dtype == np.float32 and 16_000 <= len(noise) <= 80_000
        assert np.isfinite(noise).all() and np.abs(noise).max() <= 1
        levels.append(np.abs(noise).max())
    assert min(levels) < 0.01 < 0.5 < max(levels)
    again = synthetic_noise(np.random.default_rng(7))
    np.testing.assert_array_equal(again, synthetic_noise(np.random.default_rng(7)))


def test_noise_recordings_are_added(tmp_path, monkeypatch):
    monkeypatch.setattr("train.data.noise.N_SYNTHETIC", 12)
    with pytest.raises(DatasetError, match="contains no readable recording of noise"):
        noise_features(TRAINING_MFCC, None, [tmp_path])
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "rain.wav", 0.1 * rng.standard_normal(20_000), 16_000)
    features = noise_features(TRAINING_MFCC, SilenceConfig(), [tmp_path])
    assert len(features) == 13
    assert all(f.shape[1] == 13 and len(f) >= 1 and np.isfinite(f).all() for f in features)
