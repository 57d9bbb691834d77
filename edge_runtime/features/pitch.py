"""Fundamental frequency of speech from power spectra, by autocorrelation.

Boersma 1993, Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise
ratio of a sampled sound, IFA Proceedings 17, 97-110: the autocorrelation of the windowed frame is
divided by that of the window, its maxima are candidates, and the cheapest path through the
candidates of all frames is the pitch. Two things differ:

- The spectrum is low-pass filtered first, which keeps noise and formants out.
- The path of a frame begins `reach` frames before it and ends there, so that its pitch is known at
  once.
"""

from __future__ import annotations

import numpy as np

from .descriptor_config import DescriptorConfig
from .filterbank import frame_window

TINY = 1e-12  # keeps divisions and logarithms finite

_NO_CANDIDATE = np.float32(-1)


class PitchTracker:
    """Pitch tracking for one configuration. Threads may share an object.

    Args:
        config: The settings.
        hz: Frequency of each bin of the power spectra, `(n_bins,)`.

    Attributes:
        weights: The low-pass filter, `(n_low_pass_bins,)`.
        lag_rate: Rate of the samples of the autocorrelation in Hz.
        first_lag: The first lag that may be a candidate.
        lag_cost: Cost of each lag that may be a candidate, `(n_lags - 2,)`.
    """

    def __init__(self, config: DescriptorConfig, hz: np.ndarray) -> None:
        self._config = config
        low_pass = hz <= config.pitch_cutoff
        # Flat up to half of the cutoff, then half a period of a cosine down to zero.
        phase = np.pi * np.clip(2 * hz[low_pass] / config.pitch_cutoff - 1, 0, 1)
        weights = (0.5 + 0.5 * np.cos(phase)) * (hz[low_pass] >= config.pitch_low_cut)
        self.weights = weights.astype(np.float32)
        # r(lag) = sum of P(f) cos(2 pi f lag) for the lags that are needed is one product with the
        # spectrum, cheaper than an inverse FFT. Twice the Nyquist rate of the filtered spectrum is
        # dense enough; a parabola locates the maxima in between.
        self.lag_rate = 4 * config.pitch_cutoff
        self.first_lag = int(self.lag_rate / config.pitch_ceiling)
        last = int(np.ceil(self.lag_rate / config.pitch_floor))
        lags = np.arange(self.first_lag - 1, last + 2)  # with a neighbour at either end
        window = window_autocorrelation(config, lags / self.lag_rate * config.sample_rate)
        cosines = np.cos(2 * np.pi * hz[low_pass][:, None] * lags / self.lag_rate)
        # (n_low_pass_bins, n_lags)
        self._to_autocorrelation = (weights[:, None] * cosines / window).astype(np.float32)
        self.lag_cost = self._octave_cost(lags[1:-1]).astype(np.float32)

    def _octave_cost(self, lags: np.ndarray) -> np.ndarray:
        octaves = np.log2(self._config.pitch_floor * lags / self.lag_rate)
        return np.asarray(self._config.octave_cost * octaves)

    def candidates(self, power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the highest maxima of the normalised autocorrelation of each frame.

        Args:
            power: Power spectra, float32 `(n_frames, n_bins)`.

        Returns:
            Strengths less the octave cost, -1 if there are fewer maxima, and lags in samples of the
            autocorrelation; both float32 `(n_frames, n_candidates)`.
        """
        below = power[:, : len(self.weights)]
        energy = np.maximum(below @ self.weights, TINY)
        acf = (below @ self._to_autocorrelation) / energy[:, None]
        left, middle, right = acf[:, :-2], acf[:, 1:-1], acf[:, 2:]
        is_maximum = (middle > left) & (middle >= right)
        scores = np.where(is_maximum, middle - self.lag_cost, _NO_CANDIDATE)
        rows = np.arange(len(acf))
        best = np.empty((len(acf), self._config.n_candidates), np.intp)
        is_candidate = np.empty(best.shape, bool)
        for k in range(self._config.n_candidates):
            best[:, k] = highest = scores.argmax(axis=1)
            is_candidate[:, k] = scores[rows, highest] > _NO_CANDIDATE
            scores[rows, highest] = _NO_CANDIDATE
        rows = rows[:, np.newaxis]
        a, b, c = left[rows, best], middle[rows, best], right[rows, best]
        curvature = np.minimum(a - 2 * b + c, -1e-9)
        shift = np.minimum(np.maximum(0.5 * (a - c) / curvature, -0.5), 0.5)
        height = np.minimum(b - 0.25 * (a - c) * shift, 1) - self.lag_cost[best]
        strengths = np.where(is_candidate, height, _NO_CANDIDATE).astype(np.float32)
        lags = (self.first_lag + best + shift).astype(np.float32)
        return strengths, lags

    def track(self, strengths: np.ndarray, lags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return pitch and voicing of consecutive frames.

        The first `reach` frames are complete only if the clip begins there.

        Args:
            strengths: From `candidates`.
            lags: From `candidates`.

        Returns:
            F0 in Hz, 0 for unvoiced frames, and the normalised autocorrelation of the chosen
            candidate, or of the strongest one of an unvoiced frame, 0 to 1; both `(n_frames,)`.
        """
        chosen = self._path(strengths, lags)
        rows = np.arange(len(strengths))
        is_voiced = chosen < self._config.n_candidates
        column = np.where(is_voiced, chosen, strengths.argmax(axis=1))
        lag = lags[rows, column]
        voicing = np.clip(strengths[rows, column] + self._octave_cost(lag), 0, 1)
        f0 = np.where(is_voiced, self.lag_rate / lag, 0)
        return f0.astype(np.float32), voicing.astype(np.float32)

    def _path(self, strengths: np.ndarray, lags: np.ndarray) -> np.ndarray:
        """Return the chosen candidate of each frame, `n_candidates` if it is unvoiced.

        Max-sum messages over the `reach` frames before it give the end of the Viterbi path to each
        frame, for all frames at once.
        """
        config, n_frames = self._config, len(strengths)
        local = np.empty((config.n_candidates + 1, n_frames), np.float32)  # long inner loops
        local[:-1] = strengths.T
        local[-1] = config.voicing_threshold
        if n_frames < 2:
            return np.asarray(local.argmax(axis=0))
        octaves = np.log2(lags).T * np.float32(config.octave_jump_cost)
        cost = np.full((len(local), len(local), n_frames - 1), config.voicing_cost, np.float32)
        cost[-1, -1] = 0
        np.abs(octaves[:, None, :-1] - octaves[None, :, 1:], out=cost[:-1, :-1])
        message = np.zeros_like(local)
        for _ in range(config.reach):
            message[:, 1:] = ((local + message)[:, None, :-1] - cost).max(axis=0)
        return np.asarray((local + message).argmax(axis=0))


def window_autocorrelation(config: DescriptorConfig, lags: np.ndarray) -> np.ndarray:
    """Return the normalised autocorrelation of the window at lags in samples, `(n_lags,)`."""
    spectrum = np.fft.rfft(frame_window(config.mfcc_config), 2 * config.n_fft)
    own = np.fft.irfft(np.abs(spectrum) ** 2)[: config.n_fft]
    return np.asarray(np.interp(lags, np.arange(config.n_fft), own) / own[0])
