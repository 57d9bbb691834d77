"""Audio files as other programs write them: ffmpeg, sox and lame."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 16_000
SECONDS = 1.6


def require(*tools: str) -> None:
    """Skip the test unless all programs are installed."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"requires {' and '.join(missing)}, which .ci/run installs by apt")


def write_source(path: Path, rate: int = RATE, channels: int = 1, seconds: float = SECONDS) -> Path:
    """Write a WAV of noise that swells and fades."""
    n = round(seconds * rate)
    noise = np.random.default_rng(rate).standard_normal((n, channels))
    soundfile.write(path, 0.2 * noise * np.sin(np.arange(n) * np.pi / n)[:, None], rate)
    return path


def run(command: str, source: Path, target: Path) -> Path:
    """Run a command of an encoder; {} is its input, and `| ` at its end stands for a pipe.

    Args:
        command: The program and its options. Without a `>` the target is its last argument.
        source: The input.
        target: The output.
    """
    name, *options = command.format(source).split()
    require(name)
    quiet = {"ffmpeg": ["-v", "error", "-y"], "lame": ["--quiet"], "sox": ["-V0"]}[name]
    is_piped = options[-1] == ">"
    arguments = [name, *quiet, *(options[:-1] if is_piped else [*options, str(target)])]
    done = subprocess.run(arguments, stdout=subprocess.PIPE, check=True)
    if is_piped:
        target.write_bytes(done.stdout)
    return target
