"""Calibration for unknown speakers and for speakers with a profile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import softmax
from support.tiny_model import LOGITS_CARD, write_tiny_model

from edge_runtime import EmotionModel, SpeakerProfile
from edge_runtime.datasets.clip import Clip
from edge_runtime.inference.network import network_of
from edge_runtime.scoring.reliability import reliability
from train.calibration import choose_threshold, coverage_curve, fit_gain, fit_temperature
from train.data.features import Dataset
from train.enrolment import fit_profile_gain, logits_with_adaptation, logits_with_profiles


def drawn(logits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw labels from the probabilities of these logits."""
    return np.array([rng.choice(len(p), p=p) for p in softmax(logits.astype(float), axis=1)])


def test_temperature_corrects_overconfidence():
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((4000, 4)).astype(np.float32)
    assert fit_temperature(3 * logits, drawn(logits, rng)) == pytest.approx(3, rel=0.1)


def test_calibration_error_and_coverage_of_simple_cases():
    confident = np.tile([0.8, 0.2], (1000, 1))
    right = np.array([0] * 800 + [1] * 200)
    assert reliability(confident, right)["ece"] == pytest.approx(0, abs=1e-9)
    assert reliability(confident, 1 - right)["ece"] == pytest.approx(0.6)
    mixed = np.concatenate([np.tile([0.9, 0.1], (50, 1)), np.tile([0.55, 0.45], (50, 1))])
    curve = coverage_curve(mixed, np.array([0] * 50 + [1] * 50))
    assert curve[0] == {"threshold": 0.0, "coverage": 1.0, "accuracy": 0.5}
    assert curve[-1]["coverage"] == 0.5 and curve[-1]["accuracy"] == 1.0
    assert choose_threshold(curve, 2, 0.9) == 0.55
    assert choose_threshold(curve, 2, 0.5) == 0.9
    assert (
        choose_threshold([{"threshold": 0.45, "coverage": 1.0}], 2) == 0.0
    )  # no confidence is below 0.5


def test_gain_is_recovered_for_any_map_weights():
    rng = np.random.default_rng(0)
    logits, map_weights = rng.standard_normal((8000, 4)), rng.uniform(0, 1, 8000)
    targets = drawn(logits * (1 + 0.8 * map_weights[:, None]), rng)
    assert fit_gain(logits, map_weights, targets) == pytest.approx(1.8, rel=0.1)


PERIOD = 0.01  # seconds between frames, of the default front end


def voices(clips_each: int, seconds: float, speakers: int = 40) -> Dataset:
    clips = [
        Clip(Path(f"{speaker}-{k}"), "ab"[k % 2], f"x/{speaker}")
        for speaker in range(speakers)
        for k in range(clips_each)
    ]
    frames = [np.zeros((round(seconds / PERIOD), 13), np.float32)] * len(clips)
    return Dataset(clips, frames, [seconds] * len(clips))


def test_gain_calibrates_speakers_whose_bias_is_removed():
    """If speakers differ by a bias, logits without it deserve a higher confidence."""
    rng = np.random.default_rng(0)
    dataset = voices(40, 3.0)
    targets = np.array(["ab".index(clip.label) for clip in dataset.clips])
    unbiased = 2.0 * np.eye(2)[targets] + rng.standard_normal((len(targets), 2))
    biased = unbiased + np.repeat(rng.standard_normal((40, 2)), 40, axis=0)
    indices = list(range(len(targets)))
    temperature = fit_temperature(biased, targets)
    counted = np.ones(len(targets), bool)
    gain = fit_profile_gain(dataset, indices, biased, targets, temperature, 0, counted)
    assert 1.2 < gain < 4
    usual = biased.reshape(40, 40, 2).mean(axis=1).repeat(40, axis=0)
    known = (biased - 0.75 * usual) * (
        1 + 0.75 * (gain - 1)
    )  # a minute; the prior weighs as much as 20 s
    assert fit_temperature(known, targets) == pytest.approx(temperature, rel=0.1)
    # A scale of all logits, of unknown speakers too, is left to the temperature.
    again = fit_profile_gain(dataset, indices, 10 * biased, targets, 10 * temperature, 0, counted)
    assert again == pytest.approx(gain, rel=1e-3)
    assert fit_profile_gain(dataset, indices, biased, targets, temperature, 0, ~counted) == 1
    dataset.clips = [replace(clip, speaker=None) for clip in dataset.clips]
    assert fit_profile_gain(dataset, indices, biased, targets, temperature, 0, counted) == 1


