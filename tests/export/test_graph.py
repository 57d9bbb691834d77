"""Exported graphs and their parity with the trained network."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest
import torch
from support.training import TRAINING_MFCC

from edge_runtime import ConfigError, MfccConfig
from edge_runtime.audio.level import Loudness
from edge_runtime.features.silence import SilenceConfig
from edge_runtime.inference.network import Network
from export.card import make_card
from export.graph import MIN_QUANTIZED_SIZE, export_fp32, export_int8, export_waveform, quantize
from export.outputs import ModelOutputs
from export.parity import compare, quantization_link
from train.checkpoint import load_checkpoint, save_checkpoint
from train.network import EmotionLSTM
from train.network_config import NetworkConfig
from train.run_folder import RunError


@pytest.fixture(scope="module")
def exported(dataset, split, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    network = EmotionLSTM(NetworkConfig())
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, -0.15, 0.15)
    frames = np.concatenate(dataset.frames)
    network.mean.copy_(torch.from_numpy(frames.mean(axis=0)))
    network.std.copy_(torch.from_numpy(frames.std(axis=0)))
    save_checkpoint(
        folder,
        network,
        TRAINING_MFCC,
        None,
        dataset.labels,
        temperature=1.7,
        corpora=[],
        licence="MIT",
        scores={},
        clips=[],
    )
    network, stored = load_checkpoint(folder)
    export_fp32(network, make_card(network, stored, "test", "none"), folder / "fp32.onnx")
    export_int8(
        folder / "fp32.onnx", make_card(network, stored, "test", "int8"), folder / "int8.onnx"
    )
    return network, folder


def test_exported_models_match_the_trained_network(exported, dataset):
    network, folder = exported
    fp32, int8 = (Network.load(folder / f"{kind}.onnx") for kind in ("fp32", "int8"))
    assert len({len(clip) for clip in dataset.frames}) > 10
    first, second, third = compare(network, fp32, int8, dataset)
    assert first.holds and first.logits <= 1e-4 and first.decisions == 0
    assert second.probabilities < 0.05
    assert third.holds and third.probabilities <= 1e-5
    for length in (1, 2, 1000):
        clip = np.random.default_rng(length).standard_normal((length, 13)).astype(np.float32)
        expected = network(torch.from_numpy(clip[None]))[0].detach().numpy()
        logits, probabilities = fp32.run(clip)[:2]
        np.testing.assert_allclose(logits, expected, atol=1e-4)
        np.testing.assert_allclose(
            probabilities, np.exp(expected / 1.7) / np.exp(expected / 1.7).sum(), atol=1e-5
        )


def test_parity_fails_for_another_model(exported, dataset):
    network, folder = exported
    fp32 = Network.load(folder / "fp32.onnx")
    other = EmotionLSTM(NetworkConfig()).eval()
    assert not compare(other, fp32, fp32, dataset)[0].holds


def test_one_changed_decision_is_within_the_int8_limit():
    labels, targets = ["a", "b"], np.array([0, 0, 1, 1])

    def outputs(*decisions: int) -> ModelOutputs:
        probabilities = np.eye(2)[list(decisions)]
        return ModelOutputs(probabilities, probabilities, np.zeros(4, bool))

    right = outputs(0, 0, 1, 1)
    one = quantization_link(right, outputs(0, 0, 1, 0), targets, labels)
    assert one.decisions == 1 and one.uar == pytest.approx(-0.25) and one.holds
    assert not quantization_link(right, outputs(0, 0, 0, 0), targets, labels).holds
    assert quantization_link(right, outputs(1, 0, 0, 1), targets, labels).uar == -0.5


def test_int8_covers_lstms_and_products_and_is_a_quarter_of_the_size(exported):
    _, folder = exported
    graph = onnx.load(folder / "int8.onnx").graph
    made = {
        name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output
    }
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for node in graph.node:
        weights = node.input[1:3] if node.op_type == "LSTM" else node.input[1:2]
        if node.op_type in ("LSTM", "Gemm", "MatMul"):
            for name in weights:
                small = name in kinds and onnx_size(graph, name) < MIN_QUANTIZED_SIZE
                assert name in made or small, name
    assert len(made) >= 5
    assert (folder / "int8.onnx").stat().st_size < 0.28 * (folder / "fp32.onnx").stat().st_size


def onnx_size(graph, name):
    return next(onnx.numpy_helper.to_array(t).size for t in graph.initializer if t.name == name)


DEFAULT_NETWORK = NetworkConfig(
    hidden_size=32,
    pooling="attention",
    frame_stack=2,
    input_size=64,
    residual=True,
    ensemble_size=2,
    gate_units=8,
    gate_width=13,
)


@pytest.fixture(scope="module", params=[False, True], ids=["levels", "relative levels"])
def with_waveform(dataset, once, request):
    """The folder of an untrained network of the default recipe."""
    return once(
        f"waveform-relative-{request.param}",
        lambda folder: export_graphs(folder, dataset.labels, request.param),
    )


def export_graphs(folder, labels, is_relative):
    """Export an untrained network: fp32, int8 and waveform graphs."""
    folder.mkdir()
    torch.manual_seed(1)
    network = EmotionLSTM(DEFAULT_NETWORK).eval()
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, -0.3, 0.3)
    config = dataclasses.replace(TRAINING_MFCC, n_mels=16, fmax=4000.0)
    network.mean[0], network.std[:] = (-40.0 if is_relative else -150.0), 15.0
    silence = SilenceConfig(relative=is_relative)
    save_checkpoint(
        folder,
        network,
        config,
        silence,
        labels,
        temperature=1.3,
        speech_above=0.5,
        min_speech=0.1,
        corpora=[],
        licence="MIT",
        scores={},
        clips=[],
    )
    network, stored = load_checkpoint(folder)
    card = make_card(network, stored, "test", "int8")
    export_fp32(network, card, folder / "fp32.onnx")
    export_int8(folder / "fp32.onnx", card, folder / "int8.onnx")
    export_waveform(network, card, folder / "wave32.onnx")
    export_int8(folder / "wave32.onnx", card, folder / "waveform.onnx")


def session_of(path):
    import onnxruntime

    return onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])


@pytest.mark.slow
def test_waveform_graph_matches_numpy_front_end(with_waveform, speech, voice_clips):
    network = Network.load(with_waveform / "int8.onnx")
    session = session_of(with_waveform / "waveform.onnx")
    rng = np.random.default_rng(0)
    clips = [
        *speech[:8],
        *voice_clips,
        np.pad(voice_clips[0], 20_000),
        0.01 * voice_clips[1],
        rng.standard_normal(30_000).astype(np.float32),
        np.zeros(9_000, np.float32),
        *(voice_clips[0][5000 : 5000 + n] for n in (1, 200, 479, 480, 481, 3000)),
    ]
    for clip in clips:
        frames = network.front_end(clip)
        output = network.run_clip(clip)
        _, probabilities, speech_probability, features = session.run(None, {"waveform": clip[None]})
        np.testing.assert_allclose(features[0], frames, atol=5e-3)
        np.testing.assert_allclose(probabilities[0], output.probabilities, atol=1e-4)
        loudness = Loudness(16_000)
        loudness.push(clip)
        expected = output.speech if loudness.dbfs() >= network.card.speech_above_dbfs else 0.0
        assert speech_probability[0, 0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_batch_of_waveforms_equals_single_clips(with_waveform, voice_clips):
    session = session_of(with_waveform / "waveform.onnx")
    length = min(map(len, voice_clips))
    batch = np.stack([clip[:length] for clip in voice_clips])
    batch[1, : length // 2] = 0  # different frames of the clips are kept
    together = session.run(["probabilities"], {"waveform": batch})[0]
    for row, clip in zip(together, batch):
        alone = session.run(["probabilities"], {"waveform": clip[None]})[0][0]
        np.testing.assert_allclose(row, alone, atol=1e-5)


@pytest.mark.slow
def test_waveform_graph_is_standard_onnx_and_small(with_waveform):
    model = onnx.load(with_waveform / "waveform.onnx")
    assert {opset.domain for opset in model.opset_import} <= {"", "ai.onnx"}
    assert (with_waveform / "waveform.onnx").stat().st_size < 200_000
    assert {prop.key for prop in model.metadata_props} == {"edge_ser"}


def test_onnxruntime_keeps_activations_in_float32(with_waveform, tmp_path):
    """Its optimiser may fuse int8 weights into operators that round activations as well.

    The rounding would differ between graphs.
    """
    import onnxruntime

    for name in ("int8.onnx", "waveform.onnx"):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / name)
        options.log_severity_level = 4
        onnxruntime.InferenceSession(str(with_waveform / name), options)
        kinds = {node.op_type for node in onnx.load(tmp_path / name).graph.node}
        assert not {kind for kind in kinds if "NBits" in kind or "Dynamic" in kind}, kinds


def test_unsupported_front_end_of_waveform_graph_is_refused(exported, tmp_path):
    network, folder = exported
    _, stored = load_checkpoint(folder)
    card = make_card(network, stored, "test", "int8")
    for wrong in (
        MfccConfig.python_speech_features(),
        MfccConfig(top_db=80.0),
        MfccConfig(power=1.0),
    ):
        with pytest.raises(ConfigError, match="waveform graph requires"):
            export_waveform(
                network, dataclasses.replace(card, mfcc_config=wrong), tmp_path / "x.onnx"
            )


def test_quantized_weights_are_within_half_a_step():
    weights = np.random.default_rng(0).standard_normal((1, 40, 30)).astype(np.float32)
    weights[0, 3] *= 100  # a large channel must not coarsen the others
    values, scale = quantize(weights, 1)
    assert values.dtype == np.int8 and scale.shape == (40,)
    error = np.abs(values * scale[None, :, None] - weights)
    assert (error <= scale[None, :, None] * 0.5001).all()
    assert np.abs(values).max(axis=(0, 2)).min() == 127


def test_export_is_reproducible(exported, tmp_path):
    network, folder = exported
    _, stored = load_checkpoint(folder)
    export_fp32(network, make_card(network, stored, "test", "none"), tmp_path / "fp32.onnx")
    export_int8(
        tmp_path / "fp32.onnx", make_card(network, stored, "test", "int8"), tmp_path / "int8.onnx"
    )
    for name in ("fp32.onnx", "int8.onnx"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_checkpoint_executes_no_code(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    torch.save({"weights": Bomb()}, tmp_path / "checkpoint.pt")
    with pytest.raises(RunError, match="is not a checkpoint of edge-ser"):
        load_checkpoint(tmp_path)
    assert not (tmp_path / "exploded").exists()
