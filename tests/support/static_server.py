"""A static web server in a thread, which remembers the requests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PREFIX = "/edge-ser/"  # a folder, as on pages of a project


class StaticServer(ThreadingHTTPServer):
    """Serve a folder below `PREFIX`, and another one after `GET /publish`.

    Args:
        folder: The folder.
        next_folder: The folder after `/publish`.

    Attributes:
        requests: Paths of the requests so far.
    """

    daemon_threads = True

    def __init__(self, folder: Path, next_folder: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.next_folder = folder, next_folder or folder
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://127.0.0.1:{self.server_address[1]}{PREFIX}"


class Handler(SimpleHTTPRequestHandler):
    """Serve the folder of the server, and the list of requests under `/requests`."""

    server: StaticServer
    extensions_map = {
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".json": "application/json",
        ".svg": "image/svg+xml",
        ".wasm": "application/wasm",
        ".webmanifest": "application/manifest+json",
        "": "application/octet-stream",
    }

    def do_GET(self) -> None:
        if self.path == "/publish":
            self.server.folder = self.server.next_folder
        if self.path in ("/publish", "/requests"):
            content = json.dumps(self.server.requests).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            return
        self.server.requests.append(self.path)
        del self.headers["If-Modified-Since"]  # two versions may be written within a second
        super().do_GET()

    def translate_path(self, path: str) -> str:
        name = path.partition("?")[0].removeprefix(PREFIX) or "index.html"
        return str(self.server.folder / name)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serve_folder(folder: Path, next_folder: Path | None = None) -> Iterator[StaticServer]:
    """Serve a folder while the context lasts."""
    server = StaticServer(folder, next_folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
