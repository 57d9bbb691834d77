"""Utterances in an endless stream, and what is said of each."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime import AudioError, ConfigError, EmotionModel, SpeakerProfile
from edge_runtime.audio.resample import resample
from edge_runtime.inference.network import network_of
from edge_runtime.streaming.listener import ListenConfig, Listener


@pytest.fixture(scope="module")
def model():
    """The bundled one, made to take synthesised voices for speech."""
    model = EmotionModel.load()
    model.card = dataclasses.replace(model.card, speech_above=0.0)
    return model


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


def heard(listener, samples, sizes=(1600,)):
    events, start, k = [], 0, 0
    while start < len(samples):
        size = sizes[k % len(sizes)]
        events += listener.push(samples[start : start + size])
        start, k = start + size, k + 1
    return events + listener.flush()


def ends(events):
    return [event for event in events if event.kind == "end"]


def at_once(model, frames, event, voice=None):
    """What the model says of those of the `frames` of a stream that are in an utterance."""
    first = round(event.start * 50) + (1 if event.start else 0)
    own = network_of(model).new_silence_gate().whole(frames[first : round(event.end * 50) + 1])
    return network_of(model).decide(
        network_of(model).run(own), -20.0, model.card.uncertain_below, voice
    )


@pytest.mark.parametrize("background", [-100, -50])
def test_an_utterance_ends_as_the_model_judges_its_frames_at_once(model, clips, background):
    samples = conversation(clips)
    samples = samples + noise(len(samples) / 16_000, background)
    frames = network_of(model).front_end(samples)
    found = ends(heard(Listener(model), samples))
    assert len(found) >= len(clips)
    for event in found:
        expected = at_once(model, frames, event)
        assert event.prediction.label == expected.label
        assert list(event.prediction.probabilities.values()) == pytest.approx(
            list(expected.probabilities.values()), abs=1e-4
        )


def test_the_times_are_those_of_the_voice(model, clips):
    found = ends(heard(Listener(model), conversation(clips)))
    start = 1.5
    for event, clip in zip(found, clips, strict=True):
        assert event.start == pytest.approx(start, abs=0.15)
        assert event.end == pytest.approx(start + len(clip) / 16_000, abs=0.25)
        start += len(clip) / 16_000 + 1.5


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.integers(0, 9000), min_size=1).filter(lambda sizes: max(sizes) > 50),
    st.sampled_from([16_000, 22_050, 48_000]),
)
def test_any_pieces_give_the_same_events(model, clips, sizes, rate):
    samples = np.concatenate([conversation(clips[:2], 1.0), noise(3, -30), clips[0]])
    samples = resample(samples, 16_000, rate).astype(np.float32)
    expected = heard(Listener(model, rate), samples, [len(samples)])
    assert len(expected) >= 4
    assert heard(Listener(model, rate), samples, sizes) == expected


def test_events_come_in_order_and_not_too_often(model, clips):
    events = heard(Listener(model), conversation(clips))
    kinds = "".join(event.kind[0] for event in events)
    assert re.fullmatch("(su*e)+", kinds)
    assert "su" in kinds
    for before, after in zip(events, events[1:]):
        if after.kind == "update":
            assert after.start == before.start
            assert after.end - before.end >= 0.5 - 1e-9
        assert after.kind != "start" or after.end - after.start >= 0.5


def test_a_click_is_no_utterance_unless_it_is_wanted(model):
    samples = np.concatenate([silence(2), noise(0.1, -10), silence(2)])
    assert heard(Listener(model), samples) == []
    assert len(ends(heard(Listener(model, config=ListenConfig(min_duration=0)), samples))) == 1


def test_noise_is_an_end_without_a_start_and_then_the_background():
    samples = np.concatenate([silence(5), noise(30, -40)])
    events = heard(Listener(EmotionModel.load()), samples)
    assert {(event.kind, event.prediction.label) for event in events} == {("end", "no speech")}
    assert all(event.start > 5 - 0.2 and event.end < 10.5 for event in events)


def test_utterances_end_in_steady_noise(model, clips):
    samples = conversation(clips)
    found = ends(heard(Listener(model), samples + noise(len(samples) / 16_000, -50)))
    voices = [event for event in found if event.end > 1.5]
    assert len(voices) == len(clips)


def test_a_bang_does_not_hide_a_low_voice_after_it(model, clips):
    low = clips[0] * (0.004 / np.sqrt(np.mean(clips[0] ** 2)))  # -48 dBFS
    samples = np.concatenate([silence(2), noise(0.2, -3), silence(1), low, silence(1)])
    (event,) = ends(heard(Listener(model), samples))
    assert event.start == pytest.approx(3.2, abs=0.15)


def test_who_does_not_pause_is_cut_at_the_maximum(model, clips):
    samples = np.concatenate([silence(1), *clips, *clips, silence(1)])
    config = ListenConfig(max_duration=2.5)
    found = ends(heard(Listener(model, config=config), samples))
    assert len(found) >= 3
    for before, after in zip(found, found[1:]):
        assert before.end - before.start <= 2.5 + 1e-9
        assert 0 <= after.start - before.end < 0.5


def test_after_an_emotion_nothing_begins_within_the_cooldown(model, clips):
    samples = conversation(clips * 3)
    events = heard(Listener(model, config=ListenConfig(cooldown=4), threshold=0), samples)
    found = ends(events)
    assert 2 <= len(found) < len(clips) * 3
    for before, after in zip(found, found[1:]):
        assert after.start >= before.end + 4 - 0.021


@pytest.mark.parametrize("cooldown", [1.3, 2.0, 3.1])
def test_an_utterance_is_heard_whole_or_ignored_whole_after_a_cooldown(model, clips, cooldown):
    samples = conversation(clips * 3)
    everything = ends(heard(Listener(model, threshold=0), samples))
    config = ListenConfig(cooldown=cooldown)
    found = ends(heard(Listener(model, config=config, threshold=0), samples))
    assert 2 <= len(found) < len(everything)
    assert all(event in everything for event in found)


def test_a_threshold_makes_uncertain_and_then_there_is_no_cooldown(model, clips):
    config = ListenConfig(cooldown=60)
    found = ends(heard(Listener(model, config=config, threshold=1), conversation(clips)))
    assert [event.prediction.label for event in found] == ["uncertain"] * len(clips)


def test_lost_audio_ends_the_utterance_and_time_goes_on(model, clips):
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


def test_a_profile_is_taken_off_what_the_network_says(model, clips):
    profile = SpeakerProfile.create("voice", model, clips * 40)
    samples = conversation(clips[:1])
    (event,) = ends(heard(Listener(model, profile=profile), samples))
    with_it, without = (
        list(
            at_once(
                model, network_of(model).front_end(samples), event, voice
            ).probabilities.values()
        )
        for voice in (profile.bias_for(network_of(model)), None)
    )
    found = np.array(list(event.prediction.probabilities.values()))
    np.testing.assert_allclose(found, with_it, atol=1e-4)
    assert abs(found - without).max() > 0.01


def test_adaptation_begins_after_the_first_utterance_and_outlasts_the_stream(model, clips):
    plain = ends(heard(Listener(model), conversation(clips[:2])))
    listener = Listener(model, adapt=True)
    adapted = ends(heard(listener, conversation(clips[:2])))
    assert adapted[0] == plain[0] and adapted[1] != plain[1]
    voiced = sum(len(clip) for clip in clips[:2]) / 16_000
    assert listener.adaptation.seconds == pytest.approx(voiced, rel=0.25)
    listener.reset()
    assert listener.adaptation.seconds == 0


def test_what_is_held_does_not_grow(model, clips):
    def held(listener):
        frames = list(listener._held)
        utterance = listener._utterance
        waiting = 0 if utterance is None else len(utterance.estimate._waiting)
        return (
            len(frames)
            + waiting
            + len(listener._samples) // 320
            + len(listener._pending) // 320
            + len(listener._mfcc._held) // 320
        )

    listener = Listener(model, 16_000)
    sizes = []
    for part in [*clips, silence(1), noise(5, -40), silence(20)] * 4:
        for start in range(0, len(part), 777):
            listener.push(part[start : start + 777])
            sizes.append(held(listener))
    assert max(sizes) < 150


def test_bad_samples_leave_the_listener_as_it_was(model, clips):
    samples = conversation(clips[:1])
    listener = Listener(model)
    events = listener.push(samples[:30_000])
    for bad in (np.array([np.nan], np.float32), np.zeros((2, 2), np.float32), np.zeros(3, int)):
        with pytest.raises(AudioError):
            listener.push(bad)
    events += listener.push(samples[30_000:]) + listener.flush()
    assert events == heard(Listener(model), samples)


def test_flush_and_reset_begin_anew(model, clips):
    listener = Listener(model, config=ListenConfig(cooldown=30))
    samples = conversation(clips[:1])
    first = heard(listener, samples)
    listener.push(samples[:30_000])
    listener.reset()
    assert listener.time == 0
    assert heard(listener, samples) == first


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pause": 0}, "pause=0"),
        ({"cooldown": float("nan")}, "cooldown=nan"),
        ({"min_duration": -1}, "min_duration=-1"),
        ({"max_duration": True}, "max_duration=True"),
        ({"min_duration": 5, "max_duration": 4}, "must not exceed"),
    ],
)
def test_wrong_settings_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        ListenConfig(**wrong)


def test_wrong_arguments_are_refused(model, clips):
    with pytest.raises(ConfigError, match="threshold=2"):
        Listener(model, threshold=2)
    with pytest.raises(ConfigError, match="sample_rate=0"):
        Listener(model, 0)
    with pytest.raises(ConfigError, match="a profile or adapt"):
        Listener(model, profile=SpeakerProfile.create("voice", model, clips), adapt=True)
