"""Results as JSON values, rounded; the only place that defines their fields.

An emotion, and an answer that is not one, have fields of their own: `label` is an emotion or None,
and `status` is "emotion", "uncertain" or "no speech".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..inference.prediction import NO_SPEECH

if TYPE_CHECKING:
    from ..inference.prediction import Prediction
    from ..streaming.listen_events import ListenEvent
    from ..streaming.segments import Segment

EMOTION = "emotion"  # the status of an answer that is a label of the model

# Fields of an answer in CSV before and after the probabilities, which have a column for each label.
ANSWER_FIELDS = ("label", "status", "guess", "confidence")
ANSWER_FIELDS_AFTER = ("arousal",)


def answer_row(answer: Prediction | Segment) -> dict[str, Any]:
    """Return the answer for a clip, a segment or an utterance.

    Returns:
        `label`, the emotion, or None; `status`; `guess`, the most probable emotion, also of an
        uncertain answer; `confidence`, None without a label; `probabilities` and `arousal`. Without
        speech, all but `status` are None.
    """
    is_emotion = answer.label in answer.probabilities
    is_speech = answer.label != NO_SPEECH
    return {
        "label": answer.label if is_emotion else None,
        "status": EMOTION if is_emotion else answer.label,
        "guess": guess_of(answer),
        "confidence": confidence_of(answer),
        "probabilities": rounded(answer.probabilities) if is_speech else None,
        "arousal": arousal_of(answer),
    }


def answer_values(answer: Prediction | Segment) -> list[Any]:
    """Return the fields of `answer_row` as the values of a CSV row, with one for each label."""
    row = answer_row(answer)
    probabilities = row["probabilities"] or dict.fromkeys(answer.probabilities)
    before, after = (
        [row[name] for name in names] for names in (ANSWER_FIELDS, ANSWER_FIELDS_AFTER)
    )
    return [*before, *probabilities.values(), *after]


def answer_columns(labels: tuple[str, ...]) -> list[str]:
    """Return the names of the columns of `answer_values`."""
    return [*ANSWER_FIELDS, *labels, *ANSWER_FIELDS_AFTER]


def segment_row(segment: Segment) -> dict[str, Any]:
    """Return a segment of a timeline."""
    return {"start": round(segment.start, 3), "end": round(segment.end, 3), **answer_row(segment)}


def prediction_row(name: str, prediction: Prediction) -> dict[str, Any]:
    """Return the prediction for the file `name`."""
    return {"file": name, **answer_row(prediction)}


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
    return {**row, **answer_row(event.prediction)}


def guess_of(answer: Prediction | Segment) -> str | None:
    """Return the label if it is an emotion, else the most probable emotion; None without speech."""
    if answer.label in answer.probabilities:
        return answer.label
    if answer.label == NO_SPEECH:
        return None
    return max(answer.probabilities, key=lambda label: answer.probabilities[label])


def answer_text(answer: Prediction | Segment) -> str:
    """Return the label for people; "uncertain" is followed by the most probable emotion.

    Example:
        >>> from edge_runtime.inference.prediction import Prediction
        >>> answer_text(Prediction("uncertain", 0.6, {"calm": 0.6, "sad": 0.4}))
        'uncertain (calm?)'
    """
    guess = guess_of(answer)
    return answer.label if guess in (None, answer.label) else f"{answer.label} ({guess}?)"


def rounded(probabilities: dict[str, float]) -> dict[str, float]:
    """Return probabilities with six decimals."""
    return {label: round(p, 6) for label, p in probabilities.items()}


def confidence_of(answer: Prediction | Segment) -> float | None:
    """Return the confidence with six decimals, or None if the label is not an emotion."""
    return round(answer.confidence, 6) if answer.label in answer.probabilities else None


def arousal_of(answer: Prediction | Segment) -> float | None:
    """Return the arousal with six decimals; None without speech, or if it is not predicted."""
    if answer.arousal is None or answer.label == NO_SPEECH:
        return None
    return round(answer.arousal, 6)
