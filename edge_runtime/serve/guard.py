"""Checks before the application: host, origin, token, rate and size of bodies.

They are ASGI middleware below the framework, so that it never gets a request that is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sys
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from .metrics import Metrics
from .problems import CONTENT_TYPE, ProblemError
from .settings import Access, Limits, decode_subprotocol_token

SUBPROTOCOL = "edge-ser.v1"
TOKEN_SUBPROTOCOL = "edge-ser.token."

# A page of this server may use itself only, and no other site may embed it.
SECURITY_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"microphone=(self), camera=(), geolocation=()"),
)

MAX_ADDRESSES = 10_000  # whose rates are known


class GoneError(Exception):
    """The client has left, or does not read."""


class RateLimiter:
    """Token buckets by address: a burst of ten seconds, and a rate.

    Args:
        per_minute: Requests per minute.
        clock: Returns the time in seconds.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_minute / 60
        self._burst = max(1.0, 10 * self._rate)
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Count a request; return 0, or the seconds after which it is allowed."""
        now = self._clock()
        level, then = self._levels.pop(address, (self._burst, now))
        level = min(self._burst, level + (now - then) * self._rate)
        wait = 0.0
        if level >= 1:
            level -= 1
        else:
            wait = (1 - level) / self._rate
        self._levels[address] = (level, now)
        while len(self._levels) > MAX_ADDRESSES:
            self._levels.popitem(last=False)
        return wait


class BodyBudget:
    """Bytes of all bodies that are in memory.

    Args:
        max_bytes: Largest sum.
    """

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes

    def take(self, n_bytes: int) -> None:
        """Count bytes.

        Raises:
            ProblemError: If there are too many.
        """
        if n_bytes > self._left:
            raise ProblemError("busy", "too much is being uploaded", retry_after=2, close=True)
        self._left -= n_bytes

    def release(self, n_bytes: int) -> None:
        """Free bytes."""
        self._left += n_bytes


class _Body:
    """Counts the bytes of a body, and refuses slow and large ones.

    Args:
        scope: The request.
        receive: Receives its messages.
        limits: The limits.
        budget: The budget of all bodies.
    """

    def __init__(self, scope: Scope, receive: Receive, limits: Limits, budget: BodyBudget) -> None:
        self._receive, self._limits, self._budget = receive, limits, budget
        self._declared = 0
        for name, value in scope["headers"]:
            if name.lower() == b"content-length" and value.isdigit():
                self._declared = int(value[:20])
        self._started = time.monotonic()
        self._n_bytes = 0
        self._ended = False

    async def receive(self) -> Message:
        """Return the next message.

        Raises:
            ProblemError: If the body is too large or arrives too slowly.
        """
        limits = self._limits
        if self._ended:  # waits for the disconnection
            return await self._receive()
        if self._declared > limits.max_body_bytes:
            raise _too_large(limits)
        allowed = limits.body_timeout + self._n_bytes / limits.min_body_rate
        left = min(limits.body_timeout, self._started + allowed - time.monotonic())
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, left))
        except asyncio.TimeoutError:
            raise ProblemError("slow_body", "the body arrives too slowly", close=True) from None
        if message["type"] == "http.request":
            n_new = len(message.get("body", b""))
            self._budget.take(n_new)
            self._n_bytes += n_new
            self._ended = not message.get("more_body", False)
            if self._n_bytes > limits.max_body_bytes:
                raise _too_large(limits)
        return message

    def release(self) -> None:
        """Free the bytes of the budget."""
        self._budget.release(self._n_bytes)
        self._n_bytes = 0


class Guard:
    """Refuses requests, limits bodies, and adds the headers that every answer has.

    Args:
        app: The application.
        access: Names, origins and token by which it may be used.
        limits: The limits.
        metrics: Counts the requests.
        route_of: Returns the template of a path, "other" for an unknown one.
        is_public: Returns True for paths that require no token: the page and the health checks.
        is_closing: Returns True while the server closes.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        limits: Limits,
        metrics: Metrics,
        route_of: Callable[[str], str],
        is_public: Callable[[str], bool],
        is_closing: Callable[[], bool],
    ) -> None:
        self._app, self._access, self._limits, self._metrics = app, access, limits, metrics
        self._route_of, self._is_public, self._is_closing = route_of, is_public, is_closing
        self._rates = RateLimiter(limits.requests_per_minute)
        self._budget = BodyBudget(2 * limits.max_body_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Process a request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(scope, send, request_id, self._limits.send_timeout)
        started = time.monotonic()
        body = _Body(scope, receive, self._limits, self._budget)
        try:
            self._check(scope)
            is_http = scope["type"] == "http"
            await self._app(scope, body.receive if is_http else receive, answer.send)
        except (GoneError, WebSocketDisconnect):
            raise  # the protocol closes the connection
        except Exception as error:
            problem = ProblemError.of(error)
            if problem.status == 500:
                # A traceback holds names and line numbers, and no audio.
                print(f"edge-ser: request {request_id} failed:", file=sys.stderr)
                traceback.print_exception(error, file=sys.stderr)
            await answer.problem(problem)
        finally:
            body.release()
            route = self._route_of(scope["path"])
            method = scope.get("method", "WEBSOCKET")
            if method not in ("GET", "HEAD", "POST", "DELETE", "OPTIONS", "WEBSOCKET"):
                method = "OTHER"
            self._metrics.request(method, route, answer.status, time.monotonic() - started)

    def _check(self, scope: Scope) -> None:
        """Raise a ProblemError for a request that is refused.

        The host is first: a page that reaches this server by DNS rebinding has an origin that
        equals its host.
        """
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        hosts = headers.get(b"host", [])
        host = hosts[0].decode("latin-1") if len(hosts) == 1 else ""
        server = scope.get("server")
        if not self._access.allows_host(host, server[0] if server else None):
            raise ProblemError(
                "host_not_allowed",
                f"host {host[:100]!r} is not allowed; start the server with --allow-host NAME",
                close=True,
            )
        origins = headers.get(b"origin", [])
        for origin in origins:
            if not self._access.allows_origin(origin.decode("latin-1").lower(), host):
                raise ProblemError(
                    "origin_not_allowed",
                    "pages of other sites may not use this server; see --allow-origin",
                    close=True,
                )
        client = scope.get("client")
        wait = self._rates.wait(client[0] if client else "")
        if wait:
            raise ProblemError(
                "too_many_requests",
                f"more than {self._limits.requests_per_minute:g} requests per minute",
                retry_after=wait,
                close=True,
            )
        if not self._is_public(scope["path"]) and not self._access.allows_token(
            _token_of(scope, headers)
        ):
            raise ProblemError(
                "unauthorised",
                "a token is required: send `Authorization: Bearer TOKEN`",
                close=True,
                headers={"www-authenticate": "Bearer"},
            )
        if self._is_closing() and scope["path"] != "/healthz":
            raise ProblemError("closing", "the server is closing", retry_after=5, close=True)


def _token_of(scope: Scope, headers: dict[bytes, list[bytes]]) -> str | None:
    """Return the token of a request; a browser sends that of a WebSocket as a subprotocol."""
    for value in headers.get(b"authorization", []):
        scheme, _, token = value.decode("latin-1").partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
    if scope["type"] == "websocket":
        for name in scope.get("subprotocols", []):
            if name.startswith(TOKEN_SUBPROTOCOL):
                return decode_subprotocol_token(name.removeprefix(TOKEN_SUBPROTOCOL))
    return None


def _too_large(limits: Limits) -> ProblemError:
    return ProblemError(
        "too_large",
        f"the body has more than {limits.max_body_bytes} bytes; see --max-size",
        close=True,
    )


class _Answer:
    """The answer to a request: adds headers, and gives up on clients that do not read."""

    def __init__(self, scope: Scope, send: Send, request_id: str, timeout: float) -> None:
        self.status = 499  # the client left before the answer
        self._is_websocket = scope["type"] == "websocket"
        self._send, self._timeout, self._request_id = send, timeout, request_id
        self._started = False

    async def send(self, message: Message) -> None:
        """Send a message of the application."""
        kind = message["type"]
        if kind in ("http.response.start", "websocket.http.response.start", "websocket.accept"):
            self._started = True
            self.status = message.get("status", 101)
            headers = [*message.get("headers", []), *SECURITY_HEADERS]
            headers.append((b"x-request-id", self._request_id.encode()))
            message = {**message, "headers": headers}
        try:
            await asyncio.wait_for(self._send(message), self._timeout)
        except asyncio.TimeoutError:
            raise GoneError("the client does not read the answer") from None
        except OSError as error:
            raise GoneError(str(error)) from None

    async def problem(self, problem: ProblemError) -> None:
        """Send a problem, if no answer has begun."""
        if self._started:
            raise GoneError("the answer broke off")
        prefix = "websocket.http" if self._is_websocket else "http"
        body = json.dumps(problem.body(self._request_id)).encode()
        headers: dict[str, Any] = {
            "content-type": CONTENT_TYPE,
            "content-length": str(len(body)),
            "cache-control": "no-store",
            **problem.headers,
        }
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        start = {"type": f"{prefix}.response.start", "status": problem.status, "headers": encoded}
        with contextlib.suppress(GoneError):
            await self.send(start)
            await self.send({"type": f"{prefix}.response.body", "body": body})
