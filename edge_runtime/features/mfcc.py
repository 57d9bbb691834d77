"""Mel-frequency cepstral coefficients, equal to librosa's at a fraction of its cost.

    frames → window → |FFT|^power → mel filters → log → DCT · lifter

Where the time goes: the FFT is more than half of it and numpy or scipy do it. The rest is kept
close to that by working on blocks of frames that stay in the cache, in float32, with every
constant made once; by multiplying only the part of the mel matrix that is not zero; and by
folding the factor 10 of the decibel and the lifter into the DCT matrix.

float32 is not always enough: the rounding of a float32 FFT is about 1e-7 of the *loudest*
component of the frame, so a band 70 dB below it is off by a thousandth of a dB or more. Frames
with such a band are found by their energies and computed again in float64.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ..errors import AudioError, ConfigError
from . import filterbank
from .config import MfccConfig
from .framing import Framing

# Samples in one block of windowed frames: with its spectrum 600 KB of float32, which stays in a
# level-2 cache; smaller blocks pay more often for the calls, larger ones for the memory.
BLOCK_SAMPLES = 151 * 512

# Frames that are computed in float64 together.
REFINED_AT_ONCE = 16

# scipy's FFT is about twice as fast as numpy's in float32, but importing it costs as much as it
# saves on this many frames (an hour of speech). The frames of streams do not count: a device that
# listens has time, and would stop for that moment and hold 30 MB more from then on.
FRAMES_WORTH_SCIPY = 300_000

# A frame with a band whose power stands out less than this from the rounding error (the unit is
# `_weakest_power`'s) is computed in float64. On 220 clips of speech and noise what remains is
# within 3.2e-4 of an MFCC in float64; 0.3 % of the frames (40 bands) or 11 % (128) are affected.
FLOAT32_RANGE = 8e-6

# Rows of the DCT matrix longer than this (lifters, dct_norm=None) enlarge float32's rounding
# beyond the tolerance, so that everything is computed in float64.
MAX_FLOAT32_GAIN = 1.5

_frames_done = 0


def _rfft() -> Callable[..., np.ndarray]:
    """scipy's FFT where it is loaded already or worth loading, else numpy's."""
    if "scipy.fft" in sys.modules or _frames_done > FRAMES_WORTH_SCIPY:
        import scipy.fft

        return scipy.fft.rfft
    return np.fft.rfft


@dataclass(frozen=True)
class _Constants:
    """The arrays of one configuration in one precision."""

    window: np.ndarray  # (span,)
    bands: list[tuple[slice, slice, np.ndarray]]  # bins, bands, their block of the mel matrix
    ones: np.ndarray  # (2 n_bins,)


class Mfcc:
    """MFCC extraction for one configuration; keeps its windows, filters and buffers.

    Shape: float `(n_samples,)` → float32 `(n_frames, n_mfcc)`, time first.
    One object may be used by several threads at once.
    """

    def __init__(self, config: MfccConfig | None = None) -> None:
        self.config = config = MfccConfig() if config is None else config
        self.framing = Framing(config)
        self._psf = self.framing.psf
        window = filterbank.window_of(config)
        bands = filterbank.bands_of(config)  # (n_bins, n_bands)
        self._cepstra = filterbank.cepstra_of(config)  # (n_bands, n_mfcc)
        for name, values in (("window", window), ("filters", bands), ("DCT", self._cepstra)):
            if not np.isfinite(values).all():
                raise ConfigError(f"these settings give {name} that are not finite: {config}")
        weights = bands.repeat(2, axis=0) if config.power == 2 else bands
        self._constants = {
            dtype: _Constants(
                window.astype(dtype),
                filterbank.band_blocks(weights.astype(dtype)),
                np.ones(2 * len(bands), dtype),
            )
            for dtype in (np.float32, np.float64)
        }
        gain = np.sqrt((self._cepstra**2).sum(axis=0)).max() / 10.0  # the factor of the decibel
        float32 = gain <= MAX_FLOAT32_GAIN and config.amin > np.finfo(np.float32).tiny
        self._dtype = np.float32 if float32 and not self._psf else np.float64
        self._n_bands = bands.shape[1]
        self._weakest = _weakest_power(bands, config).astype(np.float32)
        self._amin_power = np.float64(config.amin * self._weakest.min()) ** (2 / config.power)
        self._block_frames = max(1, BLOCK_SAMPLES // config.n_fft)
        self._scratch = threading.local()

    def __repr__(self) -> str:
        return f"Mfcc({self.config})"

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """The coefficients of a clip.

        Args:
            samples: float32 or float64 `(n_samples,)`, mono, at `config.sample_rate`, finite.
        Returns:
            float32 `(n_frames, n_mfcc)`; frame i is centred on sample `i * hop_length` when
            `center` is on and begins there when it is off.
        Raises:
            AudioError for what librosa refuses as well: no samples, integers, more than one
            dimension, NaN or infinity, `center=False` with a clip shorter than one frame.
        """
        samples = self.check(samples)
        if self.config.top_db is not None:
            # The clamp needs the loudest band of the clip: the whole log spectrogram comes first.
            log_mel = self.log_mel_spectrogram(samples)
            return (log_mel @ (self._cepstra / 10.0)).astype(np.float32)
        return self._filled(samples, self.config.n_mfcc, self._to_cepstra)

    def mel_spectrogram(self, samples: np.ndarray) -> np.ndarray:
        """Mel band energies, float32 `(n_frames, n_mels)`: `librosa.feature.melspectrogram`."""
        return self._filled(self.check(samples), self.config.n_mels, self._to_mel)

    def log_mel_spectrogram(self, samples: np.ndarray) -> np.ndarray:
        """The same in dB: `librosa.power_to_db(…, amin=amin, top_db=top_db)`; the natural
        logarithm under the conventions of python_speech_features."""
        log_mel = self._filled(self.check(samples), self.config.n_mels, self._to_log_mel)
        if self.config.top_db is not None:
            np.maximum(log_mel, log_mel.max() - self.config.top_db, out=log_mel)
        return log_mel

    def check(self, samples: np.ndarray) -> np.ndarray:
        """`samples` as they can be analysed as a clip, else AudioError."""
        samples = self.check_samples(samples)
        if len(samples) == 0:
            raise AudioError("there are no samples; wanted at least one")
        framing = self.framing
        if not self._psf and not framing.pad and len(samples) < framing.span:
            raise AudioError(
                f"n_fft={framing.span} is too large for the uncentered analysis of "
                f"{len(samples)} samples: use center=True, a smaller n_fft or a longer clip"
            )
        return samples

    def check_samples(self, samples: np.ndarray) -> np.ndarray:
        """`samples` as they can be part of a clip, else AudioError."""
        samples = np.asarray(samples)
        if samples.ndim != 1:
            raise AudioError(
                f"samples have shape {samples.shape}; wanted (n_samples,), mono: "
                "average the channels first"
            )
        if self._psf and np.issubdtype(samples.dtype, np.integer):
            samples = samples.astype(np.float64)  # that package is mostly used on int16
        if samples.dtype not in (np.float32, np.float64):
            raise AudioError(
                f"samples are {samples.dtype}; wanted float32 or float64 within [-1, 1]: "
                "divide int16 by 32768"
            )
        for start in range(0, len(samples), 1 << 20):  # by pieces: the mask takes memory too
            if not np.isfinite(samples[start : start + (1 << 20)]).all():
                raise AudioError("samples are not finite everywhere: they hold NaN or infinity")
        return np.ascontiguousarray(samples)

    def cepstra(self, pieces: Iterable[tuple[np.ndarray, int]], out: np.ndarray) -> None:
        """The coefficients of the frames of `pieces`, written to `out (n_frames, n_mfcc)`."""
        self._fill(pieces, out, self._to_cepstra)

    def _filled(
        self, samples: np.ndarray, width: int, finish: Callable[[np.ndarray, np.ndarray], None]
    ) -> np.ndarray:
        global _frames_done
        out = np.empty((self.framing.n_frames(len(samples)), width), np.float32)
        _frames_done += len(out)
        self._fill(self.framing.pieces(samples), out, finish)
        return out

    def _fill(
        self,
        pieces: Iterable[tuple[np.ndarray, int]],
        out: np.ndarray,
        finish: Callable[[np.ndarray, np.ndarray], None],
    ) -> None:
        """Window the frames of all pieces into one block after the other, and finish each."""
        rfft = np.fft.rfft if self._psf else _rfft()
        windowed, mel = self._buffers(self._dtype, min(len(out), self._block_frames))
        window = self._constants[self._dtype].window
        hop, span = self.framing.hop, self.framing.span
        held, done, sources = 0, 0, []
        for piece, n_frames in pieces:
            # Overlapping views, no copy; as numpy's as_strided makes them, at a tenth of its cost.
            step = piece.itemsize
            frames = np.ndarray(
                (n_frames, span), piece.dtype, buffer=piece, strides=(hop * step, step)
            )
            first = 0
            while first < n_frames:
                count = min(len(windowed) - held, n_frames - first)
                some = frames[first : first + count]
                target = windowed[held : held + count, : len(window)]
                np.multiply(some[:, : len(window)], window, out=target)
                sources.append((held, some))
                held += count
                first += count
                if held == len(windowed) or done + held == len(out):
                    total = self._energies(windowed[:held], mel[:held], rfft)
                    if self._dtype == np.float32:
                        self._refine(mel[:held], total, sources, rfft)
                    finish(mel[:held], out[done : done + held])
                    done += held
                    held, sources = 0, []

    def _energies(self, windowed: np.ndarray, mel: np.ndarray, rfft: Callable) -> np.ndarray:
        """Band energies of windowed frames `(n, n_fft)`, written to `mel (n, n_bands)`.

        Returns each frame's energy, the sum of |X|^2 over its bins, `(n,)`.
        """
        constants = self._constants[mel.dtype.type]
        spectrum = rfft(windowed)  # (n, n_bins)
        parts = spectrum.view(spectrum.real.dtype)  # (n, 2 n_bins)
        if self.config.power == 2:
            # |X|^2 is re^2 + im^2: the sum is left to the product with the mel matrix, in which
            # every bin then stands twice.
            power = np.multiply(parts, parts, out=parts)
        else:
            power = np.abs(spectrum)
            np.multiply(parts, parts, out=parts)
            if self.config.power != 1:
                power **= self.config.power
        if parts.dtype != mel.dtype:  # numpy 1 transforms in float64 only
            power, parts = power.astype(mel.dtype), parts.astype(mel.dtype)
        for bins, bands, weights in constants.bands:
            np.matmul(power[:, bins], weights, out=mel[:, bands])
        return parts @ constants.ones

    def _refine(
        self,
        mel: np.ndarray,
        total: np.ndarray,
        sources: list[tuple[int, np.ndarray]],
        rfft: Callable,
    ) -> None:
        """Compute the frames for which float32 is not enough again, in float64."""
        total *= FLOAT32_RANGE
        if total.max() < self._amin_power:  # bands that weak come out as amin in any case
            return
        lowest = (mel * self._weakest).min(axis=1)
        if self.config.power != 2:
            lowest **= 2 / self.config.power
        poor = np.flatnonzero(lowest < total)
        if not len(poor):
            return
        window = self._constants[np.float64].window
        for held, frames in sources:
            rows = poor[(poor >= held) & (poor < held + len(frames))]
            for first in range(0, len(rows), REFINED_AT_ONCE):
                some = rows[first : first + REFINED_AT_ONCE]
                windowed, mel64 = self._buffers(np.float64, REFINED_AT_ONCE)
                windowed, mel64 = windowed[: len(some)], mel64[: len(some)]
                np.multiply(frames[some - held], window, out=windowed)
                self._energies(windowed, mel64, rfft)
                mel[some] = mel64

    def _buffers(self, dtype: type, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Windowed frames `(count, n_fft)`, zero beyond a shorter frame, and `(count, n_bands)`."""
        buffers = getattr(self._scratch, dtype.__name__, None)
        if buffers is None or len(buffers[0]) < count:
            buffers = (
                np.zeros((count, self.config.n_fft), dtype),
                np.empty((count, self._n_bands), dtype),
            )
            setattr(self._scratch, dtype.__name__, buffers)
        return buffers[0][:count], buffers[1][:count]

    def _to_mel(self, mel: np.ndarray, out: np.ndarray) -> None:
        out[:] = mel[:, : self.config.n_mels]

    def _to_log_mel(self, mel: np.ndarray, out: np.ndarray) -> None:
        log_mel = self._log(mel)[:, : self.config.n_mels]
        np.multiply(log_mel, 1.0 if self._psf else 10.0, out=out)

    def _to_cepstra(self, mel: np.ndarray, out: np.ndarray) -> None:
        # In float64: c0 adds up all bands, and in float32 silence, at -100 dB in each, would
        # lose up to 2e-3 by that.
        log_mel = self._log(mel).astype(np.float64)  # (n, n_bands)
        np.matmul(log_mel, self._cepstra, out=out)

    def _log(self, mel: np.ndarray) -> np.ndarray:
        """The logarithm in place: natural (psf), or in bel (tenths of it are dB)."""
        if self._psf:
            mel[mel == 0] = np.finfo(float).eps
            return np.log(mel, out=mel)
        np.maximum(mel, self.config.amin, out=mel)
        np.log10(mel, out=mel)
        if self.config.amin > 1:  # power_to_db subtracts the dB of max(amin, ref=1)
            mel -= np.log10(self.config.amin)
        return mel


def _weakest_power(bands: np.ndarray, config: MfccConfig) -> np.ndarray:
    """Factors `(n_bands,)` from a band's energy to how far it stands out of rounding errors.

    Its mean power, times the number of bins that it averages over, relative to the frame's energy
    in the spectrum; by Parseval's theorem the rounding error of a bin is 2 / n_fft of it.
    """
    area = bands.sum(axis=0)
    squares = (bands**2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        factors = (1.0 / area) * (area**2 / squares) ** (config.power / 2)
    factors *= (config.n_fft / 2) ** (config.power / 2)
    # An empty band is zero in any precision.
    return np.where(area > 0, np.minimum(factors, 1e30), 1e30)


@functools.lru_cache(maxsize=8)
def _cached(config: MfccConfig | None) -> Mfcc:
    return Mfcc(config)


def mfcc(samples: np.ndarray, config: MfccConfig | None = None) -> np.ndarray:
    """MFCC of one clip: float `(n_samples,)` → float32 `(n_frames, n_mfcc)`. See `Mfcc`.

    The object for a configuration is made at its first use and kept.

    >>> import numpy as np
    >>> mfcc(np.zeros(16000, np.float32)).shape
    (101, 13)
    """
    return _cached(config)(samples)
