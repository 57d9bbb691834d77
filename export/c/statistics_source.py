"""Constants and tables of the clip statistics."""

from __future__ import annotations

from edge_runtime import ConfigError
from edge_runtime.inference.card import ModelCard

from .front_end import Constants
from .weights import ModelWeights


def statistics_constants(card: ModelCard, weights: ModelWeights, block_seconds: float) -> Constants:
    """Return the constants of the voice descriptors and of the linear branch.

    Args:
        card: The model card.
        weights: The weights of the model.
        block_seconds: Length of the blocks of the statistics.
    """
    if card.statistics is None:
        return Constants({"HAS_STATISTICS": 0, "WIDTH": card.mfcc_config.n_mfcc})
    raise ConfigError("clip statistics are not supported by the C library")
