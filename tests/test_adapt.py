"""Adaptation to a voice becomes what a profile of the voice does."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime import EmotionModel, SpeakerProfile
from edge_runtime.adapt import VoiceAdaptation


@pytest.fixture(scope="module")
def model():
    return EmotionModel.load()


def test_it_grows_from_nothing_towards_the_profile_of_the_voice(model, voice_clips):
    wanted = SpeakerProfile.create("voice", model, voice_clips).shift(model)
    adaptation = VoiceAdaptation(model)
    assert not adaptation.shift().any()
    distance = [np.linalg.norm(wanted)]
    for _ in range(30):
        for clip in voice_clips:
            frames = model.frames(clip)
            adaptation.hear(frames.sum(axis=0, dtype=np.float64), len(frames))
        distance.append(np.linalg.norm(wanted - adaptation.shift()))
        if 55 < adaptation.seconds < 65:
            assert 0.2 < distance[-1] / distance[0] < 0.3
    assert distance == sorted(distance, reverse=True)
    assert distance[-1] < 0.1 * distance[0]


def test_it_follows_a_new_voice(model):
    adaptation = VoiceAdaptation(model)
    for value in (1.0, -1.0):
        for _ in range(1000):
            adaptation.hear(np.full(13, value * 50), 50)
    np.testing.assert_allclose(adaptation._mean, -1.0, atol=0.1)
    assert adaptation.seconds == pytest.approx(2000)


def test_nothing_heard_changes_nothing(model):
    adaptation = VoiceAdaptation(model)
    adaptation.hear(np.zeros(13), 0)
    assert adaptation.seconds == 0 and not adaptation.shift().any()
