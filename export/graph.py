"""ONNX graphs of a trained network: float32, int8 weights, and from the waveform."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn

from edge_runtime.inference.card import METADATA_KEY, ModelCard
from edge_runtime.inference.checksum import add_checksum
from edge_runtime.inference.onnx_session import GATE_OUTPUTS, OUTPUTS
from train.files import write_bytes
from train.network import EmotionLSTM

from .compact import compact
from .waveform import FRONT_END, Waveform

# onnxruntime reads opset 17 since version 1.12 (2022); newer operators are not needed.
OPSET = 17

# Smaller weights stay in float32: quantization would not make the file smaller.
MIN_QUANTIZED_SIZE = 512

BRANCH = "branch"  # part of the names of the weights of `StatisticsBranch`


class _Deployed(nn.Module):
    """The network with a softmax at the calibrated temperature.

    The inputs after the state are those of a network with statistics, then those of the gate.
    """

    def __init__(self, network: EmotionLSTM, temperature: float) -> None:
        super().__init__()
        self.network, self.temperature = network, temperature

    def forward(
        self, mfcc: torch.Tensor, state: torch.Tensor, *further: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        gate, n_statistics = self.network.gate, len(further)
        gate_outputs: tuple[torch.Tensor, ...] = ()
        if gate is not None:
            n_statistics -= 2
            speech, gate_state = gate(*further[n_statistics:])
            gate_outputs = torch.sigmoid(speech), gate_state
        state = self.network.advance(mfcc, state)
        logits, embedding = self.network.outputs(state, *further[:n_statistics])
        probabilities = torch.softmax(logits / self.temperature, dim=-1)
        return logits, probabilities, embedding, state, *gate_outputs


def export_fp32(network: EmotionLSTM, card: ModelCard, path: Path) -> None:
    """Write a graph that serves both whole clips and streams.

    Inputs are `mfcc (batch, time, n_mfcc)` and `state (batch, state_size)`, zeros before the first
    frame. A network with statistics also has `statistics (batch, n_statistics)` of the clip so far,
    where NaN counts as the mean, `speaker (batch, n_statistics)`, the mean of the standardised
    statistics of the speaker, and `speaker_weight (batch, 1)`, 0 for an unknown speaker and 1 for
    a known one. A network with a speech gate has `rows (batch, n_frames, width)` of the front end,
    silent frames included, and `gate_state (batch, gate_state_size)`, zeros before the first frame.

    Outputs, over all frames since the state was zero, are `logits` and `probabilities (batch,
    n_classes)`, the `embedding (batch, n_embedding)`, which ends with the standardised statistics,
    and `new_state (batch, state_size)` to pass with the next frames. The gate has `frame_speech
    (batch, n_frames)`, the probability of speech of each of the `rows`, and `new_gate_state`.

    Args:
        network: The trained network.
        card: The model card to store.
        path: The file to write.
    """
    deployed = _Deployed(network, card.temperature)
    config = network.config
    example = {"mfcc": torch.zeros(1, 8, config.n_mfcc), "state": network.initial_state(1)}
    if config.n_statistics:
        example["statistics"] = torch.zeros(1, config.n_statistics)
        example["speaker"] = torch.zeros(1, config.n_statistics)
        example["speaker_weight"] = torch.zeros(1, 1)
    outputs = list(OUTPUTS)
    if network.gate is not None:
        example["rows"] = torch.zeros(1, 8, network.gate.width)
        example["gate_state"] = network.gate.initial_state(1)
        outputs += GATE_OUTPUTS
    dynamic = {name: {0: "batch"} for name in (*example, *outputs)}
    dynamic["mfcc"] = {0: "batch", 1: "time"}
    for name in ("rows", "frame_speech"):
        if name in dynamic:
            dynamic[name] = {0: "batch", 1: "n_frames"}
    _export(deployed, tuple(example.values()), list(example), outputs, dynamic, card, path)


def _export(
    module: nn.Module,
    example: tuple[torch.Tensor, ...],
    inputs: list[str],
    outputs: list[str],
    dynamic: dict[str, dict[int, str]],
    card: ModelCard,
    path: Path,
) -> None:
    content = io.BytesIO()
    with warnings.catch_warnings():
        # Only the older exporter keeps an LSTM as one ONNX node; it warns that it is deprecated,
        # and about every shape that it traces.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            example,
            content,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=dynamic,
        )
    model = onnx.load_from_string(content.getvalue())
    compact(model.graph)
    write_model(model, card, path)


def export_waveform(network: EmotionLSTM, card: ModelCard, path: Path) -> None:
    """Write a graph with the front end and the network, for whole clips; see `export.waveform`.

    The input is `waveform (batch, n_samples)`, mono float32 at the sample rate of the card. A
    network with statistics also has `speaker (batch, n_statistics)` and `speaker_weight (batch,
    1)`, see `export_fp32`; zeros are an unknown speaker.

    Outputs are `logits` and `probabilities (batch, n_classes)`, the probability of `speech (batch,
    1)` that `ModelCard.min_speech` seconds of the clip reach, which is 0 for clips below
    `speech_above_dbfs`, and the features `mfcc (batch, n_frames,
    n_mfcc)`. With statistics, they are followed by `statistics (batch, n_statistics)`, NaN where
    undefined, and the `embedding` of `export_fp32`. All clips of a batch have the same length.

    Args:
        network: The trained network.
        card: The model card to store.
        path: The file to write.

    Raises:
        ConfigError: If the graph does not support the front end or the network.
    """
    n_statistics = network.config.n_statistics
    example = {"waveform": torch.zeros(1, 8000)}
    outputs = ["logits", "probabilities", "speech", "mfcc"]
    if n_statistics:
        example["speaker"] = torch.zeros(1, n_statistics)
        example["speaker_weight"] = torch.zeros(1, 1)
        outputs += ["statistics", "embedding"]
    dynamic = {name: {0: "batch"} for name in (*example, *outputs)}
    dynamic["mfcc"] = {0: "batch", 1: "n_frames"}
    dynamic["waveform"] = {0: "batch", 1: "n_samples"}
    waveform = Waveform(network, card)
    _export(waveform, tuple(example.values()), list(example), outputs, dynamic, card, path)


def export_int8(fp32: Path, card: ModelCard, path: Path) -> None:
    """Write a copy of a model with int8 weights, one scale per output channel.

    The weights of LSTMs and matrix products are quantized. onnxruntime converts them to float32
    once, when it loads the file; activations are never quantized. Its dynamic quantization would
    scale activations by the maximum of each call, so that chunks of a stream would not give the
    result of the whole clip.

    Args:
        fp32: The float32 model.
        card: The model card to store.
        path: The file to write; may be `fp32`.
    """
    model = onnx.load(str(fp32))
    axes = _weight_axes(model.graph)
    kept, scales, dequantize = [], [], []
    for tensor in model.graph.initializer:
        axis = axes.get(tensor.name)
        weights = numpy_helper.to_array(tensor)
        if axis is None or weights.size < MIN_QUANTIZED_SIZE:
            kept.append(tensor)
            continue
        quantized, scale = quantize(weights, axis)
        kept.append(numpy_helper.from_array(quantized, f"{tensor.name}.int8"))
        scales.append(numpy_helper.from_array(scale, f"{tensor.name}.scale"))
        dequantize.append(
            helper.make_node(
                "DequantizeLinear",
                [f"{tensor.name}.int8", f"{tensor.name}.scale"],
                [tensor.name],
                axis=axis,
            )
        )
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept + scales)
    nodes = [*dequantize, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    write_model(model, card, path)


def quantize(weights: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Quantize weights to int8: weights ≈ values · scales.

    Args:
        weights: The weights.
        axis: Axis of the output channels.

    Returns:
        The values, int8 as `weights`, and the scales, float32 `(weights.shape[axis],)`.
    """
    others = tuple(k for k in range(weights.ndim) if k != axis)
    scale = np.maximum(np.abs(weights).max(axis=others), 1e-12).astype(np.float32) / 127
    shape = [-1 if k == axis else 1 for k in range(weights.ndim)]
    return np.rint(weights / scale.reshape(shape)).astype(np.int8), scale


