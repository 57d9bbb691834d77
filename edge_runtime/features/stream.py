"""Features of audio that arrives in pieces: the same frames as those of the whole clip."""

from __future__ import annotations

import numpy as np

from ..audio.resample import StreamResampler
from ..errors import ConfigError
from .config import MfccConfig
from .mfcc import Mfcc

# The bound on what chunking changes. The arithmetic of a frame is the same, but a matrix product
# of another size adds up in another order, and where that decides between float32 and float64 a
# frame changes by as much as float32 is off.
CHUNKED_EQUALS_WHOLE = 1e-3


class MfccStream:
    """MFCC frames from samples pushed in chunks of any size.

    The frames of all pushes and of the flush, one after the other, are those of `Mfcc(config)` on
    the whole clip, within `CHUNKED_EQUALS_WHOLE`. What is held does not grow with the stream.

    Args:
        config: the front end, or an `Mfcc` to share. `top_db` clamps against the loudest frame of
            the whole clip, which a stream has not heard yet: ConfigError unless it is None.
        sample_rate: the rate in Hz of what is pushed (None: the configuration's); other rates are
            resampled on the way, to the very samples that `resample` gives for the whole clip.

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
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next push begins a new clip."""
        self.n_frames = 0  # given out since the clip began
        self._heard = 0  # samples, after resampling
        self._first = 0  # index of the first sample that is held, or will be
        self._held = np.empty(0, np.float32)
        self._resampler = StreamResampler(self.sample_rate, self.config.sample_rate)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """The frames that `samples (n,)` complete, float32 `(n_frames, n_mfcc)`; n may be 0.

        Raises AudioError for samples that `Mfcc` refuses; the stream is then as it was before.
        """
        samples = self._mfcc.check_samples(samples)
        return self._advance(self._resampler.push(samples))

    def flush(self) -> np.ndarray:
        """The frames that the end of the clip completes; afterwards the stream begins a new clip.

        A clip shorter than one frame has none here where `Mfcc` refuses it.
        """
        last = self._resampler.push(np.empty(0, np.float32), last=True)
        frames = [self._advance(last), self._end()]
        self.reset()
        return np.concatenate(frames)

    def _advance(self, samples: np.ndarray) -> np.ndarray:
        framing = self._mfcc.framing
        skipped = max(0, self._first - self._heard)  # lie between two frames, where hop > n_fft
        self._heard += len(samples)
        self._held = np.concatenate([self._held, samples[skipped:]])
        complete = framing.n_complete(self._heard)
        new = complete - self.n_frames
        if new <= 0 or complete <= framing.first_body_frame:
            return np.empty((0, self.config.n_mfcc), np.float32)
        out = np.empty((new, self.config.n_mfcc), np.float32)
        self._mfcc.cepstra(self._pieces(new), out)
        self.n_frames = complete
        self._let_go()
        return out

    def _pieces(self, new: int) -> list[tuple[np.ndarray, int]]:
        """The held samples as `Framing.pieces` would give them for the next `new` frames."""
        framing = self._mfcc.framing
        if framing.psf:
            start = self.n_frames * framing.hop - self._first
            return [(framing.emphasized(self._held, start, new), new)]
        head = framing.first_body_frame if self.n_frames == 0 else 0
        start = (self.n_frames + head) * framing.hop - framing.pad - self._first
        body = (self._held[start:], new - head)
        return [(framing.head(self._held), head), body] if head else [body]

    def _let_go(self) -> None:
        """Drop the samples that no frame to come needs."""
        framing = self._mfcc.framing
        needed = self.n_frames * framing.hop - framing.pad
        if framing.psf:
            needed = max(0, needed - 1)  # the sample before, for the pre-emphasis
        self._held = self._held[needed - self._first :].copy()
        self._first = needed

    def _end(self) -> np.ndarray:
        framing = self._mfcc.framing
        if self._heard == 0 or (not framing.psf and not framing.pad):
            return np.empty((0, self.config.n_mfcc), np.float32)
        if self.n_frames == 0 and not framing.psf:
            out = self._mfcc(self._held)  # so short that its two ends overlap
        else:
            out = np.empty(
                (framing.n_frames(self._heard) - self.n_frames, self.config.n_mfcc), np.float32
            )
            if len(out):
                self._mfcc.cepstra(self._last_pieces(len(out)), out)
        return out

    def _last_pieces(self, new: int) -> list[tuple[np.ndarray, int]]:
        framing = self._mfcc.framing
        if framing.psf:
            return self._pieces(new)
        return [(framing.padded(self._held, 0, framing.pad), new)]
