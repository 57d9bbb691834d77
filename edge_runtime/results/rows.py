"""Results as JSON values, rounded; the only place that defines their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..inference.prediction import Prediction
    from ..streaming.listen_events import ListenEvent
    from ..streaming.segments import Segment


def segment_row(segment: Segment) -> dict[str, Any]:
    """Return a segment of a timeline."""
    return {
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "label": segment.label,
        "confidence": confidence_of(segment),
        "probabilities": rounded(segment.probabilities),
        "arousal": arousal_of(segment),
    }


def prediction_row(name: str, prediction: Prediction) -> dict[str, Any]:
    """Return the prediction for the file `name`."""
    return {
        "file": name,
        "label": prediction.label,
        "confidence": confidence_of(prediction),
        "probabilities": rounded(prediction.probabilities),
        "arousal": arousal_of(prediction),
    }


def event_row(event: ListenEvent) -> dict[str, Any]:
    """Return an event of a listener, for every way in which it is published.

    Args:
        event: The event.
    """
    row: dict[str, Any] = {
        "event": event.kind,
        "start": round(event.start, 3),
        "end": round(event.end, 3),
    }
    if event.prediction is None:
        return {**row, "seconds": round(event.end - event.start, 3)}
    return {
        **row,
        "label": event.prediction.label,
        "confidence": confidence_of(event.prediction),
        "probabilities": rounded(event.prediction.probabilities),
        "arousal": arousal_of(event.prediction),
    }


def rounded(probabilities: dict[str, float]) -> dict[str, float]:
    """Return probabilities with six decimals."""
    return {label: round(p, 6) for label, p in probabilities.items()}


def confidence_of(result: Prediction | Segment) -> float | None:
    """Return the confidence with six decimals, or None if the label is not an emotion."""
    return round(result.confidence, 6) if result.label in result.probabilities else None


def arousal_of(result: Prediction | Segment) -> float | None:
    """Return the arousal with six decimals, or None as it is."""
    return None if result.arousal is None else round(result.arousal, 6)
