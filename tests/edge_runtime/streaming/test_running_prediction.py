"""Running predictions, compared with the network's output for all frames at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tiny_model import card_with, write_tiny_model

from edge_runtime import EmotionModel
from edge_runtime.features.silence import SilenceConfig
from edge_runtime.inference.known_voice import SpeakerBias, SpeakerStatistics
from edge_runtime.inference.network import Network, network_of
from edge_runtime.streaming.running_prediction import RunningPrediction


@pytest.fixture(scope="module")
def network():
    return network_of(EmotionModel.load())


@pytest.fixture(scope="module")
def network_without_statistics(tmp_path_factory):
    card = card_with(silence=SilenceConfig())
    return Network.load(write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx", card))


CHUNKS = st.lists(st.tuples(st.integers(0, 60), st.booleans()), min_size=1)


@settings(max_examples=30, deadline=None)
@given(CHUNKS, st.booleans())
def test_chunked_equals_all_frames_at_once(network, voice_clips, chunks, with_voice):
    size, voice = len(network.card.statistics), None
    if with_voice:
        rng = np.random.default_rng(0)
        voice = SpeakerStatistics(rng.normal(size=size), 0.8, rng.normal(size=(size + 1, 4)) / 50)
    check_chunked_equals_all_frames_at_once(network, voice_clips, chunks, voice)


@settings(max_examples=30, deadline=None)
@given(CHUNKS, st.booleans())
def test_chunked_equals_all_frames_at_once_without_statistics(
    network_without_statistics, voice_clips, chunks, with_voice
):
    voice = SpeakerBias(np.array([0.5, -1.0]), 1.2) if with_voice else None
    # The embedding holds mean MFCC, of which c0 is some hundreds; float32 has 7 digits.
    check_chunked_equals_all_frames_at_once(
        network_without_statistics, voice_clips, chunks, voice, rtol=1e-6
    )


def check_chunked_equals_all_frames_at_once(network, voice_clips, chunks, voice, rtol=1e-7):
    """Each chunk has a number of frames; the network runs after some chunks."""
    frames = network.front_end(voice_clips[0])[: sum(size for size, _ in chunks)]
    running, start = RunningPrediction(network, voice), 0
    for size, advance in chunks:
        running.push(frames[start : start + size], voice_clips[0][:100])
        start += size
        if advance:
            running.advance()
    running.advance(last=True)
    prediction = running.prediction(0.0)
    if not len(frames):
        assert prediction is None
        return
    kept = network.new_silence_gate().filter_clip(frames[:, : network.front_end.n_mfcc])
    output = network.run(kept, None, network.clip_statistics(frames), voice)
    expected = network.decide(output, 0.0, 0.0, voice).probabilities
    assert list(prediction.probabilities.values()) == pytest.approx(
        list(expected.values()), abs=1e-5
    )
    assert running.n_frames == len(kept)
    np.testing.assert_allclose(running.logits, output.logits, atol=1e-4)
    np.testing.assert_allclose(running.embedding, output.embedding, rtol=rtol, atol=1e-5)


def test_silence_alone_is_predicted_from_its_first_frame(network):
    samples = np.zeros(16_000, np.float32)
    running = RunningPrediction(network)
    running.push(network.front_end(samples), samples)
    assert not running.advance() and running.prediction(0.0) is None
    assert not running.logits.any() and running.embedding is None
    assert running.advance(last=True)
    assert running.prediction(0.0).label == "no speech"
