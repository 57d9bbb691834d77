"""What a protocol found, as JSON, as a page and as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.messages import printable
from train import plots
from train.calibration import coverage_markdown
from train.data.naming_schemes import NOT_KNOWN
from train.files import with_extra_suffix, write_json, write_text
from train.metrics import cell, confusion_markdown, no_better_than_guessing
from train.run_folder import RunError, as_json, read_json, refuse_to_overwrite

from .scores import OF_VOICES, VARIANTS

# What a report and one that takes its place have in common, besides the names of their corpora.
COMPARED_SETTINGS = ("protocol", "labels", "auxiliary", "inner", "recipes")


def check_replaceable(report: Path, about: dict[str, Any], seeds: range) -> None:
    """RunError if files that the report would replace are not of the same protocol, labels, corpora
    and settings as `about`, which becomes a part of it, or if they tell of more seeds."""
    file = with_extra_suffix(report, ".json")
    before = read_json(file)
    try:
        names, now = ({row["name"] for row in its["corpora"]} for its in (before, about))
        told = {fold["seed"] for fold in before["folds"]}
        differ = [
            key
            for key in COMPARED_SETTINGS
            if _unseeded(before[key]) != _unseeded(as_json(about[key]))
        ]
    except (KeyError, TypeError):  # of something else, or damaged
        refuse_to_overwrite(_files(report), "--report")
        return
    if names != now:
        differ.append("corpora")
    if differ:
        raise RunError(
            f"{file}: is a report of {before['protocol']} of {', '.join(sorted(names))} by other "
            f"{' and '.join(differ)}; give another --report"
        )
    lost = told - set(seeds)
    if lost:
        raise RunError(
            f"{file}: is a report of more seeds, {', '.join(map(str, sorted(lost)))} among them; "
            "give --seeds and --seed that keep them, or another --report"
        )


def _unseeded(value: Any) -> Any:
    """Recipes without their seeds, which may be others."""
    if isinstance(value, dict):
        return {key: _unseeded(part) for key, part in value.items() if key != "seed"}
    return value


def _files(report: Path) -> list[Path]:
    suffixes = (".json", ".md", ".confusion.png", ".calibration.png", ".splits.json")
    return [with_extra_suffix(report, suffix) for suffix in suffixes]


def write_report(summary: dict[str, Any], report: Path, splits: list[dict[str, Any]]) -> None:
    """`report`.json and .md, its splits, and two pictures beside it."""
    labels, shape = summary["labels"], summary["calibration"]
    as_json, as_page, confusion, calibration, of_splits = _files(report)
    write_json(as_json, summary)
    write_json(of_splits, splits)
    plots.confusion(np.array(summary["int8"]["confusion"]), labels, confusion)
    own = shape["own_thresholds"]
    plots.calibration(
        shape["bins"],
        {"test speakers": shape["coverage"]},
        sorted({own["from"], own["to"]}),
        calibration,
    )
    write_text(as_page, _markdown(summary, report.name))


def _markdown(summary: dict[str, Any], name: str) -> str:
    int8, shape, labels = summary["int8"], summary["calibration"], summary["labels"]
    corpora = ", ".join(
        f"{row['name']} ({row['clips']} clips, {row['speakers']} speakers)"
        for row in summary["corpora"]
    )
    rows = "\n".join(_row(title, summary[variant]) for variant, title in VARIANTS.items())
    recalls = "\n".join(f"| {cell(label)} | {100 * r:.1f} |" for label, r in int8["recall"].items())
    groups = int8["uar_by_group"]
    by_group = ", ".join(f"{group} {100 * uar:.1f} %" for group, uar in groups.items())
    told = "" if list(groups) == [NOT_KNOWN] else f" UAR by speakers: {by_group}."
    size = max(fold["bytes"] for fold in summary["folds"])
    n_folds = len({fold["fold"] for fold in summary["folds"]})
    return f"""# {summary["protocol"]}: {corpora}

Speaker-independent and nested: {_what(summary)}, the temperature and the gain of a profile were \
chosen in each fold on speakers (across three corpora or more, on corpora) left out of the \
training in turn, the network was then trained on all of them, and the test speakers were scored \
once. {summary["clips"]} clips, {len(labels)} classes, {n_folds} folds, seeds: \
{summary["seeds"]}.{_means(summary)}{_auxiliary(summary)}{_notes(summary)}

| model | UAR % | over seeds | over speakers | 95 % interval | accuracy % | ECE |
|---|---:|---:|---:|---:|---:|---:|
{rows}
{_guessing(summary)}
A profile is of a minute of the speaker's other clips, drawn at random; adapting begins anew with \
each speaker, whose clips are heard in a random order. The interval is a bootstrap over speakers.\
{told} The file has {size:,} bytes.
{_corpora(summary)}
| label | recall % |
|---|---:|
{recalls}

{confusion_markdown(int8["confusion"], labels)}
{_summed(summary)}
![confusion]({name}.confusion.png)

## Calibration

Expected calibration error {int8["ece"]:.3f} ({shape["ece_without_temperature"]:.3f} without the \
temperature). {_own_thresholds(shape["own_thresholds"])} A threshold for all of them:

| threshold | answered % | of those right % |
|---:|---:|---:|
{coverage_markdown(shape["coverage"])}

![calibration]({name}.calibration.png)

## Settings

{_settings(summary)}

