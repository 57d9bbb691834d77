"""`python -m export c` writes a library that compiles, with test vectors and a program."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.c_models import write_model
from support.command import edge_ser, python_m

from edge_runtime import ConfigError, MfccConfig
from edge_runtime.diagnostics.synthetic_voice import synthetic_voice
from edge_runtime.errors import EdgeSerError
from edge_runtime.features.silence import SilenceConfig
from edge_runtime.model import BUNDLED_MODEL
from export.c.native import WARNINGS
from export.c.package import write_package
from train.network_config import NetworkConfig
from train.run_folder import RunError

COMPILERS = [
    pytest.param(name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"requires {name}"))
    for name in ("gcc", "clang")
]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_model(
        tmp_path_factory.mktemp("model") / "model.onnx",
        NetworkConfig(hidden_size=16, frame_stack=2),
        MfccConfig(n_fft=512, hop_length=256, fmax=4000.0),
        SilenceConfig(relative=True),
        gate_units=8,
    )


@pytest.fixture(scope="module")
def package(model, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("package") / "c"
    result = python_m("export", "c", "--model", model, "--out", out, "--vectors", 9)
    assert result.returncode == 0, result.stderr
    return out


def write_wav(path: Path, samples: np.ndarray, rate: int) -> Path:
    soundfile.write(path, samples, rate, subtype="PCM_16")
    return path


def compiled(package: Path, folder: str, target: Path, compiler: str = "gcc") -> Path:
    files = [*package.glob(f"{folder}/*.c"), *package.rglob("src/**/*.c")]
    command = [compiler, *WARNINGS, "-O1", *map(str, files), "-o", str(target), "-lm"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return target


@pytest.mark.slow
@pytest.mark.parametrize("compiler", COMPILERS)
def test_vectors_hold_without_warnings(package, tmp_path, compiler):
    program = compiled(package, "test", tmp_path / "test_vectors", compiler)
    result = subprocess.run([program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert result.stdout.count("\nok ") == 8 and "9 vectors, 0 failures" in result.stdout


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("gcc"), reason="requires gcc")
def test_program_prints_what_edge_ser_classify_prints(package, model, tmp_path):
    program = compiled(package, "program", tmp_path / "edge-ser-c")
    voice = synthetic_voice(1.0)
    pcm = (32767 * np.column_stack([voice, 0.3 * voice])).astype(np.int16)
    files = [
        write_wav(tmp_path / "mono.wav", pcm[:, 0], 16_000),
        write_wav(tmp_path / "stereo.wav", pcm, 16_000),
        write_wav(tmp_path / "silence.wav", 0 * pcm[:, 0], 16_000),
        write_wav(
            tmp_path / "other.wav", (32767 * synthetic_voice(1.0, 44_100)).astype(np.int16), 44_100
        ),
        write_wav(
            tmp_path / "low.wav", (32767 * synthetic_voice(1.0, 8000)).astype(np.int16), 8000
        ),
    ]
    expected = edge_ser("classify", "--model", model, *files)
    result = subprocess.run([program, *files], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout == expected.stdout

    raw = subprocess.run(
        [program, "--rate", "16000", "-"],
        input=pcm[:, 0].tobytes(),
        capture_output=True,
        check=True,
    )
    assert raw.stdout.decode() == expected.stdout.splitlines()[0].replace(str(files[0]), "-") + "\n"
    piped = subprocess.run(
        [program, "-"], input=files[1].read_bytes(), capture_output=True, check=True
    )
    assert (
        piped.stdout.decode() == expected.stdout.splitlines()[1].replace(str(files[1]), "-") + "\n"
    )


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("gcc"), reason="requires gcc")
def test_program_reports_files_that_it_cannot_read(package, tmp_path):
    program = compiled(package, "program", tmp_path / "edge-ser-c")
    text, empty = tmp_path / "text.wav", tmp_path / "empty.wav"
    text.write_text("text")
    write_wav(empty, np.empty(0, np.int16), 16_000)
    result = subprocess.run(
        [program, text, empty, tmp_path / "missing.wav"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1 and result.stdout == ""
    reasons = ("not a WAV file", "there are no samples", "No such file or directory")
    for line, reason in zip(result.stderr.splitlines(), reasons, strict=True):
        assert line.startswith("error: ") and line.endswith(reason)
    assert subprocess.run([program], capture_output=True, check=False).returncode == 2


def test_files_of_others_are_kept(model, tmp_path):
    (tmp_path / "src").mkdir()
    with pytest.raises(RunError, match="src: exists and was not written"):
        write_package(str(model), tmp_path, "edge_ser", 1, 30.0)


@pytest.mark.parametrize(
    ("prefix", "n_vectors", "block_seconds", "message"),
    [
        ("edge_ser", 0, 30.0, "--vectors"),
        ("edge_ser", 8, 0.1, "--block-seconds"),
        ("A", 8, 30.0, "--prefix"),
    ],
)
def test_invalid_options_are_refused(model, tmp_path, prefix, n_vectors, block_seconds, message):
    with pytest.raises(ConfigError, match=message):
        write_package(str(model), tmp_path / "c", prefix, n_vectors, block_seconds)
    assert not (tmp_path / "c").exists()


def test_waveform_graphs_are_refused(tmp_path):
    waveform = BUNDLED_MODEL.with_suffix(".waveform.onnx")
    with pytest.raises(EdgeSerError):
        write_package(str(waveform), tmp_path / "c", "edge_ser", 1, 30.0)
