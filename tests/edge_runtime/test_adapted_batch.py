"""Recordings of several speakers, each relative to the mean of the speaker's other recordings."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.command import edge_ser
from support.tiny_model import write_statistics_model

from edge_runtime import ConfigError, EmotionModel, SpeakerProfile, classify_many
from edge_runtime.batch import BatchResult, speaker_units
from edge_runtime.errors import AudioError
from edge_runtime.inference.adaptation import SpeechSum
from edge_runtime.inference.network import network_of


@pytest.fixture(scope="module")
def model_file(tmp_path_factory) -> Path:
    return write_statistics_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, voice_clips) -> Path:
    root = tmp_path_factory.mktemp("calls")
    for k, clip in enumerate(voice_clips):
        for call, gain in (("a", 1.0), ("b", 0.5)):
            (root / call).mkdir(exist_ok=True)
            soundfile.write(root / call / f"{k}.wav", gain * clip[: len(clip) - 500 * k], 16_000)
    shutil.copy(root / "a" / "0.wav", root / "single.wav")
    return root


def assert_equal(results, expected) -> None:
    assert [r.file for r in results] == [r.file for r in expected]
    for a, b in zip(results, expected):
        assert a.result.probabilities == pytest.approx(b.result.probabilities, abs=1e-5)


@pytest.mark.parametrize("kind", ["statistics", "bundled"])
def test_answers_are_relative_to_the_other_recordings(model_file, folder, kind):
    model = EmotionModel.load(model_file if kind == "statistics" else None)
    network = network_of(model)
    files = sorted((folder / "a").glob("*.wav"))
    results = {r.file: r.result for r in classify_many(model, [folder / "a"], adapt=True)}
    assert list(results) == [str(file) for file in files]
    for file in files:
        others = [network.read_samples(other) for other in files if other != file]
        total = SpeechSum.of_clip(network, others[0])
        for samples in others[1:]:
            total += SpeechSum.of_clip(network, samples)
        voice = total.voice(network.card)
        samples = network.read_samples(file)
        expected = network.decide(network.run_clip(samples, voice), 0.0, 0.0, voice)
        assert results[str(file)].probabilities == pytest.approx(expected.probabilities, abs=1e-5)


def test_folders_are_speakers_of_their_own(model_file, folder):
    model = EmotionModel.load(model_file)
    together = list(classify_many(model, [folder], adapt=True))
    for call in ("a", "b"):
        alone = list(classify_many(model, folder / call, adapt=True))
        assert_equal(alone, [r for r in together if Path(r.file).parent.name == call])
    (single,) = (r for r in together if r.file == str(folder / "single.wav"))
    expected = model.classify(single.file)  # no other recording of the speaker
    assert_equal([single], [BatchResult(single.file, expected)])


@pytest.mark.slow
def test_processes_give_the_same_answers(model_file, folder):
    model = EmotionModel.load(model_file)
    one, two = (list(classify_many(model, [folder], adapt=True, jobs=n)) for n in (1, 2))
    assert_equal(one, two)


def test_units_of_files_folders_and_patterns(folder):
    a, b = folder / "a", folder / "b"
    names, unit_of = speaker_units([a / "0.wav", b / "1.wav", a, f"{b}/[23].wav", folder / "x.wav"])
    assert names[:2] == [str(a / "0.wav"), str(b / "1.wav")]
    assert [unit_of[str(name)] for name in names[:2]] == ["", ""]
    assert unit_of[str(a / "1.wav")] == str(a) and unit_of[str(b / "2.wav")] == str(b)
    assert unit_of[str(folder / "x.wav")] == ""
    (error,), units = speaker_units([str(folder / "*.mp3")])
    assert isinstance(error, AudioError) and not units


def test_unreadable_files_do_not_count_and_are_reported(model_file, folder, tmp_path):
    copy = tmp_path / "a"
    shutil.copytree(folder / "a", copy)
    (copy / "broken.wav").write_bytes(b"no audio")
    results = list(classify_many(EmotionModel.load(model_file), [copy], adapt=True))
    errors = [r for r in results if isinstance(r.result, AudioError)]
    assert [Path(r.file).name for r in errors] == ["broken.wav"]
    intact = list(classify_many(EmotionModel.load(model_file), [folder / "a"], adapt=True))
    results = [replace(r, file="") for r in results if r not in errors]
    assert_equal(results, [replace(r, file="") for r in intact])


def test_silence_has_no_voice():
    network = network_of(EmotionModel.load())
    speech = SpeechSum.of_clip(network, np.zeros(16_000, np.float32))
    assert speech.seconds == 0 and speech.voice(network.card) is None


def test_profile_and_adapt_cannot_be_combined(voice_clips):
    model = EmotionModel.load()
    profile = SpeakerProfile.create("anna", model, voice_clips)
    with pytest.raises(ConfigError, match="adapt and profile cannot be combined"):
        classify_many(model, ["a.wav"], profile=profile, adapt=True)


def test_command_adapts_each_folder(model_file, folder):
    done = edge_ser(
        "classify", "--adapt", "--format", "json", "--model", model_file, folder / "a", folder / "b"
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    model = EmotionModel.load(model_file)
    results = list(classify_many(model, [folder / "a", folder / "b"], adapt=True))
    assert [row["file"] for row in rows] == [result.file for result in results]
    for row, result in zip(rows, results):
        assert row["probabilities"] == pytest.approx(result.result.probabilities, abs=1e-6)
        assert row["arousal"] == pytest.approx(result.result.arousal, abs=1e-6)


def test_timeline_adapts_to_the_recordings_of_the_speaker(model_file, folder):
    model = EmotionModel.load(model_file)
    options = ("--timeline", "--adapt", "--format", "json", "--model", model_file)
    done = edge_ser("classify", *options, folder / "a")
    assert done.returncode == 0, done.stderr
    files = sorted((folder / "a").glob("*.wav"))
    profile = SpeakerProfile.create("a", model, files)
    for recording, file in zip(json.loads(done.stdout), files):
        expected = list(model.timeline(file, profile=profile))
        assert recording["file"] == str(file)
        for segment, other in zip(recording["segments"], expected):
            assert segment["label"] == other.label
            assert segment["probabilities"] == pytest.approx(other.probabilities, abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--profile", "anna", "a.wav"], "--adapt and --profile cannot be combined"),
        (["-"], "which stdin (-) does not support"),
    ],
)
def test_adapt_is_refused_where_it_does_not_apply(arguments, message):
    done = edge_ser("classify", "--adapt", *arguments)
    assert done.returncode == 2 and message in " ".join(done.stderr.split())
