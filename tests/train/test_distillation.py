"""The networks that choose the epoch, and what they teach the one that is kept."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from support.training import PLAIN, fit_one

from edge_runtime import ConfigError
from train.data.clip import Clip
from train.data.features import Dataset
from train.data.folds import inner_folds
from train.data.splits import make_split
from train.distillation import Teachers
from train.fit import best_epoch, choose_epoch
from train.loop import EpochLoop, FitConfig, pad
from train.network import EmotionLSTM, NetworkConfig
from train.pipeline import _choosing
from train.predict import predict

SMALL = NetworkConfig(hidden_size=16, fc_size=8)


def networks(n: int, **changes) -> list[EmotionLSTM]:
    torch.manual_seed(0)
    return [EmotionLSTM(dataclasses.replace(SMALL, **changes)) for _ in range(n)]


def test_teachers_say_what_their_logits_say_on_average(dataset):
    both = networks(2, ensemble_size=2)
    x, lengths = pad(dataset.frames[:5])
    found = Teachers(both, [{0, 1, 2, 3}] * 2)(x, lengths)
    logits = [predict(network, dataset.frames, list(range(5)))[:, :-1] for network in both]
    np.testing.assert_allclose(
        np.log(found.numpy()), log_softmax(np.mean(logits, axis=0), axis=1), atol=1e-5
    )
    assert not any(network.training for network in both)


def test_who_never_met_a_class_has_no_say_about_it(dataset):
    first, second = networks(2)
    x, lengths = pad(dataset.frames[:5])
    found = Teachers([first, second], [{0, 1, 2}, {0, 1}])(x, lengths)
    with torch.no_grad():
        one, two = first.eval()(x, lengths), second.eval()(x, lengths)
    wanted = torch.stack([(one[:, 0] + two[:, 0]) / 2, (one[:, 1] + two[:, 1]) / 2, one[:, 2]], 1)
    torch.testing.assert_close(found[:, :3], wanted.softmax(dim=1))
    assert (found[:, 3] == 0).all()  # nobody knows it


def test_a_taught_network_thinks_more_like_its_teachers(dataset, split):
    clips = sorted(split.train + split.val)
    folds = inner_folds(dataset.clips, clips, 2, seed=0)
    config = FitConfig(
        epochs=6, batch_size=8, learning_rate=1e-2, augment=PLAIN, distillation_weight=0.9
    )
    _, teachers = choose_epoch(dataset, clips, folds, SMALL, config)
    x, lengths = pad([dataset.frames[i] for i in split.test])
    wanted = teachers(x, lengths).numpy()

    def divergence(distillation_weight: float) -> float:
        """Of what they think of voices that none of them has heard."""
        its = dataclasses.replace(config, distillation_weight=distillation_weight)
        result = fit_one(dataset, clips, folds, SMALL, its)
        own = log_softmax(predict(result.network, dataset.frames, split.test)[:, :-1], axis=1)
        return float((wanted * (np.log(wanted) - own)).sum(axis=1).mean())

    assert divergence(0.9) < 0.5 * divergence(0.0)


def test_a_class_that_no_teacher_knows_is_learnt_from_its_label(dataset, split):
    clips = sorted(split.train + split.val)
    config = FitConfig(epochs=1, augment=PLAIN, distillation_weight=1.0, label_smoothing=0.0)
    network = networks(1)[0]
    targets = np.array([dataset.classes.index(clip.label) for clip in dataset.clips])
    teachers = Teachers(networks(2)[1:], [{0, 1, 2}])
    some = [k for k, i in enumerate(clips) if targets[i] == 3][:4]

    def loss(its: Teachers | None) -> float:
        torch.manual_seed(0)
        epochs = EpochLoop(dataset, clips, targets, config, network.eval(), its)
        return epochs._loss(some, np.random.default_rng(0)).item()

    assert loss(teachers) == pytest.approx(loss(None), rel=1e-5)
    everything = Teachers(networks(2)[1:], [{0, 1, 2, 3}])
    assert loss(everything) != pytest.approx(loss(None), rel=1e-2)


def test_the_share_of_teaching_is_from_0_to_1():
    with pytest.raises(ConfigError, match="distillation_weight=2 must be from 0 to 1"):
        FitConfig(distillation_weight=2)


def history(uars: list[float]) -> list[dict[str, float]]:
    return [{"val_uar": uar, "val_loss": 1.0} for uar in uars]


def test_the_epoch_is_the_last_of_those_as_good_as_the_best():
    """Not the luckiest: UAR of a few validation speakers jumps from epoch to epoch."""
    rising = [0.2] * 10 + [0.5] * 10
    rising[4] = 0.6
    assert best_epoch(history(rising), 100) == 20
    falling = [0.2, 0.3, 0.5, 0.6, 0.6, 0.6, 0.6, 0.5, 0.4, 0.3, 0.2, 0.2]
    assert best_epoch(history(falling), 10_000) == 6  # a mean over 5 to 7
    # With 16 clips the standard error is 0.12, with 100 it is 0.05.
    assert best_epoch(history(falling), 16) == 8
    assert best_epoch(history([0.5, 0.7, 0.5]), 10**6) == 2  # too few to look beside any
    assert best_epoch(history([1.0] * 3), 5) == 3


def clips_of(n_speakers: int, split: str | None = None) -> list[Clip]:
    return [
        Clip(Path(f"{s}-{label}.wav"), label, f"s{s}", split if s == 0 else None)
        for s in range(n_speakers)
        for label in ("a", "b")
    ]


def test_speakers_take_turns_at_choosing_unless_the_data_name_who_does():
    dataset = Dataset(clips_of(8), [], [])
    split = make_split(dataset.clips, seed=0)
    folds = _choosing(dataset, split, 3, 0)
    assert sorted(i for fold in folds for i in fold) == sorted(split.train + split.val)
    voices = [{dataset.clips[i].speaker for i in fold} for fold in folds]
    assert len(folds) == 3 and not set.intersection(*voices)
    assert _choosing(dataset, split, 1, 0) == [split.val]

    named = Dataset(clips_of(8, "val"), [], [])
    split = make_split(named.clips, seed=0)
    assert _choosing(named, split, 3, 0) == [split.val] == [[0, 1]]

    unknown = Dataset([dataclasses.replace(clip, speaker=None) for clip in clips_of(8)], [], [])
    split = make_split(unknown.clips, seed=0)
    assert _choosing(unknown, split, 3, 0) == [split.val]
