"""`--start-time`: clock times of recordings and streams."""

from __future__ import annotations

from datetime import datetime, timedelta

from ..errors import ConfigError
from ..results.rows import parse_clock_time

NOW = "now"


class StreamClock:
    """The clock time at which a stream started.

    Args:
        text: `--start-time`: ISO 8601, or `NOW` for the moment at which the first audio arrives.
            None: no clock times.

    Attributes:
        start_time: The time; None without clock times, or before the first audio.

    Raises:
        ConfigError: If it is not valid.
    """

    def __init__(self, text: str | None) -> None:
        self._from_now = text is not None and text.strip().lower() == NOW
        self.start_time: datetime | None = None
        if text is not None and not self._from_now:
            self.start_time = parse_start_time(text, f", or {NOW}")

    def begin(self, seconds: float) -> None:
        """Set the start, unless it is known.

        Args:
            seconds: Duration of the first audio, which has just arrived.
        """
        if self._from_now and self.start_time is None:
            self.start_time = datetime.now().astimezone() - timedelta(seconds=seconds)


def parse_start_time(text: str, alternative: str = "") -> datetime:
    """Parse a date and time in ISO 8601.

    Args:
        text: The text.
        alternative: Another value that is accepted, for the error.

    Raises:
        ConfigError: If it is not valid.

    Example:
        >>> parse_start_time("2026-03-01T14:05:00Z").isoformat()
        '2026-03-01T14:05:00+00:00'
    """
    try:
        return parse_clock_time(text)
    except ValueError:
        raise ConfigError(
            f"--start-time {text}: expected a date and time in ISO 8601, such as "
            f"2026-03-01T14:05:00 or 2026-03-01T14:05:00+01:00{alternative}"
        ) from None
