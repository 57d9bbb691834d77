"""Segments of long recordings: against what was put into them."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from support.paths import VOICES
from support.tiny_model import card_with, write_tiny_model

from edge_runtime import AudioError, ConfigError, EmotionModel, Segment, TimelineStream, read_audio
from edge_runtime.cli.timeline_formats import VTT_HEADER, as_audacity, as_srt, as_vtt
from edge_runtime.features.silence import SilenceConfig
from edge_runtime.inference.prediction import NO_SPEECH, UNCERTAIN
from edge_runtime.streaming.segments import LabelDurations, SegmentMerger

RATE = 16_000
AMPLITUDES = {"high": 0.3, "low": 0.003, NO_SPEECH: 0.0}


@pytest.fixture(scope="module")
def loudness(tmp_path_factory) -> EmotionModel:
    """A model that tells loud ("high") from quiet ("low"), and drops silence."""
    path = tmp_path_factory.mktemp("models") / "loudness.onnx"
    return EmotionModel.load(
        write_tiny_model(path, card_with(silence=SilenceConfig(range_db=70.0)))
    )


def recording(*parts: tuple[str, float]) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate(
        [
            AMPLITUDES[label] * rng.standard_normal(round(RATE * seconds)).astype(np.float32)
            for label, seconds in parts
        ]
    )


def in_pieces(stream: TimelineStream, samples: np.ndarray, chunks: list[int]) -> list[Segment]:
    segments, start, k = [], 0, 0
    while start < len(samples):
        size = chunks[k % len(chunks)]
        segments += stream.push(samples[start : start + size])
        start, k = start + size, k + 1
    return [*segments, *stream.flush()]


def same(found: list[Segment], expected: list[Segment]) -> None:
    assert [s.label for s in found] == [s.label for s in expected]
    for a, b in zip(found, expected):
        assert (a.start, a.end) == pytest.approx((b.start, b.end), abs=1e-9)
        assert list(a.probabilities.values()) == pytest.approx(
            list(b.probabilities.values()), abs=1e-5
        )


def test_finds_who_sounds_how_and_where_nobody_speaks(loudness):
    parts = [("high", 8.0), (NO_SPEECH, 4.0), ("low", 9.0), (NO_SPEECH, 2.0), ("high", 6.3)]
    found = list(loudness.timeline(recording(*parts)))
    assert [s.label for s in found] == [label for label, _ in parts]
    ends = np.cumsum([seconds for _, seconds in parts])
    # Sound is kept 0.1 s beyond its end, and a frame spans 32 ms.
    assert [s.end for s in found] == pytest.approx(ends, abs=0.15)
    assert found[0].start == 0 and found[-1].end == pytest.approx(29.3)


def test_a_change_without_a_pause_is_found_within_a_hop(loudness):
    for hop in (1.0, 0.5, 0.3):
        samples = recording(("low", 7.0), ("high", 8.0))
        first, second = loudness.timeline(samples, hop=hop, window=1.0)
        assert (first.label, second.label) == ("low", "high")
        assert first.end == second.start == pytest.approx(7.0, abs=0.5 + hop)


def test_short_pauses_and_clicks_are_no_segments(loudness):
    parts = [("high", 4.0), (NO_SPEECH, 0.15), ("high", 4.0), (NO_SPEECH, 3.0)]
    assert [s.label for s in loudness.timeline(recording(*parts))] == ["high", NO_SPEECH]
    click = recording((NO_SPEECH, 6.0))
    click[48_000:48_005] = 0.5
    assert [s.label for s in loudness.timeline(click)] == [NO_SPEECH]


@settings(max_examples=20, deadline=None)
@given(
    parts=st.lists(
        st.tuples(st.sampled_from(list(AMPLITUDES)), st.floats(0.05, 5.0)), min_size=1, max_size=6
    ),
    chunks=st.lists(st.integers(0, 30_000), min_size=1).filter(any),
    window=st.sampled_from([0.5, 1.0, 3.0]),
    share=st.sampled_from([1.0, 0.5, 0.35]),
)
def test_any_recording_in_any_pieces(loudness, parts, chunks, window, share):
    samples = recording(*parts)
    hop = window * share
    whole = list(loudness.timeline(samples, window=window, hop=hop))
    # One after the other, from the beginning to the end.
    assert whole[0].start == 0
    assert whole[-1].end == pytest.approx(len(samples) / RATE)
    for before, after in zip(whole, whole[1:]):
        assert before.end == after.start > before.start and before.label != after.label
    for segment in whole:
        assert sum(segment.probabilities.values()) == pytest.approx(1)
        assert 0 <= segment.confidence <= 1
    same(in_pieces(TimelineStream(loudness, window=window, hop=hop), samples, chunks), whole)


def test_speech_in_pieces_at_another_rate(speech):
    model = EmotionModel.load()
    silence = np.zeros(20_000, np.float32)
    samples = np.concatenate([part for clip in speech[:6] for part in (clip, silence)])
    for rate in (RATE, 44_100):
        whole = list(model.timeline(samples, rate))
        stream = TimelineStream(model, rate)
        same(in_pieces(stream, samples, [4410, 1, 0, 997]), whole)
        same(in_pieces(stream, samples, [100_000]), whole)  # flush begins anew


def test_one_window_over_a_clip_says_what_classify_says(speech):
    model = EmotionModel.load()
    compared = 0
    for samples in speech:
        samples = samples[: int(2.5 * RATE)]
        prediction = model.classify(samples, threshold=0.0)
        if prediction.label == NO_SPEECH:
            continue
        found = [
            s
            for s in model.timeline(samples, window=6.0, hop=6.0, threshold=0.0)
            if s.label != NO_SPEECH
        ]
        if found:  # too little sound for a window is no speech
            assert {s.label for s in found} == {prediction.label}
            assert list(found[0].probabilities.values()) == pytest.approx(
                list(prediction.probabilities.values()), abs=1e-4
            )
            compared += 1
    assert compared >= min(3, len(speech) // 2)


def test_a_file_is_the_samples_in_it(loudness, tmp_path):
    samples = recording(("high", 4.0), (NO_SPEECH, 3.0), ("low", 5.0))
    path = tmp_path / "call.wav"
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    same(list(loudness.timeline(path)), list(loudness.timeline(samples, RATE)))
    soundfile.write(path, np.stack([samples, samples], axis=1), RATE, subtype="FLOAT")
    same(list(loudness.timeline(path)), list(loudness.timeline(samples)))


def test_the_threshold_makes_segments_uncertain(loudness):
    samples = recording(("high", 5.0))
    assert [s.label for s in loudness.timeline(samples, threshold=0.0)] == ["high"]
    assert [s.label for s in loudness.timeline(samples, threshold=1.0)] == [UNCERTAIN]


def test_wrong_arguments_are_refused(loudness, tmp_path):
    clip = recording(("high", 1.0))
    for wrong in (
        {"window": 0.4},
        {"window": 100.0},
        {"hop": 0.0},
        {"hop": 4.0},
        {"window": float("nan")},
        {"threshold": 2.0},
    ):
        with pytest.raises(ConfigError):
            loudness.timeline(clip, **wrong)
    with pytest.raises(AudioError, match="no samples"):
        loudness.timeline(clip[:0])
    with pytest.raises(AudioError, match=r"missing\.wav: no such file"):
        loudness.timeline(tmp_path / "missing.wav")
    with pytest.raises(ConfigError, match="a file holds its own"):
        soundfile.write(tmp_path / "a.wav", clip, RATE)
        loudness.timeline(tmp_path / "a.wav", 16_000)


def test_a_file_that_ends_too_soon_gives_what_it_holds_first(loudness, tmp_path):
    path = tmp_path / "cut.flac"
    soundfile.write(path, recording(("high", 30.0), (NO_SPEECH, 10.0), ("low", 20.0)), RATE)
    path.write_bytes(path.read_bytes()[:-20_000])
    found = []
    with pytest.raises(AudioError, match=r"cut\.flac"):
        for segment in loudness.timeline(path):
            found.append(segment)
    assert found[0].label == "high"


def test_an_hour_takes_no_more_memory_than_a_minute(loudness):
    minute = recording(("high", 20.0), (NO_SPEECH, 5.0), ("low", 35.0))

    def peak(minutes: int) -> int:
        stream = TimelineStream(loudness)
        tracemalloc.start()
        for _ in range(minutes):
            stream.push(minute)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(1)
    assert peak(60) < 1.2 * peak(2)


def test_equal_pieces_are_joined_with_their_mean():
    joined = SegmentMerger()
    joined.add(Segment(0.0, 1.0, "a", 0.9, {"a": 0.9, "b": 0.1}))
    joined.add(Segment(1.0, 4.0, "a", 0.5, {"a": 0.5, "b": 0.5}))
    (segment,) = joined.rest()
    assert (segment.start, segment.end) == (0.0, 4.0)
    assert segment.confidence == pytest.approx(0.6)
    assert segment.probabilities == pytest.approx({"a": 0.6, "b": 0.4})


SEGMENT = Segment(3661.25, 3663.0, "sad", 0.754, {"happy": 0.246, "sad": 0.754})


def test_formats_of_other_programs():
    assert as_audacity(SEGMENT) == "3661.250000\t3663.000000\tsad"
    assert as_srt(SEGMENT, 7) == "7\n01:01:01,250 --> 01:01:03,000\nsad 75%\n"
    assert VTT_HEADER + "\n" + as_vtt(SEGMENT) == (
        "WEBVTT\n\n01:01:01.250 --> 01:01:03.000\nsad 75%\n"
    )


def test_shares_add_up():
    shares = LabelDurations()
    for start, end, label in ((0, 1, "sad"), (1, 4, "happy"), (4, 8, "sad")):
        shares.add(Segment(start, end, label, 1.0, {"sad": 1.0}))
    assert shares.total() == 8
    found = shares.shares()
    assert list(found) == ["sad", "happy"]
    assert Fraction(found["sad"]) + Fraction(found["happy"]) == 1
    assert LabelDurations().shares() == {}


def test_the_edges_of_windows_are_no_segments():
    def joined(*pieces):
        together, ended, start = SegmentMerger(), [], 0.0
        for label, seconds in pieces:
            probabilities = {"a": float(label == "a"), "b": float(label != "a")}
            ended += together.add(Segment(start, start + seconds, label, 1.0, probabilities))
            start += seconds
        return [(s.label, round(s.end - s.start, 2)) for s in [*ended, *together.rest()]]

    assert joined(("a", 3.0), ("b", 0.3), (NO_SPEECH, 2.0)) == [("a", 3.3), (NO_SPEECH, 2.0)]
    assert joined((NO_SPEECH, 2.0), ("b", 0.3), ("a", 3.0)) == [(NO_SPEECH, 2.0), ("a", 3.3)]
    assert joined(("a", 3.0), ("b", 0.3)) == [("a", 3.3)]
    # A word alone is a word, a click alone is none.
    alone = ((NO_SPEECH, 2.0), ("b", 0.3), (NO_SPEECH, 2.0))
    assert [label for label, _ in joined(*alone)] == [NO_SPEECH, "b", NO_SPEECH]
    assert joined((NO_SPEECH, 2.0), ("b", 0.1), (NO_SPEECH, 2.0)) == [(NO_SPEECH, 4.1)]


def test_who_is_further_from_the_microphone_is_heard_as_well():
    """As loud as the other, or a tenth of that: levels are relative within a window."""
    model = EmotionModel.load()
    near, far = (
        read_audio(VOICES / label / "speaker01-1.wav", RATE) for label in ("sad", "neutral")
    )
    far = far * (0.1 * np.abs(near).max() / np.abs(far).max())
    pause = np.zeros(2 * RATE, np.float32)
    start, end = (len(near) + len(pause)) / RATE, (len(near) + len(pause) + len(far)) / RATE
    segments = list(model.timeline(np.concatenate([near, pause, far, pause, near])))
    heard = sum(
        max(0.0, min(end, s.end) - max(start, s.start)) for s in segments if s.label != NO_SPEECH
    )
    assert heard > 0.8 * (end - start)


def test_noise_far_below_what_is_said_is_no_part_of_it():
    """A pause that a fan fills ends where somebody begins to speak, not where a window does."""
    model = EmotionModel.load()
    voice = read_audio(VOICES / "angry" / "speaker01-1.wav", RATE)
    voice = np.tile(voice * (0.5 / np.abs(voice).max()), 2)
    pause = np.zeros(5 * RATE, np.float32)
    samples = np.concatenate([pause, voice, pause])
    fan = 10 ** (-57 / 20) * np.random.default_rng(0).standard_normal(len(samples))
    segments = list(model.timeline(samples + fan.astype(np.float32)))
    for segment in segments:
        if segment.label != NO_SPEECH:
            assert segment.start > 5 - 0.3 and segment.end < 5 + len(voice) / RATE + 0.3
    assert any(segment.label != NO_SPEECH for segment in segments)
