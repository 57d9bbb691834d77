"""The command as a process of its own."""

from __future__ import annotations

import subprocess
import sys

from support.paths import ROOT


def edge_ser(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge_runtime", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
