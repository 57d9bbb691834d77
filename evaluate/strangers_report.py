"""The Markdown page of the report of `python -m evaluate strangers`."""

from __future__ import annotations

from typing import Any

from edge_runtime.messages import printable
from train.markdown import markdown_cell, markdown_table

from .corpus_answers import MAX_CHANNEL_SPEAKERS
from .stranger_folds import MINUTE
from .stranger_model_rows import MODEL, OPEN_MODEL

FEATURE_TITLES = {
    "egemaps": "eGeMAPS functionals (openSMILE)",
    "mfcc": "MFCC functionals",
    "descriptors": "descriptor functionals",
    "both": "descriptor and MFCC functionals",
}
MODEL_TITLES = {MODEL: "recipe `corpora`, int8", OPEN_MODEL: "the same, openly licensed corpora"}
TITLES = {**FEATURE_TITLES, **MODEL_TITLES}


def strangers_markdown(summary: dict[str, Any]) -> str:
    """Return the page of a report.

    Args:
        summary: The report; see `strangers.run_strangers`.
    """
    tested = [row["name"] for row in summary["corpora"] if row["tested"]]
    labelled = max(row["labelled"] for row in summary["rows"])
    return f"""# Strangers: corpora that were left out

Speech of people, languages and microphones that the training never used. Each corpus is tested \
in turn by a model that was trained on the others.

`{printable(summary["command"])}`

{_corpora(summary)}
{_notes(summary)}
## UAR without a profile, with a minute, and with labelled clips

{_main_table(summary, tested)}

UAR in % of {len(summary["labels"])} classes; the mean is over corpora. The interval is a 95 % \
bootstrap over corpora and their speakers.{_listeners(summary)}

- **Statistics**: multinomial logistic regression on the statistics of a clip, each scaled by the \
mean and the deviation of the training clips. Corpora and their classes have equal weights.
- **A minute**: the mean of the statistics over a minute of other clips of the speaker, whose \
labels are unknown, is subtracted, in training and test.
- **Labelled clips**: that many of each emotion, at most half of those of the speaker, are part of \
the minute. The coefficients are the MAP estimate from these clips, with the trained coefficients \
as the prior. The other clips are scored, over two draws for each speaker. They were recorded on \
the same day in the same room as the labelled ones, and share some sentences with them.
- **Selection**: the penalty of the model, and the strength of the prior for each number of clips, \
are selected on the other tested corpora, each left out in turn. The test corpus has no influence.
{_models(summary)}\
- **Bundled model**: on the corpora that it was not trained on, without a profile. "no speech" \
counts as an error.

## Arousal: angry and happy against neutral and sad

{_arousal_table(summary)}

Means over corpora in %. The probability of high arousal is that of angry plus that of happy; the \
models of the recipe have a calibrated one. The last column is the UAR against the majority of the \
listeners in place of the acted emotion, on the clips where one label has most votes.

{_profiles(summary, tested)}\
{_calibration(summary, tested)}\
## Selected settings

{_selected_table(summary, tested, labelled)}

The penalty without a profile, with a minute, and the strength with {labelled} labelled clips of \
each emotion.
"""


def _corpora(summary: dict[str, Any]) -> str:
    rows = [
        [
            markdown_cell(row["name"]),
            str(row["clips"]),
            str(row["speakers"]),
            "yes" if row["tested"] else "trained on only",
            markdown_cell(row["licence"]),
        ]
        for row in summary["corpora"]
    ]
    return markdown_table(["corpus", "clips", "speakers", "tested", "licence"], rows, "lrrll")


def _notes(summary: dict[str, Any]) -> str:
    return "".join(f"\n- Note: {printable(note)}." for note in summary["notes"]) + (
        "\n" if summary["notes"] else ""
    )


def condition_title(row: dict[str, Any]) -> str:
    """Return the name of the condition of a row, such as "a minute and 3 labelled"."""
    if row["speech"] != MINUTE:
        return "no profile"
    return f"a minute and {row['labelled']} labelled" if row["labelled"] else "a minute"


def _percent(score: float | None, bold: bool = False) -> str:
    if score is None:
        return "–"
    return f"**{100 * score:.1f}**" if bold else f"{100 * score:.1f}"


def _main_table(summary: dict[str, Any], tested: list[str]) -> str:
    rows = []
    for row in summary["rows"]:
        title = f"{TITLES[row['features']]} ({row['statistics']})"
        rows.append([title, condition_title(row), *_uar_cells(row, tested)])
    bundled = summary["bundled"]
    if bundled:
        rows.append(["bundled model", "no profile", *_uar_cells(bundled, tested)])
    header = ["statistics", "of the speaker", *map(markdown_cell, tested), "mean", "interval"]
    return markdown_table(header, rows, "ll" + "r" * (len(tested) + 2))


def _uar_cells(row: dict[str, Any], tested: list[str]) -> list[str]:
    low, high = row["interval"]
    by_corpus = row["by_corpus"]
    cells = [_percent(by_corpus[name]["uar"]) if name in by_corpus else "–" for name in tested]
    mean = _percent(row["uar"], bold=True)
    if len(by_corpus) < len(tested):
        mean = f"{_percent(row['uar'])} of {len(by_corpus)}"
    return [*cells, mean, f"{100 * low:.1f} to {100 * high:.1f}"]


