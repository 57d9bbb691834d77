"""The engine of the page without a server under Node.js, for models of several kinds."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.paths import ROOT, VOICES
from support.wasm import missing_wasm

from edge_runtime import EmotionModel, MfccConfig, read_audio
from edge_runtime.features.silence import SilenceConfig
from edge_runtime.streaming.listener import Listener

pytest.importorskip("torch")
build_web = pytest.importorskip("scripts.build_web", reason="requires a checkout")
c_models = pytest.importorskip("support.c_models")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed"),
    pytest.mark.skipif(bool(missing_wasm()), reason=missing_wasm()),
]


def run_engine(model: str, folder: Path, clips: list[np.ndarray], chunk: int) -> list[Any]:
    """Build the page of a model, and return the results of `engine.mjs`."""
    build_web.build(model, folder / "page")
    (folder / "page" / "package.json").write_text('{"type": "module"}')
    cases = []
    for k, clip in enumerate(clips):
        (folder / f"{k}.f32").write_bytes(clip.astype("<f4").tobytes())
        cases.append({"file": str(folder / f"{k}.f32"), "chunk": chunk})
    done = subprocess.run(
        ["node", ROOT / "tests" / "web" / "engine.mjs", folder / "page"],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    results: list[Any] = json.loads(done.stdout)
    return results


def talk(rate: int) -> np.ndarray:
    """Return utterances with pauses of a second, the last of which is cut."""
    pause = np.random.default_rng(1).normal(0, 1e-4, rate)
    clips = [read_audio(VOICES / label / "speaker01-1.wav", rate) for label in ("sad", "angry")]
    return np.concatenate([pause, clips[0], pause, clips[1], pause, clips[0][: rate // 2]])


def check_answers(model: EmotionModel, clips: list[np.ndarray], results: list[Any]) -> None:
    """Compare the answers for whole clips with those of Python."""
    for clip, result in zip(clips, results, strict=True):
        expected = model.classify(clip, threshold=0.0, speech_threshold=0.0)
        answer = result["answer"]
        assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=1e-4)
        assert answer["arousal"] == pytest.approx(expected.arousal, abs=1e-4)
        output = model._network.run_clip(np.asarray(clip, np.float32))
        assert result["speech"] == pytest.approx(output.speech, abs=1e-4)


def ends_of(events: list[Any]) -> list[Any]:
    """Return the last event of each utterance."""
    return [event for event in events if event["event"] == "end"]


@pytest.mark.parametrize(("name", "chunk"), [("edge_ser", 1600), ("edge_ser_open", 100_000)])
def test_the_bundled_models_answer_as_in_python(name, chunk, tmp_path, speech):
    model = EmotionModel.load(name)
    rng = np.random.default_rng(3)
    clips = [talk(16_000), speech[0], rng.normal(0, 0.1, 9000), speech[-1][:700]]
    results = run_engine(name, tmp_path, clips, chunk)
    check_answers(model, clips, results)
    listener = Listener(model)
    expected = [e for e in listener.push(clips[0]) + listener.flush() if e.kind == "end"]
    events = ends_of(results[0]["events"])
    assert len(events) == len(expected) >= 2
    for event, end in zip(events, expected):
        assert (event["start"], event["end"]) == (round(end.start, 3), round(end.end, 3))
        assert (event["label"] or event["status"]) == end.prediction.label
    kinds = [event["event"] for event in results[0]["events"]]
    assert kinds.count("start") == kinds.count("end") and "update" in kinds


def test_a_model_without_speech_gate_answers_as_in_python(tmp_path):
    """At another rate, with other labels; utterances follow from the level."""
    from train.network_config import NetworkConfig

    path = c_models.write_model(
        tmp_path / "model.onnx",
        NetworkConfig(hidden_size=16, frame_stack=2, n_classes=3),
        MfccConfig(sample_rate=8000, n_fft=512, hop_length=160),
        SilenceConfig(),
        labels=("calm", "tense", "other"),
    )
    model = EmotionModel.load(path)
    clips = [talk(8000)]
    (result,) = run_engine(str(path), tmp_path, clips, 999)
    check_answers(model, clips, [result])
    first, second = ends_of(result["events"])  # the last one is too short
    assert first["start"] == pytest.approx(1.0, abs=0.3)
    assert second["start"] - first["end"] == pytest.approx(1.0, abs=0.3)


def test_a_folder_with_other_files_is_kept(tmp_path):
    (tmp_path / "letter.txt").write_text("Dear reader")
    with pytest.raises(build_web.EdgeSerError, match="is not a page"):
        build_web.build(None, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
