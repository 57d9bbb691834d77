"""Window functions, equal to scipy's.

The windows of the cosine family are computed with numpy alone: importing scipy costs about 0.2 s
and 30 MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import ConfigError
from ..messages import brief_repr, shorten_error
from ..validation import is_number

if TYPE_CHECKING:
    import numpy as np

Window: TypeAlias = str | tuple[Any, ...] | float

# A Taylor window is a sum of as many terms as its first parameter.
MAX_PARAMETER, MAX_TAYLOR_TERMS = 1e6, 1000

# Coefficients a_k of w(phase) = sum_k a_k cos(k phase), phase from -pi to pi, under every name
# that scipy.signal.get_window accepts.
_COSINE_WINDOWS = {
    ("hann", "han"): (0.5, 0.5),
    ("hamming", "hamm", "ham"): (0.54, 1.0 - 0.54),
    ("blackman", "black", "blk"): (0.42, 0.5, 0.08),
    ("boxcar", "box", "ones", "rect", "rectangular"): (1.0,),
}
_COSINE_BY_NAME: dict[Any, tuple[float, ...]] = {
    name: coefficients for names, coefficients in _COSINE_WINDOWS.items() for name in names
}


def is_window(window: Any) -> bool:
    """Return True for a name, a `(name, parameter, ...)` tuple or a Kaiser beta within bounds."""
    if isinstance(window, tuple):
        maximum = MAX_TAYLOR_TERMS if window[:1] == ("taylor",) else MAX_PARAMETER
        return (
            bool(window)
            and isinstance(window[0], str)
            and all(
                isinstance(value, (int, float)) and abs(value) <= maximum for value in window[1:]
            )
        )
    return isinstance(window, str) or is_number(window, -MAX_PARAMETER, MAX_PARAMETER)


def window_values(window: Window, length: int, *, symmetric: bool = False) -> np.ndarray:
    """Compute a window as `scipy.signal.get_window(window, length)` does.

    Args:
        window: A name, a `(name, parameter)` tuple or a Kaiser beta.
        length: Length in samples, 1 or more.
        symmetric: Return the symmetric form, as `numpy.hamming` and the like do. Default: the
            periodic ("DFT-even") form.

    Returns:
        The window, float64 `(length,)`.

    Raises:
        ConfigError: If scipy has no such window, or its parameters give non-finite values.
    """
    import numpy as np

    if window in _COSINE_BY_NAME:
        if length == 1:
            return np.ones(1)
        # The phases of scipy.signal.windows.general_cosine, so that every sample is equal to the
        # last bit: with power < 1 even that is visible.
        phase = np.linspace(-np.pi, np.pi, length if symmetric else length + 1)[:length]
        values = np.zeros(length)
        for k, coefficient in enumerate(_COSINE_BY_NAME[window]):
            values += coefficient * np.cos(k * phase)
        return values
    import scipy.signal

    try:
        with np.errstate(all="ignore"):
            values = scipy.signal.get_window(window, length, fftbins=not symmetric)
        values = np.asarray(values, float)
    except Exception as error:  # scipy raises many kinds for invalid parameters
        raise ConfigError(
            f"window={brief_repr(window)} is not a window of scipy.signal: {shorten_error(error)}"
        ) from error
    if not np.isfinite(values).all():
        raise ConfigError(
            f"window={brief_repr(window)} contains non-finite values; check its parameters"
        )
    return values
