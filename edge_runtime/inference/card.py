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

from .. import strict_json
from ..errors import ConfigError, ModelError
from ..features.config import MfccConfig
from ..features.silence import SilenceConfig
from ..messages import brief_repr, shorten, shorten_error
from .prediction import NO_SPEECH, UNCERTAIN

METADATA_KEY = "edge_ser"
SCHEMA = 4

# Characters of JSON; ours have some thousands.
MAX_CARD = 1 << 20

# A label, and a name: what fits into a line.
MAX_LABEL, MAX_NAME = 64, 200

# Frames come at least this often and at most this often, in seconds; speech is analysed every 10
# to 20 ms. Far more of them, and a clip takes longer than it lasts.
MIN_HOP, MAX_HOP = 0.001, 1.0


@dataclass(frozen=True)
class ModelCard:
    """What a model is, what it was made from and what it is worth."""

    name: str
    labels: tuple[str, ...]
    mfcc_config: MfccConfig
    silence: SilenceConfig | None  # which frames the network does not hear; None: it hears all
    normalisation: str  # where the features are normalised; the graph does it
    temperature: float  # of the softmax; the graph divides the logits by it
    profile_gain: float  # by which the logits of a voice that is known through and through grow
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
        if len(text) > MAX_CARD:
            raise ModelError(
                f"{file}: its model card has {len(text):,} characters; wanted {MAX_CARD:,} at most"
            )
        try:
            values = strict_json.loads(text)
        except ValueError as error:
            raise ModelError(
                f"{file}: its model card is not JSON: {shorten_error(error)}"
            ) from error
        if not isinstance(values, dict):
            raise ModelError(f"{file}: its model card is not a JSON object")
        schema = values.pop("schema", None)
        if type(schema) is not int or schema < 1:
            raise ModelError(
                f"{file}: its model card has schema={brief_repr(schema)}; wanted {SCHEMA}"
            )
        if schema < SCHEMA:
            raise ModelError(
                f"{file}: its model card has schema {schema}, this version reads {SCHEMA}: "
                "export the model again, or install the edge-ser that made it"
            )
        if schema > SCHEMA:
            raise ModelError(
                f"{file}: its model card has schema {brief_repr(schema)}, this version reads "
                f"{SCHEMA}: install a newer edge-ser"
            )
        wanted = {field.name for field in dataclasses.fields(cls)}
        for what, keys in (
            ("lacks", wanted - values.keys()),
            ("has the unknown", values.keys() - wanted),
        ):
            if keys:
                names = ", ".join(sorted(keys))
                raise ModelError(f"{file}: its model card {what} key {shorten(names)}")
        try:
            values["mfcc_config"] = MfccConfig.from_dict(values["mfcc_config"])
        except (ConfigError, TypeError, OverflowError) as error:
            said = shorten_error(error)
            raise ModelError(f"{file}: the key mfcc_config of its model card: {said}") from error
        try:
            if values["silence"] is not None:
                values["silence"] = SilenceConfig.from_dict(values["silence"])
        except (ConfigError, OverflowError) as error:
            said = shorten_error(error)
            raise ModelError(f"{file}: the key silence of its model card: {said}") from error
        _check(values, file)
        values["labels"] = tuple(values["labels"])
        values["corpora"] = tuple(values["corpora"])
        return cls(**values)


def _check(values: dict[str, Any], file: str) -> None:
    """The types and ranges of what the runtime computes with."""

    def require(key: str, holds: bool, wanted: str) -> None:
        if not holds:
            raise ModelError(
                f"{file}: the key {key} of its model card is {brief_repr(values[key])}; "
                f"wanted {wanted}"
            )

    labels = values["labels"]
    require(
        "labels",
        isinstance(labels, list)
        and 2 <= len(labels) <= 1000
        and all(_is_text(label, MAX_LABEL) and label for label in labels)
        and len(set(labels)) == len(labels)
        and not {NO_SPEECH, UNCERTAIN} & set(labels),
        f"two or more different names of {MAX_LABEL} characters at most, none of them "
        f"{NO_SPEECH!r} or {UNCERTAIN!r}",
    )
    for key, low, high in (
        ("temperature", 0.0, math.inf),
        ("profile_gain", 0.0, math.inf),
        ("uncertain_below", 0.0, 1.0),
        ("speech_above", 0.0, 1.0),
        ("speech_above_dbfs", -math.inf, 0.0),
    ):
        number = isinstance(values[key], (int, float)) and not isinstance(values[key], bool)
        require(
            key,
            number and low <= values[key] <= high and abs(values[key]) < 1e30,
            f"a number from {low} to {high}",
        )
    for key in ("temperature", "profile_gain"):
        require(key, values[key] > 0, "a number above 0")
    for key in ("name", "normalisation", "quantization"):
        require(key, _is_text(values[key], MAX_NAME), "a line of text")
    require("licence", _is_text(values["licence"], 10_000), "a line of text")
    for key in ("architecture", "scores"):
        require(key, isinstance(values[key], dict), "an object")
    corpora = values["corpora"]
    require(
        "corpora",
        isinstance(corpora, list) and all(isinstance(corpus, dict) for corpus in corpora),
        "a list of objects",
    )
    parameters = values["parameters"]
    require("parameters", type(parameters) is int and 0 <= parameters < 1e12, "a whole number")
    require(
        "frames_per_step",
        type(values["frames_per_step"]) is int and 1 <= values["frames_per_step"] <= 1000,
        "a whole number from 1 to 1000",
    )
    _check_front_end(values["mfcc_config"], file)


def _is_text(value: Any, longest: int) -> bool:
    """Text that a terminal, a table and a log show as it is: no control characters in it."""
    return isinstance(value, str) and len(value) <= longest and value.isprintable()


def _check_front_end(mfcc: MfccConfig, file: str) -> None:
    """Settings that are possible, but would keep a device busy or be heard by nobody."""
    hop = mfcc.frame_period
    for name, holds, wanted in (
        ("sample_rate", mfcc.sample_rate >= 1000, "1000 or more"),
        (
            "hop_length",
            MIN_HOP <= hop <= MAX_HOP,
            f"{MIN_HOP:g} to {MAX_HOP:g} s of sample_rate={mfcc.sample_rate}",
        ),
        ("n_fft", mfcc.n_fft <= 4 * mfcc.sample_rate, f"4 s of {mfcc.sample_rate} at most"),
    ):
        if not holds:
            raise ModelError(
                f"{file}: the key mfcc_config of its model card has {name}={getattr(mfcc, name)}; wanted "
                f"{wanted}"
            )
