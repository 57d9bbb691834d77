"""`MfccConfig`: every number that decides what the features are."""

from __future__ import annotations

import dataclasses
import json
import math
import numbers
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError
from ..messages import brief_repr, shorten

# librosa.stft refuses "wrap", "maximum", "mean", "median" and "minimum"; it takes "empty", whose
# content numpy leaves undefined, and so cannot be reproduced.
PAD_MODES = ("constant", "edge", "linear_ramp", "reflect", "symmetric")

# Beyond these a setting is a slip, and would ask for gigabytes.
MAX_VALUES = {
    "sample_rate": 768_000,
    "n_mfcc": 2048,
    "n_fft": 1 << 17,
    "win_length": 1 << 17,
    "hop_length": 1 << 31,
    "n_mels": 2048,
}
# Of n_fft times n_mels: filters of 64 MiB.
MAX_FILTERS = 1 << 24
# Of windows; a Taylor window is a sum of its first parameter's many terms.
MAX_PARAMETER, MAX_NBAR = 1e6, 1000


@dataclass(frozen=True)
class MfccConfig:
    """The settings of the MFCC front end, under librosa's argument names.

    `Mfcc(config)(y)` is `librosa.feature.mfcc(S=librosa.power_to_db(librosa.feature.melspectrogram(
    y=y, sr=sample_rate, n_fft=…, norm=norm, …), amin=amin, top_db=top_db), n_mfcc=n_mfcc,
    dct_type=dct_type, norm=dct_norm, lifter=lifter)`, transposed to time first. Two names differ
    there: librosa's `sr` is `sample_rate` here, and the `norm` of its mfcc function is `dct_norm`.

    Lengths are in samples, frequencies in Hz, `top_db` in dB. Every value is checked when the
    object is made; ConfigError tells which one is wrong and what it may be.
    """

    sample_rate: int = 16_000
    n_mfcc: int = 13
    n_fft: int = 512
    win_length: int | None = None  # n_fft
    hop_length: int = 160
    n_mels: int = 40
    fmin: float = 0.0
    fmax: float | None = None  # sample_rate / 2
    window: str | tuple | float = "hann"
    center: bool = True
    pad_mode: str = "constant"
    htk: bool = False
    norm: str | float | None = "slaney"
    dct_type: int = 2
    dct_norm: str | None = "ortho"
    lifter: float = 0.0
    power: float = 2.0
    amin: float = 1e-10
    top_db: float | None = None  # librosa's own default is 80, which cannot be streamed
    # What librosa does not have: see `python_speech_features`.
    convention: str = "librosa"
    preemphasis: float = 0.0
    energy: bool = False
    scale: float = 1.0

    def __post_init__(self) -> None:
        for name, maximum in MAX_VALUES.items():
            if name != "win_length" or self.win_length is not None:
                self._whole(name, maximum)
        for name in ("fmin", "lifter", "preemphasis"):
            self._number(name)
            self._require(getattr(self, name) >= 0, name, "a number of 0 or more")
        for name in ("power", "amin", "scale"):
            self._number(name)
            self._require(getattr(self, name) > 0, name, "a number above 0")
        self._require(self.power <= 10, "power", "at most 10")
        if self.fmax is not None:
            self._number("fmax")
            self._require(self.fmax > self.fmin, "fmax", f"above fmin={self.fmin}, or None")
        if self.top_db is not None:
            self._number("top_db")
            self._require(self.top_db >= 0, "top_db", "0 or more, or None")
        for name in ("center", "htk", "energy"):
            self._require(isinstance(getattr(self, name), bool), name, "True or False")
        self._require(
            self.convention in ("librosa", "python_speech_features"),
            "convention",
            "'librosa' or 'python_speech_features'",
        )
        self._require(self.dct_type in (1, 2, 3), "dct_type", "1, 2 or 3")
        self._require(self.dct_norm in ("ortho", None), "dct_norm", "'ortho' or None")
        self._require(self.pad_mode in PAD_MODES, "pad_mode", f"one of {', '.join(PAD_MODES)}")
        if isinstance(self.norm, str):
            self._require(self.norm == "slaney", "norm", "'slaney', None or the order of a norm")
        elif self.norm is not None:
            self._require(
                isinstance(self.norm, numbers.Real)
                and (0 <= self.norm < 1e30 or abs(self.norm) == math.inf),
                "norm",
                "'slaney', None or the order of a norm",
            )
        if isinstance(self.window, list):  # what JSON makes of a tuple
            object.__setattr__(self, "window", tuple(self.window))
        self._require(
            _is_window(self.window),
            "window",
            "a name, a (name, parameter) tuple or a Kaiser beta, as scipy.signal.get_window takes",
        )
        self._require(
            self.n_fft * self.n_mels <= MAX_FILTERS,
            "n_mels",
            f"at most {MAX_FILTERS // self.n_fft} with n_fft={self.n_fft}",
        )
        self._require(
            self.n_mfcc <= self.n_mels,
            "n_mfcc",
            f"at most n_mels={self.n_mels}: the DCT of n_mels bands has that many coefficients",
        )
        self._require(self.dct_type != 1 or self.n_mels >= 2, "n_mels", "2 or more for dct_type=1")
        if self.convention == "librosa":
            self._require(
                self.win_length is None or self.win_length <= self.n_fft,
                "win_length",
                f"at most n_fft={self.n_fft}",
            )
            for name in ("preemphasis", "energy"):
                self._require(not getattr(self, name), name, "left out under librosa's convention")
        else:
            self._require(not self.center, "center", "False under python_speech_features")
            self._require(self.top_db is None, "top_db", "None under python_speech_features")
            self._require(
                (self.fmax or 0) <= self.sample_rate / 2,
                "fmax",
                f"at most half the sample rate, {self.sample_rate / 2}",
            )

    def _require(self, holds: bool, name: str, wanted: str) -> None:
        if not holds:
            raise ConfigError(f"{name}={brief_repr(getattr(self, name))} must be {wanted}")

    def _whole(self, name: str, maximum: int) -> None:
        value = getattr(self, name)
        whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        self._require(whole and value >= 1, name, "a whole number of 1 or more")
        self._require(value <= maximum, name, f"at most {maximum}")

    def _number(self, name: str) -> None:
        value = getattr(self, name)
        real = isinstance(value, numbers.Real) and not isinstance(value, bool)
        self._require(real and abs(value) < 1e30, name, "a finite number")

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
        """The settings as JSON can hold them; `from_dict` reads them back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> MfccConfig:
        """A configuration from `to_dict`. Every field must be there, and no other."""
        if not isinstance(settings, dict):
            raise ConfigError(f"the MFCC settings are {type(settings).__name__}, not a mapping")
        fields = {field.name for field in dataclasses.fields(cls)}
        for what, names in (
            ("missing", fields - settings.keys()),
            ("unknown", settings.keys() - fields),
        ):
            if names:
                listed = shorten(", ".join(sorted(map(str, names))))
                raise ConfigError(f"{what} MFCC setting: {listed}")
        return cls(**settings)

    def with_settings(self, settings: Iterable[str]) -> MfccConfig:
        """A copy with `NAME=VALUE` texts applied; values are None, True, False, or read as JSON
        where they can be.

        >>> MfccConfig().with_settings(["hop_length=320", "window=hamming"]).hop_length
        320
        """
        values = self.to_dict()
        for setting in settings:
            name, equals, text = setting.partition("=")
            if not equals or name not in values:
                raise ConfigError(
                    f"{setting!r}: wanted NAME=VALUE with one of the names {', '.join(values)}"
                )
            try:
                values[name] = _NAMED[text] if text in _NAMED else json.loads(text)
            except (ValueError, RecursionError):
                values[name] = text
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
        appendEnergy: bool = True,  # noqa: N803 (the name that package gives it)
        winfunc: str | tuple | float = "boxcar",
        *,
        scale: float = 1.0,
    ) -> MfccConfig:
        """The conventions of `python_speech_features.mfcc` 0.6, under its argument names.

        Pre-emphasis, frames from the first sample on with the last one filled up with zeros, HTK
        filters on whole bins, natural logarithm, lifter counted from 0, log energy as c0.
        `winlen` and `winstep` are in seconds; `winfunc` is a window's name, symmetric as numpy's.
        `scale` multiplies the samples first: 32768 for a model that was trained on the int16
        samples of a wav file, since ours lie within [-1, 1].
        https://github.com/jameslyons/python_speech_features
        """
        for name, value in (("winlen", winlen), ("winstep", winstep)):
            if not isinstance(value, numbers.Real) or not 0 < value < math.inf:
                raise ConfigError(f"{name}={value!r} must be a number of seconds above 0")
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


_NAMED = {"None": None, "True": True, "False": False}  # as the documentation writes them


def _is_window(window: Any) -> bool:
    if isinstance(window, tuple):
        parameters = window[1:]
        largest = MAX_NBAR if window[:1] == ("taylor",) else MAX_PARAMETER
        return (
            bool(window)
            and isinstance(window[0], str)
            and all(
                isinstance(value, (int, float)) and abs(value) <= largest for value in parameters
            )
        )
    if isinstance(window, (int, float)) and not isinstance(window, bool):
        return abs(window) <= MAX_PARAMETER
    return isinstance(window, str)


def _round_half_up(number: float) -> int:
    return int(math.floor(number + 0.5))
