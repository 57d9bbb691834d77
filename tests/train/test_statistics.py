"""Clip statistics: features, the linear branch, its calibration, and arousal."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from support.training import (
    LABELS,
    PLAIN,
    TRAINING_MFCC,
    fit_one,
    map_in_this_process,
    statistics_dataset,
)

from edge_runtime import ConfigError, EmotionModel
from edge_runtime.datasets.corpora import scan
from edge_runtime.features.front_end import FrontEnd
from edge_runtime.features.functionals import functionals
from evaluate.protocols import run_protocol
from export.pipeline import export_run
from train.arousal import arousal, fit_arousal, high_arousal_labels
from train.branch_selection import clip_statistics, known_speaker_logits
from train.calibration import fit_temperature
from train.candidates import open_candidates
from train.clip_statistics import enrolment_minutes, speaker_offsets
from train.data import features
from train.data.degradation import Channel
from train.data.features import load_dataset
from train.data.folds import inner_folds
from train.dataset import DatasetSpec
from train.fit_config import FitConfig
from train.linear_branch import fit_branch
from train.network import EmotionLSTM
from train.network_config import NetworkConfig
from train.predict import predict
from train.recipes import CORPORA, DEFAULT_RECIPE
from train.run_page import run_markdown
from train.run_report import Partition, run_report
from train.statistics_config import StatisticsConfig

CLEAN = Channel(0.0, (), 0.0, np.inf, 0.0, 0.0, np.inf, 0.0)
SMALL = NetworkConfig(hidden_size=4, num_layers=1, fc_size=4)
QUICK = FitConfig(epochs=2, augment=PLAIN, distillation_weight=0.0, vtl_smoothing=0.0)
STATISTICS = StatisticsConfig(penalty=0.01, speaker_penalty=0.01)


def fit_with_statistics(data, statistics=STATISTICS, **options):
    clips = list(range(len(data.clips)))
    folds = inner_folds(data.clips, clips, 2, 0, data.labels)
    return fit_one(data, clips, folds, SMALL, QUICK, statistics, **options)


# ------------------------------------------------------------------ features


def test_statistics_are_cached_with_the_frames(demo_corpus, tmp_path, monkeypatch):
    clips = scan([demo_corpus / "manifest.csv"])[:16]
    plain = load_dataset(clips, TRAINING_MFCC, tmp_path)
    assert plain.statistics is None
    first = load_dataset(clips, TRAINING_MFCC, tmp_path, with_statistics=True)
    assert len(list(tmp_path.rglob("*.npz"))) == 32
    assert first.digest(range(16)) != plain.digest(range(16))
    monkeypatch.setattr(FrontEnd, "__call__", None)  # nothing is computed again
    again = load_dataset(clips, TRAINING_MFCC, tmp_path, with_statistics=True)
    assert again.statistic_names == first.statistic_names
    np.testing.assert_array_equal(again.statistics, first.statistics)
    for frames, expected in zip(first.frames, plain.frames):
        np.testing.assert_array_equal(frames, expected)


def test_statistics_equal_functionals_of_the_whole_clip(demo_corpus, tmp_path):
    from edge_runtime import read_audio

    clips = scan([demo_corpus / "manifest.csv"])
    data = load_dataset(clips, TRAINING_MFCC, tmp_path, with_statistics=True)
    assert data.statistics.dtype == np.float32
    assert data.statistics.shape == (len(data.clips), len(data.statistic_names))
    rows = FrontEnd(TRAINING_MFCC, with_descriptors=True)(read_audio(data.clips[0].path))
    values, names = functionals(rows[:, 13:], rows[:, :13])
    assert names == data.statistic_names
    np.testing.assert_array_equal(data.statistics[0], values.astype(np.float32))


@pytest.mark.slow
def test_recipes_with_and_without_statistics_are_compared(demo_corpus, feature_cache):
    plain = DEFAULT_RECIPE.with_settings(["speech=false"])
    combined = dataclasses.replace(plain, statistics=StatisticsConfig())
    spec = DatasetSpec((demo_corpus / "manifest.csv",), cache=feature_cache)
    for order in ({"plain": plain, "both": combined}, {"both": combined, "plain": plain}):
        by_name = {candidate.name: candidate for candidate in open_candidates(order, spec)}
        assert by_name["plain"].data.statistics is None
        assert by_name["plain"].recipe.network.n_statistics == 0
        names = by_name["both"].data.statistic_names
        assert by_name["both"].recipe.network.n_statistics == len(names) > 100
    assert "statistics" not in plain.to_dict()
    with pytest.raises(ConfigError, match="requires statistics"):
        combined.sized(by_name["plain"].data)


def test_settings_of_statistics():
    recipe = dataclasses.replace(DEFAULT_RECIPE, statistics=StatisticsConfig())
    changed = recipe.with_settings(["network_weight=0.5", "speaker_penalty=0.2"])
    assert changed.statistics == StatisticsConfig(network_weight=0.5, speaker_penalty=0.2)
    assert changed.to_dict()["statistics"]["network_weight"] == 0.5
    with pytest.raises(ConfigError, match="expected NAME=VALUE"):
        DEFAULT_RECIPE.with_settings(["network_weight=0.5"])
    for wrong, message in (("penalty=0", "above 0"), ("network_weight=-1", "0 or more")):
        with pytest.raises(ConfigError, match=message):
            recipe.with_settings([wrong])


# ------------------------------------------------------------------ the branch


def test_network_computes_the_fitted_branch():
    data = statistics_dataset(speaker_offset=2.0)
    clips = clip_statistics(data, range(len(data.clips)))
    minutes = enrolment_minutes(clips, 0)
    branch = fit_branch(clips, np.ones(len(data.clips), bool), minutes, STATISTICS, 4)
    branch = branch.at_temperatures(2.0, 0.5)
    torch.manual_seed(0)
    alone = EmotionLSTM(SMALL).eval()
    combined = alone.with_branch(branch)
    indices = [3, 0, 7, 8, 50]  # 0 and 7 have NaN
    network_logits = predict(alone, data.frames, indices)
    z = branch.standardise(clips.values)
    offsets = speaker_offsets(z, minutes, clips.seconds)
    unknown = predict(combined, data.frames, indices, statistics=data.statistics)
    known = predict(
        combined, data.frames, indices, statistics=data.statistics, speakers=offsets[indices]
    )
    np.testing.assert_allclose(
        unknown, branch.unknown.logits(z[indices], network_logits), atol=1e-5
    )
    centred = np.clip(z - offsets, -5, 5)[indices]
    np.testing.assert_allclose(known, branch.known.logits(centred, network_logits), atol=1e-5)
    assert branch.unknown.network_weight == pytest.approx(STATISTICS.network_weight / 2)
    # Without statistics, those of the mean count.
    expected = branch.unknown.logits(np.zeros_like(centred), network_logits)
    np.testing.assert_allclose(predict(combined, data.frames, indices), expected, atol=1e-5)
    frames = torch.from_numpy(data.frames[3][None])
    state = combined.advance(frames, combined.initial_state(1))
    embedding = combined.outputs(state, torch.from_numpy(data.statistics[[3]]))[1]
    np.testing.assert_allclose(embedding[0, -6:].detach().numpy(), z[3], atol=1e-5)
    assert combined.n_parameters() == alone.n_parameters() + 2 * (6 + 1) * 4


def test_constant_statistics_have_no_effect():
    data = statistics_dataset()
    data.statistics[:, 2] = 3.0
    clips = clip_statistics(data, range(len(data.clips)))
    minutes = enrolment_minutes(clips, 0)
    branch = fit_branch(clips, np.ones(len(data.clips), bool), minutes, STATISTICS, 4)
    assert branch.deviation[2] == 1
    np.testing.assert_array_equal(branch.unknown.weights[2], 0)


def test_speaker_offsets_weigh_by_duration():
    z, seconds = np.array([[6.0], [3.0], [1.0]]), np.array([10.0, 5.0, 20.0])
    offsets = speaker_offsets(z, [np.array([0, 1]), np.array([], int)], seconds)
    np.testing.assert_allclose(offsets[:, 0], [(60 + 15) / (15 + 5), 0])


@pytest.mark.parametrize("are_known", [True, False])
def test_known_readout_requires_speakers(are_known):
    data = statistics_dataset(clips_each=4, speaker_offset=2.0)
    if not are_known:
        data.clips = [dataclasses.replace(clip, speaker=None) for clip in data.clips]
    clips = clip_statistics(data, range(len(data.clips)))
    minutes = enrolment_minutes(clips, 0)
    branch = fit_branch(clips, np.ones(len(data.clips), bool), minutes, STATISTICS, 4)
    assert (branch.known is not branch.unknown) == are_known


def degraded_uar(config):
    """Return the UAR on copies whose statistics are shifted by the speaker's channel."""
    data = statistics_dataset(clips_each=12)
    rng = np.random.default_rng(5)
    channels = {clip.speaker: 8 * rng.standard_normal() for clip in data.clips}
    shifted = data.statistics.copy()
    shifted[:, 0] += np.array([channels[clip.speaker] for clip in data.clips])
    data.degraded = shifted[:, None].astype(np.float32)
    clips = clip_statistics(data, range(len(data.clips)))
    train = clips.corpora != "a"
    branch = fit_branch(clips, train, enrolment_minutes(clips, 0), config, 4)
    logits = branch.unknown.logits(branch.standardise(clips.degraded[~train, 0]))
    return (logits.argmax(axis=1) == clips.targets[~train]).mean()


