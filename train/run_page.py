"""The Markdown page of the report of a training."""

from __future__ import annotations

from typing import Any

from edge_runtime.messages import printable
from edge_runtime.scoring.metrics import chance_level_warning

from .calibration import coverage_markdown
from .markdown import confusion_markdown, group_scores_markdown, markdown_cell, markdown_table
from .speech_gate import gate_text, no_speech_text


def report_warning(report: dict[str, Any], labels: list[str]) -> str:
    """Return a warning if the test UAR is not above chance, else an empty string."""
    test = report["test"]
    return chance_level_warning(test["uar"], len(labels), test["clips"])


def run_markdown(report: dict[str, Any], labels: list[str]) -> str:
    """Return the report as a Markdown page."""
    test, clips = report["test"], report["clips"]
    corpora = [
        [
            markdown_cell(row["name"]),
            str(row["clips"]),
            str(row["speakers"] or "unknown"),
            str(row["minutes"]),
            row["licence"],
        ]
        for row in report["corpora"]
    ]
    recalls = ", ".join(
        f"{markdown_cell(label)} {100 * r:.1f}" for label, r in test["recall"].items()
    )
    notes = "".join(f"\n- Note: {printable(note)}" for note in report["notes"])
    warning = report_warning(report, labels)
    emphasised = f"\n- **{warning}**" if warning else ""
    return f"""# Training report

{markdown_table(["corpus", "clips", "speakers", "minutes", "licence"], corpora, "lrrrl")}

- Split: {report["split"]}; {clips["train"]} training clips, {_validation_text(report)}; \
{clips["test"]} test clips{notes}
- Parameters: {report["parameters"]:,}
{_recipe_line(report)}\
- {_epoch_text(report)}
- Test UAR {100 * test["uar"]:.1f} %{_interval_text(report)}, accuracy \
{100 * test["accuracy"]:.1f} %; recall: {recalls}\
{emphasised}
- Expected calibration error {report["calibration"]["ece"]:.3f}; {_threshold_text(report)}
{_no_speech_lines(report)}\
- Left out: {report["left_out"] or "nothing"}
{_statistics_lines(report)}
{group_scores_markdown(report["test_by_corpus"], report["test_by_group"])}

{confusion_markdown(test["confusion"], labels)}

Coverage and accuracy of the test speakers, by confidence threshold:

{coverage_markdown(report["calibration"]["coverage"])}

The same for the validation speakers. The model stores the highest threshold with a coverage of at \
least 85 % here.

{coverage_markdown(report["calibration"]["coverage_of_choosing"])}

![training](curves.png)
![calibration](calibration.png)
"""


def _validation_text(report: dict[str, Any]) -> str:
    """Return which of the training clips were validated on."""
    clips = report["clips"]
    n_folds = report.get("validation_folds")  # reports of older versions have none
    share = "all" if clips["choosing"] == clips["train"] else str(clips["choosing"])
    turns = f" in {n_folds} folds" if n_folds and n_folds > 1 else ""
    return f"{share} of which were validated on{turns} to select the epoch"


def _epoch_text(report: dict[str, Any]) -> str:
    """Return the selected epoch with its validation UAR, and the epoch with the highest one."""
    text = (
        f"Epoch {report['best_epoch']} of {report['epochs']}, validation UAR "
        f"{100 * report['val_uar']:.1f} %"
    )
    highest = report.get("highest_epoch")  # reports of older versions have none
    if highest in (None, report["best_epoch"]):
        return text
    return f"{text}, within a standard error of the highest, at epoch {highest}"


def _interval_text(report: dict[str, Any]) -> str:
    """Return the bootstrap interval of the test UAR; reports of older versions have none."""
    entry = report.get("test_uar_interval")
    if entry is None:
        return ""
    return f" ({interval_text(entry)})"


def interval_text(entry: dict[str, Any]) -> str:
    """Return a bootstrap interval as text.

    Args:
        entry: `low` and `high`, shares of 1; `units` and `n_units`, which were drawn.
    """
    text = (
        f"95 % interval {100 * entry['low']:.1f} to {100 * entry['high']:.1f} %, bootstrap over "
        f"{entry['n_units']} {entry['units']}"
    )
    if entry["units"] == "clips":
        text += ", without the variation between speakers"
    return text


def _statistics_lines(report: dict[str, Any]) -> str:
    """Return lines on known speakers and on corpora left out, for networks with statistics."""
    lines = ""
    minute, branch = report.get("test_with_minute"), report.get("branch")
    if minute:
        lines += (
            f"- With a minute of other clips of the speaker: test UAR {100 * minute['uar']:.1f} %, "
            f"expected calibration error {minute['ece']:.3f}, on {minute['clips']} clips\n"
        )
    if branch:
        conditions = {
            "unknown": "unknown speakers",
            "minute": "a minute of the speaker",
            "degraded": "unknown speakers through other microphones, rooms and noise",
        }
        texts = [
            f"{name}: UAR {100 * branch[key]['mean']['uar']:.1f} %, expected calibration error "
            f"{branch[key]['mean']['ece']:.3f}"
            for key, name in conditions.items()
            if key in branch
        ]
        corpora = ", ".join(map(markdown_cell, branch["unknown"]["by_corpus"]))
        lines += (
            f"- Clip statistics without the LSTM, each corpus left out in turn ({corpora}); "
            f"means over the corpora. {'; '.join(texts)}\n"
        )
    return lines


def _no_speech_lines(report: dict[str, Any]) -> str:
    """Return lines on the speech gate; reports of older versions have none."""
    losses, gate = report.get("no_speech"), report.get("gate")
    line = "" if losses is None else f"- {no_speech_text(losses)}\n"
    return line if gate is None else f"{line}- {gate_text(gate)}\n"


def _threshold_text(report: dict[str, Any]) -> str:
    threshold = report["calibration"]["threshold"]
    if threshold == 0:
        return 'no answer is "uncertain"'
    return f'the answer is "uncertain" below a confidence of {threshold:.2f}'


def _recipe_line(report: dict[str, Any]) -> str:
    """Return a line with the validation UAR of the recipes, if there were several."""
    uar_by_recipe = report["val_uar_by_recipe"]
    if len(uar_by_recipe) == 1:
        return ""
    uars = ", ".join(f"{name} {100 * uar:.1f} %" for name, uar in uar_by_recipe.items())
    return f"- Recipe {report['recipe']}, by the validation UAR of the recipes: {uars}\n"
