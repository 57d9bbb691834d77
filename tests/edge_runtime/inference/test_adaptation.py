"""Online speaker adaptation, compared with speaker profiles and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from support.tiny_model import LOGITS_CARD, write_statistics_model, write_tiny_model

from edge_runtime import Listener, SpeakerProfile
from edge_runtime.inference.adaptation import SpeakerAdaptation
from edge_runtime.inference.network import Network


def test_equals_a_profile_with_the_larger_prior(voice_clips, tmp_path):
    network = Network.load(write_tiny_model(tmp_path / "tiny.onnx", LOGITS_CARD))
    profile = SpeakerProfile.create("voice", network, voice_clips)
    adaptation = SpeakerAdaptation(len(network.labels))
    assert not adaptation.voice().bias.any()
    for clip in voice_clips:
        frames = network.speech_frames(clip)
        adaptation.update(network.run(frames).logits, len(frames) * 0.02)
    assert adaptation.seconds == pytest.approx(profile.seconds)
    weight = profile.seconds / (profile.seconds + 60)
    np.testing.assert_allclose(adaptation.voice().bias, weight * np.array(profile.mean), rtol=1e-4)
    assert np.abs(adaptation.voice().bias).max() < np.abs(profile.voice_for(network).bias).max()


def test_bias_grows_with_speech_and_stays_below_the_mean():
    adaptation, biases = SpeakerAdaptation(2), []
    for _ in range(200):
        adaptation.update(np.array([1.0, -1.0]), 6.0)
        biases.append(adaptation.voice().bias[0])
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
    assert adaptation.seconds == 0 and not adaptation.voice().bias.any()


def test_statistics_are_averaged_with_a_larger_prior_than_in_a_profile(voice_clips, tmp_path):
    network = Network.load(write_statistics_model(tmp_path / "tiny.onnx"))
    profile = SpeakerProfile.create("voice", network, voice_clips)
    adaptation = SpeakerAdaptation.for_card(network.card)
    assert adaptation.voice().weight == 0  # the speaker is unknown
    for clip in voice_clips:
        output = network.run_clip(clip)
        seconds = len(network.speech_frames(clip)) * 0.02
        adaptation.update(output.logits, seconds, output.embedding)
    voice = adaptation.voice()
    assert voice.weight == pytest.approx(profile.voice_for(network).weight)
    assert voice.correction is None
    weight = profile.seconds / (profile.seconds + 15)
    np.testing.assert_allclose(voice.mean, weight * np.array(profile.mean), rtol=1e-4, atol=1e-6)


def test_listener_adapts_a_model_with_statistics(voice_clips, tmp_path):
    network = Network.load(write_statistics_model(tmp_path / "tiny.onnx"))
    pause = np.zeros(16_000, np.float32)
    samples = np.concatenate([pause, voice_clips[0], pause, voice_clips[0], pause])
    adapted, plain = (Listener(network, adapt=adapt) for adapt in (True, False))
    events = [
        [e.prediction for e in [*listener.push(samples), *listener.flush()] if e.kind == "end"]
        for listener in (adapted, plain)
    ]
    assert len(events[0]) == len(events[1]) == 2
    assert adapted.adaptation.seconds > 1
    assert events[0][0] == events[1][0]
    assert events[0][1].probabilities != events[1][1].probabilities
