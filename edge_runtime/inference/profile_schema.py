"""The JSON file of a speaker profile, and its validation."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import ConfigError
from ..messages import brief_repr
from ..validation import check_fields, check_integer, check_number
from .card import MAX_LABEL_LENGTH, MAX_LABELS
from .profile_files import NAME_RULE, is_profile_name

SCHEMA = 3

# A profile of the mean alone takes a few hundred bytes to 2 kB, with a correction about 10 kB.
MAX_PROFILE_BYTES = 1 << 22

# Kinds of profiles: mean of the logits, or of the standardised statistics of clips.
LOGITS, STATISTICS = "logits", "statistics"

# Logits are in the tens at most. A larger mean would dominate every clip.
MAX_MEAN = 1e6
MAX_STATISTICS = 10_000
# Standardised statistics are clipped to this, and so is their mean.
MAX_STATISTICS_MEAN = 5.0
MAX_WEIGHT = 1e3  # of a correction

MAX_SECONDS = 1e9
MAX_COUNT = 10**9


@dataclass(frozen=True)
class Labelled:
    """The result of the labelled clips of a profile.

    Attributes:
        clips: Labelled clips with speech, by label.
        uar: UAR on these clips without the correction, in [0, 1]; the clip itself is left out of
            the mean of the speaker.
        corrected_uar: The same with a correction by the other clips. None if fewer than two labels
            have two clips.
        correction: Weights `(n_statistics + 1, n_labels)`, see `SpeakerStatistics.correction`.
            None: the clips do not support a correction.
    """

    clips: dict[str, int]
    uar: float
    corrected_uar: float | None
    correction: tuple[tuple[float, ...], ...] | None

    def rounded(self) -> Labelled:
        """Return the values as a file holds them."""
        correction, corrected_uar = self.correction, self.corrected_uar
        if correction is not None:
            correction = tuple(tuple(round(x, 5) for x in row) for row in correction)
        if corrected_uar is not None:
            corrected_uar = round(corrected_uar, 4)
        return Labelled(self.clips, round(self.uar, 4), corrected_uar, correction)


@dataclass(frozen=True)
class ProfileFile:
    """The JSON object of a profile file, without its schema.

    Attributes:
        name: Name of the speaker.
        kind: `LOGITS` or `STATISTICS`.
        seconds: Seconds of speech.
        labels: Labels of the model.
        answers: Pieces of speech answered with each label.
        mean: Mean of the logits or of the standardised statistics.
        labelled: Result of the labelled clips, or None.
        model: Fingerprint of the model file.
    """

    name: str
    kind: str
    seconds: float
    labels: list[str]
    answers: dict[str, int]
    mean: list[float]
    labelled: Labelled | None
    model: str

    def to_json(self) -> str:
        """Return the text of the file: one line for each key."""
        lines = [
            f" {json.dumps(key)}: {json.dumps(value)}"
            for key, value in {"schema": SCHEMA, **asdict(self)}.items()
        ]
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def from_json(cls, values: Any) -> ProfileFile:
        """Validate the object of a file.

        Raises:
            ConfigError: If it is not that of a profile; the message names the key.
        """
        if not isinstance(values, dict) or values.pop("schema", None) != SCHEMA:
            raise ConfigError(
                f"expected an object with schema {SCHEMA}; if another version wrote it, create the "
                "profile again"
            )
        content = cls(**check_fields(cls, values, "profile"))
        if not isinstance(content.name, str) or not is_profile_name(content.name):
            raise ConfigError(f"name={brief_repr(content.name)} must be {NAME_RULE}")
        if content.kind not in (LOGITS, STATISTICS):
            raise ConfigError(
                f"kind={brief_repr(content.kind)} must be {LOGITS!r} or {STATISTICS!r}"
            )
        check_number("seconds", content.seconds, 0, MAX_SECONDS)
        _check_labels(content.labels)
        _check_counts("answers", content.answers, content.labels)
        _check_mean(content)
        if not isinstance(content.model, str):
            raise ConfigError(f"model={brief_repr(content.model)} must be text")
        if content.labelled is None:
            return content
        if content.kind == LOGITS:
            raise ConfigError(f"labelled must be null in a profile of kind {LOGITS!r}")
        labelled = _labelled(content.labelled, content.labels, len(content.mean))
        return cls(**{**values, "labelled": labelled})


def _check_labels(labels: Any) -> None:
    is_valid = (
        isinstance(labels, list)
        and 2 <= len(labels) <= MAX_LABELS
        and all(isinstance(label, str) and len(label) <= MAX_LABEL_LENGTH for label in labels)
        and len(set(labels)) == len(labels)
    )
    if not is_valid:
        raise ConfigError(f"labels={brief_repr(labels)} must be a list of different labels")


def _check_counts(name: str, counts: Any, labels: list[str]) -> None:
    if not isinstance(counts, dict) or not counts.keys() <= set(labels):
        raise ConfigError(f"{name}={brief_repr(counts)} must have numbers of labels")
    for count in counts.values():
        check_integer(name, count, 0, MAX_COUNT)


def _check_mean(content: ProfileFile) -> None:
    mean, is_logits = content.mean, content.kind == LOGITS
    n_min, n_max = (len(content.labels),) * 2 if is_logits else (1, MAX_STATISTICS)
    if not isinstance(mean, list) or not n_min <= len(mean) <= n_max:
        expected = "a number for each label" if is_logits else f"1 to {MAX_STATISTICS} numbers"
        raise ConfigError(f"mean={brief_repr(mean)} must have {expected}")
    bound = MAX_MEAN if is_logits else MAX_STATISTICS_MEAN
    for value in mean:
        check_number("mean", value, -bound, bound)


def _labelled(values: Any, labels: list[str], n_statistics: int) -> Labelled:
    """Validate the result of the labelled clips."""
    labelled = Labelled(**check_fields(Labelled, values, "labelled"))
    _check_counts("clips", labelled.clips, labels)
    check_number("uar", labelled.uar, 0, 1)
    if labelled.corrected_uar is not None:
        check_number("corrected_uar", labelled.corrected_uar, 0, 1)
    rows: Any = labelled.correction
    if rows is None:
        return labelled
    shape = (n_statistics + 1, len(labels))
    if (
        not isinstance(rows, list)
        or len(rows) != shape[0]
        or not all(isinstance(row, list) and len(row) == shape[1] for row in rows)
    ):
        raise ConfigError(f"correction must be {shape[0]} lists of {shape[1]} numbers")
    for row in rows:
        for value in row:
            check_number("correction", value, -MAX_WEIGHT, MAX_WEIGHT)
    correction = tuple(tuple(map(float, row)) for row in rows)
    return Labelled(labelled.clips, labelled.uar, labelled.corrected_uar, correction)
