"""Models that nobody should run, and damage by chance; the latter in a process of its own, because
what is looked for is that onnxruntime ends it.

    python tests/hostile_models.py MODEL --seed 1 --count 5000 [--unsealed]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]
from edge_runtime import EmotionModel, ModelError  # noqa: E402
from edge_runtime.inference.checksum import SEAL_LENGTH, sealed  # noqa: E402


def changed(path: Path, change: Callable) -> Path:
    """The tiny model in `path`, changed: `change(model)` is given onnx's."""
    import onnx

    from support.tiny_model import write_tiny_model

    model = onnx.load(str(write_tiny_model(path)))
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def with_nodes(*nodes: tuple, constants: dict | None = None, last: str = "big") -> Callable:
    """A change: nodes `(operator, inputs, outputs, attributes)`, of whose output `last` the maximum
    is heeded, so that nothing takes them out."""
    from onnx import helper, numpy_helper

    def change(model: object) -> None:
        graph = model.graph  # type: ignore[attr-defined]
        gemm = next(node for node in graph.node if node.op_type == "Gemm")
        gemm.output[0] = "small"
        after = [node for node in graph.node if node.op_type == "Softmax"]
        graph.node.remove(after[0])
        for operator, inputs, outputs, *attributes in nodes:
            graph.node.append(helper.make_node(operator, inputs, outputs, **dict(*attributes)))
        for operator, inputs, outputs in (
            ("ReduceMax", [last], ["most"]),
            ("Mul", ["most", "zero"], ["nothing"]),
            ("Add", ["small", "nothing"], ["logits"]),
        ):
            extra = {"keepdims": 0} if operator == "ReduceMax" else {}
            graph.node.append(helper.make_node(operator, inputs, outputs, **extra))
        graph.node.extend(after)
        for name, value in (constants or {}).items():
            graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))

    return change


def external(location: str) -> Callable:
    """A change: the weights are in another file."""

    def change(model: object) -> None:
        (weights,) = (
            t
            for t in model.graph.initializer
            if t.name == "weights"  # type: ignore[attr-defined]
        )
        size = len(weights.raw_data)
        weights.ClearField("raw_data")
        weights.data_location = 1
        for key, value in (("location", location), ("cepstral_offset", "0"), ("length", str(size))):
            weights.external_data.add(key=key, value=value)

    return change


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Some bits flipped, or bytes taken out, put in or repeated."""
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
    """How many of `count` damaged files are refused and how many answer; nothing else happens."""
    rng = random.Random(seed)
    voice = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    refused = answered = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.onnx"
        for number in range(count):
            path.write_bytes(damaged(content, rng))
            print(f"\r{number}", end="", file=sys.stderr, flush=True)
            try:
                answer = EmotionModel.load(path).classify(voice)
            except ModelError as error:
                assert str(path) in str(error) and "\n" not in str(error), error
                refused += 1
            else:
                assert abs(sum(answer.probabilities.values()) - 1) < 1e-2, answer
                answered += 1
    return refused, answered


def unsealed(content: bytes) -> bytes:
    """A model without its checksum, so that onnxruntime gets to see the damage."""
    without = content[:-SEAL_LENGTH]
    return without if sealed(without) == content else content


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--unsealed", action="store_true")
    options = parser.parse_args()
    whole = options.model.read_bytes()
    print(*try_damage(unsealed(whole) if options.unsealed else whole, options.seed, options.count))