@pytest.mark.parametrize(
    ("speakers", "each", "seconds"), [(600, 1, 3.0), (600, 1, 90.0), (300, 2, 30.0), (40, 40, 3.0)]
)
def test_gain_is_one_without_speaker_bias(speakers, each, seconds):
    """The clips that a profile is made of must not distort the gain."""
    rng = np.random.default_rng(0)
    dataset = voices(each, seconds, speakers)
    targets = np.array(["ab".index(clip.label) for clip in dataset.clips])
    unbiased = 2.0 * np.eye(2)[targets] + rng.standard_normal((len(targets), 2))
    gain = fit_profile_gain(
        dataset,
        list(range(len(targets))),
        unbiased,
        targets,
        fit_temperature(unbiased, targets),
        0,
        np.ones(len(targets), bool),
    )
    assert gain == pytest.approx(1, abs=0.1)


def test_profiles_correct_logits_as_on_the_device(voice_clips, tmp_path):
    model = EmotionModel.load(write_tiny_model(tmp_path / "tiny.onnx", LOGITS_CARD))
    frames = [network_of(model).speech_frames(clip) for clip in voice_clips]
    clips = [Clip(Path(f"{k}"), "angry", "x/1") for k in range(len(frames))]
    dataset = Dataset(
        clips,
        frames,
        [len(clip) / 16_000 for clip in voice_clips],
        model.card.mfcc_config,
        rows=[network_of(model).front_end(clip) for clip in voice_clips],
    )
    logits = np.stack([network_of(model).run(clip).logits for clip in frames])
    corrected = logits_with_profiles(
        network_of(model), dataset, list(range(len(frames))), logits, seed=0
    )
    for k, clip_logits in enumerate(logits):  # with a profile of the other clips
        others = [clip for other, clip in enumerate(voice_clips) if other != k]
        bias = SpeakerProfile.create("1", model, others).voice_for(network_of(model))
        np.testing.assert_allclose(corrected[k], bias.correct(clip_logits), atol=1e-5)
    assert np.abs(corrected - logits).max() > 0.1
    alone = replace(
        dataset, clips=[replace(clip, speaker=f"x/{k}") for k, clip in enumerate(clips)]
    )
    single_clips = logits_with_profiles(network_of(model), alone, [0, 1], logits[:2], seed=0)
    np.testing.assert_array_equal(single_clips, logits[:2])


def test_adaptation_removes_a_constant_bias():
    """The bias of a speaker is removed gradually, and not for the first clip."""
    rng = np.random.default_rng(0)
    dataset = voices(60, 3.0, speakers=2)
    targets = np.array(["ab".index(clip.label) for clip in dataset.clips])
    logits = 2.0 * np.eye(2)[targets] + rng.standard_normal((120, 2)) / 2 + [3.0, 0.0]
    model = SimpleNamespace(card=SimpleNamespace(profile_gain=1.0, statistics=None))
    adapted = logits_with_adaptation(model, dataset, list(range(120)), logits, seed=0)
    removed = (logits - adapted).reshape(2, 60, 2)
    assert [int((np.abs(rows).max(axis=1) == 0).sum()) for rows in removed] == [1, 1]
    # The prior weighs as much as 60 s: after 177 s the MAP weight is three quarters.
    largest = removed[..., 0].max(axis=1)
    np.testing.assert_allclose(largest, 0.75 * 4.0, atol=0.3)
    assert (adapted.argmax(axis=1) == targets).mean() > (logits.argmax(axis=1) == targets).mean()
