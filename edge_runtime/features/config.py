"""The settings of the MFCC front end."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError
from ..messages import brief_repr
from ..settings import parse_setting
from ..validation import check_fields, check_integer, check_number, is_number
from .windows import Window, is_window

# librosa.stft refuses "wrap", "maximum", "mean", "median" and "minimum". It accepts "empty", whose
# content numpy leaves undefined, so that it cannot be reproduced.
PAD_MODES = ("constant", "edge", "linear_ramp", "reflect", "symmetric")

CONVENTIONS = ("librosa", "python_speech_features")

# Larger settings are mistakes, and would allocate gigabytes.
MAX_VALUES = {
    "sample_rate": 768_000,
    "n_mfcc": 2048,
    "n_fft": 1 << 17,
    "win_length": 1 << 17,
    "hop_length": 1 << 31,
    "n_mels": 2048,
}
MAX_FILTER_VALUES = 1 << 24  # n_fft times n_mels: mel filters of 64 MiB


@dataclass(frozen=True)
class MfccConfig:
    """The settings of the MFCC front end, under librosa's argument names.

    `Mfcc(config)(y)` is `librosa.feature.mfcc(S=librosa.power_to_db(librosa.feature.melspectrogram(
    y=y, sr=sample_rate, n_fft=…, norm=norm, …), amin=amin, top_db=top_db), n_mfcc=n_mfcc,
    dct_type=dct_type, norm=dct_norm, lifter=lifter)`, transposed to time first. Two names differ:
    librosa's `sr` is `sample_rate`, and the `norm` of its mfcc function is `dct_norm`.

    Attributes:
        sample_rate: Rate of the samples in Hz.
        n_mfcc: Number of coefficients.
        n_fft: Length of the FFT in samples.
        win_length: Length of the window in samples. None: `n_fft`.
        hop_length: Samples from one frame to the next.
        n_mels: Number of mel bands.
        fmin: Lowest frequency of the mel bands in Hz.
        fmax: Highest frequency of the mel bands in Hz. None: half the sample rate.
        window: A name, `(name, parameter)` or a Kaiser beta, as for `scipy.signal.get_window`.
        center: Pad the clip, so that frame i is centred on sample `i * hop_length`.
        pad_mode: Padding of the ends, one of `PAD_MODES`.
        htk: Use HTK's mel formula instead of Slaney's.
        norm: Normalisation of the mel filters: "slaney", None, or the order of an l_p norm.
        dct_type: Type of the DCT: 1, 2 or 3.
        dct_norm: Normalisation of the DCT: "ortho" or None.
        lifter: Cepstral lifter; 0 for none.
        power: Exponent of the magnitude spectrum.
        amin: Lowest mel band energy before the logarithm.
        top_db: Clamp the log mel spectrogram this many dB below its maximum. None: do not clamp.
            librosa's default is 80, which cannot be streamed.
        convention: "librosa" or "python_speech_features".
        preemphasis: Pre-emphasis coefficient; python_speech_features only.
        energy: Replace c0 by the log energy; python_speech_features only.
        scale: Factor of the samples.

    Raises:
        ConfigError: If a value is out of range; the message states the range.

    Example:
        >>> MfccConfig(hop_length=320).frame_period
        0.02
    """

    sample_rate: int = 16_000
    n_mfcc: int = 13
    n_fft: int = 512
    win_length: int | None = None
    hop_length: int = 160
    n_mels: int = 40
    fmin: float = 0.0
    fmax: float | None = None
    window: Window = "hann"
    center: bool = True
    pad_mode: str = "constant"
    htk: bool = False
    norm: str | float | None = "slaney"
    dct_type: int = 2
    dct_norm: str | None = "ortho"
    lifter: float = 0.0
    power: float = 2.0
    amin: float = 1e-10
    top_db: float | None = None
    convention: str = "librosa"
    preemphasis: float = 0.0
    energy: bool = False
    scale: float = 1.0

    def __post_init__(self) -> None:
        for name, maximum in MAX_VALUES.items():
            if name != "win_length" or self.win_length is not None:
                check_integer(name, getattr(self, name), 1, maximum)
        for name in ("fmin", "lifter", "preemphasis"):
            check_number(name, getattr(self, name), 0)
        for name in ("amin", "scale"):
            check_number(name, getattr(self, name), above=0)
        check_number("power", self.power, above=0, high=10)
        for name in ("center", "htk", "energy"):
            self._require(isinstance(getattr(self, name), bool), name, "True or False")
        self._check_choices()
        self._check_sizes()
        if self.convention == "librosa":
            self._check_librosa()
        else:
            self._check_python_speech_features()

    def _check_choices(self) -> None:
        self._require(self.convention in CONVENTIONS, "convention", f"one of {CONVENTIONS}")
        self._require(self.dct_type in (1, 2, 3), "dct_type", "1, 2 or 3")
        self._require(self.dct_norm in ("ortho", None), "dct_norm", "'ortho' or None")
        self._require(self.pad_mode in PAD_MODES, "pad_mode", f"one of {', '.join(PAD_MODES)}")
        is_norm = self.norm in ("slaney", None, math.inf, -math.inf) or is_number(self.norm, 0)
        self._require(is_norm, "norm", "'slaney', None or the order of a norm")
        if isinstance(self.window, list):  # a tuple that was stored as JSON
            object.__setattr__(self, "window", tuple(self.window))
        self._require(
            is_window(self.window),
            "window",
            "a name, a (name, parameter) tuple or a Kaiser beta, as for scipy.signal.get_window",
        )

    def _check_sizes(self) -> None:
        if self.fmax is not None:
            is_above = is_number(self.fmax, above=self.fmin)
            self._require(is_above, "fmax", f"a number above fmin={self.fmin}, or None")
        is_top_db = self.top_db is None or is_number(self.top_db, 0)
        self._require(is_top_db, "top_db", "a number of 0 or more, or None")
        self._require(
            self.n_fft * self.n_mels <= MAX_FILTER_VALUES,
            "n_mels",
            f"at most {MAX_FILTER_VALUES // self.n_fft} with n_fft={self.n_fft}",
        )
        self._require(
            self.n_mfcc <= self.n_mels,
            "n_mfcc",
            f"at most n_mels={self.n_mels}: the DCT of n_mels bands has that many coefficients",
        )
        self._require(self.dct_type != 1 or self.n_mels >= 2, "n_mels", "2 or more for dct_type=1")

    def _check_librosa(self) -> None:
        is_short = self.win_length is None or self.win_length <= self.n_fft
        self._require(is_short, "win_length", f"at most n_fft={self.n_fft}")
        for name in ("preemphasis", "energy"):
            self._require(not getattr(self, name), name, "left out under librosa's convention")

    def _check_python_speech_features(self) -> None:
        self._require(not self.center, "center", "False under python_speech_features")
        self._require(self.top_db is None, "top_db", "None under python_speech_features")
        self._require(
            (self.fmax or 0) <= self.sample_rate / 2,
            "fmax",
            f"at most half the sample rate, {self.sample_rate / 2}",
        )

    def _require(self, is_valid: bool, name: str, expected: str) -> None:
        if not is_valid:
            raise ConfigError(f"{name}={brief_repr(getattr(self, name))} must be {expected}")

    @property
    def frame_period(self) -> float:
        """Seconds from one frame to the next."""
        return self.hop_length / self.sample_rate

    @property
    def frame_length(self) -> int:
        """Samples that one frame spans."""
        if self.convention == "librosa" or self.win_length is None:
            return self.n_fft
        return self.win_length

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a dict that JSON can store."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, settings: Any) -> MfccConfig:
        """Restore the settings of `to_dict`.

        Args:
            settings: A dict with every field and no other key.

        Raises:
            ConfigError: If a key is missing or unknown, or a value out of range.
        """
        return cls(**check_fields(cls, settings, "MFCC settings"))

    def with_settings(self, settings: Iterable[str]) -> MfccConfig:
        """Return a copy with changed settings.

        Args:
            settings: Texts `NAME=VALUE`. A value is None, True, False or JSON, else text.

        Raises:
            ConfigError: If a name is unknown or a value out of range.

        Example:
            >>> MfccConfig().with_settings(["hop_length=320", "window=hamming"]).hop_length
            320
        """
        values = self.to_dict()
        values.update(parse_setting(setting, values) for setting in settings)
        return type(self)(**values)

    @classmethod
    def python_speech_features(
        cls,
        samplerate: int = 16_000,
        winlen: float = 0.025,
        winstep: float = 0.01,
        numcep: int = 13,
        nfilt: int = 26,
        nfft: int = 512,
        lowfreq: float = 0,
        highfreq: float | None = None,
        preemph: float = 0.97,
        ceplifter: float = 22,
        appendEnergy: bool = True,  # noqa: N803 (the name in python_speech_features)
        winfunc: Window = "boxcar",
        *,
        scale: float = 1.0,
    ) -> MfccConfig:
        """Return the settings of `python_speech_features.mfcc` 0.6, under its argument names.

        Pre-emphasis, frames from the first sample on with the last one zero-padded, HTK filters on
        whole bins, natural logarithm, lifter counted from 0, log energy as c0.
        https://github.com/jameslyons/python_speech_features

        Args:
            samplerate: Rate of the samples in Hz.
            winlen: Length of a frame in seconds.
            winstep: Seconds from one frame to the next.
            numcep: Number of coefficients.
            nfilt: Number of mel bands.
            nfft: Length of the FFT in samples.
            lowfreq: Lowest frequency of the mel bands in Hz.
            highfreq: Highest frequency of the mel bands in Hz. Default: half the sample rate.
            preemph: Pre-emphasis coefficient.
            ceplifter: Cepstral lifter; 0 for none.
            appendEnergy: Replace c0 by the log energy.
            winfunc: Name of a window, symmetric as numpy's.
            scale: Factor of the samples: 32768 for a model that was trained on int16 samples, since
                samples are in [-1, 1] here.

        Raises:
            ConfigError: If a value is out of range.
        """
        check_number("winlen", winlen, above=0, unit="seconds")
        check_number("winstep", winstep, above=0, unit="seconds")
        return cls(
            convention="python_speech_features",
            sample_rate=samplerate,
            win_length=_round_half_up(winlen * samplerate),
            hop_length=_round_half_up(winstep * samplerate),
            n_mfcc=numcep,
            n_mels=nfilt,
            n_fft=nfft,
            fmin=lowfreq,
            fmax=highfreq or None,
            preemphasis=preemph,
            lifter=max(ceplifter, 0),
            energy=bool(appendEnergy),
            window=winfunc,
            center=False,
            htk=True,
            norm=None,
            scale=scale,
        )


def _round_half_up(number: float) -> int:
    return int(math.floor(number + 0.5))
