"""The sums over time in a network's state, kept exact however long a stream lasts.

A network that pools over time carries a sum of its outputs and the sum of their weights, in
float32. That is good for hours: after a day what is added to such a sum is so small beside it that
much of it is rounded away, after a week the answer is off by 0.004 and after a month by 0.04. So
the sums of every few minutes are taken out of the state and added up in float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..model import EmotionModel, Heard

# After which the sums are taken out; until then a stream costs and answers what it always did.
SECONDS = 600.0

# What the sum of the weights is scaled to when the network is asked about all of them. The frames
# that it must be given with the question weigh less than half the last bit of that: nothing.
SCALE = 2.0**50


class LongSums:
    """Stands between a network and a clip or a stream of any length."""

    def __init__(self, model: EmotionModel) -> None:
        self._model = model
        card, size = model.card, model.inputs()["state"][1]
        frames = int(SECONDS * card.mfcc.sample_rate / card.mfcc.hop_length)
        step = card.frames_per_step
        self._every = max(step, frames // step * step)  # frames
        self._since = 0  # frames since sums were taken out
        self._shape = pooled_shape(card.architecture, size)
        self._sums = size - self._shape[0] * self._shape[1]  # where they begin
        self._total = np.zeros(size - self._sums)
        self._state: np.ndarray | None = None

    def run(self, frames: np.ndarray) -> Heard:
        """The answer to all frames so far, of which `frames (n, n_mfcc)` are the next, 1 or more.

        As with `EmotionModel.run`, all but the last of a stream come in multiples of
        `frames_per_step`. The state in the answer lacks the sums that were taken out.
        """
        for start in range(0, len(frames), self._every):
            if self._since >= self._every:
                self._take_out()
            some = frames[start : start + self._every]
            heard = self._model.run(some, self._state)
            self._state = heard.state
            self._since += len(some)
        return self._all() if self._total.any() else heard

    def _take_out(self) -> None:
        assert self._state is not None
        self._total += self._state[self._sums :]
        if len(self._total):
            self._state = self._state.copy()  # it was given out
            self._state[self._sums :] = 0
        self._since = 0

    def _all(self) -> Heard:
        """The answer to all sums: the network divides each member's by the last, so a scale is no
        matter."""
        assert self._state is not None
        total = (self._total + self._state[self._sums :]).reshape(self._shape)
        asked = self._state.copy()
        asked[self._sums :] = (total * (SCALE / total[:, -1:])).ravel()
        card = self._model.card
        frames = np.zeros((card.frames_per_step, card.mfcc.n_mfcc), np.float32)
        return self._model.run(frames, asked)


def pooled_shape(architecture: dict[str, Any], state_size: int) -> tuple[int, int]:
    """`(members, n)`: at the end of a state are n sums over time of each member of the network, the
    last of them that of the weights.

    A state is h and c of every layer of all members, then their sums; `(0, 1)` for a model card
    that tells another story.

    >>> pooled_shape({"lstm_layers": 2, "hidden_size": 64, "members": 3}, 963)
    (3, 65)
    """
    sizes = [
        architecture.get("lstm_layers"),
        architecture.get("hidden_size"),
        architecture.get("members", 1),  # which earlier models do not name
    ]
    if not all(type(size) is int for size in sizes):
        return 0, 1
    layers, hidden, members = map(int, sizes)
    if layers < 0 or hidden < 1 or members < 1:
        return 0, 1
    fits = members * ((2 * layers + 1) * hidden + 1) == state_size
    return (members, hidden + 1) if fits else (0, 1)
