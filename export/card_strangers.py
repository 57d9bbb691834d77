"""The scores of a model's recipe on corpora that were left out, for its card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from train.markdown import markdown_cell, markdown_table

STRANGERS = "strangers"  # the report of `python -m evaluate strangers`


def strangers_scores(report: Path, kind: str) -> dict[str, Any]:
    """Return the scores that a card stores: means over corpora that were left out.

    Args:
        report: JSON file that `python -m evaluate strangers` wrote.
        kind: The rows of the model in it.

    Returns:
        The entry `strangers` of the scores, with the UAR without a profile as `uar`; empty if the
        report has no such rows.
    """
    rows = _rows(report, kind)
    if not rows:
        return {}
    unknown = rows[0]
    summary: dict[str, Any] = {
        "corpora": list(unknown["by_corpus"]),
        **{name: unknown[name] for name in ("uar", "ece", "arousal_uar", "coverage")},
    }
    for row in rows[1:]:
        name = f"uar_{row['labelled']}_labelled" if row["labelled"] else "uar_minute"
        summary[name] = row["uar"]
    return {"strangers": summary}


def strangers_markdown(report: Path, kind: str) -> str:
    """Return the section of a card on corpora that were left out, empty without such rows.

    Args:
        report: JSON file that `python -m evaluate strangers` wrote.
        kind: The rows of the model in it.
    """
    rows = _rows(report, kind)
    if not rows:
        return ""
    corpora = list(rows[0]["by_corpus"])
    cells = [
        [
            _condition(row),
            *(f"{100 * row['by_corpus'][name]['uar']:.1f}" for name in corpora),
            f"{100 * row['uar']:.1f}",
            f"{row['ece']:.3f}",
            f"{100 * row['arousal_uar']:.1f}",
            f"{100 * row['coverage']:.0f}",
            f"{100 * row['accuracy_answered']:.1f}",
        ]
        for row in rows
    ]
    header = ["speaker", *map(markdown_cell, corpora), "mean UAR %", "ECE", "arousal UAR %"]
    header += ["answered %", "accuracy of those %"]
    table = markdown_table(header, cells, "l" + "r" * (len(header) - 1))
    listeners = json.loads(report.read_text(encoding="utf-8"))["listeners"]
    text = (
        f" Listeners, by voice alone, have a UAR of {100 * listeners['uar']:.1f} on CREMA-D."
        if listeners
        else ""
    )
    return f"""
Strangers: int8 models of the same recipe, each scored on a corpus that it was not trained on. \
This is the best estimate for new voices and microphones. "No speech" counts as an error.{text}

{table}
"""


def _rows(report: Path, kind: str) -> list[dict[str, Any]]:
    if not report.exists():
        return []
    rows = json.loads(report.read_text(encoding="utf-8"))["rows"]
    return [row for row in rows if row["features"] == kind]


def _condition(row: dict[str, Any]) -> str:
    if row["labelled"]:
        clips = "clip" if row["labelled"] == 1 else "clips"
        return f"profile with {row['labelled']} labelled {clips} of each emotion"
    return "profile of a minute" if row["speech"] == "minute" else "unknown"
