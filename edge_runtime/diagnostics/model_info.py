"""Description of a model file, as a dictionary and as text."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..inference.network import HasNetwork, Network, network_of

MAX_LICENCE = 200  # characters of a licence that is printed in full
INDENT = 14  # width of the names in `as_text`, in characters


def describe(model: HasNetwork | Network) -> dict[str, Any]:
    """Return the model card with the file's size, inputs and outputs, as JSON values.

    Args:
        model: The model.
    """
    network = network_of(model)
    card = network.card
    return {
        "file": str(network.path),
        "bytes": network.path.stat().st_size,
        "name": card.name,
        "labels": list(card.labels),
        "inputs": network.inputs(),
        "outputs": network.outputs(),
        "mfcc_config": card.mfcc_config.to_dict(),
        "silence": card.silence and card.silence.to_dict(),
        "normalisation": card.normalisation,
        "statistics": card.statistics and list(card.statistics),
        "arousal": card.arousal and dataclasses.asdict(card.arousal),
        "temperature": card.temperature,
        "profile_gain": card.profile_gain,
        "uncertain_below": card.uncertain_below,
        "speech_above": card.speech_above,
        "speech_above_dbfs": card.speech_above_dbfs,
        "architecture": card.architecture,
        "parameters": card.parameters,
        "quantization": card.quantization,
        "licence": card.licence,
        "corpora": list(card.corpora),
        "scores": card.scores,
    }


def as_text(about: dict[str, Any]) -> str:
    """Return the result of `describe` as text, one property per line.

    The score for strangers, speakers of corpora that were not trained on, is the first of the
    scores: it is the best estimate for recordings of a user.
    """
    mfcc = about["mfcc_config"]
    period = 1000 * mfcc["hop_length"] / mfcc["sample_rate"]
    lines = [
        f"{about['name']}: {about['file']}, {about['bytes']:,} bytes",
        f"labels        {', '.join(about['labels'])}",
        *(f"{name:{INDENT}}{text}" for name, text in _scores(about["scores"])),
        f"corpora       {_corpora(about['corpora'])}",
        f"licence       {_licence(about['licence'])}",
        f"front end     {mfcc['n_mfcc']} MFCC every {period:g} ms from {mfcc['n_mels']} bands, "
        f"{mfcc['sample_rate']} Hz",
        f"silence       {_silence(about['silence'])}",
        *_statistics(about["statistics"]),
        f"network       {about['parameters']:,} parameters; {about['quantization']}",
        f"inputs        {_shapes(about['inputs'])}",
        f"outputs       {_shapes(about['outputs'])}",
        f"uncertain     confidence below {about['uncertain_below']:.2f}",
        f"no speech     probability of speech below {about['speech_above']:.2f}, or level below "
        f"{about['speech_above_dbfs']:g} dBFS",
        *_arousal(about["arousal"]),
        *_calibration(about),
    ]
    return "\n".join(lines)


def _shapes(values: dict[str, list[Any]]) -> str:
    return ", ".join(f"{name} ({', '.join(map(str, shape))})" for name, shape in values.items())


def _corpora(rows: list[dict[str, Any]]) -> str:
    return (
        ", ".join(
            f"{row.get('name')} {row.get('clips')}/{row.get('speakers') or 'unknown'}"
            for row in rows
        )
        + " (clips/speakers)"
        if rows
        else "not recorded"
    )


def _licence(text: str) -> str:
    """Return a licence without the list of its sources in parentheses, if it is long."""
    if len(text) <= MAX_LICENCE:
        return text
    return f"{text.partition(' (')[0]} (sources: edge-ser info --json)"


def _silence(silence: dict[str, Any] | None) -> str:
    if silence is None:
        return "kept; levels as recorded"
    levels = "relative to the loudest frame so far" if silence["relative"] else "as recorded"
    return f"dropped; levels {levels}"


def _statistics(names: list[str] | None) -> list[str]:
    if names is None:
        return []
    return [f"statistics    {len(names)} of MFCC and voice descriptors over the clip"]


def _arousal(arousal: dict[str, Any] | None) -> list[str]:
    return [] if arousal is None else [f"arousal       high for {', '.join(arousal['labels'])}"]


def _calibration(about: dict[str, Any]) -> list[str]:
    if about["statistics"] is not None:
        return []  # part of the weights
    return [
        f"calibration   temperature {about['temperature']:.2f}; a speaker profile amplifies logits "
        f"up to {about['profile_gain']:.2f} times"
    ]


def _scores(scores: dict[str, Any]) -> list[tuple[str, str]]:
    """Return names and values of the scores; the file is untrusted and may contain any values."""
    strangers = scores.get("strangers")
    lines = [
        (
            "strangers",
            f"UAR {100 * strangers['uar']:.1f} %, speakers of corpora that were not trained on"
            if isinstance(strangers, dict) and _is_share(strangers.get("uar"))
            else "not recorded; expect less than the scores for the corpora that were trained on",
        )
    ]
    test = scores.get("test")
    if not isinstance(test, dict) or not _is_share(test.get("uar")):
        return [*lines, ("same corpora", "not recorded")]
    split, ece = scores.get("split", "unknown split"), scores.get("test_ece")
    lines.append(
        (
            "same corpora",
            f"UAR {100 * test['uar']:.1f} % on {test.get('clips')} test clips ({split})"
            + (f", calibration error {ece:.3f}" if _is_share(ece) else ""),
        )
    )
    recall = test.get("recall")
    if isinstance(recall, dict) and all(map(_is_share, recall.values())):
        shares = ", ".join(f"{label} {100 * share:.0f} %" for label, share in recall.items())
        lines.append(("  recall", shares))
    for name, key in (("  by corpus", "test_by_corpus"), ("  by speaker", "test_by_group")):
        parts = scores.get(key)
        if isinstance(parts, dict) and all(
            isinstance(part, dict) and _is_share(part.get("uar")) for part in parts.values()
        ):
            uars = (f"{part} {100 * values['uar']:.1f} %" for part, values in parts.items())
            lines.append((name, "UAR " + ", ".join(uars)))
    return lines


def _is_share(value: Any) -> bool:
    return isinstance(value, float) and 0 <= value <= 1
