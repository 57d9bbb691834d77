"""Speaker profiles: created from clips, stored in files, applied by clips and streams."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.special import softmax
from support.paths import ROOT
from support.tiny_model import LOGITS_CARD, card_with, write_tiny_model

from edge_runtime import AudioError, ConfigError, EdgeSerError, EmotionModel, SpeakerProfile
from edge_runtime.cli.options import complete_profile
from edge_runtime.cli.profile import delete, list_profiles
from edge_runtime.inference.network import network_of
from edge_runtime.inference.profile_files import profile_folder, profile_path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model without clip statistics."""
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    return EmotionModel.load(write_tiny_model(path, LOGITS_CARD))


@pytest.fixture(params=["without statistics", "bundled"])
def any_model(request, model):
    return EmotionModel.load() if request.param == "bundled" else model


@pytest.fixture(scope="module")
def network(model):
    return network_of(model)


def logits_of(network, clip):
    return network.run(network.speech_frames(clip)).logits


def test_mean_is_weighted_by_speech(network, voice_clips):
    profile = SpeakerProfile.create("anna", network, voice_clips)
    seconds = [len(network.speech_frames(clip)) * 0.02 for clip in voice_clips]
    assert max(seconds) < 4.5  # each clip is one piece
    logits = [logits_of(network, clip) for clip in voice_clips]
    expected = np.average(logits, axis=0, weights=seconds)
    np.testing.assert_allclose(profile.mean, expected, atol=1e-5)
    assert profile.seconds == pytest.approx(sum(seconds))
    weight = profile.seconds / (profile.seconds + 20)
    np.testing.assert_allclose(profile.voice_for(network).bias, weight * expected, rtol=1e-4)


def test_classify_subtracts_the_bias(model, network, voice_clips):
    profile = SpeakerProfile.create("anna", model, voice_clips)
    bias = profile.voice_for(model)
    gain = 1 + (model.card.profile_gain - 1) * profile.seconds / (profile.seconds + 20)
    logits = logits_of(network, voice_clips[0]) - bias.bias
    expected = softmax(logits * gain / model.card.temperature)
    prediction = model.classify(voice_clips[0], profile=profile)
    assert list(prediction.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-6)
    assert prediction.confidence == max(prediction.probabilities.values())


@pytest.mark.slow
def test_usual_voice_of_the_speaker_is_neutralised(model, voice_clips):
    """Half an hour of a single clip: no label stands out for that clip any more."""
    profile = SpeakerProfile.create("anna", model, [voice_clips[0]] * 2000)
    assert profile.seconds > 2000
    shares = list(model.classify(voice_clips[0], profile=profile).probabilities.values())
    np.testing.assert_allclose(shares, 1 / len(shares), atol=0.03)


def test_long_recording_is_split_into_pieces(network, voice_clips):
    """As a single clip of several moods, its loudest mood would mask the others."""
    long = np.tile(np.concatenate(voice_clips), 3)[: 9 * 16_000]
    profile = SpeakerProfile.create("anna", network, [long])
    pieces = np.array_split(long, 3)
    outputs = [network.run_clip(piece) for piece in pieces]
    seconds = [len(network.speech_frames(piece)) * 0.02 for piece in pieces]
    is_speech = [output.speech >= network.card.speech_above for output in outputs]
    assert any(is_speech)
    weights = np.array(seconds) * is_speech
    expected = np.average([output.logits for output in outputs], axis=0, weights=weights)
    np.testing.assert_allclose(profile.mean, expected, atol=1e-4)
    assert profile.seconds == pytest.approx(weights.sum())


def test_noise_is_excluded(any_model, voice_clips):
    rng = np.random.default_rng(0)
    noise = [0.1 * rng.standard_normal(48_000).astype(np.float32) for _ in range(3)]
    with pytest.raises(AudioError, match="contain only silence or noise"):
        SpeakerProfile.create("anna", any_model, noise)
    profile = SpeakerProfile.create("anna", any_model, voice_clips)
    assert SpeakerProfile.create("anna", any_model, [*noise, *voice_clips]) == profile


def test_quiet_clips_are_excluded(any_model, voice_clips):
    profile = SpeakerProfile.create("x", any_model, voice_clips)
    quiet = [10 ** (-80 / 20) * clip for clip in voice_clips]
    assert SpeakerProfile.create("x", any_model, [*voice_clips, *quiet]) == profile
    with pytest.raises(AudioError, match="contain only silence or noise"):
        SpeakerProfile.create("x", any_model, quiet)


def test_stream_applies_the_profile_like_classify(any_model, voice_clips):
    profile = SpeakerProfile.create("anna", any_model, voice_clips)
    stream = any_model.stream(profile=profile)
    for start in range(0, len(voice_clips[0]), 1000):
        stream.push(voice_clips[0][start : start + 1000])
    expected = any_model.classify(voice_clips[0], profile=profile).probabilities
    assert list(stream.flush()[-1].prediction.probabilities.values()) == pytest.approx(
        list(expected.values()), abs=1e-5
    )


