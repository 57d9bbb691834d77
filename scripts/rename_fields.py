"""Rewrite the committed reports and bundled models with the field names of card schema 4.

`python -m scripts.rename_fields` reads the names of schema 3, which nothing else does. The weights
stay as they are; the graph of the bundled model gains the output `embedding`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from edge_runtime.files import atomic_replace
from edge_runtime.inference.card import METADATA_KEY, SCHEMA, ModelCard
from edge_runtime.inference.checksum import add_checksum

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "edge_runtime" / "models"

FIELDS = {
    "members": "ensemble_size",
    "stack": "frame_stack",
    "stem_size": "input_size",
    "teaching": "distillation_weight",
    "blur": "vtl_smoothing",
    "average_epochs": "ema_epochs",
    "final_rate": "final_lr_factor",
    "shuffled": "segment_shuffle",
    "offset": "cepstral_offset",
    "vocal_tract": "vtlp",
    "mfcc": "mfcc_config",
    "better": "default",
}
# Keys whose value is the name of a recipe, or a list of names.
RECIPE_NAMES = {"recipe", "order"}


def renamed(value: Any, key: str = "") -> Any:
    """Return a JSON value with the new names of fields and recipes."""
    if isinstance(value, dict):
        return {FIELDS.get(name, name): renamed(part, name) for name, part in value.items()}
    if isinstance(value, list):
        return [renamed(part, key) for part in value]
    return FIELDS.get(value, value) if key in RECIPE_NAMES and isinstance(value, str) else value


def with_embedding(graph: onnx.GraphProto) -> None:
    """Add the output `embedding`: what the last layer of each member gets, concatenated."""
    if any(output.name == "embedding" for output in graph.output):
        return
    consumers = {node.input[0]: node for node in graph.node if node.op_type == "Relu"}
    hidden = [
        consumers[node.output[0]].output[0]
        for node in graph.node
        if node.op_type == "Gemm" and ".fc." in node.input[1]
    ]
    fc_size = next(len(t.dims) and t.dims[0] for t in graph.initializer if ".fc.bias" in t.name)
    graph.node.append(helper.make_node("Concat", hidden, ["embedding"], axis=1))
    size = len(hidden) * fc_size
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", size])
    at = next(k for k, value in enumerate(graph.output) if value.name == "new_state")
    graph.output.insert(at, output)


def rewrite_model(path: Path) -> None:
    """Rewrite the card of a model file and, unless it is a waveform graph, add the embedding."""
    model = onnx.load(str(path))
    properties = {entry.key: entry.value for entry in model.metadata_props}
    values = renamed(json.loads(properties[METADATA_KEY])) | {"schema": SCHEMA}
    card = ModelCard.from_json(json.dumps(values), str(path))
    if any(value.name == "state" for value in model.graph.input):
        with_embedding(model.graph)
    model.DiscardUnknownFields()  # the checksum
    del model.metadata_props[:]
    helper.set_model_props(model, {METADATA_KEY: card.to_json()})
    onnx.checker.check_model(model, full_check=True)
    with atomic_replace(path) as temporary:
        temporary.write_bytes(add_checksum(model.SerializeToString(deterministic=True)))


def main() -> None:
    """Rewrite all files."""
    for path in sorted(MODELS.glob("*.onnx")):
        rewrite_model(path)
        print(f"{path.relative_to(ROOT)}: schema {SCHEMA}")
    for path in sorted((ROOT / "reports").glob("*.json")):
        text = path.read_text(encoding="utf-8")
        value = json.loads(text)
        new = renamed(value)
        if new == value:
            continue
        indent = 2 if "\n  " in text else 1 if "\n " in text else None
        with atomic_replace(path) as temporary:
            temporary.write_text(
                json.dumps(new, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8"
            )
        print(f"{path.relative_to(ROOT)}: renamed")


if __name__ == "__main__":
    main()
