"""JSON schemas of answers and events: one for the command line, HTTP, WebSocket, SSE and MQTT.

https://json-schema.org/draft/2020-12
"""

from __future__ import annotations

from typing import Any

from ..mqtt.publisher import VERSION
from .problems import CODES

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
_OPTIONAL_PROBABILITY = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_SECONDS = {"type": "number", "minimum": 0}

# Fields that `results.rows.answer_row` gives to every answer.
_ANSWER: dict[str, Any] = {
    "label": {"type": ["string", "null"], "description": "The emotion; null without one."},
    "status": {"enum": ["emotion", "uncertain", "no speech"]},
    "guess": {
        "type": ["string", "null"],
        "description": "The most probable emotion, also of an uncertain answer.",
    },
    "confidence": {**_OPTIONAL_PROBABILITY, "description": "Null unless the label is an emotion."},
    "probabilities": {"type": ["object", "null"], "additionalProperties": _PROBABILITY},
    "arousal": {**_OPTIONAL_PROBABILITY, "description": "Null if the model does not predict it."},
}


def _object(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


_CLOCK_TIME = {"type": "string", "description": "ISO 8601; only with --start-time."}
_CLOCK_NAMES = ("start_time", "end_time")
_PERIOD: dict[str, Any] = {
    "start": _SECONDS,
    "end": _SECONDS,
    **dict.fromkeys(_CLOCK_NAMES, _CLOCK_TIME),
}
_SPEECH: dict[str, Any] = {
    "speech_seconds": _SECONDS,
    "shares": {"type": ["object", "null"], "additionalProperties": _PROBABILITY},
    "arousal": _OPTIONAL_PROBABILITY,
}

PREDICTION = _object({"file": {"type": "string"}, **_ANSWER})
SEGMENT = _object({**_PERIOD, **_ANSWER}, optional=_CLOCK_NAMES)
_NAMES: dict[str, Any] = {"file": {"type": "string"}, "channel": {"type": ["string", "null"]}}
_RECORDING: dict[str, Any] = {
    **_NAMES,
    "start_time": _CLOCK_TIME,
    "seconds": _SECONDS,
    "complete": {"type": "boolean"},
    "summary": _object(
        {
            **_SPEECH,
            "longest": {
                "type": ["object", "null"],
                "properties": {"label": {"type": "string"}, "start": _SECONDS, "end": _SECONDS},
                "required": ["label", "start", "end"],
            },
            "first_20_percent": _object(_SPEECH),
            "last_20_percent": _object(_SPEECH),
        }
    ),
}
TIMELINE = _object(
    {**_RECORDING, "segments": {"type": "array", "items": SEGMENT}}, optional=("start_time",)
)
# A line of `edge-ser classify --timeline --format jsonl`.
TIMELINE_LINE: dict[str, Any] = {
    "oneOf": [
        _object(
            {"row": {"const": "segment"}, **_NAMES, **_PERIOD, **_ANSWER}, optional=_CLOCK_NAMES
        ),
        _object({"row": {"const": "summary"}, **_RECORDING}, optional=("start_time",)),
    ]
}
EVENT: dict[str, Any] = {
    "oneOf": [
        _object(
            {"event": {"enum": ["start", "update", "end"]}, **_PERIOD, **_ANSWER},
            optional=_CLOCK_NAMES,
        ),
        _object(
            {"event": {"const": "overrun"}, **_PERIOD, "seconds": _SECONDS}, optional=_CLOCK_NAMES
        ),
    ]
}
# Payloads of MQTT: an "end" with the version of the payload.
_MQTT_STATE: dict[str, Any] = {
    "v": {"const": VERSION},
    "event": {"const": "end"},
    **_PERIOD,
    **_ANSWER,
}
MQTT_STATE = _object(_MQTT_STATE, optional=(*_CLOCK_NAMES, "probabilities"))
MQTT_EVENT = _object(
    {**_MQTT_STATE, "event_type": {"type": "string"}}, optional=(*_CLOCK_NAMES, "probabilities")
)
PROBLEM = _object(
    {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"enum": sorted(set(CODES.values()))},
        "detail": {"type": "string"},
        "code": {"enum": list(CODES)},
        "request_id": {"type": "string"},
    }
)
PROFILE = _object(
    {
        "name": {"type": "string"},
        "kind": {"enum": ["logits", "statistics"]},
        "seconds": _SECONDS,
        "labels": {"type": "array", "items": {"type": "string"}},
        "answers": {"type": "object", "additionalProperties": {"type": "integer"}},
        "labelled": {"type": ["object", "null"]},
        "warnings": {"type": "array", "items": {"type": "string"}},
        "model": {"type": "string"},
    }
)
FINDING = _object(
    {
        "name": {"type": "string"},
        "severity": {"enum": ["ok", "note", "warning"]},
        "found": {"type": "string"},
        "meaning": {"type": "string"},
        "advice": {"type": "string"},
    }
)
DOCTOR = _object(
    {
        "checks": {"type": "array", "items": {"type": "object"}},
        "clips": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "file": {"type": "string"},
                    "recording": {"type": "object"},
                    "prediction": {"type": ["object", "null"]},
                    "findings": {"type": "array", "items": FINDING},
                },
                "required": ["file"],
            },
        },
        "verdict": {"type": "string"},
    }
)

