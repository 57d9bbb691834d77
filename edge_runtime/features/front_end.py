"""The front end of a model: MFCC and, where the model uses them, voice descriptors.

A row holds the coefficients of a frame and then its descriptors. Both come from one FFT.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from .config import MfccConfig
from .framing import Framing
from .mfcc import Mfcc
from .stream import MfccStream

if TYPE_CHECKING:
    from .descriptors import Descriptors, FrameHistory


class FrontEnd:
    """Computes the rows of a clip: `[MFCC | descriptors]`. Threads may share an object.

    Args:
        mfcc_config: The settings of the MFCC.
        with_descriptors: Append the voice descriptors. Otherwise the rows are those of `Mfcc`.

    Attributes:
        config: The settings of the MFCC.
        mfcc: Computes the MFCC.
        descriptors: Computes the descriptors; None without them.
        n_mfcc: Number of coefficients.
        width: Number of columns.

    Raises:
        ConfigError: If the settings are not valid, or not supported by the descriptors; see
            `DescriptorConfig.from_mfcc`.

    Example:
        >>> front_end = FrontEnd(MfccConfig(n_fft=1024, hop_length=320), with_descriptors=True)
        >>> front_end(np.zeros(16_000, np.float32)).shape
        (51, 25)
    """

    def __init__(self, mfcc_config: MfccConfig, with_descriptors: bool = False) -> None:
        self.config = mfcc_config
        self.mfcc = Mfcc(mfcc_config)
        self.descriptors: Descriptors | None = None
        if with_descriptors:
            from .descriptor_config import DescriptorConfig
            from .descriptors import Descriptors

            self.mfcc.check_power()
            self.descriptors = Descriptors(DescriptorConfig.from_mfcc(mfcc_config))
        self.n_mfcc = mfcc_config.n_mfcc
        self.width = self.n_mfcc
        if self.descriptors is not None:
            self.width += len(self.descriptors.names)

    @property
    def framing(self) -> Framing:
        """The positions of the frames."""
        return self.mfcc.framing

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Compute the rows of a clip.

        Args:
            samples: Mono float32 or float64 samples `(n_samples,)` at `config.sample_rate`.

        Returns:
            The rows, float32 `(n_frames, width)`.

        Raises:
            AudioError: If the samples are not valid; see `Mfcc.__call__`.
        """
        if self.descriptors is None:
            return self.mfcc(samples)
        mfcc, power = self.mfcc.with_power(samples, self.descriptors.config.n_bins)
        return np.concatenate([mfcc, self.descriptors.of_power(power)], axis=1)

    def check(self, samples: np.ndarray) -> np.ndarray:
        """Check the samples of a whole clip; see `Mfcc.check`."""
        return self.mfcc.check(samples)

    def check_samples(self, samples: np.ndarray) -> np.ndarray:
        """Check samples that are part of a clip; see `Mfcc.check_samples`."""
        return self.mfcc.check_samples(samples)


class FrontEndStream(MfccStream):
    """Rows of samples that are pushed in chunks of any size.

    The rows of all pushes and of the flush, concatenated, are those of the front end on the whole
    clip. The coefficients differ by up to `CHUNKED_EQUALS_WHOLE`, the descriptors by rounding;
    where two candidates for the pitch of a frame are equal within rounding, as may happen in noise,
    the choice may differ. Memory does not grow with the stream.

    Args:
        front_end: The front end.
        sample_rate: Rate of the chunks in Hz. Default: that of the front end. Other rates are
            resampled, to exactly the samples of `resample` for the whole clip.

    Raises:
        ConfigError: As for `MfccStream`.

    Example:
        >>> stream = FrontEndStream(FrontEnd(MfccConfig(), with_descriptors=True))
        >>> stream.push(np.zeros(16_000, np.float32)).shape, stream.flush().shape
        ((99, 25), (2, 25))
    """

    def __init__(self, front_end: FrontEnd, *, sample_rate: float | None = None) -> None:
        self._front_end = front_end
        self._history: FrameHistory | None = None
        super().__init__(front_end.mfcc, sample_rate=sample_rate)
        self.width = front_end.width

    def reset(self) -> None:
        """Discard all state: the next push begins a new clip."""
        super().reset()
        if self._front_end.descriptors is not None:
            from .descriptors import FrameHistory

            self._history = FrameHistory(self._front_end.descriptors.frames)

    def _compute(self, pieces: Iterable[tuple[np.ndarray, int]], n_frames: int) -> np.ndarray:
        if self._front_end.descriptors is None or self._history is None:
            return super()._compute(pieces, n_frames)
        rows = np.empty((n_frames, self.width), np.float32)
        power = np.empty((n_frames, self._front_end.descriptors.config.n_bins), np.float32)
        n_mfcc = self._front_end.n_mfcc
        self._mfcc.cepstra(pieces, rows[:, :n_mfcc], power)
        rows[:, n_mfcc:] = self._history.push(power)
        return rows

    def _compute_clip(self, samples: np.ndarray) -> np.ndarray:
        return self._front_end(samples)
