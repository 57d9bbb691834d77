"""Speaker profiles: made from clips, kept in a file, used by classify and by streams."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from scipy.special import softmax
from support.paths import ROOT
from support.tiny_model import card_with, write_tiny_model

from edge_runtime import AudioError, ConfigError, EdgeSerError, EmotionModel, SpeakerProfile
from edge_runtime.cli.profile import delete, list_profiles
from edge_runtime.inference.network import network_of
from edge_runtime.inference.profile import mean_logits, profile_path


@pytest.fixture(scope="module")
def model():
    return EmotionModel.load()


def logits_of(model, clip):
    return network_of(model).run(network_of(model).speech_frames(clip)).logits


def test_the_mean_is_that_of_what_the_model_says_of_each_clip(model, voice_clips):
    profile = SpeakerProfile.create("anna", model, voice_clips)
    seconds = [len(network_of(model).speech_frames(clip)) * 0.02 for clip in voice_clips]
    assert max(seconds) < 4.5  # a clip is one piece
    expected = np.average([logits_of(model, c) for c in voice_clips], axis=0, weights=seconds)
    np.testing.assert_allclose(profile.mean, expected, atol=1e-5)
    assert profile.seconds == pytest.approx(sum(seconds))
    trust = profile.seconds / (profile.seconds + 20)
    np.testing.assert_allclose(
        profile.bias_for(network_of(model)).bias, trust * expected, rtol=1e-4
    )


def test_a_part_of_the_mean_is_taken_off_the_logits(model, voice_clips):
    profile = SpeakerProfile.create("anna", model, voice_clips)
    voice = profile.bias_for(network_of(model))
    gain = 1 + (model.card.profile_gain - 1) * profile.seconds / (profile.seconds + 20)
    shares = softmax(
        (logits_of(model, voice_clips[0]) - voice.bias) * gain / model.card.temperature
    )
    found = model.classify(voice_clips[0], profile=profile)
    assert list(found.probabilities.values()) == pytest.approx(shares.tolist(), abs=1e-6)
    assert found.confidence == max(found.probabilities.values())


def test_a_voice_that_always_sounds_the_same_is_heard_by_its_differences(model, voice_clips):
    """Half an hour of one clip: how it sounds on the whole is what is usual for that voice."""
    profile = SpeakerProfile.create("anna", model, [voice_clips[0]] * 2000)
    assert profile.seconds > 2000
    shares = list(model.classify(voice_clips[0], profile=profile).probabilities.values())
    np.testing.assert_allclose(shares, 1 / len(shares), atol=0.03)


def test_a_long_recording_counts_as_its_pieces(model, voice_clips):
    """Not as one clip of many moods, in which the loudest of them would drown the others."""
    frames = np.concatenate([network_of(model).speech_frames(clip) for clip in voice_clips])
    long = np.concatenate([frames, frames])[:450]  # 9 s
    pieces = [network_of(model).run(long[start : start + 150]) for start in (0, 150, 300)]
    spoken = [piece.logits for piece in pieces if piece.speech >= model.card.speech_above]
    found, seconds = mean_logits(model, [long])
    assert spoken and seconds == pytest.approx(3.0 * len(spoken))
    np.testing.assert_allclose(found, np.mean(spoken, axis=0), atol=1e-5)


def test_noise_is_no_voice(model, voice_clips):
    rng = np.random.default_rng(0)
    noise = [0.1 * rng.standard_normal(48_000).astype(np.float32) for _ in range(3)]
    with pytest.raises(AudioError, match="nothing but silence or noise"):
        SpeakerProfile.create("anna", model, noise)
    profile = SpeakerProfile.create("anna", model, voice_clips)
    assert SpeakerProfile.create("anna", model, [*noise, *voice_clips]) == profile


def test_a_stream_uses_it_as_classify_does(model, voice_clips):
    profile = SpeakerProfile.create("anna", model, voice_clips)
    stream = model.stream(profile=profile)
    for start in range(0, len(voice_clips[0]), 1000):
        stream.push(voice_clips[0][start : start + 1000])
    expected = model.classify(voice_clips[0], profile=profile).probabilities
    assert list(stream.flush()[-1].prediction.probabilities.values()) == pytest.approx(
        list(expected.values()), abs=1e-5
    )


def test_it_is_kept_in_a_file(model, voice_clips, tmp_path):
    profile = SpeakerProfile.create("anna", model, voice_clips)
    profile.save(tmp_path / "deep" / "anna.json")
    loaded = SpeakerProfile.load(tmp_path / "deep" / "anna.json")
    np.testing.assert_allclose(loaded.mean, profile.mean, atol=1e-5)
    assert dataclasses.replace(loaded, mean=(), seconds=0) == dataclasses.replace(
        profile, mean=(), seconds=0
    )
    np.testing.assert_allclose(
        loaded.bias_for(network_of(model)).bias, profile.bias_for(network_of(model)).bias, atol=1e-3
    )


def text_with(**changes) -> str:
    values = {"schema": 2, "name": "x", "seconds": 1, "mean": {"a": 1, "b": 2}, "model": "0"}
    return json.dumps({**values, **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot|can be read"),
        ("[]", "schema 2"),
        ('{"schema": 1}', "schema 2; create it again if an earlier version made it"),
        ('{"schema": 2}', "mean"),
        ("{" * 100_000, "can be read"),
        (text_with(mean=[1, 2]), "mean is \\[1, 2\\]; wanted a number for each label"),
        (text_with(mean={"a": 1.0}), "wanted a number for each label"),
        (text_with(mean={"a": "x", "b": 1}), "could not convert"),
        (text_with(mean={"a": 1e9, "b": 1}), "wanted 1e\\+06 at most"),
        (text_with(model=7), "model is 7"),
        (text_with(seconds=-1), "seconds is -1"),
        (text_with(name="a/b"), "name is 'a/b'"),
    ],
    ids=str,
)
def test_a_bad_file_is_one_error(tmp_path, text, message):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as error:
        SpeakerProfile.load(path)
    assert str(path) in str(error.value)


def test_what_cannot_be_a_profile_is_refused(model, voice_clips, tmp_path, monkeypatch):
    with pytest.raises(AudioError, match="nothing but silence"):
        SpeakerProfile.create("anna", model, [])
    for name in ("", "../../etc/x", "a/b", ".hidden", "x" * 65, "\u0301a", "a\n"):
        with pytest.raises(ConfigError, match="profile name"):
            profile_path(name)
    monkeypatch.setenv("EDGE_SER_PROFILES", str(tmp_path))
    with pytest.raises(ConfigError, match="no such profile; make it with"):
        SpeakerProfile.load(profile_path("nobody"))
    tiny = EmotionModel.load(write_tiny_model(tmp_path / "tiny.onnx", card_with()))
    with pytest.raises(ConfigError, match="was made with another model than tiny.onnx; create it"):
        tiny.classify(voice_clips[0], profile=SpeakerProfile.create("anna", model, voice_clips))


def test_names_of_all_scripts_and_unicode_forms(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGE_SER_PROFILES", str(tmp_path))
    assert profile_path("अनिता").name == "अनिता.json"
    assert profile_path("ju\u0308rgen") == profile_path("jürgen")


def test_what_is_too_quiet_does_not_count(model, voice_clips):
    once = SpeakerProfile.create("x", model, voice_clips)
    quiet = [10 ** (-80 / 20) * clip for clip in voice_clips]
    assert SpeakerProfile.create("x", model, [*voice_clips, *quiet]) == once
    with pytest.raises(AudioError, match="nothing but silence or noise"):
        SpeakerProfile.create("x", model, quiet)


def test_the_commands(voice_clips, tmp_path):
    for k, clip in enumerate(voice_clips):
        soundfile.write(tmp_path / f"{k}.wav", clip, 16_000)
    clips = sorted(map(str, tmp_path.glob("*.wav")))

    def edge_ser(*arguments: str) -> subprocess.CompletedProcess[str]:
        import os

        return subprocess.run(
            [sys.executable, "-m", "edge_runtime", *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
            env={**os.environ, "EDGE_SER_PROFILES": str(tmp_path / "p")},
        )

    made = edge_ser("profile", "create", "anna", str(tmp_path / "*.wav"))
    assert made.returncode == 0 and "of speech" in made.stdout
    # The same recordings once more, and under another name, are not more of them.
    shutil.copy(clips[0], tmp_path / "copy.wav")
    more = edge_ser("profile", "create", "anna", "--force", *clips, str(tmp_path), clips[0])
    assert more.returncode == 0 and more.stdout == made.stdout
    again = edge_ser("profile", "create", "anna", *clips)
    assert again.returncode == 2 and "give --force" in again.stderr
    assert "anna: " in edge_ser("profile", "list").stdout
    plain, adapted = (
        edge_ser("classify", "--format", "jsonl", *more, clips[0])
        for more in ([], ["--profile", "anna"])
    )
    assert plain.returncode == adapted.returncode == 0
    assert plain.stdout != adapted.stdout
    unknown = edge_ser("classify", "--profile", "bob", clips[0])
    assert unknown.returncode == 2 and "no such profile" in unknown.stderr
    assert edge_ser("profile", "delete", "anna").returncode == 0
    assert edge_ser("profile", "delete", "anna").returncode == 2


def test_what_is_no_profile_is_not_deleted(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_SER_PROFILES", str(tmp_path / "profiles"))
    (tmp_path / "profiles").mkdir()
    mine = tmp_path / "data.json"
    mine.write_text('{"my": "research"}')
    damaged = tmp_path / "profiles" / "anna.json"
    damaged.write_text("half")
    with pytest.raises(ConfigError, match="data.json: is not a profile"):
        delete(str(mine))
    with pytest.raises(ConfigError, match="no such profile"):
        delete(str(tmp_path / "other.json"))
    assert mine.exists()
    delete("anna")  # one of ours, whatever has become of it
    assert not damaged.exists()


def test_a_folder_that_is_none_is_named(model, voice_clips, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_SER_PROFILES", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file: is no folder"):
        list_profiles()
    with pytest.raises(EdgeSerError, match="file: the folder cannot be made"):
        SpeakerProfile.create("anna", model, voice_clips[:2]).save(profile_path("anna"))
    with pytest.raises(ConfigError, match=r"profile create anna\.json CLIP"):
        SpeakerProfile.load("./anna.json")
