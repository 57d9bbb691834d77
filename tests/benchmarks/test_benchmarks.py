"""Every benchmark starts, in a process of its own as people start it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.paths import ROOT

from edge_runtime.streaming.listener import ListenEvent

PROGRAMS = sorted(
    path.stem
    for path in (ROOT / "benchmarks").glob("*.py")
    if "if __name__ == " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_benchmark_starts(name):
    if name == "librosa_torch":  # takes its files by position, and imports all it needs at once
        command = ["-c", "import benchmarks.librosa_torch"]
    else:
        command = ["-m", f"benchmarks.{name}", "--help"]
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert name == "librosa_torch" or done.stdout.startswith("usage:")


def printed(name: str, out: Path, *arguments: object) -> str:
    """The report of a benchmark."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments), "--out", out],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    report = out.read_text(encoding="utf-8")
    assert f"`python -m benchmarks.{name} {' '.join(map(str, arguments))} --out {out}`" in report
    return report


def test_the_cost_of_training_is_measured(tmp_path, demo_corpus):
    pytest.importorskip("torch")
    data = demo_corpus / "manifest.csv"
    report = printed("training", tmp_path / "r.md", "--data", data, "--clips", 24, "--rounds", 1)
    rows = [row.split("|")[1:-1] for row in report.splitlines() if "edge-ser, " in row]
    assert len(rows) == 4 and all(float(row[-1]) > 1 for row in rows)


def test_clips_per_second_are_measured(tmp_path, demo_corpus):
    pytest.importorskip("torch")
    report = printed(
        "throughput", tmp_path / "r.md", "--data", demo_corpus, "--clips", 4, "--rounds", 1
    )
    assert "4 clips" in report and "| edge-ser, 1 thread |" in report


def test_whole_processes_are_measured(tmp_path):
    pytest.importorskip("torch")
    assert "`edge-ser classify`" in printed("end_to_end", tmp_path / "r.md", "--rounds", 1)


def test_what_is_found_in_noise_is_counted(tmp_path, demo_corpus):
    """Clips of synthesised voices, and among the noise silence, which is loud for nobody."""
    pytest.importorskip("torch")
    hum = 0.1 * np.random.default_rng(0).standard_normal(32_000)
    for name, samples in (("hum", hum), ("nothing", np.zeros(16_000))):
        (tmp_path / "noise" / name).mkdir(parents=True)
        soundfile.write(tmp_path / "noise" / name / "1.wav", samples, 16_000)
    report = printed(
        "listening",
        tmp_path / "r.md",
        "--speech",
        demo_corpus,
        "--noise",
        tmp_path / "noise",
        "--clips",
        6,
    )
    rows = [row.split("|")[1:-1] for row in report.splitlines() if row.startswith(("| hum", "| w"))]
    assert "nothing" not in report and len(rows) == 2
    assert all(4 <= int(count) <= 6 for row in rows for count in row[1:3])  # one sounds like noise
    assert int(re.search(r"Without noise (\d) of 6 are found", report)[1]) >= 4


def test_what_utterances_cover_enough_of_is_found():
    pytest.importorskip("torch")
    from benchmarks.listening import found, one_after_the_other

    recording, places = one_after_the_other([np.full(16_000, level) for level in (0.5, 0.001)])
    assert places == [(96_000, 112_000), (144_000, 160_000)] and len(recording) == 192_000
    for begin, end in places:  # as loud as each other
        np.testing.assert_allclose(recording[begin:end], 0.05, rtol=1e-6)

    def said(start: float, end: float) -> ListenEvent:
        return ListenEvent("end", start, end, None)

    assert found([], places) == 0
    assert found([said(5, 6.31), said(9.1, 9.2), said(9.3, 9.45)], places) == 1
    assert found([said(5, 6.2), said(6.5, 6.65), said(9.1, 9.5)], places) == 2
