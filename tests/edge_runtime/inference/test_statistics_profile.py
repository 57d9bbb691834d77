"""Profiles for a model with clip statistics, with and without labels."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from support.tiny_model import STATISTICS_CARD, card_with, write_statistics_model, write_tiny_model

from edge_runtime import AudioError, ConfigError, EmotionModel, SpeakerProfile
from edge_runtime.inference.enrolment_clips import speech_pieces
from edge_runtime.inference.known_voice import SpeakerStatistics
from edge_runtime.inference.network import network_of


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> EmotionModel:
    return EmotionModel.load(write_statistics_model(tmp_path_factory.mktemp("m") / "tiny.onnx"))


@pytest.fixture(scope="module")
def network(model):
    return network_of(model)


@pytest.fixture(scope="module")
def labelled(voice_clips):
    """Four clips of each label, which the level and the order of the clips distinguish."""
    clips = [np.roll(clip, 997 * k) for k, clip in enumerate(voice_clips * 2)]
    return clips, ["low" if k % 2 else "high" for k in range(len(clips))]


def test_mean_is_that_of_the_standardised_statistics(model, network, voice_clips):
    profile = SpeakerProfile.create("anna", model, voice_clips)
    outputs = [network.run_clip(clip) for clip in voice_clips]
    seconds = [len(network.speech_frames(clip)) * 0.02 for clip in voice_clips]
    mean = np.average([output.embedding[-5:] for output in outputs], axis=0, weights=seconds)
    assert profile.kind == "statistics" and profile.labelled is None
    assert profile.seconds == pytest.approx(sum(seconds))
    np.testing.assert_allclose(profile.mean, mean, atol=1e-5)
    answers = [network.labels[int(output.logits.argmax())] for output in outputs]
    assert profile.answers == {label: answers.count(label) for label in network.labels}
    voice = profile.voice_for(model)
    assert isinstance(voice, SpeakerStatistics) and voice.correction is None
    np.testing.assert_allclose(voice.mean, mean * sum(seconds) / (sum(seconds) + 5), atol=1e-5)


def test_classify_and_stream_use_the_profile(model, network, labelled, voice_clips):
    profile = SpeakerProfile.create("anna", model, *labelled)
    voice = profile.voice_for(network)
    expected = network.decide(network.run_clip(voice_clips[0], voice), 0.0, 0.0, voice)
    prediction = model.classify(voice_clips[0], profile=profile, threshold=0)
    assert prediction.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
    assert prediction.arousal == pytest.approx(expected.arousal, abs=1e-5)
    stream = model.stream(profile=profile)
    for start in range(0, len(voice_clips[0]), 1000):
        stream.push(voice_clips[0][start : start + 1000])
    streamed = stream.flush()[-1].prediction
    assert streamed.probabilities == pytest.approx(prediction.probabilities, abs=1e-4)


def test_labelled_profile_is_saved_and_loaded(model, labelled, tmp_path):
    profile = SpeakerProfile.create("anna", model, *labelled)
    assert profile.labelled.clips == {"low": 4, "high": 4}
    assert 0 <= profile.labelled.uar <= 1 and 0 <= profile.labelled.corrected_uar <= 1
    profile.save(tmp_path / "anna.json")
    loaded = SpeakerProfile.load(tmp_path / "anna.json")
    assert (loaded.kind, loaded.labelled.clips) == ("statistics", {"low": 4, "high": 4})
    np.testing.assert_allclose(loaded.mean, profile.mean, atol=1e-5)
    before, after = (item.voice_for(model).correction for item in (profile, loaded))
    assert (before is None) == (after is None)
    if before is not None:
        np.testing.assert_allclose(after, before, atol=1e-5)
    assert (tmp_path / "anna.json").stat().st_size < 3000


def test_correction_applies_to_the_logits(model, network, labelled):
    """The labels split the clips at the median of the model's logits, not at equal ones."""
    clips, _ = labelled
    plain = SpeakerProfile.create("anna", model, clips)
    scores = [model.classify(clip, profile=plain).probabilities["high"] for clip in clips]
    labels = ["high" if score > np.median(scores) else "low" for score in scores]
    profile = SpeakerProfile.create("anna", model, clips, labels)
    assert profile.mean == plain.mean and profile.answers == plain.answers
    assert profile.labelled.correction is not None

    def n_right(profile: SpeakerProfile) -> int:
        answers = [model.classify(clip, profile=profile).label for clip in clips]
        return sum(answer == label for answer, label in zip(answers, labels))

    assert n_right(profile) >= max(n_right(plain), len(clips) - 2)


