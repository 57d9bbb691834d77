"""The pages of `edge-ser serve` and of `web/` in Chromium, through playwright-core."""

from __future__ import annotations

import json
import shutil
import subprocess
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.paths import ROOT

FOLDER = ROOT / "tests" / "browser"
RATE = 48_000


def missing() -> str:
    """Return why the page cannot be tested here; empty if it can."""
    if shutil.which("node") is None:
        return "Node.js is not installed"
    if not (FOLDER / "node_modules" / "playwright-core").is_dir():
        return "requires `make node`"
    if chromium() is None:
        return "Chromium is not installed"
    return ""


def chromium() -> str | None:
    """Return the program of the browser."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


requires_browser = pytest.mark.skipif(bool(missing()), reason=missing())


def write_microphone(path: Path, samples: np.ndarray, rate: int) -> Path:
    """Write what the fake microphone plays, over and over: speech between pauses."""
    from edge_runtime.audio.resample import resample

    gap = np.zeros(RATE * 3 // 2, np.float32)
    speech = resample(samples.astype(np.float32), rate, RATE)
    data = np.concatenate([gap, np.clip(speech, -1, 1), gap])
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((data * 32_767).astype("<i2").tobytes())
    return path


def use_page(url: str, *scenarios: str, script: str = "page.mjs", **options: Any) -> dict[str, Any]:
    """Run scenarios of a script in `tests/browser`, and return their results."""
    values = {"url": url, "scenarios": scenarios, "chromium": chromium(), **options}
    done = subprocess.run(
        ["node", script, json.dumps(values, default=str)],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return results
