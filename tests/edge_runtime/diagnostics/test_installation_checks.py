"""Checks of the installation: each problem is reported with the command that solves it."""

from __future__ import annotations

import importlib.metadata
import re
import sys
import types

import pytest
from packaging.requirements import Requirement
from support.paths import ROOT
from support.tiny_model import write_tiny_model

from edge_runtime import EmotionStream
from edge_runtime.diagnostics import installation_checks, system_info
from edge_runtime.diagnostics.finding import Severity
from edge_runtime.diagnostics.installation_checks import (
    PACKAGES,
    check_machine,
    check_microphone,
    check_model,
    check_packages,
    is_supported,
    required_versions,
)
from edge_runtime.inference.network import Network

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")


def test_packages_are_the_dependencies_of_the_wheel():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(PACKAGES) == {Requirement(line).name for line in project["dependencies"]}


def test_extras_of_messages_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    call = re.compile(r'missing_package\([^()]*(?:\([^()]*\))?[^()]*"([\w,]+)"\s*\)')
    extras = {
        extra
        for folder in ("edge_runtime", "train")
        for file in (ROOT / folder).rglob("*.py")
        for names in call.findall(file.read_text(encoding="utf-8"))
        for extra in names.split(",")
    }
    assert {"archive", "mic", "mqtt", "plot", "serve", "vad"} <= extras
    assert extras <= set(project["optional-dependencies"])


def test_complete_installation_is_ok():
    findings = [*check_machine(), *check_packages()]
    assert {finding.severity for finding in findings} == {Severity.ok}


def test_missing_package_is_reported_with_its_command(monkeypatch):
    monkeypatch.setattr(system_info, "installed", lambda name: None)
    for finding in check_packages():
        assert finding.severity is Severity.warning
        assert finding.found == "not installed"
        assert finding.advice.startswith(f"pip install '{finding.name}")


def test_packages_are_checked_without_packaging(monkeypatch):
    for module in ("packaging", "packaging.requirements"):
        monkeypatch.setitem(sys.modules, module, None)
    findings = {finding.name: finding for finding in check_packages()}
    assert findings["packaging"].severity is Severity.warning
    assert findings["numpy"].severity is Severity.ok


def test_package_that_cannot_be_imported_is_reported_with_the_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "soxr", None)
    finding = next(finding for finding in check_packages() if finding.name == "soxr")
    assert finding.severity is Severity.warning
    assert "cannot be imported: import of soxr halted" in finding.found


def test_unsupported_version_is_a_note(monkeypatch):
    specifiers = {"typer": ">=0.20,<0.21"}
    monkeypatch.setattr(installation_checks, "required_versions", lambda: specifiers)
    monkeypatch.setattr(system_info, "installed", lambda name: "0.28.0")
    finding = next(finding for finding in check_packages() if finding.name == "typer")
    assert finding.severity is Severity.note
    assert "0.28.0; expected >=0.20,<0.21" in finding.found


@pytest.mark.parametrize(
    ("version", "specifier", "supported"),
    [
        ("1.26.4", ">=1.26", True),
        ("1.26", ">=1.26", True),
        ("1.25.9", ">=1.26", False),
        ("0.29", ">=0.20,<0.29", False),
        ("0.28.9", ">=0.20,<0.29", True),
        ("2.0rc1", ">=1", True),
        ("1.10", ">=1.9", True),
        ("2.0", "", True),
        ("unknown", ">=1", True),
    ],
)
def test_versions_are_compared_as_versions(version, specifier, supported):
    assert is_supported(version, specifier) is supported


def test_required_versions_exclude_extras_and_other_platforms(monkeypatch):
    lines = [
        "numpy>=1.26",
        "onnxruntime>=1.18; platform_machine != 'armv6l'",
        "pywin32>=1; sys_platform == 'no system'",
        "torch>=2.5; extra == 'train'",
        "not a requirement!",
    ]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: lines)
    assert required_versions() == {"numpy": ">=1.26", "onnxruntime": ">=1.18"}


def test_valid_models_pass_the_self_test(tmp_path):
    for path in (None, write_tiny_model(tmp_path / "tiny.onnx")):
        model, findings = check_model(path)
        assert model is not None
        assert {finding.severity for finding in findings} == {Severity.ok}


def test_model_that_does_not_load_is_reported_with_the_reason(tmp_path):
    model, findings = check_model(tmp_path / "no.onnx")
    assert model is None
    assert findings[0].severity is Severity.warning
    assert "no such model file" in findings[0].found


@pytest.mark.parametrize(
    ("method", "change", "message"),
    [
        (
            "run_gate",
            lambda output: (0 * output[0], output[1]),
            "the speech gate finds no more speech in a synthetic voice than in silence",
        ),
        (
            "run",
            lambda output: output._replace(probabilities=0.4 * output.probabilities),
            "probabilities do not sum to 1",
        ),
    ],
)
def test_model_with_wrong_outputs_fails_the_self_test(monkeypatch, method, change, message):
    original = getattr(Network, method)
    monkeypatch.setattr(Network, method, lambda *arguments: change(original(*arguments)))
    model, findings = check_model()
    assert model is None
    assert message in findings[0].found


def test_stream_that_differs_from_the_clip_fails_the_self_test(monkeypatch):
    push = EmotionStream.push
    monkeypatch.setattr(EmotionStream, "push", lambda self, samples: push(self, samples[::-1]))
    model, findings = check_model()
    assert model is None and "from the whole clip" in findings[0].found


class _PortAudioError(Exception):
    pass


def sounddevice(devices: list[dict] | Exception) -> types.ModuleType:
    module = types.ModuleType("sounddevice")

    def query_devices() -> list[dict]:
        if isinstance(devices, Exception):
            raise devices
        return devices

    module.query_devices = query_devices
    module.default = types.SimpleNamespace(device=[1, 0])
    return module


SPEAKER = {"name": "HDMI", "max_input_channels": 0, "default_samplerate": 48000.0}
USB = {"name": "USB PnP", "max_input_channels": 1, "default_samplerate": 44100.0}


@pytest.mark.parametrize(
    ("devices", "severity", "text"),
    [
        ([SPEAKER, USB], Severity.ok, "1: USB PnP, 44100 Hz, 1 channel, default"),
        ([SPEAKER], Severity.note, "not found"),
        ([], Severity.note, "not found"),
        (_PortAudioError("Error querying device -1"), Severity.warning, "Error querying device -1"),
    ],
)
def test_input_devices_are_listed(monkeypatch, devices, severity, text):
    monkeypatch.setitem(sys.modules, "sounddevice", sounddevice(devices))
    monkeypatch.setattr(system_info, "installed", lambda name: "0.5.0")
    (finding,) = check_microphone()
    assert finding.severity is severity
    assert text in finding.found


def test_without_sounddevice_the_command_is_given(monkeypatch):
    monkeypatch.setattr(system_info, "installed", lambda name: None)
    (finding,) = check_microphone()
    assert finding.severity is Severity.ok
    assert "pip install 'edge-ser[mic]'" in finding.found
