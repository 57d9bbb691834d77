"""Small ONNX models made in memory, so that tests of the runtime need no trained one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_runtime import MfccConfig
from edge_runtime.card import METADATA_KEY, ModelCard

CARD = ModelCard(
    name="tiny", labels=("low", "high"), mfcc=MfccConfig(), normalisation="none",
    temperature=1.0, uncertain_below=0.0, speech_above_dbfs=-60.0, architecture={}, parameters=26,
    quantization="none", licence="MIT", corpora=(), scores={},
)


def write_tiny_model(
    path: Path, card: ModelCard | str | None = CARD, *, inputs: str = "mfcc", width: int = 13
) -> Path:
    """A linear classifier of the mean frame: "high" if c0 exceeds -200, whatever the rest."""
    weights = np.zeros((width, 2), np.float32)
    weights[0] = [-0.01, 0.01]
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", [inputs, "axes"], ["mean"], keepdims=0),
            helper.make_node("Gemm", ["mean", "weights", "bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
        ],
        "tiny",
        [helper.make_tensor_value_info(inputs, TensorProto.FLOAT, ["batch", "time", width])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2])
         for name in ("logits", "probabilities")],
        [numpy_helper.from_array(weights, "weights"),
         numpy_helper.from_array(np.array([-2, 2], np.float32), "bias"),
         numpy_helper.from_array(np.array([1], np.int64), "axes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    if card is not None:
        text = card if isinstance(card, str) else card.to_json()
        helper.set_model_props(model, {METADATA_KEY: text})
    onnx.save(model, str(path))
    return path


def card_with(**changes: object) -> ModelCard:
    return dataclasses.replace(CARD, **changes)
