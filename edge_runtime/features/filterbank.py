"""The constant arrays of the front end: mel filters, DCT and lifter matrices.

They are computed once per configuration, in float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .config import MfccConfig
from .windows import window_values

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# Slaney's scale: 200/3 Hz per mel up to 1 kHz, then 27 mels per factor of 6.4. In librosa 1 kHz is
# 14.999999999999998 mel, and that last bit can decide on which side of a bin the edge of a filter
# lies.
_HZ_PER_MEL = 200.0 / 3
_LOG_MEL = 1000.0 / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0

# The mel matrix is split into this many blocks, to multiply fewer of its zeros.
N_BAND_BLOCKS = 4


def hz_to_mel(frequencies: ArrayLike, *, htk: bool = False) -> np.ndarray:
    """Convert Hz to mel, as `librosa.hz_to_mel` does.

    https://engineering.purdue.edu/~malcolm/interval/1998-010/

    Args:
        frequencies: Frequencies in Hz, of any shape.
        htk: Use HTK's formula instead of the scale of Slaney's Auditory Toolbox, which is linear
            below 1 kHz.

    Returns:
        Mels, float64 of the same shape.
    """
    f = np.asarray(frequencies, dtype=float)
    if htk:
        return np.asarray(2595.0 * np.log10(1.0 + f / 700.0))
    linear = f / _HZ_PER_MEL
    logarithmic = _LOG_MEL + np.log(np.maximum(f, 1e-10) / 1000.0) / _LOG_STEP
    return np.asarray(np.where(f >= 1000.0, logarithmic, linear))


def mel_to_hz(mels: ArrayLike, *, htk: bool = False) -> np.ndarray:
    """Convert mel to Hz: the inverse of `hz_to_mel`."""
    m = np.asarray(mels, dtype=float)
    if htk:
        return np.asarray(700.0 * (10.0 ** (m / 2595.0) - 1.0))
    logarithmic = 1000.0 * np.exp(_LOG_STEP * (m - _LOG_MEL))
    return np.asarray(np.where(m >= _LOG_MEL, logarithmic, m * _HZ_PER_MEL))


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
    """Compute triangular mel filters, as `librosa.filters.mel` does.

    Args:
        sample_rate: Rate of the samples in Hz.
        n_fft: Length of the FFT in samples.
        n_mels: Number of filters.
        fmin: Lowest frequency in Hz.
        fmax: Highest frequency in Hz. Default: half the sample rate.
        htk: Use HTK's mel formula.
        norm: "slaney" (all filters have the same area per Hz), None (peaks of 1), or the order p
            of an l_p norm to which every filter is scaled, as by `librosa.util.normalize`.

    Returns:
        The filters, float64 `(n_mels, n_fft // 2 + 1)`.
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
    filters: np.ndarray = np.maximum(0, np.minimum(rising, falling))
    if norm == "slaney":
        filters *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    elif norm is not None:
        # librosa keeps the filters in float32 from here on. That determines which rows are too
        # small to be scaled: those below the smallest normal number.
        length = _row_norms(filters, float(norm))
        length[length < np.finfo(np.float32).tiny] = 1.0
        filters /= length[:, None]
    return filters


def _row_norms(rows: np.ndarray, order: float) -> np.ndarray:
    """Return the l_p norm of every row; p = 0 counts the entries above zero, as librosa does."""
    if order == np.inf:
        return np.asarray(rows.max(axis=1))
    if order == -np.inf:
        return np.asarray(rows.min(axis=1))
    if order == 0:
        return np.asarray((rows > 0).sum(axis=1).astype(float))
    return np.asarray((rows**order).sum(axis=1) ** (1.0 / order))