def _weight_axes(graph: onnx.GraphProto) -> dict[str, int]:
    """Return the initializers to quantize, with the axis of their output channels."""
    axes: dict[str, int] = {}
    for node in graph.node:
        if node.op_type == "LSTM":  # W and R: (directions, 4 · hidden, inputs)
            axes.update({node.input[1]: 1, node.input[2]: 1})
        elif node.op_type == "Gemm":
            transposed = any(a.name == "transB" and a.i for a in node.attribute)
            axes[node.input[1]] = 0 if transposed else 1
        elif node.op_type == "MatMul":  # (inputs, outputs)
            axes[node.input[1]] = 1
    # The constants of the front end stay in float32, and so does the branch of the statistics.
    return {
        name: axis
        for name, axis in axes.items()
        if name.split(".")[0] not in FRONT_END and BRANCH not in name.split(".")
    }


def write_model(model: onnx.ModelProto, card: ModelCard, path: Path) -> None:
    """Add card and checksum to a model and write it, so that equal models give equal bytes.

    Args:
        model: The graph; its card is replaced.
        card: The card.
        path: The file.
    """
    model.DiscardUnknownFields()  # the checksum of the model it was made from
    used = {node.domain for node in model.graph.node} | {""}
    kept = [opset for opset in model.opset_import if opset.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    for node in model.graph.node:
        node.ClearField("doc_string")  # contains source paths of this machine
    model.producer_name, model.producer_version = "edge-ser", ""
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {METADATA_KEY: card.to_json()})
    onnx.checker.check_model(model, full_check=True)
    write_bytes(path, add_checksum(model.SerializeToString(deterministic=True)))