_COUNTS = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}
_NUMBER = {"type": "integer", "minimum": 0}
_STRINGS = {"type": "array", "items": {"type": "string"}}
_INTERVAL = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
_SCORES = _object(
    {
        "clips": _NUMBER,
        "uar": _PROBABILITY,
        "accuracy": _PROBABILITY,
        "recall": {"type": "object", "additionalProperties": _PROBABILITY},
        "confusion": {"type": "array", "items": {"type": "array", "items": _NUMBER}},
        "uar_interval": _INTERVAL,
        "interval_unit": {"enum": ["speakers", "clips"]},
        "ece": _PROBABILITY,
        "reliability": {"type": "array", "items": {"type": "object"}},
        "no_speech": _NUMBER,
        "no_speech_by_label": _COUNTS,
        "uncertain": _NUMBER,
        "accuracy_of_certain": _OPTIONAL_PROBABILITY,
    }
)
_PROFILES = _object(
    {
        "clips": _NUMBER,
        "speakers": _NUMBER,
        "without": _SCORES,
        "with": _SCORES,
        "difference": {"type": "number"},
        "difference_interval": _INTERVAL,
    }
)
# The report of `edge-ser score --json`.
SCORE = _object(
    {
        "model": {"type": "string"},
        "file": {"type": "string"},
        "data": _STRINGS,
        "with_profiles": {"type": "boolean"},
        "other_labels": _COUNTS,
        "errors": _STRINGS,
        "schema": {"type": "integer"},
        "labels": _STRINGS,
        "clips": _NUMBER,
        "speakers": _NUMBER,
        "clips_of_unknown_speakers": _NUMBER,
        "corpora": _COUNTS,
        "trained_on": _STRINGS,
        "labels_without_clips": _STRINGS,
        "threshold": _PROBABILITY,
        "scores": _SCORES,
        "by_corpus": {"type": "object", "additionalProperties": _SCORES},
        "profiles": {"oneOf": [_PROFILES, {"type": "null"}]},
        "lost": {
            "type": "array",
            "items": _object(
                {
                    "file": {"type": "string"},
                    "label": {"type": "string"},
                    "speaker": {"type": ["string", "null"]},
                }
            ),
        },
    },
    optional=("by_corpus",),
)

MODELS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "models": {"type": "array", "items": {"type": "object"}},
        "limits": {"type": "object", "additionalProperties": {"type": "number"}},
        "microphone": {"type": "boolean"},
        "version": {"type": "string"},
    },
    "required": ["models", "limits", "microphone", "version"],
}

# Messages of a live stream besides events.
STREAM_MESSAGE: dict[str, Any] = {
    "oneOf": [
        _object(
            {
                "type": {"const": "started"},
                "sample_rate": {"type": "integer"},
                "labels": {"type": "array", "items": {"type": "string"}},
            }
        ),
        _object({"type": {"const": "flushed"}}),
        _object({"type": {"const": "problem"}, "problem": PROBLEM}),
    ]
}

SCHEMAS: dict[str, dict[str, Any]] = {
    "prediction": PREDICTION,
    "timeline": TIMELINE,
    "timeline-line": TIMELINE_LINE,
    "segment": SEGMENT,
    "event": EVENT,
    "mqtt-state": MQTT_STATE,
    "mqtt-event": MQTT_EVENT,
    "stream-message": STREAM_MESSAGE,
    "profile": PROFILE,
    "doctor": DOCTOR,
    "score": SCORE,
    "models": MODELS,
    "problem": PROBLEM,
}


def standalone(name: str) -> dict[str, Any]:
    """Return a schema with its dialect and title, as it is published in `schemas/`."""
    return {"$schema": DIALECT, "title": f"edge-ser {name}", **SCHEMAS[name]}