def python_speech_features_filters(
    sample_rate: float, n_fft: int, n_mels: int, fmin: float, fmax: float
) -> np.ndarray:
    """Compute the filters of `python_speech_features.get_filterbanks`.

    HTK mel, edges rounded down to whole FFT bins, peaks of 1.

    Args:
        sample_rate: Rate of the samples in Hz.
        n_fft: Length of the FFT in samples.
        n_mels: Number of filters.
        fmin: Lowest frequency in Hz.
        fmax: Highest frequency in Hz.

    Returns:
        The filters, float64 `(n_mels, n_fft // 2 + 1)`.
    """
    mels = np.linspace(hz_to_mel(fmin, htk=True), hz_to_mel(fmax, htk=True), n_mels + 2)
    edges = np.floor((n_fft + 1) * mel_to_hz(mels, htk=True) / sample_rate).astype(int)
    filters = np.zeros((n_mels, n_fft // 2 + 1))
    for j in range(n_mels):
        left, peak, right = edges[j : j + 3]
        filters[j, left:peak] = (np.arange(left, peak) - left) / max(peak - left, 1)
        filters[j, peak:right] = (right - np.arange(peak, right)) / max(right - peak, 1)
    return filters


def dct_matrix(n_in: int, n_out: int, dct_type: int = 2, norm: str | None = "ortho") -> np.ndarray:
    """Compute the matrix D for which `x @ D` is `scipy.fft.dct(x)[..., :n_out]`.

    Formulas: https://docs.scipy.org/doc/scipy/reference/generated/scipy.fft.dct.html

    Args:
        n_in: Length of x.
        n_out: Number of coefficients.
        dct_type: 1, 2 or 3.
        norm: "ortho" or None.

    Returns:
        The matrix, float64 `(n_in, n_out)`.
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
    """Return `1 + lifter/2 sin(pi n / lifter)` for n = first, first + 1, …; ones for lifter 0.

    librosa counts from 1, python_speech_features (and HTK) from 0.
    """
    if lifter == 0:
        return np.ones(n_mfcc)
    n = np.arange(first, first + n_mfcc)
    return np.asarray(1.0 + (lifter / 2.0) * np.sin(np.pi * n / lifter))


def frame_window(config: MfccConfig) -> np.ndarray:
    """Return the window of a frame times the scale, float64 `(min(frame_length, n_fft),)`."""
    length = config.win_length or config.n_fft
    psf = config.convention == "python_speech_features"
    values = window_values(config.window, length, symmetric=psf) * config.scale
    if psf:  # numpy.fft.rfft(frames, n_fft) drops samples beyond n_fft
        return np.asarray(values[: config.n_fft])
    left = (config.n_fft - length) // 2
    return np.pad(values, (left, config.n_fft - length - left))


def band_matrix(config: MfccConfig) -> np.ndarray:
    """Return the mel matrix, float64 `(n_bins, n_bands)`.

    If c0 is the energy of the frame, that is one more band after `n_mels`.
    """
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
    return np.asarray(bands.T / config.n_fft)  # the 1/NFFT of a periodogram


def cepstral_matrix(config: MfccConfig) -> np.ndarray:
    """Return the matrix from log bands to coefficients, float64 `(n_bands, n_mfcc)`.

    It combines the DCT, the lifter and, under librosa's convention, the factor 10 of the decibel.
    """
    psf = config.convention == "python_speech_features"
    matrix = dct_matrix(
        config.n_mels, config.n_mfcc, config.dct_type, config.dct_norm
    ) * lifter_weights(config.n_mfcc, config.lifter, first=0 if psf else 1)
    if psf and config.energy:
        matrix = np.vstack([matrix, np.zeros(config.n_mfcc)])
        matrix[:, 0] = 0
        matrix[-1, 0] = 1
    return np.asarray(matrix if psf else 10.0 * matrix)


def band_blocks(bands: np.ndarray) -> list[tuple[slice, slice, np.ndarray]]:
    """Split a mel matrix into blocks of neighbouring bands.

    Args:
        bands: The matrix `(n_bins, n_bands)`.

    Returns:
        For each block the bins that it covers, its bands, and its weights `(bins, bands)`.
    """
    n_bands = bands.shape[1]
    n_blocks = min(n_bands, N_BAND_BLOCKS)
    edges = [k * n_bands // n_blocks for k in range(n_blocks + 1)]
    blocks = []
    for first, last in zip(edges[:-1], edges[1:]):
        used = np.flatnonzero(bands[:, first:last].any(axis=1))
        bins = slice(used[0], used[-1] + 1) if len(used) else slice(0, 0)
        blocks.append((bins, slice(first, last), np.ascontiguousarray(bands[bins, first:last])))
    return blocks
