"""The network: 13 MFCC per frame → 2 LSTM layers → pooling over time → FC 64 → classes.

Several of these may stand side by side and answer with the mean of what each thinks: networks that
begin with other weights err on other voices. Lakshminarayanan et al. 2017, "Simple and Scalable
Predictive Uncertainty Estimation using Deep Ensembles", https://arxiv.org/abs/1612.01474

It never looks ahead: what it has heard so far is a state of fixed size, so that a clip fed at once
and the same clip fed in pieces end in the same logits.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import pad

from edge_runtime.messages import brief_repr

# Attention scores stay within ± this: their exponentials can then be added up as the frames come,
# for hours, without the running maximum that a softmax over a whole clip would need.
MAX_SCORE = 4.0

MAX_MEMBERS = 16

# Of a layer; more is a slip, or a file of somebody else.
MAX_SIZE = 1 << 14
SIZES = ("n_mfcc", "n_classes", "hidden_size", "num_layers", "fc_size", "input_size")

MAX_STACK = 1000  # what `ModelCard` allows


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
    frame_stack: int = 1  # frames that make one step of the LSTM
    input_size: int = 0  # width of the layer between the frames and the LSTM; 0: none
    residual: bool = False  # each LSTM layer but the first adds to what it was given
    speech: bool = False  # a second output: does anybody speak at all?
    ensemble_size: int = 1  # networks side by side, whose answers are averaged

    def __post_init__(self) -> None:
        for name in ("n_mfcc", "n_classes", "hidden_size", "num_layers", "fc_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be 1 or more")
        for name in SIZES:
            if getattr(self, name) > MAX_SIZE:
                size = brief_repr(getattr(self, name))
                raise ValueError(f"{name}={size} must be {MAX_SIZE} at most")
        if self.input_size < 0:
            raise ValueError(f"input_size={self.input_size} must be 0 or more")
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
        """Numbers that a member carries in its LSTMs: h and c of every layer."""
        return 2 * self.num_layers * self.hidden_size

    @property
    def sums_size(self) -> int:
        """Numbers that a member adds up over time: its weighted outputs, and their weights."""
        return self.hidden_size + 1

    @property
    def state_size(self) -> int:
        """Numbers in the state: of the layers of every member, then of the sums of every member."""
        return self.ensemble_size * (self.layer_state_size + self.sums_size)


class EmotionLSTM(nn.Module):
    """MFCC frames to class logits: the mean of those of its members.

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
        self.members = nn.ModuleList(_Member(config) for _ in range(config.ensemble_size))

    def forward(self, mfcc: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        return self.classify(self.advance(mfcc, self.initial_state(len(mfcc)), lengths))[0]

    def initial_state(self, batch: int) -> torch.Tensor:
        """The state before the first frame, `(batch, state_size)`: zeros."""
        return self.mean.new_zeros(batch, self.config.state_size)

    def advance(
        self, mfcc: torch.Tensor, state: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The state `(batch, state_size)` after more frames `(batch, time, n_mfcc)`.

        The number of frames must be a multiple of `frame_stack` unless these are the last. With
        `lengths`, only the pooled sums are right for clips shorter than the longest.
        """
        x = (mfcc - self.mean) / self.std
        steps = None
        if lengths is not None:
            x = x * _inside(lengths, x.shape[1])
            frame_stack = self.config.frame_stack
            steps = torch.div(lengths + frame_stack - 1, frame_stack, rounding_mode="floor")
        x = self._steps(x)  # (B, S, ·): `frame_stack` frames in each step
        after = [
            member.advance(x, layers, sums, steps)
            for member, layers, sums in zip(self.members, *self._parts(state))
        ]
        return torch.cat([*(layers for layers, _ in after), *(sums for _, sums in after)], dim=1)

    def classify(self, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits `(batch, n_classes)` and the speech logit `(batch, 1)` of a state.

        The state must have seen at least one frame.
        """
        logits, speech, _ = self.outputs(state)
        return logits, speech

    def outputs(self, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return `classify(state)` and the embedding `(batch, ensemble_size * fc_size)`."""
        members = self._member_outputs(state)
        logits = torch.stack([logits for logits, _, _ in members]).mean(dim=0)
        speech = torch.stack([speech for _, speech, _ in members]).mean(dim=0)
        return logits, speech, torch.cat([embedding for _, _, embedding in members], dim=1)

    def member_logits(self, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `classify(state)` of each member, stacked along a first axis."""
        members = self._member_outputs(state)
        logits = torch.stack([logits for logits, _, _ in members])  # (members, B, n_classes)
        return logits, torch.stack([speech for _, speech, _ in members])  # (members, B, 1)

    def _member_outputs(
        self, state: torch.Tensor
    ) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        _, sums = self._parts(state)
        return [member.classify(own) for member, own in zip(self.members, sums)]

    def fold_input_transform(self, frames: torch.Tensor) -> EmotionLSTM:
        """The network that makes of a frame `x` what this one makes of `x @ frames`.

        `frames`: `(n_mfcc, n_mfcc)`. It becomes a part of the weights, so that the other network is
        no larger and no slower. The mean frames that fill up a last step (`_steps`) go through it
        as well.
        """
        heard = copy.deepcopy(self)
        frames = frames.to(self.mean)
        normalised = frames * (self.std[:, None] / self.std)
        shift = (self.mean @ frames - self.mean) / self.std
        with torch.no_grad():
            for member in heard.members:
                weight, bias = member.first_layer()
                by_frame = weight.unflatten(1, (self.config.frame_stack, self.config.n_mfcc))
                bias += (by_frame @ shift).sum(dim=1)
                weight.copy_((by_frame @ normalised.T).flatten(1))
        return heard

    def n_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def _parts(self, state: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], ...]:
        """The states of the members' layers, and the members' sums."""
        sizes = [self.config.layer_state_size, self.config.sums_size]
        n = self.config.ensemble_size
        parts = state.split([size for size in sizes for _ in range(n)], dim=1)
        return parts[:n], parts[n:]

    def _steps(self, x: torch.Tensor) -> torch.Tensor:
        """Frames, `frame_stack` side by side; the last step is filled up with mean frames."""
        frame_stack = self.config.frame_stack
        if frame_stack == 1:
            return x
        x = pad(x, (0, 0, 0, frame_stack - 1))
        steps = x.shape[1] // frame_stack
        return x[:, : steps * frame_stack].reshape(x.shape[0], -1, frame_stack * self.config.n_mfcc)


class _Member(nn.Module):
    """One network, from the normalised steps `(batch, steps, stack · n_mfcc)` on."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width = config.n_mfcc * config.frame_stack
        self.stem = nn.Linear(width, config.input_size) if config.input_size else None
        width = config.input_size or width
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

    def advance(
        self, x: torch.Tensor, layers: torch.Tensor, sums: torch.Tensor, n: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What it carries after the steps `x`, of which each clip has `n (batch,)`; None: all."""
        config = self.config
        x = self._stemmed(x)
        carried = layers.split(config.hidden_size, dim=1)  # h and c of each layer
        after = []
        for k, lstm in enumerate(self.lstms):
            h, c = (part.unsqueeze(0).contiguous() for part in carried[2 * k : 2 * k + 2])
            y, (h, c) = lstm(x if k == 0 else self.dropout(x), (h, c))
            x = x + y if config.residual and k > 0 else y  # (B, S, H)
            after += [h[0], c[0]]
        weights = self._weights(x)  # (B, S, 1)
        if n is not None:
            weights = weights * _inside(n, x.shape[1])
        more = torch.cat([(x * weights).sum(dim=1), weights.sum(dim=1)], dim=1)
        return torch.cat(after, dim=1), sums + more

    def classify(self, sums: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the logits, the speech logit and the embedding `(batch, fc_size)`."""
        pooled = sums[:, :-1] / sums[:, -1:]
        embedding = torch.relu(self.fc(self.dropout(pooled)))
        x = self.dropout(embedding)
        speech = self.speech(x) if self.speech is not None else torch.full_like(x[:, :1], 20.0)
        return self.out(x), speech, embedding

    def first_layer(self) -> tuple[nn.Parameter, nn.Parameter]:
        """Weights `(·, stack · n_mfcc)` and bias of what hears the steps."""
        if self.stem is not None:
            return self.stem.weight, self.stem.bias
        lstm = self.lstms[0]
        return lstm.weight_ih_l0, lstm.bias_ih_l0

    def _stemmed(self, x: torch.Tensor) -> torch.Tensor:
        if self.stem is None:
            return x
        # As one matrix, so that ONNX has a Gemm for it: onnxruntime makes of a MatMul with int8
        # weights one that rounds the activations too.
        rows = torch.relu(self.stem(x.reshape(-1, x.shape[2])))
        return rows.reshape(x.shape[0], -1, self.config.input_size)

    def _weights(self, x: torch.Tensor) -> torch.Tensor:
        if self.score is None:
            return torch.ones_like(x[:, :, :1])
        return torch.exp(MAX_SCORE * torch.tanh(self.score(x) / MAX_SCORE))


def _inside(lengths: torch.Tensor, longest: int) -> torch.Tensor:
    """Which of `longest` positions a clip has, bool `(batch, longest, 1)`."""
    positions = torch.arange(longest, device=lengths.device)
    return positions[None, :, None] < lengths[:, None, None]
