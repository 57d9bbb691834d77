"""Delta features: the local derivatives of coefficients over time."""

from __future__ import annotations

import numpy as np

from ..errors import AudioError, ConfigError
from ..validation import check_integer

_MODES = ("interp", "nearest", "mirror", "constant", "wrap")


def delta(
    features: np.ndarray, width: int = 9, order: int = 1, *, mode: str = "interp"
) -> np.ndarray:
    """Compute delta features: `librosa.feature.delta`, with time first.

    Args:
        features: Float `(n_frames, n_features)`.
        width: Frames that the Savitzky-Golay filter covers, an odd number of 3 or more.
        order: 1 for delta, 2 for delta-delta. It is also the order of the polynomial, and must be
            less than `width`.
        mode: Extension beyond the ends, as for `scipy.signal.savgol_filter`. "interp" fits a
            polynomial to the first and last `width` frames, and requires that many.

    Returns:
        Derivatives of the same shape and float type.

    Raises:
        AudioError: If `features` have another shape or type, or too few frames.
        ConfigError: If another argument is out of range.

    Example:
        >>> delta(np.arange(12.0).reshape(12, 1), width=3)[5]
        array([1.])
    """
    check_integer("width", width, 3)
    if width % 2 != 1:
        raise ConfigError(f"width={width!r} must be odd")
    check_integer("order", order, 1, width - 1)
    if mode not in _MODES:
        raise ConfigError(f"mode={mode!r} must be one of {', '.join(_MODES)}")
    features = np.asarray(features)
    if features.ndim != 2 or not np.issubdtype(features.dtype, np.floating):
        raise AudioError(
            f"features are {features.dtype} of shape {features.shape}; expected floating-point "
            "(n_frames, n_features)"
        )
    if mode == "interp" and width > len(features):
        raise AudioError(
            f"width={width} exceeds the {len(features)} frames: use a smaller width or "
            "mode='nearest'"
        )
    from scipy.signal import savgol_filter

    derivatives = savgol_filter(features, width, polyorder=order, deriv=order, axis=0, mode=mode)
    return np.asarray(derivatives)
