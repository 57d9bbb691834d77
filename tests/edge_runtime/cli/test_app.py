"""The command line as a person or a program calls it: a process, its output, its exit status."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from support.command import edge_ser
from support.paths import ROOT
from support.tiny_model import write_tiny_model
from support.wav_files import BAD_FILES


@pytest.fixture(scope="module")
def clips(tmp_path_factory, voice_clips):
    folder = tmp_path_factory.mktemp("clips")
    paths = [folder / f"voice {k}.wav" for k in range(2)]
    for path, samples in zip(paths, voice_clips):
        soundfile.write(path, samples, 16_000)
    return paths


def test_text_names_the_file_and_the_emotion(clips):
    result = edge_ser("classify", *clips)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == 2
    for path, line in zip(clips, lines):
        assert line.startswith(f"{path}: ")
        for label in ("angry", "happy", "neutral", "sad"):
            assert label in line


def test_json_jsonl_and_csv_hold_the_same(clips):
    as_json = json.loads(edge_ser("classify", *clips, "--format", "json").stdout)
    as_jsonl = edge_ser("classify", *clips, "--format", "jsonl").stdout.splitlines()
    rows = list(csv.DictReader(io.StringIO(edge_ser("classify", *clips, "--format", "csv").stdout)))
    assert [json.loads(line) for line in as_jsonl] == as_json
    for entry, row, path in zip(as_json, rows, clips):
        assert entry["file"] == row["file"] == str(path)
        assert entry["label"] == row["label"]
        # What is uncertain, or no speech, has none.
        assert entry["confidence"] == (float(row["confidence"]) if row["confidence"] else None)
        assert sum(entry["probabilities"].values()) == pytest.approx(1, abs=1e-4)
        for label, probability in entry["probabilities"].items():
            assert float(row[label]) == probability


def test_another_model_and_a_threshold(clips, tmp_path):
    model = write_tiny_model(tmp_path / "tiny.onnx")
    result = edge_ser("classify", "--model", model, "--threshold", 1, clips[0], "--format", "jsonl")
    answer = json.loads(result.stdout)
    assert answer["label"] == "uncertain"
    assert set(answer["probabilities"]) == {"low", "high"}


@pytest.mark.parametrize(("content", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_one_line_on_stderr_and_status_1(tmp_path, content, message):
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    result = edge_ser("classify", path)
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert str(path) in result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_bad_file_does_not_stop_the_others(tmp_path, clips):
    nan = tmp_path / "nan.wav"
    soundfile.write(nan, np.full(2000, np.nan, np.float32), 16_000, subtype="FLOAT")
    missing = tmp_path / "missing.wav"
    result = edge_ser("classify", nan, clips[0], missing, tmp_path, clips[1], "--format", "json")
    assert result.returncode == 1
    assert [entry["file"] for entry in json.loads(result.stdout)] == [str(path) for path in clips]
    errors = result.stderr.splitlines()
    assert len(errors) == 3
    for path, line in zip((nan, missing, tmp_path), errors):
        assert str(path) in line


def test_a_bad_model_is_one_line_and_status_1(clips, tmp_path):
    result = edge_ser("classify", clips[0], "--model", tmp_path / "no.onnx")
    assert (result.returncode, len(result.stderr.splitlines())) == (1, 1)
    assert "no such model file" in result.stderr


def test_a_wrong_command_line_is_status_2(clips):
    for arguments in (
        ["classify"],
        ["classify", clips[0], "--format", "xml"],
        ["clasify", clips[0]],
        ["classify", clips[0], "--threshold", "7"],
        ["mfcc", clips[0], "--n-mfcc", "99"],
    ):
        result = edge_ser(*arguments)
        assert result.returncode == 2, arguments
        assert "Traceback" not in result.stderr


def test_version_and_help():
    assert edge_ser("--version").stdout.startswith("edge-ser 0.")
    for arguments in (["--help"], ["classify", "--help"], ["mfcc", "--help"]):
        result = edge_ser(*arguments)
        assert result.returncode == 0
        assert "Usage" in result.stdout


def test_mfcc_writes_what_the_library_computes(clips, tmp_path):
    from edge_runtime import MfccConfig, mfcc, read_audio
    from edge_runtime.features.framing import Framing

    expected = mfcc(read_audio(clips[0]))
    assert edge_ser("mfcc", clips[0], "-o", tmp_path / "f.npy").returncode == 0
    np.testing.assert_allclose(np.load(tmp_path / "f.npy"), expected, atol=1e-3)
    assert edge_ser("mfcc", clips[0], "-o", tmp_path / "f.csv").returncode == 0
    for text in ((tmp_path / "f.csv").read_text(), edge_ser("mfcc", clips[0]).stdout):
        rows = list(csv.reader(io.StringIO(text)))
        assert rows[0] == ["time", *(f"mfcc_{k}" for k in range(13))]
        table = np.array(rows[1:], float)
        np.testing.assert_allclose(table[:, 1:], expected, atol=1e-3)
        np.testing.assert_allclose(
            table[:, 0], Framing(MfccConfig()).frame_times(len(expected)), atol=1e-6
        )


def test_mfcc_of_standard_input_is_that_of_the_file(clips):
    with open(clips[0], "rb") as audio:
        piped = subprocess.run(
            [sys.executable, "-m", "edge_runtime", "mfcc", "-", "--set", "top_db=None"],
            stdin=audio,
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
        )
    assert piped.stdout == edge_ser("mfcc", clips[0]).stdout
    missing = edge_ser("doctor", "-")
    assert missing.returncode == 1
    assert "only classify, mfcc and listen read standard input" in missing.stderr


def test_mfcc_replaces_a_file_only_when_told(clips, tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("of great value")
    refused = edge_ser("mfcc", clips[0], "-o", path)
    assert refused.returncode == 2 and "--force" in refused.stderr
    assert path.read_text() == "of great value"
    assert edge_ser("mfcc", clips[0], "-o", path, "--force").returncode == 0
    assert path.read_text().startswith("time,")


def test_mfcc_refuses_another_kind_of_file(clips, tmp_path):
    result = edge_ser("mfcc", clips[0], "-o", tmp_path / "f.xls")
    assert result.returncode == 2
    assert ".npy or .csv" in result.stderr


@pytest.mark.parametrize("arguments", [["classify"], ["classify", "--format", "csv"], ["mfcc"]])
@pytest.mark.parametrize("redirection", [">/dev/full", ">&-", "| true"])
def test_an_output_that_cannot_be_written_is_no_traceback(clips, arguments, redirection):
    command = f"'{sys.executable}' -m edge_runtime {' '.join(arguments)} '{clips[0]}' {redirection}"
    result = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) <= 1
    if redirection != "| true":
        assert result.returncode == 1


@pytest.mark.parametrize(
    "command", ["classify {0} {0}", "classify --format json {0}", "mfcc {0}", "--help"]
)
def test_a_reader_that_has_enough_is_status_141_without_a_word(clips, command):
    command = command.format(f"'{clips[0]}'")
    done = subprocess.run(
        [
            "bash",
            "-c",
            f"'{sys.executable}' -m edge_runtime {command} | exec 0<&-; echo ${{PIPESTATUS[0]}}",
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert (done.stdout, done.stderr) == ("141\n", "")


@pytest.mark.parametrize(
    "setting",
    [
        "n_fft=100000000000",
        'window=[["a"],1]',
        f"hop_length={10**20}",
        f"lifter={'9' * 400}",
        "window=hunn",
        "sample_rate=100",
        "n_fft",
    ],
)
def test_a_wrong_setting_is_a_wrong_command_line(clips, setting):
    result = edge_ser("mfcc", clips[0], "--set", setting)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1


PROBE = """
import sys
from edge_runtime.cli.app import app
try:
    app({arguments!r}, standalone_mode=False)
