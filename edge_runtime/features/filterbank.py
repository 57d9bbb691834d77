"""The constant arrays of the front end: windows, mel filters, DCT and lifter matrices.

Everything here is computed once per configuration, in float64, with numpy alone: scipy costs
about 0.2 s and 30 MB at import, so only windows outside the cosine family load it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError
from ..messages import brief_repr, shorten_error
from .config import MfccConfig

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# Coefficients a_k of w(phase) = sum_k a_k cos(k phase), phase from -pi to pi, under every name
# that scipy.signal.get_window gives them.
_COSINE_WINDOWS = {
    ("hann", "han"): (0.5, 0.5),
    ("hamming", "hamm", "ham"): (0.54, 1.0 - 0.54),
    ("blackman", "black", "blk"): (0.42, 0.5, 0.08),
    ("boxcar", "box", "ones", "rect", "rectangular"): (1.0,),
}
_COSINE_BY_NAME = {name: a for names, a in _COSINE_WINDOWS.items() for name in names}

# Slaney's scale: 200/3 Hz per mel up to 1 kHz, from there 27 mels to a factor of 6.4. 1 kHz is
# 14.999999999999998 mel in librosa, and a filter's edge may lie on a bin only by that.
_HZ_PER_MEL = 200.0 / 3
_LOG_MEL = 1000.0 / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0

# Blocks that the mel matrix is cut into, so that less of its zeros is multiplied.
N_BAND_BLOCKS = 4


def window(name: str | tuple | float, length: int, *, symmetric: bool = False) -> np.ndarray:
    """A window of `length > 0` samples, as `scipy.signal.get_window(name, length)` gives it.

    Returns float64 `(length,)`. Periodic ("DFT-even") unless `symmetric`, which gives the
    convention of `numpy.hamming` and its like.
    Raises ConfigError for a window that scipy does not know.
    """
    if name in _COSINE_BY_NAME:
        if length == 1:
            return np.ones(1)
        # The phases of scipy.signal.windows.general_cosine, so that every sample is the same to
        # the last bit: under power < 1 even that can be seen.
        phase = np.linspace(-np.pi, np.pi, length if symmetric else length + 1)[:length]
        weights = np.zeros(length)
        for k, a in enumerate(_COSINE_BY_NAME[name]):
            weights += a * np.cos(k * phase)
        return weights
    import scipy.signal

    try:
        with np.errstate(all="ignore"):
            weights = scipy.signal.get_window(name, length, fftbins=not symmetric)
        weights = np.asarray(weights, float)
    except Exception as error:  # scipy raises many kinds for parameters that make no window
        raise ConfigError(
            f"window={brief_repr(name)} is not a window of scipy.signal: {shorten_error(error)}"
        ) from error
    if not np.isfinite(weights).all():
        raise ConfigError(
            f"window={brief_repr(name)} is not finite everywhere: its parameters are none"
        )
    return weights


def hz_to_mel(frequencies: ArrayLike, *, htk: bool = False) -> np.ndarray:
    """Hz to mel: Slaney's Auditory Toolbox scale (linear below 1 kHz) or HTK's formula.

    Follows librosa.hz_to_mel; https://engineering.purdue.edu/~malcolm/interval/1998-010/
    """
    f = np.asarray(frequencies, dtype=float)
    if htk:
        return 2595.0 * np.log10(1.0 + f / 700.0)
    linear = f / _HZ_PER_MEL
    logarithmic = _LOG_MEL + np.log(np.maximum(f, 1e-10) / 1000.0) / _LOG_STEP
    return np.where(f >= 1000.0, logarithmic, linear)


def mel_to_hz(mels: ArrayLike, *, htk: bool = False) -> np.ndarray:
    """The inverse of `hz_to_mel`."""
    m = np.asarray(mels, dtype=float)
    if htk:
        return 700.0 * (10.0 ** (m / 2595.0) - 1.0)
    return np.where(m >= _LOG_MEL, 1000.0 * np.exp(_LOG_STEP * (m - _LOG_MEL)), m * _HZ_PER_MEL)


def mel_filters(
    sample_rate: float,
    n_fft: int,
    n_mels: int,
    fmin: float = 0.0,
    fmax: float | None = None,
    *,
    htk: bool = False,
    norm: str | float | None = "slaney",
) -> np.ndarray:
    """Triangular mel filters, float64 `(n_mels, n_fft // 2 + 1)`: `librosa.filters.mel`.

    `norm` is "slaney" (every filter has the same area per Hz), None (peaks of 1), or the order p
    of an l_p norm that every filter is scaled to, as in `librosa.util.normalize`.
    """
    fmax = sample_rate / 2 if fmax is None else fmax
    bins = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    edges = mel_to_hz(
        np.linspace(hz_to_mel(fmin, htk=htk), hz_to_mel(fmax, htk=htk), n_mels + 2), htk=htk
    )
    width = np.diff(edges)
    ramps = edges[:, None] - bins
    rising = -ramps[:-2] / width[:-1, None]
    falling = ramps[2:] / width[1:, None]
    filters = np.maximum(0, np.minimum(rising, falling))
    if norm == "slaney":
        filters *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    elif norm is not None:
        # librosa keeps the filters in float32 from here on: which rows count as too small to be
        # scaled (below the smallest normal number) depends on that.
        length = _row_norms(filters, float(norm))
        length[length < np.finfo(np.float32).tiny] = 1.0
        filters /= length[:, None]
    return filters


def _row_norms(rows: np.ndarray, order: float) -> np.ndarray:
    """The l_p norm of every row; p = 0 counts the entries above zero, as librosa does."""
    if order == np.inf:
        return rows.max(axis=1)
    if order == -np.inf:
        return rows.min(axis=1)
    if order == 0:
        return (rows > 0).sum(axis=1).astype(float)
    return (rows**order).sum(axis=1) ** (1.0 / order)


def python_speech_features_filters(
    sample_rate: float, n_fft: int, n_mels: int, fmin: float, fmax: float
) -> np.ndarray:
    """The filters of `python_speech_features.get_filterbanks`, float64 `(n_mels, n_fft//2 + 1)`.

    HTK mel, edges rounded down to whole FFT bins, peaks of 1.
    """
    mels = np.linspace(hz_to_mel(fmin, htk=True), hz_to_mel(fmax, htk=True), n_mels + 2)
    edge = np.floor((n_fft + 1) * mel_to_hz(mels, htk=True) / sample_rate).astype(int)
    filters = np.zeros((n_mels, n_fft // 2 + 1))
    for j in range(n_mels):
        left, peak, right = edge[j : j + 3]
        filters[j, left:peak] = (np.arange(left, peak) - left) / max(peak - left, 1)
        filters[j, peak:right] = (right - np.arange(peak, right)) / max(right - peak, 1)
    return filters


def dct_matrix(n_in: int, n_out: int, dct_type: int = 2, norm: str | None = "ortho") -> np.ndarray:
    """The matrix D, float64 `(n_in, n_out)`, for which `x @ D` is `scipy.fft.dct(x)[..., :n_out]`.

    https://docs.scipy.org/doc/scipy/reference/generated/scipy.fft.dct.html gives the formulas.
    """
    n = np.arange(n_in)[:, None]
    k = np.arange(n_out)
    if dct_type == 1:
        matrix = 2.0 * np.cos(np.pi * k * n / (n_in - 1))
        matrix[[0, -1]] /= 2.0
        if norm == "ortho":
            matrix[[0, -1]] *= np.sqrt(2.0)
            matrix *= 0.5 * np.sqrt(2.0 / (n_in - 1))
            matrix[:, (k == 0) | (k == n_in - 1)] /= np.sqrt(2.0)
    elif dct_type == 2:
        matrix = 2.0 * np.cos(np.pi * k * (2 * n + 1) / (2 * n_in))
        if norm == "ortho":
            matrix *= np.sqrt(1.0 / (2 * n_in))
            matrix[:, 0] /= np.sqrt(2.0)
    else:
        matrix = 2.0 * np.cos(np.pi * (2 * k + 1) * n / (2 * n_in))
        matrix[0] /= 2.0
        if norm == "ortho":
            matrix *= np.sqrt(1.0 / (2 * n_in))
            matrix[0] *= np.sqrt(2.0)
    return matrix


def lifter_weights(n_mfcc: int, lifter: float, *, first: int) -> np.ndarray:
    """`1 + lifter/2 sin(pi n / lifter)` for n = first, first + 1, …; ones where `lifter` is 0.

    librosa counts from 1, python_speech_features (and HTK) from 0.
    """
    if lifter == 0:
        return np.ones(n_mfcc)
    n = np.arange(first, first + n_mfcc)
    return 1.0 + (lifter / 2.0) * np.sin(np.pi * n / lifter)


def window_of(config: MfccConfig) -> np.ndarray:
    """What a frame is multiplied with, scale included, `(min(frame_length, n_fft),)`."""
    length = config.win_length or config.n_fft
    psf = config.convention == "python_speech_features"
    weights = window(config.window, length, symmetric=psf) * config.scale
    if psf:  # numpy.fft.rfft(frames, n_fft) drops what is beyond n_fft
        return weights[: config.n_fft]
    left = (config.n_fft - length) // 2
    return np.pad(weights, (left, config.n_fft - length - left))


def bands_of(config: MfccConfig) -> np.ndarray:
    """The mel matrix `(n_bins, n_bands)`; the frame's energy is one more band where c0 is that."""
    if config.convention == "librosa":
        return mel_filters(
            config.sample_rate,
            config.n_fft,
            config.n_mels,
            config.fmin,
            config.fmax,
            htk=config.htk,
            norm=config.norm,
        ).T
    bands = python_speech_features_filters(
        config.sample_rate,
        config.n_fft,
        config.n_mels,
        config.fmin,
        config.fmax or config.sample_rate / 2,
    )
    if config.energy:
        bands = np.vstack([bands, np.ones(bands.shape[1])])
    return bands.T / config.n_fft  # the periodogram's 1/NFFT


