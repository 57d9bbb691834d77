"""Resampling with soxr, for whole clips and for streams."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import AudioError
from ..messages import shorten_error
from .limits import check_rates


def resample(samples: np.ndarray, source_rate: float, target_rate: float) -> np.ndarray:
    """Resample a clip with soxr's quality "HQ", which is band-limited.

    Args:
        samples: Mono float samples `(n_samples,)`.
        source_rate: Their rate in Hz.
        target_rate: The rate of the result in Hz; `samples` are returned if it is equal.

    Returns:
        Float samples `(n,)`. A full-scale signal may overshoot 1 slightly.

    Raises:
        AudioError: If soxr cannot be imported.
        ConfigError: If a rate is not supported.
    """
    check_rates(source_rate, target_rate)
    if source_rate == target_rate:
        return samples
    return np.asarray(_soxr().resample(samples, source_rate, target_rate, quality="HQ"))


def _soxr() -> Any:
    # Imported only where needed: most audio arrives at the rate of the model.
    try:
        import soxr
    except ImportError as error:
        raise AudioError(
            f"resampling requires soxr, which cannot be imported ({shorten_error(error)}); run "
            "`pip install --force-reinstall soxr`"
        ) from error
    return soxr


class StreamResampler:
    """`resample` for samples that arrive in chunks.

    All outputs, concatenated, equal the output for the whole clip.

    Args:
        source_rate: Rate of the chunks in Hz.
        target_rate: Rate of the output in Hz; chunks are returned unchanged if it is equal.

    Raises:
        AudioError: If soxr cannot be imported.
        ConfigError: If a rate is not supported.
    """

    def __init__(self, source_rate: float, target_rate: float) -> None:
        check_rates(source_rate, target_rate)
        self._stream: Any = None
        if source_rate != target_rate:
            self._stream = _soxr().ResampleStream(
                source_rate, target_rate, 1, dtype="float32", quality="HQ"
            )

    def push(self, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """Add mono float samples `(n_samples,)`.

        Args:
            samples: The next samples.
            last: End the stream and return what the filter holds back, too.

        Returns:
            The samples that are complete, float32 `(n,)`.
        """
        if self._stream is None:
            return samples
        resampled = self._stream.resample_chunk(samples.astype(np.float32, copy=False), last=last)
        return np.asarray(resampled)
