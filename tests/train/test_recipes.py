"""Recipes: settings by name, and values that depend on the dataset."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_runtime import ConfigError
from train.loop import EpochLoop
from train.network import EmotionLSTM
from train.network_config import NetworkConfig
from train.recipes import DEFAULT_RECIPE


def test_settings_are_changed_by_name():
    changed = DEFAULT_RECIPE.with_settings(
        ["hidden_size=32", "cepstral_offset=0.5", "epochs=3", "residual=false"]
    )
    assert changed.network.hidden_size == 32 and not changed.network.residual
    assert changed.fit.augment.cepstral_offset == 0.5 and changed.fit.epochs == 3
    assert changed.fit.augment.speed == DEFAULT_RECIPE.fit.augment.speed
    for wrong, message in (
        ("hidden=3", "expected NAME=VALUE with one of the names .*hidden_size"),
        ("epochs", "expected NAME"),
        ("epochs=x", "epochs=x: expected an integer$"),
        ("epochs=-1", "must be 1 or more"),
        ("seed=9999999999", "must be from 0 to 2147483647"),
        ("learning_rate=inf", "and finite"),
        ("pooling=max", "'mean' or 'attention'"),
        ("residual=yes", "true or false"),
        ("n_classes=3", "expected NAME"),
        ("noise=2", "from 0 to 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            DEFAULT_RECIPE.with_settings([wrong])


def test_fewer_clips_get_more_epochs(dataset):
    def epochs(n_clips, *settings):
        data = dataclasses.replace(dataset, clips=(dataset.clips * 1000)[:n_clips])
        return DEFAULT_RECIPE.with_settings(list(settings)).sized(data).fit.epochs

    assert epochs(339) == 120 and epochs(1439) == 60 and epochs(10) == 120 and epochs(100_000) == 60
    assert epochs(600) == 3000 // 38
    assert epochs(600, "batch_size=32") == 120
    assert epochs(339, "epochs=7") == 7


def test_unsized_recipe_cannot_be_trained(dataset):
    network = EmotionLSTM(NetworkConfig())
    targets = np.zeros(len(dataset.clips), int)
    with pytest.raises(ConfigError, match="epochs=0 depends on the number of clips"):
        EpochLoop(dataset, [0, 1], targets, DEFAULT_RECIPE.fit, network)
