"""Settings of the utterance detection, and the events that it reports."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConfigError
from ..inference.prediction import Prediction
from ..validation import check_number


@dataclass(frozen=True)
class ListenConfig:
    """Settings of the utterance detection, in seconds.

    Attributes:
        pause: Silence that ends an utterance, 0.2 to 10.
        max_duration: Duration at which an utterance is ended and the next starts, 1 to 600.
        min_duration: Sound that an utterance must contain to be reported, 0 to 60 and at most
            `max_duration`; excludes clicks and slamming doors.
        cooldown: After an utterance with an emotion, new ones that start within this time are
            ignored, 0 to 86400.
        update: Minimum time between two updates of an utterance, 0.1 to 60.

    Raises:
        ConfigError: If a value is out of range.

    Example:
        >>> ListenConfig(pause=0.5, cooldown=10).max_duration
        10.0
    """

    pause: float = 0.8
    max_duration: float = 10.0
    min_duration: float = 0.5
    cooldown: float = 0.0
    update: float = 0.5

    def __post_init__(self) -> None:
        check_number("pause", self.pause, 0.2, 10, unit="seconds")
        check_number("max_duration", self.max_duration, 1, 600, unit="seconds")
        check_number("min_duration", self.min_duration, 0, 60, unit="seconds")
        check_number("cooldown", self.cooldown, 0, 86_400, unit="seconds")
        check_number("update", self.update, 0.1, 60, unit="seconds")
        if self.min_duration > self.max_duration:
            raise ConfigError(
                f"min_duration={self.min_duration:g} must not exceed "
                f"max_duration={self.max_duration:g}"
            )


@dataclass(frozen=True)
class ListenEvent:
    """An event in a stream.

    Attributes:
        kind: "start" of an utterance that is long enough and classified as speech; "update" of its
            prediction; "end", with the final prediction; or "overrun", a gap of lost audio. Noise
            gives an "end" only, with the label "no speech".
        start: Start of the utterance or gap in seconds since the stream started.
        end: End of it so far, in seconds.
        prediction: The prediction for the utterance so far; None for an overrun.

    Example:
        >>> event = ListenEvent("overrun", start=1.0, end=2.5, prediction=None)
        >>> event.end - event.start
        1.5
    """

    kind: str
    start: float
    end: float
    prediction: Prediction | None
