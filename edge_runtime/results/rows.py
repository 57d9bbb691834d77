"""Results as JSON values, rounded; the only place that defines their fields.

An emotion, and an answer that is not one, have fields of their own: `label` is an emotion or None,
and `status` is "emotion", "uncertain" or "no speech".
"""

from __future__ import annotations

import re
from datetime import MAXYEAR, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..inference.prediction import NO_SPEECH, UNCERTAIN

if TYPE_CHECKING:
    from ..inference.prediction import Prediction
    from ..streaming.listen_events import ListenEvent
    from ..streaming.segments import Segment
    from ..streaming.summary import RecordingSummary, SpeechSummary

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


def segment_row(segment: Segment, start_time: datetime | None = None) -> dict[str, Any]:
    """Return a segment of a timeline.

    Args:
        segment: The segment.
        start_time: Clock time of the start of the recording, for clock times in addition.
    """
    return {**period_row(segment.start, segment.end, start_time), **answer_row(segment)}


def period_row(start: float, end: float, start_time: datetime | None) -> dict[str, Any]:
    """Return `start` and `end` in seconds; with a clock time also `start_time` and `end_time`."""
    row: dict[str, Any] = {"start": round(start, 3), "end": round(end, 3)}
    if start_time is not None:
        row["start_time"] = clock_time(start_time, start)
        row["end_time"] = clock_time(start_time, end)
    return row


def clock_time(start_time: datetime, seconds: float) -> str:
    """Return the clock time of a moment in ISO 8601, to the millisecond.

    Example:
        >>> clock_time(datetime(2026, 3, 1, 23, 59), 61.5)
        '2026-03-02T00:00:01.500'
    """
    elapsed = timedelta(milliseconds=round(1000 * seconds))
    return (start_time + elapsed).isoformat(timespec="milliseconds")


def parse_clock_time(text: str) -> datetime:
    """Parse a date and time in ISO 8601.

    Raises:
        ValueError: If it is not valid.

    Example:
        >>> parse_clock_time("2026-03-01T14:05:00Z").isoformat()
        '2026-03-01T14:05:00+00:00'
    """
    # Python 3.10 does not read Z.
    time = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text.strip()))
    if time.year == MAXYEAR:
        raise ValueError(f"the end of a recording may be after {datetime.max}")
    return time


def summary_row(summary: RecordingSummary) -> dict[str, Any]:
    """Return the summary of a recording."""
    longest = None
    if summary.longest is not None:
        start, end = round(summary.longest.start, 3), round(summary.longest.end, 3)
        longest = {"label": summary.longest.label, "start": start, "end": end}
    return {
        **_speech_row(summary.speech),
        "longest": longest,
        "first_20_percent": _speech_row(summary.first),
        "last_20_percent": _speech_row(summary.last),
    }


def _speech_row(speech: SpeechSummary) -> dict[str, Any]:
    return {
        "speech_seconds": round(speech.seconds, 3),
        "shares": rounded(speech.shares) if speech.shares else None,
        "arousal": None if speech.arousal is None else round(speech.arousal, 6),
    }


def summary_columns(labels: tuple[str, ...]) -> list[str]:
    """Return the names of the columns of `summary_values`."""
    speech = [
        "speech_seconds",
        *(f"share_{label}" for label in (*labels, UNCERTAIN)),
        "mean_arousal",
    ]
    longest = ["longest_label", "longest_start", "longest_end"]
    parts = [f"{part}_{name}" for part in ("first", "last") for name in speech]
    return [*speech, *longest, *parts]


def summary_values(summary: RecordingSummary, labels: tuple[str, ...]) -> list[Any]:
    """Return the summary of a recording as the values of a CSV row."""
    row = summary_row(summary)
    return [
        *_speech_values(row, labels),
        *(row["longest"] or dict.fromkeys(("label", "start", "end"))).values(),
        *_speech_values(row["first_20_percent"], labels),
        *_speech_values(row["last_20_percent"], labels),
    ]


def _speech_values(row: dict[str, Any], labels: tuple[str, ...]) -> list[Any]:
    shares = row["shares"] or dict.fromkeys((*labels, UNCERTAIN))
    return [row["speech_seconds"], *shares.values(), row["arousal"]]


def prediction_row(name: str, prediction: Prediction) -> dict[str, Any]:
    """Return the prediction for the file `name`."""
    return {"file": name, **answer_row(prediction)}


def event_row(event: ListenEvent, start_time: datetime | None = None) -> dict[str, Any]:
    """Return an event of a listener, for every way in which it is published.

    Args:
        event: The event.
        start_time: Clock time of the start of the stream, for clock times in addition.
    """
    row = {"event": event.kind, **period_row(event.start, event.end, start_time)}
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
