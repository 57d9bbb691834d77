"""What a training clip could also have sounded like, computed on its features.

13 MFCC and the DCT behind them give back a smooth log mel spectrum, in which another vocal tract is
a shift of the bands and noise is added band by band. That is a thousand times cheaper than doing it
to the samples and extracting features again, so that every clip is new in every epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import lfilter

from edge_runtime import ConfigError, MfccConfig
from edge_runtime.features.filterbank import cepstra_of, hz_to_mel, mel_to_hz

# Of a coefficient in a clip: one that hardly moves is not stretched without bound.
MIN_DEVIATION = np.float32(1e-2)

# Of offset and vocal_tract, far beyond what is of use: none leaves the range of numbers.
MAX_STRENGTH = 10.0

# Of a clip that is put together in another order, in seconds: about a syllable and a half.
SHUFFLE_SEGMENT_SECONDS = 0.32

# What is still heard of a room, in bel below the loudest frame: the usual `SilenceConfig.range_db`.
TAIL_BEL = 4.0

# How far other vocal tracts are from the speaker's, in deviations.
WARP_DEVIATIONS = np.linspace(-2, 2, 81)


@dataclass(frozen=True)
class Augment:
    """How far training clips are changed, anew in every epoch. 0 turns one off.

    offset: deviation, in deviations of each coefficient, of a constant that is added to all frames
        of a clip. A fixed filter (microphone, room, telephone), another level and much of a vocal
        tract multiply the spectrum, which is an addition in the cepstrum.
    mixstyle: share of the clips whose coefficients get mean and deviation from between their own
        and those of another clip with the same label: another voice and microphone, in that mood.
        Zhou et al. 2021, "Domain Generalization with MixStyle", https://arxiv.org/abs/2104.02008
    speed: a clip is spoken faster or slower by up to this share, its spectra unchanged.
    shuffled: share of the clips whose pieces of 0.32 s follow one another in another order. What is
        said is no help then, nor the melody of a sentence, which are those of a corpus; the voice
        is as it was. Um et al. 2017, "Data Augmentation of Wearable Sensor Data for Parkinson's
        Disease Monitoring using Convolutional Neural Networks", https://arxiv.org/abs/1706.00527
    vocal_tract: deviation of the logarithm of the factor by which the frequencies are multiplied,
        as a longer or shorter vocal tract does. Jaitly and Hinton 2013, "Vocal Tract Length
        Perturbation (VTLP) improves speech recognition".
    room: share of the clips that are heard in a room, whose reverberation takes 0.2 to 1 s to fall
        by 60 dB and has together from 12 dB less to 6 dB more power than what comes directly:
        each band decays by itself, as in Moorer 1979, "About This Reverberation Business".
    telephone: share of the clips that are heard through a narrow band: from 200 to 400 Hz up to
        3 to 3.6 kHz, with a floor of noise 25 to 60 dB below the loudest band.
    noise: share of the clips that noise is added to, 5 to 30 dB below their mean power.

    Room, noise and telephone leave the loudest frame at its level.
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
        """For a network that is taught: its teachers say what they make of clips that are further
        from the recordings, where the label alone would be less and less true."""
        return replace(
            self,
            cepstral_offset=min(2 * self.cepstral_offset, MAX_STRENGTH),
            vtlp=min(1.5 * self.vtlp, MAX_STRENGTH),
        )


