"""Errors as problems of RFC 9457.

https://www.rfc-editor.org/rfc/rfc9457
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from ..errors import AudioError, ConfigError, EdgeSerError
from ..messages import printable

CONTENT_TYPE = "application/problem+json"

# Every code, with its status.
CODES = {
    "invalid_option": 400,
    "invalid_body": 400,
    "unauthorised": 401,
    "origin_not_allowed": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "slow_body": 408,
    "profile_exists": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
    "host_not_allowed": 421,
    "unreadable_audio": 422,
    "too_many_requests": 429,
    "internal_error": 500,
    "busy": 503,
    "closing": 503,
}


class ProblemError(Exception):
    """An error that a client is informed about.

    Args:
        code: One of `CODES`.
        detail: The error, for people.
        retry_after: Seconds after which another attempt may succeed.
        close: Close the connection, because the body may not have been read.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        retry_after: float | None = None,
        close: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code, self.status, self.detail = code, CODES[code], detail
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["retry-after"] = str(max(1, math.ceil(retry_after)))
        if close:
            self.headers["connection"] = "close"

    @classmethod
    def of(cls, error: Exception) -> ProblemError:
        """Return the problem for an error of the package."""
        if isinstance(error, ProblemError):
            return error
        if isinstance(error, ConfigError):
            return cls("invalid_option", printable(str(error)))
        if isinstance(error, AudioError):
            # The advice for standard input does not apply.
            message = str(error).removesuffix("; raw PCM requires --rate")
            return cls("unreadable_audio", printable(message))
        if isinstance(error, MemoryError):
            return cls("unreadable_audio", "the recording does not fit into memory")
        if isinstance(error, EdgeSerError):
            return cls("internal_error", printable(str(error)))
        return cls("internal_error", "the server failed; its log has the reason")

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the problem as JSON values."""
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
        }