def cepstra_of(config: MfccConfig) -> np.ndarray:
    """From log bands to coefficients in one product, `(n_bands, n_mfcc)`."""
    psf = config.convention == "python_speech_features"
    matrix = dct_matrix(
        config.n_mels, config.n_mfcc, config.dct_type, config.dct_norm
    ) * lifter_weights(config.n_mfcc, config.lifter, first=0 if psf else 1)
    if psf and config.energy:
        matrix = np.vstack([matrix, np.zeros(config.n_mfcc)])
        matrix[:, 0] = 0
        matrix[-1, 0] = 1
    return matrix if psf else 10.0 * matrix


def band_blocks(bands: np.ndarray) -> list[tuple[slice, slice, np.ndarray]]:
    """The mel matrix as blocks of neighbouring bands, each with the bins that they cover."""
    n_bands = bands.shape[1]
    n_blocks = min(n_bands, N_BAND_BLOCKS)
    edges = [k * n_bands // n_blocks for k in range(n_blocks + 1)]
    blocks = []
    for first, last in zip(edges[:-1], edges[1:]):
        used = np.flatnonzero(bands[:, first:last].any(axis=1))
        bins = slice(used[0], used[-1] + 1) if len(used) else slice(0, 0)
        blocks.append((bins, slice(first, last), np.ascontiguousarray(bands[bins, first:last])))
    return blocks
