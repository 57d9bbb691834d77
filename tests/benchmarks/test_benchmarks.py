"""Every benchmark runs as a program, on little data."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.paths import ROOT

from edge_runtime.streaming.listen_events import ListenEvent

PROGRAMS = sorted(
    path.stem
    for path in (ROOT / "benchmarks").glob("*.py")
    if "if __name__ == " in path.read_text(encoding="utf-8")
)


@pytest.mark.slow
def test_every_benchmark_has_a_help_text():
    """In one process: what takes time is importing torch and librosa."""
    code = (
        "import contextlib, io, runpy, sys\n"
        "for name in sys.argv[1:]:\n"
        "    out = io.StringIO()\n"
        "    sys.argv = [name, '--help']\n"
        "    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):\n"
        "        runpy.run_module('benchmarks.' + name, run_name='__main__', alter_sys=True)\n"
        "    assert 'Usage:' in out.getvalue(), name\n"
    )
    # librosa_torch takes two positional arguments; test_whole_processes_are_measured runs it.
    programs = [name for name in PROGRAMS if name != "librosa_torch"]
    assert len(programs) == 14
    done = subprocess.run(
        [sys.executable, "-c", code, *programs],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def report_of(name: str, out: Path, *arguments: object) -> str:
    """Run a benchmark and return its report."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments), "--out", out],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    report = out.read_text(encoding="utf-8")
    assert f"`python -m benchmarks.{name} {' '.join(map(str, arguments))}`" in report
    assert report in done.stdout
    return report


@pytest.mark.timing
def test_training_speed(tmp_path, demo_corpus):
    pytest.importorskip("torch")
    data = demo_corpus / "manifest.csv"
    report = report_of("training", tmp_path / "r.md", "--data", data, "--clips", 24, "--rounds", 1)
    rows = [row.split("|")[1:-1] for row in report.splitlines() if "edge-ser, " in row]
    assert len(rows) == 4 and all(float(row[-1]) > 1 for row in rows)


@pytest.mark.slow
def test_throughput(tmp_path, demo_corpus):
    pytest.importorskip("torch")
    report = report_of(
        "throughput", tmp_path / "r.md", "--data", demo_corpus, "--clips", 4, "--rounds", 1
    )
    assert "4 clips" in report and "| edge-ser, 1 thread " in report


@pytest.mark.slow
def test_cost_of_the_voice_descriptors(tmp_path):
    pytest.importorskip("torch")
    report = report_of("descriptors", tmp_path / "r.md", "--rounds", 3)
    assert re.search(r"takes -?\d+\.\d\d ms more per clip than one without", report)


@pytest.mark.slow
def test_whole_processes_are_measured(tmp_path):
    pytest.importorskip("torch")
    assert "`edge-ser classify`" in report_of("end_to_end", tmp_path / "r.md", "--rounds", 1)


@pytest.mark.slow
def test_utterances_in_noise_are_counted(tmp_path, demo_corpus):
    """Synthesised voices in white noise; a silent noise file is left out."""
    pytest.importorskip("torch")
    hum = 0.1 * np.random.default_rng(0).standard_normal(32_000)
    for name, samples in (("hum", hum), ("nothing", np.zeros(16_000))):
        (tmp_path / "noise" / name).mkdir(parents=True)
        soundfile.write(tmp_path / "noise" / name / "1.wav", samples, 16_000)
    noise = tmp_path / "noise"
    report = report_of(
        "listening", tmp_path / "r.md", "--speech", demo_corpus, "--noise", noise, "--clips", 6
    )
    rows = [row.split("|")[1:-1] for row in report.splitlines() if row.startswith(("| hum", "| w"))]
    assert "nothing" not in report and len(rows) == 2
    assert all(
        4 <= int(count) <= 6 for row in rows for count in row[1:3]
    )  # one clip resembles noise
    assert int(re.search(r"Without noise, (\d) of 6 are found", report)[1]) >= 4


def test_clips_that_utterances_cover_count_as_found():
    pytest.importorskip("torch")
    from benchmarks.listening import concatenate, count_found

    recording, intervals = concatenate([np.full(16_000, level) for level in (0.5, 0.001)])
    assert intervals == [(96_000, 112_000), (144_000, 160_000)] and len(recording) == 192_000
    for begin, end in intervals:  # equally loud
        np.testing.assert_allclose(recording[begin:end], 0.05, rtol=1e-6)

    def utterance(start: float, end: float) -> ListenEvent:
        return ListenEvent("end", start, end, None)

    assert count_found([], intervals) == 0
    covers_first = [utterance(5, 6.31), utterance(9.1, 9.2), utterance(9.3, 9.45)]
    assert count_found(covers_first, intervals) == 1
    covers_both = [utterance(5, 6.2), utterance(6.5, 6.65), utterance(9.1, 9.5)]
    assert count_found(covers_both, intervals) == 2
