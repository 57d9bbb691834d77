"""`edge-ser serve` as a process, and small HTTP clients."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.paths import ROOT

START_SECONDS = 60

# Runs the command with deadlines that a test can wait for.
HEADER_SECONDS, BODY_SECONDS = 3.0, 4.0
SHORT_DEADLINES = f"""
import functools, sys
from edge_runtime.serve import protocol, settings

protocol.HEADER_SECONDS = {HEADER_SECONDS}
settings.Limits = functools.partial(settings.Limits, body_timeout={BODY_SECONDS})
sys.argv[0] = "edge-ser"
from edge_runtime.__main__ import main
main()
"""

# Runs the command with a microphone that plays a file after a while.
WITH_MICROPHONE = """
import os, sys, threading, time, types
import numpy as np
from support import fake_sounddevice as fake

class Stream(fake.FakeStream):
    def start(self):
        threading.Thread(target=self.play, daemon=True).start()

    def play(self):
        time.sleep(1)
        samples = np.load(os.environ["FAKE_MICROPHONE"])
        silence = np.zeros(800, np.float32)
        parts = [samples[k:k + 800] for k in range(0, len(samples), 800)]
        while True:
            block = (parts.pop(0) if parts else silence)[:, None]
            self.callback(block, len(block), None, types.SimpleNamespace(input_overflow=False))
            time.sleep(0.02)

module = types.ModuleType("sounddevice")
module.PortAudioError = fake.FakePortAudioError
module.query_devices = lambda: [
    {"name": "Fake", "max_input_channels": 1, "default_samplerate": 16000.0}
]
module.default = types.SimpleNamespace(device=[0, 0])
module.InputStream = Stream
sys.modules["sounddevice"] = module
sys.argv[0] = "edge-ser"
from edge_runtime.__main__ import main
main()
"""


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """A running server.

    Args:
        process: The process.
        url: Address of the page.
        lines: Lines that it prints on stderr.
    """

    def __init__(self, process: subprocess.Popen[str], url: str, lines: queue.Queue[str]) -> None:
        self.process, self.url, self._lines = process, url, lines
        self.port = int(url.rstrip("/").rpartition(":")[2])

    def request(
        self,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        *,
        method: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            method = method or ("GET" if body is None else "POST")
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())

    def upload(self, path: str, content: bytes, kind: str = "audio/wav", **headers: str) -> Answer:
        """Send a recording."""
        return self.request(path, content, headers={"Content-Type": kind, **headers})

    def form(self, path: str, *parts: tuple[str, str | None, bytes]) -> Answer:
        """Send a form of names, file names and contents."""
        boundary = "boundary-of-the-test"
        body = b""
        for name, filename, content in parts:
            disposition = f'form-data; name="{name}"'
            if filename is not None:
                disposition += f'; filename="{filename}"'
            body += f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
            body += content + b"\r\n"
        body += f"--{boundary}--\r\n".encode()
        return self.request(
            path, body, headers={"Content-Type": f"multipart/form-data; boundary={boundary}"}
        )

    def raw(self, data: bytes, timeout: float = 20) -> bytes:
        """Send bytes, and return all that comes back until the connection is closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as sock:
            sock.sendall(data)
            received = b""
            with contextlib.suppress(OSError):
                while chunk := sock.recv(65_536):
                    received += chunk
            return received

    def metric(self, name: str) -> float:
        """Return the value of a metric, 0 if there is none yet."""
        for line in self.request("/metrics").body.decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return 0.0

    def stderr(self) -> list[str]:
        """Return the lines that were printed since the last call."""
        lines = []
        with contextlib.suppress(queue.Empty):
            while True:
                lines.append(self._lines.get_nowait())
        return lines

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the server; return its status."""
        self.process.send_signal(number)
        return self.process.wait(20)


@contextlib.contextmanager
def running_server(
    *arguments: object, folder: Path, code: str | None = None, **environment: str
) -> Iterator[Server]:
    """Run a server until the block ends.

    Args:
        arguments: Options of `edge-ser serve`.
        folder: Its folder for profiles.
        code: Python code to run instead of `edge-ser`; `sys.argv` has the options.
        environment: Further variables.
    """
    command = (
        [sys.executable, "-m", "edge_runtime"] if code is None else [sys.executable, "-c", code]
    )
    process = subprocess.Popen(
        [*command, "serve", "--port", "0", *map(str, arguments)],
        cwd=ROOT,
        env={
            **os.environ,
            "EDGE_SER_PROFILES": str(folder / "profiles"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
            **environment,
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            lines.put(line.rstrip("\n"))
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    try:
        printed = []
        while not (line := lines.get(timeout=START_SECONDS)).startswith("edge-ser: serving on "):
            printed.append(line)
            assert line or process.poll() is None, "\n".join(printed)
        yield Server(process, line.removeprefix("edge-ser: serving on "), lines)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def token_subprotocol(token: str) -> str:
    """Return the subprotocol by which browsers send a token."""
    return "edge-ser.token." + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
