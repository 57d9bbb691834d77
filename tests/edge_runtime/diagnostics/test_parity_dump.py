"""What a machine makes of clips, kept in a file."""

from __future__ import annotations

import platform
import subprocess

import numpy as np
import pytest
from support.command import edge_ser
from support.paths import VOICES

from edge_runtime import AudioError, EdgeSerError, EmotionModel
from edge_runtime.diagnostics.parity_dump import DeviceOutputs
from edge_runtime.inference.network import network_of

CLIPS = sorted(VOICES.glob("*/*.wav"))


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return edge_ser("parity-dump", *arguments)


def test_the_file_holds_what_classify_answers(tmp_path):
    done = command(*CLIPS, "--out", tmp_path / "measured.npz")
    assert done.returncode == 0, done.stderr
    stored = DeviceOutputs.load(tmp_path / "measured.npz")
    model = EmotionModel.load()
    assert stored.machine == platform.machine() and len(set(stored.clips)) == len(CLIPS)
    assert len({len(frames) for frames in stored.features}) > 1
    for clip, features, logits, probabilities in zip(
        CLIPS, stored.features, stored.logits, stored.probabilities
    ):
        answer = model.classify(clip)
        np.testing.assert_allclose(probabilities, list(answer.probabilities.values()), atol=1e-5)
        heard = network_of(model).run(network_of(model).new_silence_gate().filter_clip(features))
        np.testing.assert_allclose(logits, heard.logits, atol=1e-5)


def test_a_file_that_is_there_is_kept(tmp_path):
    out = tmp_path / "measured.npz"
    out.write_text("mine")
    refused = command(CLIPS[0], "--out", out)
    assert refused.returncode == 2 and "--force" in refused.stderr and out.read_text() == "mine"
    assert command(CLIPS[0], "--out", out, "--force").returncode == 0
    assert len(DeviceOutputs.load(out).clips) == 1


def test_errors_name_the_file(tmp_path):
    with pytest.raises(AudioError, match="gone.wav: no such file"):
        DeviceOutputs.compute(EmotionModel.load(), [tmp_path / "gone.wav"])
    (tmp_path / "other.npz").write_text("no archive")
    for name in ("gone.npz", "other.npz"):
        with pytest.raises(EdgeSerError, match=f"{name}: cannot be read .*parity_dump"):
            DeviceOutputs.load(tmp_path / name)
    failed = command(CLIPS[0], "--out", tmp_path / "no" / "measured.npz")
    assert failed.returncode == 2 and len(failed.stderr.splitlines()) == 1