class Augmenter:
    """Changes clips as `how` says.

    Args:
        config: the front end of the features.
        std: deviation of the training frames, `(n_mfcc,)`.
        noises: features of noise to add, `(n_frames, n_mfcc)` each; may be empty.
    """

    def __init__(
        self, how: Augment, config: MfccConfig, std: np.ndarray, noises: list[np.ndarray]
    ) -> None:
        for name in ("vtlp", "room", "telephone", "noise"):
            if config.convention != "librosa" and getattr(how, name):
                raise ConfigError(
                    f"{name}={getattr(how, name)} needs librosa's convention of MFCC: give "
                    f"--set {name}=0"
                )
        self.how, self.std, self.noises = how, std, noises
        self._period = config.frame_period  # seconds
        self._piece = max(
            1, round(SHUFFLE_SEGMENT_SECONDS * config.sample_rate / config.hop_length)
        )  # frames
        cepstra = cepstra_of(config)  # (n_mels, n_mfcc), from bel
        self._to_cepstra = cepstra.astype(np.float32)
        self._to_mel = np.linalg.pinv(cepstra).astype(np.float32)  # (n_mfcc, n_mels)
        fmax = config.sample_rate / 2 if config.fmax is None else config.fmax
        low, high = hz_to_mel([config.fmin, fmax], htk=config.htk)
        self._mels = np.linspace(low, high, config.n_mels + 2)[1:-1]
        self._htk = config.htk
        # Other vocal tracts, drawn from these: a matrix for each clip anew would take as long as
        # all else that is done to it.
        self._tracts = self._other_tracts(how.vtlp) if how.vtlp > 0 else []

    def __call__(
        self,
        frames: np.ndarray,
        rng: np.random.Generator,
        styles: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> np.ndarray:
        """A changed copy of a clip, float32 `(n_frames, n_mfcc)` → `(n_new_frames, n_mfcc)`.

        `styles` are its own `style_of` and that of a clip that it may be made similar to.
        """
        how = self.how
        if styles is not None and how.mixstyle > 0 and rng.random() < how.mixstyle:
            frames = _mixed(frames, *styles, np.float32(rng.random()))
        if how.speed > 0:
            n_frames = round(len(frames) / rng.uniform(1 - how.speed, 1 + how.speed))
            frames = _resample(frames, n_frames)
        if how.segment_shuffle > 0 and rng.random() < how.segment_shuffle:
            pieces = [frames[k : k + self._piece] for k in range(0, len(frames), self._piece)]
            frames = np.concatenate([pieces[k] for k in rng.permutation(len(pieces))])
        if how.vtlp > 0:
            nearest = round((len(WARP_DEVIATIONS) - 1) * (rng.standard_normal() + 2) / 4)
            frames = frames @ self._tracts[min(max(nearest, 0), len(WARP_DEVIATIONS) - 1)]
        if how.room > 0 and rng.random() < how.room:
            frames = self._in_room(frames, rng)
        if how.noise > 0 and self.noises and rng.random() < how.noise:
            frames = self._with_noise(frames, rng)
        if how.telephone > 0 and rng.random() < how.telephone:
            frames = self._by_telephone(frames, rng)
        if how.cepstral_offset > 0:
            frames = frames + how.cepstral_offset * self.std * rng.standard_normal(
                len(self.std)
            ).astype("f")
        return frames

    def mean_tract(self, deviation: float) -> np.ndarray:
        """What vocal tracts of this deviation, that of `Augment.vocal_tract`, make of a frame on
        average: float32 `(n_mfcc, n_mfcc)`, by which frames are multiplied from the right."""
        weights = np.exp(-(WARP_DEVIATIONS**2) / 2)
        return np.average(self._other_tracts(deviation), axis=0, weights=weights).astype("f")

    def _other_tracts(self, deviation: float) -> list[np.ndarray]:
        """The matrices `(n_mfcc, n_mfcc)` of all `TRACTS`."""
        return [
            self._to_mel @ self._warped(np.exp(deviation * distance)) @ self._to_cepstra
            for distance in WARP_DEVIATIONS
        ]

    def _warped(self, factor: float) -> np.ndarray:
        """The matrix `(n_mels, n_mels)` by which bands become those of a voice whose formants are
        `factor` times as high; beyond the last band it stands in for those that are missing."""
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

    def _in_room(self, frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """With what is still heard of the frames before, and of the last ones after them."""
        bands = frames @ self._to_mel  # bel
        seconds = rng.uniform(0.2, 1.0)  # in which the reverberation falls by 6 bel
        decay = 10 ** (-6 * self._period / seconds)
        ratio = 10 ** rng.uniform(-1.2, 0.6)  # reverberant to direct power, of all frames together
        tail = np.zeros((round(TAIL_BEL / 6 * seconds / self._period), bands.shape[1]))
        power = np.concatenate([10.0**bands, tail])
        room = lfilter([0, ratio * (1 - decay)], [1, -decay], power, axis=0)
        heard = np.log10(power + room)
        level = heard.mean(axis=1)
        # What is quieter at the end is as silent as what was dropped before.
        n_heard = len(bands) + np.count_nonzero(level[len(bands) :] > level.max() - TAIL_BEL)
        louder = level.max() - bands.mean(axis=1).max()
        return (heard[:n_heard] - louder).astype(np.float32) @ self._to_cepstra

    def _with_noise(self, frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        noise = self.noises[rng.integers(len(self.noises))]
        start = rng.integers(len(noise))
        noise = np.take(noise, np.arange(start, start + len(frames)), axis=0, mode="wrap")
        speech, noise_power = frames @ self._to_mel, 10 ** (noise @ self._to_mel)  # bel, power
        speech_power = 10**speech
        ratio = 10 ** (rng.uniform(5, 30) / 10)
        gain = speech_power.mean() / max(noise_power.mean() * ratio, 1e-20)
        mixed = np.log10(1 + gain * noise_power / np.maximum(speech_power, 1e-20))
        return self._as_loud(frames, speech, mixed.astype(np.float32))

    def _by_telephone(self, frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        hz = np.maximum(mel_to_hz(self._mels, htk=self._htk), 1.0)
        low, high = rng.uniform(200, 400), rng.uniform(3000, 3600)
        octaves = np.maximum(0, np.log2(low / hz)) + np.maximum(0, np.log2(hz / high))
        bands = frames @ self._to_mel  # bel
        passed = bands - (rng.uniform(1.2, 4.8) * octaves).astype(np.float32)
        floor = bands.max() - rng.uniform(2.5, 6.0)
        heard = np.log10(10**passed + 10**floor).astype(np.float32)
        return self._as_loud(frames, bands, heard - bands)

    def _as_loud(self, frames: np.ndarray, bands: np.ndarray, change: np.ndarray) -> np.ndarray:
        """Frames whose `bands` are changed, with the loudest as loud as before: their levels may be
        relative to it."""
        louder = (bands + change).mean(axis=1).max() - bands.mean(axis=1).max()
        return frames + (change - louder) @ self._to_cepstra


def style_of(frames: np.ndarray) -> np.ndarray:
    """The mean and the deviation of a clip's coefficients, float32 `(2, n_mfcc)`."""
    return np.stack([frames.mean(axis=0), np.maximum(frames.std(axis=0), MIN_DEVIATION)])


def _mixed(frames: np.ndarray, own: np.ndarray, like: np.ndarray, share: np.float32) -> np.ndarray:
    mean, std = own
    new_mean, new_std = own + share * (like - own)
    return (frames - mean) * (new_std / std) + new_mean


def _resample(frames: np.ndarray, n_frames: int) -> np.ndarray:
    """Linear interpolation along time, first and last frame kept."""
    n_frames = max(n_frames, 1)
    position = np.arange(n_frames) * ((len(frames) - 1) / max(n_frames - 1, 1))
    before = position.astype(int)
    after = np.minimum(before + 1, len(frames) - 1)
    share = (position - before).astype(np.float32)[:, None]
    return frames[before] * (1 - share) + frames[after] * share
