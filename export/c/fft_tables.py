"""Tables of the Fourier transform."""

from __future__ import annotations

import numpy as np


def fft_twiddles(n: int) -> np.ndarray:
    """Return cos(2 pi k / n) and -sin(2 pi k / n) for k from 0 to n / 2 - 1, float32 `(n,)`."""
    roots = np.exp(-2j * np.pi * np.arange(n // 2) / n)
    return roots.view(np.float64).astype(np.float32)
