"""Voice descriptors of audio that arrives in chunks: the same frames as for the whole clip."""

from __future__ import annotations

import numpy as np

from ..audio.resample import StreamResampler
from .descriptor_config import DescriptorConfig
from .descriptors import Descriptors, FrameHistory


class DescriptorStream:
    """Voice descriptors of samples that are pushed in chunks of any size.

    The frames of all pushes and of the flush, concatenated, are those of `Descriptors(config)` on
    the whole clip. They differ by rounding only; where two candidates for the pitch of a frame are
    equal within rounding, as may happen in noise, the choice may differ. Memory does not grow with
    the stream.

    Args:
        config: The settings, or a `Descriptors` to share. Default: `DescriptorConfig()`.
        sample_rate: Rate of the chunks in Hz. Default: that of the configuration. Other rates are
            resampled, to exactly the samples of `resample` for the whole clip.

    Attributes:
        config: The settings.
        sample_rate: Rate of the chunks in Hz.
        n_frames: Frames that were returned since the clip began.

    Raises:
        ConfigError: If `sample_rate` is not supported.

    Example:
        >>> stream = DescriptorStream()
        >>> len(stream.push(np.zeros(8000, np.float32))), len(stream.flush())
        (24, 2)
    """

    def __init__(
        self,
        config: DescriptorConfig | Descriptors | None = None,
        *,
        sample_rate: float | None = None,
    ) -> None:
        self._descriptors = config if isinstance(config, Descriptors) else Descriptors(config)
        self.config = self._descriptors.config
        self.sample_rate = self.config.sample_rate if sample_rate is None else sample_rate
        self.reset()

    def reset(self) -> None:
        """Discard all state: the next push begins a new clip."""
        self.n_frames = 0
        self._n_samples = 0  # after resampling
        self._held = np.zeros(self._descriptors.framing.pad, np.float32)
        self._history = FrameHistory(self._descriptors.frames)
        self._resampler = StreamResampler(self.sample_rate, self.config.sample_rate)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Add samples.

        Args:
            samples: Mono float samples `(n_samples,)`, in [-1, 1].

        Returns:
            The frames that they complete, float32 `(n_frames, n_descriptors)`; n_frames may be 0.

        Raises:
            AudioError: If the samples are not valid; the state is then unchanged.
        """
        samples = self._descriptors.check_samples(samples)
        return self._advance(self._resampler.push(samples))

    def flush(self) -> np.ndarray:
        """End the clip; the next push begins a new one.

        Returns:
            The frames that are left, float32 `(n_frames, n_descriptors)`. Empty for a clip that is
            shorter than one frame and that `Descriptors` refuses.
        """
        frames = [self._advance(self._resampler.push(np.empty(0, np.float32), last=True))]
        pad = self._descriptors.framing.pad
        if self._n_samples and pad:
            frames.append(self._advance(np.zeros(pad, np.float32)))
        self.reset()
        return np.concatenate(frames)

    def _advance(self, samples: np.ndarray) -> np.ndarray:
        """Add samples at the rate of the configuration and return the frames they complete."""
        self._n_samples += len(samples)
        self._held = np.concatenate([self._held, samples.astype(np.float32, copy=False)])
        out = [np.empty((0, len(self._descriptors.names)), np.float32)]
        n_new = 0
        for power in self._descriptors.power_blocks(self._held):
            n_new += len(power)
            out.append(self._history.push(power))
        self._held = self._held[n_new * self.config.hop_length :].copy()
        frames = np.concatenate(out)
        self.n_frames += len(frames)
        return frames
