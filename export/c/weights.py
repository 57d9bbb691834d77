"""The weights of an exported model, read from its graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from edge_runtime import ConfigError


@dataclass(frozen=True)
class Matrix:
    """A matrix with one row per output: int8 values with a scale per row, or float32.

    Attributes:
        values: int8 or float32 `(n_rows, n_columns)`.
        scales: float32 `(n_rows,)`; None for float32 values.
    """

    values: np.ndarray
    scales: np.ndarray | None = None


@dataclass(frozen=True)
class Dense:
    """A linear layer.

    Attributes:
        matrix: The weights.
        bias: float32 `(n_rows,)`.
    """

    matrix: Matrix
    bias: np.ndarray


@dataclass(frozen=True)
class Lstm:
    """An LSTM layer; the order of the gates is input, output, forget, cell.

    Attributes:
        input: Weights of the input, `(4 * hidden, width)`.
        recurrent: Weights of the output of the step before, `(4 * hidden, hidden)`.
        bias: Sum of both biases, float32 `(4 * hidden,)`.
    """

    input: Matrix
    recurrent: Matrix
    bias: np.ndarray


@dataclass(frozen=True)
class Member:
    """A network of the ensemble.

    Attributes:
        stem: The layer between the frames and the LSTM, if there is one.
        layers: The LSTM layers.
        score: Attention over time; None for the mean.
        embedding: The layer after the pooling.
        output: The layer of the logits.
    """

    stem: Dense | None
    layers: list[Lstm]
    score: Dense | None
    embedding: Dense
    output: Dense


@dataclass(frozen=True)
class Gate:
    """The speech gate.

    Attributes:
        mean: Mean of the rows, float32 `(width,)`.
        deviation: Their deviation, float32 `(width,)`.
        stem: The first layer.
        lstm: The LSTM layer.
        output: The layer of the logit.
    """

    mean: np.ndarray
    deviation: np.ndarray
    stem: Dense
    lstm: Lstm
    output: Dense


class ModelWeights:
    """The weights of a model file.

    Args:
        path: An .onnx file of `export_fp32` or `export_int8`.
        architecture: `ModelCard.architecture`.

    Attributes:
        mean: Mean of the frames, float32 `(n_mfcc,)`.
        deviation: Their deviation, float32 `(n_mfcc,)`.
        members: The networks of the ensemble.
        gate: The speech gate; None if the model has none.

    Raises:
        ConfigError: If the graph is not one of these.
    """

    def __init__(self, path: Path, architecture: dict[str, object]) -> None:
        graph = onnx.load(str(path)).graph
        self._path = path
        self._nodes = list(graph.node)
        self._tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._made_by = {name: node for node in self._nodes for name in node.output}
        if not any(value.name == "mfcc" for value in graph.input):
            raise ConfigError(
                f"{path}: expected a graph that begins with MFCC frames, got one that begins with "
                "the waveform; pass the model without .waveform in its name"
            )
        self._architecture = architecture
        self.mean, self.deviation = self._normalisation("mfcc")
        lstms = self._lstms()
        n_layers, n_members = (
            int(str(architecture[key])) for key in ("lstm_layers", "ensemble_size")
        )
        self.members = [
            self._member(k, lstms["state"][k * n_layers : (k + 1) * n_layers])
            for k in range(n_members)
        ]
        self.gate: Gate | None = None
        if lstms["gate_state"]:
            self.gate = Gate(
                *self._normalisation("rows"),
                self._dense("network.gate.stem"),
                lstms["gate_state"][0],
                self._dense("network.gate.out"),
            )

    def arrays(self) -> Iterator[np.ndarray]:
        """Yield the weights of the networks."""
        yield from _arrays(self.members)
        if self.gate is not None:
            yield from _arrays(self.gate)

    def branch(self, name: str) -> np.ndarray:
        """Return a weight of the branch of the clip statistics, such as "unknown_weights"."""
        return self._tensor(f"network.branch.{name}")

    def _normalisation(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean and the deviation that an input of the graph is normalised by.

        They are found by their use, since the exporter merges tensors of equal values.
        """
        difference = self._use_of(name, "Sub")
        quotient = self._use_of(difference.output[0], "Div")
        return self._tensor(difference.input[1]), self._tensor(quotient.input[1])

    def _use_of(self, name: str, op_type: str) -> onnx.NodeProto:
        """Return the one node of a type that has a value as its first input."""
        nodes = [node for node in self._nodes if node.op_type == op_type and name in node.input[:1]]
        if len(nodes) != 1:
            raise ConfigError(f"{self._path}: expected one {op_type} of {name!r}, got {len(nodes)}")
        return nodes[0]

    def _tensor(self, name: str) -> np.ndarray:
        """Return a tensor by its name, or by that of a copy."""
        while name in self._made_by and self._made_by[name].op_type == "Identity":
            name = self._made_by[name].input[0]
        if name not in self._tensors:
            raise ConfigError(f"{self._path}: weights {name!r} not found; export the model again")
        return self._tensors[name]

    def _member(self, index: int, layers: list[Lstm]) -> Member:
        name = f"network.members.{index}"
        stem = self._dense(f"{name}.stem") if self._architecture["input_size"] else None
        score = None
        if self._architecture["pooling"] == "attention":
            # The exporter writes this product without a name: its sum with the bias follows.
            bias = f"{name}.score.bias"
            (sum_,) = (node for node in self._nodes if bias in node.input)
            (product,) = (self._made_by[value] for value in sum_.input if value in self._made_by)
            score = Dense(self._matrix(product.input[1], by_columns=True), self._tensor(bias))
        embedding, output = self._dense(f"{name}.fc"), self._dense(f"{name}.out")
        return Member(stem, layers, score, embedding, output)

    def _dense(self, name: str) -> Dense:
        return Dense(self._matrix(f"{name}.weight"), self._tensor(f"{name}.bias"))

    def _matrix(self, name: str, by_columns: bool = False) -> Matrix:
        """Return a matrix by its name, with one row per output.

        Args:
            name: Name of the tensor, before its quantization.
            by_columns: The graph stores one column per output.
        """
        scales = None
        if f"{name}.int8" in self._tensors:
            values, scales = self._tensor(f"{name}.int8"), self._tensor(f"{name}.scale")
        else:
            values = self._tensor(name)
        values = values.reshape(values.shape[-2:])  # an LSTM has a dimension of directions
        return Matrix(np.ascontiguousarray(values.T if by_columns else values), scales)

    def _lstms(self) -> dict[str, list[Lstm]]:
        """Return the LSTM layers in the order of the graph, by the input that is their state."""
        lstms: dict[str, list[Lstm]] = {"state": [], "gate_state": []}
        for node in self._nodes:
            if node.op_type != "LSTM":
                continue
            biases = self._tensor(node.input[3]).reshape(2, -1)
            layer = Lstm(
                self._matrix(node.input[1]), self._matrix(node.input[2]), biases.sum(axis=0)
            )
            lstms[self._graph_input(node.input[5])].append(layer)
        return lstms

    def _graph_input(self, name: str) -> str:
        """Return the input of the graph that a value is a part of."""
        while name in self._made_by:
            name = self._made_by[name].input[0]
        return name


def _arrays(value: Any) -> Iterator[np.ndarray]:
    """Yield the arrays in lists and dataclasses."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _arrays(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _arrays(getattr(value, field.name))
