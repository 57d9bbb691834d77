"""Pooling sums in float64, compared with closed forms and with the network's own state."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from support.tiny_model import STATISTICS_CARD, card_with, write_statistics_model, write_tiny_model

from edge_runtime import EmotionModel, ModelError
from edge_runtime.inference import pooling
from edge_runtime.inference.known_voice import SpeakerStatistics
from edge_runtime.inference.network import Network, network_of
from edge_runtime.inference.pooling import PooledNetwork, pooled_shape


@pytest.fixture(scope="module")
def network():
    return network_of(EmotionModel.load())


def tiny(tmp_path, **architecture) -> Network:
    """Return a network that classifies the mean frame; its whole state is pooling sums."""
    card = card_with(architecture=architecture)
    return Network.load(write_tiny_model(tmp_path / "tiny.onnx", card))


TINY = {"lstm_layers": 0, "hidden_size": 13, "ensemble_size": 1}


def test_small_increments_count_after_hours(tmp_path):
    long = np.full((1_000_000, 13), -210.0, np.float32)  # the last bit of their sum is worth 16
    frame = np.full((1, 13), -5.0, np.float32)
    pooled = PooledNetwork(tiny(tmp_path, **TINY))
    pooled.run(long)
    for _ in range(2_000):
        output = pooled.run(frame)
    mean = (1_000_000 * -210.0 + 2_000 * -5.0) / 1_002_000
    expected = 1 / (1 + math.exp(-0.02 * mean - 4))  # probability of "high"
    assert output.probabilities[1] == pytest.approx(expected, abs=2e-6)  # 5e-5 in float32


def test_clip_of_hours_is_exact(tmp_path):
    """Summed at once in float32, four million frames are off by 2 %."""
    frames = np.full((4_000_000, 13), -210.0, np.float32)
    expected = 1 / (1 + math.exp(0.02 * 210.0 - 4))
    pooled = PooledNetwork(tiny(tmp_path, **TINY))
    assert pooled.run(frames).probabilities[1] == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("seconds", [0.01, 0.5, 3.0])
def test_equals_the_network_state(network, voice_clips, monkeypatch, seconds):
    monkeypatch.setattr(pooling, "FLUSH_SECONDS", seconds)
    rows = np.concatenate([network.front_end(clip) for clip in voice_clips])
    step = 2 * network.card.frames_per_step
    rows = rows[: len(rows) // step * step]
    pooled, state, running = PooledNetwork(network), None, network.new_statistics()
    for start in range(0, len(rows), step):
        running.push(rows[start : start + step])
        frames, statistics = rows[start : start + step, :13], running.values()
        output = pooled.run(frames, statistics)
        expected = network.run(frames, state, statistics)
        state = expected.state
        np.testing.assert_allclose(output.probabilities, expected.probabilities, atol=1e-6)
        assert output.speech == pytest.approx(expected.speech, abs=1e-6)


def test_returned_state_is_not_modified(network, voice_clips, monkeypatch):
    monkeypatch.setattr(pooling, "FLUSH_SECONDS", 0.01)
    pooled, frames = PooledNetwork(network), network.front_end.mfcc(voice_clips[0])
    step = network.card.frames_per_step
    output = pooled.run(frames[:step])
    before = output.state.copy()
    pooled.run(frames[step : 2 * step])
    np.testing.assert_array_equal(output.state, before)


@pytest.mark.parametrize(
    "architecture",
    [
        {},
        {"lstm_layers": 0, "ensemble_size": 1},
        {"hidden_size": 13, "ensemble_size": 1},
        {"lstm_layers": 0, "hidden_size": 13},
        {**TINY, "hidden_size": 12},
        {"lstm_layers": -1, "hidden_size": -13, "ensemble_size": 1},
        {**TINY, "lstm_layers": False},
        {"lstm_layers": "0", "hidden_size": "13", "ensemble_size": 1},
        {**TINY, "hidden_size": 10**400},
        {**TINY, "ensemble_size": 2},
        {**TINY, "ensemble_size": "1"},
    ],
    ids=lambda architecture: str(architecture)[:40],
)
def test_state_that_does_not_match_the_card_is_not_split(tmp_path, monkeypatch, architecture):
    monkeypatch.setattr(pooling, "FLUSH_SECONDS", 0.01)
    assert pooled_shape(architecture, 14) == (0, 1)
    pooled = PooledNetwork(tiny(tmp_path, **architecture))
    frame = np.full((1, 13), -150.0, np.float32)
    first = pooled.run(frame).probabilities
    np.testing.assert_allclose(pooled.run(frame).probabilities, first)


def test_sums_that_cannot_be_divided_are_an_error(tmp_path, monkeypatch):
    """The card is wrong: the last sum is not that of the weights."""
    monkeypatch.setattr(pooling, "FLUSH_SECONDS", 0.01)
    pooled = PooledNetwork(tiny(tmp_path, **TINY))
    pooled.run(np.zeros((1, 13), np.float32))
    pooled._accumulated[:] = -np.inf
    with np.errstate(all="ignore"), pytest.raises(ModelError, match="returned non-finite logits"):
        pooled.run(np.zeros((1, 13), np.float32))


def test_pooled_sums_keep_statistics_and_speaker(tmp_path, voice_clips, monkeypatch):
    monkeypatch.setattr(pooling, "FLUSH_SECONDS", 0.5)
    card = replace(STATISTICS_CARD, architecture=TINY)
    network = Network.load(write_statistics_model(tmp_path / "tiny.onnx", card))
    rows = network.front_end(voice_clips[0])
    frames, statistics = rows[:, :13], network.clip_statistics(rows)
    for speaker in (None, SpeakerStatistics(np.full(5, 0.4), 0.7)):
        pooled = PooledNetwork(network, speaker)
        for start in range(0, len(frames), 10):
            output = pooled.run(frames[start : start + 10], statistics)
        assert pooled._accumulated.any()
        expected = network.run(frames, None, statistics, speaker)
        np.testing.assert_allclose(output.probabilities, expected.probabilities, atol=1e-6)
