"""A trained network as an ONNX graph: float32, then with int8 weights."""

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
from edge_runtime.inference.onnx_session import OUTPUTS
from train.files import write_bytes
from train.network import EmotionLSTM

from .waveform import FRONT_END, Waveform

# Opset 17 is read by every onnxruntime since 1.12 (2022); nothing newer is needed.
OPSET = 17

# Weights of fewer values are kept in float32: they make no file smaller.
MIN_QUANTIZED_SIZE = 512


class _Deployed(nn.Module):
    """The network with what the device adds: probabilities at the calibrated temperature."""

    def __init__(self, network: EmotionLSTM, temperature: float) -> None:
        super().__init__()
        self.network, self.temperature = network, temperature

    def forward(self, mfcc: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        state = self.network.advance(mfcc, state)
        logits, speech, embedding = self.network.outputs(state)
        probabilities = torch.softmax(logits / self.temperature, dim=-1)
        return logits, probabilities, torch.sigmoid(speech), embedding, state


def export_fp32(network: EmotionLSTM, card: ModelCard, path: Path) -> None:
    """Write one graph for whole clips and for live audio.

    Inputs: `mfcc (batch, time, n_mfcc)` and `state (batch, state_size)`, zeros before the first
    frame. Outputs: `logits` and `probabilities (batch, n_classes)` of all that was heard, the
    probability `speech (batch, 1)` that somebody speaks, and `new_state (batch, state_size)`, to
    be given with the frames that follow.
    """
    deployed = _Deployed(network, card.temperature)
    example = torch.zeros(1, 8, network.config.n_mfcc), network.initial_state(1)
    outputs = list(OUTPUTS)
    dynamic = {name: {0: "batch"} for name in ("state", *outputs)}
    dynamic["mfcc"] = {0: "batch", 1: "time"}
    _export(deployed, example, ["mfcc", "state"], outputs, dynamic, card, path)


def _export(
    module: nn.Module,
    example: tuple[torch.Tensor, ...],
    inputs: list[str],
    outputs: list[str],
    dynamic: dict[str, dict[int, str]],
    card: ModelCard,
    path: Path,
) -> None:
    made = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter that keeps an LSTM one ONNX node is the older one, and says so; and it
        # warns of every shape that it follows.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            example,
            made,
            dynamo=False,
            opset_version=OPSET,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=dynamic,
        )
    _write(onnx.load_from_string(made.getvalue()), card, path)


def export_waveform(network: EmotionLSTM, card: ModelCard, path: Path) -> None:
    """Write the graph of `export.waveform`: `waveform (batch, n_samples)`, mono float32 at the
    card's sample rate, → `logits`, `probabilities (batch, n_classes)`, `speech (batch, 1)`, which
    is 0 for what is too quiet, and the `mfcc (batch, n_frames, n_mfcc)` on the way. All clips of a
    batch are of one length.
    """
    outputs = ["logits", "probabilities", "speech", "mfcc"]
    dynamic = {name: {0: "batch"} for name in outputs}
    dynamic["mfcc"] = {0: "batch", 1: "n_frames"}
    dynamic["waveform"] = {0: "batch", 1: "n_samples"}
    _export(
        Waveform(network, card), (torch.zeros(1, 8000),), ["waveform"], outputs, dynamic, card, path
    )


def export_int8(fp32: Path, card: ModelCard, path: Path) -> None:
    """Store the weights of every LSTM and matrix product as int8, a scale for each output.

    onnxruntime makes float32 of them once, when it loads the file; activations are never
    quantized. onnxruntime's dynamic quantization would scale them by each call's loudest value,
    and a stream fed in pieces would not end where the whole clip does.
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
    _write(model, card, path)


def quantize(weights: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """int8 values and float32 scales `(weights.shape[axis],)`: weights ≈ values · scale."""
    others = tuple(k for k in range(weights.ndim) if k != axis)
    scale = np.maximum(np.abs(weights).max(axis=others), 1e-12).astype(np.float32) / 127
    shape = [-1 if k == axis else 1 for k in range(weights.ndim)]
    return np.rint(weights / scale.reshape(shape)).astype(np.int8), scale


def _weight_axes(graph: onnx.GraphProto) -> dict[str, int]:
    """The initializers that are weights, with the axis of their outputs."""
    axes: dict[str, int] = {}
    for node in graph.node:
        if node.op_type == "LSTM":  # W and R: (directions, 4 · hidden, inputs)
            axes.update({node.input[1]: 1, node.input[2]: 1})
        elif node.op_type == "Gemm":
            transposed = any(a.name == "transB" and a.i for a in node.attribute)
            axes[node.input[1]] = 0 if transposed else 1
        elif node.op_type == "MatMul":  # (inputs, outputs)
            axes[node.input[1]] = 1
    # The front end is not the network: its numbers stay as they are.
    return {name: axis for name, axis in axes.items() if name not in FRONT_END}


def _write(model: onnx.ModelProto, card: ModelCard, path: Path) -> None:
    """Put the card in, take out what differs from run to run or is not used, check, seal, and
    write."""
    model.DiscardUnknownFields()  # the seal of what it was made from
    used = {node.domain for node in model.graph.node} | {""}
    kept = [opset for opset in model.opset_import if opset.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    for node in model.graph.node:
        node.ClearField("doc_string")  # holds source paths of the machine that exported
    model.producer_name, model.producer_version = "edge-ser", ""
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {METADATA_KEY: card.to_json()})
    onnx.checker.check_model(model, full_check=True)
    write_bytes(path, add_checksum(model.SerializeToString(deterministic=True)))
