"""The EmotionModel facade: its public names, classification and embeddings."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import soundfile
from support.tiny_model import card_with, write_tiny_model

from edge_runtime import AudioError, ConfigError, EmotionModel
from edge_runtime.inference.network import network_of
from edge_runtime.model import BUNDLED_MODEL, OPEN_MODEL, model_path
from edge_runtime.streaming.front_end import StreamFrontEnd
from edge_runtime.streaming.running_prediction import RunningPrediction


@pytest.fixture
def tiny(tmp_path):
    return EmotionModel.load(write_tiny_model(tmp_path / "tiny.onnx"))


@pytest.fixture(scope="module")
def model():
    return EmotionModel.load()


def test_public_names(model):
    assert {name for name in dir(model) if not name.startswith("_")} == {
        "load",
        "labels",
        "sample_rate",
        "card",
        "classify",
        "embed",
        "timeline",
        "stream",
    }


def test_file_and_samples_give_the_same_prediction(tiny, tmp_path, voice_clips):
    path = tmp_path / "clip.wav"
    soundfile.write(path, voice_clips[0], 16_000, subtype="FLOAT")
    prediction = tiny.classify(path)
    assert prediction == tiny.classify(voice_clips[0]) == tiny.classify(voice_clips[0], 16_000)
    assert set(prediction.probabilities) == {"low", "high"}
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-6)
    assert prediction.confidence == max(prediction.probabilities.values())
    assert prediction.label in tiny.labels


def test_samples_are_resampled(tiny):
    tone = 0.3 * np.sin(2 * np.pi * 300 * np.arange(48_000) / 48_000)
    resampled = 0.3 * np.sin(2 * np.pi * 300 * np.arange(16_000) / 16_000)
    a, b = tiny.classify(tone, 48_000), tiny.classify(resampled)
    assert a.label == b.label
    assert a.confidence == pytest.approx(b.confidence, abs=0.05)


def test_silence_is_no_speech(tiny):
    assert tiny.classify(np.zeros(16_000, np.float32)).label == "no speech"
    hum = 1e-4 * np.sin(2 * np.pi * 50 * np.arange(16_000) / 16_000)
    assert tiny.classify(hum).label == "no speech"


def test_confidence_below_the_threshold_is_uncertain(tmp_path, voice_clips):
    strict = EmotionModel.load(
        write_tiny_model(tmp_path / "strict.onnx", card_with(uncertain_below=1.0))
    )
    assert strict.classify(voice_clips[0]).label == "uncertain"
    assert strict.classify(voice_clips[0], threshold=0.0).label in strict.labels
    with pytest.raises(ConfigError, match="threshold=2 must be from 0 to 1"):
        strict.classify(voice_clips[0], threshold=2)


def test_repr_shows_file_labels_inputs_and_outputs(tiny):
    text = repr(tiny)
    for part in ("tiny.onnx", "low, high", "mfcc (batch, time, 13)", "probabilities (batch, 2)"):
        assert part in text


def test_pickled_model_loads_the_same_file(tiny, voice_clips):
    copy = pickle.loads(pickle.dumps(tiny))
    assert copy.classify(voice_clips[0]) == tiny.classify(voice_clips[0])


def test_audio_error_names_the_file(tmp_path, tiny):
    path = tmp_path / "empty.wav"
    path.write_bytes(b"")
    for method in (tiny.classify, tiny.embed, tiny.timeline):
        with pytest.raises(AudioError, match="empty.wav: is empty"):
            method(path)
        with pytest.raises(ConfigError, match="a file has its own"):
            method(path, 16_000)


def test_channel_of_an_array_is_rejected(tiny, voice_clips):
    for method in (tiny.classify, tiny.embed, tiny.timeline):
        with pytest.raises(ConfigError, match="channel=1 applies to files; an array must be mono"):
            method(voice_clips[0], channel=1)


SIZES = {"state": 321, "speaker": 181, "speaker_weight": 1, "gate_state": 96}


def test_embedding_is_the_output_of_the_graph(model, voice_clips):
    network = network_of(model)
    for clip in voice_clips:
        embedding = model.embed(clip)
        statistics = network.clip_statistics(network.front_end(clip))
        unknown = {name: np.zeros((1, size), np.float32) for name, size in SIZES.items()}
        feeds = {"mfcc": network.speech_frames(clip)[None], "statistics": statistics[None]}
        feeds["rows"] = network.front_end(clip)[None]
        (expected,) = network.graph.session.run(["embedding"], {**unknown, **feeds})
        assert embedding.dtype == np.float32
        assert embedding.shape == (network.outputs()["embedding"][1],) == (245,)
        np.testing.assert_array_equal(embedding, expected[0])


def test_embedding_of_a_file_equals_that_of_its_samples(model, tmp_path, voice_clips):
    path = tmp_path / "clip.wav"
    soundfile.write(path, voice_clips[0], 16_000, subtype="FLOAT")
    np.testing.assert_array_equal(model.embed(path), model.embed(voice_clips[0]))


@pytest.mark.parametrize("size", [100, 1600, 7777])
def test_embedding_of_a_stream_equals_that_of_the_clip(model, voice_clips, size):
    network = network_of(model)
    for clip in voice_clips:
        front_end, running = StreamFrontEnd(network), RunningPrediction(network)
        assert running.embedding is None
        for start in range(0, len(clip), size):
            samples, frames = front_end.push(clip[start : start + size])
            running.push(frames, samples)
            running.advance()
        samples, frames = front_end.flush()
        running.push(frames, samples)
        running.advance(last=True)
        expected, first = model.embed(clip), -len(model.card.statistics)
        np.testing.assert_allclose(running.embedding[:first], expected[:first], atol=1e-5)
        # Small chunks round the spectra of frames otherwise. The harmonics-to-noise ratio in dB,
        # 10 log10(r / (1 - r)), amplifies that for a periodic voice, whose r is close to 1.
        tolerance = [5e-5 if name.startswith("hnr/") else 1e-5 for name in model.card.statistics]
        assert np.all(np.abs(running.embedding - expected)[first:] <= tolerance)


def test_bundled_model_is_small_and_documented(model, voice_clips):
    assert model.labels == ("angry", "happy", "neutral", "sad")
    assert model.card.parameters == 95_174
    assert BUNDLED_MODEL.stat().st_size < 150_000
    assert 0 < model.card.uncertain_below < 0.9 and model.card.speech_above > 0
    assert "non-commercial" in model.card.licence
    names = {"ased", "cremad", "emodb", "korean", "nemo", "ravdess", "tess"}
    assert {corpus["name"] for corpus in model.card.corpora} == names
    predictions = [model.classify(clip) for clip in voice_clips]
    assert [model.classify(clip) for clip in voice_clips] == predictions


def test_bundled_models_have_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert model_path(None) == model_path("edge_ser") == BUNDLED_MODEL
    assert model_path("edge_ser_open") == OPEN_MODEL
    assert model_path("other.onnx").name == "other.onnx"
    (tmp_path / "edge_ser_open").write_text("mine")
    assert str(model_path("edge_ser_open")) == "edge_ser_open"  # a file comes first
