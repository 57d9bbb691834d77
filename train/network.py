"""The network: 13 MFCC per frame → 2 LSTM layers → pooling over time → FC 64 → classes.

It never looks ahead: what it has heard so far is a state of fixed size, so that a clip fed at once
and the same clip fed in pieces end in the same logits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import pad

# Attention scores stay within ± this: their exponentials can then be added up as the frames come,
# for hours, without the running maximum that a softmax over a whole clip would need.
LARGEST_SCORE = 4.0


@dataclass(frozen=True)
class NetworkConfig:
    """The sizes of an `EmotionLSTM`. The defaults are the baseline, of 213,828 parameters."""

    n_mfcc: int = 13
    n_classes: int = 4
    hidden_size: int = 128
    num_layers: int = 2
    fc_size: int = 64
    dropout: float = 0.3
    pooling: str = "mean"  # of the LSTM's outputs: "mean", or "attention", a learnt weighting
    stack: int = 1  # frames that make one step of the LSTM
    stem_size: int = 0  # width of the layer between the frames and the LSTM; 0: none
    residual: bool = False  # each LSTM layer but the first adds to what it was given
    speech: bool = False  # a second output: does anybody speak at all?

    def __post_init__(self) -> None:
        if self.pooling not in ("mean", "attention"):
            raise ValueError(f"pooling={self.pooling!r} must be 'mean' or 'attention'")
        if self.stack < 1:
            raise ValueError(f"stack={self.stack} must be 1 or more")

    @property
    def state_size(self) -> int:
        """Numbers in the state: h and c of every layer, the weighted sum of the outputs and the
        sum of their weights."""
        return (2 * self.num_layers + 1) * self.hidden_size + 1


class EmotionLSTM(nn.Module):
    """MFCC frames to class logits.

    Shape: `(batch, time, n_mfcc)` and lengths `(batch,)` → `(batch, n_classes)`.
    Frames beyond a clip's length do not change its logits.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        # Mean and deviation of the training frames: part of the network, so that the exported
        # file needs no second place to look them up.
        self.register_buffer("mean", torch.zeros(config.n_mfcc))
        self.register_buffer("std", torch.ones(config.n_mfcc))
        width = config.n_mfcc * config.stack
        self.stem = nn.Linear(width, config.stem_size) if config.stem_size else None
        width = config.stem_size or width
        self.lstms = nn.ModuleList()
        for _ in range(config.num_layers):
            lstm = nn.LSTM(width, config.hidden_size, batch_first=True)
            # A forget gate that begins open lets gradients reach back over a whole clip:
            # Jozefowicz et al. 2015, https://proceedings.mlr.press/v37/jozefowicz15.html
            nn.init.ones_(lstm.bias_ih_l0.data[config.hidden_size : 2 * config.hidden_size])
            self.lstms.append(lstm)
            width = config.hidden_size
        self.dropout = nn.Dropout(config.dropout)
        self.score = nn.Linear(width, 1) if config.pooling == "attention" else None
        self.fc = nn.Linear(width, config.fc_size)
        self.out = nn.Linear(config.fc_size, config.n_classes)
        self.speech = nn.Linear(config.fc_size, 1) if config.speech else None

    def forward(self, mfcc: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        return self.classify(self.advance(mfcc, self.silent_state(len(mfcc)), lengths))[0]

    def silent_state(self, batch: int) -> torch.Tensor:
        """The state before the first frame, `(batch, state_size)`: zeros."""
        return self.mean.new_zeros(batch, self.config.state_size)

    def advance(
        self, mfcc: torch.Tensor, state: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The state `(batch, state_size)` after more frames `(batch, time, n_mfcc)`.

        The number of frames must be a multiple of `stack` unless these are the last. With
        `lengths`, only the pooled sums are right for clips shorter than the longest.
        """
        config, size = self.config, self.config.hidden_size
        x = (mfcc - self.mean) / self.std
        if lengths is not None:
            x = x * _inside(lengths, x.shape[1])
        x = self._steps(x)  # (B, S, ·): `stack` frames in each step
        # h and c of each layer, weighted sum, sum of weights
        carried = state.split([size] * (2 * config.num_layers + 1) + [1], dim=1)
        after = []
        for k, lstm in enumerate(self.lstms):
            h, c = (part.unsqueeze(0).contiguous() for part in carried[2 * k : 2 * k + 2])
            y, (h, c) = lstm(x if k == 0 else self.dropout(x), (h, c))
            x = x + y if config.residual and k > 0 else y  # (B, S, H)
            after += [h[0], c[0]]
        weights = self._weights(x)  # (B, S, 1)
        if lengths is not None:
            steps = torch.div(lengths + config.stack - 1, config.stack, rounding_mode="floor")
            weights = weights * _inside(steps, x.shape[1])
        pooled = carried[-2] + (x * weights).sum(dim=1)
        return torch.cat([*after, pooled, carried[-1] + weights.sum(dim=1)], dim=1)

    def classify(self, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What a state has heard, in at least one frame: the logits `(batch, n_classes)` of the
        emotions, and the logit `(batch, 1)` of speech."""
        size = self.config.hidden_size
        pooled = state[:, -size - 1 : -1] / state[:, -1:]
        x = self.dropout(torch.relu(self.fc(self.dropout(pooled))))
        speech = self.speech(x) if self.speech is not None else torch.full_like(x[:, :1], 20.0)
        return self.out(x), speech

    def _steps(self, x: torch.Tensor) -> torch.Tensor:
        """Normalised frames, `stack` side by side; the last step is filled up with mean frames."""
        stack = self.config.stack
        if stack > 1:
            x = pad(x, (0, 0, 0, stack - 1))
            steps = x.shape[1] // stack
            x = x[:, : steps * stack].reshape(x.shape[0], -1, stack * self.config.n_mfcc)
        if self.stem is None:
            return x
        # As one matrix, so that ONNX has a Gemm for it: onnxruntime makes of a MatMul with int8
        # weights one that rounds the activations too.
        rows = torch.relu(self.stem(x.reshape(-1, x.shape[2])))
        return rows.reshape(x.shape[0], -1, self.config.stem_size)

    def _weights(self, x: torch.Tensor) -> torch.Tensor:
        if self.score is None:
            return torch.ones_like(x[:, :, :1])
        return torch.exp(LARGEST_SCORE * torch.tanh(self.score(x) / LARGEST_SCORE))

    def n_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())


def _inside(lengths: torch.Tensor, longest: int) -> torch.Tensor:
    """Which of `longest` positions a clip has, bool `(batch, longest, 1)`."""
    positions = torch.arange(longest, device=lengths.device)
    return positions[None, :, None] < lengths[:, None, None]
