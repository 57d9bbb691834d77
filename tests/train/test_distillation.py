"""Distillation from the fold networks, and the selection of the epoch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from support.training import PLAIN, fit_one

from edge_runtime import ConfigError
from edge_runtime.datasets.clip import Clip
from train.data.features import Dataset
from train.data.folds import inner_folds
from train.data.splits import make_split
from train.distillation import DistillationTargets
from train.fit_config import FitConfig
from train.loop import EpochLoop
from train.model_selection import best_epoch, choose_epoch
from train.network import EmotionLSTM
from train.network_config import NetworkConfig
from train.padding import pad
from train.pipeline import validation_folds
from train.predict import predict

SMALL = NetworkConfig(hidden_size=16, fc_size=8)


def networks(n: int, **changes) -> list[EmotionLSTM]:
    torch.manual_seed(0)
    return [EmotionLSTM(dataclasses.replace(SMALL, **changes)) for _ in range(n)]


def test_targets_are_the_softmax_of_the_mean_logits(dataset):
    both = networks(2, ensemble_size=2)
    x, lengths = pad(dataset.frames[:5])
    targets = DistillationTargets(both, [{0, 1, 2, 3}] * 2)(x, lengths)
    logits = [predict(network, dataset.frames, list(range(5))) for network in both]
    np.testing.assert_allclose(
        np.log(targets.numpy()), log_softmax(np.mean(logits, axis=0), axis=1), atol=1e-5
    )
    assert not any(network.training for network in both)


def test_untrained_classes_of_a_network_are_ignored(dataset):
    first, second = networks(2)
    x, lengths = pad(dataset.frames[:5])
    targets = DistillationTargets([first, second], [{0, 1, 2}, {0, 1}])(x, lengths)
    with torch.no_grad():
        one, two = first.eval()(x, lengths), second.eval()(x, lengths)
    expected = torch.stack([(one[:, 0] + two[:, 0]) / 2, (one[:, 1] + two[:, 1]) / 2, one[:, 2]], 1)
    torch.testing.assert_close(targets[:, :3], expected.softmax(dim=1))
    assert (targets[:, 3] == 0).all()  # no network was trained on it


@pytest.mark.slow
def test_distilled_network_is_closer_to_its_targets(dataset, split):
    clips = sorted(split.train + split.val)
    folds = inner_folds(dataset.clips, clips, 2, seed=0)
    config = FitConfig(
        epochs=6, batch_size=8, learning_rate=1e-2, augment=PLAIN, distillation_weight=0.9
    )
    _, distillation = choose_epoch(dataset, clips, folds, SMALL, config)
    x, lengths = pad([dataset.frames[i] for i in split.test])
    expected = distillation(x, lengths).numpy()

    def divergence(distillation_weight: float) -> float:
        """Return the KL divergence from the targets, for the test speakers."""
        changed = dataclasses.replace(config, distillation_weight=distillation_weight)
        result = fit_one(dataset, clips, folds, SMALL, changed)
        own = log_softmax(predict(result.network, dataset.frames, split.test), axis=1)
        return float((expected * (np.log(expected) - own)).sum(axis=1).mean())

    assert divergence(0.9) < 0.5 * divergence(0.0)


def test_class_without_targets_is_learnt_from_its_label(dataset, split):
    clips = sorted(split.train + split.val)
    config = FitConfig(epochs=1, augment=PLAIN, distillation_weight=1.0, label_smoothing=0.0)
    network = networks(1)[0]
    targets = np.array([dataset.classes.index(clip.label) for clip in dataset.clips])
    three_classes = DistillationTargets(networks(2)[1:], [{0, 1, 2}])
    positions = [k for k, i in enumerate(clips) if targets[i] == 3][:4]

    def loss(distillation: DistillationTargets | None) -> float:
        torch.manual_seed(0)
        loop = EpochLoop(dataset, clips, targets, config, network.eval(), distillation)
        return loop._loss(positions, np.random.default_rng(0)).item()

    assert loss(three_classes) == pytest.approx(loss(None), rel=1e-5)
    all_classes = DistillationTargets(networks(2)[1:], [{0, 1, 2, 3}])
    assert loss(all_classes) != pytest.approx(loss(None), rel=1e-2)


def test_distillation_weight_is_from_0_to_1():
    with pytest.raises(ConfigError, match="distillation_weight=2 must be from 0 to 1"):
        FitConfig(distillation_weight=2)


def history(uars: list[float]) -> list[dict[str, float]]:
    return [{"val_uar": uar, "val_loss": 1.0} for uar in uars]


def test_epoch_is_the_last_within_one_standard_error():
    """The UAR of a few validation speakers fluctuates between epochs."""
    rising = [0.2] * 10 + [0.5] * 10
    rising[4] = 0.6
    assert best_epoch(history(rising), 100) == 20
    falling = [0.2, 0.3, 0.5, 0.6, 0.6, 0.6, 0.6, 0.5, 0.4, 0.3, 0.2, 0.2]
    assert best_epoch(history(falling), 10_000) == 6  # a mean over 5 to 7
    # With 16 clips the standard error is 0.12, with 100 it is 0.05.
    assert best_epoch(history(falling), 16) == 8
    assert best_epoch(history([0.5, 0.7, 0.5]), 10**6) == 2  # too few epochs to average
    assert best_epoch(history([1.0] * 3), 5) == 3


def clips_of(n_speakers: int, split: str | None = None) -> list[Clip]:
    return [
        Clip(Path(f"{s}-{label}.wav"), label, f"s{s}", split if s == 0 else None)
        for s in range(n_speakers)
        for label in ("a", "b")
    ]


def test_folds_cover_all_speakers_unless_the_data_define_validation():
    dataset = Dataset(clips_of(8), [], [])
    split = make_split(dataset.clips, seed=0)
    folds = validation_folds(dataset, split, 3, 0)
    assert sorted(i for fold in folds for i in fold) == sorted(split.train + split.val)
    speakers = [{dataset.clips[i].speaker for i in fold} for fold in folds]
    assert len(folds) == 3 and not set.intersection(*speakers)
    assert validation_folds(dataset, split, 1, 0) == [split.val]

    defined = Dataset(clips_of(8, "val"), [], [])
    split = make_split(defined.clips, seed=0)
    assert validation_folds(defined, split, 3, 0) == [split.val] == [[0, 1]]

    unknown = Dataset([dataclasses.replace(clip, speaker=None) for clip in clips_of(8)], [], [])
    split = make_split(unknown.clips, seed=0)
    assert validation_folds(unknown, split, 3, 0) == [split.val]
