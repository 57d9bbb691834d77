"""Which frames stand out from what goes on all the time: fans, rain, traffic."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .config import MfccConfig
from .filterbank import cepstra_of
from .silence import SilenceConfig

# Steady noises stay within 2 to 6 dB of their quietest 0.1 s, rain within 10; a syllable is far
# above the gaps between words. Minimum statistics: Martin 2001, https://doi.org/10.1109/89.928915
ABOVE_DB = 8.0
WINDOW_SECONDS = 5.0  # a longer one follows a noise that begins more slowly
SMOOTH_SECONDS = 0.1
SETTLE_SECONDS = 1.0  # before that everything could be the floor, or speech


class NoiseFloor:
    """Tells frames that are louder than the quietest moment of the last seconds by 8 dB.

    How loud is the power of all bands together, of which a syllable has most in a few: their mean
    in dB, by which silence is told in a quiet room, hardly rises where noise fills the others. What
    is held does not grow.

    >>> floor = NoiseFloor(MfccConfig(hop_length=320))
    >>> hum = np.zeros((500, 13), np.float32)
    >>> hum[:, 0] = -300.0       # -47 dB
    >>> hum[-10:, 0] = -200.0    # a sound of 0.2 s
    >>> floor.push(hum)[1][100:].sum()
    np.int64(10)
    """

    def __init__(self, mfcc: MfccConfig, silence: SilenceConfig | None = None) -> None:
        """`silence` gives the level under which no frame counts in any case."""
        self._to_bands = _log_bands(mfcc)
        self._floor_db = (silence or SilenceConfig()).floor_db
        per_second = mfcc.sample_rate / mfcc.hop_length
        self._smooth = max(1, round(SMOOTH_SECONDS * per_second))
        self._window = max(1, round(WINDOW_SECONDS * per_second))
        self._settle = round(SETTLE_SECONDS * per_second)
        self._levels: np.ndarray | None = None  # the last ones, for the mean
        self._means = np.full(self._window - 1, np.inf)  # the last ones, for the minimum
        self._count = 0

    def push(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The levels in dB of the next frames `(n, n_mfcc)`, and which stand out, bool `(n,)`."""
        if not len(frames):
            return np.empty(0), np.empty(0, bool)
        bands = frames @ self._to_bands
        levels = 10 / np.log(10) * (np.logaddexp.reduce(bands, axis=1) - np.log(bands.shape[1]))
        if self._levels is None:
            self._levels = np.full(self._smooth - 1, levels[0])
        behind = np.concatenate([self._levels, levels])
        means = np.concatenate(
            [self._means, sliding_window_view(behind, self._smooth).mean(axis=1)]
        )
        floor = sliding_window_view(means, self._window).min(axis=1)
        floor[: max(0, self._settle - self._count)] = -np.inf
        self._count += len(frames)
        self._levels = behind[len(frames) :]
        self._means = means[len(frames) :]
        return levels, levels > np.maximum(floor + ABOVE_DB, self._floor_db)


def _log_bands(mfcc: MfccConfig) -> np.ndarray:
    """The matrix `(n_mfcc, n_bands)` by which a frame becomes the natural logarithm of the power in
    each of the bands that its coefficients hold, which are one where c0 is the energy of all."""
    to_bands = np.linalg.pinv(cepstra_of(mfcc))
    if mfcc.convention == "librosa":  # their logarithms are decimal there
        return to_bands * np.log(10)
    return to_bands[:, -1:] if mfcc.energy else to_bands
