"""The summary of a recording as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..messages import clock

if TYPE_CHECKING:
    from ..streaming.summary import RecordingSummary, SpeechSummary


def summary_lines(summary: RecordingSummary, complete: bool) -> list[str]:
    """Return the lines of a summary, without indentation.

    Args:
        summary: The summary.
        complete: False if the recording could not be read to its end.
    """
    period = "in all" if complete else "until it broke off"
    speech = summary.speech
    lines = [f"{clock(summary.seconds)} {period}, {clock(speech.seconds)} of speech"]
    if not speech.shares:
        return lines
    lines[0] += f": {shares_text(speech)}"
    longest = summary.longest
    if longest is not None:
        lines.append(
            f"longest emotion: {longest.label} for {clock(longest.end - longest.start)}, from "
            f"{clock(longest.start)}"
        )
    for name, part in (("first 20%", summary.first), ("last 20%", summary.last)):
        lines.append(f"{name}: {shares_text(part) if part.shares else 'no speech'}")
    return lines


def shares_text(speech: SpeechSummary) -> str:
    """Return the shares of the labels that occur, the largest first, and the arousal."""
    shares = sorted(speech.shares.items(), key=lambda item: -item[1])
    text = ", ".join(f"{label} {100 * share:.0f}%" for label, share in shares if share)
    return text if speech.arousal is None else f"{text}; arousal {100 * speech.arousal:.0f}%"
