"""Text and JSON about a speaker profile, and warnings about its recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..inference.profile_schema import STATISTICS

if TYPE_CHECKING:
    from ..inference.profile import SpeakerProfile
    from ..inference.profile_schema import Labelled

RECOMMENDED_SECONDS = 60
MIN_RECOMMENDED_SECONDS = 20  # profiles of less speech get a warning

# With fewer pieces of speech, equal answers do not surprise.
MIN_PIECES = 4


def profile_warnings(profile: SpeakerProfile) -> list[str]:
    """Return what reduces the benefit of a profile, and what to do about it."""
    warnings = []
    if profile.seconds < MIN_RECOMMENDED_SECONDS:
        warnings.append(
            f"only {profile.seconds:.0f} s of speech; about {RECOMMENDED_SECONDS} s is recommended"
        )
    answers = {label: count for label, count in profile.answers.items() if count}
    if len(answers) == 1 and sum(answers.values()) >= MIN_PIECES:
        (label,) = answers
        warnings.append(
            f"all of the speech is answered with {label!r}; if it is all in one mood, add "
            "recordings in other moods"
        )
    if profile.labelled is not None:
        warnings += _labelled_warnings(profile.labelled, profile.labels)
    return warnings


def _labelled_warnings(labelled: Labelled, labels: tuple[str, ...]) -> list[str]:
    if len(labelled.clips) < 2:
        return [
            "the labelled clips bring nothing: they are all of one emotion; add clips of other "
            "emotions"
        ]
    if labelled.correction is None:
        return [
            "the labelled clips bring nothing: their labels agree with the recordings no better "
            "than shuffled labels, so they count as clips without labels; check the labels, or add "
            "clips"
        ]
    warnings = []
    missing = [label for label in labels if label not in labelled.clips]
    if missing:
        warnings.append(f"no labelled clips of {', '.join(missing)}; three of each are recommended")
    if labelled.corrected_uar is not None and labelled.corrected_uar <= labelled.uar:
        warnings.append(
            "the labelled clips are expected to bring nothing: left out in turn, they are answered "
            f"with a UAR of {100 * labelled.corrected_uar:.0f} %, without them "
            f"{100 * labelled.uar:.0f} %; check the labels, or add clips"
        )
    return warnings


def kind_text(profile: SpeakerProfile) -> str:
    """Return the kind of a profile in a few words."""
    if profile.labelled is not None:
        n_clips = sum(profile.labelled.clips.values())
        return f"clip statistics, {n_clips} labelled clips"
    return "clip statistics" if profile.kind == STATISTICS else "mean logits"


def profile_text(profile: SpeakerProfile, path: Path) -> str:
    """Return the description of a profile, one line for each property."""
    rows = [
        ("name", profile.name),
        ("kind", kind_text(profile)),
        ("speech", f"{profile.seconds:.0f} s"),
        ("answers", _counts(profile.answers)),
    ]
    labelled = profile.labelled
    if labelled is not None:
        rows.append(("labelled", _counts(labelled.clips)))
        if labelled.corrected_uar is None:
            expected = "not known; it takes two clips of each of two emotions"
        else:
            expected = (
                f"UAR {100 * labelled.corrected_uar:.0f} % on labelled clips left out in turn, "
                f"{100 * labelled.uar:.0f} % without labels"
            )
        rows.append(("expected", expected))
        rows.append(("correction", "none" if labelled.correction is None else "by labelled clips"))
    rows += [("model", profile.model), ("file", str(path))]
    return "\n".join(f"{name:<12}{value}" for name, value in rows)


def profile_json(profile: SpeakerProfile, path: Path) -> dict[str, Any]:
    """Return the description of a profile for programs."""
    labelled = profile.labelled
    return {
        "name": profile.name,
        "kind": profile.kind,
        "seconds": round(profile.seconds, 2),
        "labels": list(profile.labels),
        "answers": profile.answers,
        "labelled": None
        if labelled is None
        else {
            "clips": labelled.clips,
            "uar": labelled.uar,
            "corrected_uar": labelled.corrected_uar,
            "has_correction": labelled.correction is not None,
        },
        "warnings": profile_warnings(profile),
        "model": profile.model,
        "file": str(path),
    }


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{label} {count}" for label, count in counts.items() if count) or "none"
