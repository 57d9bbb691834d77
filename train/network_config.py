"""Architecture of the network."""

from __future__ import annotations

from dataclasses import dataclass

from edge_runtime.messages import brief_repr

MAX_MEMBERS = 16

MAX_SIZE = 1 << 14  # of a layer; larger values are typos or foreign files
SIZES = (
    "n_mfcc",
    "n_classes",
    "hidden_size",
    "num_layers",
    "fc_size",
    "input_size",
    "n_statistics",
    "gate_units",
    "gate_width",
)

MAX_STACK = 1000  # as in `ModelCard`


@dataclass(frozen=True)
class NetworkConfig:
    """Architecture of an `EmotionLSTM`. The defaults are the baseline with 213,828 parameters.

    Attributes:
        n_mfcc: Coefficients per frame.
        n_classes: Number of class logits.
        hidden_size: Units of each LSTM layer.
        num_layers: LSTM layers.
        fc_size: Units of the fully connected layer, the embedding.
        dropout: Dropout probability, 0 to below 1.
        pooling: Pooling of the LSTM outputs over time: "mean", or "attention", a learnt weighting.
        frame_stack: Frames that are concatenated to one step of the LSTM.
        input_size: Units of a layer between the frames and the LSTM; 0 means no such layer.
        residual: Add the input of each LSTM layer but the first to its output.
        gate_units: Units of the speech gate, see `gate.network.GateNetwork`; 0 means no gate.
        gate_width: Values of a frame that the gate gets: coefficients and voice descriptors.
        ensemble_size: Networks whose logits are averaged.
        n_statistics: Statistics of a clip that a linear branch gets; 0 means no such branch.
    """

    n_mfcc: int = 13
    n_classes: int = 4
    hidden_size: int = 128
    num_layers: int = 2
    fc_size: int = 64
    dropout: float = 0.3
    pooling: str = "mean"
    frame_stack: int = 1
    input_size: int = 0
    residual: bool = False
    gate_units: int = 0
    gate_width: int = 0
    ensemble_size: int = 1
    n_statistics: int = 0

    def __post_init__(self) -> None:
        for name in ("n_mfcc", "n_classes", "hidden_size", "num_layers", "fc_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be 1 or more")
        for name in SIZES:
            if getattr(self, name) > MAX_SIZE:
                size = brief_repr(getattr(self, name))
                raise ValueError(f"{name}={size} must be {MAX_SIZE} or less")
        for name in ("input_size", "n_statistics", "gate_units", "gate_width"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} must be 0 or more")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout} must be from 0 to below 1")
        if self.pooling not in ("mean", "attention"):
            raise ValueError(f"pooling={self.pooling!r} must be 'mean' or 'attention'")
        if not 1 <= self.frame_stack <= MAX_STACK:
            raise ValueError(f"frame_stack={self.frame_stack} must be from 1 to {MAX_STACK}")
        if not 1 <= self.ensemble_size <= MAX_MEMBERS:
            raise ValueError(f"ensemble_size={self.ensemble_size} must be from 1 to {MAX_MEMBERS}")

    @property
    def layer_state_size(self) -> int:
        """Size of a member's LSTM state: h and c of every layer."""
        return 2 * self.num_layers * self.hidden_size

    @property
    def sums_size(self) -> int:
        """Size of a member's pooling sums: the weighted outputs and their weight."""
        return self.hidden_size + 1

    @property
    def state_size(self) -> int:
        """Size of the state: the LSTM states of all members, then their pooling sums."""
        return self.ensemble_size * (self.layer_state_size + self.sums_size)
