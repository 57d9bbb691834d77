"""Small hand-made ONNX models, so that tests of the runtime need no trained one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edge_runtime import MfccConfig
from edge_runtime.inference.card import METADATA_KEY, ModelCard

onnx = pytest.importorskip("onnx")  # not installed on devices
TensorProto, helper, numpy_helper = onnx.TensorProto, onnx.helper, onnx.numpy_helper

CARD = ModelCard(
    name="tiny",
    labels=("low", "high"),
    mfcc_config=MfccConfig(),
    silence=None,
    normalisation="none",
    temperature=1.0,
    profile_gain=1.0,
    uncertain_below=0.0,
    frames_per_step=1,
    speech_above=0.5,
    speech_above_dbfs=-60.0,
    architecture={},
    parameters=26,
    quantization="none",
    licence="MIT",
    corpora=(),
    scores={},
)


def write_tiny_model(
    path: Path, card: ModelCard | str | None = CARD, *, inputs: str = "mfcc", width: int = 13
) -> Path:
    """Write a linear classifier of the mean frame: "high" if c0 exceeds -200, else "low"."""
    weights = np.zeros((width, 2), np.float32)
    weights[0] = [-0.01, 0.01]
    value = helper.make_tensor_value_info
    node = helper.make_node
    constants = {
        "weights": weights,
        "bias": np.array([-2, 2], np.float32),
        "axes": np.array([1], np.int64),
        "split": np.array([width, 1], np.int64),
        "zero": np.float32(0),
        "one": np.float32(1),
    }
    graph = helper.make_graph(
        [  # the state holds the sum of the frames and, last, their number
            node("Split", ["state", "split"], ["sum", "count"], axis=1),
            node("ReduceSum", [inputs, "axes"], ["more"], keepdims=0),
            node("Add", ["sum", "more"], ["new_sum"]),
            node("Mul", [inputs, "zero"], ["zeros"]),
            node("Add", ["zeros", "one"], ["ones"]),
            node("ReduceSum", ["ones", "axes"], ["frames"], keepdims=0),
            node("ReduceMax", ["frames", "axes"], ["n_frames"], keepdims=1),
            node("Add", ["count", "n_frames"], ["new_count"]),
            node("Concat", ["new_sum", "new_count"], ["new_state"], axis=1),
            node("Div", ["new_sum", "new_count"], ["mean"]),
            node("Identity", ["mean"], ["embedding"]),
            node("Gemm", ["mean", "weights", "bias"], ["logits"]),
            node("Softmax", ["logits"], ["probabilities"], axis=-1),
            node("Div", ["new_count", "new_count"], ["speech"]),
        ],
        "tiny",
        [
            value(inputs, TensorProto.FLOAT, ["batch", "time", width]),
            value("state", TensorProto.FLOAT, ["batch", width + 1]),
        ],
        [
            value(name, TensorProto.FLOAT, ["batch", size])
            for name, size in (
                ("logits", 2),
                ("probabilities", 2),
                ("speech", 1),
                ("embedding", width),
                ("new_state", width + 1),
            )
        ],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    if card is not None:
        text = card if isinstance(card, str) else card.to_json()
        helper.set_model_props(model, {METADATA_KEY: text})
    onnx.save(model, str(path))
    return path


def card_with(**changes: object) -> ModelCard:
    """Return the card of the tiny model with some fields replaced."""
    return dataclasses.replace(CARD, **changes)
