"""The positions of the frames of a clip, and the padding of its ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .config import MfccConfig

EMPHASIS_FRAMES = 1024  # that are pre-emphasised at once, which bounds the memory


class Framing:
    """The framing of a configuration: that of `librosa.stft` or of python_speech_features.

    Frame i covers the `span` samples from `i * hop - pad` on.

    Args:
        config: The configuration.

    Attributes:
        config: The configuration.
        psf: True under the convention of python_speech_features.
        hop: Samples from one frame to the next.
        span: Samples of a frame.
        pad: Samples of padding at either end.
        first_body_frame: Index of the first frame that the padding on the left does not reach.
    """

    def __init__(self, config: MfccConfig) -> None:
        self.config = config
        self.psf = config.convention == "python_speech_features"
        self.hop = config.hop_length
        self.span = config.frame_length
        self.pad = config.n_fft // 2 if config.center else 0
        self.first_body_frame = -(-self.pad // self.hop)

    def n_complete(self, n_samples: int) -> int:
        """Return how many frames end within `n_samples`, with padding on the left only."""
        return max(0, (n_samples + self.pad - self.span) // self.hop + 1)

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames of a clip of `n_samples`."""
        if self.psf:  # the last frame is zero-padded
            return 1 + max(0, -(-(n_samples - self.span) // self.hop))
        return 1 + (n_samples + 2 * self.pad - self.span) // self.hop

    def frame_times(self, n_frames: int) -> np.ndarray:
        """Return the centre of each frame in seconds, float64 `(n_frames,)`."""
        centre = self.span // 2 - self.pad
        return np.asarray((np.arange(n_frames) * self.hop + centre) / self.config.sample_rate)

    def pieces(self, samples: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
        """Split a clip into pieces whose frames need no more padding.

        Only the two ends are copied. The padding sees as much of the clip as in `librosa.stft`,
        which matters if `hop_length` exceeds `n_fft`.

        Args:
            samples: The clip, `(n_samples,)`.

        Yields:
            The samples of a piece, and the number of its frames.
        """
        n_frames = self.n_frames(len(samples))
        if self.psf:
            for first in range(0, n_frames, EMPHASIS_FRAMES):
                count = min(EMPHASIS_FRAMES, n_frames - first)
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
        """Return the padded samples of the frames before `first_body_frame`."""
        end = (self.first_body_frame - 1) * self.hop - self.pad + self.span + 1
        return self.padded(samples[:end], self.pad, 0)

    def padded(self, samples: np.ndarray, left: int, right: int) -> np.ndarray:
        """Return samples with `left` and `right` more of them, by `pad_mode`."""
        mode: Any = self.config.pad_mode
        if mode == "constant":  # the usual mode, at a tenth of the cost of numpy.pad
            out = np.zeros(left + len(samples) + right, samples.dtype)
            out[left : left + len(samples)] = samples
            return out
        if mode == "linear_ramp":  # computed, not copied: float32 would round it
            samples = samples.astype(np.float64)
        return np.pad(samples, (left, right), mode=mode)

    def emphasized(self, samples: np.ndarray, start: int, n_frames: int) -> np.ndarray:
        """Return the pre-emphasised samples of `n_frames` frames from `start` on, float64.

        y[n] = x[n] - preemphasis · x[n-1], y[0] = x[0], in the precision of `samples`, as in
        `python_speech_features.sigproc.preemphasis`. The end is zero-padded.
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
