"""Mel-frequency cepstral coefficients, equal to librosa's at a fraction of its cost.

    frames → window → |FFT|^power → mel filters → log → DCT · lifter

`BandEnergies` computes the part up to the mel filters. The rest is one product: the factor 10 of
the decibel and the lifter are folded into the DCT matrix.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

import numpy as np

from ..errors import AudioError, ConfigError
from .band_energies import BandEnergies, check_finite, count_frames
from .config import MfccConfig
from .filterbank import cepstral_matrix
from .framing import Framing

# A DCT matrix with a larger norm (lifters, dct_norm=None) amplifies the rounding of float32 beyond
# the tolerance; everything is then computed in float64.
MAX_FLOAT32_GAIN = 1.5


class Mfcc:
    """MFCC extraction for one configuration, which keeps its windows, filters and buffers.

    Threads may share an object.

    Args:
        config: The settings. Default: `MfccConfig()`.

    Attributes:
        config: The settings.
        framing: The positions of the frames.

    Raises:
        ConfigError: If the settings give a window or filters that are not finite.

    Example:
        >>> front_end = Mfcc(MfccConfig(hop_length=320))
        >>> front_end(np.zeros(16_000, np.float32)).shape
        (51, 13)
    """

    def __init__(self, config: MfccConfig | None = None) -> None:
        self.config = config = MfccConfig() if config is None else config
        self.framing = Framing(config)
        self._psf = self.framing.psf
        self._to_mfcc = cepstral_matrix(config)  # (n_bands, n_mfcc)
        check_finite(self._to_mfcc, "DCT", config)
        gain = np.sqrt((self._to_mfcc**2).sum(axis=0)).max() / 10.0  # the factor of the decibel
        float32 = gain <= MAX_FLOAT32_GAIN and config.amin > np.finfo(np.float32).tiny
        dtype = np.float32 if float32 and not self._psf else np.float64
        self._band_energies = BandEnergies(self.framing, dtype)

    def __repr__(self) -> str:
        return f"Mfcc({self.config})"

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Compute the coefficients of a clip.

        Args:
            samples: Mono float32 or float64 samples `(n_samples,)` at `config.sample_rate`.

        Returns:
            MFCC, float32 `(n_frames, n_mfcc)`. Frame i is centred on sample `i * hop_length` if
            `center` is set, else it begins there.

        Raises:
            AudioError: If librosa would refuse the samples: for no samples, integers, more than
                one dimension, NaN or infinity, and if `center` is not set and the clip is shorter
                than one frame.
        """
        samples = self.check(samples)
        if self.config.top_db is not None:
            # The clamp requires the maximum of the whole log mel spectrogram.
            log_mel = self.log_mel_spectrogram(samples)
            return np.asarray((log_mel @ (self._to_mfcc / 10.0)).astype(np.float32))
        return self._filled(samples, self.config.n_mfcc, self._to_cepstra)

    def with_power(self, samples: np.ndarray, n_bins: int) -> tuple[np.ndarray, np.ndarray]:
        """Compute the coefficients of a clip, and the power spectra that they come from.

        Args:
            samples: As for `__call__`.
            n_bins: Number of bins of the spectra, from 0 Hz on.

        Returns:
            MFCC, float32 `(n_frames, n_mfcc)`, and power spectra, float32 `(n_frames, n_bins)`.

        Raises:
            AudioError: As for `__call__`.
            ConfigError: If `top_db` is set.
        """
        self.check_power()
        samples = self.check(samples)
        power = np.empty((self.framing.n_frames(len(samples)), n_bins), np.float32)
        return self._filled(samples, self.config.n_mfcc, self._to_cepstra, power), power

    def check_power(self) -> None:
        """Raise ConfigError if `with_power` does not support the configuration."""
        if self.config.top_db is not None:
            raise ConfigError(f"top_db={self.config.top_db} must be None to share power spectra")

    def mel_spectrogram(self, samples: np.ndarray) -> np.ndarray:
        """Compute mel band energies, as `librosa.feature.melspectrogram` does.

        Args:
            samples: As for `__call__`.

        Returns:
            Energies, float32 `(n_frames, n_mels)`.

        Raises:
            AudioError: As for `__call__`.
        """
        return self._filled(self.check(samples), self.config.n_mels, self._to_mel)

    def log_mel_spectrogram(self, samples: np.ndarray) -> np.ndarray:
        """Compute log mel band energies, as `librosa.power_to_db` does with `amin` and `top_db`.

        Args:
            samples: As for `__call__`.

        Returns:
            Energies in dB, float32 `(n_frames, n_mels)`; under the convention of
            python_speech_features their natural logarithm.

        Raises:
            AudioError: As for `__call__`.
        """
        log_mel = self._filled(self.check(samples), self.config.n_mels, self._to_log_mel)
        if self.config.top_db is not None:
            np.maximum(log_mel, log_mel.max() - self.config.top_db, out=log_mel)
        return log_mel

    def check(self, samples: np.ndarray) -> np.ndarray:
        """Check the samples of a whole clip.

        Args:
            samples: As for `__call__`.

        Returns:
            The samples as a contiguous float array.

        Raises:
            AudioError: As for `__call__`.
        """
        samples = self.check_samples(samples)
        if len(samples) == 0:
            raise AudioError("there are no samples; expected at least one")
        framing = self.framing
        if not self._psf and not framing.pad and len(samples) < framing.span:
            raise AudioError(
                f"n_fft={framing.span} is too large for the uncentered analysis of "
                f"{len(samples)} samples: use center=True, a smaller n_fft or a longer clip"
            )
        return samples

    def check_samples(self, samples: np.ndarray) -> np.ndarray:
        """Check samples that are part of a clip; there may be none.

        Args:
            samples: As for `__call__`.

        Returns:
            The samples as a contiguous float array.

        Raises:
            AudioError: If they are not mono, float and finite.
        """
        samples = np.asarray(samples)
        if samples.ndim != 1:
            raise AudioError(
                f"samples have shape {samples.shape}; expected mono (n_samples,): average the "
                "channels first"
            )
        if self._psf and np.issubdtype(samples.dtype, np.integer):
            samples = samples.astype(np.float64)  # usual input of python_speech_features
        if samples.dtype not in (np.float32, np.float64):
            raise AudioError(
                f"samples are {samples.dtype}; expected float32 or float64 in [-1, 1]: divide "
                "int16 by 32768"
            )
        for start in range(0, len(samples), 1 << 20):  # in blocks: the mask takes memory, too
            if not np.isfinite(samples[start : start + (1 << 20)]).all():
                raise AudioError("samples are not finite: they contain NaN or infinity")
        return np.ascontiguousarray(samples)

    def cepstra(
        self,
        pieces: Iterable[tuple[np.ndarray, int]],
        out: np.ndarray,
        power: np.ndarray | None = None,
    ) -> None:
        """Compute the coefficients of frames that need no more padding.

        Args:
            pieces: Samples and their number of frames, as `Framing.pieces` yields them.
            out: Receives the coefficients, float32 `(n_frames, n_mfcc)`.
            power: Receives the power spectra, float32 `(n_frames, n_bins)`, if given.
        """
        self._band_energies.fill(pieces, out, self._to_cepstra, power)

    def _filled(
        self,
        samples: np.ndarray,
        width: int,
        finish: Callable[[np.ndarray, np.ndarray], None],
        power: np.ndarray | None = None,
    ) -> np.ndarray:
        out = np.empty((self.framing.n_frames(len(samples)), width), np.float32)
        count_frames(len(out))
        self._band_energies.fill(self.framing.pieces(samples), out, finish, power)
        return out

    def _to_mel(self, mel: np.ndarray, out: np.ndarray) -> None:
        out[:] = mel[:, : self.config.n_mels]

    def _to_log_mel(self, mel: np.ndarray, out: np.ndarray) -> None:
        log_mel = self._log(mel)[:, : self.config.n_mels]
        np.multiply(log_mel, 1.0 if self._psf else 10.0, out=out)

    def _to_cepstra(self, mel: np.ndarray, out: np.ndarray) -> None:
        # In float64: c0 is the sum of all bands, and in float32 that of silence, at -100 dB in
        # each, would lose up to 2e-3.
        log_mel = self._log(mel).astype(np.float64)  # (n_frames, n_bands)
        np.matmul(log_mel, self._to_mfcc, out=out)

    def _log(self, mel: np.ndarray) -> np.ndarray:
        """Take the logarithm in place: natural (psf), or in bel, which is 10 dB."""
        if self._psf:
            mel[mel == 0] = np.finfo(float).eps
            return np.asarray(np.log(mel, out=mel))
        np.maximum(mel, self.config.amin, out=mel)
        np.log10(mel, out=mel)
        if self.config.amin > 1:  # power_to_db subtracts the dB of max(amin, ref=1)
            mel -= np.log10(self.config.amin)
        return mel


@functools.lru_cache(maxsize=8)
def _cached(config: MfccConfig | None) -> Mfcc:
    return Mfcc(config)


def mfcc(samples: np.ndarray, config: MfccConfig | None = None) -> np.ndarray:
    """Compute the MFCC of one clip.

    The `Mfcc` object of a configuration is built at its first use and cached.

    Args:
        samples: Mono float32 or float64 samples `(n_samples,)` at `config.sample_rate`.
        config: The settings. Default: `MfccConfig()`.

    Returns:
        MFCC, float32 `(n_frames, n_mfcc)`.

    Raises:
        AudioError: If the samples are not valid; see `Mfcc.__call__`.
        ConfigError: If the settings give a window or filters that are not finite.

    Example:
        >>> import numpy as np
        >>> mfcc(np.zeros(16000, np.float32)).shape
        (101, 13)
    """
    return _cached(config)(samples)
