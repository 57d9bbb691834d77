"""A running estimate against the one of all frames at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime import EmotionModel
from edge_runtime.inference.network import network_of
from edge_runtime.inference.profile import SpeakerBias
from edge_runtime.streaming.running_prediction import RunningPrediction


@pytest.fixture(scope="module")
def model():
    return EmotionModel.load()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.booleans()), min_size=1), st.booleans())
def test_any_pieces_end_as_all_frames_at_once(model, voice_clips, pieces, known):
    """Whenever the network is run on the way."""
    voice = SpeakerBias(np.array([0.5, -1.0, 0.0, 1.0]), 1.2) if known else None
    frames = network_of(model).front_end(voice_clips[0])[: sum(size for size, _ in pieces)]
    estimate, start = RunningPrediction(model, voice), 0
    for size, run in pieces:
        estimate.add(frames[start : start + size], voice_clips[0][:100])
        start += size
        if run:
            estimate.run()
    estimate.run(last=True)
    found = estimate.prediction(0.0)
    if not len(frames):
        assert found is None
        return
    kept = network_of(model).new_silence_gate().whole(frames)
    heard = network_of(model).run(kept)
    expected = network_of(model).decide(heard, 0.0, 0.0, voice).probabilities
    assert list(found.probabilities.values()) == pytest.approx(list(expected.values()), abs=1e-5)
    assert estimate.count == len(kept)
    np.testing.assert_allclose(estimate.logits, heard.logits, atol=1e-4)


def test_of_silence_alone_the_first_frame_is_judged(model):
    estimate = RunningPrediction(model)
    estimate.add(
        network_of(model).front_end(np.zeros(16_000, np.float32)), np.zeros(16_000, np.float32)
    )
    assert not estimate.run() and estimate.prediction(0.0) is None
    assert estimate.run(last=True)
    assert estimate.prediction(0.0).label == "no speech"
