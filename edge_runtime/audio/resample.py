"""Resampling by soxr, of whole clips and of streams."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import AudioError
from ..messages import shorten_error
from .limits import check_rates


def resample(samples: np.ndarray, rate: float, sample_rate: float) -> np.ndarray:
    """`samples` `(n,)` at `rate` Hz, band-limited and resampled to `sample_rate` Hz by soxr's HQ.

    At full scale the result may exceed it a little.
    """
    check_rates(rate, sample_rate)
    if rate == sample_rate:
        return samples
    return _soxr().resample(samples, rate, sample_rate, quality="HQ")


def _soxr() -> Any:
    """The package, loaded only where needed: most models are fed at their own rate."""
    try:
        import soxr
    except ImportError as error:
        raise AudioError(
            f"soxr cannot be imported ({shorten_error(error)}), which resamples; run "
            "`pip install --force-reinstall soxr`"
        ) from error
    return soxr


class StreamResampler:
    """`resample` for samples that come in chunks: all outputs together are the whole clip's.

    Equal rates pass through as they are.
    """

    def __init__(self, sample_rate: float, wanted: int) -> None:
        check_rates(sample_rate, wanted)
        self._stream = None
        if sample_rate != wanted:
            self._stream = _soxr().ResampleStream(
                sample_rate, wanted, 1, dtype="float32", quality="HQ"
            )

    def push(self, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """What follows from `samples (n,)`; `last` adds what was held back, and ends the clip."""
        if self._stream is None:
            return samples
        return self._stream.resample_chunk(samples.astype(np.float32, copy=False), last=last)
