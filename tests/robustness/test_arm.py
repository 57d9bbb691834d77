"""Errors on unsupported machines, and where onnxruntime is missing."""

from __future__ import annotations

import platform
import re
import struct
import subprocess
import sys

import pytest
from packaging.requirements import Requirement
from support.paths import ROOT

from edge_runtime import EmotionModel, ModelError
from edge_runtime.platform_support import NO_32_BIT_ARM, is_32_bit_arm

MACHINES = [  # `uname -m`, bytes of a pointer, 32-bit ARM?
    ("armv6l", 4, True),
    ("armv7l", 4, True),
    ("armv8l", 4, True),
    ("aarch64", 4, True),  # 32-bit Raspberry Pi OS on its 64-bit kernel
    ("aarch64", 8, False),
    ("arm64", 8, False),
    ("x86_64", 8, False),
    ("i686", 4, False),
]


def pretend(monkeypatch, machine: str, pointer: int) -> None:
    """Make Python report another machine."""
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(struct, "calcsize", lambda kind: pointer)


@pytest.mark.parametrize("machine, pointer, refused", MACHINES)
def test_is_32_bit_arm(monkeypatch, machine, pointer, refused):
    pretend(monkeypatch, machine, pointer)
    assert is_32_bit_arm() is refused


def test_loading_on_32_bit_arm_advises_a_64_bit_system(monkeypatch):
    pretend(monkeypatch, "armv7l", 4)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match="does not exist for 32-bit ARM.* 64-bit Raspberry Pi OS"):
        EmotionModel.load()


def test_missing_onnxruntime_names_the_pip_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match="not installed; run `pip install onnxruntime`"):
        EmotionModel.load()


def test_broken_onnxruntime_gives_the_reason(monkeypatch, tmp_path):
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('libfoo.so: not\\nfound')")
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match=r"\(libfoo.so: not found\); run `pip install --force-re"):
        EmotionModel.load()


@pytest.mark.parametrize("command", [["classify", "clip.wav"], ["info"]], ids=["classify", "info"])
def test_command_reports_missing_onnxruntime_on_one_line(command):
    code = (
        "import sys; sys.modules['onnxruntime'] = None; "
        f"sys.argv = ['edge-ser', *{command!r}]; from edge_runtime.cli.app import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1 and result.stderr.startswith("edge-ser: ")
    assert "pip install onnxruntime" in result.stderr


@pytest.mark.parametrize(
    "machine, required",
    [
        ("armv6l", False),
        ("armv7l", False),
        ("armv8l", False),
        ("aarch64", True),
        ("x86_64", True),
        ("AMD64", True),
        ("arm64", True),
    ],
)
def test_onnxruntime_is_required_where_it_exists(machine, required):
    text = (ROOT / "pyproject.toml").read_text()
    match = re.search(r'"(onnxruntime>=[^"]*)"', text)
    assert match is not None
    marker = Requirement(match[1]).marker
    assert marker is not None and marker.evaluate({"platform_machine": machine}) is required


@pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="needs a checkout")
@pytest.mark.parametrize("machine, pointer, refused", [MACHINES[1], MACHINES[3], MACHINES[4]])
def test_checkout_refuses_to_install_on_32_bit_arm(machine, pointer, refused):
    pytest.importorskip("setuptools")
    code = (
        "import platform, runpy, struct, sys, setuptools; "
        f"platform.machine = lambda: {machine!r}; struct.calcsize = lambda kind: {pointer}; "
        "setuptools.setup = lambda: print('installing'); "
        "runpy.run_path('setup.py', run_name='__main__')"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert (result.returncode != 0) is refused, result.stderr
    assert ("installing" in result.stdout) is not refused
    assert (NO_32_BIT_ARM in result.stderr) is refused


@pytest.mark.skipif(not (ROOT / "deploy").exists(), reason="needs a checkout")
@pytest.mark.parametrize(
    "user, message", [("1000", "needs root"), ("0", "debootstrap is missing: apt-get install")]
)
def test_make_arm64_names_what_is_missing(tmp_path, user, message):
    for name, script in {"id": f"echo {user}", "dirname": f"echo {ROOT}/deploy"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    result = subprocess.run(
        ["/bin/bash", ROOT / "deploy" / "arm64.sh", "--check"],
        capture_output=True,
        text=True,
        env={"PATH": str(tmp_path)},
        timeout=60,
    )
    assert result.returncode == 1 and not result.stdout
    assert len(result.stderr.splitlines()) == 1 and message in result.stderr