{_folds(summary)}
"""


def _means(summary: dict[str, Any]) -> str:
    several = [
        *(["corpora"] if len(summary["int8"]["by_corpus"]) > 1 else []),
        *(["seeds"] if summary["seeds"] > 1 else []),
    ]
    if not several:
        return ""
    pooled = ""
    if len(summary["int8"]["by_corpus"]) > 1:
        pooled = (
            ", but for UAR by speakers, the confusion matrix and what thresholds do, which are of "
            "all clips together"
        )
    return f" Each figure is the mean of those of the {' and of the '.join(several)}{pooled}."


def _guessing(summary: dict[str, Any]) -> str:
    said = no_better_than_guessing(summary["int8"]["uar"], len(summary["labels"]), summary["clips"])
    return f"\n**{said}.**\n" if said else ""


def _summed(summary: dict[str, Any]) -> str:
    """What the counts of the confusion matrix are sums of."""
    return "\nCounts of all seeds together.\n" if summary["seeds"] > 1 else ""


def _corpora(summary: dict[str, Any]) -> str:
    """A table of the corpora that were tested, where they are several."""
    corpora = list(summary["int8"]["by_corpus"])
    if len(corpora) == 1:
        return ""
    lines = [
        "",
        "| tested corpus | UAR % | ECE | with a minute of profile: UAR % | ECE "
        "| adapting: UAR % | ECE |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for corpus in corpora:
        scores = [summary[variant]["by_corpus"][corpus] for variant in ("int8", *OF_VOICES)]
        parts = [f"{100 * score['uar']:.1f} | {score['ece']:.3f}" for score in scores]
        lines.append(f"| {cell(corpus)} | {' | '.join(parts)} |")
    return "\n".join(lines) + "\n"


def _own_thresholds(own: dict[str, Any]) -> str:
    """What the thresholds of the models do to those who are tested."""
    low, high = own["from"], own["to"]
    which = f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"
    right = "" if own["accuracy"] is None else f", {100 * own['accuracy']:.1f} % of them rightly"
    return (
        f"By the confidence that each model stores ({which}), which answers 85 % of the clips of "
        f"those who chose the epoch, {100 * own['coverage']:.0f} % of these clips are "
        f"answered{right}."
    )


def _folds(summary: dict[str, Any]) -> str:
    """A table of all trainings; with the recipes, where there was a choice of them."""
    names = list(summary["recipes"])
    several = len(names) > 1
    uars = [f"validation UAR{f', {name}' if several else ''}" for name in names]
    header = ["seed", "test speakers", *(["recipe"] if several else []), "epoch", *uars, "test UAR"]
    rows = []
    for fold in summary["folds"]:
        uars = [fold["val_uar_by_recipe"][name] for name in names]
        rows.append(
            [
                str(fold["seed"]),
                cell(", ".join(fold["test_speakers"])),
                *([fold["recipe"]] if several else []),
                f"{fold['best_epoch']} of {fold['epochs']}",
                *(f"{100 * uar:.1f}" for uar in [*uars, fold["uar"]["int8"]]),
            ]
        )
    sides = ["---" if name in ("test speakers", "recipe") else "---:" for name in header]
    return "\n".join(
        [
            f"| {' | '.join(header)} |",
            f"|{'|'.join(sides)}|",
            *(f"| {' | '.join(row)} |" for row in rows),
        ]
    )


def _what(summary: dict[str, Any]) -> str:
    names = list(summary["recipes"])
    return "the epoch" if len(names) == 1 else f"the recipe ({' or '.join(names)}), the epoch"


def _auxiliary(summary: dict[str, Any]) -> str:
    labels = ", ".join(summary["auxiliary"])
    return f" Trained on as well, but never answered: {labels}." if labels else ""


def _notes(summary: dict[str, Any]) -> str:
    notes = [f" Left out: {summary['left_out']}."] if summary["left_out"] else []
    return "".join([*notes, *(f"\n\nNote: {printable(note)}." for note in summary["notes"])])


def _row(title: str, score: dict[str, Any]) -> str:
    seeds, speakers = (
        "" if score[name] is None else f"± {100 * score[name]:.1f}"
        for name in ("uar_std_over_seeds", "uar_std_over_speakers")
    )
    low, high = score["uar_interval"]
    return (
        f"| {title} | **{100 * score['uar']:.1f}** | {seeds} | {speakers} "
        f"| {100 * low:.1f} to {100 * high:.1f} "
        f"| {100 * score['accuracy']:.1f} | {score['ece']:.3f} |"
    )


def _settings(summary: dict[str, Any]) -> str:
    parts = []
    for name, recipe in summary["recipes"].items():
        if len(summary["recipes"]) > 1:
            parts.append(f"\nRecipe {name}:\n")
        for part in ("mfcc_config", "silence", "network", "fit"):
            values = {**(recipe[part] or {})}
            values.update({f"augment.{k}": v for k, v in values.pop("augment", {}).items()})
            parts.append(f"- {part}: " + ", ".join(f"{k} {v}" for k, v in values.items()))
        if recipe["fit"]["distillation_weight"]:
            parts.append(
                "- the network that is taught: twice that offset, 1.5 times that vocal_tract"
            )
    by = ", ".join(sorted({fold["trained_by"] for fold in summary["folds"]}))
    parts.append(f"- trained by {by}")
    return "\n".join(parts).strip()
