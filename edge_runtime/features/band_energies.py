"""Mel band energies of the frames of a clip, in float32 wherever that is precise enough.

The FFT, by numpy or scipy, takes more than half of the time of an MFCC. Frames are processed in
blocks that stay in the cache, with every constant computed once, and only the non-zero part of the
mel matrix is multiplied.

float32 is not always enough: a float32 FFT rounds to about 1e-7 of the *loudest* component of the
frame, so a band 70 dB below it is off by a thousandth of a dB or more. Frames with such a band are
detected by their energies and recomputed in float64.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ConfigError
from .config import MfccConfig
from .filterbank import band_blocks, band_matrix, frame_window
from .framing import Framing

# Samples in one block of windowed frames. With its spectrum a block has 600 KB of float32, which
# fit into a level-2 cache. Smaller blocks cost more calls, larger ones more memory traffic.
BLOCK_SAMPLES = 151 * 512

REFINE_FRAMES = 16  # that are recomputed in float64 at once

# scipy's FFT is about twice as fast as numpy's in float32, but importing it costs as much as it
# saves on this many frames (an hour of speech). The frames of streams do not count: a listening
# device has time, and the import would pause it and take 30 MB.
FRAMES_WORTH_SCIPY = 300_000

# A frame is recomputed in float64 if the power of a band exceeds the rounding error by less than
# this, in the unit of `_band_margins`. On 220 clips of speech and noise the result is then within
# 3.2e-4 of an MFCC in float64; 0.3 % of the frames (40 bands) or 11 % (128 bands) are recomputed.
FLOAT32_RANGE = 8e-6

# Samples whose squares underflow in float32 have a power below this, after an FFT of any length.
MIN_AMIN_POWER = 1e-30

_n_frames_done = 0


def pick_rfft() -> Callable[..., np.ndarray]:
    """Return the FFT of scipy if it is loaded or worth loading, else that of numpy."""
    if "scipy.fft" in sys.modules or _n_frames_done > FRAMES_WORTH_SCIPY:
        import scipy.fft

        rfft: Callable[..., np.ndarray] = scipy.fft.rfft
        return rfft
    return np.fft.rfft


def count_frames(n_frames: int) -> None:
    """Count frames of whole clips, which decide whether scipy is worth loading."""
    global _n_frames_done
    _n_frames_done += n_frames


@dataclass(frozen=True)
class _Constants:
    """The arrays of one configuration in one precision."""

    window: np.ndarray  # (span,)
    blocks: list[tuple[slice, slice, np.ndarray]]  # of the mel matrix: bins, bands, weights
    ones: np.ndarray  # (2 n_bins,)


class BandEnergies:
    """Computes mel band energies for one configuration. Threads may share an object.

    Args:
        framing: The framing of the configuration.
        dtype: Precision: np.float32, in which imprecise frames are recomputed, or np.float64.

    Raises:
        ConfigError: If the window or the mel filters are not finite.
    """

    def __init__(self, framing: Framing, dtype: type[np.floating[Any]]) -> None:
        self._config = config = framing.config
        self._framing = framing
        self._dtype = dtype
        window = frame_window(config)
        bands = band_matrix(config)  # (n_bins, n_bands)
        for name, values in (("window", window), ("mel matrix", bands)):
            check_finite(values, name, config)
        weights = bands.repeat(2, axis=0) if config.power == 2 else bands
        self._constants = {
            precision: _Constants(
                window.astype(precision),
                band_blocks(weights.astype(precision)),
                np.ones(2 * len(bands), precision),
            )
            for precision in (np.float32, np.float64)
        }
        self._n_bands = bands.shape[1]
        self._margins = _band_margins(bands, config).astype(np.float32)
        self._amin_power = np.float64(config.amin * self._margins.min()) ** (2 / config.power)
        # Intel's processors take five times as long for the FFT of samples below 1e-38. Their power
        # underflows to 0, and is replaced by amin in any case.
        self._skips_denormals = dtype == np.float32 and self._amin_power > MIN_AMIN_POWER
        self._block_frames = max(1, BLOCK_SAMPLES // config.n_fft)
        self._scratch = threading.local()

    def fill(
        self,
        pieces: Iterable[tuple[np.ndarray, int]],
        out: np.ndarray,
        finish: Callable[[np.ndarray, np.ndarray], None],
        power: np.ndarray | None = None,
    ) -> None:
        """Compute the band energies of all frames in blocks, and finish each block.

        Args:
            pieces: Samples and their number of frames, as `Framing.pieces` yields them.
            out: The result, `(n_frames, width)`.
            finish: Converts energies `(n, n_bands)`, which it may overwrite, to `n` rows of `out`.
            power: Receives |X|^2 of the lowest bins, float32 `(n_frames, n_bins)`, if given.
        """
        rfft = np.fft.rfft if self._framing.psf else pick_rfft()
        windowed, mel = self._buffers(self._dtype, min(len(out), self._block_frames))
        window = self._constants[self._dtype].window
        hop, span = self._framing.hop, self._framing.span
        held, done, sources = 0, 0, []
        for piece, n_frames in pieces:
            if self._skips_denormals and not piece @ piece:
                piece = np.zeros_like(piece)
            # Overlapping views without a copy, at a tenth of the cost of numpy's as_strided.
            step = piece.itemsize
            frames = np.ndarray(
                (n_frames, span), piece.dtype, buffer=piece, strides=(hop * step, step)
            )
            first = 0
            while first < n_frames:
                count = min(len(windowed) - held, n_frames - first)
                source = frames[first : first + count]
                target = windowed[held : held + count, : len(window)]
                np.multiply(source[:, : len(window)], window, out=target)
                sources.append((held, source))
                held += count
                first += count
                if held == len(windowed) or done + held == len(out):
                    spectra = None if power is None else power[done : done + held]
                    total = self._energies(windowed[:held], mel[:held], rfft, spectra)
                    if self._dtype == np.float32:
                        self._refine(mel[:held], total, sources, rfft)
                    finish(mel[:held], out[done : done + held])
                    done += held
                    held, sources = 0, []

    def _energies(
        self,
        windowed: np.ndarray,
        mel: np.ndarray,
        rfft: Callable[..., np.ndarray],
        spectra: np.ndarray | None = None,
    ) -> np.ndarray:
        """Compute the band energies of windowed frames.

        Args:
            windowed: Frames `(n_frames, n_fft)`.
            mel: Receives the energies `(n_frames, n_bands)`.
            rfft: The FFT.
            spectra: Receives |X|^2 of the lowest bins `(n_frames, n_bins)`, if given.

        Returns:
            The energy of each frame, the sum of |X|^2 over its bins, `(n_frames,)`.
        """
        constants = self._constants[mel.dtype.type]
        spectrum = rfft(windowed)  # (n_frames, n_bins)
        parts = spectrum.view(spectrum.real.dtype)  # (n_frames, 2 n_bins)
        if self._config.power == 2:
            # |X|^2 is re^2 + im^2. The product with the mel matrix adds them: it has every bin
            # twice.
            power = np.multiply(parts, parts, out=parts)
        else:
            power = np.abs(spectrum)
            np.multiply(parts, parts, out=parts)
            if self._config.power != 1:
                power **= self._config.power
        if parts.dtype != mel.dtype:  # the FFT of numpy 1 is float64 only
            power, parts = power.astype(mel.dtype), parts.astype(mel.dtype)
        if spectra is not None:
            end = 2 * spectra.shape[1]
            np.add(parts[:, 0:end:2], parts[:, 1:end:2], out=spectra, casting="same_kind")
        for bins, bands, weights in constants.blocks:
            np.matmul(power[:, bins], weights, out=mel[:, bands])
        return np.asarray(parts @ constants.ones)

    def _refine(
        self,
        mel: np.ndarray,
        total: np.ndarray,
        sources: list[tuple[int, np.ndarray]],
        rfft: Callable[..., np.ndarray],
    ) -> None:
        """Recompute the frames for which float32 is not enough in float64.

        Args:
            mel: Band energies `(n_frames, n_bands)`; the rows of those frames are replaced.
            total: Energy of each frame `(n_frames,)`; overwritten.
            sources: The frames before windowing, in pieces with the index of their first row.
            rfft: The FFT.
        """
        total *= FLOAT32_RANGE
        if total.max() < self._amin_power:  # bands as weak as that are raised to amin anyway
            return
        lowest = (mel * self._margins).min(axis=1)
        if self._config.power != 2:
            lowest **= 2 / self._config.power
        imprecise = np.flatnonzero(lowest < total)
        if not len(imprecise):
            return
        window = self._constants[np.float64].window
        for held, frames in sources:
            rows = imprecise[(imprecise >= held) & (imprecise < held + len(frames))]
            for first in range(0, len(rows), REFINE_FRAMES):
                chunk = rows[first : first + REFINE_FRAMES]
                windowed, mel64 = self._buffers(np.float64, REFINE_FRAMES)
                windowed, mel64 = windowed[: len(chunk)], mel64[: len(chunk)]
                np.multiply(frames[chunk - held], window, out=windowed)
                self._energies(windowed, mel64, rfft)
                mel[chunk] = mel64

    def _buffers(self, dtype: type, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the buffers of this thread.

        Args:
            dtype: float32 or float64.
            count: Number of frames.

        Returns:
            Windowed frames `(count, n_fft)`, zero beyond a shorter frame, and energies
            `(count, n_bands)`.
        """
        buffers = getattr(self._scratch, dtype.__name__, None)
        if buffers is None or len(buffers[0]) < count:
            buffers = (
                np.zeros((count, self._config.n_fft), dtype),
                np.empty((count, self._n_bands), dtype),
            )
            setattr(self._scratch, dtype.__name__, buffers)
        return buffers[0][:count], buffers[1][:count]


def check_finite(values: np.ndarray, name: str, config: MfccConfig) -> None:
    """Raise ConfigError if an array of a configuration is not finite."""
    if not np.isfinite(values).all():
        raise ConfigError(f"{config} has a non-finite {name}; check the settings")


def _band_margins(bands: np.ndarray, config: MfccConfig) -> np.ndarray:
    """Return factors `(n_bands,)` from the energy of a band to its margin over rounding errors.

    The margin is the mean power of the band, times the number of bins that it averages over,
    relative to the energy of the frame. By Parseval's theorem the rounding error of a bin is
    2 / n_fft of that energy.
    """
    area = bands.sum(axis=0)
    squares = (bands**2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        factors = (1.0 / area) * (area**2 / squares) ** (config.power / 2)
    factors *= (config.n_fft / 2) ** (config.power / 2)
    # A band without bins is zero in any precision.
    return np.asarray(np.where(area > 0, np.minimum(factors, 1e30), 1e30))
