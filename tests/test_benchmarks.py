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


def test_the_cost_of_training_is_measured(tmp_path, demo_corpus):
    pytest.importorskip("torch")
    out = tmp_path / "speed.md"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.training", "--data", demo_corpus / "manifest.csv",
         "--clips", "24", "--rounds", "1", "--out", out],
        capture_output=True, text=True, cwd=ROOT, timeout=300,
    )
    assert done.returncode == 0, done.stderr
    rows = [row.split("|")[1:-1] for row in out.read_text().splitlines() if "edge-ser, " in row]
    assert len(rows) == 4 and all(float(row[-1]) > 1 for row in rows)
