"""The model card: everything about a model but its weights, as one JSON value inside the file.

It is stored under the key `edge_ser` of the ONNX `metadata_props`, so there is no second file to
lose, and onnxruntime reads it without the onnx package.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any

from .config import MfccConfig
from .errors import ConfigError, ModelError
from .silence import SilenceConfig

METADATA_KEY = "edge_ser"
SCHEMA = 2


@dataclass(frozen=True)
class ModelCard:
    """What a model is, what it was made from and what it is worth."""

    name: str
    labels: tuple[str, ...]
    mfcc: MfccConfig
    silence: SilenceConfig | None  # which frames the network does not hear; None: it hears all
    feature_mean: tuple[float, ...]  # of the training frames, (n_mfcc,); for speaker profiles
    normalisation: str  # where the features are normalised; the graph does it
    temperature: float  # of the softmax; the graph divides the logits by it
    uncertain_below: float  # confidence under which the answer is "uncertain"; 0: never
    frames_per_step: int  # streams give frames in multiples of this, but for the last
    speech_above: float  # probability of speech under which the answer is "no speech"; 0: never
    speech_above_dbfs: float  # level of the loudest 30 ms under which the answer is "no speech"
    architecture: dict[str, Any]
    parameters: int
    quantization: str
    licence: str
    corpora: tuple[dict[str, Any], ...]
    scores: dict[str, Any]

    def to_json(self) -> str:
        """One line, keys sorted: the same card is always the same bytes."""
        return json.dumps({"schema": SCHEMA, **dataclasses.asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, file: str) -> ModelCard:
        """The card of `file`. ModelError names the key that is missing, unknown or wrong."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelError(f"{file}: its model card is not JSON: {error}") from error
        if not isinstance(values, dict):
            raise ModelError(f"{file}: its model card is not a JSON object")
        schema = values.pop("schema", None)
        if not isinstance(schema, int) or schema < 1:
            raise ModelError(f"{file}: its model card has schema={schema!r}; wanted {SCHEMA}")
        if schema < SCHEMA:
            raise ModelError(
                f"{file}: its model card has schema {schema}, this version reads {SCHEMA}: "
                "export the model again, or install the edge-ser that made it"
            )
        if schema > SCHEMA:
            raise ModelError(
                f"{file}: its model card has schema {schema}, this version reads {SCHEMA}: "
                "install a newer edge-ser"
            )
        wanted = {field.name for field in dataclasses.fields(cls)}
        for what, keys in (("lacks", wanted - values.keys()), ("has the unknown",
                                                              values.keys() - wanted)):
            if keys:
                raise ModelError(f"{file}: its model card {what} key {', '.join(sorted(keys))}")
        try:
            values["mfcc"] = MfccConfig.from_dict(values["mfcc"])
        except (ConfigError, TypeError) as error:
            raise ModelError(f"{file}: the key mfcc of its model card: {error}") from error
        try:
            if values["silence"] is not None:
                values["silence"] = SilenceConfig.from_dict(values["silence"])
        except ConfigError as error:
            raise ModelError(f"{file}: the key silence of its model card: {error}") from error
        _check(values, file)
        values["labels"] = tuple(values["labels"])
        values["corpora"] = tuple(values["corpora"])
        values["feature_mean"] = tuple(map(float, values["feature_mean"]))
        return cls(**values)


def _check(values: dict[str, Any], file: str) -> None:
    """The types and ranges of what the runtime computes with."""

    def require(key: str, holds: bool, wanted: str) -> None:
        if not holds:
            raise ModelError(
                f"{file}: the key {key} of its model card is {values[key]!r}; wanted {wanted}"
            )

    labels = values["labels"]
    require(
        "labels",
        isinstance(labels, list) and len(labels) >= 2 and len(set(map(str, labels))) == len(labels)
        and all(isinstance(label, str) and label for label in labels),
        "two or more different names",
    )
    for key, low, high in (
        ("temperature", 0.0, math.inf), ("uncertain_below", 0.0, 1.0), ("speech_above", 0.0, 1.0),
        ("speech_above_dbfs", -math.inf, 0.0),
    ):
        number = isinstance(values[key], (int, float)) and not isinstance(values[key], bool)
        require(
            key, number and low <= values[key] <= high and abs(values[key]) < 1e30,
            f"a number from {low} to {high}",
        )
    mean = values["feature_mean"]
    require(
        "feature_mean",
        isinstance(mean, list) and len(mean) == values["mfcc"].n_mfcc
        and all(type(value) in (int, float) and abs(value) < 1e30 for value in mean),
        f"{values['mfcc'].n_mfcc} numbers",
    )
    require("temperature", values["temperature"] > 0, "a number above 0")
    for key in ("name", "normalisation", "quantization", "licence"):
        require(key, isinstance(values[key], str), "text")
    for key in ("architecture", "scores"):
        require(key, isinstance(values[key], dict), "an object")
    require("corpora", isinstance(values["corpora"], list), "a list")
    require("parameters", isinstance(values["parameters"], int), "a whole number")
    require(
        "frames_per_step",
        type(values["frames_per_step"]) is int and 1 <= values["frames_per_step"] <= 1000,
        "a whole number from 1 to 1000",
    )
