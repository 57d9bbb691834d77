"""A model with clip statistics: the network, and the inputs of its graph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.tiny_model import (
    STATISTICS,
    STATISTICS_CARD,
    card_with,
    statistics_logits,
    write_statistics_model,
    write_tiny_model,
)

from edge_runtime import EmotionModel, MfccConfig, ModelError
from edge_runtime.features.functionals import functionals
from edge_runtime.inference.known_voice import SpeakerBias, SpeakerStatistics
from edge_runtime.inference.network import Network

SPEAKER = SpeakerStatistics.estimate(np.array([0.5, -0.3, 0.1, 0.8, -1.0]), 12.0)
CORRECTED = SpeakerStatistics(
    SPEAKER.mean, SPEAKER.weight, np.random.default_rng(3).normal(size=(6, 2))
)


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Network:
    return Network.load(write_statistics_model(tmp_path_factory.mktemp("model") / "tiny.onnx"))


def expected_statistics(network: Network, samples: np.ndarray) -> np.ndarray:
    rows = network.front_end(samples)
    values, names = functionals(rows[:, 13:], rows[:, :13])
    return values[[names.index(name) for name in STATISTICS]]


@pytest.mark.parametrize("speaker", [None, SPEAKER, CORRECTED], ids=["none", "mean", "correction"])
def test_logits_are_those_of_the_definition(network, voice_clips, speaker):
    for samples in voice_clips:
        output = network.run_clip(samples, speaker)
        frames = network.speech_frames(samples)
        statistics = expected_statistics(network, samples)
        uncorrected = speaker and replace(speaker, correction=None)
        expected = statistics_logits(frames, statistics, uncorrected)
        np.testing.assert_allclose(output.logits, expected, atol=1e-4)
        prediction = network.decide(output, 0.0, 0.0, speaker)
        corrected = statistics_logits(frames, statistics, speaker)
        probability = np.exp(corrected[1]) / np.exp(corrected).sum()
        assert prediction.probabilities["high"] == pytest.approx(probability, abs=1e-5)


def test_silent_frames_count_for_the_statistics_but_not_for_the_network(network, voice_clips):
    samples = np.concatenate([voice_clips[0], np.zeros(32_000, np.float32), voice_clips[1]])
    rows = network.front_end(samples)
    assert len(network.speech_frames(samples)) < len(rows) - 50
    np.testing.assert_allclose(
        network.clip_statistics(rows), expected_statistics(network, samples), rtol=1e-6
    )


def test_embedding_ends_with_the_standardised_statistics(network, voice_clips):
    output = network.run_clip(voice_clips[0])
    assert output.embedding.shape == (13 + 5,)
    deviations = SPEAKER.deviations(output.embedding)
    np.testing.assert_allclose(
        deviations, np.clip(output.embedding[-5:] - SPEAKER.mean, -5, 5), atol=1e-6
    )


def test_unknown_statistics_are_those_of_an_average_clip(network, voice_clips):
    frames = network.speech_frames(voice_clips[0])
    unknown = np.full(5, np.nan, np.float32)
    output = network.run(frames)
    np.testing.assert_array_equal(output.logits, network.run(frames, None, unknown).logits)
    np.testing.assert_allclose(output.logits, statistics_logits(frames, unknown), atol=1e-4)
    assert not output.embedding[-5:].any()


def test_bias_of_logits_does_not_change_the_graph(network, voice_clips):
    bias = SpeakerBias(np.zeros(2), 1.0)
    expected = network.run_clip(voice_clips[0])
    np.testing.assert_array_equal(network.run_clip(voice_clips[0], bias).logits, expected.logits)


def test_speaker_without_speech_is_unknown(network, voice_clips):
    unknown = SpeakerStatistics.estimate(np.zeros(5), 0.0)
    expected = network.run_clip(voice_clips[0])
    np.testing.assert_array_equal(network.run_clip(voice_clips[0], unknown).logits, expected.logits)


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_arousal_is_that_of_the_final_probabilities(network, voice_clips, threshold):
    output = network.run_clip(voice_clips[0], CORRECTED)
    prediction = network.decide(output, 0.0, threshold, CORRECTED)
    odds = np.log(prediction.probabilities["high"] / prediction.probabilities["low"])
    assert prediction.arousal == pytest.approx(1 / (1 + np.exp(-(0.5 * odds + 0.1))), abs=1e-4)
    assert network.decide(output, -99.0, threshold).arousal is not None  # "no speech"


def test_models_without_arousal_predict_none(voice_clips, tmp_path):
    network = Network.load(write_tiny_model(tmp_path / "tiny.onnx"))
    assert network.decide(network.run_clip(voice_clips[0]), 0.0, 0.0).arousal is None
    assert network.clip_statistics(network.front_end(voice_clips[0])) is None


def test_model_is_described(tmp_path):
    from edge_runtime.diagnostics.model_info import as_text, describe

    about = describe(EmotionModel.load(write_statistics_model(tmp_path / "tiny.onnx")))
    assert about["statistics"] == list(STATISTICS)
    assert about["arousal"] == {"labels": ("high",), "scale": 0.5, "offset": 0.1}
    text = as_text(about)
    assert "statistics    5 of MFCC and voice descriptors over the clip" in text
    assert "arousal       high for high" in text


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            lambda path: write_statistics_model(path, card_with(mfcc_config=MfccConfig())),
            r"has the inputs mfcc .* speaker_weight .*; expected mfcc \(batch, time, n_mfcc\), "
            r"state \(batch, state_size\)$",
        ),
        (
            lambda path: write_statistics_model(path, four_statistics()),
            r"statistics has shape \['batch', 5\]; expected a last dimension of 4",
        ),
        (
            lambda path: write_statistics_model(path, wide_embedding=False),
            "embedding has 1 values; expected at least the 5 standardised statistics",
        ),
        (lambda path: write_tiny_model(path, STATISTICS_CARD), "has no input 'statistics'"),
    ],
    ids=["not in the card", "width", "embedding", "missing"],
)
def test_other_inputs_than_those_of_the_card_are_refused(tmp_path, write, message):
    with pytest.raises(ModelError, match=message):
        EmotionModel.load(write(tmp_path / "tiny.onnx"))


def four_statistics():
    return card_with(mfcc_config=STATISTICS_CARD.mfcc_config, statistics=STATISTICS[:4])