def test_copies_make_the_branch_robust():
    without = dataclasses.replace(STATISTICS, copy_weight=0.0)
    assert degraded_uar(STATISTICS) > degraded_uar(without) + 0.05


def test_copies_of_a_speaker_are_cached_and_share_a_channel(demo_corpus, tmp_path, monkeypatch):
    clips = scan([demo_corpus / "manifest.csv"])[:6]
    channels = []
    monkeypatch.setattr(features, "channel_of", lambda name: channels.append(name) or CLEAN)
    load = {"with_statistics": True, "n_copies": 2}
    data = load_dataset(clips, TRAINING_MFCC, tmp_path, **load)
    assert data.degraded.shape == (6, 2, len(data.statistic_names))
    assert set(channels) == {f"{clip.speaker}/{k}" for clip in clips for k in range(2)}
    # A channel without an effect: the copies have the statistics of the clips.
    difference = np.abs(data.degraded[:, 0] - data.statistics)
    assert np.nanmedian(difference) < 1e-3
    channels.clear()
    again = load_dataset(clips, TRAINING_MFCC, tmp_path, **load)
    assert not channels
    np.testing.assert_array_equal(again.degraded, data.degraded)


# ------------------------------------------------------------------ training


@pytest.mark.slow
def test_lstm_is_trained_as_without_statistics():
    data = statistics_dataset()
    plain = fit_with_statistics(data, statistics=None)
    combined = fit_with_statistics(data)
    weights = combined.network.state_dict()
    for name, value in plain.network.state_dict().items():
        assert torch.equal(value, weights[name]), name
    assert combined.best_epoch == plain.best_epoch and combined.val_clips == plain.val_clips
    assert (combined.temperature, combined.profile_gain) == (1, 1)
    assert plain.branch is None and plain.branch_scores is None
    targets = np.array([data.labels.index(data.clips[i].label) for i in combined.val_clips])
    assert (combined.logits.argmax(axis=1) == targets).mean() > 0.7
    # Same seed, same weights.
    for name, value in fit_with_statistics(data).network.state_dict().items():
        assert torch.equal(value, weights[name]), name


