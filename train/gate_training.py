"""Training of the speech gate of a recipe."""

from __future__ import annotations

from collections.abc import Sequence

from .candidates import Candidate
from .gate.pipeline import GateData, Log, no_log
from .gate.training import TrainedGate


def fit_gate(
    candidate: Candidate, train: Sequence[int], test: Sequence[int], log: Log = no_log
) -> TrainedGate | None:
    """Train the gate of a recipe.

    Args:
        candidate: The recipe and its dataset.
        train: Indices of the training clips.
        test: Indices of the test clips.
        log: Receives lines about the progress.

    Returns:
        The gate; None if the recipe has none.
    """
    config, seed = candidate.recipe.gate, candidate.recipe.fit.seed
    if not config.speech:
        return None
    data = GateData(candidate.data, candidate.noise, candidate.cache)
    examples = data.examples(train, config, seed, log)
    return data.fit(train, test, examples, config, seed, log)
