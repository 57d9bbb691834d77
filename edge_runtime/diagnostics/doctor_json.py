"""Results of `edge-ser doctor` as JSON values."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .finding import Finding, verdict

if TYPE_CHECKING:
    from .recording_checks import Examination


def clip_row(examination: Examination) -> dict[str, Any]:
    """Return the measurements, prediction and findings of a recording."""
    values = dataclasses.asdict(examination)
    return {"file": str(values.pop("path")), **values}


def unreadable_row(path: str, message: str) -> dict[str, Any]:
    """Return the error about a recording that cannot be read."""
    return {"file": path, "error": message, "advice": advice_on(message)}


def report_row(
    checks: list[dict[str, Any]], clips: list[dict[str, Any]], findings: Iterable[Finding]
) -> dict[str, Any]:
    """Return the whole report.

    Args:
        checks: Findings about the installation.
        clips: Recordings, from `clip_row` and `unreadable_row`.
        findings: All findings.
    """
    n_unreadable = sum("error" in clip for clip in clips)
    summary = verdict(findings)
    if n_unreadable:
        summary = f"{n_unreadable} unreadable" + ("" if summary == "fine" else f"; {summary}")
    return {"checks": checks, "clips": clips, "verdict": summary}


def advice_on(message: str) -> str:
    """Return what to do about a recording that cannot be read; "" if the message states it."""
    if "is truncated" in message:
        return "copy or record it again; `edge-ser classify --timeline` classifies what can be read"
    if "is not audio" in message or "contradicts itself" in message:
        return "play it with another program; if that works, convert it: `ffmpeg -i IN OUT.wav`"
    return ""
