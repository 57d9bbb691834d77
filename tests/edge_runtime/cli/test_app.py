"""The command as a process: output, exit status, imports."""

from __future__ import annotations

import csv
import io
import json
import os
import re
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

from edge_runtime.cli.app import COMMANDS


@pytest.fixture(scope="module")
def clips(tmp_path_factory, voice_clips):
    folder = tmp_path_factory.mktemp("clips")
    paths = [folder / f"voice {k}.wav" for k in range(2)]
    for path, samples in zip(paths, voice_clips):
        soundfile.write(path, samples, 16_000)
    return paths


def test_text_has_file_and_labels(clips):
    result = edge_ser("classify", *clips)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == 2
    for path, line in zip(clips, lines):
        assert line.startswith(f"{path}: ")
        for label in ("angry", "happy", "neutral", "sad"):
            assert label in line


@pytest.mark.slow
def test_json_jsonl_and_csv_are_equal(clips):
    as_json = json.loads(edge_ser("classify", *clips, "--format", "json").stdout)
    as_jsonl = edge_ser("classify", *clips, "--format", "jsonl").stdout.splitlines()
    rows = list(csv.DictReader(io.StringIO(edge_ser("classify", *clips, "--format", "csv").stdout)))
    assert [json.loads(line) for line in as_jsonl] == as_json
    for entry, row, path in zip(as_json, rows, clips):
        assert entry["file"] == row["file"] == str(path)
        assert (entry["label"] or "") == row["label"]
        assert (entry["status"], entry["guess"] or "") == (row["status"], row["guess"])
        # Empty for "uncertain" and "no speech".
        assert entry["confidence"] == (float(row["confidence"]) if row["confidence"] else None)
        assert sum(entry["probabilities"].values()) == pytest.approx(1, abs=1e-4)
        for label, probability in entry["probabilities"].items():
            assert float(row[label]) == probability


def test_model_and_threshold(clips, tmp_path):
    model = write_tiny_model(tmp_path / "tiny.onnx")
    result = edge_ser("classify", "--model", model, "--threshold", 1, clips[0], "--format", "jsonl")
    row = json.loads(result.stdout)
    assert (row["label"], row["status"]) == (None, "uncertain")
    assert row["guess"] == max(row["probabilities"], key=row["probabilities"].get)
    assert set(row["probabilities"]) == {"low", "high"}


@pytest.mark.slow
@pytest.mark.parametrize(("content", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_unreadable_file_is_one_line_and_status_1(tmp_path, content, message):
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    result = edge_ser("classify", path)
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert str(path) in result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_unreadable_file_does_not_stop_others(tmp_path, clips):
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


def test_missing_model_is_one_line_and_status_1(clips, tmp_path):
    result = edge_ser("classify", clips[0], "--model", tmp_path / "no.onnx")
    assert (result.returncode, len(result.stderr.splitlines())) == (1, 1)
    assert "no such model file" in result.stderr


@pytest.mark.slow
def test_invalid_command_line_is_status_2(clips):
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


def test_version():
    assert edge_ser("--version").stdout.startswith("edge-ser 0.")


def test_help_lists_all_commands():
    listed = edge_ser("--help").stdout.partition("Commands:")[2]
    for name in COMMANDS:
        assert re.search(rf"^  {name} +[A-Z].*\.$", listed, re.MULTILINE), name


@pytest.mark.parametrize("command", [*COMMANDS, "profile create", "profile list"])
def test_every_command_has_help(command):
    texts = [edge_ser(*command.split(), option) for option in ("--help", "-h")]
    assert texts[0].stdout == texts[1].stdout
    assert f" {command} " in texts[0].stdout.partition("\n")[0] + " "
    assert texts[0].returncode == 0 and "-h, --help" in texts[0].stdout


def test_unknown_command_suggests_a_name():
    assert "No such command 'clasify'. Did you mean 'classify'?" in edge_ser("clasify").stderr


@pytest.mark.parametrize(
    "words", ["", "classify --profile ", "listen --profile ", "profile delete "]
)
def test_shell_completion(tmp_path, words):
    (tmp_path / "anna.json").touch()
    environment = {
        "_EDGE_SER_COMPLETE": "complete_bash",
        "COMP_WORDS": f"edge-ser {words}",
        "COMP_CWORD": str(1 + len(words.split())),
        "EDGE_SER_PROFILES": str(tmp_path),
    }
    code = "from edge_runtime.cli.app import app; app(prog_name='edge-ser')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.stdout.split() == (["anna"] if words else list(COMMANDS)), done.stderr


def test_only_the_called_command_is_imported(clips):
    code = (
        "import sys\n"
        "from edge_runtime.cli.app import COMMANDS, app\n"
        f"app(['classify', {str(clips[0])!r}], standalone_mode=False)\n"
        "modules = {name for name in COMMANDS if f'edge_runtime.cli.{name}' in sys.modules}\n"
        "assert modules == {'classify'}, modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["classify"], ["classify", "--format", "csv"], ["mfcc"]])
@pytest.mark.parametrize("redirection", [">/dev/full", ">&-", "| true"])
def test_unwritable_output_prints_no_traceback(clips, arguments, redirection):
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
def test_closed_output_pipe_is_status_141_without_message(clips, command):
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


def test_classify_imports_no_training_library_or_scipy(clips):
    code = PROBE.format(arguments=["classify", str(clips[0])], more="")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=120)


def test_help_imports_nothing_heavy():
    code = PROBE.format(arguments=["--help"], more='"numpy", "onnxruntime", "soundfile", "rich"')
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=120)


def test_public_names_import_no_training_library():
    code = (
        "import sys, edge_runtime\n"
        "for name in edge_runtime.__all__: getattr(edge_runtime, name)\n"
        "assert not {'torch', 'onnx', 'librosa', 'numba', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "import edge_runtime.features.mfcc\n"
        "from edge_runtime import mfcc\n"
        "assert callable(mfcc)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=120)


def test_interruption_during_import_is_status_130():
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


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_undecodable_names_and_escape_sequences(clips, tmp_path):
    for name in (b"bad\xff.wav", b"esc\x1b[31m.wav"):
        path = os.path.join(os.fsencode(tmp_path), name)
        shutil.copy(clips[0], path)
        done = subprocess.run(
            [sys.executable, "-m", "edge_runtime", "classify", path, path + b".missing"],
            capture_output=True,
        )
        assert done.returncode == 1 and len(done.stdout.splitlines()) == 1
        assert b"\x1b" not in done.stdout + done.stderr
