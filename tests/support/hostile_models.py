"""Malicious and randomly damaged model files.

Random damage is tried in a separate process, because a crash of onnxruntime would end it:

    PYTHONPATH=tests python -m support.hostile_models MODEL --seed 1 --count 5000 [--unsealed]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge_runtime import EmotionModel, ModelError
from edge_runtime.inference.checksum import CHECKSUM_LENGTH, add_checksum


def changed(path: Path, change: Callable) -> Path:
    """Write the tiny model to `path` after `change(model)` has edited the ONNX model."""
    import onnx

    from support.tiny_model import write_tiny_model

    model = onnx.load(str(write_tiny_model(path)))
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def with_nodes(*nodes: tuple, constants: dict | None = None, last: str = "big") -> Callable:
    """Return a change that adds nodes `(operator, inputs, outputs, attributes)`.

    The maximum of their output `last` feeds the logits, so that no optimiser removes them.
    """
    from onnx import helper, numpy_helper

    def change(model: object) -> None:
        graph = model.graph  # type: ignore[attr-defined]
        gemm = next(node for node in graph.node if node.op_type == "Gemm")
        gemm.output[0] = "small"
        softmax = next(node for node in graph.node if node.op_type == "Softmax")
        graph.node.remove(softmax)
        for operator, inputs, outputs, *attributes in nodes:
            graph.node.append(helper.make_node(operator, inputs, outputs, **dict(*attributes)))
        for operator, inputs, outputs in (
            ("ReduceMax", [last], ["maximum"]),
            ("Mul", ["maximum", "zero"], ["nothing"]),
            ("Add", ["small", "nothing"], ["logits"]),
        ):
            extra = {"keepdims": 0} if operator == "ReduceMax" else {}
            graph.node.append(helper.make_node(operator, inputs, outputs, **extra))
        graph.node.append(softmax)
        for name, value in (constants or {}).items():
            graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))

    return change


def external(location: str) -> Callable:
    """Return a change that moves the weights to another file."""

    def change(model: object) -> None:
        initializers = model.graph.initializer  # type: ignore[attr-defined]
        (weights,) = (tensor for tensor in initializers if tensor.name == "weights")
        size = len(weights.raw_data)
        weights.ClearField("raw_data")
        weights.data_location = 1
        for key, value in (("location", location), ("offset", "0"), ("length", str(size))):
            weights.external_data.add(key=key, value=value)

    return change


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Flip random bits, or replace, remove or repeat random bytes."""
    out = bytearray(content)
    kind = rng.randrange(6)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        at = rng.randrange(len(out))
        if kind < 3:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 3:
            out[at] = rng.randrange(256)
        elif kind == 4:
            del out[at : at + rng.randrange(1, 9)]
        else:
            length = rng.randrange(1, 9)
            out[at:at] = out[at : at + length] or b"\0"
    return bytes(out)


def try_damage(content: bytes, seed: int, count: int) -> tuple[int, int]:
    """Return how many of `count` damaged files are refused, and how many give a prediction.

    Raises:
        AssertionError: If an error or a prediction is malformed.
    """
    rng = random.Random(seed)
    voice = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    refused = answered = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.onnx"
        for number in range(count):
            path.write_bytes(damaged(content, rng))
            print(f"\r{number}", end="", file=sys.stderr, flush=True)
            try:
                prediction = EmotionModel.load(path).classify(voice)
            except ModelError as error:
                assert str(path) in str(error) and "\n" not in str(error), error
                refused += 1
            else:
                assert abs(sum(prediction.probabilities.values()) - 1) < 1e-2, prediction
                answered += 1
    return refused, answered


def without_checksum(content: bytes) -> bytes:
    """Return a model without its checksum, so that damage reaches onnxruntime."""
    without = content[:-CHECKSUM_LENGTH]
    return without if add_checksum(without) == content else content


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--unsealed", action="store_true")
    options = parser.parse_args()
    whole = options.model.read_bytes()
    print(
        *try_damage(
            without_checksum(whole) if options.unsealed else whole, options.seed, options.count
        )
    )