@pytest.mark.slow
def test_validation_logits_come_from_branches_without_the_clips():
    data = statistics_dataset()
    result = fit_with_statistics(data)
    indices = list(range(len(data.clips)))
    folds = inner_folds(data.clips, indices, 2, 0, data.labels)
    clips = clip_statistics(data, indices)
    minutes = enrolment_minutes(clips, 0)
    config = dataclasses.replace(STATISTICS, network_weight=0.0)
    result = fit_with_statistics(data, config)
    for fold in folds:
        train = ~np.isin(indices, fold)
        branch = fit_branch(clips, train, minutes, config, 4)
        rows = [result.val_clips.index(i) for i in fold]
        expected = branch.unknown.logits(branch.standardise(clips.values)[fold])
        logits = result.logits[rows]
        np.testing.assert_allclose(logits / logits.std(), expected / expected.std(), atol=1e-4)


@pytest.mark.parametrize("n_corpora", [1, 2, 3])
def test_branch_is_calibrated_on_clips_it_was_not_fitted_on(n_corpora):
    lines: list[str] = []
    data = statistics_dataset(n_corpora=n_corpora, speaker_offset=1.0)
    result = fit_with_statistics(data, log=lines.append)
    source = "the validation folds" if n_corpora == 1 else f"{n_corpora} corpora, each left out"
    assert sum(f"calibrated on {source}" in line for line in lines) == 1
    targets = np.array([data.labels.index(data.clips[i].label) for i in result.val_clips])
    assert fit_temperature(result.logits, targets) == pytest.approx(1, abs=0.35)
    if n_corpora == 1:
        assert result.branch_scores is None
    else:
        for condition in ("unknown", "minute"):
            scores = result.branch_scores[condition]
            assert set(scores["by_corpus"]) == set("abc"[:n_corpora])
            assert 0.4 < scores["mean"]["uar"] <= 1 and 0 <= scores["mean"]["ece"] < 0.3
            assert scores["mean"]["arousal_auc"] > 0.6


@pytest.mark.slow
def test_auxiliary_labels_are_not_part_of_the_branch():
    data = dataclasses.replace(statistics_dataset(), auxiliary=frozenset(["sad"]))
    result = fit_with_statistics(data)
    assert result.branch.unknown.weights.shape == (6, 3)
    assert result.network.branch.known_weights.shape == (6, 3)
    assert result.logits.shape == (len(result.val_clips), 3)


def test_without_speakers_both_readouts_are_equal():
    data = statistics_dataset()
    data.clips = [dataclasses.replace(clip, speaker=None) for clip in data.clips]
    clips = list(range(len(data.clips)))
    result = fit_one(data, clips, [clips[::5]], SMALL, QUICK, STATISTICS)
    assert len(result.logits) == len(clips[::5])
    np.testing.assert_array_equal(result.branch.known.weights, result.branch.unknown.weights)
    assert known_speaker_logits(result.network, result.branch, data, clips) is None


