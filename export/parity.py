"""Does the exported model answer as the trained one? Torch, fp32, int8, and int8 in pieces."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch

from edge_runtime import EmotionModel
from edge_runtime.model import Heard
from train.metrics import scores
from train.network import EmotionLSTM

FP32_LOGITS = 1e-4
INT8_UAR = 0.005
CHUNKED_PROBABILITIES = 1e-5


@dataclass(frozen=True)
class Link:
    """One comparison over all clips. Differences are those of the second from the first."""

    name: str
    clips: int
    max_logit_difference: float
    max_probability_difference: float
    decisions_that_differ: int
    accuracy: float
    accuracy_difference: float
    uar: float
    uar_difference: float
    limit: str
    holds: bool


def compare(
    network: EmotionLSTM, fp32: EmotionModel, int8: EmotionModel,
    frames: list[np.ndarray], targets: np.ndarray,
) -> list[Link]:
    """All links over clips `(n_frames, n_mfcc)` of whatever lengths, one at a time as a device
    meets them; `targets` are class indices `(n_clips,)`."""
    network.eval()
    temperature = fp32.card.temperature
    with torch.no_grad():
        logits = np.stack([network(torch.from_numpy(clip[None]))[0].numpy() for clip in frames])
    probabilities = torch.softmax(torch.from_numpy(logits) / temperature, dim=-1).numpy()
    reference = (logits, probabilities)
    answers = {name: _answers(model, frames) for name, model in (("fp32", fp32), ("int8", int8))}
    rng = np.random.default_rng(0)
    chunked = [_in_pieces(int8, clip, rng) for clip in frames]
    labels = list(fp32.labels)
    return [
        _link(
            "torch → fp32", reference, answers["fp32"], targets, labels,
            f"logits within {FP32_LOGITS:g}, every decision equal",
            lambda link: link["max_logit_difference"] <= FP32_LOGITS
            and link["decisions_that_differ"] == 0,
        ),
        _link(
            "torch → int8", reference, answers["int8"], targets, labels,
            f"UAR within {100 * INT8_UAR:g} points",
            lambda link: abs(link["uar_difference"]) <= INT8_UAR,
        ),
        _link(
            "int8: whole → chunked", answers["int8"], _columns(chunked), targets, labels,
            f"probabilities within {CHUNKED_PROBABILITIES:g}",
            lambda link: link["max_probability_difference"] <= CHUNKED_PROBABILITIES,
        ),
    ]


def _answers(model: EmotionModel, frames: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return _columns([model.run(clip) for clip in frames])


def _columns(heard: list[Heard]) -> tuple[np.ndarray, np.ndarray]:
    """Logits and probabilities, `(n_clips, n_classes)` each."""
    return np.stack([h.logits for h in heard]), np.stack([h.probabilities for h in heard])


def _in_pieces(model: EmotionModel, clip: np.ndarray, rng: np.random.Generator) -> Heard:
    """A clip fed as a stream would feed it, in pieces of up to ten steps."""
    step, start, heard = model.card.frames_per_step, 0, None
    while start < len(clip):
        size = step * int(rng.integers(1, 11))
        heard = model.run(clip[start : start + size], None if heard is None else heard.state)
        start += size
    assert heard is not None  # a clip has a frame
    return heard


def _link(name, first, second, targets, labels, limit, holds) -> Link:
    decisions = [logits.argmax(axis=1) for logits, _ in (first, second)]
    before, after = (scores(targets, decision, labels) for decision in decisions)
    values = {
        "clips": len(targets),
        "max_logit_difference": float(np.abs(first[0] - second[0]).max()),
        "max_probability_difference": float(np.abs(first[1] - second[1]).max()),
        "decisions_that_differ": int((decisions[0] != decisions[1]).sum()),
        "accuracy": after["accuracy"],
        "accuracy_difference": after["accuracy"] - before["accuracy"],
        "uar": after["uar"],
        "uar_difference": after["uar"] - before["uar"],
    }
    return Link(name=name, limit=limit, holds=bool(holds(values)), **values)


def as_json(links: list[Link]) -> list[dict]:
    return [asdict(link) for link in links]


def as_markdown(links: list[Link]) -> str:
    """The table of the report; differences of accuracy and UAR in percentage points."""
    lines = [
        "| link | clips | max Δ logits | max Δ probability | decisions that differ | Δ accuracy "
        "| Δ UAR | limit | holds |",
        "|---|---:|---:|---:|---:|---:|---:|---|---|",
    ]
    for link in links:
        lines.append(
            f"| {link.name} | {link.clips} | {link.max_logit_difference:.2g} "
            f"| {link.max_probability_difference:.2g} | {link.decisions_that_differ} "
            f"| {100 * link.accuracy_difference:+.2f} | {100 * link.uar_difference:+.2f} "
            f"| {link.limit} | {'yes' if link.holds else 'NO'} |"
        )
    return "\n".join(lines)
