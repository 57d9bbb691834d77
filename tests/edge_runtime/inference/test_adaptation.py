"""Adaptation to a voice becomes what a cautious profile of the voice does."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime import EmotionModel, SpeakerProfile
from edge_runtime.inference.adaptation import SpeakerAdaptation
from edge_runtime.inference.network import network_of


def test_after_as_much_speech_it_does_what_a_profile_of_less_weight_does(voice_clips):
    model = EmotionModel.load()
    wanted = SpeakerProfile.create("voice", model, voice_clips)
    adaptation = SpeakerAdaptation(len(model.labels))
    assert not adaptation.bias().bias.any()
    for clip in voice_clips:
        frames = network_of(model).speech_frames(clip)
        adaptation.update(network_of(model).run(frames).logits, len(frames) * 0.02)
    assert adaptation.seconds == pytest.approx(wanted.seconds)
    trust = wanted.seconds / (wanted.seconds + 60)
    np.testing.assert_allclose(adaptation.bias().bias, trust * np.array(wanted.mean), rtol=1e-4)
    assert (
        np.abs(adaptation.bias().bias).max() < np.abs(wanted.bias_for(network_of(model)).bias).max()
    )


def test_it_is_believed_the_more_the_longer_it_was_heard_and_never_wholly():
    adaptation, found = SpeakerAdaptation(2), []
    for _ in range(200):
        adaptation.update(np.array([1.0, -1.0]), 6.0)
        found.append(adaptation.bias().bias[0])
    assert found[9] == pytest.approx(0.5)  # a minute
    assert found == sorted(found) and found[-1] == pytest.approx(300 / 360)


def test_it_follows_a_new_voice():
    adaptation = SpeakerAdaptation(3)
    for value in (1.0, -1.0):
        for _ in range(1000):
            adaptation.update(np.full(3, value), 1.0)
    np.testing.assert_allclose(adaptation._mean, -1.0, atol=0.1)
    assert adaptation.seconds == pytest.approx(2000)


def test_nothing_heard_changes_nothing():
    adaptation = SpeakerAdaptation(4)
    adaptation.update(np.ones(4), 0.0)
    assert adaptation.seconds == 0 and not adaptation.bias().bias.any()
