"""Sums over time that stay exact, against plain arithmetic and against the network's own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support.tiny_model import card_with, write_tiny_model

from edge_runtime import EmotionModel, ModelError
from edge_runtime.inference import pooling as long_sums
from edge_runtime.inference.network import network_of
from edge_runtime.inference.pooling import PooledNetwork, pooled_shape


@pytest.fixture(scope="module")
def model():
    return EmotionModel.load()


def tiny(tmp_path, **architecture) -> EmotionModel:
    """Its answer is that of the mean frame, and all of its state are sums."""
    card = card_with(architecture=architecture)
    return EmotionModel.load(write_tiny_model(tmp_path / "tiny.onnx", card))


def test_what_is_small_beside_hours_of_sound_still_counts(tmp_path):
    model = tiny(tmp_path, lstm_layers=0, hidden_size=13)
    hours = np.full((1_000_000, 13), -210.0, np.float32)  # the sum's last bit is worth 16
    more = np.full((1, 13), -5.0, np.float32)
    sums = PooledNetwork(model)
    sums.run(hours)
    for _ in range(2_000):
        heard = sums.run(more)
    mean = (1_000_000 * -210.0 + 2_000 * -5.0) / 1_002_000
    expected = 1 / (1 + math.exp(-0.02 * mean - 4))  # "high"
    assert heard.probabilities[1] == pytest.approx(expected, abs=2e-6)  # 5e-5 without them


def test_a_clip_of_hours_is_summed_as_a_stream_is(tmp_path):
    """In one piece, float32 adds up four million frames to a sum that is off by 2 %."""
    model = tiny(tmp_path, lstm_layers=0, hidden_size=13)
    frames = np.full((4_000_000, 13), -210.0, np.float32)
    expected = 1 / (1 + math.exp(0.02 * 210.0 - 4))
    assert PooledNetwork(model).run(frames).probabilities[1] == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("seconds", [0.01, 0.5, 3.0])
def test_the_answer_is_that_of_sums_in_the_state(model, voice_clips, monkeypatch, seconds):
    monkeypatch.setattr(long_sums, "SECONDS", seconds)
    frames = np.concatenate([network_of(model).front_end(clip) for clip in voice_clips])
    frames = frames[: len(frames) // 4 * 4]
    sums, state = PooledNetwork(model), None
    for start in range(0, len(frames), 4):
        found = sums.run(frames[start : start + 4])
        expected = network_of(model).run(frames[start : start + 4], state)
        state = expected.state
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-6)
        assert found.speech == pytest.approx(expected.speech, abs=1e-6)


def test_what_was_given_out_is_not_written_to(model, voice_clips, monkeypatch):
    monkeypatch.setattr(long_sums, "SECONDS", 0.01)
    sums, frames = PooledNetwork(model), network_of(model).front_end(voice_clips[0])
    heard = sums.run(frames[:2])
    before = heard.state.copy()
    sums.run(frames[2:4])
    np.testing.assert_array_equal(heard.state, before)


@pytest.mark.parametrize(
    "architecture",
    [
        {},
        {"lstm_layers": 0},
        {"hidden_size": 13},
        {"lstm_layers": 0, "hidden_size": 12},
        {"lstm_layers": -1, "hidden_size": -13},
        {"lstm_layers": False, "hidden_size": 13},
        {"lstm_layers": "0", "hidden_size": "13"},
        {"lstm_layers": 0, "hidden_size": 10**400},
        {"lstm_layers": 0, "hidden_size": 13, "ensemble_size": 2},
        {"lstm_layers": 0, "hidden_size": 13, "ensemble_size": "1"},
    ],
    ids=lambda each: str(each)[:40],
)
def test_a_state_that_the_card_does_not_explain_is_left_alone(tmp_path, monkeypatch, architecture):
    monkeypatch.setattr(long_sums, "SECONDS", 0.01)
    model = tiny(tmp_path, **architecture)
    assert pooled_shape(architecture, 14) == (0, 1)
    sums, frame = PooledNetwork(model), np.full((1, 13), -150.0, np.float32)
    first = sums.run(frame).probabilities
    np.testing.assert_allclose(sums.run(frame).probabilities, first)


def test_sums_that_cannot_be_divided_are_an_error(tmp_path, monkeypatch):
    """Of a model whose card lies: the weights of nothing but negative sums."""
    monkeypatch.setattr(long_sums, "SECONDS", 0.01)
    sums = PooledNetwork(tiny(tmp_path, lstm_layers=0, hidden_size=13))
    sums.run(np.zeros((1, 13), np.float32))
    sums._total[:] = -np.inf
    with np.errstate(all="ignore"), pytest.raises(ModelError, match="no numbers"):
        sums.run(np.zeros((1, 13), np.float32))
