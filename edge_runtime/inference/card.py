"""The model card: everything about a model except its weights, as one JSON object in the file.

It is stored under the key `edge_ser` of the ONNX `metadata_props`. A model is therefore a single
file, and onnxruntime reads the card without the onnx package.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from .. import strict_json
from ..errors import ConfigError, ModelError
from ..features.config import MfccConfig
from ..features.silence import SilenceConfig
from ..messages import brief_repr, shorten_error
from ..validation import check_fields, check_integer, check_number
from .arousal import Arousal
from .prediction import NO_SPEECH, UNCERTAIN

METADATA_KEY = "edge_ser"
SCHEMA = 6

# Characters of JSON. Cards written by `export` have a few thousand.
MAX_CARD_LENGTH = 1 << 20

# Characters; both must fit into one line of a terminal.
MAX_LABEL_LENGTH, MAX_NAME_LENGTH = 64, 200
MAX_LICENCE_LENGTH = 10_000
MAX_LABELS = 1000

# Seconds between frames. Speech is analysed every 10 to 20 ms; with far more frames than that, a
# clip takes longer to process than it lasts.
MIN_HOP_SECONDS, MAX_HOP_SECONDS = 0.001, 1.0

MIN_SAMPLE_RATE = 1000  # Hz
MAX_MIN_SPEECH = 10.0  # seconds
MAX_FFT_SECONDS = 4


@dataclass(frozen=True)
class ModelCard:
    """Description of a model: its inputs, decision rule, training data and scores.

    `EmotionModel.card` returns the card of a model.

    Attributes:
        name: Name of the model, one line.
        labels: The emotions, in the order of the network's outputs.
        mfcc_config: Settings of the front end.
        silence: Settings of the gate that drops silent frames. None: the network gets all frames.
        normalisation: Description of the feature normalisation, which is part of the graph.
        temperature: Temperature of the softmax, above 0; applied within the graph.
        profile_gain: Gain of the logits for an unlimited amount of enrolment speech, above 0.
        uncertain_below: Confidence in [0, 1] below which the label is "uncertain"; 0 disables it.
        frames_per_step: A stream passes frames in multiples of this, except at its end.
        speech_above: Probability from which a frame is speech, in [0, 1]; see `min_speech`.
        min_speech: Seconds of speech that a stretch of audio must contain; with less, the label is
            "no speech". None: the model has no speech gate.
        speech_above_dbfs: Level of the loudest 30 ms in dBFS below which the label is "no speech".
        architecture: Settings of the network, by name.
        parameters: Number of weights.
        quantization: Description of the quantization, one line.
        licence: Licence of the weights, one line.
        corpora: Name, number of clips and number of speakers of each training corpus.
        scores: Test scores, by name.
        statistics: Names of the clip statistics, in the order of the graph's input `statistics`.
            None: the graph has no such input.
        arousal: Calibration of `Prediction.arousal`. None: the model does not predict it.

    Example:
        >>> from edge_runtime import EmotionModel
        >>> EmotionModel.load().card.mfcc_config.sample_rate
        16000
    """

    name: str
    labels: tuple[str, ...]
    mfcc_config: MfccConfig
    silence: SilenceConfig | None
    normalisation: str
    temperature: float
    profile_gain: float
    uncertain_below: float
    frames_per_step: int
    speech_above: float
    min_speech: float | None
    speech_above_dbfs: float
    architecture: dict[str, Any]
    parameters: int
    quantization: str
    licence: str
    corpora: tuple[dict[str, Any], ...]
    scores: dict[str, Any]
    statistics: tuple[str, ...] | None = None
    arousal: Arousal | None = None

    def to_json(self) -> str:
        """Return the card as one line of JSON; equal cards give equal text."""
        return json.dumps({"schema": SCHEMA, **dataclasses.asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, file: str) -> ModelCard:
        """Parse and validate the card of a model file.

        Args:
            text: JSON that `to_json` wrote.
            file: Name of the file, for error messages.

        Raises:
            ModelError: If the text is not a card of this schema; the message names the key.
        """
        if len(text) > MAX_CARD_LENGTH:
            raise ModelError(
                f"{file}: model card has {len(text):,} characters; expected at most "
                f"{MAX_CARD_LENGTH:,}"
            )
        try:
            values = strict_json.loads(text)
        except ValueError as error:
            raise ModelError(f"{file}: model card is not JSON: {shorten_error(error)}") from error
        if not isinstance(values, dict):
            raise ModelError(f"{file}: model card is not a JSON object")
        _check_schema(values.pop("schema", None), file)
        try:
            check_fields(cls, values, "model card")
        except ConfigError as error:
            raise ModelError(f"{file}: {error}") from error
        try:
            return cls(**_checked(values))
        except ConfigError as error:
            raise ModelError(f"{file}: model card: {shorten_error(error)}") from error


def _check_schema(schema: Any, file: str) -> None:
    if type(schema) is not int or schema < 1:
        raise ModelError(f"{file}: model card has schema={brief_repr(schema)}; expected {SCHEMA}")
    if schema < SCHEMA:
        raise ModelError(
            f"{file}: model card schema {schema} is not supported (expected {SCHEMA}); export the "
            "model again with this version"
        )
    if schema > SCHEMA:
        raise ModelError(
            f"{file}: model card schema {brief_repr(schema)} was written by a newer edge-ser (this "
            f"version reads {SCHEMA}); upgrade edge-ser"
        )


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a card; raise ConfigError for wrong types and ranges."""
    mfcc_config = _nested("mfcc_config", MfccConfig, values["mfcc_config"])
    _check_front_end(mfcc_config)
    silence = values["silence"]
    if silence is not None:
        silence = _nested("silence", SilenceConfig, silence)
    labels = values["labels"]
    _require(
        values,
        "labels",
        isinstance(labels, list)
        and 2 <= len(labels) <= MAX_LABELS
        and all(label and _is_line(label, MAX_LABEL_LENGTH) for label in labels)
        and len(set(labels)) == len(labels)
        and not {NO_SPEECH, UNCERTAIN} & set(labels),
        f"a list of two or more different names of at most {MAX_LABEL_LENGTH} characters, without "
        f"{NO_SPEECH!r} and {UNCERTAIN!r}",
    )
    check_number("temperature", values["temperature"], above=0)
    check_number("profile_gain", values["profile_gain"], above=0)
    check_number("uncertain_below", values["uncertain_below"], 0, 1)
    check_number("speech_above", values["speech_above"], 0, 1)
    if values["min_speech"] is not None:
        check_number("min_speech", values["min_speech"], 0, MAX_MIN_SPEECH, unit="seconds")
    check_number("speech_above_dbfs", values["speech_above_dbfs"], high=0)
    check_integer("frames_per_step", values["frames_per_step"], 1, 1000)
    check_integer("parameters", values["parameters"], 0)
    for key in ("name", "normalisation", "quantization"):
        _require(values, key, _is_line(values[key], MAX_NAME_LENGTH), "a line of text")
    _require(values, "licence", _is_line(values["licence"], MAX_LICENCE_LENGTH), "a line of text")
    for key in ("architecture", "scores"):
        _require(values, key, isinstance(values[key], dict), "an object")
    corpora = values["corpora"]
    _require(
        values,
        "corpora",
        isinstance(corpora, list) and all(isinstance(corpus, dict) for corpus in corpora),
        "a list of objects",
    )
    return {
        **values,
        "mfcc_config": mfcc_config,
        "silence": silence,
        "labels": tuple(labels),
        "corpora": tuple(corpora),
        "statistics": _checked_statistics(values, mfcc_config),
        "arousal": _checked_arousal(values, labels),
    }