def test_saved_profile_is_loaded(model, voice_clips, tmp_path):
    profile = SpeakerProfile.create("anna", model, voice_clips)
    path = tmp_path / "deep" / "anna.json"
    profile.save(path)
    content = json.loads(path.read_text())
    assert (content["schema"], content["kind"], content["labelled"]) == (3, "logits", None)
    assert sum(content["answers"].values()) == len(voice_clips)
    loaded = SpeakerProfile.load(path)
    np.testing.assert_allclose(loaded.mean, profile.mean, atol=1e-5)
    assert dataclasses.replace(loaded, mean=(), seconds=0) == dataclasses.replace(
        profile, mean=(), seconds=0
    )
    bias, expected = (item.voice_for(model).bias for item in (loaded, profile))
    np.testing.assert_allclose(bias, expected, atol=1e-3)


def text_with(**changes) -> str:
    values = {
        "schema": 3,
        "name": "x",
        "kind": "logits",
        "seconds": 1,
        "labels": ["a", "b"],
        "answers": {"a": 1, "b": 0},
        "mean": [1, 2],
        "labelled": None,
        "model": "0",
    }
    return json.dumps({**values, **changes})


def text_with_labelled(**changes) -> str:
    correction = [[0.5, -0.5], [0, 0], [1, -1]]
    values = {"clips": {"a": 2}, "uar": 0.5, "corrected_uar": 1, "correction": correction}
    return text_with(kind="statistics", labelled={**values, **changes})


