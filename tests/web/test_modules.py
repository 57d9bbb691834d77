"""The modules of the page without a server, next to those of the runtime."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest
import soundfile
from support.paths import ROOT

from edge_runtime import EmotionModel
from edge_runtime.audio.level import peak_dbfs
from edge_runtime.audio.resample import resample
from edge_runtime.inference.graph import NetworkOutput
from edge_runtime.inference.network import network_of
from edge_runtime.results.rows import answer_row
from edge_runtime.streaming.endpoints import EndpointConfig, EndpointDetector

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed"),
    pytest.mark.skipif(not (ROOT / "web").is_dir(), reason="requires a checkout"),
]


def run_modules(*cases: tuple[str, dict[str, Any]]) -> list[Any]:
    """Return the results of `units.mjs` for cases (function, arguments)."""
    done = subprocess.run(
        ["node", "tests/web/units.mjs"],
        cwd=ROOT,
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    results: list[Any] = json.loads(done.stdout)
    return results


def test_endpoints_equal_those_of_the_runtime():
    rng = np.random.default_rng(1)
    cases, expected = [], []
    for min_pause in (0.1, 0.5, 0.8):
        for smoothing in (1, 10, 40):
            noise = np.convolve(rng.random(1500), np.ones(smoothing) / smoothing, "same")
            p = np.clip((noise - 0.5) * np.sqrt(smoothing) + 0.55, 0, 1)
            detector = EndpointDetector(EndpointConfig(min_pause, 0.2), 0.6, 0.02)
            steps = [
                [[*map(list, detector.push(p[k : k + 1]))], detector.settled] for k in range(1500)
            ]
            expected.append({"steps": steps, "flush": [list(end) for end in detector.flush()]})
            config = {"onset": 0.6, "period": 0.02, "minPause": min_pause, "minSpeech": 0.2}
            cases.append(("endpoints", {"config": config, "probabilities": p.tolist()}))
    results = run_modules(*cases)
    assert results == expected
    assert sum(bool(step[0]) for result in results for step in result["steps"]) > 100


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 44_100, 48_000, 96_000])
def test_resampling_equals_that_of_the_runtime(rate, speech):
    """Below the edge of the filters, and for any chunks."""
    band_rate = round(0.8 * min(rate, 16_000))
    source = resample(resample(speech[0][:16_000], 16_000, band_rate), band_rate, rate)
    expected = resample(source, rate, 16_000)
    cuts = [0, 1, 700, 701, 5000, len(source)]
    chunks = [source[a:b].tolist() for a, b in zip(cuts, cuts[1:])]
    whole, parts = run_modules(
        ("resample", {"source": rate, "target": 16_000, "chunks": [source.tolist()]}),
        ("resample", {"source": rate, "target": 16_000, "chunks": chunks}),
    )
    assert whole == parts and abs(len(whole) - len(expected)) <= 1
    count = min(len(whole), len(expected))
    error = np.array(whole[:count]) - expected[:count]
    assert np.abs(error[200:-200]).max() < 1e-3 * np.abs(expected).max()


def test_decisions_equal_those_of_the_runtime():
    network = network_of(EmotionModel.load())
    rng = np.random.default_rng(2)
    cases, expected = [], []
    for concentration in (0.05, 0.5, 5, 500):
        for threshold in (0.0, 0.45, 0.8):
            p = rng.dirichlet(np.full(len(network.labels), concentration)).astype(np.float32)
            output = NetworkOutput(np.log(p), p, np.zeros(1), np.zeros(1))
            row = answer_row(network.decide(output, 0.0, threshold))
            model = {
                "labels": network.labels,
                "uncertain_below": threshold,
                "arousal": vars(network.card.arousal),
            }
            cases.append(("decide", {"model": model, "probabilities": p.tolist()}))
            expected.append(row)
    for result, row in zip(run_modules(*cases), expected):
        assert result == row


def test_levels_equal_those_of_the_runtime():
    rng = np.random.default_rng(3)
    clips = [rng.normal(0, 0.1, n).astype(np.float32) for n in (1, 100, 480, 1000, 16_000)]
    levels = run_modules(*(("level", {"samples": c.tolist(), "rate": 16_000}) for c in clips))
    assert levels == pytest.approx([peak_dbfs(clip, 16_000) for clip in clips])


def test_the_rate_of_a_file_is_that_of_its_header(tmp_path):
    cases, expected = [], []
    for suffix, format_name, subtype in (
        ("wav", "WAV", "PCM_16"),
        ("wav", "WAVEX", "PCM_24"),
        ("flac", "FLAC", "PCM_16"),
        ("ogg", "OGG", "VORBIS"),
        ("mp3", "MP3", "MPEG_LAYER_III"),
    ):
        for rate in (8000, 16_000, 22_050, 44_100, 48_000):
            path = tmp_path / f"{subtype}{rate}.{suffix}"
            soundfile.write(path, np.zeros(rate // 4), rate, subtype, format=format_name)
            cases.append(("rate", {"bytes": [*path.read_bytes()[:4000]]}))
            expected.append(rate)
    cases.append(("rate", {"bytes": [*b"ID3\x04\0\0\0\0\0\x02..", *cases[-2][1]["bytes"]]}))
    cases += [("rate", {"bytes": [*content]}) for content in (b"", b"RIFF", b"RIFF" + bytes(100))]
    assert run_modules(*cases) == [*expected, 44_100, 48_000, 48_000, 48_000]
