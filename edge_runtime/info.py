"""What a model file says about itself, for people and for programs."""

from __future__ import annotations

from typing import Any

from .model import EmotionModel

INDENT = 14  # columns of the names in `as_text`


def describe(model: EmotionModel) -> dict[str, Any]:
    """The card of a model with its file's size and its inputs and outputs, as JSON holds them."""
    card = model.card
    return {
        "file": str(model.path), "bytes": model.path.stat().st_size, "name": card.name,
        "labels": list(card.labels), "inputs": model.inputs(), "outputs": model.outputs(),
        "mfcc": card.mfcc.to_dict(), "silence": card.silence and card.silence.to_dict(),
        "normalisation": card.normalisation, "temperature": card.temperature,
        "profile_gain": card.profile_gain,
        "uncertain_below": card.uncertain_below, "speech_above": card.speech_above,
        "speech_above_dbfs": card.speech_above_dbfs, "architecture": card.architecture,
        "parameters": card.parameters, "quantization": card.quantization,
        "licence": card.licence, "corpora": list(card.corpora), "scores": card.scores,
    }


def as_text(about: dict[str, Any]) -> str:
    """The same for people."""
    mfcc = about["mfcc"]
    period = 1000 * mfcc["hop_length"] / mfcc["sample_rate"]
    lines = [
        f"{about['name']}: {about['file']}, {about['bytes']:,} bytes",
        f"labels        {', '.join(about['labels'])}",
        f"front end     {mfcc['n_mfcc']} MFCC every {period:g} ms from {mfcc['n_mels']} bands, "
        f"{mfcc['sample_rate']} Hz",
        f"network       {about['parameters']:,} parameters; {about['quantization']}",
        f"inputs        {_shapes(about['inputs'])}",
        f"outputs       {_shapes(about['outputs'])}",
        f"uncertain     below a confidence of {about['uncertain_below']:.2f}",
        f"no speech     below a probability of speech of {about['speech_above']:.2f}, or "
        f"{about['speech_above_dbfs']:g} dBFS",
        f"trained on    {_corpora(about['corpora'])}",
        f"scores        {_scores(about['scores'])}",
        f"licence       {about['licence']}",
    ]
    return "\n".join(lines)


def _shapes(values: dict[str, list[Any]]) -> str:
    return ", ".join(f"{name} ({', '.join(map(str, shape))})" for name, shape in values.items())


def _corpora(rows: list[dict[str, Any]]) -> str:
    return ", ".join(
        f"{row.get('name')} ({row.get('clips')} clips, {row.get('speakers') or 'unknown'} speakers)"
        for row in rows
    ) or "not recorded"


def _scores(scores: dict[str, Any]) -> str:
    test = scores.get("test")
    if not isinstance(test, dict) or not isinstance(test.get("uar"), float):
        return "not recorded"
    return (
        f"UAR {100 * test['uar']:.1f} % on {test.get('clips')} test clips "
        f"({scores.get('split', 'unknown split')})"
    )
