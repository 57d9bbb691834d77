"""Where the frames of a clip lie, and what stands in for the samples beyond its ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .config import MfccConfig


class Framing:
    """The framing of a configuration: `librosa.stft`'s, or that of python_speech_features.

    Frame i spans the samples from `i * hop - pad` on, `span` of them.
    """

    def __init__(self, config: MfccConfig) -> None:
        self.config = config
        self.psf = config.convention == "python_speech_features"
        self.hop = config.hop_length
        self.span = config.frame_length
        self.pad = config.n_fft // 2 if config.center else 0
        # The first frame that the padding on the left does not reach.
        self.first_body_frame = -(-self.pad // self.hop)

    def n_complete(self, n_samples: int) -> int:
        """How many frames end within the first `n_samples`, padded on the left only."""
        return max(0, (n_samples + self.pad - self.span) // self.hop + 1)

    def n_frames(self, n_samples: int) -> int:
        """How many frames a clip of `n_samples` has."""
        if self.psf:  # the last frame is filled up with zeros
            return 1 + max(0, -(-(n_samples - self.span) // self.hop))
        return 1 + (n_samples + 2 * self.pad - self.span) // self.hop

    def frame_times(self, n_frames: int) -> np.ndarray:
        """The times in seconds, float64 `(n_frames,)`, of the middle of each frame."""
        middle = self.span // 2 - self.pad
        return (np.arange(n_frames) * self.hop + middle) / self.config.sample_rate

    def pieces(self, samples: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
        """A clip as `(samples, n_frames)` pieces whose frames need no more padding.

        Only the two ends are copied. What the padding sees of the clip is what it sees in
        librosa.stft, which shows where hop_length exceeds n_fft.
        """
        n_frames = self.n_frames(len(samples))
        if self.psf:
            for first in range(0, n_frames, 1024):
                count = min(1024, n_frames - first)
                yield self.emphasized(samples, first * self.hop, count), count
            return
        if not self.pad:
            yield samples, n_frames
            return
        first_tail = self.n_complete(len(samples))
        if first_tail <= self.first_body_frame:
            yield self.padded(samples, self.pad, self.pad), n_frames
            return
        yield self.head(samples), self.first_body_frame
        body = samples[self.first_body_frame * self.hop - self.pad :]
        yield body, first_tail - self.first_body_frame
        if n_frames > first_tail:
            tail = samples[first_tail * self.hop - self.pad :]
            yield self.padded(tail, 0, self.pad), n_frames - first_tail

    def head(self, samples: np.ndarray) -> np.ndarray:
        """The padded samples of the frames before `first_body_frame`."""
        seen = (self.first_body_frame - 1) * self.hop - self.pad + self.span + 1
        return self.padded(samples[:seen], self.pad, 0)

    def padded(self, samples: np.ndarray, left: int, right: int) -> np.ndarray:
        """Samples with `left` and `right` more of them, as `pad_mode` has it."""
        mode: Any = self.config.pad_mode
        if mode == "constant":  # what is nearly always wanted, at a tenth of numpy.pad's cost
            out = np.zeros(left + len(samples) + right, samples.dtype)
            out[left : left + len(samples)] = samples
            return out
        if mode == "linear_ramp":  # computed, not copied: float32 would round it
            samples = samples.astype(np.float64)
        return np.pad(samples, (left, right), mode=mode)

    def emphasized(self, samples: np.ndarray, start: int, n_frames: int) -> np.ndarray:
        """Pre-emphasised float64 samples of `n_frames` frames from `start` on, zeros at the end.

        y[n] = x[n] - preemphasis · x[n-1], y[0] = x[0]; in the precision of `samples`, as
        python_speech_features.sigproc.preemphasis does it.
        """
        length = (n_frames - 1) * self.hop + self.span
        out = np.zeros(length)
        before = max(start - 1, 0)
        x = samples[before : start + length]
        emphasized = x[1:] - self.config.preemphasis * x[:-1]
        if start == 0:
            out[0] = x[0]
        first = 1 if start == 0 else 0
        out[first : first + len(emphasized)] = emphasized
        return out
