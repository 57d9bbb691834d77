"""MFCC of audio that arrives in chunks: the same frames as for the whole clip."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..audio.resample import StreamResampler
from ..errors import ConfigError
from .config import MfccConfig
from .mfcc import Mfcc

# Bound on the difference due to chunking. The arithmetic of a frame is the same, but a matrix
# product of another size sums in another order. If that decides between float32 and float64, a
# frame changes by the error of float32.
CHUNKED_EQUALS_WHOLE = 1e-3


class MfccStream:
    """MFCC frames of samples that are pushed in chunks of any size.

    The frames of all pushes and of the flush, concatenated, are those of `Mfcc(config)` on the
    whole clip, within `CHUNKED_EQUALS_WHOLE`. Memory does not grow with the stream.

    Args:
        config: The settings of the front end, or an `Mfcc` to share. Default: `MfccConfig()`.
        sample_rate: Rate of the chunks in Hz. Default: that of the configuration. Other rates are
            resampled, to exactly the samples of `resample` for the whole clip.

    Attributes:
        config: The settings of the front end.
        sample_rate: Rate of the chunks in Hz.
        width: Number of columns of a frame.
        n_frames: Frames that were returned since the clip began.

    Raises:
        ConfigError: If `sample_rate` is not supported, or `top_db` is set: it clamps against the
            loudest frame of the whole clip, which a stream does not have.

    Example:
        >>> stream = MfccStream(MfccConfig())
        >>> [len(stream.push(np.zeros(160, np.float32))) for _ in range(5)], len(stream.flush())
        ([0, 0, 0, 3, 1], 2)
    """

    def __init__(
        self, config: MfccConfig | Mfcc | None = None, *, sample_rate: float | None = None
    ) -> None:
        self._mfcc = config if isinstance(config, Mfcc) else Mfcc(config)
        self.config = self._mfcc.config
        if self.config.top_db is not None:
            raise ConfigError(
                f"top_db={self.config.top_db} clamps against the maximum of the whole clip and "
                "cannot be streamed: use a configuration with top_db=None"
            )
        self.sample_rate = self.config.sample_rate if sample_rate is None else sample_rate
        self.width = self.config.n_mfcc
        self.reset()

    def reset(self) -> None:
        """Discard all state: the next push begins a new clip."""
        self.n_frames = 0
        self._n_samples = 0  # after resampling
        self._first = 0  # index of the first sample that is held, or will be
        self._held = np.empty(0, np.float32)
        self._resampler = StreamResampler(self.sample_rate, self.config.sample_rate)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Add samples.

        Args:
            samples: Mono float samples `(n_samples,)`, in [-1, 1].

        Returns:
            The frames that they complete, float32 `(n_frames, n_mfcc)`; n_frames may be 0.

        Raises:
            AudioError: If the samples are not valid; the state is then unchanged.
        """
        samples = self._mfcc.check_samples(samples)
        return self._advance(self._resampler.push(samples))

    def flush(self) -> np.ndarray:
        """End the clip; the next push begins a new one.

        Returns:
            The frames that the end of the clip completes, float32 `(n_frames, n_mfcc)`. Empty for
            a clip that is shorter than one frame and that `Mfcc` refuses.
        """
        last = self._resampler.push(np.empty(0, np.float32), last=True)
        frames = [self._advance(last), self._last_frames()]
        self.reset()
        return np.concatenate(frames)

    def _advance(self, samples: np.ndarray) -> np.ndarray:
        framing = self._mfcc.framing
        skipped = max(0, self._first - self._n_samples)  # between two frames, if hop > n_fft
        self._n_samples += len(samples)
        self._held = np.concatenate([self._held, samples[skipped:]])
        n_complete = framing.n_complete(self._n_samples)
        n_new = n_complete - self.n_frames
        if n_new <= 0 or n_complete <= framing.first_body_frame:
            return np.empty((0, self.width), np.float32)
        out = self._compute(self._pieces(n_new), n_new)
        self.n_frames = n_complete
        self._drop_used()
        return out

    def _compute(self, pieces: Iterable[tuple[np.ndarray, int]], n_frames: int) -> np.ndarray:
        """Compute the next frames, float32 `(n_frames, width)`; pieces as of `Framing.pieces`."""
        out = np.empty((n_frames, self.width), np.float32)
        self._mfcc.cepstra(pieces, out)
        return out

    def _compute_clip(self, samples: np.ndarray) -> np.ndarray:
        """Compute the frames of a whole clip."""
        return self._mfcc(samples)

    def _pieces(self, n_new: int) -> list[tuple[np.ndarray, int]]:
        """Return the held samples as `Framing.pieces` would, for the next `n_new` frames."""
        framing = self._mfcc.framing
        if framing.psf:
            start = self.n_frames * framing.hop - self._first
            return [(framing.emphasized(self._held, start, n_new), n_new)]
        n_head = framing.first_body_frame if self.n_frames == 0 else 0
        start = (self.n_frames + n_head) * framing.hop - framing.pad - self._first
        body = (self._held[start:], n_new - n_head)
        return [(framing.head(self._held), n_head), body] if n_head else [body]

    def _drop_used(self) -> None:
        """Drop the samples that no later frame needs."""
        framing = self._mfcc.framing
        needed = self.n_frames * framing.hop - framing.pad
        if framing.psf:
            needed = max(0, needed - 1)  # the sample before, for the pre-emphasis
        self._held = self._held[needed - self._first :].copy()
        self._first = needed

    def _last_frames(self) -> np.ndarray:
        framing = self._mfcc.framing
        if self._n_samples == 0 or (not framing.psf and not framing.pad):
            return np.empty((0, self.width), np.float32)
        if self.n_frames == 0 and not framing.psf:
            return self._compute_clip(self._held)  # so short that the paddings of its ends overlap
        n_new = framing.n_frames(self._n_samples) - self.n_frames
        if not n_new:
            return np.empty((0, self.width), np.float32)
        return self._compute(self._last_pieces(n_new), n_new)

    def _last_pieces(self, n_new: int) -> list[tuple[np.ndarray, int]]:
        framing = self._mfcc.framing
        if framing.psf:
            return self._pieces(n_new)
        return [(framing.padded(self._held, 0, framing.pad), n_new)]
