"""The waveform graph: samples in, probabilities out, for programs that have no MFCC of their own.

Framing, Fourier transform, mel bands, logarithm, DCT, the dropping of silence and the network, all
in standard ONNX operators, so that onnxruntime in C, C++, C#, Java, JavaScript or Swift needs
nothing else. What the operators compute is what `edge_runtime` computes, in float32.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn.functional import conv1d, pad

from edge_runtime import ConfigError
from edge_runtime.audio.level import BLOCK_SECONDS
from edge_runtime.features.filterbank import bands_of, cepstra_of, window_of
from edge_runtime.features.silence import SilenceGate
from edge_runtime.inference.card import ModelCard
from train.network import EmotionLSTM

# The constants of the front end, by their names in the graph.
FRONT_END = ("bins", "time", "window", "bands", "cepstra", "to_level", "per_db")

# Steps of the doubling that gives each frame the loudest before it: clips of up to 2^17 frames, 43
# minutes at 20 ms.
DOUBLINGS = 17
FAR_BELOW = -1e9


class Waveform(nn.Module):
    """`waveform (batch, n_samples)` at the card's rate → logits, probabilities, speech, MFCC."""

    def __init__(self, network: EmotionLSTM, card: ModelCard) -> None:
        super().__init__()
        config = card.mfcc_config
        if config.convention != "librosa" or config.power != 2 or config.pad_mode != "constant":
            raise ConfigError(
                f"convention={config.convention!r}, power={config.power}, "
                f"pad_mode={config.pad_mode!r}: the waveform graph needs librosa's convention, "
                "power=2 and pad_mode='constant'"
            )
        if config.top_db is not None or config.amin > 1:
            raise ConfigError("the waveform graph needs top_db=None and amin of 1 or less")
        self.network, self.card, self.config = network, card, config
        bands = bands_of(config)  # (n_bins, n_mels)
        used = int(np.flatnonzero(bands.any(axis=1)).max()) + 1  # none above fmax
        window = window_of(config)
        circle = 2 * np.pi * np.arange(config.n_fft) / config.n_fft
        for name, values in (
            ("bins", np.arange(used)[:, None]),
            ("time", np.arange(len(window))[None]),
            ("window", window),
            ("bands", np.concatenate([bands[:used]] * 2)),
            ("cepstra", cepstra_of(config)),
            ("cosine", np.cos(circle)),
            ("sine", np.sin(circle)),
        ):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32))
        if card.silence is not None:
            gate = SilenceGate(card.silence, config)
            self.margin, self.decay = gate.margin, gate.decay
            for name, values in (("to_level", gate.to_level), ("per_db", gate.per_db)):
                self.register_buffer(name, torch.tensor(values, dtype=torch.float32))

    def forward(self, waveform: torch.Tensor) -> tuple[torch.Tensor, ...]:
        mfcc = frames = self.mfcc(waveform)
        if self.card.silence is None:
            lengths = torch.full_like(frames[:, 0, 0], 0.0).long() + frames.shape[1]
        else:
            frames, lengths = self.audible(frames)
        state = torch.zeros_like(frames[:, 0, :1]).repeat(1, self.network.config.state_size)
        logits, speech = self.network.classify(self.network.advance(frames, state, lengths))
        heard = self.loudest_dbfs(waveform) >= self.card.speech_above_dbfs
        probabilities = torch.softmax(logits / self.card.temperature, dim=-1)
        return logits, probabilities, torch.sigmoid(speech) * heard, mfcc

    def mfcc(self, waveform: torch.Tensor) -> torch.Tensor:
        """`(batch, n_frames, n_mfcc)`."""
        config = self.config
        side = config.n_fft // 2 if config.center else 0
        padded = pad(waveform.unsqueeze(1), (side, side))
        spectrum = conv1d(padded, self.kernel(), stride=config.hop_length)  # (B, 2 bins, T)
        mel = (spectrum * spectrum).transpose(1, 2) @ self.bands
        bel = torch.log(torch.clamp(mel, min=config.amin)) * float(1 / np.log(10))
        return bel @ self.cepstra

    def kernel(self) -> torch.Tensor:
        """The windowed Fourier transform as filters, `(2 bins, 1, n_fft)`: real, then imaginary.

        Computed in the graph, once when it is loaded: stored it would be most of the file.
        """
        n_fft = self.config.n_fft
        turns = self.bins @ self.time
        # Which of the n_fft points of the circle; float32 is exact on whole numbers of that size,
        # where the sine of an angle in float32 is not exact enough.
        point = torch.remainder(turns, n_fft).long()
        return (torch.cat([self.cosine[point], self.sine[point]]) * self.window).unsqueeze(1)

    def audible(self, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The frames as `SilenceGate` lets them through, moved to the front, and how many."""
        n, margin = frames.shape[1], self.margin
        index = torch.cumsum(torch.ones_like(frames[:, :, 0]), dim=1) - 1  # (B, T)
        levels = frames @ self.to_level
        peaks = levels + self.decay * index
        for k in range(DOUBLINGS):
            earlier = pad(peaks, (1 << k, 0), value=FAR_BELOW)[:, :n]
            peaks = torch.maximum(peaks, earlier)
        ahead = torch.cat([peaks, peaks[:, -1:].expand(-1, margin)], dim=1)[:, margin:]
        silence = self.card.silence
        loudest = ahead - self.decay * index
        loud = (levels > loudest - silence.range_db) & (levels > silence.floor_db)
        if silence.relative:
            frames = frames - loudest.unsqueeze(2) * self.per_db
        # Near a loud frame: the largest of its surroundings.
        around = pad(loud.to(frames.dtype).unsqueeze(1), (margin, margin))
        kept = nn.functional.max_pool1d(around, 2 * margin + 1, stride=1).squeeze(1)
        # Kept frames first, each group in the order of time; the first frame stands in for none.
        order = torch.argsort(index - kept * n, dim=1)
        frames = torch.gather(frames, 1, order.unsqueeze(2).expand(-1, -1, frames.shape[2]))
        return frames, kept.sum(dim=1).clamp(min=1).long()

    def loudest_dbfs(self, waveform: torch.Tensor) -> torch.Tensor:
        """The level of the loudest 30 ms, `(batch, 1)`: `edge_runtime.audio.level.Loudness`."""
        length = max(1, int(BLOCK_SECONDS * self.config.sample_rate))
        squares = pad((waveform * waveform).unsqueeze(1), (0, length - 1))
        power = nn.functional.avg_pool1d(squares, length, stride=length).squeeze(1)  # (B, blocks)
        # The last block may be filled up with zeros: it counts in clips of less than one block.
        whole = waveform.shape[1] // length
        short = power[:, :1] * (
            length
            / torch.clamp(torch.ones_like(power[:, :1]).cumsum(1) * waveform.shape[1], max=length)
        )
        blocks = torch.cat([short, power[:, :whole]], dim=1)
        loudest = blocks.max(dim=1, keepdim=True).values
        return 10 * torch.log10(torch.clamp(loudest, min=1e-20))
