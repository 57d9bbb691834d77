"""Detect frames that stand out from background noise such as fans, rain and traffic."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .config import MfccConfig
from .filterbank import cepstral_matrix
from .silence import SilenceConfig

# Minimum statistics: Martin 2001, https://doi.org/10.1109/89.928915
# Steady noises stay within 2 to 6 dB of their quietest 0.1 s, rain within 10 dB. Syllables are far
# above the gaps between words.
ABOVE_DB = 8.0
WINDOW_SECONDS = 5.0  # a longer window follows a noise that begins more slowly
SMOOTH_SECONDS = 0.1
SETTLE_SECONDS = 1.0  # until then any frame could be the noise floor, or speech


class NoiseFloor:
    """Detect frames that are 8 dB louder than the quietest moment of the last seconds.

    The level is the power of all bands together, most of which a syllable has in a few bands. Their
    mean in dB, which detects silence in a quiet room, hardly rises if noise fills the other bands.
    Memory does not grow.

    Args:
        config: The front end of the frames.
        silence: Its `floor_db` is the level below which no frame stands out. Default:
            `SilenceConfig()`.

    Example:
        >>> floor = NoiseFloor(MfccConfig(hop_length=320))
        >>> hum = np.zeros((500, 13), np.float32)
        >>> hum[:, 0] = -300.0       # -47 dB
        >>> hum[-10:, 0] = -200.0    # a sound of 0.2 s
        >>> floor.push(hum)[1][100:].sum()
        np.int64(10)
    """

    def __init__(self, config: MfccConfig, silence: SilenceConfig | None = None) -> None:
        self._to_bands = _log_band_matrix(config)
        self._floor_db = (silence or SilenceConfig()).floor_db
        frame_rate = config.sample_rate / config.hop_length
        self._smooth = max(1, round(SMOOTH_SECONDS * frame_rate))  # frames
        self._window = max(1, round(WINDOW_SECONDS * frame_rate))  # frames
        self._settle = round(SETTLE_SECONDS * frame_rate)  # frames
        self._levels: np.ndarray | None = None  # the last ones, for the moving average
        self._means = np.full(self._window - 1, np.inf)  # the last ones, for the minimum
        self._n_frames = 0

    def push(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Add frames.

        Args:
            frames: The next MFCC, float32 `(n_frames, n_mfcc)`.

        Returns:
            Their levels in dB, float64 `(n_frames,)`, and True for each that stands out, bool
            `(n_frames,)`.
        """
        if not len(frames):
            return np.empty(0), np.empty(0, bool)
        bands = frames @ self._to_bands
        levels = 10 / np.log(10) * (np.logaddexp.reduce(bands, axis=1) - np.log(bands.shape[1]))
        if self._levels is None:
            self._levels = np.full(self._smooth - 1, levels[0])
        recent = np.concatenate([self._levels, levels])
        means = np.concatenate(
            [self._means, sliding_window_view(recent, self._smooth).mean(axis=1)]
        )
        floor = sliding_window_view(means, self._window).min(axis=1)
        floor[: max(0, self._settle - self._n_frames)] = -np.inf
        self._n_frames += len(frames)
        self._levels = recent[len(frames) :]
        self._means = means[len(frames) :]
        return levels, levels > np.maximum(floor + ABOVE_DB, self._floor_db)


def _log_band_matrix(config: MfccConfig) -> np.ndarray:
    """Return the matrix `(n_mfcc, n_bands)` from coefficients to log band powers (natural).

    If c0 is the energy of the frame, that is the only band.
    """
    to_bands = np.linalg.pinv(cepstral_matrix(config))
    if config.convention == "librosa":  # its logarithms are decimal
        return np.asarray(to_bands * np.log(10))
    return np.asarray(to_bands[:, -1:] if config.energy else to_bands)