def _listeners(summary: dict[str, Any]) -> str:
    listeners = summary["listeners"]
    if not listeners:
        return ""
    return (
        f" Listeners, by voice alone, have a UAR of {100 * listeners['uar']:.1f} on the "
        f"{listeners['clips']} clips that they voted on (majority of their votes)."
    )


def _models(summary: dict[str, Any]) -> str:
    """Return the description of the trained models, if there are any."""
    rows = [row for row in summary["rows"] if row["features"] == MODEL]
    if not rows:
        return ""
    seeds = rows[0]["uar_by_seed"]
    by_seed = ", ".join(f"{100 * uar:.1f}" for uar in seeds)
    text = (
        f"- **Recipe `corpora`**: trained on the other corpora, exported and run as on a device, "
        f"{len(seeds)} seeds together (without a profile {by_seed}). A clip that the model answers "
        "with no speech counts as an error. Profiles are those of `edge-ser profile create`.\n"
    )
    if any(row["features"] == OPEN_MODEL for row in summary["rows"]):
        names = " and ".join(summary["open"])
        text += f"- **Openly licensed corpora**: trained on {names} alone.\n"
    return text


def _profiles(summary: dict[str, Any], tested: list[str]) -> str:
    """Return the section on further profiles of the trained models, if there are any."""
    rows = [
        [MODEL_TITLES[row["features"]], profile_title(row), *_uar_cells(row, tested)]
        for row in summary["profiles"]
    ]
    if not rows:
        return ""
    header = ["model", "speech of the speaker", *map(markdown_cell, tested), "mean", "interval"]
    table = markdown_table(header, rows, "ll" + "r" * (len(tested) + 2))
    return f"""## Shorter and longer profiles, one mood, and another channel

{table}

UAR as above, of the models of seed 0. Profiles of N seconds are drawn at random from the other \
clips of the speaker, or from those of one emotion. The last rows have a profile that was recorded \
through the channel that they name, for clips of the original recording, and up to \
{MAX_CHANNEL_SPEAKERS} speakers of each corpus: a telephone band, or a microphone at a distance in \
a room with a reverberation time of 0.5 s and noise.

"""


def profile_title(row: dict[str, Any]) -> str:
    """Return the name of a further profile, such as "60 s, room, 3 labelled"."""
    labelled = f", {row['labelled']} labelled" if row["labelled"] else ""
    return f"{row['speech']}{labelled}"


def _calibration(summary: dict[str, Any], tested: list[str]) -> str:
    """Return the section on the confidence of the trained models, if there are any."""
    cells = []
    for row in summary["rows"]:
        if row["features"] in MODEL_TITLES:
            by_corpus = row["by_corpus"]
            cells.append(
                [
                    MODEL_TITLES[row["features"]],
                    condition_title(row),
                    *(
                        f"{by_corpus[name]['ece']:.3f}" if name in by_corpus else "–"
                        for name in tested
                    ),
                    f"**{row['ece']:.3f}**",
                    f"{row['arousal_ece']:.3f}",
                    _percent(row["coverage"]),
                    _percent(row["accuracy_answered"]),
                    _percent(row["lost"]),
                ]
            )
    if not cells:
        return ""
    header = ["model", "of the speaker", *map(markdown_cell, tested)]
    header += ["ECE", "arousal ECE", "answered %", "accuracy of those %", "no speech %"]
    table = markdown_table(header, cells, "ll" + "r" * (len(header) - 2))
    return f"""## Confidence of the models

{table}

Expected calibration error of each corpus and its mean, and that of the arousal. The last columns \
are the share of the clips that get an emotion, not "uncertain" or "no speech", the accuracy of \
these answers, and the share of clips answered with "no speech".

"""


def _arousal_table(summary: dict[str, Any]) -> str:
    rows = [
        [
            TITLES[row["features"]],
            condition_title(row),
            _percent(row["arousal_uar"]),
            _percent(row["arousal_auc"]),
            _percent(row["listeners_uar"]),
        ]
        for row in summary["rows"]
    ]
    bundled = summary["bundled"]
    if bundled:
        scores = ("arousal_uar", "arousal_auc", "listeners_uar")
        title = f"bundled model, {len(bundled['by_corpus'])} corpora"
        rows.append([title, "no profile", *(_percent(bundled[name]) for name in scores)])
    header = ["statistics", "of the speaker", "arousal UAR", "arousal AUC", "UAR on votes"]
    return markdown_table(header, rows, "llrrr")


def _selected_table(summary: dict[str, Any], tested: list[str], labelled: int) -> str:
    rows = []
    for features, title in FEATURE_TITLES.items():
        of_set = {
            (row["speech"], row["labelled"]): row
            for row in summary["rows"]
            if row["features"] == features
        }
        if of_set:
            cells = []
            for name in tested:
                values = [row["penalty"][name] for (_, n), row in of_set.items() if n == 0]
                values.append(of_set[MINUTE, labelled]["strength"][name])
                cells.append(", ".join(f"{value:g}" for value in values))
            rows.append([title, *cells])
    return markdown_table(
        ["statistics", *map(markdown_cell, tested)], rows, "l" * (len(tested) + 1)
    )
