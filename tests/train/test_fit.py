"""Features and training on a small synthesised corpus."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from support.training import PLAIN, TRAINING_MFCC, fit_one

from edge_runtime import ConfigError, MfccConfig, mfcc, read_audio
from edge_runtime.datasets.clip import Clip, DatasetError
from edge_runtime.datasets.corpora import scan
from edge_runtime.scoring.metrics import scores
from train.augment import Augment, Augmenter
from train.data.features import load_dataset
from train.device import pick_device
from train.fit import ResumeError
from train.fit_config import FitConfig
from train.loop import batches, learning_rate_factor, pad
from train.network import EmotionLSTM
from train.network_config import NetworkConfig
from train.predict import predict

QUICK = FitConfig(epochs=4)


def quick_fit(dataset, split, config=QUICK, **options):
    network = NetworkConfig(hidden_size=16, fc_size=8)
    clips = sorted(split.train + split.val)
    return fit_one(dataset, clips, [split.val], network, config, **options)


# ------------------------------------------------------------------ features


def test_training_features_equal_device_features(dataset):
    for clip, frames in list(zip(dataset.clips, dataset.frames))[:5]:
        np.testing.assert_array_equal(frames, mfcc(read_audio(clip.path), TRAINING_MFCC))


def test_cache_depends_on_content_and_settings(demo_corpus, tmp_path):
    clips = scan([demo_corpus / "manifest.csv"])[:20]
    first = load_dataset(clips, TRAINING_MFCC, tmp_path)
    entries = sorted(tmp_path.rglob("*.npz"))
    assert len(entries) == 20
    moved = [dataclasses.replace(clip, path=tmp_path / f"{k}.wav") for k, clip in enumerate(clips)]
    for clip, copy in zip(clips, moved):
        shutil.copy(clip.path, copy.path)
    again = load_dataset(moved, TRAINING_MFCC, tmp_path)
    assert sorted(tmp_path.rglob("*.npz")) == entries
    for a, b in zip(first.frames, again.frames):
        np.testing.assert_array_equal(a, b)
    load_dataset(clips, MfccConfig(hop_length=160), tmp_path)
    assert len(list(tmp_path.rglob("*.npz"))) == 40
    entries[0].write_bytes(b"cut short")
    entries[1].write_bytes(entries[1].read_bytes()[:-40])
    for a, b in zip(first.frames, load_dataset(moved, TRAINING_MFCC, tmp_path).frames):
        np.testing.assert_array_equal(a, b)


def test_duplicates_and_unreadable_files_are_reported(demo_corpus, tmp_path):
    clips = scan([demo_corpus / "manifest.csv"])
    copy, conflict, bad = (tmp_path / name for name in ("copy.wav", "conflict.wav", "bad.wav"))
    shutil.copy(clips[0].path, copy)
    shutil.copy(clips[1].path, conflict)
    bad.write_text("no audio")
    more = [
        Clip(copy, clips[0].label),
        Clip(conflict, "sad"),
        Clip(bad, "sad"),
        Clip(tmp_path / "missing.wav", "sad"),
    ]
    data = load_dataset(clips + more, TRAINING_MFCC, tmp_path / "cache")
    assert clips[1].label != "sad"
    assert len(data.clips) == len(clips) - 1
    assert any("copy.wav; kept once" in line for line in data.duplicates)
    assert any("another label" in line for line in data.duplicates)
    assert [Path(line.partition(":")[0]).name for line in data.unreadable] == [
        "bad.wav",
        "missing.wav",
    ]


def test_dataset_with_one_usable_class_is_refused(demo_corpus, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_text("no audio")
    good = scan([demo_corpus / "manifest.csv"])[0]
    with pytest.raises(DatasetError, match="1 cannot be read, 1 remain, in 1 class"):
        load_dataset([good, Clip(bad, "other")], TRAINING_MFCC, tmp_path / "cache")


# ------------------------------------------------------------------ network and training


def test_baseline_has_213828_parameters():
    assert EmotionLSTM(NetworkConfig()).n_parameters() == 213_828


@pytest.mark.parametrize("pooling", ["attention", "mean"])
def test_padding_does_not_change_logits(dataset, pooling):
    network = EmotionLSTM(NetworkConfig(pooling=pooling)).eval()
    clips = dataset.frames[:6]
    x, lengths = pad(clips)
    with torch.no_grad():
        together = network(x, lengths)
        alone = torch.cat([network(torch.from_numpy(clip[None])) for clip in clips])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)


def test_batches_cover_all_clips_with_similar_lengths():
    import random

    lengths = [k % 97 + 20 for k in range(500)]
    groups = list(batches(lengths, 16, random.Random(0)))
    assert sorted(k for batch in groups for k in batch) == list(range(500))
    padded = sum(len(batch) * max(lengths[k] for k in batch) for batch in groups)
    assert padded < 1.25 * sum(lengths)


@pytest.mark.slow
def test_training_loss_decreases(dataset, split):
    config = FitConfig(
        epochs=20, batch_size=8, learning_rate=1e-2, augment=PLAIN, label_smoothing=0.0
    )
    result = quick_fit(dataset, split, config)
    losses = [row["train_loss"] for row in result.history]
    assert losses[0] > 1.2  # about log 4, the chance level
    assert min(losses) < 1.0


@pytest.mark.slow
def test_same_seed_gives_same_weights(dataset, split):
    first, second = quick_fit(dataset, split), quick_fit(dataset, split)
    other = quick_fit(dataset, split, dataclasses.replace(QUICK, seed=1))
    for name, tensor in first.network.state_dict().items():
        assert torch.equal(tensor, second.network.state_dict()[name])
    assert not torch.equal(first.network.members[0].out.weight, other.network.members[0].out.weight)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_learning_rate_follows_torch_cosine(share):
    config = FitConfig(epochs=20, learning_rate=0.5, final_lr_factor=share)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20, eta_min=0.5 * share)
    for epoch in range(21):
        if epoch:  # it rises during the first epoch
            expected = pytest.approx(optimizer.param_groups[0]["lr"])
            assert 0.5 * learning_rate_factor(epoch, config) == expected
        optimizer.step()
        scheduler.step()
    assert learning_rate_factor(0, config) == pytest.approx(0.02)
    assert learning_rate_factor(0.5, config) < learning_rate_factor(1.0, config)


@pytest.mark.slow
def test_moving_average_covers_a_fifth_of_the_epochs_at_most(dataset, split):
    """Otherwise the initial weights would count in short trainings."""
    far = quick_fit(dataset, split, dataclasses.replace(QUICK, ema_epochs=100.0))
    fifth = quick_fit(dataset, split, dataclasses.replace(QUICK, ema_epochs=QUICK.epochs / 5))
    short = quick_fit(dataset, split, dataclasses.replace(QUICK, ema_epochs=0.1))
    np.testing.assert_array_equal(far.logits, fifth.logits)
    assert np.abs(far.logits - short.logits).max() > 1e-3


@pytest.mark.slow
def test_mean_warp_is_applied_at_inference(dataset, split):
    once = dataclasses.replace(QUICK, epochs=1)
    plain = quick_fit(dataset, split, dataclasses.replace(once, vtl_smoothing=0.0))
    smoothed = quick_fit(dataset, split, dataclasses.replace(once, vtl_smoothing=2.0))
    augment = Augment(vtlp=once.augment.vtlp)
    warp = Augmenter(augment, TRAINING_MFCC, np.ones(13), []).mean_warp(2 * augment.vtlp)
    warped = [clip @ warp for clip in dataset.frames]
    # The final network was trained on unsmoothed clips and is applied to smoothed ones.
    expected = predict(plain.network, warped, split.test)
    np.testing.assert_allclose(
        predict(smoothed.network, dataset.frames, split.test), expected, rtol=0, atol=1e-4
    )
    assert np.abs(predict(plain.network, dataset.frames, split.test) - expected).max() > 0.01
    # The fold networks, which select the epoch and the temperature, do the same.
    assert plain.val_clips == smoothed.val_clips
    assert np.abs(plain.logits - smoothed.logits).max() > 0.01
    # Without VTLP in training there is no smoothing.
    unchanged = dataclasses.replace(once, augment=PLAIN, vtl_smoothing=2.0)
    unsmoothed = quick_fit(dataset, split, dataclasses.replace(unchanged, vtl_smoothing=0.0))
    np.testing.assert_array_equal(quick_fit(dataset, split, unchanged).logits, unsmoothed.logits)


@pytest.mark.parametrize("vtl_smoothing", [-0.5, float("nan"), float("inf"), 11])
def test_vtl_smoothing_is_bounded(vtl_smoothing):
    with pytest.raises(ConfigError, match="vtl_smoothing=.* must be from 0 to 10"):
        FitConfig(vtl_smoothing=vtl_smoothing)


class PluggedOutError(Exception):
    pass


@pytest.mark.slow
def test_resumed_run_equals_uninterrupted_run(dataset, split, tmp_path):
    whole = quick_fit(dataset, split)
    state = tmp_path / "state.pt"

    def pull_the_plug(line: str) -> None:
        pulls.append(line)
        if line.startswith("Train Epoch: 3") or pulls.count(line) > 1:
            raise PluggedOutError

    pulls: list[str] = []
    with pytest.raises(PluggedOutError):  # during or after the selection of the epoch
        quick_fit(dataset, split, state_file=state, log=pull_the_plug)
    torch.manual_seed(12345)  # the state of the generator must not matter
    resumed = quick_fit(dataset, split, state_file=state, resume=True)
    assert resumed.temperature == whole.temperature
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, resumed.network.state_dict()[name])
    with pytest.raises(ResumeError, match="was trained with different 'fit'"):
        quick_fit(dataset, split, dataclasses.replace(QUICK, seed=7), state_file=state, resume=True)
    state.write_bytes(b"half a file")
    with pytest.raises(ResumeError, match="cannot be resumed from"):
        quick_fit(dataset, split, state_file=state, resume=True)


@pytest.mark.slow
def test_auxiliary_labels_are_trained_but_not_predicted(dataset, split):
    partial = dataclasses.replace(dataset, auxiliary=frozenset(["neutral"]))
    assert partial.labels == ["angry", "happy", "sad"]
    assert partial.classes == ["angry", "happy", "sad", "neutral"]
    result = quick_fit(partial, split)
    assert result.network.config.n_classes == 3
    assert result.logits.shape == (len(result.val_clips), 3)
    assert {dataset.clips[i].label for i in result.val_clips} == {"angry", "happy", "sad"}
    without = [i for i in split.train + split.val if dataset.clips[i].label != "neutral"]
    fewer = dataclasses.replace(
        dataset,
        clips=[dataset.clips[i] for i in without],
        frames=[dataset.frames[i] for i in without],
    )
    val = [k for k, i in enumerate(without) if i in set(split.val)]
    alone = fit_one(
        fewer, list(range(len(without))), [val], NetworkConfig(hidden_size=16, fc_size=8), QUICK
    )
    # The clips of the auxiliary label have influenced the weights.
    assert not torch.equal(alone.network.members[0].fc.weight, result.network.members[0].fc.weight)


def test_unavailable_device_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device("auto") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto") == "cuda"
    for wrong in ("gpu", "vulkan"):
        message = f"--device {wrong} .*expected auto, cpu, cuda or mps"
        with pytest.raises(ConfigError, match=message):
            pick_device(wrong)


def test_uar_is_the_mean_recall():
    result = scores(np.array([0, 0, 0, 0, 1]), np.array([0, 0, 0, 0, 0]), ["a", "b", "never"])
    assert result["uar"] == 0.5
    assert result["accuracy"] == 0.8
    assert result["confusion"] == [[4, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert result["recall"] == {"a": 1.0, "b": 0.0}