def test_report_has_a_minute_of_the_speaker_and_corpora_left_out():
    data = statistics_dataset(clips_each=12, speaker_offset=3.0)
    test = [i for i, clip in enumerate(data.clips) if clip.speaker.endswith("3")]
    clips = sorted(set(range(len(data.clips))) - set(test))
    folds = inner_folds(data.clips, clips, 2, 0, data.labels)
    result = fit_one(data, clips, folds, SMALL, QUICK, STATISTICS)
    partition = Partition("speaker-independent", (), clips, folds, test)
    report = run_report(data, partition, result, np.zeros(len(data.clips), bool))
    assert report["test_with_minute"]["clips"] == len(test)
    assert report["test_with_minute"]["uar"] > report["test"]["uar"]
    report |= {"val_uar": 0.5, "val_uar_by_recipe": {"one": 0.5}, "recipe": "one"}
    page = run_markdown(report, data.labels)
    assert "With a minute of other clips of the speaker: test UAR" in page
    assert "each corpus left out in turn (a, b, c)" in page


@pytest.mark.slow
@pytest.mark.usefixtures("plain_pictures", "little_noise")
def test_protocol_resumes_exports_and_classifies(
    three_speakers, feature_cache, tmp_path, monkeypatch
):
    monkeypatch.setattr("train.parallel_training.map_in_processes", map_in_this_process)
    sizes = ["epochs=1", "hidden_size=8", "fc_size=8", "input_size=8", "ensemble_size=1"]
    sizes += ["gate_examples=60", "gate_epochs=1", "gate_units=8"]
    options = {
        "recipes": {"corpora": CORPORA.with_settings(sizes)},
        "inner": 2,
        "seeds": 1,
        "jobs": 1,
        "runs": tmp_path / "runs",
        "device": "cpu",
    }
    spec = DatasetSpec((three_speakers,), cache=feature_cache)
    summary = run_protocol(spec, "loso", tmp_path / "report", resume=False, **options)
    assert summary["recipes"]["corpora"]["statistics"]["penalty"] == 0.03
    for variant in ("int8", "fp32", "profile", "adapting"):
        assert 0.25 < summary[variant]["uar"] <= 1
    again = run_protocol(spec, "loso", tmp_path / "report", resume=True, **options)
    assert again["int8"] == summary["int8"]
    run = tmp_path / "runs" / "fold-01-seed-0"
    assert export_run(run, tmp_path, None, "mine", feature_cache, bundle=None)
    assert (run / "model.waveform.onnx").exists()
    model = EmotionModel.load(run / "model.int8.onnx")
    assert len(model.card.statistics) == 181 and model.card.arousal.labels == ("angry", "happy")
    clip = scan([three_speakers])[0]
    prediction = model.classify(clip.path, threshold=0)
    assert 0 < prediction.arousal < 1 and prediction.label in (*model.labels, "no speech")


# ------------------------------------------------------------------ arousal


def test_arousal_requires_labels_of_both_sides():
    assert high_arousal_labels(LABELS) == ["angry", "happy"]
    assert high_arousal_labels(["angry", "calm", "fearful", "happy"]) == [
        "angry",
        "fearful",
        "happy",
    ]
    for labels in (["angry", "happy"], ["happy", "sad"], ["no", "yes"]):
        assert high_arousal_labels(labels) == []
        assert (
            fit_arousal(np.full((4, len(labels)), 0.5), np.zeros(4, int), np.zeros(4), labels)
            is None
        )
    assert fit_arousal(np.full((4, 4), 0.25), np.zeros(4, int), np.zeros(4), LABELS) is None


def test_arousal_is_calibrated():
    rng = np.random.default_rng(0)
    logits = 2 * rng.standard_normal((20_000, 4))
    probabilities = softmax(logits, axis=1)
    odds = np.log(probabilities[:, :2].sum(axis=1) / probabilities[:, 2:].sum(axis=1))
    is_high = rng.uniform(size=len(odds)) < expit(0.5 * odds)
    targets = np.where(is_high, rng.integers(0, 2, len(odds)), rng.integers(2, 4, len(odds)))
    settings = fit_arousal(probabilities, targets, np.zeros(len(odds)), list(LABELS))
    assert settings["labels"] == ["angry", "happy"]
    assert settings["scale"] == pytest.approx(0.5, abs=0.03)
    assert settings["offset"] == pytest.approx(0, abs=0.05)
    np.testing.assert_allclose(
        arousal(probabilities, LABELS, settings),
        expit(settings["scale"] * odds + settings["offset"]),
    )
