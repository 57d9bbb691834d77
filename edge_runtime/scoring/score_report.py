"""The scores of a model on labelled clips as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..messages import printable
from .metrics import chance_level_warning, confusion_text

MAX_LISTED_CLIPS = 10


def as_text(report: dict[str, Any]) -> str:
    """Return the report of `model_scores` as lines of text, for people."""
    result = report["scores"]
    clips, labels = report["clips"], report["labels"]
    low, high = result["uar_interval"]
    lines = [
        f"{printable(report['model'])} on {_count(clips, 'clip')}{_speakers(report)}: "
        f"{_names(report['corpora'])}",
        "",
        f"UAR       {_percent(result['uar'])}, 95 % interval {_percent(low)} to {_percent(high)} "
        f"(draws of {result['interval_unit']}); chance {_percent(1 / len(result['recall']))}",
        f"accuracy  {_percent(result['accuracy'])}",
        f"ECE       {_percent(result['ece'])}: mean gap between confidence and accuracy",
        f"gate      {_share(result['no_speech'], clips)} answered with no speech, which counts as "
        "an error",
        f"uncertain {_share(result['uncertain'], clips)} below the threshold of "
        f"{report['threshold']:g}" + _certain(result),
        "",
        *_label_table(result),
        "",
        "confusion (a row per true label):",
        *confusion_text(result["confusion"], labels).splitlines(),
    ]
    if "by_corpus" in report:
        lines += ["", *_corpus_table(report["by_corpus"])]
    lines += ["", *_profile_lines(report)]
    if report["lost"]:
        lines += ["", "clips that the gate lost:"]
        for clip in report["lost"][:MAX_LISTED_CLIPS]:
            lines.append(f"  {printable(clip['file'])} ({clip['label']})")
        more = len(report["lost"]) - MAX_LISTED_CLIPS
        if more > 0:
            lines.append(f"  and {more} more, which --json lists")
    notes = notes_of(report)
    if notes:
        lines += ["", *(f"note: {note}" for note in notes)]
    return "\n".join(lines)


def notes_of(report: dict[str, Any]) -> list[str]:
    """Return notes on what the scores do not show."""
    notes = []
    if report["trained_on"]:
        notes.append(
            f"the model was trained on {_names(report['trained_on'])}: if its training clips or "
            "their speakers are among these clips, the scores are too high"
        )
    if report["other_labels"]:
        labels = ", ".join(f"{label} {n}" for label, n in report["other_labels"].items())
        notes.append(f"clips with labels that the model lacks are not scored: {printable(labels)}")
    if report["labels_without_clips"]:
        missing = ", ".join(report["labels_without_clips"])
        notes.append(f"no clip is {missing}; the UAR is the mean of the other recalls")
    if report["errors"]:
        notes.append(f"{_count(len(report['errors']), 'clip')} could not be used")
    result = report["scores"]
    if len(result["recall"]) > 1:
        warning = chance_level_warning(result["uar"], len(result["recall"]), report["clips"])
        if warning:
            notes.append(warning.partition(";")[0])
    return notes


def _profile_lines(report: dict[str, Any]) -> list[str]:
    profiles = report["profiles"]
    if profiles is None:
        if not report["with_profiles"]:
            return ["profiles: not tried (--no-profiles)"]
        reason = "no speaker is known" if not report["speakers"] else "too little speech of each"
        return [f"profiles: not tried, {reason}"]
    low, high = profiles["difference_interval"]
    head = (
        "with a profile from an unlabelled minute of other clips of each speaker "
        f"({_count(profiles['clips'], 'clip')} of {_count(profiles['speakers'], 'speaker')}):"
    )
    rows = [
        f"  {name:<8} UAR {_percent(row['uar'])}  ECE {_percent(row['ece'])}  no speech "
        f"{_percent(row['no_speech'] / row['clips'])}"
        for name, row in (("without", profiles["without"]), ("with", profiles["with"]))
    ]
    change = (
        f"  change   UAR {100 * profiles['difference']:+.1f} points, 95 % interval "
        f"{100 * low:+.1f} to {100 * high:+.1f}"
    )
    return [head, *rows, change]


def _label_table(result: dict[str, Any]) -> list[str]:
    """Return a line per label: recall and clips that the gate lost."""
    width = max(map(len, result["recall"]))
    lines = [f"{'label':<{width}}  clips  recall  lost by the gate"]
    clips = {
        label: sum(row)
        for label, row in zip(result["no_speech_by_label"], _rows_with_clips(result))
    }
    for label, recall in result["recall"].items():
        lost = result["no_speech_by_label"][label]
        lines.append(
            f"{label:<{width}}  {clips[label]:>5}  {_percent(recall)}  "
            f"{_percent(lost / clips[label])} ({lost})"
        )
    return lines


def _rows_with_clips(result: dict[str, Any]) -> list[list[int]]:
    return [row for row in result["confusion"] if sum(row)]


def _corpus_table(by_corpus: dict[str, Any]) -> list[str]:
    width = max(len("corpus"), *(len(printable(name)) for name in by_corpus))
    lines = [f"{'corpus':<{width}}  clips     UAR     ECE  no speech"]
    for name, row in by_corpus.items():
        lines.append(
            f"{printable(name):<{width}}  {row['clips']:>5}  {_percent(row['uar'])}  "
            f"{_percent(row['ece'])}  {_percent(row['no_speech'] / row['clips'])}"
        )
    return lines


def _certain(result: dict[str, Any]) -> str:
    accuracy = result["accuracy_of_certain"]
    return "" if accuracy is None else f"; {_percent(accuracy).strip()} of the others are right"


def _speakers(report: dict[str, Any]) -> str:
    if not report["speakers"]:
        return " of unknown speakers"
    text = f" of {_count(report['speakers'], 'speaker')}"
    unknown = report["clips_of_unknown_speakers"]
    return f"{text} ({_count(unknown, 'clip')} of unknown ones)" if unknown else text


def _names(corpora: Iterable[str]) -> str:
    return ", ".join(map(printable, corpora))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _percent(share: float) -> str:
    return f"{100 * share:4.1f} %"


def _share(number: int, total: int) -> str:
    return f"{_percent(number / total)} of the clips ({number})"
