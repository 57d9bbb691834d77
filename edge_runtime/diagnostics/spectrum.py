"""Long-term spectrum of a recording: its upper limit, and the bands at the edges of a telephone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..audio.level import to_dbfs

# Upper band limit, in dB below the strongest part of the long-term spectrum. At this level, speech
# at 16 kHz extends to 7.6 kHz or more in the clips of four corpora, and to below 4 kHz through a
# telephone.
BAND_EDGE_DB = 50.0
SMOOTHING_HZ = 200.0

# Band that telephones and high-pass filters remove, and its reference band. The lowest voices start
# at 60 Hz.
LOW_BAND_HZ = (60.0, 200.0)
VOICE_BAND_HZ = (60.0, 4000.0)
LOW_PERCENTILE = 90  # of the frames: a low voice need not speak all the time

# Band above the limit of telephones, and its reference band.
UPPER_BAND_HZ = (3500.0, 3950.0)
MIDDLE_BAND_HZ = (2000.0, 3300.0)

MIN_POWER = 1e-20  # mean square that counts as silence: -200 dBFS
SPECTRUM_BLOCK_FRAMES = 256  # limits the memory of the windowed frames
LOUD_FRAME_RATIO = 1e-3  # power relative to the loudest frame


def power_spectra(samples: np.ndarray, rate: int) -> Iterator[np.ndarray]:
    """Yield power spectra `(n_frames, n_bins)` of half-overlapping frames of about 30 ms."""
    length = 1 << round(np.log2(rate / 32))
    samples = np.pad(samples, (0, max(0, length - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)[:: length // 2]
    window = np.hanning(length)
    for start in range(0, len(frames), SPECTRUM_BLOCK_FRAMES):
        spectrum = np.fft.rfft(frames[start : start + SPECTRUM_BLOCK_FRAMES] * window, axis=1)
        yield (np.abs(spectrum) ** 2).astype(np.float32)


def highest_frequency(spectra: np.ndarray, rate: int) -> float | None:
    """Return the frequency in Hz above which the long-term spectrum stays below the band edge."""
    powers = spectra.sum(axis=0, dtype=np.float64)
    bin_width = rate / 2 / (len(powers) - 1)  # Hz
    if powers.max() <= 0:
        return None
    box = np.ones(max(1, round(SMOOTHING_HZ / bin_width)))
    smooth = np.convolve(powers, box / len(box), "same")
    above = np.flatnonzero(smooth > smooth.max() * 10 ** (-BAND_EDGE_DB / 10))
    return float(above[-1] * bin_width)


def low_level(spectra: np.ndarray, rate: int) -> float | None:
    """Return the share of the power below 200 Hz in dB, of the loud frames with the most of it."""
    voice = spectra[:, _bins(VOICE_BAND_HZ, spectra, rate)].sum(axis=1)
    low = spectra[:, _bins(LOW_BAND_HZ, spectra, rate)].sum(axis=1)
    loud = (voice > voice.max() * LOUD_FRAME_RATIO) & (voice > 0)
    if not loud.any():
        return None
    return power_db(float(np.percentile(low[loud] / voice[loud], LOW_PERCENTILE)))


def upper_level(spectra: np.ndarray, rate: int) -> float | None:
    """Return the density above the limit of telephones in dB; None for low sample rates."""
    middle = spectra[:, _bins(MIDDLE_BAND_HZ, spectra, rate)].mean()
    if rate / 2 < UPPER_BAND_HZ[1] or middle <= 0:
        return None
    return power_db(float(spectra[:, _bins(UPPER_BAND_HZ, spectra, rate)].mean() / middle))


def _bins(limits: tuple[float, float], spectra: np.ndarray, rate: int) -> np.ndarray:
    """Return which bins lie within the limits in Hz, bool `(n_bins,)`."""
    frequencies = np.linspace(0, rate / 2, spectra.shape[1])
    is_within: np.ndarray = (frequencies >= limits[0]) & (frequencies < limits[1])
    return is_within


def power_db(power: float) -> float | None:
    """Return a power or a ratio of powers in dB; None for silence."""
    return to_dbfs(power) if power > MIN_POWER else None