def test_labelled_statistics_are_loaded(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(text_with_labelled())
    profile = SpeakerProfile.load(path)
    assert profile.kind == "statistics" and profile.mean == (1.0, 2.0)
    assert profile.labelled.clips == {"a": 2}
    assert profile.labelled.correction == ((0.5, -0.5), (0.0, 0.0), (1.0, -1.0))
    profile.save(tmp_path / "again.json")
    assert SpeakerProfile.load(tmp_path / "again.json") == profile


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a profile"),
        ("[]", "expected an object with schema 3"),
        ('{"schema": 2}', "schema 3; if another version wrote it, create the profile again"),
        ('{"schema": 3}', "missing key answers, kind"),
        ("{" * 100_000, "is not a profile"),
        (text_with(mean={"a": 1, "b": 2}), "must have a number for each label"),
        (text_with(mean=[1.0]), "mean=\\[1.0\\] must have a number for each label"),
        (text_with(mean=["x", 1]), "mean='x' must be"),
        (text_with(mean=[True, 1]), "mean=True must be"),
        (text_with(mean=[1e9, 1]), "mean=1000000000.0 must be .* to 1000000.0"),
        (text_with(kind="voice"), "kind='voice' must be 'logits' or 'statistics'"),
        (text_with(kind="statistics", mean=[]), "mean=\\[\\] must have 1 to 10000 numbers"),
        (text_with(kind="statistics", mean=[9]), "mean=9 must be .* to 5"),
        (text_with(labels=["a", "a"]), "must be a list of different labels"),
        (text_with(answers={"c": 1}), "answers=.* must have numbers of labels"),
        (text_with(answers={"a": -1}), "answers=-1 must be an integer"),
        (text_with(labelled={}), "labelled must be null in a profile of kind 'logits'"),
        (text_with(kind="statistics", labelled=[]), "labelled: expected an object"),
        (text_with_labelled(uar=2), "uar=2 must be"),
        (text_with_labelled(corrected_uar="1"), "corrected_uar='1' must be"),
        (text_with_labelled(clips={"a": 0.5}), "clips=0.5 must be an integer"),
        (text_with_labelled(correction=[[1, 2]]), "correction must be 3 lists of 2 numbers"),
        (text_with_labelled(correction=[[1, 2], [1, 2], [1]]), "must be 3 lists of 2 numbers"),
        (text_with_labelled(correction=[[1, 2], [1, 2], [1, None]]), "correction=None must be"),
        (text_with_labelled(correction=[[1, 2], [1, 2], [1, 1e9]]), "correction=1000000000.0 must"),
        (text_with(model=7), "model=7 must be text"),
        (text_with(seconds=-1), "seconds=-1 must be"),
        (text_with(name="a/b"), "name='a/b' must be"),
        (text_with(colour="red"), "unknown key colour"),
    ],
    ids=str,
)
def test_bad_file_is_one_error(tmp_path, text, message):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as error:
        SpeakerProfile.load(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("name", ["", "../../etc/x", "a/b", ".hidden", "x" * 65, "\u0301a", "a\n"])
def test_invalid_names_are_rejected(name):
    with pytest.raises(ConfigError, match="profile name"):
        profile_path(name)


def test_missing_clips_and_profiles_are_rejected(any_model, tmp_path, monkeypatch):
    with pytest.raises(AudioError, match="contain only silence"):
        SpeakerProfile.create("anna", any_model, [])
    monkeypatch.setenv("EDGE_SER_PROFILES", str(tmp_path))
    with pytest.raises(ConfigError, match="no such profile; create it with .* create bob CLIP"):
        SpeakerProfile.load(profile_path("bob"))
    with pytest.raises(ConfigError, match=r"profile create anna\.json CLIP"):
        SpeakerProfile.load("./anna.json")


def test_profile_of_another_model_is_rejected(any_model, voice_clips, tmp_path):
    tiny = EmotionModel.load(write_tiny_model(tmp_path / "tiny.onnx", card_with()))
    profile = SpeakerProfile.create("anna", any_model, voice_clips)
    with pytest.raises(ConfigError, match="with a model other than tiny.onnx; create it again"):
        tiny.classify(voice_clips[0], profile=profile)


def test_names_in_all_scripts_and_unicode_forms(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGE_SER_PROFILES", str(tmp_path))
    assert profile_path("अनिता").name == "अनिता.json"
    assert profile_path("ju\u0308rgen") == profile_path("jürgen")


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"EDGE_SER_PROFILES": "/a", "XDG_DATA_HOME": "/b"}, "/a"),
        ({"XDG_DATA_HOME": "/b"}, "/b/edge-ser/profiles"),
        pytest.param(
            {},
            "/home/anna/.local/share/edge-ser/profiles",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="folder of Linux"),
        ),
    ],
)
def test_folder_follows_the_environment(monkeypatch, variables, folder):
    for name in ("EDGE_SER_PROFILES", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/anna")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert profile_folder() == Path(folder)


@pytest.mark.slow
def test_command_creates_lists_applies_and_deletes(voice_clips, tmp_path):
    for k, clip in enumerate(voice_clips):
        soundfile.write(tmp_path / f"{k}.wav", clip, 16_000)
    clips = sorted(map(str, tmp_path.glob("*.wav")))

    def edge_ser(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "edge_runtime", *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
            env={**os.environ, "EDGE_SER_PROFILES": str(tmp_path / "p")},
        )

    created = edge_ser("profile", "create", "anna", str(tmp_path / "*.wav"))
    assert created.returncode == 0 and "of speech" in created.stdout
    # The same recordings again, and a copy of one, add no speech.
    shutil.copy(clips[0], tmp_path / "copy.wav")
    replaced = edge_ser("profile", "create", "anna", "--force", *clips, str(tmp_path), clips[0])
    assert replaced.returncode == 0 and replaced.stdout == created.stdout
    refused = edge_ser("profile", "create", "anna", *clips)
    assert refused.returncode == 2 and "--force" in refused.stderr
    assert "anna: " in edge_ser("profile", "list").stdout
    plain, corrected = (
        edge_ser("classify", "--format", "jsonl", *options, clips[0])
        for options in ([], ["--profile", "anna"])
    )
    assert plain.returncode == corrected.returncode == 0
    assert plain.stdout != corrected.stdout
    unknown = edge_ser("classify", "--profile", "bob", clips[0])
    assert unknown.returncode == 2 and "no such profile" in unknown.stderr
    assert edge_ser("profile", "delete", "anna").returncode == 0
    assert edge_ser("profile", "delete", "anna").returncode == 2


def test_delete_keeps_other_files(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_SER_PROFILES", str(tmp_path / "profiles"))
    (tmp_path / "profiles").mkdir()
    other = tmp_path / "data.json"
    other.write_text('{"my": "research"}')
    damaged = tmp_path / "profiles" / "anna.json"
    damaged.write_text("half")
    with pytest.raises(ConfigError, match="data.json: is not a profile"):
        delete(str(other))
    with pytest.raises(ConfigError, match="no such profile"):
        delete(str(tmp_path / "other.json"))
    assert other.exists()
    delete("anna")  # in the profile folder, a damaged file is deleted as well
    assert not damaged.exists()


def test_folder_that_is_a_file_is_reported(any_model, voice_clips, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_SER_PROFILES", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file: is (no|not a) folder"):
        list_profiles()
    with pytest.raises(EdgeSerError, match="file: the folder cannot be created"):
        SpeakerProfile.create("anna", any_model, voice_clips[:2]).save(profile_path("anna"))


@pytest.mark.parametrize("answer", [RuntimeError("no home"), Path("~/.local/share/edge-ser")])
def test_user_without_home_folder_is_an_error(monkeypatch, answer):
    """platformdirs raises an error, or returns a relative path, depending on its version."""

    def user_data_path(*_: object, **__: object) -> Path:
        if isinstance(answer, Exception):
            raise answer
        return answer

    for name in ("EDGE_SER_PROFILES", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("platformdirs.user_data_path", user_data_path)
    with pytest.raises(ConfigError, match="no home folder; set HOME, or EDGE_SER_PROFILES"):
        profile_path("anna")
    with pytest.raises(ConfigError, match="gone.json: no such profile"):
        SpeakerProfile.load("gone.json")
    assert complete_profile("a") == []
