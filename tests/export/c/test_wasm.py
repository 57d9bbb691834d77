"""The C library as a WebAssembly module, under Node.js."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support.c_models import speech, write_model

from edge_runtime import ConfigError, EmotionModel, MfccConfig
from edge_runtime.features.silence import SilenceConfig
from export.c.library import Library
from export.c.native import compile_wasm
from train.network_config import NetworkConfig

SCRIPT = """
import fs from 'node:fs';
const [file, pcm] = process.argv.slice(2);
const { instance } = await WebAssembly.instantiate(fs.readFileSync(file), {});
const { memory, __heap_base: base, ...library } = instance.exports;
const state = (base.value + 7) & ~7;
const buffer = state + library.edge_ser_state_bytes();
const samples = new Float32Array(new Uint8Array(fs.readFileSync(pcm)).buffer);
const answer = buffer + 4 * samples.length;
memory.grow(Math.ceil((answer + 64) / 65536));
new Float32Array(memory.buffer, buffer, samples.length).set(samples);
library.edge_ser_init(state);
for (let k = 0; k < samples.length; k += 1000) {
  const n = Math.min(1000, samples.length - k);
  if (library.edge_ser_push_f32(state, buffer + 4 * k, n)) process.exit(2);
}
const status = library.edge_ser_result(state, answer);
const probabilities = [...new Float32Array(memory.buffer, answer + 12, 4)];
const rate = library.edge_ser_sample_rate();
console.log(JSON.stringify({ status, probabilities, rate, names: Object.keys(library) }));
"""


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("node"), reason="requires node")
def test_module_gives_the_probabilities_of_python(tmp_path):
    config = NetworkConfig(hidden_size=16, frame_stack=2)
    path = write_model(
        tmp_path / "m.onnx", config, MfccConfig(n_fft=512), SilenceConfig(), gate_units=8
    )
    Library(path, 30.0).write(tmp_path / "src", "edge_ser")
    try:
        module = compile_wasm(tmp_path / "src", tmp_path / "engine.wasm")
    except ConfigError as error:
        pytest.skip(f"requires clang and wasi-libc: {str(error)[:200]}")
    samples = speech()[0]
    (tmp_path / "samples").write_bytes(samples.tobytes())
    (tmp_path / "run.mjs").write_text(SCRIPT)
    command = ["node", tmp_path / "run.mjs", module, tmp_path / "samples"]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    expected = EmotionModel.load(path).classify(samples)
    probabilities = list(expected.probabilities.values())
    np.testing.assert_allclose(answer["probabilities"], probabilities, atol=1e-4)
    assert answer["status"] == 0 and answer["rate"] == 16_000
    assert all(name.startswith("edge_ser_") for name in answer["names"])
    assert Path(module).stat().st_size < 60_000
