"""The network of a model file: the graph's outputs, batches, and files that are not models."""

from __future__ import annotations

import numpy as np
import pytest
from support.tiny_model import write_tiny_model

from edge_runtime import ConfigError, EmotionModel, ModelError
from edge_runtime.inference.known_voice import SpeakerStatistics
from edge_runtime.inference.network import Network, network_of
from edge_runtime.inference.onnx_session import OUTPUTS
from edge_runtime.model import BUNDLED_MODEL


@pytest.fixture(scope="module")
def network():
    return Network.load(BUNDLED_MODEL)


def test_network_of_accepts_a_model_or_a_network(network):
    model = EmotionModel(network)
    assert network_of(model) is network and network_of(network) is network


def test_outputs_have_the_declared_shapes(network, voice_clips):
    output = network.run_clip(voice_clips[0])
    n_embedding = network.outputs()["embedding"][1]
    assert output.logits.shape == output.probabilities.shape == (len(network.labels),)
    assert output.embedding.shape == (n_embedding,)
    assert output.state.shape == (network.inputs()["state"][1],) == (321,)
    assert 0 <= output.speech <= 1
    assert output.probabilities.sum() == pytest.approx(1, abs=1e-6)


def test_batch_equals_its_clips_one_by_one(network, voice_clips):
    rows = [network.front_end(clip) for clip in voice_clips]
    step = network.card.frames_per_step
    length = min(map(len, rows)) // step * step
    clips = [clip[:length, :13] for clip in rows]
    statistics = [network.clip_statistics(clip) for clip in rows]
    means = np.random.default_rng(0).normal(size=(len(clips), len(statistics[0])))
    means[0] = 0
    speakers = [SpeakerStatistics(mean, k / len(clips)) for k, mean in enumerate(means)]
    further = {
        "statistics": np.stack(statistics),
        "speaker": means.astype(np.float32),
        "speaker_weight": np.array([[one.weight] for one in speakers], np.float32),
    }
    gate_size = network.inputs()["gate_state"][1]
    further["rows"] = np.stack([clip[:length] for clip in rows])
    further["gate_state"] = np.zeros((len(clips), gate_size), np.float32)
    state = np.zeros((len(clips), network.inputs()["state"][1]), np.float32)
    feeds = {"mfcc": np.stack(clips), "state": state, **further}
    batch = network.graph.session.run(list(OUTPUTS), feeds)
    for k, clip in enumerate(clips):
        alone = network.run(clip, None, statistics[k], speakers[k])
        for output, expected in zip(batch, alone[:-1], strict=True):  # without `speech`
            np.testing.assert_allclose(np.squeeze(output[k]), expected, rtol=1e-5, atol=1e-4)
    # The clips continue, each from its own state.
    frames = np.stack([clip[:20] for clip in clips])
    states = batch[OUTPUTS.index("new_state")]
    feeds = {"mfcc": frames, "state": states, **further}
    (probabilities,) = network.graph.session.run(["probabilities"], feeds)
    for k, clip in enumerate(clips):
        expected = network.run(clip[:20], states[k], statistics[k], speakers[k]).probabilities
        np.testing.assert_allclose(probabilities[k], expected, atol=1e-5)


def test_foreign_graph_is_rejected(tmp_path):
    with pytest.raises(ModelError, match="has no input 'mfcc'; its inputs are samples, state"):
        Network.load(write_tiny_model(tmp_path / "other.onnx", inputs="samples"))
    with pytest.raises(ModelError, match="mfcc has shape .* expected a last dimension of 13"):
        Network.load(write_tiny_model(tmp_path / "wide.onnx", width=20))


def test_file_that_is_not_a_model_is_rejected(tmp_path):
    path = tmp_path / "text.onnx"
    path.write_text("no model")
    for file, message in (
        (path, "is not an ONNX model"),
        (tmp_path / "no.onnx", "no such model file"),
        (tmp_path, "is a directory; expected an .onnx file"),
    ):
        with pytest.raises(ModelError, match=message):
            Network.load(file)
    with pytest.raises(ConfigError, match="threads=0"):
        Network.load(BUNDLED_MODEL, threads=0)


def test_damaged_files_load_or_are_rejected(tmp_path, capfd):
    content = write_tiny_model(tmp_path / "tiny.onnx").read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.onnx"
    n_rejected = 0
    for _ in range(200):
        damaged = bytearray(content)
        for position in rng.integers(len(content), size=3):
            damaged[position] = rng.integers(256)
        path.write_bytes(bytes(damaged))
        try:
            Network.load(path)
        except ModelError:
            n_rejected += 1
    assert n_rejected > 50
    assert capfd.readouterr().out == ""
