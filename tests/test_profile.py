"""Speaker profiles: made from clips, kept in a file, used by classify and by streams."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from conftest import ROOT
from tiny_model import card_with, write_tiny_model

from edge_runtime import AudioError, ConfigError, EmotionModel, MfccConfig, SpeakerProfile
from edge_runtime.profile import profile_path


@pytest.fixture(scope="module")
def model():
    return EmotionModel.load()


def test_a_profile_undoes_a_fixed_filter(model, voice_clips):
    """The same voice through a filter that changes level and colour, each with its own profile,
    gets the same answer."""
    filtered = [
        np.convolve(0.2 * clip, [1.0, -0.7], mode="same").astype(np.float32)
        for clip in voice_clips
    ]
    plain = SpeakerProfile.create("plain", model, voice_clips)
    other = SpeakerProfile.create("other", model, filtered)
    with_profile, without = [], []
    for clip, changed in zip(voice_clips, filtered):
        a, b = (
            model.classify(samples, profile=profile).probabilities
            for samples, profile in ((clip, plain), (changed, other))
        )
        c, d = (model.classify(samples).probabilities for samples in (clip, changed))
        with_profile.append(max(abs(a[name] - b[name]) for name in a))
        without.append(max(abs(c[name] - d[name]) for name in c))
    assert np.mean(with_profile) < 0.5 * np.mean(without)


def test_the_mean_is_over_all_frames_of_all_clips(model, voice_clips):
    profile = SpeakerProfile.create("anna", model, voice_clips)
    frames = np.concatenate([model.frames(clip) for clip in voice_clips])
    np.testing.assert_allclose(profile.mean, frames.mean(axis=0), atol=1e-3)
    assert profile.seconds == pytest.approx(len(frames) * 0.02)
    np.testing.assert_allclose(
        profile.shift(model), np.subtract(model.card.feature_mean, profile.mean), rtol=1e-5
    )


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
    assert (loaded.name, loaded.mfcc) == (profile.name, profile.mfcc)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot|can be read"), ("[]", "schema 1"), ('{"schema": 2}', "schema 1"),
        ('{"schema": 1}', "mfcc"), ("{" * 100_000, "can be read"),
        (json.dumps({"schema": 1, "name": "x", "seconds": 1, "mean": [1, 2],
                     "mfcc": MfccConfig().to_dict()}), "mean holds 2 numbers"),
        (json.dumps({"schema": 1, "name": "x", "seconds": 1, "mean": ["a"] * 13,
                     "mfcc": MfccConfig().to_dict()}), "could not convert"),
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
    for name in ("", "../../etc/x", "a/b", ".hidden", "x" * 65):
        with pytest.raises(ConfigError, match="profile name"):
            profile_path(name)
    monkeypatch.setenv("EDGE_SER_PROFILES", str(tmp_path))
    with pytest.raises(ConfigError, match="no such profile; make it with"):
        SpeakerProfile.load(profile_path("nobody"))
    tiny = EmotionModel.load(
        write_tiny_model(tmp_path / "tiny.onnx", card_with(mfcc=MfccConfig(hop_length=100)))
    )
    with pytest.raises(ConfigError, match="another front end"):
        tiny.classify(voice_clips[0], profile=SpeakerProfile.create("anna", model, voice_clips))


def test_the_commands(voice_clips, tmp_path):
    for k, clip in enumerate(voice_clips):
        soundfile.write(tmp_path / f"{k}.wav", clip, 16_000)
    clips = sorted(map(str, tmp_path.glob("*.wav")))

    def edge_ser(*arguments: str) -> subprocess.CompletedProcess[str]:
        import os

        return subprocess.run(
            [sys.executable, "-m", "edge_runtime", *arguments], capture_output=True, text=True,
            cwd=ROOT, timeout=120, env={**os.environ, "EDGE_SER_PROFILES": str(tmp_path / "p")},
        )

    made = edge_ser("profile", "create", "anna", str(tmp_path / "*.wav"))
    assert made.returncode == 0 and "of speech" in made.stdout
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
