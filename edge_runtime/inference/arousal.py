"""Arousal of a voice, from the probabilities of the labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..messages import brief_repr
from ..validation import check_fields, check_number

MIN_PROBABILITY = 1e-9  # keeps the log odds finite
MAX_SCALE, MAX_OFFSET = 100, 1000


@dataclass(frozen=True)
class Arousal:
    """Labels of high arousal, and a calibration of their probability.

    Attributes:
        labels: Labels of high arousal: at least one of the model's labels, and not all of them.
        scale: Factor of the log odds, 0 to 100.
        offset: Added to the scaled log odds, -1000 to 1000.

    Raises:
        ConfigError: If a value is out of range.

    Example:
        >>> arousal = Arousal(("angry",), scale=1.0, offset=0.0)
        >>> round(arousal.probability(np.array([0.25, 0.75]), ("angry", "sad")), 6)
        0.25
    """

    labels: tuple[str, ...]
    scale: float
    offset: float

    def __post_init__(self) -> None:
        check_number("scale", self.scale, 0, MAX_SCALE)
        check_number("offset", self.offset, -MAX_OFFSET, MAX_OFFSET)

    @classmethod
    def from_dict(cls, settings: Any) -> Arousal:
        """Restore the settings of a model card.

        Args:
            settings: A dict with every field and no other key.

        Raises:
            ConfigError: If a key is missing or unknown, or a value invalid.
        """
        values = check_fields(cls, settings, "arousal settings")
        labels = values["labels"]
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise ConfigError(f"labels={brief_repr(labels)} must be a list of labels")
        return cls(tuple(labels), values["scale"], values["offset"])

    def probability(self, probabilities: np.ndarray, labels: Sequence[str]) -> float:
        """Return the probability of high arousal, 0 to 1.

        Args:
            probabilities: Probability of each label, `(n_labels,)`.
            labels: All labels of the model.
        """
        is_high = np.array([label in self.labels for label in labels])
        high, low = (
            max(float(probabilities[part].sum()), MIN_PROBABILITY) for part in (is_high, ~is_high)
        )
        return _sigmoid(self.scale * math.log(high / low) + self.offset)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else 1 - 1 / (1 + math.exp(x))
