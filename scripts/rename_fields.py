"""Rewrite the committed reports and bundled models with the current names.

`python -m scripts.rename_fields` reads card schemas 3 and 4 and earlier reports, which nothing
else does. Weights and scores stay as they are; the graph of the bundled model gains the
output `embedding`. Running it again changes nothing.
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

# Keys that cards of earlier schemas lack.
NEW_KEYS = {"statistics": None, "arousal": None}

# Keys of reports.
REPORT_KEYS = {"choose the epoch in turn": "validation_folds"}

# Variants of the ablation studies.
VARIANTS = {
    "the recipe, one network": "reference, 1 member",
    "3 networks": "3 members",
    "3 networks, the learning rate stays": "3 members, constant learning rate",
    "taught": "distillation",
    "through the mean tract": "VTL smoothing",
    "3 networks, taught": "3 members, distillation",
    "3 networks, taught, mean tract: the whole recipe": (
        "full recipe: 3 members, distillation, VTL smoothing"
    ),
    "windows of 32 ms": "32 ms windows",
    "windows of 128 ms": "128 ms windows",
    "a frame every 10 ms": "10 ms hop",
    "13 bands": "13 mel bands",
    "40 bands up to 8 kHz": "40 mel bands up to 8 kHz",
    "40 bands up to 8 kHz, levels as recorded": "40 mel bands up to 8 kHz, absolute levels",
    "16 bands up to 2.5 kHz": "16 mel bands up to 2.5 kHz",
    "16 bands up to 1.6 kHz": "16 mel bands up to 1.6 kHz",
    "silence kept": "no silence removal",
    "levels as recorded": "absolute levels",
    "2 frames a step": "2 frames per step",
    "3 frames a step": "3 frames per step",
    "6 frames a step": "6 frames per step",
    "44 units": "44 hidden units",
    "96 units": "96 hidden units",
    "mean over time": "mean pooling",
    "no residual": "no residual connection",
    "no other vocal tracts": "no VTLP",
    "no other speeds": "no speed perturbation",
    "no mixed styles": "no MixStyle",
    "all styles mixed": "MixStyle on all clips",
    "mixed styles": "MixStyle",
    "pieces in another order": "segment shuffle",
    "no offsets": "no cepstral offset",
    "offsets of 0.3": "cepstral offset 0.3",
    "offsets of 0.5": "cepstral offset 0.5",
    "telephones": "telephone band",
    "no telephones": "no telephone band",
    "nothing of noise": "no speech output",
    "dropout of 0.1": "dropout 0.1",
    "dropout of 0.3": "dropout 0.3",
    "weights as they are, not their moving average": "no moving average of the weights",
    "weight decay of 0.2": "weight decay 0.2",
    "the learning rate stays": "constant learning rate",
    "the learning rate stays, 120 epochs": "constant learning rate, 120 epochs",
    "the baseline": "baseline recipe",
    "pieces in their order": "no segment shuffle",
    "pieces in their order, 3 networks": "no segment shuffle, 3 members",
    "pieces in their order, the learning rate stays": "no segment shuffle, constant learning rate",
    "pieces in their order, 3 networks, the learning rate stays": (
        "no segment shuffle, 3 members, constant learning rate"
    ),
    "pieces in their order, 15 epochs": "no segment shuffle, 15 epochs",
    "pieces of all clips in another order": "segment shuffle on all clips",
    "rooms": "room reverberation",
    "vocal tracts of 0.15": "VTLP 0.15",
    "speeds of 0.3": "speed perturbation 0.3",
}

# Names and limits of the comparisons in a parity report.
PARITY_TEXTS = {
    "int8: whole → in pieces": "int8: whole clips → chunks",
    "logits within 0.0001, every decision equal": "logits within 0.0001, all decisions equal",
    "UAR within 0.5 points, or one decision": "UAR within 0.5 points, or one changed decision",
    "features within 0.001, probabilities within 0.0001, every decision equal": (
        "features within 0.001, probabilities within 0.0001, all decisions equal"
    ),
}


def renamed(value: Any, key: str = "") -> Any:
    """Return a JSON value with the new names of fields and recipes."""
    if isinstance(value, dict):
        names = FIELDS | REPORT_KEYS
        return {names.get(name, name): renamed(part, name) for name, part in value.items()}
    if isinstance(value, list):
        return [renamed(part, key) for part in value]
    return FIELDS.get(value, value) if key in RECIPE_NAMES and isinstance(value, str) else value


def renamed_report(report: Any) -> Any:
    """Return a report with the new names, including ablation variants and parity comparisons."""
    report = renamed(report)
    if isinstance(report, dict) and "scores" in report:  # an ablation study
        for key in ("recipes", "scores"):
            report[key] = {VARIANTS.get(name, name): part for name, part in report[key].items()}
    if isinstance(report, dict) and "links" in report:  # a parity report
        for link in report["links"]:
            for key in ("name", "limit"):
                link[key] = PARITY_TEXTS.get(link[key], link[key])
    return report


def with_embedding(graph: onnx.GraphProto) -> None:
    """Add the output `embedding`: the inputs of the last layer of all members, concatenated."""
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
    values = NEW_KEYS | renamed(json.loads(properties[METADATA_KEY])) | {"schema": SCHEMA}
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
        new = renamed_report(value)
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
