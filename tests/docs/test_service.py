"""The systemd unit: accepted by systemd, and installed where the documentation says."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from support.paths import ROOT

UNIT = ROOT / "deploy" / "edge-ser-listen.service"
FOLDER = "/opt/edge-ser"

pytestmark = pytest.mark.skipif(not UNIT.exists(), reason="requires a checkout")


def test_unit_and_documentation_use_one_folder():
    command = re.search("^ExecStart=(.*)$", UNIT.read_text(), re.M)[1]
    assert command.startswith(f"{FOLDER}/bin/edge-ser listen ")
    page = (ROOT / "docs" / "raspberry-pi.md").read_text()
    assert f"python3 -m venv {FOLDER} && . {FOLDER}/bin/activate" in page
    assert not re.search(r"-m venv (?!/opt/edge-ser )", page)
    assert f"cp deploy/{UNIT.name} /etc/systemd/system/" in page


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)
def test_systemd_accepts_the_unit(tmp_path):
    program = tmp_path / "bin" / "edge-ser"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace(FOLDER, str(tmp_path)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
