"""The application: routes, errors and the files of the page."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from .api import Api
from .guard import Guard
from .problems import ProblemError
from .service import Service
from .settings import Access

PAGE_FOLDER = Path(__file__).with_name("page")
PAGE_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}

HEALTH = ("/healthz", "/readyz", "/openapi.json")


class Page:
    """The files of the page, held in memory and compressed."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[bytes, bytes, str, str]] = {}
        for path in sorted(PAGE_FOLDER.iterdir()):
            if path.suffix not in PAGE_TYPES:
                continue
            content = path.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            compressed = gzip.compress(content, 9, mtime=0)
            self._files[path.name] = (content, compressed, PAGE_TYPES[path.suffix], tag)

    @property
    def compressed_bytes(self) -> int:
        """Size of all files as they are sent."""
        return sum(len(compressed) for _, compressed, _, _ in self._files.values())

    async def respond(self, request: Request) -> Response:
        """Return a file."""
        name = request.path_params.get("file", "index.html")
        if name not in self._files:
            raise ProblemError("not_found", "there is no such page")
        content, compressed, media_type, tag = self._files[name]
        headers = {"etag": tag, "cache-control": "no-cache", "vary": "accept-encoding"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            content = compressed
            headers["content-encoding"] = "gzip"
        return Response(content, headers=headers, media_type=media_type)


def create_app(service: Service, access: Access) -> ASGIApp:
    """Return the application.

    Args:
        service: The shared state.
        access: Names, origins and token by which it may be used.
    """
    api, page = Api(service), Page()
    routes = [
        Route("/", page.respond),
        Route("/page/{file}", page.respond),
        Route("/healthz", api.healthz),
        Route("/readyz", api.readyz),
        Route("/metrics", api.metrics),
        Route("/openapi.json", api.openapi),
        Route("/v1/classify", api.classify, methods=["POST"]),
        Route("/v1/timeline", api.timeline, methods=["POST"]),
        Route("/v1/doctor", api.doctor, methods=["POST"]),
        Route("/v1/models", api.models),
        Route("/v1/profiles", api.list_profiles),
        Route("/v1/profiles", api.create_profile, methods=["POST"]),
        Route("/v1/profiles/{name}", api.show_profile),
        Route("/v1/profiles/{name}", api.delete_profile, methods=["DELETE"]),
        Route("/v1/events", api.events),
        WebSocketRoute("/v1/stream", api.stream),
    ]
    # Without Starlette's application, which answers unknown errors before the guard gets them.
    router = Router(routes, redirect_slashes=False)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = router  # makes the router raise HTTPException
        try:
            await router(scope, receive, send)
        except HTTPException as error:
            raise _as_problem(scope.get("method", ""), error) from None

    templates = {route.path for route in routes if isinstance(route, (Route, WebSocketRoute))}

    def route_of(path: str) -> str:
        for template in ("/page/{file}", "/v1/profiles/{name}"):
            if path.startswith(template.partition("{")[0]):
                return template
        return path if path in templates else "other"

    def is_public(path: str) -> bool:
        return path == "/" or path.startswith("/page/") or path in HEALTH

    return Guard(
        app, access, service.limits, service.metrics, route_of, is_public, service.closing.is_set
    )


def _as_problem(method: str, error: HTTPException) -> ProblemError:
    """Convert an error of the framework."""
    if error.status_code == 405:
        return ProblemError(
            "method_not_allowed",
            f"{method} is not supported here",
            close=True,
            headers={name.lower(): value for name, value in (error.headers or {}).items()},
        )
    if error.status_code == 404:
        return ProblemError("not_found", "there is no such resource", close=True)
    return ProblemError("invalid_body", error.detail, close=True)
