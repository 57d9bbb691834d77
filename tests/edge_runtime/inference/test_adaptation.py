"""Online speaker adaptation, compared with speaker profiles and closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime import EmotionModel, SpeakerProfile
from edge_runtime.inference.adaptation import SpeakerAdaptation
from edge_runtime.inference.network import network_of


def test_equals_a_profile_with_the_larger_prior(voice_clips):
    network = network_of(EmotionModel.load())
    profile = SpeakerProfile.create("voice", network, voice_clips)
    adaptation = SpeakerAdaptation(len(network.labels))
    assert not adaptation.bias().bias.any()
    for clip in voice_clips:
        frames = network.speech_frames(clip)
        adaptation.update(network.run(frames).logits, len(frames) * 0.02)
    assert adaptation.seconds == pytest.approx(profile.seconds)
    weight = profile.seconds / (profile.seconds + 60)
    np.testing.assert_allclose(adaptation.bias().bias, weight * np.array(profile.mean), rtol=1e-4)
    assert np.abs(adaptation.bias().bias).max() < np.abs(profile.voice_for(network).bias).max()


def test_bias_grows_with_speech_and_stays_below_the_mean():
    adaptation, biases = SpeakerAdaptation(2), []
    for _ in range(200):
        adaptation.update(np.array([1.0, -1.0]), 6.0)
        biases.append(adaptation.bias().bias[0])
    assert biases[9] == pytest.approx(0.5)  # after a minute
    assert biases == sorted(biases) and biases[-1] == pytest.approx(300 / 360)


def test_follows_a_new_speaker():
    adaptation = SpeakerAdaptation(3)
    for value in (1.0, -1.0):
        for _ in range(1000):
            adaptation.update(np.full(3, value), 1.0)
    np.testing.assert_allclose(adaptation._mean, -1.0, atol=0.1)
    assert adaptation.seconds == pytest.approx(2000)


def test_utterance_without_speech_has_no_effect():
    adaptation = SpeakerAdaptation(4)
    adaptation.update(np.ones(4), 0.0)
    assert adaptation.seconds == 0 and not adaptation.bias().bias.any()
