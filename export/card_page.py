"""MODEL_CARD.md: the model card as a page, with parity and the scores on strangers."""

from __future__ import annotations

from edge_runtime.datasets.naming_schemes import LICENCES
from edge_runtime.inference.card import ModelCard
from train.markdown import group_scores_markdown, markdown_cell, markdown_table
from train.speech_gate import excessive_losses, gate_text, losses_text, no_speech_text


def card_markdown(card: ModelCard, size: int, parity: str, section: str = "") -> str:
    """Return the page of a model card.

    Args:
        card: The card.
        size: Size of the model file in bytes.
        parity: The table of the parity report.
        section: A further section on scores; see `card_strangers`.
    """
    architecture = ", ".join(f"{name} {value}" for name, value in card.architecture.items())
    config = card.mfcc_config
    return f"""# Model card: {card.name}

{_warning(card)}- Labels: {", ".join(map(markdown_cell, card.labels))}
- Input: {config.n_mfcc} MFCC per frame, one frame every {1000 * config.frame_period:g} ms, from \
audio at {config.sample_rate} Hz; {_levels(card)}
{_statistics(card)}- Network: {architecture}; {card.parameters:,} parameters
- Weights: {card.quantization}; file size {size:,} bytes
- Calibration: {_calibration(card)}
- Decision: "uncertain" below a confidence of {card.uncertain_below:.2f}; "no speech" \
{_no_speech(card)}a level of {card.speech_above_dbfs:g} dBFS
- **Licence of the weights:** {card.licence}

## Training data

{_corpora(card)}

All clips are counted, including those of validation and test speakers. Labels that are not among \
those of the model are auxiliary: they are trained on but never predicted.

## Scores

{_scores(card)}
{section}
## Parity

All clips, one at a time. Each row compares two implementations and does not measure accuracy.

{parity}

## Limitations

{_limitations(card)} The model classifies \
the sound of a voice; it does not detect what a person feels. Do not use it to assess people: not \
in hiring, at work, at school, in policing or in medicine. The European AI Act prohibits inferring \
emotions at work and in education.
"""


def _no_speech(card: ModelCard) -> str:
    if card.min_speech is None:
        return "below "
    return (
        f"with less than {card.min_speech:g} s of frames of a speech probability of "
        f"{card.speech_above:.2f} or more, or below "
    )


def _calibration(card: ModelCard) -> str:
    if card.statistics is not None:
        return (
            "part of the weights, one set for unknown and one for known speakers, each fitted on "
            "held-out clips"
        )
    return (
        f"softmax temperature {card.temperature:.2f}; logit gain {card.profile_gain:.2f} for a "
        "known speaker; both fitted on validation speakers"
    )


def _statistics(card: ModelCard) -> str:
    if card.statistics is None:
        return ""
    return f"- Clip statistics: {len(card.statistics)} of MFCC and voice descriptors\n"


def _levels(card: ModelCard) -> str:
    if card.silence is not None and card.silence.relative:
        return "levels relative to the loudest frame so far, so that the gain does not matter"
    return "absolute levels, so that the predictions depend on the gain of the microphone"


def _corpora(card: ModelCard) -> str:
    rows = [
        [
            markdown_cell(row["name"]),
            str(row["clips"]),
            str(row["speakers"] or "unknown"),
            str(row["minutes"]),
            markdown_cell(", ".join(f"{label} {count}" for label, count in row["labels"].items())),
            row["licence"],
        ]
        for row in card.corpora
    ]
    headers = ["corpus", "clips", "speakers", "minutes", "labels", "licence"]
    return markdown_table(headers, rows, "lrrrll")


def _scores(card: ModelCard) -> str:
    test = card.scores.get("test")
    if not test:
        return "None recorded."
    recalls = ", ".join(
        f"{markdown_cell(label)} {100 * recall:.1f} %" for label, recall in test["recall"].items()
    )
    ece = card.scores.get("test_ece")
    calibration = "" if ece is None else f", expected calibration error {ece:.3f}"
    corpora, groups = (card.scores.get(f"test_by_{kind}", {}) for kind in ("corpus", "group"))
    table = f"\n\n{group_scores_markdown(corpora, groups)}" if corpora else ""
    untested = [row["name"] for row in card.corpora if row["name"] not in corpora]
    if corpora and untested:
        table += f"\n\nCorpora without test speakers: {', '.join(untested)}."
    losses = card.scores.get("no_speech")
    lost = f" {no_speech_text(losses)}." if losses else ""
    gate = card.scores.get("gate")
    lost += f" {gate_text(gate)}." if gate else ""
    return f"""PyTorch network, {test["clips"]} test clips {_split(card)}: \
UAR {100 * test["uar"]:.1f} %, accuracy {100 * test["accuracy"]:.1f} %{calibration}; \
recall: {recalls}.{lost}{table}{_known_speaker_scores(card)}"""


def _warning(card: ModelCard) -> str:
    """Return a warning if the model was exported although it loses training clips."""
    losses = excessive_losses(card.scores.get("no_speech", {}).get("train", {}))
    if not losses:
        return ""
    return (
        '**Warning: this model answers "no speech" to clips of speech that it was trained on: '
        f"{losses_text(losses)}.**\n\n"
    )


def _known_speaker_scores(card: ModelCard) -> str:
    """Return the scores that only models with statistics have."""
    text = ""
    minute, branch = card.scores.get("test_with_minute"), card.scores.get("branch")
    if minute:
        text += (
            f"\n\nWith a minute of other clips of the speaker, without labels: "
            f"{minute['clips']} test clips, UAR {100 * minute['uar']:.1f} %, expected calibration "
            f"error {minute['ece']:.3f}."
        )
    if branch:
        corpora = ", ".join(map(markdown_cell, branch["unknown"]["by_corpus"]))
        unknown, known, degraded = (
            f"{100 * branch[key]['mean']['uar']:.1f} %" if key in branch else "not measured"
            for key in ("unknown", "minute", "degraded")
        )
        text += (
            f"\n\nClip statistics without the LSTM, trained without the corpus that is tested "
            f"({corpora}): mean UAR {unknown} for unknown speakers, {degraded} for such through "
            f"simulated microphones, rooms and noise, {known} with a minute of the speaker."
        )
    return text


def _split(card: ModelCard) -> str:
    split = card.scores.get("split")
    if split == "speaker-independent":
        return "of speakers that were used neither for training nor for validation"
    return f"(split: {split}; the scores are optimistic)"


def _limitations(card: ModelCard) -> str:
    """Return the domain in which the scores hold; it is known for public corpora only."""
    public = [row["name"] for row in card.corpora if row["name"] in LICENCES]
    if len(public) < len(card.corpora):
        acted = f" The recordings of {', '.join(public)} are read by actors." if public else ""
        return (
            "Expect much lower scores on voices, languages, microphones, rooms and expressions of "
            f"emotion other than those of the recordings.{acted}"
        )
    return (
        "The recordings are of actors who read a few sentences in a quiet room. Expect much lower "
        "scores on other voices, languages and microphones, and on emotions that are not acted."
    )
