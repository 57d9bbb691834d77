"""Streams, timelines and utterances of a model with clip statistics, against whole clips."""

from __future__ import annotations

import numpy as np
import pytest
from support.tiny_model import STATISTICS_CARD, write_statistics_model

from edge_runtime import EmotionModel, Listener
from edge_runtime.features.running_functionals import BLOCK_SECONDS
from edge_runtime.inference.known_voice import SpeakerStatistics
from edge_runtime.inference.network import Network, network_of
from edge_runtime.streaming.running_prediction import RunningPrediction
from edge_runtime.streaming.timeline import TimelineStream

RATE = 16_000
SPEAKERS = {
    "unknown": None,
    "mean": SpeakerStatistics.estimate(np.array([0.5, -0.3, 0.1, 0.8, -1.0]), 12.0),
    "correction": SpeakerStatistics(
        np.array([0.2, -0.3, 0.1, 0.5, -0.4]), 1.0, np.random.default_rng(3).normal(size=(6, 2))
    ),
}


class Profile:
    """A profile with given statistics."""

    def __init__(self, voice: SpeakerStatistics) -> None:
        self.voice = voice

    def voice_for(self, model: object) -> SpeakerStatistics:
        return self.voice


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> EmotionModel:
    path = write_statistics_model(tmp_path_factory.mktemp("model") / "tiny.onnx")
    return EmotionModel.load(path)


@pytest.fixture(params=SPEAKERS)
def profile(request) -> Profile | None:
    voice = SPEAKERS[request.param]
    return None if voice is None else Profile(voice)


def expected_prediction(network: Network, rows: np.ndarray, profile: Profile | None):
    """Return the prediction for rows that are processed at once."""
    voice = None if profile is None else profile.voice
    frames = network.new_silence_gate().filter_clip(rows[:, :13])
    output = network.run(frames, None, network.clip_statistics(rows), voice)
    return network.decide(output, 0.0, 0.0, voice)


def assert_same(prediction, expected) -> None:
    assert prediction.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
    assert prediction.arousal == pytest.approx(expected.arousal, abs=1e-5)


def conversation(clips, gap: float = 1.5) -> np.ndarray:
    silence = np.zeros(round(gap * RATE), np.float32)
    return np.concatenate([silence, *(part for clip in clips for part in (clip, silence))])


@pytest.mark.parametrize("rate", [16_000, 44_100])
@pytest.mark.parametrize("size", [37, 1600, 10**6])
def test_stream_ends_with_the_prediction_of_the_clip(model, voice_clips, profile, size, rate):
    samples = conversation(voice_clips[:1], 0.7)
    samples = samples[:9000] if size == 37 else samples
    whole = model.classify(samples, rate, threshold=0.0, profile=profile)
    stream = model.stream(rate, threshold=0.0, profile=profile)
    for start in range(0, len(samples), size):
        stream.push(samples[start : start + size])
    assert_same(stream.flush()[-1].prediction, whole)


@pytest.mark.parametrize("n_samples", [1, 200, 700, 1500])
def test_short_clips(model, voice_clips, profile, n_samples):
    samples = voice_clips[0][8000 : 8000 + n_samples]
    stream = model.stream(threshold=0.0, profile=profile)
    for start in range(0, n_samples, 100):
        stream.push(samples[start : start + 100])
    whole = model.classify(samples, threshold=0.0, profile=profile)
    assert_same(stream.flush()[-1].prediction, whole)


def test_statistics_of_trailing_silence_reach_the_last_prediction(model, voice_clips, profile):
    """The gate drops the silence, so that no frame of it would run the network."""
    network = network_of(model)
    rows = network.front_end(conversation(voice_clips[:1], 2.0))
    running = RunningPrediction(network, profile and profile.voice)
    for start in range(0, len(rows), 10):
        running.push(rows[start : start + 10])
        running.advance()
    running.advance(last=True)
    assert_same(running.prediction(0.0, 0.0), expected_prediction(network, rows, profile))


def test_stream_of_several_blocks_and_its_memory(model, voice_clips):
    samples = conversation(voice_clips, 0.5)
    samples = np.tile(samples, -(-round(2.3 * BLOCK_SECONDS * RATE) // len(samples)))
    stream, held = model.stream(threshold=0.0), []
    for start in range(0, len(samples), RATE):
        stream.push(samples[start : start + RATE])
        held.append(stream._running._statistics._n_held)
    assert max(held) <= BLOCK_SECONDS / STATISTICS_CARD.mfcc_config.frame_period
    assert_same(stream.flush()[-1].prediction, model.classify(samples, threshold=0.0))


def test_steps_of_a_timeline_have_the_statistics_of_their_stretch(model, voice_clips, profile):
    samples, steps = conversation(voice_clips, 0.8), []
    network, period = network_of(model), 0.02
    stream = TimelineStream(model, threshold=0.0, profile=profile, on_step=steps.append)
    for start in range(0, len(samples), 1234):
        stream.push(samples[start : start + 1234])
    stream.flush()
    rows = network.front_end(samples)
    spoken = [step for step in steps if step.label in model.labels]
    assert len(spoken) >= len(voice_clips)
    for step in spoken:
        stretch = rows[round(step.start / period) : round(step.end / period)]
        expected = expected_prediction(network, stretch, profile)
        assert step.probabilities == pytest.approx(expected.probabilities, abs=1e-4)
        assert step.arousal == pytest.approx(expected.arousal, abs=1e-4)


def test_timeline_does_not_depend_on_the_chunks(model, voice_clips, profile):
    samples = conversation(voice_clips, 0.3)
    whole = list(model.timeline(samples, threshold=0.0, profile=profile))
    stream = TimelineStream(model, threshold=0.0, profile=profile)
    segments = [
        segment
        for start in range(0, len(samples), 777)
        for segment in stream.push(samples[start : start + 777])
    ] + stream.flush()
    assert [(one.start, one.end, one.label) for one in segments] == [
        (one.start, one.end, one.label) for one in whole
    ]


def test_utterances_have_the_statistics_of_their_frames(model, voice_clips, profile):
    samples = conversation(voice_clips)
    network = network_of(model)
    rows = network.front_end(samples)
    listener = Listener(model, threshold=0.0, profile=profile)
    events = [
        event
        for start in range(0, len(samples), 1000)
        for event in listener.push(samples[start : start + 1000])
    ] + listener.flush()
    ends = [event for event in events if event.kind == "end"]
    assert len(ends) >= len(voice_clips)
    for event in ends:
        first = round(event.start * 50) + (1 if event.start else 0)
        utterance = rows[first : round(event.end * 50) + 1]
        assert_same(event.prediction, expected_prediction(network, utterance, profile))
