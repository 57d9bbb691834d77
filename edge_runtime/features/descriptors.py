"""Voice descriptors of each frame: pitch, voice quality, loudness and spectral balance.

    frames → window → |FFT|^2 ─┬→ autocorrelation → F0, voicing, HNR → H1-H2, H1-A1, H1-A3
                               ├→ auditory bands^0.33 → loudness, flux
                               └→ dB → slopes, alpha ratio, Hammarberg index

Sources:
    Boersma 1993, IFA Proceedings 17, 97-110: F0, voicing and HNR; see `pitch`.
    Eyben et al. 2016, The Geneva Minimalistic Acoustic Parameter Set (GeMAPS) for voice research
        and affective computing, https://doi.org/10.1109/TAFFC.2015.2457417: the choice of the
        descriptors, and the definitions of the others.
    Hermansky 1990, Perceptual linear predictive (PLP) analysis of speech,
        https://doi.org/10.1121/1.399423: equal-loudness weights and compression by 0.33.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from .band_energies import pick_rfft
from .descriptor_config import DESCRIPTORS, DescriptorConfig
from .filterbank import frame_window
from .frame_descriptors import FrameDescriptors
from .framing import Framing
from .mfcc import Mfcc
from .pitch import TINY

BLOCK_FRAMES = 512  # that are processed at once: 2 MB of windowed samples


class FrameHistory:
    """Computes the descriptors of consecutive frames, which depend on the frames before them.

    Descriptors of whole clips and of streams both come from here, so they are equal.

    Args:
        frames: Computes the descriptors of single frames.
    """

    def __init__(self, frames: FrameDescriptors) -> None:
        self._frames = frames
        self._bands: np.ndarray | None = None  # auditory bands of the frame before
        n_candidates = frames.config.n_candidates
        # Strengths and lags of the candidates for the pitch of the last `reach` frames.
        self._candidates = [np.empty((0, n_candidates), np.float32) for _ in range(2)]

    def push(self, power: np.ndarray) -> np.ndarray:
        """Add frames and return their descriptors.

        Args:
            power: Power spectra, float32 `(n_frames, n_bins)`.

        Returns:
            The descriptors, float32 `(n_frames, n_descriptors)`.
        """
        if not len(power):
            return np.empty((0, len(DESCRIPTORS)), np.float32)
        power = power + np.float32(TINY)
        out = self._frames.spectral(power, self._bands)
        self._bands = self._frames.auditory_bands(power[-1:])[0]
        new = self._frames.pitch.candidates(power)
        n_before = len(self._candidates[0])
        candidates = [np.concatenate(rows) for rows in zip(self._candidates, new)]
        f0, voicing = self._frames.pitch.track(*candidates)
        self._frames.add_pitch(out, power, f0[n_before:], voicing[n_before:])
        first = max(0, len(candidates[0]) - self._frames.config.reach)
        self._candidates = [rows[first:].copy() for rows in candidates]
        return out


class Descriptors:
    """Voice descriptors for one configuration, which keeps its window, filters and weights.

    The columns, in the order of `names`:

    - `f0`: fundamental frequency in semitones above 27.5 Hz, 0 if the frame is unvoiced.
    - `voicing`: normalised autocorrelation at the period, 0 to 1.
    - `hnr`: harmonics-to-noise ratio in dB, 10 log10(r / (1 - r)) of the voicing r, which is
      limited to -30 to 40 dB.
    - `loudness`: 10 log10 of the sum of the auditory bands, each an equal-loudness weighted mel
      band to the power of 0.33.
    - `slope_0_500`, `slope_500_1500`: slope of the regression line through the spectrum in dB over
      that range of Hz, in dB per kHz.
    - `alpha_ratio`: energy of 50 to 1000 Hz over that of 1000 Hz to `max_frequency`, in dB.
    - `hammarberg`: strongest bin of 0 to 2000 Hz over that of 2000 Hz to `max_frequency`, in dB.
    - `flux`: sum of the absolute changes of the auditory bands since the frame before, over the
      sum of the bands of both frames, 0 to 1.
    - `h1_h2`: power of the first harmonic over that of the second, in dB.
    - `h1_a1`, `h1_a3`: power of the first harmonic over that of the strongest bin of 300 to
      1000 Hz, and of 2000 Hz to `max_frequency`, where the first and third formants lie; in dB.

    The last three are 0 if the frame is unvoiced. Gain changes `loudness` by a constant, and no
    other column. Threads may share an object.

    Args:
        config: The settings. Default: `DescriptorConfig()`.

    Attributes:
        config: The settings.
        framing: The positions of the frames.
        frames: Computes the descriptors of single frames.
        names: The names of the columns.

    Raises:
        ConfigError: If scipy has no such window.

    Example:
        >>> Descriptors()(np.zeros(16_000, np.float32)).shape
        (51, 12)
    """

    names = DESCRIPTORS

    def __init__(self, config: DescriptorConfig | None = None) -> None:
        self.config = config = DescriptorConfig() if config is None else config
        self.framing = Framing(config.mfcc_config)
        self._checks = Mfcc(config.mfcc_config)  # samples are checked as for the MFCC
        self._window = frame_window(config.mfcc_config).astype(np.float32)
        self.frames = FrameDescriptors(config)

    def __repr__(self) -> str:
        return f"Descriptors({self.config})"

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Compute the descriptors of a clip.

        Args:
            samples: Mono float32 or float64 samples `(n_samples,)` at `config.sample_rate`.

        Returns:
            The descriptors, float32 `(n_frames, n_descriptors)`; row i describes the samples of row
            i of the MFCC.

        Raises:
            AudioError: For no samples, integers, more than one dimension, NaN or infinity, and if
                `center` is not set and the clip is shorter than one frame.
        """
        samples = self._checks.check(samples)
        pad = self.framing.pad
        padded = np.zeros(len(samples) + 2 * pad, np.float32)
        padded[pad : pad + len(samples)] = samples
        history = FrameHistory(self.frames)
        return np.concatenate([history.push(power) for power in self.power_blocks(padded)])

    def of_power(self, power: np.ndarray) -> np.ndarray:
        """Compute the descriptors of a clip from its power spectra.

        `Mfcc.with_power` returns them at a small cost if the framing is the same, see
        `DescriptorConfig.from_mfcc`. The FFT is most of the cost of the descriptors.

        Args:
            power: float32 `(n_frames, config.n_bins)`.

        Returns:
            The descriptors, float32 `(n_frames, n_descriptors)`.

        Example:
            >>> voice, samples = Descriptors(), np.zeros(16_000, np.float32)
            >>> front_end = Mfcc(voice.config.mfcc_config)
            >>> coefficients, power = front_end.with_power(samples, voice.config.n_bins)
            >>> np.array_equal(voice.of_power(power), voice(samples))
            True
        """
        history, starts = FrameHistory(self.frames), range(0, len(power), BLOCK_FRAMES)
        return np.concatenate([history.push(power[at : at + BLOCK_FRAMES]) for at in starts])

    def check_samples(self, samples: np.ndarray) -> np.ndarray:
        """Check samples that are part of a clip; see `Mfcc.check_samples`."""
        return self._checks.check_samples(samples)

    def power_blocks(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        """Compute the power spectra of the frames that begin at the first sample.

        Args:
            samples: float32 `(n_samples,)`, padded.

        Yields:
            Power spectra up to `max_frequency`, float32 `(n_block_frames, n_bins)`.
        """
        config = self.config
        if len(samples) < config.n_fft:
            return
        rfft = pick_rfft()
        frames = np.lib.stride_tricks.sliding_window_view(samples, config.n_fft)
        frames = frames[:: config.hop_length]
        for start in range(0, len(frames), BLOCK_FRAMES):
            windowed = frames[start : start + BLOCK_FRAMES] * self._window
            spectrum = rfft(windowed)[:, : config.n_bins]
            power = spectrum.real**2
            power += spectrum.imag**2
            yield power.astype(np.float32, copy=False)


@functools.lru_cache(maxsize=8)
def _cached(config: DescriptorConfig | None) -> Descriptors:
    return Descriptors(config)


def descriptors(samples: np.ndarray, config: DescriptorConfig | None = None) -> np.ndarray:
    """Compute the voice descriptors of one clip.

    The `Descriptors` object of a configuration is built at its first use and cached.

    Args:
        samples: Mono float32 or float64 samples `(n_samples,)` at `config.sample_rate`.
        config: The settings. Default: `DescriptorConfig()`.

    Returns:
        The descriptors, float32 `(n_frames, n_descriptors)`; see `Descriptors` for the columns.

    Raises:
        AudioError: If the samples are not valid; see `Descriptors.__call__`.

    Example:
        >>> descriptors(np.zeros(16_000, np.float32)).shape
        (51, 12)
    """
    return _cached(config)(samples)
