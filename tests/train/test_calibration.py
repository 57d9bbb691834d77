"""Honest probabilities, of strangers and of voices that a profile knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import softmax

from edge_runtime import EmotionModel, SpeakerProfile
from edge_runtime.inference.network import network_of
from train.calibration import (
    choose_threshold,
    coverage_curve,
    fit_gain,
    fit_temperature,
    reliability,
)
from train.data.clip import Clip
from train.data.features import Dataset
from train.enrolment import logits_adapting, logits_with_profiles, profile_gain


def drawn(logits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Labels that are as likely as these logits say."""
    return np.array([rng.choice(len(p), p=p) for p in softmax(logits.astype(float), axis=1)])


def test_the_temperature_undoes_overconfidence():
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((4000, 4)).astype(np.float32)
    assert fit_temperature(3 * logits, drawn(logits, rng)) == pytest.approx(3, rel=0.1)


def test_calibration_error_and_coverage_of_known_cases():
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
    assert choose_threshold([{"threshold": 0.45, "coverage": 1.0}], 2) == 0.0  # none is below 0.5


def test_the_gain_is_found_whatever_each_voice_is_known():
    rng = np.random.default_rng(0)
    logits, beliefs = rng.standard_normal((8000, 4)), rng.uniform(0, 1, 8000)
    targets = drawn(logits * (1 + 0.8 * beliefs[:, None]), rng)
    assert fit_gain(logits, beliefs, targets) == pytest.approx(1.8, rel=0.1)


PERIOD = 0.01  # seconds between frames, of the default front end


def voices(clips_each: int, seconds: float, speakers: int = 40) -> Dataset:
    clips = [
        Clip(Path(f"{speaker}-{k}"), "ab"[k % 2], f"x/{speaker}")
        for speaker in range(speakers)
        for k in range(clips_each)
    ]
    frames = [np.zeros((round(seconds / PERIOD), 13), np.float32)] * len(clips)
    return Dataset(clips, frames, [seconds] * len(clips))


def test_without_what_a_voice_always_sounds_like_its_answers_are_surer():
    """Where speakers differ by a bias, strangers are best answered with doubt, and voices that are
    known with less of it."""
    rng = np.random.default_rng(0)
    dataset = voices(40, 3.0)
    targets = np.array(["ab".index(clip.label) for clip in dataset.clips])
    said = 2.0 * np.eye(2)[targets] + rng.standard_normal((len(targets), 2))
    biased = said + np.repeat(rng.standard_normal((40, 2)), 40, axis=0)
    indices = list(range(len(targets)))
    temperature = fit_temperature(biased, targets)
    counted = np.ones(len(targets), bool)
    gain = profile_gain(dataset, indices, biased, targets, temperature, 0, counted)
    assert 1.2 < gain < 4
    usual = biased.reshape(40, 40, 2).mean(axis=1).repeat(40, axis=0)
    known = (biased - 0.75 * usual) * (1 + 0.75 * (gain - 1))  # a minute, 20 s weigh as nothing
    assert fit_temperature(known, targets) == pytest.approx(temperature, rel=0.1)
    # What makes all logits larger, those of strangers too, is the temperature's.
    again = profile_gain(dataset, indices, 10 * biased, targets, 10 * temperature, 0, counted)
    assert again == pytest.approx(gain, rel=1e-3)
    assert profile_gain(dataset, indices, biased, targets, temperature, 0, ~counted) == 1
    dataset.clips = [replace(clip, speaker=None) for clip in dataset.clips]
    assert profile_gain(dataset, indices, biased, targets, temperature, 0, counted) == 1


@pytest.mark.parametrize(
    ("speakers", "each", "seconds"), [(600, 1, 3.0), (600, 1, 90.0), (300, 2, 30.0), (40, 40, 3.0)]
)
def test_speakers_without_a_bias_teach_no_gain(speakers, each, seconds):
    """Also where a clip has its own part in the profile that it is read with."""
    rng = np.random.default_rng(0)
    dataset = voices(each, seconds, speakers)
    targets = np.array(["ab".index(clip.label) for clip in dataset.clips])
    said = 2.0 * np.eye(2)[targets] + rng.standard_normal((len(targets), 2))
    gain = profile_gain(
        dataset,
        list(range(len(targets))),
        said,
        targets,
        fit_temperature(said, targets),
        0,
        np.ones(len(targets), bool),
    )
    assert gain == pytest.approx(1, abs=0.1)


def test_the_protocols_read_logits_as_the_device_does(voice_clips):
    model = EmotionModel.load()
    frames = [network_of(model).speech_frames(clip) for clip in voice_clips]
    clips = [Clip(Path(f"{k}"), "angry", "x/1") for k in range(len(frames))]
    dataset = Dataset(
        clips, frames, [len(clip) / 16_000 for clip in voice_clips], model.card.mfcc_config
    )
    logits = np.stack([network_of(model).run(its).logits for its in frames])
    found = logits_with_profiles(model, dataset, list(range(len(frames))), logits, seed=0)
    for k, its in enumerate(logits):  # by a profile of the other clips
        others = [clip for other, clip in enumerate(voice_clips) if other != k]
        voice = SpeakerProfile.create("1", model, others).bias_for(network_of(model))
        np.testing.assert_allclose(found[k], voice.correct(its), atol=1e-5)
    assert np.abs(found - logits).max() > 0.1
    alone = replace(
        dataset, clips=[replace(clip, speaker=f"x/{k}") for k, clip in enumerate(clips)]
    )
    of_one_clip = logits_with_profiles(model, alone, [0, 1], logits[:2], seed=0)
    np.testing.assert_array_equal(of_one_clip, logits[:2])


def test_the_protocols_adapt_as_listening_does():
    """A voice that always sounds like the first label loses that, the more the longer it speaks,
    and never for the first thing that it says."""
    rng = np.random.default_rng(0)
    dataset = voices(60, 3.0, speakers=2)
    targets = np.array(["ab".index(clip.label) for clip in dataset.clips])
    logits = 2.0 * np.eye(2)[targets] + rng.standard_normal((120, 2)) / 2 + [3.0, 0.0]
    model = SimpleNamespace(card=SimpleNamespace(profile_gain=1.0))
    found = logits_adapting(model, dataset, list(range(120)), logits, seed=0)
    taken_off = (logits - found).reshape(2, 60, 2)
    assert [int((np.abs(its).max(axis=1) == 0).sum()) for its in taken_off] == [1, 1]
    # 60 s weigh as nothing: of all 177 s before the last clip, three quarters are believed.
    largest = taken_off[..., 0].max(axis=1)
    np.testing.assert_allclose(largest, 0.75 * 4.0, atol=0.3)
    assert (found.argmax(axis=1) == targets).mean() > (logits.argmax(axis=1) == targets).mean()
