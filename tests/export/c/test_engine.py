"""The C library of models without clip statistics gives the answers of the Python package."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from support.c_models import speech, write_model

from edge_runtime import ConfigError, EmotionModel, MfccConfig
from edge_runtime.diagnostics.synthetic_voice import synthetic_voice
from edge_runtime.features.silence import SilenceConfig
from export.c.library import Library
from export.c.native import NativeModel, compile_library
from train.network_config import NetworkConfig

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="requires gcc"),
]

DEFAULT_FRONT_END = MfccConfig(n_fft=1024, hop_length=320, n_mels=16, fmin=40.0, fmax=4000.0)
BASELINE_FRONT_END = MfccConfig(hop_length=320)
SMALL = NetworkConfig(hidden_size=12, fc_size=10)
ENSEMBLE = NetworkConfig(
    hidden_size=32,
    fc_size=24,
    pooling="attention",
    frame_stack=3,
    input_size=20,
    residual=True,
    ensemble_size=2,
)


def built(folder: Path, model: Path, prefix: str = "edge_ser") -> tuple[EmotionModel, NativeModel]:
    """Return a model in Python and in C."""
    library = Library(model, block_seconds=30.0)
    library.write(folder / "src", prefix)
    compiled = compile_library(folder / "src", folder / "library.so", options=["-O1"])
    loaded = EmotionModel.load(model)
    native = NativeModel(compiled, len(loaded.labels), prefix)
    assert native.state_bytes == library.state_bytes
    return loaded, native


def check_equal(model: EmotionModel, native: NativeModel, samples: np.ndarray, chunk=None) -> None:
    expected, answer = model.classify(samples), native.classify(samples, chunk)
    assert answer is not None
    probabilities = list(expected.probabilities.values())
    np.testing.assert_allclose(answer.probabilities, probabilities, atol=1e-4)
    assert answer.label == expected.label
    if expected.arousal is not None:
        assert answer.arousal == pytest.approx(expected.arousal, abs=1e-4)


@pytest.fixture(scope="module")
def default(tmp_path_factory):
    folder = tmp_path_factory.mktemp("default")
    silence = SilenceConfig(relative=True)
    model = write_model(folder / "model.onnx", ENSEMBLE, DEFAULT_FRONT_END, silence, gate_units=24)
    return built(folder, model)


def test_default_recipe_gives_the_probabilities_of_python(default):
    for samples in speech():
        check_equal(*default, samples)
    check_equal(*default, synthetic_voice(6.0))


@pytest.mark.parametrize("chunk", [1, 17, 320, 1023, 5000])
def test_answer_does_not_depend_on_the_chunks(default, chunk):
    _, native = default
    samples = speech()[0]
    whole, chunked = native.classify(samples), native.classify(samples, chunk)
    np.testing.assert_array_equal(chunked.probabilities, whole.probabilities)
    assert chunked.speech == whole.speech


def test_result_does_not_change_the_stream(default):
    _, native = default
    samples = synthetic_voice(3.0)
    whole = native.classify(samples)
    native.reset()
    for start in range(0, len(samples), 1600):
        native.push(samples[start : start + 1600])
        native.result()
    np.testing.assert_array_equal(native.result().probabilities, whole.probabilities)


def test_result_is_that_of_the_clip_so_far(default):
    model, native = default
    samples = synthetic_voice(2.0)
    native.reset()
    for start in range(0, len(samples), 3200):
        native.push(samples[start : start + 3200])
        expected = model.classify(samples[: start + 3200])
        answer = native.result()
        probabilities = list(expected.probabilities.values())
        np.testing.assert_allclose(answer.probabilities, probabilities, atol=1e-4)


def test_speech_gate_gives_the_probability_of_python(default):
    model, native = default
    network = model._network
    for samples in speech():
        rows = network.front_end(samples)
        assert native.classify(samples).speech == pytest.approx(network.clip_speech(rows), abs=1e-4)
        frames, _ = network.run_gate(rows)
        n_complete = network.front_end.framing.n_complete(len(samples))
        assert native.frame_speech() == pytest.approx(frames[n_complete - 1], abs=1e-4)


def test_int16_samples_equal_float_samples(default):
    _, native = default
    samples = (speech()[0] * 32767).astype(np.int16)
    a = native.classify(samples, 111)
    b = native.classify(samples.astype(np.float32) / 32768)
    np.testing.assert_array_equal(a.probabilities, b.probabilities)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(16_000, np.float32),
        np.ones(16_000, np.float32),
        np.tile(np.float32([1, -1]), 8000),
        np.tile(np.repeat(np.float32([1, -1]), 40), 200),
        np.full(1, 0.5, np.float32),
        synthetic_voice(0.01),
        np.concatenate([np.zeros(8000, np.float32), synthetic_voice(0.5)]),
        np.concatenate([synthetic_voice(0.5), np.zeros(8000, np.float32)]),
        np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32),
    ],
    ids=["silence", "dc", "nyquist", "square", "one", "short", "late", "early", "noise"],
)
def test_extreme_clips_give_the_answers_of_python(default, samples):
    check_equal(*default, samples, 333)


def test_invalid_calls_have_no_effect(default):
    _, native = default
    native.reset()
    assert native.result() is None
    assert native.push(np.empty(0, np.float32)) == 0 and native.result() is None
    samples = speech()[0]
    native.push(samples[:9000])
    for bad in (np.nan, np.inf, -np.inf, 1e6):
        broken = samples[:500].copy()
        broken[250] = bad
        assert native.push(broken) == 2
    assert native.call("push_f32", None, None, 0) == native.call("init", None) == 3
    native.push(samples[9000:])
    np.testing.assert_array_equal(
        native.result().probabilities, native.classify(samples).probabilities
    )


def test_two_states_are_independent(default):
    _, native = default
    first, second = speech()[:2]
    expected = native.classify(first).probabilities
    other = type(native).__new__(type(native))
    other.__dict__ = {**native.__dict__, "_state": type(native._state)()}
    other.reset()
    native.reset()
    for start in range(0, len(first), 1000):
        native.push(first[start : start + 1000])
        other.push(second[start : start + 1000])
    np.testing.assert_array_equal(native.result().probabilities, expected)


FRONT_ENDS = {
    "baseline": BASELINE_FRONT_END,
    "short window": MfccConfig(n_fft=512, win_length=400, window="hamming"),
    "uncentred": MfccConfig(n_fft=256, hop_length=100, center=False, htk=True, norm=None),
    "magnitude": MfccConfig(n_fft=512, hop_length=256, power=1.0, dct_type=3, lifter=22),
    "power 1.5": MfccConfig(
        n_fft=512, hop_length=256, power=1.5, dct_type=1, amin=2.0, scale=32768.0
    ),
    "gaps": MfccConfig(n_fft=256, hop_length=300, n_mels=20, sample_rate=8000),
    "python_speech_features": MfccConfig.python_speech_features(scale=32768.0),
    "long frames": MfccConfig.python_speech_features(winlen=0.04, nfft=512, appendEnergy=False),
}


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_front_ends_give_the_answers_of_python(tmp_path, name):
    config = FRONT_ENDS[name]
    model, native = built(tmp_path, write_model(tmp_path / "model.onnx", SMALL, config))
    rate = config.sample_rate
    for samples in (*speech(rate)[:3], synthetic_voice(1.0, rate), synthetic_voice(0.04, rate)):
        check_equal(model, native, samples, 700)


NETWORKS = {
    "float32 weights": (NetworkConfig(hidden_size=16), {"int8": False}),
    "one layer": (NetworkConfig(hidden_size=40, num_layers=1, frame_stack=2), {}),
    "three layers": (NetworkConfig(hidden_size=9, num_layers=3, residual=True, fc_size=5), {}),
    "wide input": (NetworkConfig(hidden_size=8, input_size=70, pooling="attention"), {}),
    "gate alone": (NetworkConfig(hidden_size=8, frame_stack=5), {"gate_units": 9}),
    "margin 0": (NetworkConfig(hidden_size=8), {"silence": SilenceConfig(margin=0.0)}),
    "absolute levels": (NetworkConfig(hidden_size=8), {"silence": SilenceConfig(margin=0.5)}),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_give_the_answers_of_python(tmp_path, name):
    config, options = NETWORKS[name]
    path = write_model(tmp_path / "model.onnx", config, BASELINE_FRONT_END, **options)
    model, native = built(tmp_path, path, "other1")
    for samples in (*speech()[:3], synthetic_voice(0.3)):
        check_equal(model, native, samples, 999)


def test_labels_and_licence_are_those_of_the_card(tmp_path):
    labels = ('say "hi" */ ??/', "zornig ä 怒", "\\", "c")
    config = NetworkConfig(hidden_size=4, fc_size=4)
    path = write_model(
        tmp_path / "model.onnx",
        config,
        BASELINE_FRONT_END,
        labels=labels,
        licence='/* "MIT" */ ??/ #define edge_ser_x',
    )
    _, native = built(tmp_path, path, "voice")
    assert tuple(native.text("label", k) for k in range(4)) == labels
    assert native.text("label", -1) == "no speech" and native.text("label", -2) == "uncertain"
    assert native.text("license") == '/* "MIT" */ ??/ #define edge_ser_x'
    assert native.text("version").startswith("random, edge-ser ")


@pytest.mark.parametrize("prefix", ["", "Edge", "1a", "a b", "a;b", "a" * 40, "ä"])
def test_invalid_prefixes_are_refused(tmp_path, prefix):
    path = write_model(tmp_path / "m.onnx", NetworkConfig(hidden_size=4), BASELINE_FRONT_END)
    with pytest.raises(ConfigError, match="--prefix .* must be a lower-case letter"):
        Library(path, 30.0).write(tmp_path / "src", prefix)


@pytest.mark.parametrize(
    "changes", [{"n_fft": 400}, {"pad_mode": "reflect"}, {"amin": 1e-44}], ids=str
)
def test_unsupported_front_ends_are_refused(tmp_path, changes):
    config = MfccConfig(**changes)
    path = write_model(tmp_path / "m.onnx", NetworkConfig(hidden_size=4), config)
    with pytest.raises(ConfigError, match=f"{next(iter(changes))}=.* must be"):
        Library(path, 30.0)
