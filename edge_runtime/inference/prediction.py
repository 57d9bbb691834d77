"""The answer to what a clip sounds like."""

from __future__ import annotations

from dataclasses import dataclass

# Answers that are no emotions.
UNCERTAIN = "uncertain"
NO_SPEECH = "no speech"


@dataclass(frozen=True)
class Prediction:
    """What a clip sounds like.

    `label` is one of the model's labels, "uncertain" or "no speech"; `confidence` is the largest
    of the `probabilities`, which name every label of the model and sum to 1.
    """

    label: str
    confidence: float
    probabilities: dict[str, float]
