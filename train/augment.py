"""Data augmentation in the MFCC and log-mel domain.

The pseudo-inverse of the DCT turns 13 MFCC back into a smooth log-mel spectrum. There, a different
vocal tract is a shift of the bands, and noise is added band by band. That is a thousand times
cheaper than changing the samples and extracting the features again, so every clip can be augmented
anew in every epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import lfilter

from edge_runtime import ConfigError, MfccConfig
from edge_runtime.features.filterbank import cepstral_matrix, hz_to_mel, mel_to_hz

# Lower bound on the deviation of a coefficient within a clip, so that MixStyle does not scale an
# almost constant coefficient without bound.
MIN_DEVIATION = np.float32(1e-2)

# Upper bound on cepstral_offset and vtlp, far beyond useful values; avoids overflow.
MAX_STRENGTH = 10.0

SHUFFLE_SEGMENT_SECONDS = 0.32  # about a syllable and a half

# Reverberation is cut off this far below the loudest frame, in bel: `SilenceConfig.range_db` of
# the recipes.
TAIL_BEL = 4.0

# Grid of the vocal tract warps, in deviations.
WARP_DEVIATIONS = np.linspace(-2, 2, 81)


@dataclass(frozen=True)
class Augment:
    """Strength of each augmentation; 0 turns it off. Clips are changed anew in every epoch.

    Room, noise and telephone keep the level of the loudest frame.

    Attributes:
        cepstral_offset: Deviation of a constant added to all frames of a clip, in deviations of
            each coefficient. A fixed filter (microphone, room, telephone), a gain and much of a
            vocal tract multiply the spectrum, which is an addition in the cepstrum.
        mixstyle: Share of the clips whose coefficients get a mean and deviation interpolated
            between their own and those of another clip with the same label and corpus. It
            simulates a different voice and microphone for the same emotion. Zhou et al. 2021,
            "Domain Generalization with MixStyle", https://arxiv.org/abs/2104.02008
        speed: Largest change of the speaking rate, as a share; the spectra do not change.
        segment_shuffle: Share of the clips whose segments of 0.32 s are permuted. It removes the
            words and the melody of the sentence, which are specific to a corpus, and keeps the
            voice. Um et al. 2017, "Data Augmentation of Wearable Sensor Data for Parkinson's
            Disease Monitoring using Convolutional Neural Networks",
            https://arxiv.org/abs/1706.00527
        vtlp: Deviation of the logarithm of the factor that scales the frequencies, as a longer or
            shorter vocal tract does. Jaitly and Hinton 2013, "Vocal Tract Length Perturbation
            (VTLP) improves speech recognition".
        room: Share of the clips with reverberation. It falls by 60 dB in 0.2 to 1 s, and its total
            power is 12 dB below to 6 dB above that of the direct sound. Each band decays
            exponentially, as in Moorer 1979, "About This Reverberation Business".
        telephone: Share of the clips that pass a narrow band, from 200 to 400 Hz up to 3 to
            3.6 kHz, with a noise floor 25 to 60 dB below the loudest band.
        noise: Share of the clips with added noise, 5 to 30 dB below their mean power.
    """

    cepstral_offset: float = 0.15
    mixstyle: float = 0.5
    speed: float = 0.15
    segment_shuffle: float = 0.0
    vtlp: float = 0.1
    room: float = 0.0
    telephone: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name in ("cepstral_offset", "vtlp"):
            if not 0 <= getattr(self, name) <= MAX_STRENGTH:
                raise ConfigError(f"{name}={getattr(self, name)} must be from 0 to {MAX_STRENGTH}")
        if not 0 <= self.speed < 1:
            raise ConfigError(f"speed={self.speed} must be from 0 to less than 1")
        for name in ("mixstyle", "segment_shuffle", "room", "telephone", "noise"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be from 0 to 1")

    def stronger(self) -> Augment:
        """Return a copy for distillation, with a larger offset and warp.

        The fold networks label each augmented clip, so the target remains correct for clips further
        from the recordings, where the label alone would become less and less true.
        """
        return replace(
            self,
            cepstral_offset=min(2 * self.cepstral_offset, MAX_STRENGTH),
            vtlp=min(1.5 * self.vtlp, MAX_STRENGTH),
        )


class Augmenter:
    """Apply an `Augment` to clips.

    Args:
        augment: Strength of each augmentation.
        config: Front end of the features.
        std: Deviation of the training frames, `(n_mfcc,)`.
        noises: Features of noise to add, `(n_frames, n_mfcc)` each; may be empty.

    Raises:
        ConfigError: If an augmentation requires log-mel bands and the front end does not follow
            librosa's convention.
    """

    def __init__(
        self, augment: Augment, config: MfccConfig, std: np.ndarray, noises: list[np.ndarray]
    ) -> None:
        for name in ("vtlp", "room", "telephone", "noise"):
            if config.convention != "librosa" and getattr(augment, name):
                raise ConfigError(
                    f"{name}={getattr(augment, name)} requires librosa's MFCC convention; use "
                    f"--set {name}=0"
                )
        self.augment, self.std, self.noises = augment, std, noises
        self._period = config.frame_period  # seconds
        self._segment_frames = max(
            1, round(SHUFFLE_SEGMENT_SECONDS * config.sample_rate / config.hop_length)
        )
        cepstra = cepstral_matrix(config)  # (n_mels, n_mfcc), from bel
        self._to_cepstra = cepstra.astype(np.float32)
        self._to_mel = np.linalg.pinv(cepstra).astype(np.float32)  # (n_mfcc, n_mels)
        fmax = config.sample_rate / 2 if config.fmax is None else config.fmax
        low, high = hz_to_mel([config.fmin, fmax], htk=config.htk)
        self._mels = np.linspace(low, high, config.n_mels + 2)[1:-1]
        self._htk = config.htk
        # Clips draw from this grid: a new matrix for each clip would take as long as all other
        # augmentations together.
        self._warps = self._warp_grid(augment.vtlp) if augment.vtlp > 0 else []

    def __call__(
        self,
        frames: np.ndarray,
        rng: np.random.Generator,
        styles: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> np.ndarray:
        """Return an augmented copy of a clip.

        Args:
            frames: Features of the clip, float32 `(n_frames, n_mfcc)`.
            rng: Source of randomness.
            styles: `style_of` the clip and of the clip to mix with. Default: no MixStyle.

        Returns:
            Features, float32 `(n_new_frames, n_mfcc)`.
        """
        augment = self.augment
        if styles is not None and augment.mixstyle > 0 and rng.random() < augment.mixstyle:
            frames = _mix_styles(frames, *styles, np.float32(rng.random()))
        if augment.speed > 0:
            n_frames = round(len(frames) / rng.uniform(1 - augment.speed, 1 + augment.speed))
            frames = _resample(frames, n_frames)
        if augment.segment_shuffle > 0 and rng.random() < augment.segment_shuffle:
            length = self._segment_frames
            segments = [frames[k : k + length] for k in range(0, len(frames), length)]
            frames = np.concatenate([segments[k] for k in rng.permutation(len(segments))])
        if augment.vtlp > 0:
            nearest = round((len(WARP_DEVIATIONS) - 1) * (rng.standard_normal() + 2) / 4)
            frames = frames @ self._warps[min(max(nearest, 0), len(WARP_DEVIATIONS) - 1)]
        if augment.room > 0 and rng.random() < augment.room:
            frames = self._add_room(frames, rng)
        if augment.noise > 0 and self.noises and rng.random() < augment.noise:
            frames = self._add_noise(frames, rng)
        if augment.telephone > 0 and rng.random() < augment.telephone:
            frames = self._through_telephone(frames, rng)
        if augment.cepstral_offset > 0:
            frames = frames + augment.cepstral_offset * self.std * rng.standard_normal(
                len(self.std)
            ).astype("f")
        return frames

    def mean_warp(self, deviation: float) -> np.ndarray:
        """Return the average of the vocal tract warps of a deviation (see `Augment.vtlp`).

        Returns:
            Matrix float32 `(n_mfcc, n_mfcc)`, to multiply frames with from the right.
        """
        weights = np.exp(-(WARP_DEVIATIONS**2) / 2)
        mean: np.ndarray = np.average(self._warp_grid(deviation), axis=0, weights=weights)
        return mean.astype("f")

    def _warp_grid(self, deviation: float) -> list[np.ndarray]:
        """Return the warp matrices `(n_mfcc, n_mfcc)` of all `WARP_DEVIATIONS`."""
        return [
            self._to_mel @ self._band_warp(np.exp(deviation * distance)) @ self._to_cepstra
            for distance in WARP_DEVIATIONS
        ]

    def _band_warp(self, factor: float) -> np.ndarray:
        """Return the matrix `(n_mels, n_mels)` that moves the formants of bands by `factor`.

        Bands beyond the last one are replaced by the last one.
        """
        source = hz_to_mel(mel_to_hz(self._mels, htk=self._htk) / factor, htk=self._htk)
        n_mels = len(source)
        step = (self._mels[-1] - self._mels[0]) / max(n_mels - 1, 1)
        position = np.clip((source - self._mels[0]) / max(step, 1e-9), 0, n_mels - 1)
        below = np.minimum(position.astype(int), max(n_mels - 2, 0))
        share = position - below
        bands = np.arange(n_mels)
        matrix = np.zeros((n_mels, n_mels), np.float32)
        matrix[below, bands] = 1 - share
        matrix[np.minimum(below + 1, n_mels - 1), bands] += share
        return matrix

    def _add_room(self, frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add the reverberation of earlier frames, and the tail after the last one."""
        bands = frames @ self._to_mel  # (n_frames, n_mels), bel
        seconds = rng.uniform(0.2, 1.0)  # in which the reverberation falls by 6 bel
        decay = 10 ** (-6 * self._period / seconds)
        ratio = 10 ** rng.uniform(-1.2, 0.6)  # reverberant to direct power, all frames together
        tail = np.zeros((round(TAIL_BEL / 6 * seconds / self._period), bands.shape[1]))
        power = np.concatenate([10.0**bands, tail])
        reverberation = lfilter([0, ratio * (1 - decay)], [1, -decay], power, axis=0)
        wet = np.log10(power + reverberation)
        level = wet.mean(axis=1)
        # The end of the tail is as quiet as the frames that silence removal has dropped.
        n_frames = len(bands) + np.count_nonzero(level[len(bands) :] > level.max() - TAIL_BEL)
        louder = level.max() - bands.mean(axis=1).max()
        return (wet[:n_frames] - louder).astype(np.float32) @ self._to_cepstra

    def _add_noise(self, frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        noise = self.noises[rng.integers(len(self.noises))]
        start = rng.integers(len(noise))
        noise = np.take(noise, np.arange(start, start + len(frames)), axis=0, mode="wrap")
        speech, noise_power = frames @ self._to_mel, 10 ** (noise @ self._to_mel)  # bel, power
        speech_power = 10**speech
        ratio = 10 ** (rng.uniform(5, 30) / 10)
        gain = speech_power.mean() / max(noise_power.mean() * ratio, 1e-20)
        change = np.log10(1 + gain * noise_power / np.maximum(speech_power, 1e-20))
        return self._change_bands(frames, speech, change.astype(np.float32))

    def _through_telephone(self, frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        hz = np.maximum(mel_to_hz(self._mels, htk=self._htk), 1.0)
        low, high = rng.uniform(200, 400), rng.uniform(3000, 3600)
        octaves = np.maximum(0, np.log2(low / hz)) + np.maximum(0, np.log2(hz / high))
        bands = frames @ self._to_mel  # (n_frames, n_mels), bel
        passed = bands - (rng.uniform(1.2, 4.8) * octaves).astype(np.float32)
        floor = bands.max() - rng.uniform(2.5, 6.0)
        received = np.log10(10**passed + 10**floor).astype(np.float32)
        return self._change_bands(frames, bands, received - bands)

    def _change_bands(
        self, frames: np.ndarray, bands: np.ndarray, change: np.ndarray
    ) -> np.ndarray:
        """Add `change` to the bands, then restore the level of the loudest frame.

        The levels of the front end may be relative to that frame.
        """
        louder = (bands + change).mean(axis=1).max() - bands.mean(axis=1).max()
        return frames + (change - louder) @ self._to_cepstra


def style_of(frames: np.ndarray) -> np.ndarray:
    """Return the mean and deviation of a clip's coefficients, float32 `(2, n_mfcc)`."""
    return np.stack([frames.mean(axis=0), np.maximum(frames.std(axis=0), MIN_DEVIATION)])


def _mix_styles(
    frames: np.ndarray, style: np.ndarray, other: np.ndarray, share: np.float32
) -> np.ndarray:
    mean, std = style
    new_mean, new_std = style + share * (other - style)
    return (frames - mean) * (new_std / std) + new_mean


def _resample(frames: np.ndarray, n_frames: int) -> np.ndarray:
    """Interpolate linearly along time; the first and last frame are kept."""
    n_frames = max(n_frames, 1)
    position = np.arange(n_frames) * ((len(frames) - 1) / max(n_frames - 1, 1))
    before = position.astype(int)
    after = np.minimum(before + 1, len(frames) - 1)
    share = (position - before).astype(np.float32)[:, None]
    return frames[before] * (1 - share) + frames[after] * share
