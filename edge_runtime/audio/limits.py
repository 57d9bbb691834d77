"""How long a recording and how large a file may be: what strangers send costs no more than that."""

from __future__ import annotations

import math
import numbers
import re
from dataclasses import dataclass, fields

from ..errors import AudioError, ConfigError

# Rates that a resampler can be built for at reasonable cost; what lies outside is a damaged header.
MIN_RATE, MAX_RATE = 1_000, 768_000


def check_rates(*rates: float) -> None:
    """ConfigError for a rate that nobody records at."""
    for rate in rates:
        number = isinstance(rate, numbers.Real)
        if not number or not MIN_RATE <= rate <= MAX_RATE:
            raise ConfigError(f"sample_rate={rate!r} must be from {MIN_RATE} to {MAX_RATE} Hz")


_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True)
class AudioLimits:
    """What a file may be at most. A whole clip of half an hour takes about 350 MB of memory.

    Files beyond are an AudioError, where the header tells it before anything is decoded.
    """

    max_duration: float = 1800.0  # seconds
    max_size: float = 1 << 30  # bytes; math.inf: any size

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not value > 0:
                raise ConfigError(f"{field.name}={value!r} must be a number above 0")

    def check_size(self, name: object, size: float) -> None:
        """AudioError for a file of `size` bytes that is too large."""
        if size > self.max_size:
            raise AudioError(
                f"{name}: is larger than {size_text(self.max_size)}, the limit (max_size="
                f"{self.max_size}): cut it, or raise the limit (--max-size, AudioLimits)"
            )

    def check_samples(self, name: object, n_samples: float, sample_rate: float) -> None:
        """AudioError for so many samples per channel that they last too long."""
        if n_samples > self.max_duration * sample_rate:
            raise AudioError(
                f"{name}: is longer than {self.max_duration:g} s, the limit (max_duration="
                f"{self.max_duration:g}): cut it, or raise the limit (AudioLimits; `edge-ser classify` "
                "has --max-duration, and --timeline, which reads piece by piece)"
            )


NO_LIMITS = AudioLimits(math.inf, math.inf)

# A timeline is made piece by piece, so that length costs time alone: a day at most, and what that
# takes in stereo at 48 kHz and 24 bits.
TIMELINE_LIMITS = AudioLimits(max_duration=24 * 3600.0, max_size=32 << 30)


def limits_of(max_duration: float | None, max_size: str | None, timeline: bool) -> AudioLimits:
    """The limits that options of a command line set; None leaves the default."""
    default = TIMELINE_LIMITS if timeline else AudioLimits()
    return AudioLimits(
        default.max_duration if max_duration is None else max_duration,
        default.max_size if max_size is None else parse_size(max_size),
    )


def parse_size(text: str) -> float:
    """Bytes: a number, with K, M or G for 2^10, 2^20 or 2^30; ConfigError for anything else.

    >>> parse_size("500M") == 500 * 2**20, parse_size("123")
    (True, 123.0)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?|inf)\s*([KMG]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None:
        raise ConfigError(f"size {text!r} must be a number of bytes, such as 100M or 2G")
    return float(match[1]) * _UNITS[match[2].upper()]


def size_text(size: float) -> str:
    """
    >>> size_text(1 << 30), size_text(1500), size_text(math.inf)
    ('1 GiB', '1.46 KiB', 'inf bytes')
    """
    if math.isfinite(size):
        for unit in "GMK":
            if size >= _UNITS[unit]:
                return f"{size / _UNITS[unit]:.3g} {unit}iB"
    return f"{size:g} bytes"
