"""Every benchmark starts, in a process of its own as people start it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = sorted(
    path.stem for path in (ROOT / "benchmarks").glob("*.py")
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
        capture_output=True, text=True, cwd=ROOT, timeout=300,
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
