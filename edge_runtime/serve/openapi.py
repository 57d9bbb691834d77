"""The description of the API, in OpenAPI 3.1.

https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import __version__
from .options import CLASSIFY, CREATE_PROFILE, DOCTOR, TIMELINE, Option
from .problems import CODES, CONTENT_TYPE
from .schemas import SCHEMAS

# Codes that any request may get.
COMMON = ("unauthorised", "origin_not_allowed", "host_not_allowed", "too_many_requests", "closing")
UPLOAD = (
    "invalid_option",
    "slow_body",
    "too_large",
    "unsupported_media_type",
    "unreadable_audio",
    "busy",
    "internal_error",
)


def openapi_document() -> dict[str, Any]:
    """Return the whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "edge-ser",
            "version": __version__,
            "description": "Speech emotion recognition. `WS /v1/stream` with the subprotocol "
            "edge-ser.v1 is described in docs/serve.md.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "paths": _paths(),
        "components": {
            "schemas": {_component(name): schema for name, schema in SCHEMAS.items()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _paths() -> dict[str, Any]:
    timeline_types: dict[str, Any] = {
        # A list with channel=each.
        "application/json": {
            "schema": {
                "oneOf": [
                    _reference("timeline"),
                    {"type": "array", "items": _reference("timeline")},
                ]
            }
        },
        "application/x-ndjson": {"schema": {"type": "string"}},
        "text/csv": {"schema": {"type": "string"}},
        "text/vtt": {"schema": {"type": "string"}},
        "application/x-subrip": {"schema": {"type": "string"}},
        "text/plain": {"schema": {"type": "string"}},
    }
    named = [{"name": "name", "in": "path", "required": True, "schema": CREATE_PROFILE[0].schema()}]
    return {
        "/v1/classify": {
            "post": _upload("classify", "Classify a clip.", CLASSIFY, _content("prediction"))
        },
        "/v1/timeline": {
            "post": _upload("timeline", "Split a recording.", TIMELINE, timeline_types)
        },
        "/v1/doctor": {"post": _upload("doctor", "Check a recording.", DOCTOR, _content("doctor"))},
        "/v1/models": {
            "get": _operation("models", "Describe the model and the limits.", _content("models"))
        },
        "/v1/profiles": {
            "get": _operation(
                "listProfiles",
                "List the profiles.",
                {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "properties": {
                                "profiles": {"type": "array", "items": {"type": "object"}}
                            },
                            "required": ["profiles"],
                        }
                    }
                },
            ),
            "post": {
                **_operation(
                    "createProfile",
                    "Create a profile.",
                    _content("profile"),
                    status="201",
                    codes=(*UPLOAD, "profile_exists"),
                    parameters=CREATE_PROFILE[1:],
                ),
                "requestBody": {
                    "required": True,
                    "content": {
                        "multipart/form-data": {
                            "schema": {
                                "type": "object",
                                "properties": {
                                    "name": CREATE_PROFILE[0].schema(),
                                    "file": {
                                        "type": "array",
                                        "items": {"type": "string", "format": "binary"},
                                        "minItems": 1,
                                    },
                                    "label": {"type": "array", "items": {"type": "string"}},
                                },
                                "required": ["name", "file"],
                            }
                        }
                    },
                },
            },
        },
        "/v1/profiles/{name}": {
            "get": {
                **_operation(
                    "showProfile",
                    "Describe a profile.",
                    _content("profile"),
                    codes=("not_found", "invalid_option"),
                ),
                "parameters": named,
            },
            "delete": {
                **_operation(
                    "deleteProfile",
                    "Delete a profile.",
                    None,
                    status="204",
                    codes=("not_found", "invalid_option"),
                ),
                "parameters": named,
            },
        },
        "/v1/events": {
            "get": _operation(
                "events",
                "Events of the device's microphone, as server-sent events.",
                {"text/event-stream": {"schema": {"type": "string"}}},
                codes=("not_found", "busy"),
            )
        },
        "/healthz": {"get": _operation("healthz", "The process lives.", _text())},
        "/readyz": {"get": _operation("readyz", "The server is ready.", _text(), codes=("busy",))},
        "/metrics": {"get": _operation("metrics", "Counters for Prometheus.", _text())},
        "/openapi.json": {
            "get": _operation(
                "openapi", "This document.", {"application/json": {"schema": {"type": "object"}}}
            )
        },
    }


def _upload(
    identifier: str, summary: str, options: Iterable[Option], content: dict[str, Any]
) -> dict[str, Any]:
    options = list(options)
    operation = _operation(identifier, summary, content, codes=UPLOAD, parameters=options)
    fields = {option.name: option.schema() for option in options}
    binary = {"type": "string", "format": "binary"}
    operation["requestBody"] = {
        "required": True,
        "content": {
            "audio/*": {"schema": binary},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": binary, **fields},
                    "required": ["file"],
                }
            },
        },
    }
    return operation


def _operation(
    identifier: str,
    summary: str,
    content: dict[str, Any] | None,
    *,
    status: str = "200",
    codes: Iterable[str] = (),
    parameters: Iterable[Option] = (),
) -> dict[str, Any]:
    success: dict[str, Any] = {"description": summary}
    if content is not None:
        success["content"] = content
    by_status: dict[int, list[str]] = {}
    for code in (*codes, *COMMON, "invalid_body"):
        by_status.setdefault(CODES[code], []).append(code)
    problems = {
        str(number): {
            "description": ", ".join(dict.fromkeys(names)),
            "content": {CONTENT_TYPE: {"schema": _reference("problem")}},
        }
        for number, names in sorted(by_status.items())
    }
    operation: dict[str, Any] = {
        "operationId": identifier,
        "summary": summary,
        "responses": {status: success, **problems},
    }
    listed = [
        {"name": option.name, "in": "query", "description": option.about, "schema": option.schema()}
        for option in parameters
    ]
    if listed:
        operation["parameters"] = listed
    return operation


def _content(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": _reference(name)}}


def _text() -> dict[str, Any]:
    return {"text/plain": {"schema": {"type": "string"}}}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{_component(name)}"}


def _component(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-"))
