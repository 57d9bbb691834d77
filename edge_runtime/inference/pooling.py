"""Accumulate a network's pooling sums in float64, so that streams of any length stay exact.

The recurrent state holds two running sums per ensemble member, weighted outputs and weights, in
float32. On long streams their increments fall below float32 resolution: probabilities drift by
0.004 after a week and by 0.04 after a month. `PooledNetwork` moves the sums out of the state every
`FLUSH_SECONDS` and accumulates them in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .graph import NetworkOutput
from .known_voice import KnownVoice
from .network import Network

# Streams shorter than this take the plain path: same cost, bit-identical output.
FLUSH_SECONDS = 600.0

# The accumulated weights are scaled to this before they go back into the state. The weight of the
# frames that must be passed along is then below half the last bit and has no effect.
POOLED_WEIGHT_SCALE = 2.0**50


class PooledNetwork:
    """Run a `Network` over a clip or stream of any length.

    Args:
        network: The network to run; threads may share it, but not this object.
        speaker: The speaker, if known.
    """

    def __init__(self, network: Network, speaker: KnownVoice | None = None) -> None:
        self._network = network
        self._speaker = speaker
        card, size = network.card, network.inputs()["state"][1]
        n_frames = int(FLUSH_SECONDS / card.mfcc_config.frame_period)
        step = card.frames_per_step
        self._flush_interval = max(step, n_frames // step * step)  # frames
        self._frames_since_flush = 0
        self._shape = pooled_shape(card.architecture, size)
        self._sums_start = size - self._shape[0] * self._shape[1]  # index in the state
        self._accumulated = np.zeros(size - self._sums_start)
        self._state: np.ndarray | None = None

    def run(self, frames: np.ndarray, statistics: np.ndarray | None = None) -> NetworkOutput:
        """Feed the next frames and return the output over all frames fed so far.

        Args:
            frames: MFCC, float32 `(n_frames, n_mfcc)`, at least one frame. Every call but the last
                must pass a multiple of `card.frames_per_step` frames.
            statistics: Statistics of the clip or stream so far; see `Network.run`.

        Returns:
            The output over the whole stream. Its state excludes the sums that were moved to
            float64; do not pass it to a network.

        Raises:
            ModelError: If the graph fails or returns invalid outputs.
        """
        for start in range(0, len(frames), self._flush_interval):
            if self._frames_since_flush >= self._flush_interval:
                self._flush()
            chunk = frames[start : start + self._flush_interval]
            output = self._network.run(chunk, self._state, statistics, self._speaker)
            self._state = output.state
            self._frames_since_flush += len(chunk)
        return self._pooled_output(statistics) if self._accumulated.any() else output

    def _flush(self) -> None:
        assert self._state is not None
        self._accumulated += self._state[self._sums_start :]
        if len(self._accumulated):
            self._state = self._state.copy()  # the caller may hold it
            self._state[self._sums_start :] = 0
        self._frames_since_flush = 0

    def _pooled_output(self, statistics: np.ndarray | None) -> NetworkOutput:
        """Run the network on the accumulated sums.

        It divides the sums of each member by the last of them, so that their scale cancels.
        """
        assert self._state is not None
        sums = (self._accumulated + self._state[self._sums_start :]).reshape(self._shape)
        state = self._state.copy()
        state[self._sums_start :] = (sums * (POOLED_WEIGHT_SCALE / sums[:, -1:])).ravel()
        card = self._network.card
        frames = np.zeros((card.frames_per_step, card.mfcc_config.n_mfcc), np.float32)
        return self._network.run(frames, state, statistics, self._speaker)


def pooled_shape(architecture: dict[str, Any], state_size: int) -> tuple[int, int]:
    """Return the shape `(ensemble_size, n_sums)` of the pooling sums at the end of a state.

    A state holds h and c of every layer of all members, then the sums of each member, of which the
    last is that of the weights. The shape is `(0, 1)` if the architecture does not match the state.

    >>> pooled_shape({"lstm_layers": 2, "hidden_size": 64, "ensemble_size": 3}, 963)
    (3, 65)
    """
    sizes = [architecture.get(key) for key in ("lstm_layers", "hidden_size", "ensemble_size")]
    if not all(type(size) is int for size in sizes):
        return 0, 1
    layers, hidden, ensemble_size = (int(size) for size in sizes if size is not None)
    if layers < 0 or hidden < 1 or ensemble_size < 1:
        return 0, 1
    matches = ensemble_size * ((2 * layers + 1) * hidden + 1) == state_size
    return (ensemble_size, hidden + 1) if matches else (0, 1)
