"""The systemd unit of `edge-ser serve`: accepted by systemd, and confined."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from support.paths import ROOT

UNIT = ROOT / "deploy" / "edge-ser-serve.service"
FOLDER = "/opt/edge-ser"

pytestmark = [
    pytest.mark.skipif(not UNIT.exists(), reason="requires a checkout"),
    pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="requires systemd-analyze"),
]


def analyse(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True)


def test_systemd_accepts_the_unit(tmp_path):
    program = tmp_path / "bin" / "edge-ser"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace(FOLDER, str(tmp_path)))
    done = analyse("verify", "--man=no", "--recursive-errors=no", unit)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_unit_is_confined():
    """An exposure of 2 of 10 at most; 20 is the same in the notation of the option."""
    done = analyse("security", "--offline=true", "--threshold=20", "--no-pager", UNIT)
    assert done.returncode == 0, done.stdout
    level = float(re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)[1])
    assert level <= 2


def test_the_documentation_starts_the_unit():
    page = (ROOT / "docs" / "serve.md").read_text()
    command = re.search("^ExecStart=(.*)$", UNIT.read_text(), re.M)[1]
    assert command.startswith(f"{FOLDER}/bin/edge-ser serve ")
    assert f"cp deploy/{UNIT.name} /etc/systemd/system/" in page and "deploy/Caddyfile" in page
