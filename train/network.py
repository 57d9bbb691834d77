"""The network: 13 MFCC per frame → 2 LSTM layers → pooling over time → FC 64 → classes.

An ensemble averages the logits of several such networks: networks with different initial weights
err on different voices. Lakshminarayanan et al. 2017, "Simple and Scalable Predictive Uncertainty
Estimation using Deep Ensembles", https://arxiv.org/abs/1612.01474

A network with statistics adds a linear function of the statistics of the clip to the logits
(`StatisticsBranch`). A network with a speech gate has a second, independent network for the
probability of speech of each frame (`gate.network`).

The network is causal and its state has a fixed size, so that a clip processed at once and the same
clip processed in chunks give the same logits.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import cast

import torch
from torch import nn
from torch.nn.functional import pad

from .gate.network import GateNetwork
from .linear_branch import LinearBranch
from .network_config import NetworkConfig
from .statistics_branch import StatisticsBranch

# Bound on the absolute attention scores. Their exponentials can then be summed as the frames
# arrive, for hours, without the running maximum that a softmax over a whole clip would need.
MAX_SCORE = 4.0


class EmotionLSTM(nn.Module):
    """Ensemble of LSTM classifiers; the logits are the mean over its members.

    Padding beyond a clip's length does not change its logits.

    Args:
        config: The architecture.

    Attributes:
        mean: Mean of the training frames, `(n_mfcc,)`. The normalisation is a part of the network,
            so that the exported file is self-contained.
        std: Deviation of the training frames, `(n_mfcc,)`.
        members: The networks of the ensemble.
        branch: Combines the logits with the statistics of a clip; None if
            `config.n_statistics` is 0.
        gate: The speech gate; None if `config.gate_units` is 0. It is trained separately.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.n_mfcc))
        self.register_buffer("std", torch.ones(config.n_mfcc))
        self.members = nn.ModuleList(_Member(config) for _ in range(config.ensemble_size))
        self.branch = StatisticsBranch(config) if config.n_statistics else None
        self.gate = GateNetwork(config.gate_width, config.gate_units) if config.gate_units else None

    def forward(
        self,
        mfcc: torch.Tensor,
        lengths: torch.Tensor | None = None,
        statistics: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the class logits of whole clips of unknown speakers.

        Args:
            mfcc: Frames `(batch, time, n_mfcc)`.
            lengths: Frames of each clip, `(batch,)`. Default: all of them.
            statistics: See `outputs`.

        Returns:
            Logits `(batch, n_classes)`.
        """
        state = self.advance(mfcc, self.initial_state(len(mfcc)), lengths)
        return self.classify(state, statistics)

    def initial_state(self, batch: int) -> torch.Tensor:
        """Return the state before the first frame: zeros `(batch, state_size)`."""
        return self.mean.new_zeros(batch, self.config.state_size)

    def advance(
        self, mfcc: torch.Tensor, state: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the state after more frames.

        Args:
            mfcc: Frames `(batch, time, n_mfcc)`. Their number must be a multiple of `frame_stack`
                unless these are the last ones.
            state: State before these frames, `(batch, state_size)`.
            lengths: Frames of each clip, `(batch,)`. For shorter clips, only the pooling sums of
                the returned state are valid. Default: all of them.

        Returns:
            State `(batch, state_size)`.
        """
        x = (mfcc - self.mean) / self.std
        steps = None
        if lengths is not None:
            x = x * _inside(lengths, x.shape[1])
            frame_stack = self.config.frame_stack
            steps = torch.div(lengths + frame_stack - 1, frame_stack, rounding_mode="floor")
        x = self._stack_frames(x)  # (B, S, frame_stack * n_mfcc)
        after = [
            member.advance(x, layers, sums, steps)
            for member, layers, sums in zip(self._networks(), *self._parts(state))
        ]
        return torch.cat([*(layers for layers, _ in after), *(sums for _, sums in after)], dim=1)

    def classify(
        self,
        state: torch.Tensor,
        statistics: torch.Tensor | None = None,
        speaker: torch.Tensor | None = None,
        speaker_weight: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the class logits of a state after at least one frame.

        Args:
            state: State `(batch, state_size)`.
            statistics: See `outputs`.
            speaker: See `outputs`.
            speaker_weight: See `outputs`.

        Returns:
            Logits `(batch, n_classes)`.
        """
        return self.outputs(state, statistics, speaker, speaker_weight)[0]

    def outputs(
        self,
        state: torch.Tensor,
        statistics: torch.Tensor | None = None,
        speaker: torch.Tensor | None = None,
        speaker_weight: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `classify` and the embedding.

        Args:
            state: State `(batch, state_size)`.
            statistics: Statistics of the clips `(batch, n_statistics)`; NaN counts as the mean, and
                so does None.
            speaker: Mean of the standardised statistics of the speakers `(batch, n_statistics)`.
                Default: zeros.
            speaker_weight: `(batch, 1)`: 0 for unknown speakers, 1 for known ones. Default: zeros.

        Returns:
            Logits, and the embedding `(batch, ensemble_size * fc_size + n_statistics)`, which ends
            with the standardised statistics.
        """
        members = self._member_outputs(state)
        logits = torch.stack([logits for logits, _ in members]).mean(dim=0)
        embeddings = [embedding for _, embedding in members]
        if self.branch is not None:
            shape = len(state), self.config.n_statistics
            if statistics is None:
                statistics = state.new_full(shape, torch.nan)
            if speaker is None:
                speaker = state.new_zeros(shape)
            if speaker_weight is None:
                speaker_weight = state.new_zeros(len(state), 1)
            logits, z = self.branch(logits, statistics, speaker, speaker_weight)
            embeddings.append(z)
        return logits, torch.cat(embeddings, dim=1)

    def member_logits(self, state: torch.Tensor) -> torch.Tensor:
        """Return the logits of each member, `(ensemble_size, batch, n_classes)`."""
        return torch.stack([logits for logits, _ in self._member_outputs(state)])

    def _member_outputs(self, state: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        _, sums = self._parts(state)
        return [member.classify(own) for member, own in zip(self._networks(), sums)]

    def fold_input_transform(self, matrix: torch.Tensor) -> EmotionLSTM:
        """Return a copy that first multiplies every frame by a matrix from the right.

        The matrix is folded into the weights, so that the copy is no larger or slower. It also
        applies to the mean frames that pad the last step (`_stack_frames`).

        Args:
            matrix: `(n_mfcc, n_mfcc)`.
        """
        folded = copy.deepcopy(self)
        matrix = matrix.to(self.mean)
        normalised = matrix * (self.std[:, None] / self.std)
        shift = (self.mean @ matrix - self.mean) / self.std
        with torch.no_grad():
            for member in folded._networks():
                weight, bias = member.first_layer()
                by_frame = weight.unflatten(1, (self.config.frame_stack, self.config.n_mfcc))
                bias += (by_frame @ shift).sum(dim=1)
                weight.copy_((by_frame @ normalised.T).flatten(1))
        return folded

    def with_branch(self, branch: LinearBranch) -> EmotionLSTM:
        """Return a copy that gets the statistics of a clip as well.

        Args:
            branch: The fitted branch.
        """
        config = dataclasses.replace(self.config, n_statistics=len(branch.mean))
        combined = EmotionLSTM(config)
        combined.load_state_dict(self.state_dict(), strict=False)
        assert combined.branch is not None
        combined.branch.load(branch)
        return combined.train(self.training)

    def with_gate(self, gate: GateNetwork) -> EmotionLSTM:
        """Return a copy with a speech gate.

        Args:
            gate: The trained gate.
        """
        gated = EmotionLSTM(
            dataclasses.replace(self.config, gate_units=gate.units, gate_width=gate.width)
        )
        gated.load_state_dict(self.state_dict(), strict=False)
        assert gated.gate is not None
        gated.gate.load_state_dict(gate.state_dict())
        return gated.train(self.training)

    def n_parameters(self) -> int:
        """Return the number of trained parameters."""
        n_weights = 0 if self.branch is None else self.branch.n_weights()
        return sum(parameter.numel() for parameter in self.parameters()) + n_weights

    def _networks(self) -> list[_Member]:
        return cast("list[_Member]", list(self.members))

    def _parts(self, state: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], ...]:
        """Split a state into the LSTM state and the pooling sums of each member."""
        sizes = [self.config.layer_state_size, self.config.sums_size]
        n = self.config.ensemble_size
        parts = state.split([size for size in sizes for _ in range(n)], dim=1)
        return parts[:n], parts[n:]

    def _stack_frames(self, x: torch.Tensor) -> torch.Tensor:
        """Concatenate `frame_stack` frames to a step; mean frames pad the last step."""
        frame_stack = self.config.frame_stack
        if frame_stack == 1:
            return x
        x = pad(x, (0, 0, 0, frame_stack - 1))
        steps = x.shape[1] // frame_stack
        return x[:, : steps * frame_stack].reshape(x.shape[0], -1, frame_stack * self.config.n_mfcc)


class _Member(nn.Module):
    """One network of the ensemble; its input is normalised steps `(batch, steps, width)`."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width = config.n_mfcc * config.frame_stack
        self.stem = nn.Linear(width, config.input_size) if config.input_size else None
        width = config.input_size or width
        self.lstms = nn.ModuleList()
        for _ in range(config.num_layers):
            lstm = nn.LSTM(width, config.hidden_size, batch_first=True)
            # An open forget gate lets gradients reach back over a whole clip:
            # Jozefowicz et al. 2015, https://proceedings.mlr.press/v37/jozefowicz15.html
            bias = cast(torch.Tensor, lstm.bias_ih_l0)
            nn.init.ones_(bias.data[config.hidden_size : 2 * config.hidden_size])
            self.lstms.append(lstm)
            width = config.hidden_size
        self.dropout = nn.Dropout(config.dropout)
        self.score = nn.Linear(width, 1) if config.pooling == "attention" else None
        self.fc = nn.Linear(width, config.fc_size)
        self.out = nn.Linear(config.fc_size, config.n_classes)

    def advance(
        self, x: torch.Tensor, layers: torch.Tensor, sums: torch.Tensor, n: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the LSTM state and the pooling sums after the steps `x`.

        Args:
            x: Steps `(batch, steps, width)`.
            layers: LSTM state `(batch, layer_state_size)`.
            sums: Pooling sums `(batch, sums_size)`.
            n: Steps of each clip, `(batch,)`. None: all of them.
        """
        config = self.config
        x = self._project(x)  # (B, S, input_size)
        states = layers.split(config.hidden_size, dim=1)  # h and c of each layer, (B, H)
        after = []
        for k, lstm in enumerate(self.lstms):
            h, c = (state.unsqueeze(0).contiguous() for state in states[2 * k : 2 * k + 2])
            y, (h, c) = lstm(x if k == 0 else self.dropout(x), (h, c))  # (B, S, H)
            x = x + y if config.residual and k > 0 else y  # (B, S, H)
            after += [h[0], c[0]]
        weights = self._pooling_weights(x)  # (B, S, 1)
        if n is not None:
            weights = weights * _inside(n, x.shape[1])
        added = torch.cat([(x * weights).sum(dim=1), weights.sum(dim=1)], dim=1)  # (B, H + 1)
        return torch.cat(after, dim=1), sums + added

    def classify(self, sums: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits and the embedding `(batch, fc_size)`."""
        pooled = sums[:, :-1] / sums[:, -1:]  # (B, H)
        embedding = torch.relu(self.fc(self.dropout(pooled)))  # (B, fc_size)
        return self.out(self.dropout(embedding)), embedding

    def first_layer(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the weights `(units, width)` and the bias of the layer that reads the steps."""
        if self.stem is not None:
            return self.stem.weight, self.stem.bias
        lstm = self.lstms[0]
        return cast(torch.Tensor, lstm.weight_ih_l0), cast(torch.Tensor, lstm.bias_ih_l0)

    def _project(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the layer before the LSTM, if there is one."""
        if self.stem is None:
            return x
        # As one matrix, so that ONNX gets a Gemm. onnxruntime turns a MatMul with int8 weights into
        # an operator that quantises the activations as well.
        rows = torch.relu(self.stem(x.reshape(-1, x.shape[2])))  # (B * S, input_size)
        return rows.reshape(x.shape[0], -1, self.config.input_size)

    def _pooling_weights(self, x: torch.Tensor) -> torch.Tensor:
        if self.score is None:
            return torch.ones_like(x[:, :, :1])
        return torch.exp(MAX_SCORE * torch.tanh(self.score(x) / MAX_SCORE))


def _inside(lengths: torch.Tensor, longest: int) -> torch.Tensor:
    """Return a mask of the positions within each length, bool `(batch, longest, 1)`."""
    positions = torch.arange(longest, device=lengths.device)
    return positions[None, :, None] < lengths[:, None, None]
