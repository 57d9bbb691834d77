"""The Markdown page of a protocol report."""

from __future__ import annotations

from typing import Any

from edge_runtime.datasets.naming_schemes import NOT_KNOWN
from edge_runtime.messages import printable
from edge_runtime.scoring.metrics import chance_level_warning
from train.calibration import coverage_markdown
from train.markdown import confusion_markdown, markdown_cell, markdown_table
from train.speech_gate import losses_text

from .scores import SPEAKER_VARIANTS, VARIANTS


def report_markdown(summary: dict[str, Any], name: str) -> str:
    """Return the page of a report.

    Args:
        summary: The scores; see `scores.summarize`.
        name: File name of the report without suffix, for the links to the figures.
    """
    int8, labels = summary["int8"], summary["labels"]
    n_folds = len({fold["fold"] for fold in summary["folds"]})
    size = max(fold["bytes"] for fold in summary["folds"])
    recalls = [[markdown_cell(label), f"{100 * r:.1f}"] for label, r in int8["recall"].items()]
    recall_table = markdown_table(["label", "recall %"], recalls, "lr")
    return f"""# {_title(summary)}

Speaker-independent nested cross-validation. In each fold, {_selected(summary)}, the temperature \
and the profile gain are selected on {_validated_on(summary)}. The network is then trained on all \
speakers but the test speakers, which are scored once.

- {summary["clips"]} clips, {len(labels)} classes, {n_folds} folds, seeds: {summary["seeds"]}
{_averaging(summary)}{_auxiliary(summary)}{_left_out(summary)}\
- Size of the int8 model: {size:,} bytes
{_notes(summary)}
{_score_table(summary)}
{_guessing(summary)}
The profile is made from one minute of other clips of the speaker, drawn at random. Online \
adaptation restarts with each speaker, whose clips are played in random order. SD is the \
standard deviation in percentage points; the interval is a bootstrap over speakers.\
{_by_group(int8["uar_by_group"])}
{_corpus_table(summary)}
## Recall and confusion matrix (int8)

{recall_table}

{confusion_markdown(int8["confusion"], labels)}
{_summed(summary)}{_no_speech(summary)}
![Confusion matrix]({name}.confusion.png)

## Calibration (int8)

{_calibration(summary["calibration"], int8["ece"])}

![Calibration]({name}.calibration.png)

## Settings

{_settings(summary)}

## Folds

{_fold_table(summary)}
"""


def _title(summary: dict[str, Any]) -> str:
    corpora = ", ".join(
        f"{row['name']} ({row['clips']} clips, {row['speakers']} speakers)"
        for row in summary["corpora"]
    )
    return f"{summary['protocol']}: {corpora}"


def _selected(summary: dict[str, Any]) -> str:
    names = list(summary["recipes"])
    return "the epoch" if len(names) == 1 else f"the recipe ({' or '.join(names)}), the epoch"


def _validated_on(summary: dict[str, Any]) -> str:
    # A fold leaves two test corpora or more to validate on if there are three or more.
    n_tested = len(summary["int8"]["by_corpus"])
    across_corpora = summary["protocol"] == "leave-corpus-out" and n_tested > 2
    return "validation corpora" if across_corpora else "validation speakers"


def _averaging(summary: dict[str, Any]) -> str:
    several_corpora = len(summary["int8"]["by_corpus"]) > 1
    over = [*(["corpora"] if several_corpora else []), *(["seeds"] if summary["seeds"] > 1 else [])]
    if not over:
        return ""
    pooled = (
        "; UAR by speaker group, confusion matrix and thresholds pool the clips of all corpora"
        if several_corpora
        else ""
    )
    return f"- Scores are means over {' and '.join(over)}{pooled}\n"


def _auxiliary(summary: dict[str, Any]) -> str:
    labels = ", ".join(summary["auxiliary"])
    return f"- Auxiliary labels, trained on but never predicted: {labels}\n" if labels else ""


def _summed(summary: dict[str, Any]) -> str:
    return "\nCounts summed over all seeds.\n" if summary["seeds"] > 1 else ""


def _no_speech(summary: dict[str, Any]) -> str:
    """Return a paragraph on the clips that the gate loses; older reports have none."""
    if "no_speech" not in summary:
        return ""
    losses = summary["no_speech"]
    return (
        '\nClips answered with "no speech", which count as errors: '
        f"{losses_text(losses['by_label'])}; by corpus {losses_text(losses['by_corpus'])}.\n"
    )


def _left_out(summary: dict[str, Any]) -> str:
    return f"- Left out: {summary['left_out']}\n" if summary["left_out"] else ""


def _notes(summary: dict[str, Any]) -> str:
    return "".join(f"- Note: {printable(note)}\n" for note in summary["notes"])


