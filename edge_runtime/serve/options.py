"""Options of requests: names and bounds, for parsing and for the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..messages import brief_repr
from ..streaming.speech_detectors import VADS
from .problems import ProblemError


@dataclass(frozen=True)
class Option:
    """An option of a request.

    Attributes:
        name: Its name.
        kind: JSON type: "number", "integer", "boolean" or "string"; with `choices` for an integer,
            these texts are valid, too.
        about: Its meaning.
        low: Smallest value.
        high: Largest value.
        choices: The valid texts.
        max_length: Longest text.
    """

    name: str
    kind: str
    about: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    max_length: int = 255

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        schema: dict[str, Any] = {"type": self.kind}
        if self.choices and self.kind == "string":
            schema["enum"] = list(self.choices)
        elif self.kind == "string":
            schema |= {"minLength": 1, "maxLength": self.max_length}
        if self.low is not None:
            schema["minimum"] = self.low
        if self.high is not None:
            schema["maximum"] = self.high
        if self.choices and self.kind == "integer":
            return {"oneOf": [schema, {"enum": list(self.choices)}]}
        return schema

    def parse(self, text: str) -> Any:
        """Return the value of a text.

        Raises:
            ProblemError: If it is not valid.
        """
        value: Any = text
        if text in self.choices:
            return text
        if self.kind in ("number", "integer"):
            pattern = r"-?\d{1,15}" if self.kind == "integer" else r"-?\d{1,15}(\.\d{0,15})?"
            if not re.fullmatch(pattern, text, re.ASCII):
                raise self._problem(text)
            value = int(text) if self.kind == "integer" else float(text)
        elif self.kind == "boolean":
            if text not in ("true", "false"):
                raise self._problem(text)
            value = text == "true"
        return self.check(value)

    def check(self, value: Any) -> Any:
        """Return a JSON value.

        Raises:
            ProblemError: If it is not valid.
        """
        if self.kind in ("number", "integer"):
            valid = isinstance(value, int if self.kind == "integer" else (int, float))
            valid = valid and not isinstance(value, bool)
            valid = valid and (self.low is None or value >= self.low)
            valid = valid and (self.high is None or value <= self.high)
        elif self.kind == "boolean":
            valid = isinstance(value, bool)
        else:
            valid = isinstance(value, str) and 1 <= len(value) <= self.max_length
            valid = valid and (not self.choices or value in self.choices)
        if not valid:
            raise self._problem(value)
        return value

    def _problem(self, value: Any) -> ProblemError:
        expected = self.kind
        if self.choices and self.kind == "string":
            expected = f"one of {', '.join(self.choices)}"
        elif self.low is not None or self.high is not None:
            bounds = f"{self.low:g}" if self.low is not None else ""
            upper = f" to {self.high:g}" if self.high is not None else " or more"
            kind = f"{'an' if self.kind == 'integer' else 'a'} {self.kind}"
            expected = f"{kind} from {bounds}{upper}" if bounds else f"{kind}{upper}"
            expected = " or ".join([expected, *self.choices])
        return ProblemError("invalid_option", f"{self.name}={brief_repr(value)} must be {expected}")


EACH = "each"  # a value of channel
CHANNEL = Option("channel", "integer", "Use only this channel, counted from 1.", 1, 64)
THRESHOLD = Option("threshold", "number", 'Answer "uncertain" below this confidence.', 0.0, 1.0)
SPEECH_THRESHOLD = Option(
    "speech_threshold", "number", "Probability from which a frame is speech.", 0.0, 1.0
)
PROFILE = Option("profile", "string", "Name of the speaker's profile.", max_length=64)
NAME = Option("name", "string", "Name of the recording in the answer.")
RAW = (
    Option("rate", "integer", "Sample rate in Hz; the body is then raw PCM.", 1000, 768_000),
    Option("channels", "integer", "Interleaved channels of raw PCM.", 1, 64),
    Option(
        "encoding",
        "string",
        "Sample format of raw PCM.",
        choices=(
            *("u8", "s8", "s16le", "s16be", "s24le", "s24_4le", "s32le", "f32le", "f64le"),
            *("mulaw", "alaw"),
        ),
    ),
)
CLASSIFY = (NAME, CHANNEL, THRESHOLD, SPEECH_THRESHOLD, PROFILE, *RAW)

TIMELINE_FORMATS = ("json", "jsonl", "csv", "srt", "vtt", "audacity")
TIMELINE = (
    NAME,
    Option(
        "channel",
        "integer",
        "Use only this channel, counted from 1; each: a timeline for every channel.",
        *(1, 64, (EACH,)),
    ),
    *CLASSIFY[2:],
    Option("format", "string", "Format of the answer.", choices=TIMELINE_FORMATS),
    Option("window", "number", "Seconds per classification.", 0.5, 60.0),
    Option("hop", "number", "Seconds from one window to the next.", 0.05, 60.0),
    Option("min_segment", "number", "Seconds of the shortest emotion in speech.", 0.0, 60.0),
    Option("min_pause", "number", "Seconds of the shortest pause.", 0.1, 60.0),
    Option("vad", "string", "Detector of speech; silero requires the extra vad.", choices=VADS),
    Option("start_time", "string", "Start of the recording in ISO 8601, for clock times."),
)
DOCTOR = (NAME,)
CREATE_PROFILE = (
    Option("name", "string", "Name of the profile.", max_length=64),
    Option("force", "boolean", "Replace an existing profile."),
)

STREAM = (
    Option("sample_rate", "integer", "Sample rate in Hz.", 1000, 768_000),
    Option("format", "string", "Sample format.", choices=RAW[2].choices),
    Option("channels", "integer", "Interleaved channels.", 1, 64),
    CHANNEL,
    PROFILE,
    THRESHOLD,
    SPEECH_THRESHOLD,
    Option("adapt", "boolean", "Adapt to the speaker."),
    Option("updates", "boolean", "Send the prediction during an utterance."),
    Option("all", "boolean", "Send utterances without speech, too."),
    Option("pause", "number", "Silence in seconds that ends an utterance.", 0.2, 10.0),
    Option("max_duration", "number", "Split utterances longer than this.", 1.0, 600.0),
    Option("min_duration", "number", "Ignore utterances with less sound.", 0.0, 60.0),
    Option("cooldown", "number", "Ignore new utterances for this long.", 0.0, 86_400.0),
)


def parse_options(options: Iterable[Option], pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the options of a query or a form.

    Args:
        options: The valid options.
        pairs: Names and values.

    Raises:
        ProblemError: If an option is unknown, given twice or invalid.
    """
    by_name = {option.name: option for option in options}
    values: dict[str, Any] = {}
    for name, text in pairs:
        if name not in by_name:
            raise _unknown(name, by_name)
        if name in values:
            raise ProblemError("invalid_option", f"{name} is given twice")
        values[name] = by_name[name].parse(text)
    return values


def check_options(options: Iterable[Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a JSON object; None stands for an option that is not given.

    Raises:
        ProblemError: If an option is unknown or invalid.
    """
    by_name = {option.name: option for option in options}
    for name in given:
        if name not in by_name:
            raise _unknown(name, by_name)
    return {name: by_name[name].check(v) for name, v in given.items() if v is not None}


def _unknown(name: str, by_name: Mapping[str, Option]) -> ProblemError:
    return ProblemError(
        "invalid_option", f"option {brief_repr(name)} is unknown; expected {', '.join(by_name)}"
    )
