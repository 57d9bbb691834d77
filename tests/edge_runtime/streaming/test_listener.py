"""Utterances in an endless stream, compared with predictions for their frames at once."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime import AudioError, ConfigError, EmotionModel, SpeakerProfile
from edge_runtime.audio.resample import resample
from edge_runtime.inference.network import Network, network_of
from edge_runtime.streaming.listen_events import ListenConfig
from edge_runtime.streaming.listener import Listener


@pytest.fixture(scope="module")
def model():
    """The bundled model, without its speech detection, which rejects synthesised voices."""
    model = EmotionModel.load()
    network = network_of(model)
    network.card = dataclasses.replace(network.card, speech_above=0.0)
    return model


class LoudFrames:
    """A detector of speech: frames of 20 ms that are louder than -46 dBFS."""

    above = 0.5

    def __init__(self, network: Network, *_: object) -> None:
        self._hop = network.card.mfcc_config.hop_length
        self._held = np.zeros(self._hop // 2, np.float32)  # a frame is centred on its sample

    def push(self, rows, samples, last=False) -> np.ndarray:
        size = len(rows) * self._hop
        held = np.concatenate([self._held, samples])
        self._held = held[size:]
        frames = np.pad(held[:size], (0, max(0, size - len(held)))).reshape(-1, self._hop)
        return np.float32((frames**2).mean(axis=1) > 10**-4.6)


@pytest.fixture(autouse=True)
def _loud_is_speech(monkeypatch):
    """Speech gates reject synthesised voices."""
    monkeypatch.setattr("edge_runtime.streaming.listener.new_detector", LoudFrames)


@pytest.fixture(scope="module")
def clips(voice_clips):
    """Voices without the pauses at their ends."""
    out = []
    for clip in voice_clips:
        loud = np.flatnonzero(np.abs(clip) > 0.01 * np.abs(clip).max())
        out.append(clip[loud[0] : loud[-1] + 1])
    return out


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(16_000 * seconds), np.float32)


def noise(seconds: float, dbfs: float) -> np.ndarray:
    samples = np.random.default_rng(0).standard_normal(round(16_000 * seconds))
    return (10 ** (dbfs / 20) * samples).astype(np.float32)


def conversation(clips, gap=1.5):
    return np.concatenate([silence(gap), *(x for clip in clips for x in (clip, silence(gap)))])


def events_of(listener, samples, sizes=(1600,)):
    """Push samples in chunks of the sizes, over and over, and return all events."""
    events, start, k = [], 0, 0
    while start < len(samples):
        size = sizes[k % len(sizes)]
        events += listener.push(samples[start : start + size])
        start, k = start + size, k + 1
    return events + listener.flush()


def ends(events):
    return [event for event in events if event.kind == "end"]


def predict_at_once(model, frames, event, voice=None):
    """Return the prediction for the frames of a stream that belong to an utterance."""
    network = network_of(model)
    first = round(event.start * 50) + (1 if event.start else 0)
    utterance = frames[first : round(event.end * 50) + 1]
    kept = network.new_silence_gate().filter_clip(utterance[:, : network.front_end.n_mfcc])
    output = network.run(kept, None, network.clip_statistics(utterance), voice)
    return network.decide(output, -20.0, model.card.uncertain_below, voice)


@pytest.mark.parametrize("background", [-100, -50])
def test_final_prediction_equals_all_frames_at_once(model, clips, background):
    samples = conversation(clips)
    samples = samples + noise(len(samples) / 16_000, background)
    frames = network_of(model).front_end(samples)
    utterances = ends(events_of(Listener(model), samples))
    assert len(utterances) >= len(clips)
    for event in utterances:
        expected = predict_at_once(model, frames, event)
        assert event.prediction.label == expected.label
        assert list(event.prediction.probabilities.values()) == pytest.approx(
            list(expected.probabilities.values()), abs=1e-4
        )


def test_times_are_those_of_the_voices(model, clips):
    utterances = ends(events_of(Listener(model), conversation(clips)))
    start = 1.5
    for event, clip in zip(utterances, clips, strict=True):
        assert event.start == pytest.approx(start, abs=0.15)
        assert event.end == pytest.approx(start + len(clip) / 16_000, abs=0.25)
        start += len(clip) / 16_000 + 1.5


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.integers(0, 9000), min_size=1).filter(lambda sizes: max(sizes) > 50),
    st.sampled_from([16_000, 22_050, 48_000]),
)
def test_events_do_not_depend_on_chunk_sizes(model, clips, sizes, rate):
    samples = np.concatenate([conversation(clips[:2], 1.0), noise(3, -30), clips[0]])
    samples = resample(samples, 16_000, rate).astype(np.float32)
    expected = events_of(Listener(model, rate), samples, [len(samples)])
    assert len(expected) >= 4
    assert events_of(Listener(model, rate), samples, sizes) == expected


def test_events_are_ordered_and_not_too_frequent(model, clips):
    events = events_of(Listener(model), conversation(clips))
    kinds = "".join(event.kind[0] for event in events)
    assert re.fullmatch("(su*e)+", kinds)
    assert "su" in kinds
    for before, after in zip(events, events[1:]):
        if after.kind == "update":
            assert after.start == before.start
            assert after.end - before.end >= 0.5 - 1e-9
        assert after.kind != "start" or after.end - after.start >= 0.5


def test_click_is_reported_only_without_minimum_duration(model):
    samples = np.concatenate([silence(2), noise(0.1, -10), silence(2)])
    assert events_of(Listener(model), samples) == []
    assert len(ends(events_of(Listener(model, config=ListenConfig(min_duration=0)), samples))) == 1


def test_utterances_end_in_steady_noise(model, clips):
    samples = conversation(clips)
    utterances = ends(events_of(Listener(model), samples + noise(len(samples) / 16_000, -50)))
    assert len(utterances) == len(clips)


def test_start_names_no_emotion_before_there_is_evidence(model, clips):
    events = events_of(Listener(model, threshold=0.0), conversation(clips))
    early = [event for event in events if event.kind != "end" and event.end - event.start < 1.0]
    assert early and {event.prediction.label for event in early} == {"uncertain"}
    assert all(event.prediction.label in model.labels for event in ends(events))


def test_utterance_is_split_at_the_maximum_duration(model, clips):
    samples = np.concatenate([silence(1), *clips, *clips, silence(1)])
    config = ListenConfig(max_duration=2.5)
    utterances = ends(events_of(Listener(model, config=config), samples))
    assert len(utterances) >= 3
    for before, after in zip(utterances, utterances[1:]):
        assert before.end - before.start <= 2.5 + 1e-9
        assert 0 <= after.start - before.end < 0.5


def test_no_utterance_starts_within_the_cooldown(model, clips):
    samples = conversation(clips * 3)
    events = events_of(Listener(model, config=ListenConfig(cooldown=4), threshold=0), samples)
    utterances = ends(events)
    assert 2 <= len(utterances) < len(clips) * 3
    for before, after in zip(utterances, utterances[1:]):
        assert after.start >= before.end + 4 - 0.021


@pytest.mark.slow
@pytest.mark.parametrize("cooldown", [1.6, 2.0, 3.1])
def test_cooldown_ignores_whole_utterances(model, clips, cooldown):
    samples = conversation(clips * 3)
    without_cooldown = ends(events_of(Listener(model, threshold=0), samples))
    config = ListenConfig(cooldown=cooldown)
    utterances = ends(events_of(Listener(model, config=config, threshold=0), samples))
    assert 2 <= len(utterances) < len(without_cooldown)
    assert all(event in without_cooldown for event in utterances)


def test_uncertain_utterance_starts_no_cooldown(model, clips):
    config = ListenConfig(cooldown=60)
    utterances = ends(events_of(Listener(model, config=config, threshold=1), conversation(clips)))
    assert [event.prediction.label for event in utterances] == ["uncertain"] * len(clips)


def test_overrun_ends_the_utterance_and_advances_time(model, clips):
    listener = Listener(model)
    events = listener.push(np.concatenate([silence(1), clips[0]]))
    time = listener.time
    events += listener.skip(2.5)
    events += listener.push(np.concatenate([silence(1), clips[1], silence(1)])) + listener.flush()
    (lost,) = (event for event in events if event.kind == "overrun")
    assert (lost.start, lost.end, lost.prediction) == (time, time + 2.5, None)
    first, second = ends(events)
    assert events.index(first) < events.index(lost) < events.index(second)
    assert second.start == pytest.approx(time + 3.5, abs=0.15)


def test_profile_corrects_the_predictions(model, clips):
    profile = SpeakerProfile.create("voice", model, clips * 40)
    samples = conversation(clips[:1])
    (event,) = ends(events_of(Listener(model, profile=profile), samples))
    frames = network_of(model).front_end(samples)
    corrected, plain = (
        list(predict_at_once(model, frames, event, voice).probabilities.values())
        for voice in (profile.voice_for(model), None)
    )
    probabilities = np.array(list(event.prediction.probabilities.values()))
    np.testing.assert_allclose(probabilities, corrected, atol=1e-4)
    assert abs(probabilities - plain).max() > 0.01


def test_adaptation_starts_after_the_first_utterance_and_survives_flush(model, clips):
    plain = ends(events_of(Listener(model), conversation(clips[:2])))
    listener = Listener(model, adapt=True)
    adapted = ends(events_of(listener, conversation(clips[:2])))
    assert adapted[0] == plain[0] and adapted[1] != plain[1]
    voiced = sum(len(clip) for clip in clips[:2]) / 16_000
    assert listener.adaptation.seconds == pytest.approx(voiced, rel=0.25)
    listener.reset()
    assert listener.adaptation.seconds == 0


@pytest.mark.slow
def test_memory_does_not_grow(model, clips):
    def n_held_frames(listener):
        utterance = listener._utterance
        n_pending = 0 if utterance is None else len(utterance.running._pending)
        return (
            len(listener._undecided)
            + n_pending
            + len(listener._samples) // 320
            + len(listener._pending) // 320
            + len(listener._front_end._rows._held) // 320
        )

    listener = Listener(model, 16_000)
    sizes = []
    for part in [*clips, silence(1), noise(5, -40), silence(20)] * 4:
        for start in range(0, len(part), 777):
            listener.push(part[start : start + 777])
            sizes.append(n_held_frames(listener))
    assert max(sizes) < 150


def test_invalid_samples_leave_the_listener_unchanged(model, clips):
    samples = conversation(clips[:1])
    listener = Listener(model)
    events = listener.push(samples[:30_000])
    for bad in (np.array([np.nan], np.float32), np.zeros((2, 2), np.float32), np.zeros(3, int)):
        with pytest.raises(AudioError):
            listener.push(bad)
    events += listener.push(samples[30_000:]) + listener.flush()
    assert events == events_of(Listener(model), samples)


def test_flush_and_reset_start_a_new_stream(model, clips):
    listener = Listener(model, config=ListenConfig(cooldown=30))
    samples = conversation(clips[:1])
    first = events_of(listener, samples)
    listener.push(samples[:30_000])
    listener.reset()
    assert listener.time == 0
    assert events_of(listener, samples) == first


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pause": 0}, "pause=0"),
        ({"cooldown": float("nan")}, "cooldown=nan"),
        ({"min_duration": -1}, "min_duration=-1"),
        ({"max_duration": True}, "max_duration=True"),
        ({"min_duration": 5, "max_duration": 4}, "must not exceed"),
    ],
)
def test_invalid_settings_are_rejected(settings, message):
    with pytest.raises(ConfigError, match=message):
        ListenConfig(**settings)


def test_invalid_arguments_are_rejected(model, clips):
    with pytest.raises(ConfigError, match="threshold=2"):
        Listener(model, threshold=2)
    with pytest.raises(ConfigError, match="sample_rate=0"):
        Listener(model, 0)
    with pytest.raises(ConfigError, match="profile and adapt cannot be combined"):
        Listener(model, profile=SpeakerProfile.create("voice", model, clips), adapt=True)
