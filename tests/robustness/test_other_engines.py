"""The bundled waveform graph in Node.js: native onnxruntime and WebAssembly."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
import soundfile
from support.paths import ROOT

from edge_runtime import EmotionModel
from edge_runtime.inference.network import network_of
from edge_runtime.model import BUNDLED_MODEL

EXAMPLE = ROOT / "examples" / "node"
WAVEFORM = BUNDLED_MODEL.with_name("edge_ser.waveform.onnx")

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
    pytest.mark.skipif(
        not (EXAMPLE / "node_modules").exists(),
        reason="packages are not installed; run `make node`",
    ),
]


@pytest.mark.parametrize("engine", ["node", "web"])
def test_probabilities_equal_those_of_python(engine, tmp_path, speech):
    files = []
    for k, clip in enumerate(speech[::5]):
        files.append(tmp_path / f"{k}.wav")
        soundfile.write(files[-1], clip, 16_000, subtype="PCM_16")
    done = subprocess.run(
        ["node", "classify.mjs", str(WAVEFORM), engine, *map(str, files)],
        cwd=EXAMPLE,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    network = network_of(EmotionModel.load())
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["file"] for answer in answers] == list(map(str, files))
    for file, answer in zip(files, answers):
        output = network.run_clip(network.read_samples(file))
        assert answer["probabilities"] == pytest.approx(output.probabilities.tolist(), abs=1e-4)
        assert answer["speech"] == pytest.approx(output.speech, abs=1e-4)
