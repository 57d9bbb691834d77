"""The C library gives the answers of the Python package on other processors, and is fuzzed."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from support.c_models import write_model
from support.paths import ROOT, VOICES

from benchmarks.c_engine import TARGETS, Expected, compare
from edge_runtime import ConfigError, EmotionModel, MfccConfig
from edge_runtime.features.silence import SilenceConfig
from export.c.package import write_package
from train.network_config import NetworkConfig


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the folder of a library, its model, and the expected answers."""
    folder = tmp_path_factory.mktemp("c")
    model = write_model(
        folder / "model.onnx",
        NetworkConfig(hidden_size=16, frame_stack=2, pooling="attention"),
        MfccConfig(n_fft=512, hop_length=256),
        SilenceConfig(relative=True),
        gate_units=8,
    )
    write_package(str(model), folder / "c", "edge_ser", 1, 30.0)
    files = sorted(VOICES.rglob("*.wav"))[:2]
    return folder / "c", model, Expected.compute(EmotionModel.load(model), files)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_processors_give_the_answers_of_python(built, tmp_path, target):
    if target.missing():
        pytest.skip(f"requires {', '.join(target.missing())}")
    package, _, expected = built
    try:
        row = compare(target, package, expected, tmp_path)
    except ConfigError as error:
        if "cannot find" in str(error) or "not found" in str(error):
            pytest.skip(f"requires the C library of the compiler: {str(error)[-200:]}")
        raise
    assert row[1] == "2" and row[3:] == ["0", "0", "yes"], row


@pytest.mark.skipif(shutil.which("clang") is None, reason="requires clang")
def test_fuzzing_finds_nothing(built):
    _, model, _ = built
    command = [sys.executable, "-m", "benchmarks.c_fuzz", "--model", str(model), "--seconds", "2"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if "libclang_rt.fuzzer" in done.stderr:
        pytest.skip("requires libFuzzer")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "stat::number_of_executed_units" in done.stderr
