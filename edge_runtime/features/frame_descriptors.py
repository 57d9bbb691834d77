"""Voice descriptors of single frames, from their power spectra."""

from __future__ import annotations

import numpy as np

from .descriptor_config import COLUMN, DESCRIPTORS, SEMITONE_REFERENCE, DescriptorConfig
from .descriptor_weights import auditory_band_weights, slope_weights
from .pitch import PitchTracker


class FrameDescriptors:
    """The descriptors of frames for one configuration; `Descriptors` defines them.

    Args:
        config: The settings.

    Attributes:
        config: The settings.
        pitch: The pitch tracker.
        slopes: Weights of the spectral slopes, `(n_bins to 1500 Hz, 2)`.
        sums: Weights of the auditory bands, and of the energies of 50 to 1000 Hz and above,
            `(n_bins, n_bands + 2)`.
        first_formant: The bins of 300 to 1000 Hz.
        split: The bin at 2000 Hz.
    """

    def __init__(self, config: DescriptorConfig) -> None:
        self.config = config
        hz = np.arange(config.n_bins) * config.sample_rate / config.n_fft
        self.slopes = slope_weights(hz).astype(np.float32)  # (n_bins to 1500 Hz, 2)
        low, middle, first_formant, high = np.searchsorted(hz, [50, 1000, 300, 2000])
        # The auditory bands, then the energies of 50 to 1000 Hz and above: one product for all.
        energies = np.zeros((config.n_bins, 2))
        energies[low:middle, 0] = energies[middle:, 1] = 1
        weights = np.concatenate([auditory_band_weights(config, hz), energies], axis=1)
        self.sums = weights.astype(np.float32)  # (n_bins, n_bands + 2)
        self.first_formant = slice(first_formant, middle)
        self.split = int(high)
        self.pitch = PitchTracker(config, hz)

    def spectral(self, power: np.ndarray, bands_before: np.ndarray | None) -> np.ndarray:
        """Compute the descriptors that depend on the power spectra alone.

        Args:
            power: Power spectra, float32 `(n_frames, n_bins)`.
            bands_before: The auditory bands of the frame before the first one, if there is one.

        Returns:
            The descriptors, float32 `(n_frames, n_descriptors)`; columns that depend on the pitch
            are not set.
        """
        out = np.zeros((len(power), len(DESCRIPTORS)), np.float32)
        sums = power @ self.sums
        bands = _compressed(sums[:, :-2])
        total = bands.sum(axis=1)
        out[:, COLUMN["loudness"]] = _db(total)
        change = np.abs(bands[1:] - bands[:-1]).sum(axis=1)
        out[1:, COLUMN["flux"]] = change / (total[1:] + total[:-1])
        if bands_before is not None and len(bands):
            first_change = np.abs(bands[0] - bands_before).sum()
            out[0, COLUMN["flux"]] = first_change / (total[0] + bands_before.sum())
        slopes = _db(power[:, : len(self.slopes)]) @ self.slopes
        out[:, [COLUMN["slope_0_500"], COLUMN["slope_500_1500"]]] = slopes
        out[:, COLUMN["alpha_ratio"]] = _db(sums[:, -2] / sums[:, -1])
        peak_low = power[:, : self.split].max(axis=1)
        out[:, COLUMN["hammarberg"]] = _db(peak_low / self._third_formant(power))
        return out

    def auditory_bands(self, power: np.ndarray) -> np.ndarray:
        """Return the compressed auditory bands of power spectra, float32 `(n_frames, n_bands)`."""
        return _compressed(power @ self.sums[:, :-2])

    def add_pitch(
        self, out: np.ndarray, power: np.ndarray, f0: np.ndarray, voicing: np.ndarray
    ) -> None:
        """Set the columns that depend on the pitch.

        Args:
            out: Descriptors, `(n_frames, n_descriptors)`.
            power: Power spectra, `(n_frames, n_bins)`.
            f0: F0 in Hz, 0 for unvoiced frames, `(n_frames,)`.
            voicing: Normalised autocorrelation at the period, `(n_frames,)`.
        """
        is_voiced = f0 > 0
        semitones = 12 * np.log2(np.maximum(f0, SEMITONE_REFERENCE) / SEMITONE_REFERENCE)
        out[:, COLUMN["f0"]] = semitones  # 0 for 0 Hz
        out[:, COLUMN["voicing"]] = voicing
        bounded = np.clip(voicing, 1e-3, 1 - 1e-4)
        out[:, COLUMN["hnr"]] = _db(bounded / (1 - bounded))
        first, second = self._harmonic(power, f0, 1), self._harmonic(power, f0, 2)
        formant = power[:, self.first_formant].max(axis=1)
        for name, peak in (
            ("h1_h2", second),
            ("h1_a1", formant),
            ("h1_a3", self._third_formant(power)),
        ):
            out[:, COLUMN[name]] = np.where(is_voiced, _db(first / peak), 0)

    def _third_formant(self, power: np.ndarray) -> np.ndarray:
        return np.asarray(power[:, self.split :].max(axis=1))

    def _harmonic(self, power: np.ndarray, f0: np.ndarray, number: int) -> np.ndarray:
        """Return the power of a harmonic: the strongest of the three bins around it."""
        config = self.config
        position = np.maximum(f0, config.pitch_floor) * (number * config.n_fft / config.sample_rate)
        centre = (position + 0.5).astype(int)
        rows = np.arange(len(power))
        neighbours = np.maximum(power[rows, centre - 1], power[rows, centre + 1])
        return np.asarray(np.maximum(power[rows, centre], neighbours))


def _compressed(bands: np.ndarray) -> np.ndarray:
    return np.asarray(bands ** np.float32(0.33))


def _db(power: np.ndarray) -> np.ndarray:
    return np.asarray(10 * np.log10(power))
