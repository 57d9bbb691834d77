"""Weights over the bins of a spectrum: auditory bands and spectral slopes."""

from __future__ import annotations

import numpy as np

from .descriptor_config import DescriptorConfig


def slope_weights(hz: np.ndarray) -> np.ndarray:
    """Return weights whose product with dB is the slope of a least squares line, in dB per kHz.

    Args:
        hz: Frequency of each bin, `(n_bins,)`.

    Returns:
        float64 `(n_bins to 1500 Hz, 2)`, for 0 to 500 and 500 to 1500 Hz. The bin at 0 Hz is
        excluded: it is the DC offset.
    """
    hz = hz[hz <= 1500]
    columns = []
    for low, high in ((0, 500), (500, 1500)):
        inside = (hz >= low) & (hz <= high) & (hz > 0)
        khz = np.where(inside, hz - hz[inside].mean(), 0) / 1000
        columns.append(khz / (khz**2).sum())
    return np.stack(columns, axis=1)


def auditory_band_weights(config: DescriptorConfig, hz: np.ndarray) -> np.ndarray:
    """Return the weights of the auditory bands, float64 `(n_bins, n_bands)`.

    Triangles on the mel scale from 20 Hz to `max_frequency`, with the equal-loudness weight of
    their centre frequency (Hermansky 1990, equation 4).
    """

    def mel(frequency: np.ndarray | float) -> np.ndarray:
        return np.asarray(2595 * np.log10(1 + np.asarray(frequency) / 700))

    edges = np.linspace(mel(20.0), mel(config.max_frequency), config.n_bands + 2)
    position = mel(hz)[:, None]
    rising = (position - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - position) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0, np.minimum(rising, falling))
    centre = 700 * (10 ** (edges[1:-1] / 2595) - 1)
    omega2 = (2 * np.pi * centre) ** 2
    weight = (omega2 + 56.8e6) * omega2**2 / ((omega2 + 6.3e6) ** 2 * (omega2 + 0.38e9))
    return np.asarray(triangles * weight)
