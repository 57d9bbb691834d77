"""Report of a protocol: JSON, a Markdown page, the splits and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from train import plots
from train.files import with_extra_suffix, write_json, write_text
from train.run_folder import RunError, as_json, read_json, refuse_to_overwrite

from .report_page import report_markdown

# Settings that a report and its replacement must share, besides the names of their corpora.
COMPARED_SETTINGS = ("protocol", "labels", "auxiliary", "inner", "recipes")


def check_replaceable(report: Path, about: dict[str, Any], seeds: range) -> None:
    """Raise RunError if a new report would overwrite other results.

    Args:
        report: The report, without suffix.
        about: Settings of the new report. The protocol, labels, corpora and recipes must be equal.
        seeds: Seeds of the new report. They must include those of the old one.
    """
    file = with_extra_suffix(report, ".json")
    before = read_json(file)
    try:
        names_before = {row["name"] for row in before["corpora"]}
        seeds_before = {fold["seed"] for fold in before["folds"]}
        differences = [
            key
            for key in COMPARED_SETTINGS
            if _without_seeds(before[key]) != _without_seeds(as_json(about[key]))
        ]
    except (KeyError, TypeError):  # another file, or damaged
        refuse_to_overwrite(_files(report), "--report")
        return
    if names_before != {row["name"] for row in about["corpora"]}:
        differences.append("corpora")
    if differences:
        raise RunError(
            f"{file}: is a report of {before['protocol']} on {', '.join(sorted(names_before))} "
            f"with different {' and '.join(differences)}; use another --report"
        )
    lost = seeds_before - set(seeds)
    if lost:
        raise RunError(
            f"{file}: contains more seeds, among them {', '.join(map(str, sorted(lost)))}; "
            "use --seeds and --seed that include them, or another --report"
        )


def _without_seeds(value: Any) -> Any:
    """Return recipes without their seeds, which may differ."""
    if isinstance(value, dict):
        return {key: _without_seeds(part) for key, part in value.items() if key != "seed"}
    return value


def _files(report: Path) -> list[Path]:
    suffixes = (".json", ".md", ".confusion.png", ".calibration.png", ".splits.json")
    return [with_extra_suffix(report, suffix) for suffix in suffixes]


def write_report(summary: dict[str, Any], report: Path, splits: list[dict[str, Any]]) -> None:
    """Write `report`.json and .md, the splits, and two figures.

    Args:
        summary: The scores; see `scores.summarize`.
        report: The report, without suffix.
        splits: Speakers of each part of each training.
    """
    labels, calibration = summary["labels"], summary["calibration"]
    json_file, page, confusion_figure, calibration_figure, splits_file = _files(report)
    write_json(json_file, summary)
    write_json(splits_file, splits)
    plots.confusion(np.array(summary["int8"]["confusion"]), labels, confusion_figure)
    own = calibration["own_thresholds"]
    plots.calibration(
        calibration["bins"],
        {"test speakers": calibration["coverage"]},
        sorted({own["from"], own["to"]}),
        calibration_figure,
    )
    write_text(page, report_markdown(summary, report.name))