except SystemExit:
    pass
heavy = {{name.partition(".")[0] for name in sys.modules}} & {{
    "torch", "onnx", "librosa", "numba", "sklearn", "scipy", "soxr", "matplotlib", "pandas",
    {more}
}}
assert not heavy, heavy
"""


def test_the_device_loads_no_training_library_and_no_scipy(clips):
    code = PROBE.format(arguments=["classify", str(clips[0])], more="")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=120)


def test_help_loads_nothing_heavy():
    code = PROBE.format(arguments=["--help"], more='"numpy", "onnxruntime", "soundfile", "rich"')
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=120)


def test_importing_every_public_name_loads_no_training_library():
    code = (
        "import sys, edge_runtime\n"
        "for name in edge_runtime.__all__: getattr(edge_runtime, name)\n"
        "assert not {'torch', 'onnx', 'librosa', 'numba', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "import edge_runtime.features.mfcc\n"
        "from edge_runtime import mfcc\n"
        "assert callable(mfcc)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=120)


def test_info_tells_what_a_model_is(tmp_path):
    text = edge_ser("info")
    assert text.returncode == 0
    for part in (
        "angry, happy, neutral, sad",
        "mfcc (batch, time, 13)",
        "new_state",
        "on-commercial",
    ):
        assert part in text.stdout
    about = json.loads(edge_ser("info", "--json").stdout)
    assert about["labels"] == ["angry", "happy", "neutral", "sad"]
    assert about["bytes"] < 300_000 and about["inputs"]["mfcc"] == ["batch", "time", 13]
    tiny = json.loads(edge_ser("info", "--json", str(write_tiny_model(tmp_path / "m.onnx"))).stdout)
    assert tiny["name"] == "tiny" and tiny["licence"] == "MIT"
    (tmp_path / "bad.onnx").write_text("no model")
    for wrong in ("bad.onnx", "missing.onnx"):
        result = edge_ser("info", str(tmp_path / wrong))
        assert result.returncode == 1 and len(result.stderr.splitlines()) == 1
        assert wrong in result.stderr


def test_an_interruption_at_the_very_start_is_status_130():
    code = (
        "import sys, edge_runtime.__main__ as entry\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'edge_runtime.cli.app': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "entry.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_that_are_no_text_and_names_that_steer_a_terminal(clips, tmp_path):
    for name in (b"bad\xff.wav", b"esc\x1b[31m.wav"):
        path = os.path.join(os.fsencode(tmp_path), name)
        shutil.copy(clips[0], path)
        done = subprocess.run(
            [sys.executable, "-m", "edge_runtime", "classify", path, path + b".missing"],
            capture_output=True,
        )
        assert done.returncode == 1 and len(done.stdout.splitlines()) == 1
        assert b"\x1b" not in done.stdout + done.stderr
