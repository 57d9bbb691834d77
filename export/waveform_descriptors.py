"""Voice descriptors as a part of the waveform graph, in standard operators.

They equal `edge_runtime.features.descriptors`, which defines them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from edge_runtime.features.descriptor_config import SEMITONE_REFERENCE, DescriptorConfig
from edge_runtime.features.frame_descriptors import FrameDescriptors
from edge_runtime.features.pitch import TINY, window_autocorrelation


class WaveformDescriptors(nn.Module):
    """Compute the voice descriptors of a batch of clips from their power spectra.

    Args:
        config: The settings.
    """

    low_pass: torch.Tensor  # (n_low_pass_bins, 1)
    bins: torch.Tensor  # (n_low_pass_bins, 1)
    turns: torch.Tensor  # (1, n_lags): of the cosine, per bin
    window: torch.Tensor  # (n_lags,)
    lag_cost: torch.Tensor  # (n_lags - 2,)
    sums: torch.Tensor  # (n_bins, n_bands + 2)
    slopes: torch.Tensor  # (n_bins to 1500 Hz, 2)
    harmonics: torch.Tensor  # (6,): bins per Hz, of two harmonics with their neighbours
    neighbours: torch.Tensor  # (6,): offsets from the bin of the harmonic

    def __init__(self, config: DescriptorConfig) -> None:
        super().__init__()
        self.config = config
        frames = FrameDescriptors(config)
        self.pitch = pitch = frames.pitch
        self.first_formant, self.split = frames.first_formant, frames.split
        lags = np.arange(len(pitch.lag_cost) + 2) + pitch.first_lag - 1
        bin_hz = config.sample_rate / config.n_fft
        window = window_autocorrelation(config, lags / pitch.lag_rate * config.sample_rate)
        for name, values in (
            ("low_pass", pitch.weights[:, None]),
            ("bins", np.arange(len(pitch.weights))[:, None]),
            ("turns", lags[None] * (bin_hz / pitch.lag_rate)),
            ("window", window),
            ("lag_cost", pitch.lag_cost),
            ("sums", frames.sums),
            ("slopes", frames.slopes),
            ("harmonics", np.repeat([1, 2], 3) / bin_hz),
            ("neighbours", np.tile([-1, 0, 1], 2)),
        ):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32))

    def forward(self, power: torch.Tensor) -> torch.Tensor:
        """Return the descriptors of whole clips.

        Args:
            power: Power spectra `(batch, n_frames, n_bins)`, up to `max_frequency`.

        Returns:
            The descriptors `(batch, n_frames, n_descriptors)`.
        """
        power = power + TINY
        sums = power @ self.sums
        bands = sums[:, :, :-2] ** 0.33
        total = bands.sum(dim=2, keepdim=True)
        change = (bands - before(bands)).abs().sum(dim=2, keepdim=True)
        flux = change / (total + before(total)) * before(torch.ones_like(total))
        third_formant = peak(power[:, :, self.split :])
        f0, voicing = self._track(*self._candidates(power))
        is_voiced = (f0 > 0).to(power.dtype)
        bounded = voicing.clamp(1e-3, 1 - 1e-4)
        first, second = self._harmonics(power, f0)
        return torch.cat(
            [
                12 * torch.log2(f0.clamp(min=SEMITONE_REFERENCE) / SEMITONE_REFERENCE),
                voicing,
                decibel(bounded / (1 - bounded)),
                decibel(total),
                decibel(power[:, :, : self.slopes.shape[0]]) @ self.slopes,
                decibel(sums[:, :, -2:-1] / sums[:, :, -1:]),
                decibel(peak(power[:, :, : self.split]) / third_formant),
                flux,
                decibel(first / second) * is_voiced,
                decibel(first / peak(power[:, :, self.first_formant])) * is_voiced,
                decibel(first / third_formant) * is_voiced,
            ],
            dim=2,
        )

    def _candidates(self, power: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return strengths and lags of the candidates, `(batch, n_frames, n_candidates)` each."""
        below = power[:, :, : self.low_pass.shape[0]]
        energy = (below @ self.low_pass).clamp(min=TINY)
        # The graph computes the cosines when it is loaded, like the Fourier transform.
        cosines = torch.cos(2 * np.pi * torch.remainder(self.bins @ self.turns, 1.0))
        acf = below @ (cosines * self.low_pass / self.window) / energy
        left, middle, right = acf[:, :, :-2], acf[:, :, 1:-1], acf[:, :, 2:]
        is_maximum = (middle > left) & (middle >= right)
        scores = torch.where(is_maximum, middle - self.lag_cost, -1.0)
        highest, best = torch.topk(scores, self.config.n_candidates, dim=2)
        a, b, c = (torch.gather(values, 2, best) for values in (left, middle, right))
        curvature = (a - 2 * b + c).clamp(max=-1e-9)
        shift = (0.5 * (a - c) / curvature).clamp(-0.5, 0.5)
        height = (b - 0.25 * (a - c) * shift).clamp(max=1.0) - self.lag_cost[best]
        strengths = torch.where(highest > -1.0, height, -1.0)
        return strengths, best + (shift + float(self.pitch.first_lag))

    def _track(
        self, strengths: torch.Tensor, lags: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return F0 in Hz, 0 for unvoiced frames, and voicing, `(batch, n_frames, 1)` each.

        The messages of `PitchTracker` pass from each frame to the next one, `reach` times.
        """
        config = self.config
        octaves = config.octave_jump_cost * torch.log2(lags)
        jumps = (before(octaves).unsqueeze(3) - octaves.unsqueeze(2)).abs()  # (B, T, from, to)
        has_before = before(torch.ones_like(lags[:, :, :1]))
        voiced, unvoiced = strengths, torch.full_like(lags[:, :, :1], config.voicing_threshold)
        for _ in range(config.reach):
            # (B, T, from) and (B, T, 1)
            from_voiced, from_unvoiced = before(voiced), before(unvoiced)
            changed = from_unvoiced - config.voicing_cost
            same = (from_voiced.unsqueeze(3) - jumps).amax(dim=2)
            voiced = strengths + has_before * torch.maximum(same, changed)
            changed = from_voiced.amax(dim=2, keepdim=True) - config.voicing_cost
            message = torch.maximum(from_unvoiced, changed)
            unvoiced = config.voicing_threshold + has_before * message
        score, chosen = voiced.max(dim=2, keepdim=True)
        is_voiced = score >= unvoiced
        column = torch.where(is_voiced, chosen, strengths.argmax(dim=2, keepdim=True))
        lag = torch.gather(lags, 2, column)
        octaves = torch.log2(lag * (config.pitch_floor / self.pitch.lag_rate))
        voicing = torch.gather(strengths, 2, column) + config.octave_cost * octaves
        return is_voiced * (self.pitch.lag_rate / lag), voicing.clamp(0.0, 1.0)

    def _harmonics(
        self, power: torch.Tensor, f0: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the powers of the first two harmonics, `(batch, n_frames, 1)` each."""
        position = f0.clamp(min=self.config.pitch_floor) * self.harmonics  # (B, T, 6)
        bins = torch.floor(position + 0.5) + self.neighbours
        values = torch.gather(power, 2, bins.long())
        return peak(values[:, :, :3]), peak(values[:, :, 3:])


def before(values: torch.Tensor) -> torch.Tensor:
    """Return the values of the frame before each frame, 0 for the first one.

    Args:
        values: `(batch, n_frames, width)`.
    """
    # Not by padding, which takes the exporter a dozen operators.
    return torch.cat([0 * values[:, :1], values[:, :-1]], dim=1)


def peak(values: torch.Tensor) -> torch.Tensor:
    """Return the maximum over the last axis, which is kept."""
    return values.amax(dim=-1, keepdim=True)


def decibel(power: torch.Tensor) -> torch.Tensor:
    """Return 10 log10 of powers."""
    return 10 * torch.log10(power)
