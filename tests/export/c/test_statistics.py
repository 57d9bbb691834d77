"""The C library of models with clip statistics gives the answers of the Python package."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from support.c_models import speech
from support.paths import ROOT

from edge_runtime import EmotionModel, read_audio
from edge_runtime.diagnostics.synthetic_voice import synthetic_voice
from edge_runtime.features import running_functionals
from edge_runtime.model import BUNDLED_MODEL, OPEN_MODEL
from export.c.library import Library
from export.c.native import NativeModel, compile_library

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="requires gcc"),
]

SAMPLES = sorted((ROOT / "samples").rglob("*.wav"))


def built(folder, path, block_seconds=30.0):
    library = Library(path, block_seconds)
    library.write(folder / "src", "edge_ser")
    compiled = compile_library(folder / "src", folder / "library.so", options=["-O2"])
    return EmotionModel.load(path), NativeModel(compiled, len(library.card.labels))


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    return built(tmp_path_factory.mktemp("bundled"), BUNDLED_MODEL)


def check_equal(model, native, samples, chunk=None):
    expected, answer = model.classify(samples), native.classify(samples, chunk)
    probabilities = list(expected.probabilities.values())
    np.testing.assert_allclose(answer.probabilities, probabilities, atol=1e-4)
    assert answer.label == expected.label
    assert answer.arousal == pytest.approx(expected.arousal, abs=2e-4)


@pytest.mark.parametrize("chunk", [None, 331])
def test_bundled_model_gives_the_probabilities_of_python(bundled, chunk):
    for path in SAMPLES:
        check_equal(*bundled, read_audio(path, 16_000), chunk)
    for samples in speech()[:2]:
        check_equal(*bundled, samples, chunk)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(16_000, np.float32),
        np.ones(16_000, np.float32),
        np.tile(np.repeat(np.float32([1, -1]), 40), 200),
        np.full(1, 0.5, np.float32),
        synthetic_voice(0.1),
        np.concatenate([synthetic_voice(0.5), np.zeros(8000, np.float32)]),
        np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32),
    ],
    ids=["silence", "dc", "square", "one", "short", "early", "noise"],
)
def test_extreme_clips_give_the_answers_of_python(bundled, samples):
    check_equal(*bundled, samples, 333)


def test_result_does_not_change_the_stream(bundled):
    _, native = bundled
    samples = synthetic_voice(2.0)
    whole = native.classify(samples)
    native.reset()
    for start in range(0, len(samples), 3200):
        native.push(samples[start : start + 3200])
        native.result()
    np.testing.assert_array_equal(native.result().probabilities, whole.probabilities)


def test_blocks_give_the_statistics_of_python(tmp_path, monkeypatch):
    monkeypatch.setattr(running_functionals, "BLOCK_SECONDS", 1.0)
    model, native = built(tmp_path, OPEN_MODEL, block_seconds=1.0)
    assert native.state_bytes < 30_000
    voice = synthetic_voice(5.0)
    # A block is complete with frame 50, whose window ends at sample 16192; the end adds two frames.
    for length in (16_000, 16_191, 16_192, 16_193, 16_512, 32_000, 33_000, 80_000):
        check_equal(model, native, voice[:length], 1000)
    quiet = np.concatenate([voice[:20_000], np.zeros(40_000, np.float32)])  # blocks without voice
    check_equal(model, native, quiet)
