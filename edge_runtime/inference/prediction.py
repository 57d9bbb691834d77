"""The result of a classification."""

from __future__ import annotations

from dataclasses import dataclass

# Labels of a prediction that are not emotions.
UNCERTAIN = "uncertain"
NO_SPEECH = "no speech"


@dataclass(frozen=True)
class Prediction:
    """The emotion of a stretch of audio.

    Attributes:
        label: One of the model's labels, "no speech" or "uncertain".
        confidence: The largest of `probabilities`, in [0, 1].
        probabilities: Probability of each label of the model; they sum to 1.
        arousal: Probability that the voice is aroused (for instance angry or happy, rather than
            neutral or sad), in [0, 1]; also for "uncertain". None if the model does not predict it.

    Example:
        >>> from edge_runtime import EmotionModel
        >>> prediction = EmotionModel.load().classify("samples/sad/1013_ITH_SAD_XX.wav")
        >>> prediction.confidence == max(prediction.probabilities.values())
        True
    """

    label: str
    confidence: float
    probabilities: dict[str, float]
    arousal: float | None = None
