"""Limits on duration, file size and sample rate of untrusted audio."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ..errors import AudioError, ConfigError
from ..validation import check_number

# Rates in Hz for which a resampler can be built at reasonable cost. Others mean a damaged header.
MIN_RATE, MAX_RATE = 1_000, 768_000

# A recording that lacks less than this of the length that its header declares is complete: some
# recorders count the header as well.
MAX_MISSING_SECONDS = 0.1

_UNIT_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def check_rates(*rates: float) -> None:
    """Raise ConfigError unless all sample rates in Hz are supported."""
    for rate in rates:
        check_number("sample_rate", rate, MIN_RATE, MAX_RATE, unit="Hz")


@dataclass(frozen=True)
class AudioLimits:
    """Maximum duration and size of an audio file.

    A file that exceeds them raises AudioError; where the header declares the length, before
    anything is decoded. A whole clip of 30 minutes takes about 350 MB of memory.

    Attributes:
        max_duration: Maximum duration in seconds, above 0; `math.inf` for no limit.
        max_size: Maximum file size in bytes, above 0; `math.inf` for no limit.

    Raises:
        ConfigError: If a limit is not a number above 0.

    Example:
        >>> AudioLimits(max_duration=60)
        AudioLimits(max_duration=60, max_size=1073741824)
    """

    max_duration: float = 1800.0
    max_size: float = 1 << 30

    def __post_init__(self) -> None:
        check_number("max_duration", self.max_duration, above=0, high=math.inf)
        check_number("max_size", self.max_size, above=0, high=math.inf)

    def check_size(self, name: object, size: float) -> None:
        """Raise AudioError if a file is too large.

        Args:
            name: Name of the file, for the message.
            size: Its size in bytes.

        Raises:
            AudioError: If `size` exceeds `max_size`.
        """
        if size > self.max_size:
            raise AudioError(
                f"{name}: is larger than {size_text(self.max_size)}, the limit (max_size="
                f"{self.max_size}): cut it, or raise the limit (--max-size, AudioLimits)"
            )

    def check_samples(self, name: object, n_samples: float, sample_rate: float) -> None:
        """Raise AudioError if a recording is too long.

        Args:
            name: Name of the file, for the message.
            n_samples: Samples per channel.
            sample_rate: Rate in Hz.

        Raises:
            AudioError: If the duration exceeds `max_duration`.
        """
        if n_samples > self.max_duration * sample_rate:
            raise AudioError(
                f"{name}: is longer than {self.max_duration:g} s, the limit (max_duration="
                f"{self.max_duration:g}): cut it, or raise the limit (AudioLimits; `edge-ser "
                "classify` has --max-duration, and --timeline, which reads in blocks)"
            )


NO_LIMITS = AudioLimits(math.inf, math.inf)

# A timeline reads in blocks, so that length costs only time: one day, which takes this many bytes
# in stereo at 48 kHz and 24 bits.
TIMELINE_LIMITS = AudioLimits(max_duration=24 * 3600.0, max_size=32 << 30)


def audio_limits(max_duration: float | None, max_size: str | None, timeline: bool) -> AudioLimits:
    """Build the limits from command-line options.

    Args:
        max_duration: Maximum duration in seconds. Default: depends on `timeline`.
        max_size: Maximum size as text, such as "500M". Default: depends on `timeline`.
        timeline: Start from `TIMELINE_LIMITS` instead of the limits of a clip.

    Raises:
        ConfigError: If a value is not valid.
    """
    default = TIMELINE_LIMITS if timeline else AudioLimits()
    return AudioLimits(
        default.max_duration if max_duration is None else max_duration,
        default.max_size if max_size is None else parse_size(max_size),
    )


def parse_size(text: str) -> float:
    """Parse a number of bytes with an optional unit: K, M or G for 2^10, 2^20 or 2^30.

    Raises:
        ConfigError: If the text is not a size.

    Example:
        >>> parse_size("500M") == 500 * 2**20, parse_size("123")
        (True, 123.0)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?|inf)\s*([KMG]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None:
        raise ConfigError(f"size {text!r} must be a number of bytes, such as 100M or 2G")
    return float(match[1]) * _UNIT_BYTES[match[2].upper()]


def size_text(size: float) -> str:
    """Format a number of bytes.

    Example:
        >>> size_text(1 << 30), size_text(1500), size_text(math.inf)
        ('1 GiB', '1.46 KiB', 'inf bytes')
    """
    if math.isfinite(size):
        for unit in "GMK":
            if size >= _UNIT_BYTES[unit]:
                return f"{size / _UNIT_BYTES[unit]:.3g} {unit}iB"
    return f"{size:g} bytes"
