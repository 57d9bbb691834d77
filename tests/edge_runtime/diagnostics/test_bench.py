"""The measurements of `edge-ser bench`, independent of the speed of this machine."""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np
import pytest
from support.command import edge_ser
from support.paths import VOICES

from edge_runtime import ConfigError, EdgeSerError, EmotionModel, ModelError
from edge_runtime.diagnostics.bench import THREAD_VARIABLES, measure, timings
from edge_runtime.diagnostics.bench_table import as_markdown
from edge_runtime.diagnostics.process_cost import process_costs
from edge_runtime.diagnostics.synthetic_voice import synthetic_voice
from edge_runtime.diagnostics.system_info import processor, processor_of
from edge_runtime.inference.prediction import NO_SPEECH

# /proc/cpuinfo of a Raspberry Pi 5 (64-bit kernel), a laptop, a chip with two kinds of cores.
PI = """processor\t: 0
BogoMIPS\t: 108.00
CPU implementer\t: 0x41
CPU architecture: 8
CPU part\t: 0xd0b

Revision\t: c04170
Model\t\t: Raspberry Pi 5 Model B Rev 1.0
"""
LAPTOP = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel\t\t: 142\nmodel name\t: Intel(R) i5\n"
BIG_LITTLE = "\n\n".join(f"CPU implementer : 0x41\nCPU part : 0xd0{k}" for k in (3, 9))


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        (PI, "Cortex-A76"),
        (LAPTOP, "Intel(R) i5"),
        (BIG_LITTLE, "Cortex-A73"),
        ("", ""),
        ("CPU implementer : 0x61\nCPU part : 0x022\n", ""),
    ],
)
def test_processor_name(cpuinfo, name):
    assert processor_of(cpuinfo) == name
    assert processor()


def test_process_cost_covers_time_and_memory():
    costs = process_costs(
        {
            "sleeps": [sys.executable, "-c", "import time; time.sleep(0.3)"],
            "holds": [sys.executable, "-c", "x = bytearray(100 << 20)"],
        },
        1,
    )
    assert 0.3 <= costs["sleeps"].seconds < 3
    if hasattr(os, "wait4"):
        assert 100 <= costs["holds"].peak_mib < 200
        # This process has imported PyTorch; its peak must not count for the other.
        assert costs["sleeps"].peak_mib < 60


def test_failing_process_is_an_error_with_its_last_line():
    with pytest.raises(EdgeSerError, match="exit status 3: the reason"):
        process_costs(
            {
                "bad": [
                    sys.executable,
                    "-c",
                    "import sys; print('the reason', file=sys.stderr); sys.exit(3)",
                ]
            },
            1,
        )


def test_timings_cover_every_candidate_in_every_round():
    times = timings({"slow": lambda: time.sleep(0.01), "fast": lambda: None}, 3)
    assert [len(seconds) for seconds in times.values()] == [3, 3]
    assert min(times["slow"]) >= 0.009 > max(times["fast"])


def test_synthetic_voice_is_more_than_noise_and_reproducible():
    model = EmotionModel.load()
    for seconds in (1.0, 3.0, 5.0):
        voice = synthetic_voice(seconds)
        assert len(voice) == 16_000 * seconds and voice.dtype == np.float32
        assert np.abs(voice).max() == pytest.approx(0.5, abs=0.01)
        # The gate of the model takes vowels without consonants for a melody.
        assert model.classify(voice, speech_threshold=0.05).label != NO_SPEECH
        noise = 0.1 * np.random.default_rng(0).standard_normal(len(voice)).astype(np.float32)
        assert model.classify(noise, speech_threshold=0.05).label == NO_SPEECH
    np.testing.assert_array_equal(voice, synthetic_voice(5.0))


@pytest.mark.timing
def test_parts_add_up():
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    messages: list[str] = []
    result = measure(seconds=1.0, runs=3, progress=messages.append)
    assert {name: os.environ.get(name) for name in THREAD_VARIABLES} == before
    assert len(messages) == 3
    assert result.clip_seconds == 1.0
    # Most runs of the whole take longer than half of the runs of a part.
    assert result.classify.p95 >= result.mfcc.p50 and result.classify.p95 >= result.network.p50
    assert result.classify.p50 <= result.classify.p95
    assert result.classify_process.seconds > result.help_process.seconds > 0
    assert result.clips_per_second * result.real_time_factor == pytest.approx(
        1
    )  # for a clip of one second
    values = json.loads(json.dumps(result.to_dict()))
    assert values["core_share_10ms"] == pytest.approx(result.stream_10ms)
    table = as_markdown(result).splitlines()
    assert len({line.count("|") for line in table}) == 1
    assert table[1] == "|---|---|"


def test_invalid_arguments_are_rejected(tmp_path):
    with pytest.raises(ConfigError, match="runs=0"):
        measure(runs=0)
    with pytest.raises(ConfigError, match="seconds=0"):
        measure(seconds=0)
    with pytest.raises(ModelError, match="no such model"):
        measure(tmp_path / "no.onnx")


@pytest.mark.slow
def test_command_measures_a_given_clip():
    clip = VOICES / "sad" / "speaker01-1.wav"
    result = edge_ser("bench", "--clip", clip, "--runs", 1, "--json")
    assert result.returncode == 0
    assert result.stderr == ""  # no progress, because stderr is not a terminal
    values = json.loads(result.stdout)
    assert values["clip"] == clip.name and values["runs"] == 1
    assert edge_ser("bench", "--clip", "missing.wav").returncode == 1
    assert edge_ser("bench", "--runs", 0).returncode == 2
