"""Recipes: their settings by name, and what depends on the recordings."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_runtime import ConfigError
from train.loop import EpochLoop
from train.network import EmotionLSTM, NetworkConfig
from train.recipes import DEFAULT_RECIPE


def test_settings_are_changed_by_name():
    changed = DEFAULT_RECIPE.with_settings(
        ["hidden_size=32", "cepstral_offset=0.5", "epochs=3", "residual=false"]
    )
    assert changed.network.hidden_size == 32 and not changed.network.residual
    assert changed.fit.augment.cepstral_offset == 0.5 and changed.fit.epochs == 3
    assert changed.fit.augment.speed == DEFAULT_RECIPE.fit.augment.speed
    for wrong, message in (
        ("hidden=3", "wanted NAME=VALUE with a NAME of .*hidden_size"),
        ("epochs", "wanted NAME"),
        ("epochs=x", "epochs=x: wanted a whole number$"),
        ("epochs=-1", "must be 1 or more"),
        ("seed=9999999999", "must be from 0 to 2147483647"),
        ("learning_rate=inf", "and finite"),
        ("pooling=max", "'mean' or 'attention'"),
        ("residual=yes", "true or false"),
        ("n_classes=3", "wanted NAME"),
        ("noise=2", "from 0 to 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            DEFAULT_RECIPE.with_settings([wrong])


def test_few_clips_take_more_epochs(dataset):
    def taken(n_clips, *settings):
        data = dataclasses.replace(dataset, clips=(dataset.clips * 1000)[:n_clips])
        return DEFAULT_RECIPE.with_settings(list(settings)).sized(data).fit.epochs

    assert taken(339) == 120 and taken(1439) == 60 and taken(10) == 120 and taken(100_000) == 60
    assert taken(600) == 3000 // 38
    assert taken(600, "batch_size=32") == 120
    assert taken(339, "epochs=7") == 7


def test_a_recipe_of_no_recordings_trains_nothing(dataset):
    network = EmotionLSTM(NetworkConfig())
    targets = np.zeros(len(dataset.clips), int)
    with pytest.raises(ConfigError, match="epochs=0: `Recipe.sized` says"):
        EpochLoop(dataset, [0, 1], targets, DEFAULT_RECIPE.fit, network)
