"""Δ and ΔΔ features: how the coefficients change over time."""

from __future__ import annotations

import numpy as np

from ..errors import AudioError, ConfigError

_MODES = ("interp", "nearest", "mirror", "constant", "wrap")


def delta(
    features: np.ndarray, width: int = 9, order: int = 1, *, mode: str = "interp"
) -> np.ndarray:
    """The local derivative of features over time: `librosa.feature.delta`, time first.

    Args:
        features: float `(n_frames, n_features)`.
        width: frames that a Savitzky-Golay filter looks at, an odd number of 3 or more.
        order: 1 for Δ, 2 for ΔΔ; it is also the order of the polynomial, so less than `width`.
        mode: what is beyond the ends, as in `scipy.signal.savgol_filter`; "interp" fits the first
            and the last `width` frames, so there must be that many.
    Returns the same shape and float type.
    """
    if not isinstance(width, int) or width < 3 or width % 2 != 1:
        raise ConfigError(f"width={width!r} must be an odd whole number of 3 or more")
    if not isinstance(order, int) or not 0 < order < width:
        raise ConfigError(f"order={order!r} must be a whole number from 1 to width-1={width - 1}")
    if mode not in _MODES:
        raise ConfigError(f"mode={mode!r} must be one of {', '.join(_MODES)}")
    features = np.asarray(features)
    if features.ndim != 2 or not np.issubdtype(features.dtype, np.floating):
        raise AudioError(
            f"features are {features.dtype} of shape {features.shape}; "
            "wanted floating-point (n_frames, n_features)"
        )
    if mode == "interp" and width > len(features):
        raise AudioError(
            f"width={width} exceeds the {len(features)} frames: use a smaller width or "
            "mode='nearest'"
        )
    from scipy.signal import savgol_filter

    return savgol_filter(features, width, polyorder=order, deriv=order, axis=0, mode=mode)
