"""Settings of the part of the network that gets the statistics of a clip."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from edge_runtime import ConfigError


@dataclass(frozen=True)
class StatisticsConfig:
    """Settings of the linear branch, which adds clip statistics to the LSTM.

    Two readouts are fitted: one for unknown speakers, and one for speakers whose mean is known and
    subtracted.

    Attributes:
        penalty: Strength of the regularisation for unknown speakers.
        speaker_penalty: Strength of the regularisation for known speakers.
        network_weight: Factor of the LSTM's logits for unknown speakers.
        speaker_network_weight: Factor of the LSTM's logits for known speakers.
        small_corpus_weight: Weight of corpora with fewer than three speakers; others have 1.
        n_copies: Degraded copies of each clip to train on, each as another microphone in another
            room records it (`data.degradation`).
        copy_weight: Share of the copies in the fit for unknown speakers, 0 to below 1.
        speaker_copy_weight: The same for known speakers.
    """

    penalty: float = 0.03
    speaker_penalty: float = 0.03
    network_weight: float = 0.5
    speaker_network_weight: float = 0.3
    small_corpus_weight: float = 0.3
    n_copies: int = 1
    copy_weight: float = 0.5
    speaker_copy_weight: float = 0.5

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value < math.inf:
                raise ConfigError(f"{field.name}={value} must be 0 or more, and finite")
        for name in ("penalty", "speaker_penalty", "small_corpus_weight"):
            if getattr(self, name) == 0:
                raise ConfigError(f"{name}=0 must be above 0")
        for name in ("copy_weight", "speaker_copy_weight"):
            if getattr(self, name) >= 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be below 1")
