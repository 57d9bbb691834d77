"""The waveform graph: samples in, probabilities out, for programs without an MFCC implementation.

Framing, Fourier transform, mel bands, logarithm, DCT, silence removal and the network are standard
ONNX operators: onnxruntime for C, C++, C#, Java, JavaScript or Swift is sufficient. They compute
the same as `edge_runtime`, in float32.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn.functional import conv1d, pad

from edge_runtime import ConfigError
from edge_runtime.audio.level import BLOCK_SECONDS
from edge_runtime.features.descriptor_config import DescriptorConfig
from edge_runtime.features.filterbank import band_matrix, cepstral_matrix, frame_window
from edge_runtime.features.silence import SilenceGate
from edge_runtime.inference.card import ModelCard
from edge_runtime.inference.speech_gate import min_speech_frames
from train.network import EmotionLSTM

from .waveform_descriptors import WaveformDescriptors
from .waveform_statistics import WaveformStatistics

# Names of the front end's constants in the graph, or of the modules that they belong to.
FRONT_END = ("bins", "time", "window", "bands", "cepstra", "to_level", "per_db", "descriptors")

# Steps of the running maximum, which doubles its reach in each step: enough for 2^17 frames, 43
# minutes at 20 ms.
N_DOUBLINGS = 17
PADDING_LEVEL = -1e9  # below all levels


class Waveform(nn.Module):
    """Front end and network of a model card: `waveform (batch, n_samples)` to probabilities.

    For networks with statistics, descriptors and statistics of the clip are computed as well.

    Args:
        network: The trained network.
        card: The model card.

    Raises:
        ConfigError: If the front end is not supported.
    """

    bins: torch.Tensor  # (n_bins, 1): those that are used
    time: torch.Tensor  # (1, n_fft)
    window: torch.Tensor  # (n_fft,)
    bands: torch.Tensor  # (n_bins up to fmax, n_mels)
    cepstra: torch.Tensor  # (n_mels, n_mfcc)
    cosine: torch.Tensor  # (n_fft,)
    sine: torch.Tensor  # (n_fft,)
    to_level: torch.Tensor  # (n_mfcc,)
    per_db: torch.Tensor  # (n_mfcc,)

    def __init__(self, network: EmotionLSTM, card: ModelCard) -> None:
        super().__init__()
        config = card.mfcc_config
        if config.convention != "librosa" or config.power != 2 or config.pad_mode != "constant":
            raise ConfigError(
                f"convention={config.convention!r}, power={config.power}, "
                f"pad_mode={config.pad_mode!r}: the waveform graph requires "
                "convention='librosa', power=2 and pad_mode='constant'"
            )
        if config.top_db is not None or config.amin > 1:
            raise ConfigError("the waveform graph requires top_db=None and amin of at most 1")
        self.network, self.card, self.config = network, card, config
        bands = band_matrix(config)  # (n_bins, n_mels)
        used = int(np.flatnonzero(bands.any(axis=1)).max()) + 1  # bins up to fmax
        n_bins = used
        self.descriptors: WaveformDescriptors | None = None
        self.statistics: WaveformStatistics | None = None
        if card.statistics is not None:
            self.descriptors = WaveformDescriptors(DescriptorConfig.from_mfcc(config))
            self.statistics = WaveformStatistics(
                card.statistics, config.n_mfcc, config.frame_period
            )
            n_bins = max(used, self.descriptors.config.n_bins)
        window = frame_window(config)
        circle = 2 * np.pi * np.arange(config.n_fft) / config.n_fft
        for name, values in (
            ("bins", np.arange(n_bins)[:, None]),
            ("time", np.arange(len(window))[None]),
            ("window", window),
            ("bands", bands[:used]),
            ("cepstra", cepstral_matrix(config)),
            ("cosine", np.cos(circle)),
            ("sine", np.sin(circle)),
        ):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32))
        if card.silence is not None:
            gate = SilenceGate(card.silence, config)
            self.margin, self.decay = gate.margin, gate.decay
            for name, values in (("to_level", gate.to_level), ("per_db", gate.per_db)):
                self.register_buffer(name, torch.tensor(values, dtype=torch.float32))

    def forward(self, waveform: torch.Tensor, *speaker: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the outputs of `export_waveform`.

        Args:
            waveform: Samples `(batch, n_samples)`.
            speaker: For networks with statistics, `speaker (batch, n_statistics)` and
                `speaker_weight (batch, 1)`.
        """
        power = self.power(waveform)
        mfcc = frames = rows = self.mfcc(power)
        if self.card.silence is None:
            lengths = torch.full_like(frames[:, 0, 0], 0.0).long() + frames.shape[1]
        else:
            frames, lengths = self.drop_silence(frames)
        state = torch.zeros_like(frames[:, 0, :1]).repeat(1, self.network.config.state_size)
        state = self.network.advance(frames, state, lengths)
        further: tuple[torch.Tensor, ...] = ()
        if self.descriptors is None or self.statistics is None:
            logits = self.network.classify(state)
        else:
            n_bins = self.descriptors.config.n_bins
            descriptors = self.descriptors(power[:, :, :n_bins])
            statistics = self.statistics(mfcc, descriptors)
            rows = torch.cat([mfcc, descriptors], dim=2)
            logits, embedding = self.network.outputs(state, statistics, *speaker)
            further = statistics, embedding
        is_loud = self.peak_dbfs(waveform) >= self.card.speech_above_dbfs
        probabilities = torch.softmax(logits / self.card.temperature, dim=-1)
        return logits, probabilities, self.clip_speech(rows) * is_loud, mfcc, *further

    def power(self, waveform: torch.Tensor) -> torch.Tensor:
        """Return the power spectra `(batch, n_frames, n_bins)` of `waveform (batch, n_samples)`."""
        config = self.config
        side = config.n_fft // 2 if config.center else 0
        padded = pad(waveform.unsqueeze(1), (side, side))
        spectrum = conv1d(padded, self.kernel(), stride=config.hop_length)  # (B, 2 bins, T)
        squares = spectrum * spectrum
        n_bins = self.bins.shape[0]
        return (squares[:, :n_bins] + squares[:, n_bins:]).transpose(1, 2)

    def mfcc(self, power: torch.Tensor) -> torch.Tensor:
        """Return the MFCC `(batch, n_frames, n_mfcc)` of power spectra."""
        mel = power[:, :, : self.bands.shape[0]] @ self.bands
        bel = torch.log(torch.clamp(mel, min=self.config.amin)) * float(1 / np.log(10))
        return bel @ self.cepstra

    def clip_speech(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the probability of speech of clips `(batch, 1)`, as `ClipSpeech` does."""
        gate, min_speech = self.network.gate, self.card.min_speech
        if gate is None or min_speech is None:
            return torch.ones_like(rows[:, 0, :1])
        state = torch.zeros_like(rows[:, 0, :1]).repeat(1, 2 * gate.units)
        speech = torch.sigmoid(gate(rows, state)[0])  # (B, n_frames)
        count = min_speech_frames(min_speech, self.config.frame_period)
        # Shorter clips have fewer frames: the rest is padding, which does not count.
        largest = torch.topk(pad(speech, (0, count - 1), value=-1.0), count, dim=1).values
        largest = torch.where(largest < 0, torch.ones_like(largest), largest)
        return largest.min(dim=1, keepdim=True).values

    def kernel(self) -> torch.Tensor:
        """Return the windowed Fourier transform as filters `(2 n_bins, 1, n_fft)`.

        Real parts come first, then imaginary ones. The graph computes them when it is loaded:
        stored, they would be most of the file.
        """
        n_fft = self.config.n_fft
        turns = self.bins @ self.time
        # Index into the n_fft points of the circle. float32 is exact for integers of this size; the
        # sine of a large float32 angle would not be accurate enough.
        point = torch.remainder(turns, n_fft).long()
        return (torch.cat([self.cosine[point], self.sine[point]]) * self.window).unsqueeze(1)

    def drop_silence(self, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Move the frames that `SilenceGate` keeps to the front.

        Args:
            frames: MFCC `(batch, n_frames, n_mfcc)`.

        Returns:
            The reordered frames, and the number `(batch,)` of kept ones, at least 1.
        """
        silence = self.card.silence
        assert silence is not None
        n, margin = frames.shape[1], self.margin
        index = torch.cumsum(torch.ones_like(frames[:, :, 0]), dim=1) - 1  # (B, T)
        levels = frames @ self.to_level
        peaks = levels + self.decay * index
        for k in range(N_DOUBLINGS):
            earlier = pad(peaks, (1 << k, 0), value=PADDING_LEVEL)[:, :n]
            peaks = torch.maximum(peaks, earlier)
        ahead = torch.cat([peaks, peaks[:, -1:].expand(-1, margin)], dim=1)[:, margin:]
        loudest = ahead - self.decay * index
        loud = (levels > loudest - silence.range_db) & (levels > silence.floor_db)
        if silence.relative:
            frames = frames - loudest.unsqueeze(2) * self.per_db
        # Keep frames within `margin` of a loud one: the maximum over the neighbourhood.
        around = pad(loud.to(frames.dtype).unsqueeze(1), (margin, margin))
        kept = nn.functional.max_pool1d(around, 2 * margin + 1, stride=1)[:, 0]
        # Kept frames first, in their order; without any, the first frame of the clip is used.
        order = torch.argsort(index - kept * n, dim=1)
        frames = torch.gather(frames, 1, order.unsqueeze(2).expand(-1, -1, frames.shape[2]))
        return frames, kept.sum(dim=1).clamp(min=1).long()

    def peak_dbfs(self, waveform: torch.Tensor) -> torch.Tensor:
        """Return the level of the loudest 30 ms in dBFS `(batch, 1)`, as `Loudness` does."""
        length = max(1, int(BLOCK_SECONDS * self.config.sample_rate))
        squares = pad((waveform * waveform).unsqueeze(1), (0, length - 1))
        power = nn.functional.avg_pool1d(squares, length, stride=length)[:, 0]  # (B, blocks)
        # An incomplete last block counts only in clips shorter than one block.
        whole = waveform.shape[1] // length
        short = power[:, :1] * (
            length
            / torch.clamp(torch.ones_like(power[:, :1]).cumsum(1) * waveform.shape[1], max=length)
        )
        blocks = torch.cat([short, power[:, :whole]], dim=1)
        loudest = blocks.max(dim=1, keepdim=True).values
        return 10 * torch.log10(torch.clamp(loudest, min=1e-20))
