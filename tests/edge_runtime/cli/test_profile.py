"""`edge-ser profile` with labelled recordings, and the description of profiles."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.fake_sounddevice import DEVICES, FakePortAudioError, FakeStream
from support.tiny_model import write_statistics_model, write_tiny_model

from edge_runtime import ConfigError, SpeakerProfile
from edge_runtime.cli import app as cli
from edge_runtime.cli.profile_clips import labelled_recordings
from edge_runtime.diagnostics.profile_report import profile_json, profile_text, profile_warnings
from edge_runtime.inference.profile_schema import Labelled

LABELS = ("low", "high")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return str(write_statistics_model(tmp_path_factory.mktemp("model") / "tiny.onnx"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, voice_clips) -> Path:
    """Class folders with two clips of each label, and one clip without a label."""
    root = tmp_path_factory.mktemp("anna")
    names = ["low/1.wav", "low/deep/2.wav", "High/1.wav", "High/2.wav", "other.wav"]
    for k, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.roll(voice_clips[k % len(voice_clips)], 99 * k), 16_000)
    (root / "low" / "notes.txt").write_text("no audio")
    return root


@pytest.fixture
def run(monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("EDGE_SER_PROFILES", str(tmp_path / "profiles"))

    def call(*arguments: object) -> tuple[int | str | None, str, str]:
        monkeypatch.setattr(sys, "argv", ["edge-ser", "profile", *map(str, arguments)])
        try:
            cli.main()
            status: int | str | None = 0
        except SystemExit as left:
            status = left.code or 0
        return (status, *capfd.readouterr())

    return call


def manifest_of(folder: Path, path: Path) -> Path:
    rows = ["path,label,speaker"]
    for name, label in {"low/1.wav": "low", "High/1.wav": "HIGH", "other.wav": ""}.items():
        rows.append(f"{folder / name},{label},anna")
    path.write_text("\n".join(rows) + "\n")
    return path


def test_class_folders_give_labels(folder):
    recordings = [(Path(r.path).name, r.label) for r in labelled_recordings([folder], LABELS)]
    assert sorted(recordings, key=str) == sorted(
        [("1.wav", "low"), ("2.wav", "low"), ("1.wav", "high"), ("2.wav", "high")]
        + [("other.wav", None)],
        key=str,
    )


def test_manifest_gives_labels(folder, tmp_path):
    manifest = manifest_of(folder, tmp_path / "anna.csv")
    assert [r.label for r in labelled_recordings([manifest], LABELS)] == ["low", "high", None]


def test_nouns_are_labels_too(tmp_path, voice_clips):
    (tmp_path / "Anger").mkdir()
    soundfile.write(tmp_path / "Anger" / "1.wav", voice_clips[0], 16_000)
    (recording,) = labelled_recordings([tmp_path], ("angry", "sad"))
    assert recording.label == "angry"


def test_copies_count_once_and_must_have_one_label(folder, tmp_path):
    copy = tmp_path / "anna"
    shutil.copytree(folder, copy)
    shutil.copy(copy / "low" / "1.wav", copy / "low" / "copy.wav")
    assert len(list(labelled_recordings([copy, folder], LABELS))) == 5
    shutil.copy(copy / "low" / "1.wav", copy / "High" / "copy.wav")
    with pytest.raises(ConfigError, match="has the content of .*, but another label"):
        list(labelled_recordings([copy], LABELS))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path;label\n", "expected the header path,label"),
        ("path,label\n", "contains no recording, only a header"),
        ("path,label\n,low\n", "line 2: path='' is not a file"),
        ("path,label\na.wav,calm\n", "line 2: 'calm' is not a label of the model; expected low, h"),
        ('path,label\n"a.wav,low\n', "cannot be read as a manifest"),
    ],
)
def test_invalid_manifests_are_errors(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ConfigError, match=message):
        list(labelled_recordings([tmp_path / "a.csv"], LABELS))


def test_labelled_profile_is_created_shown_and_listed(run, model, folder, tmp_path):
    status, out, errors = run("create", "anna", folder, "--labelled", "--model", model)
    assert status == 0, errors
    assert "s of speech, clip statistics, 4 labelled clips" in out
    assert "only" in errors and "is recommended" in errors
    status, out, _ = run("show", "anna")
    assert status == 0
    rows = dict(line.split(None, 1) for line in out.splitlines() if not line.startswith("!"))
    assert rows["name"] == "anna" and rows["labelled"] == "low 2, high 2"
    assert rows["expected"].startswith("UAR ") and rows["kind"].startswith("clip statistics")
    status, out, _ = run("show", "anna", "--json")
    values = json.loads(out)
    assert values["labelled"]["clips"] == {"low": 2, "high": 2} and values["kind"] == "statistics"
    assert values["warnings"] and values["file"].endswith("anna.json")
    assert "clip statistics, 4 labelled clips" in run("list")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{folder}/other.wav", "--labelled"], "--labelled requires a folder with a subfolder"),
        (["{folder}/low", "--labelled"], "'deep' is not a label of the model; expected low, high"),
        (["{folder}/High", "--labelled"], "--labelled: no recording has a label"),
        (["--labelled"], "no recordings given"),
        (["{folder}", "--labelled", "--model", "{without}"], "labels require a model with clip"),
    ],
)
def test_unsuitable_labelled_recordings_are_errors(
    run, model, folder, tmp_path, arguments, message
):
    without = write_tiny_model(tmp_path / "without_statistics.onnx")
    arguments = [text.format(folder=folder, without=without) for text in arguments]
    status, _, errors = run("create", "anna", "--model", model, *arguments)
    assert status == 2 and message in " ".join(errors.split())


def test_missing_profile_cannot_be_shown(run):
    status, _, errors = run("show", "bob")
    assert status == 2 and "no such profile" in errors


@pytest.fixture
def microphone(monkeypatch, voice_clips):
    fake = types.ModuleType("sounddevice")
    fake.query_devices = lambda: DEVICES
    fake.default = types.SimpleNamespace(device=[3, 0])  # 16 kHz
    fake.PortAudioError = FakePortAudioError
    fake.InputStream = FakeStream
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    monkeypatch.setattr(FakeStream, "opened", [])
    two = np.repeat(np.concatenate(voice_clips)[: 5 * 16_000, None], 2, axis=1)
    script = [(two[k : k + 800], False) for k in range(0, len(two), 800)]
    monkeypatch.setattr(FakeStream, "script", script)
    return FakeStream


def test_microphone_requests_every_emotion_in_turn(run, model, microphone, tmp_path):
    status, out, errors = run("create", "anna", "--microphone", "3", "--labelled", "--model", model)
    assert status == 0, errors
    assert "6 labelled clips" in out
    assert "6 recordings of 3 s, 3 of each emotion" in errors and "not stored" in errors
    assert "1 of 6: low, sentence 1 of 3; speak now" in errors
    assert "6 of 6: high, sentence 3 of 3; speak now" in errors
    assert len(microphone.opened) == 6 and all(stream.closed for stream in microphone.opened)
    assert [path.name for path in (tmp_path / "profiles").iterdir()] == ["anna.json"]


def test_microphone_waits_for_enter_on_a_terminal(run, model, microphone, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stdin = Terminal("\n" * 6)
    monkeypatch.setattr(sys, "stdin", stdin)
    status, _, errors = run("create", "anna", "--microphone", "3", "--labelled", "--model", model)
    assert status == 0 and "press Enter and speak" in errors
    assert not stdin.read()


def profile_with(**changes: object) -> SpeakerProfile:
    values = {
        "name": "anna",
        "mean": (0.5,) * 5,
        "seconds": 60.0,
        "labels": LABELS,
        "model": "0",
        "kind": "statistics",
        "answers": {"low": 8, "high": 4},
        "labelled": None,
    }
    return SpeakerProfile(**{**values, **changes})


CORRECTION = ((0.0, 0.0),) * 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, None),
        ({"seconds": 15.0}, "only 15 s of speech; about 60 s is recommended"),
        ({"answers": {"low": 5, "high": 0}}, "all of the speech is answered with 'low'"),
        ({"answers": {"low": 3, "high": 0}}, None),
        ({"labelled": Labelled({"low": 3, "high": 3}, 0.5, 0.9, CORRECTION)}, None),
        ({"labelled": Labelled({"low": 1, "high": 1}, 0.5, None, CORRECTION)}, None),
        ({"labelled": Labelled({"low": 9}, 0.5, None, None)}, "they are all of one emotion"),
        ({"labelled": Labelled({"low": 3, "high": 3}, 0.5, 0.4, None)}, "shuffled labels"),
        (
            {"labelled": Labelled({"low": 3, "high": 3}, 0.7, 0.6, CORRECTION)},
            "expected to bring nothing: left out in turn, .* UAR of 60 %, without them 70 %",
        ),
        (
            {
                "labels": (*LABELS, "sad"),
                "labelled": Labelled({"low": 3, "high": 3}, 0.5, 0.9, CORRECTION),
            },
            "no labelled clips of sad; three of each are recommended",
        ),
    ],
)
def test_warnings(changes, message):
    profile = profile_with(**changes)
    warnings = profile_warnings(profile)
    assert profile_json(profile, Path("a.json"))["warnings"] == warnings
    assert profile_text(profile, Path("a.json"))
    if message is None:
        assert not warnings
    else:
        (warning,) = warnings
        assert re.search(message, warning)
