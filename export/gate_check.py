"""Check of the training clips that a model answers "no speech", before its export."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from edge_runtime.inference.card import ModelCard
from train.data.features import Dataset
from train.network import EmotionLSTM
from train.speech_gate import MAX_LOSS, excessive_losses, is_no_speech, losses_by, losses_text

from .outputs import torch_speech


def training_losses(
    network: EmotionLSTM, card: ModelCard, dataset: Dataset, test_clips: Collection[str]
) -> dict[str, dict[str, int]]:
    """Count the training clips that a model answers "no speech", by label.

    Args:
        network: The trained network.
        card: The card of its export.
        dataset: All clips of the run.
        test_clips: Paths of the clips that were not trained on.

    Returns:
        See `train.speech_gate.losses_by`.
    """
    excluded = set(test_clips)
    train = [i for i, clip in enumerate(dataset.clips) if str(clip.path) not in excluded]
    speech = torch_speech(network, card, dataset, train)
    levels = [dataset.peak_dbfs[i] for i in train]
    rejected = is_no_speech(speech, levels, card.speech_above, card.speech_above_dbfs)
    return losses_by([dataset.clips[i].label for i in train], rejected)


def loss_message(run: Path, card: ModelCard, losses: dict[str, dict[str, int]]) -> str:
    """Return an error if a model loses too many training clips of a label, else an empty string.

    Args:
        run: The run folder.
        card: The card of the export.
        losses: Result of `training_losses`.
    """
    excessive = excessive_losses(losses)
    if not excessive:
        return ""
    return (
        f'{run}: the model answers "no speech" to clips that it was trained on: '
        f"{losses_text(excessive)}; at most {100 * MAX_LOSS:g} % of a label are allowed. The "
        f"limits are a probability of speech of {card.speech_above:g} and a level of "
        f"{card.speech_above_dbfs:g} dBFS. Train again with more recordings or epochs, remove "
        "clips without speech from the data"
    )
