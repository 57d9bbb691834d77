"""Outputs of a machine stored in a file, compared with those of `classify`."""

from __future__ import annotations

import platform

import numpy as np
import pytest
from support.command import edge_ser
from support.paths import VOICES

from edge_runtime import AudioError, EdgeSerError, EmotionModel
from edge_runtime.diagnostics.parity_dump import DeviceOutputs
from edge_runtime.inference.network import network_of

CLIPS = sorted(VOICES.glob("*/*.wav"))


def test_command_stores_the_outputs_of_classify(tmp_path):
    result = edge_ser("parity-dump", *CLIPS, "--out", tmp_path / "outputs.npz")
    assert result.returncode == 0, result.stderr
    stored = DeviceOutputs.load(tmp_path / "outputs.npz")
    model = EmotionModel.load()
    network = network_of(model)
    assert stored.machine == platform.machine() and len(set(stored.clips)) == len(CLIPS)
    assert len({len(frames) for frames in stored.features}) > 1
    for clip, features, logits, probabilities in zip(
        CLIPS, stored.features, stored.logits, stored.probabilities
    ):
        prediction = model.classify(clip)
        expected = list(prediction.probabilities.values())
        np.testing.assert_allclose(probabilities, expected, atol=1e-5)
        samples = network.read_samples(clip)
        np.testing.assert_allclose(features, network.front_end.mfcc(samples), atol=1e-4)
        statistics = network.clip_statistics(network.front_end(samples))
        frames = network.new_silence_gate().filter_clip(features)
        output = network.run(frames, statistics=statistics)
        np.testing.assert_allclose(logits, output.logits, atol=1e-5)


def test_model_and_network_give_the_same_outputs():
    model = EmotionModel.load()
    a = DeviceOutputs.compute(model, CLIPS[:1])
    b = DeviceOutputs.compute(network_of(model), CLIPS[:1])
    np.testing.assert_array_equal(a.logits, b.logits)
    assert (a.model, a.clips) == (b.model, b.clips)


@pytest.mark.slow
def test_existing_file_is_replaced_only_with_force(tmp_path):
    out = tmp_path / "outputs.npz"
    out.write_text("other content")
    refused = edge_ser("parity-dump", CLIPS[0], "--out", out)
    assert refused.returncode == 2 and "--force" in refused.stderr
    assert out.read_text() == "other content"
    assert edge_ser("parity-dump", CLIPS[0], "--out", out, "--force").returncode == 0
    assert len(DeviceOutputs.load(out).clips) == 1


def test_errors_name_the_file(tmp_path):
    with pytest.raises(AudioError, match="gone.wav: no such file"):
        DeviceOutputs.compute(EmotionModel.load(), [tmp_path / "gone.wav"])
    (tmp_path / "other.npz").write_text("not an archive")
    for name in ("gone.npz", "other.npz"):
        with pytest.raises(EdgeSerError, match=f"{name}: cannot be read .*edge-ser parity-dump"):
            DeviceOutputs.load(tmp_path / name)
    failed = edge_ser("parity-dump", CLIPS[0], "--out", tmp_path / "no" / "outputs.npz")
    assert failed.returncode == 2 and len(failed.stderr.splitlines()) == 1