def _score_table(summary: dict[str, Any]) -> str:
    headers = [
        "model",
        "UAR %",
        "SD over seeds",
        "SD over speakers",
        "95 % interval",
        "accuracy %",
        "ECE",
    ]
    rows = [_score_row(title, summary[variant]) for variant, title in VARIANTS.items()]
    return markdown_table(headers, rows, "l" + 6 * "r")


def _score_row(title: str, score: dict[str, Any]) -> list[str]:
    seeds, speakers = (
        "" if score[name] is None else f"{100 * score[name]:.1f}"
        for name in ("uar_std_over_seeds", "uar_std_over_speakers")
    )
    low, high = score["uar_interval"]
    return [
        title,
        f"**{100 * score['uar']:.1f}**",
        seeds,
        speakers,
        f"{100 * low:.1f} to {100 * high:.1f}",
        f"{100 * score['accuracy']:.1f}",
        f"{score['ece']:.3f}",
    ]


def _guessing(summary: dict[str, Any]) -> str:
    warning = chance_level_warning(summary["int8"]["uar"], len(summary["labels"]), summary["clips"])
    return f"\n**{warning}.**\n" if warning else ""


def _by_group(groups: dict[str, float]) -> str:
    if list(groups) == [NOT_KNOWN]:
        return ""
    listed = ", ".join(f"{group} {100 * uar:.1f} %" for group, uar in groups.items())
    return f" UAR by speaker group: {listed}."


def _corpus_table(summary: dict[str, Any]) -> str:
    """Return a table of the test corpora if there are several."""
    corpora = list(summary["int8"]["by_corpus"])
    if len(corpora) == 1:
        return ""
    headers = ["test corpus", "UAR %", "ECE"]
    headers += ["UAR %, profile", "ECE, profile", "UAR %, adaptation", "ECE, adaptation"]
    rows = []
    for corpus in corpora:
        scores = [summary[variant]["by_corpus"][corpus] for variant in ("int8", *SPEAKER_VARIANTS)]
        values = [(f"{100 * score['uar']:.1f}", f"{score['ece']:.3f}") for score in scores]
        rows.append([markdown_cell(corpus), *(value for pair in values for value in pair)])
    return f"\n{markdown_table(headers, rows, 'l' + 6 * 'r')}\n"


def _calibration(calibration: dict[str, Any], ece: float) -> str:
    own = calibration["own_thresholds"]
    low, high = own["from"], own["to"]
    thresholds = f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"
    accuracy = "" if own["accuracy"] is None else f", with {100 * own['accuracy']:.1f} % accuracy"
    return f"""Expected calibration error {ece:.3f} \
({calibration["ece_without_temperature"]:.3f} without temperature scaling). Each model stores a \
confidence threshold ({thresholds}) at which it answers 85 % of the validation clips. With it, \
{100 * own["coverage"]:.0f} % of the test clips are answered{accuracy}. Coverage and accuracy with \
a common threshold:

{coverage_markdown(calibration["coverage"])}"""


def _settings(summary: dict[str, Any]) -> str:
    lines = []
    for name, recipe in summary["recipes"].items():
        if len(summary["recipes"]) > 1:
            lines.append(f"\nRecipe {name}:\n")
        for part in ("mfcc_config", "silence", "network", "fit"):
            values = {**(recipe[part] or {})}
            values.update({f"augment.{k}": v for k, v in values.pop("augment", {}).items()})
            settings = ", ".join(f"{k} {v}" for k, v in values.items())
            lines.append(f"- {part}: {settings or 'kept'}")
        if recipe["fit"]["distillation_weight"]:
            lines.append("- distilled network: 2 × augment.cepstral_offset, 1.5 × augment.vtlp")
    software = ", ".join(sorted({fold["trained_by"] for fold in summary["folds"]}))
    lines.append(f"- trained with {software}")
    return "\n".join(lines).strip()


def _fold_table(summary: dict[str, Any]) -> str:
    """Return a table of all trainings, with the selected recipe if there are several."""
    names = list(summary["recipes"])
    several = len(names) > 1
    recipe_column = ["recipe"] if several else []
    validation = [f"validation UAR %{f', {name}' if several else ''}" for name in names]
    headers = ["seed", "test speakers", *recipe_column, "epoch", *validation, "test UAR %"]
    rows = []
    for fold in summary["folds"]:
        uars = [*(fold["val_uar_by_recipe"][name] for name in names), fold["uar"]["int8"]]
        rows.append(
            [
                str(fold["seed"]),
                markdown_cell(", ".join(fold["test_speakers"])),
                *([fold["recipe"]] if several else []),
                f"{fold['best_epoch']} of {fold['epochs']}",
                *(f"{100 * uar:.1f}" for uar in uars),
            ]
        )
    align = "".join("l" if name in ("test speakers", "recipe") else "r" for name in headers)
    return markdown_table(headers, rows, align)
