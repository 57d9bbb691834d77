"""The model card as a page for people: what is read from the model's own metadata, and for the
model that ships what the protocols found as well."""

from __future__ import annotations

import json
from pathlib import Path

from edge_runtime.inference.card import ModelCard
from train.data.naming_schemes import LICENCES
from train.metrics import cell, parts_markdown


def card_markdown(card: ModelCard, size: int, parity: str, protocols: str = "") -> str:
    """The card of a model of `size` bytes, with its parity table, and `protocols_markdown`."""
    corpora = "\n".join(
        f"| {cell(row['name'])} | {row['clips']} | {row['speakers'] or 'unknown'} "
        f"| {row['minutes']} "
        f"| {cell(', '.join(f'{label} {count}' for label, count in row['labels'].items()))} "
        f"| {row['licence']} |"
        for row in card.corpora
    )
    architecture = ", ".join(f"{name} {value}" for name, value in card.architecture.items())
    return f"""# Model card: {card.name}

- Labels: {", ".join(map(cell, card.labels))}
- Input: {card.mfcc_config.n_mfcc} MFCC per frame, a frame every \
{1000 * card.mfcc_config.frame_period:g} ms, from audio at {card.mfcc_config.sample_rate} \
Hz; {_levels(card)}
- Network: {architecture}; {card.parameters:,} parameters
- Weights: {card.quantization}; the file has {size:,} bytes
- Calibration: softmax temperature {card.temperature:.2f}, and for a voice that is known logits \
{card.profile_gain:.2f} times as large, fitted on validation speakers
- Answers: "uncertain" below a confidence of {card.uncertain_below:.2f}, "no speech" below a \
probability of speech of {card.speech_above:.2f} or {card.speech_above_dbfs:g} dBFS
- **Licence of the weights:** {card.licence}

## Trained on

| corpus | clips | speakers | minutes | labels | licence |
|---|---:|---:|---:|---|---|
{corpora}

These are all clips that were used, those of the validation and test speakers included. What is
trained on and not among the labels is never answered.

## Scores

{_scores(card)}
{protocols}
## Parity

Over all clips, one at a time; this compares implementations and scores none.

{parity}

## Limits

{_unlike(card)} The model hears
how a voice sounds; it does not know what a person feels. Do not use it to judge people: not for
hiring, at work, at school, in policing or in medicine. The European AI Act forbids inferring
emotions at work and in education.
"""


def _unlike(card: ModelCard) -> str:
    """What scores are not of; of recordings of one's own nobody but their owner knows more."""
    known = [row["name"] for row in card.corpora if row["name"] in LICENCES]
    if len(known) < len(card.corpora):
        actors = f" Those of {', '.join(known)} are of actors who read." if known else ""
        return (
            "On voices, languages, microphones and rooms other than those of the recordings, and "
            f"on other\nways of showing emotions, expect much lower scores.{actors}"
        )
    return (
        "The recordings are of actors who read a few sentences in a quiet room. On other voices,\n"
        "languages, microphones and on emotions that are not acted, expect much lower scores."
    )


def protocols_markdown(reports: list[Path]) -> str:
    """What the protocols found, from their reports: JSON files of `evaluate.report`."""
    rows = []
    for file in reports:
        report = json.loads(file.read_text(encoding="utf-8"))
        score, profile = report["int8"], report["profile"]
        low, high = score["uar_interval"]
        corpora = ", ".join(
            f"{corpus} {100 * part['uar']:.1f}" for corpus, part in score["by_corpus"].items()
        )
        rows.append(
            f"| {report['protocol']} | {', '.join(report['recipes'])} | {len(report['labels'])} "
            f"| {corpora} | {100 * score['uar']:.1f} ({100 * low:.1f} to {100 * high:.1f}) "
            f"| {score['ece']:.3f} | {100 * profile['uar']:.1f} |"
        )
    lines = "\n".join(rows)
    return f"""
Networks of the recipes named, trained anew for every fold and scored as int8 on speakers, in
leave-corpus-out on whole corpora, that were left out of everything; the last is nearest to what a
voice of yours will meet:

| protocol | recipes | classes | UAR % of each corpus | UAR % (95 % interval) | ECE \
| UAR % with a minute of profile |
|---|---|---:|---|---:|---:|---:|
{lines}
"""


def _levels(card: ModelCard) -> str:
    if card.silence is not None and card.silence.relative:
        return "levels relative to the loudest frame so far, so that the gain does not matter"
    return "levels as recorded: a microphone with another gain gets other answers"


def _scores(card: ModelCard) -> str:
    test = card.scores.get("test")
    if not test:
        return "None recorded."
    recalls = ", ".join(f"{cell(label)} {100 * r:.1f} %" for label, r in test["recall"].items())
    found = card.scores.get("test_ece")
    ece = "" if found is None else f", expected calibration error {found:.3f}"
    corpora, groups = (card.scores.get(f"test_by_{kind}", {}) for kind in ("corpus", "group"))
    by_part = f"\n\n{parts_markdown(corpora, groups)}" if corpora else ""
    untested = [row["name"] for row in card.corpora if row["name"] not in corpora]
    if corpora and untested:
        by_part += f"\n\nNo speaker of {', '.join(untested)} was tested."
    return f"""PyTorch network, {test["clips"]} test clips, {_meaning(card)}: \
UAR {100 * test["uar"]:.1f} %, accuracy \
{100 * test["accuracy"]:.1f} %{ece}; recall: {recalls}.{by_part}"""


def _meaning(card: ModelCard) -> str:
    split = card.scores.get("split")
    if split == "speaker-independent":
        return "of speakers that were not trained on and did not choose the epoch"
    return f"whose split is {split}, so that the scores are optimistic"