def _checked_statistics(values: dict[str, Any], config: MfccConfig) -> tuple[str, ...] | None:
    names = values["statistics"]
    if names is None:
        return None
    from ..features.front_end import FrontEnd
    from ..features.functionals import functional_names

    _require(
        values,
        "statistics",
        isinstance(names, list)
        and bool(names)
        and all(isinstance(name, str) for name in names)
        and len(set(names)) == len(names)
        and set(names) <= set(functional_names(config.n_mfcc)),
        "a list of one or more different names of clip statistics",
    )
    try:
        FrontEnd(config, with_descriptors=True)
    except ConfigError as error:
        raise ConfigError(f"mfcc_config: {error}") from error
    return tuple(names)


def _checked_arousal(values: dict[str, Any], labels: list[str]) -> Arousal | None:
    if values["arousal"] is None:
        return None
    arousal: Arousal = _nested("arousal", Arousal, values["arousal"])
    if not set() < set(arousal.labels) < set(labels):
        raise ConfigError(
            f"arousal: labels={brief_repr(arousal.labels)} must be one or more of the labels, but "
            "not all"
        )
    return arousal


def _nested(key: str, cls: Any, settings: Any) -> Any:
    """Return `cls.from_dict(settings)`; errors name the key of the card."""
    try:
        return cls.from_dict(settings)
    except (ConfigError, TypeError, OverflowError) as error:
        raise ConfigError(f"{key}: {error}") from error


def _require(values: dict[str, Any], key: str, holds: bool, expected: str) -> None:
    if not holds:
        raise ConfigError(f"{key}={brief_repr(values[key])} must be {expected}")


def _is_line(value: Any, max_length: int) -> bool:
    """Return True for text without control characters, safe for terminals, tables and logs."""
    return isinstance(value, str) and len(value) <= max_length and value.isprintable()


def _check_front_end(config: MfccConfig) -> None:
    """Raise ConfigError for valid settings that would keep a device busy or lose the speech."""
    rate = config.sample_rate
    for name, holds, expected in (
        ("sample_rate", rate >= MIN_SAMPLE_RATE, f"{MIN_SAMPLE_RATE} Hz or more"),
        (
            "hop_length",
            MIN_HOP_SECONDS <= config.frame_period <= MAX_HOP_SECONDS,
            f"from {MIN_HOP_SECONDS:g} to {MAX_HOP_SECONDS:g} s at sample_rate={rate}",
        ),
        (
            "n_fft",
            config.n_fft <= MAX_FFT_SECONDS * rate,
            f"at most {MAX_FFT_SECONDS} s at sample_rate={rate}",
        ),
    ):
        if not holds:
            raise ConfigError(f"mfcc_config: {name}={getattr(config, name)} must be {expected}")