def test_clips_without_a_label_count_for_the_mean(model, labelled):
    clips, labels = labelled
    some = [label if k < 4 else None for k, label in enumerate(labels)]
    profile = SpeakerProfile.create("anna", model, clips, some)
    assert profile.labelled.clips == {"low": 2, "high": 2}
    assert profile.mean == SpeakerProfile.create("anna", model, clips).mean
    unlabelled = SpeakerProfile.create("anna", model, clips, [None] * len(clips))
    assert unlabelled == SpeakerProfile.create("anna", model, clips)


def test_one_label_brings_no_correction(model, labelled):
    clips, _ = labelled
    profile = SpeakerProfile.create("anna", model, clips, ["low"] + [None] * (len(clips) - 1))
    assert profile.labelled.correction is None and profile.labelled.corrected_uar is None


def test_long_clips_are_split(network, voice_clips):
    long = np.concatenate(voice_clips * 2)
    seconds = len(long) / 16_000
    assert len(list(speech_pieces(network, long))) == round(seconds / 3)
    assert len(list(speech_pieces(network, long[: 5 * 16_000]))) == 2
    assert len(list(speech_pieces(network, long[: 5 * 16_000], 6.0))) == 1


def test_clips_without_speech_are_reported_and_do_not_count(model, voice_clips, caplog):
    silence = np.zeros(32_000, np.float32)
    plain = SpeakerProfile.create("anna", model, voice_clips, ["low"] * len(voice_clips))
    with caplog.at_level(logging.WARNING, "edge_runtime"):
        labels = ["high", *["low"] * len(voice_clips)]
        profile = SpeakerProfile.create("anna", model, [silence, *voice_clips], labels)
    assert "clip 1: note: contains only silence or noise; it does not count" in caplog.text
    assert profile == plain
    with pytest.raises(AudioError, match="contain only silence or noise"):
        SpeakerProfile.create("anna", model, [silence])


def test_too_little_speech_is_an_error(model, voice_clips):
    with pytest.raises(AudioError, match=r"contain 0\.\d s of speech; .* at least 2 s; add rec"):
        SpeakerProfile.create("anna", model, [voice_clips[0][8000:20_000]])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["low"], "4 clips have 1 labels; expected a label or None for each clip"),
        (["low", "sad", None, None], "label 'sad' is not a label of the model; expected low, high"),
        (["low", 3, None, None], "label 3 is not a label of the model"),
    ],
)
def test_invalid_labels_are_errors(model, voice_clips, labels, message):
    with pytest.raises(ConfigError, match=message):
        SpeakerProfile.create("anna", model, voice_clips[:4], labels)


def test_model_without_statistics_refuses_labels(voice_clips, tmp_path):
    tiny = EmotionModel.load(write_tiny_model(tmp_path / "tiny.onnx", card_with()))
    with pytest.raises(ConfigError, match="labels require a model with clip statistics, and tiny"):
        SpeakerProfile.create("anna", tiny, voice_clips, ["low"] * len(voice_clips))


def test_profile_of_another_kind_or_size_is_rejected(model, voice_clips, tmp_path):
    profile = SpeakerProfile.create("anna", model, voice_clips)
    other = tmp_path / "other.onnx"
    write_statistics_model(other, card_with(**{**vars(STATISTICS_CARD), "name": "other"}))
    with pytest.raises(ConfigError, match="with a model other than other.onnx"):
        profile.voice_for(EmotionModel.load(other))
    profile.save(tmp_path / "anna.json")
    text = (tmp_path / "anna.json").read_text()
    (tmp_path / "anna.json").write_text(text.replace('"mean": [', '"mean": [0.5, '))
    with pytest.raises(ConfigError, match="with a model other than tiny.onnx; create it again"):
        SpeakerProfile.load(tmp_path / "anna.json").voice_for(model)
