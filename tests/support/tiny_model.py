"""Small hand-made ONNX models, so that tests of the runtime need no trained one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edge_runtime import MfccConfig
from edge_runtime.features.silence import SilenceConfig
from edge_runtime.inference.arousal import Arousal
from edge_runtime.inference.card import METADATA_KEY, ModelCard
from edge_runtime.inference.known_voice import SpeakerStatistics

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
    min_speech=None,
    speech_above_dbfs=-60.0,
    architecture={},
    parameters=26,
    quantization="none",
    licence="MIT",
    corpora=(),
    scores={},
)


def write_tiny_model(
    path: Path,
    card: ModelCard | str | None = CARD,
    *,
    inputs: str = "mfcc",
    width: int = 13,
    row_width: int | None = None,
) -> Path:
    """Write a linear classifier of the mean frame: "high" if c0 exceeds -200, else "low".

    Args:
        path: The file to write.
        card: The card to store.
        inputs: Name of the input of frames.
        width: Values of a frame.
        row_width: Values of a row of the speech gate. Default: `width`. There is a gate if the card
            has one; the probability of speech of a frame is that of "low" for it alone.
    """
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
    gate_nodes, gate_inputs, gate_outputs = [], [], []
    if isinstance(card, ModelCard) and card.min_speech is not None:
        row_width = row_width or width
        constants["gate_weights"] = np.array([[-0.02]] + [[0.0]] * (row_width - 1), np.float32)
        constants["gate_bias"], constants["last"] = np.float32(-4), np.array([2], np.int64)
        gate_nodes = [
            node("MatMul", ["rows", "gate_weights"], ["gate_products"]),
            node("Add", ["gate_products", "gate_bias"], ["gate_sums"]),
            node("Squeeze", ["gate_sums", "last"], ["gate_logits"]),
            node("Sigmoid", ["gate_logits"], ["frame_speech"]),
            node("Identity", ["gate_state"], ["new_gate_state"]),
        ]
        gate_inputs = [
            value("rows", TensorProto.FLOAT, ["batch", "n_frames", row_width]),
            value("gate_state", TensorProto.FLOAT, ["batch", 2]),
        ]
        gate_outputs = [
            value("frame_speech", TensorProto.FLOAT, ["batch", "n_frames"]),
            value("new_gate_state", TensorProto.FLOAT, ["batch", 2]),
        ]
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
            *gate_nodes,
        ],
        "tiny",
        [
            value(inputs, TensorProto.FLOAT, ["batch", "time", width]),
            value("state", TensorProto.FLOAT, ["batch", width + 1]),
            *gate_inputs,
        ],
        [
            value(name, TensorProto.FLOAT, ["batch", size])
            for name, size in (
                ("logits", 2),
                ("probabilities", 2),
                ("embedding", width),
                ("new_state", width + 1),
            )
        ]
        + gate_outputs,
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


# The front end of the bundled model, for a network without clip statistics. Only sound as loud as
# noise of -20 dBFS is not speech.
LOGITS_CARD = card_with(
    mfcc_config=MfccConfig(n_fft=1024, hop_length=320),
    silence=SilenceConfig(),
    temperature=1.3,
    profile_gain=1.5,
    speech_above=0.06,
    min_speech=0.1,
)

STATISTICS = ("f0/mean", "c1/mean", "loudness/dev", "rate/peaks", "h1_h2/voiced/mean")

STATISTICS_CARD = card_with(
    mfcc_config=MfccConfig(n_fft=1024, hop_length=320),
    silence=SilenceConfig(),
    statistics=STATISTICS,
    arousal=Arousal(("high",), 0.5, 0.1),
)

_rng = np.random.default_rng(27)
# Mean and deviation of the statistics, then weights, bias and weight of the network's logits for
# unknown (0) and for known speakers (1).
STATISTICS_WEIGHTS = {
    "statistics_mean": np.array([[30, -20, 4, 4, 3]], np.float32),
    "statistics_std": np.array([[8, 30, 2, 2, 6]], np.float32),
    "w0": _rng.normal(size=(5, 2)).astype(np.float32),
    "b0": np.array([0.2, -0.1], np.float32),
    "g0": np.float32(0.3),
    "w1": _rng.normal(size=(5, 2)).astype(np.float32),
    "b1": np.array([-0.3, 0.4], np.float32),
    "g1": np.float32(0.1),
}


def write_statistics_model(
    path: Path, card: ModelCard | str | None = STATISTICS_CARD, *, wide_embedding: bool = True
) -> Path:
    """Write the tiny model with clip statistics: linear classifiers of them are added.

    Args:
        path: The file to write.
        card: The card to store.
        wide_embedding: Append the standardised statistics to the embedding.
    """
    node, value = helper.make_node, helper.make_tensor_value_info
    write_tiny_model(path, card)
    embedding = ["network_embedding", "z"] if wide_embedding else ["speaker_weight"]
    model = onnx.load(str(path))
    graph = model.graph
    for one in graph.node:  # the outputs of the network become inner values
        for k, name in enumerate(one.output):
            if name in ("logits", "embedding"):
                one.output[k] = f"network_{name}"
    del graph.node[[one.op_type for one in graph.node].index("Softmax")]
    graph.node.extend(
        [
            node("Sub", ["statistics", "statistics_mean"], ["centred"]),
            node("Div", ["centred", "statistics_std"], ["scaled"]),
            node("Clip", ["scaled", "minus_five", "five"], ["clipped"]),
            node("IsNaN", ["statistics"], ["unknown"]),
            node("Where", ["unknown", "zero", "clipped"], ["z"]),
            node("Sub", ["z", "speaker"], ["difference"]),
            node("Clip", ["difference", "minus_five", "five"], ["n"]),
        ]
    )
    for k, inputs in enumerate(("z", "n")):
        graph.node.extend(
            [
                node("Gemm", [inputs, f"w{k}", f"b{k}"], [f"linear{k}"]),
                node("Mul", ["network_logits", f"g{k}"], [f"network{k}"]),
                node("Add", [f"linear{k}", f"network{k}"], [f"logits{k}"]),
            ]
        )
    graph.node.extend(
        [
            node("Sub", ["one", "speaker_weight"], ["other_weight"]),
            node("Mul", ["other_weight", "logits0"], ["part0"]),
            node("Mul", ["speaker_weight", "logits1"], ["part1"]),
            node("Add", ["part0", "part1"], ["logits"]),
            node("Softmax", ["logits"], ["probabilities"], axis=-1),
            node("Concat", embedding, ["embedding"], axis=1),
        ]
    )
    constants = {**STATISTICS_WEIGHTS, "five": np.float32(5), "minus_five": np.float32(-5)}
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()
    )
    for name, size in (("statistics", 5), ("speaker", 5), ("speaker_weight", 1)):
        graph.input.append(value(name, TensorProto.FLOAT, ["batch", size]))
    width = 13 + 5 if wide_embedding else 1
    for output in graph.output:
        if output.name == "embedding":
            output.CopyFrom(value("embedding", TensorProto.FLOAT, ["batch", width]))
    onnx.save(model, str(path))
    return path


def statistics_logits(
    mfcc: np.ndarray, statistics: np.ndarray, speaker: SpeakerStatistics | None = None
) -> np.ndarray:
    """Return the logits `(2,)` of the tiny model with clip statistics, by numpy.

    Args:
        mfcc: Frames that the network gets, `(n_frames, 13)`.
        statistics: Statistics of the clip, `(5,)`.
        speaker: The speaker, if known.
    """
    if speaker is None:
        speaker = SpeakerStatistics(np.zeros(5), 0.0)
    weights = STATISTICS_WEIGHTS
    scaled = (statistics - weights["statistics_mean"][0]) / weights["statistics_std"][0]
    z = np.where(np.isnan(statistics), 0, np.clip(scaled, -5, 5))
    n = np.clip(z - speaker.mean, -5, 5)
    c0 = mfcc[:, 0].mean()
    network = np.array([-0.01 * c0 - 2, 0.01 * c0 + 2])
    unknown, known = (
        x @ weights[f"w{k}"] + weights[f"b{k}"] + weights[f"g{k}"] * network
        for k, x in enumerate((z, n))
    )
    logits = (1 - speaker.weight) * unknown + speaker.weight * known
    if speaker.correction is not None:
        logits = logits + n @ speaker.correction[:-1] + speaker.correction[-1]
    return np.asarray(logits)
