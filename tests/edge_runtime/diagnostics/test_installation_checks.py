"""What is missing or does not fit is found and named, with the command that mends it."""

from __future__ import annotations

import sys
import types

import pytest
from support.paths import ROOT
from support.tiny_model import write_tiny_model

from edge_runtime import EmotionModel, EmotionStream
from edge_runtime.diagnostics import installation_checks as installation
from edge_runtime.diagnostics import system_info as machine
from edge_runtime.diagnostics.finding import Severity
from edge_runtime.diagnostics.installation_checks import (
    MICROPHONE,
    PACKAGES,
    check_machine,
    check_microphone,
    check_model,
    check_packages,
    within,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")


def test_what_is_looked_at_is_what_the_wheel_depends_on():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {line.partition(">")[0] for line in project["dependencies"]}
    assert set(PACKAGES) == names
    assert project["optional-dependencies"]["mic"] == [MICROPHONE]


def test_a_complete_installation_is_fine():
    findings = [*check_machine(), *check_packages()]
    assert {finding.severity for finding in findings} == {Severity.ok}


def test_a_missing_package_is_named_with_its_command(monkeypatch):
    monkeypatch.setattr(machine, "installed", lambda name: None)
    for finding in check_packages():
        assert finding.severity is Severity.warning
        assert finding.found == "is missing"
        assert finding.advice.startswith(f"pip install '{finding.name}")


def test_a_package_that_cannot_be_imported_says_why(monkeypatch):
    monkeypatch.setitem(sys.modules, "soxr", None)
    finding = next(each for each in check_packages() if each.name == "soxr")
    assert finding.severity is Severity.warning
    assert "cannot be imported: import of soxr halted" in finding.found


def test_another_version_than_wanted_is_a_note(monkeypatch):
    monkeypatch.setattr(installation, "_requirements", lambda: {"typer": ">=0.20,<0.21"})
    monkeypatch.setattr(machine, "installed", lambda name: "0.28.0")
    finding = next(each for each in check_packages() if each.name == "typer")
    assert finding.severity is Severity.note
    assert "0.28.0; wanted >=0.20,<0.21" in finding.found


@pytest.mark.parametrize(
    ("version", "wanted", "holds"),
    [
        ("1.26.4", ">=1.26", True),
        ("1.26", ">=1.26", True),
        ("1.25.9", ">=1.26", False),
        ("0.29", ">=0.20,<0.29", False),
        ("0.28.9", ">=0.20,<0.29", True),
        ("2.0rc1", ">=1", True),
        ("1.10", ">=1.9", True),
    ],
)
def test_versions_compare_as_numbers(version, wanted, holds):
    assert within(version, wanted) is holds


def test_the_models_of_the_tests_pass_the_self_test(tmp_path):
    for path in (None, write_tiny_model(tmp_path / "tiny.onnx")):
        model, findings = check_model(path)
        assert model is not None
        assert {finding.severity for finding in findings} == {Severity.ok}


def test_a_model_that_does_not_load_says_why(tmp_path):
    model, findings = check_model(tmp_path / "no.onnx")
    assert model is None
    assert findings[0].severity is Severity.warning
    assert "no such model file" in findings[0].found


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"speech": 0.0}, "takes a sound like a voice for none"),
        ({"probabilities": 0.4}, "do not sum to 1"),
    ],
)
def test_a_model_that_computes_nonsense_does_not_pass(monkeypatch, answers, words):
    right = EmotionModel.run

    def wrong(self, *arguments):
        heard = right(self, *arguments)
        changes = {k: getattr(heard, k) * factor for k, factor in answers.items()}
        return heard._replace(**changes)

    monkeypatch.setattr(EmotionModel, "run", wrong)
    model, findings = check_model()
    assert model is None
    assert words in findings[0].found


def test_a_stream_that_ends_elsewhere_does_not_pass(monkeypatch):
    right = EmotionStream.push
    monkeypatch.setattr(EmotionStream, "push", lambda self, samples: right(self, samples[::-1]))
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
    ("devices", "severity", "words"),
    [
        ([SPEAKER, USB], Severity.ok, "1: USB PnP, 44100 Hz, 1 channels, the default"),
        ([SPEAKER], Severity.note, "none found"),
        ([], Severity.note, "none found"),
        (_PortAudioError("Error querying device -1"), Severity.warning, "Error querying device -1"),
    ],
)
def test_microphones(monkeypatch, devices, severity, words):
    monkeypatch.setitem(sys.modules, "sounddevice", sounddevice(devices))
    monkeypatch.setattr(machine, "installed", lambda name: "0.5.0")
    (finding,) = check_microphone()
    assert finding.severity is severity
    assert words in finding.found


def test_without_sounddevice_the_command_is_told(monkeypatch):
    monkeypatch.setattr(machine, "installed", lambda name: None)
    (finding,) = check_microphone()
    assert finding.severity is Severity.ok
    assert "pip install 'sounddevice>=0.4.6'" in finding.found
