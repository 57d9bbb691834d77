"""Access to the server: hosts, origins, tokens and limits, over raw sockets."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import edge_ser
from support.paths import VOICES
from support.servers import (
    BODY_SECONDS,
    HEADER_SECONDS,
    SHORT_DEADLINES,
    Server,
    running_server,
    token_subprotocol,
)

pytest.importorskip("starlette")

from edge_runtime.serve.guard import BodyBudget, RateLimiter
from edge_runtime.serve.problems import ProblemError
from edge_runtime.serve.settings import Access, allowed_hosts, digest, host_name

TOKEN = "correct horse battery staple"
WAV = (VOICES / "sad" / "speaker01-1.wav").read_bytes()


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    """A server on all addresses, with a token and a limit of 1 MB."""
    folder = tmp_path_factory.mktemp("server")
    token = folder / "token"
    token.write_text(f"{TOKEN}\n")
    with running_server(
        *("--host", "0.0.0.0", "--token-file", token, "--allow-host", "box.example"),
        *("--allow-origin", "https://friend.example", "--max-size", "1M", "--max-requests", "1e6"),
        folder=folder,
        code=SHORT_DEADLINES,
    ) as running:
        yield running


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def lines(*headers: str, path: str = "/v1/models", method: str = "GET") -> bytes:
    return "\r\n".join(
        [f"{method} {path} HTTP/1.1", *headers, "Connection: close", "", ""]
    ).encode()


HOSTS = {
    "127.0.0.1:{port}": True,
    "localhost": True,
    "LOCALHOST:{port}": True,
    "box.example": True,
    "[::1]:{port}": True,
    "evil.example": False,
    "127.0.0.1.evil.example": False,
    "127.0.0.2": False,
    "box.example.": False,
    "": False,
}
ORIGINS = {
    None: True,
    "http://{host}": True,
    "https://{host}": True,
    "https://friend.example": True,
    "https://evil.example": False,
    "https://friend.example.evil.example": False,
    "null": False,
    "file://": False,
}
TOKENS = {
    f"Bearer {TOKEN}": True,
    f"bearer {TOKEN}": True,
    None: False,
    "Bearer ": False,
    f"Bearer {TOKEN[:-1]}": False,
    f"Bearer {TOKEN}e": False,
    f"Basic {TOKEN}": False,
}


def test_every_host_origin_and_token(server):
    for host, host_ok in HOSTS.items():
        host = host.format(port=server.port)
        for origin, origin_ok in ORIGINS.items():
            for token, token_ok in TOKENS.items():
                headers = [f"Host: {host}"]
                if origin is not None:
                    headers.append(f"Origin: {origin.format(host=host)}")
                if token is not None:
                    headers.append(f"Authorization: {token}")
                expected = 200 if token_ok else 401
                expected = expected if origin_ok else 403
                expected = expected if host_ok else 421
                assert status_of(server.raw(lines(*headers))) == expected, headers


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/", 200), ("/healthz", 200), ("/readyz", 200), ("/openapi.json", 200), ("/metrics", 401)]
    + [("/v1/profiles", 401), ("/v1/events", 401), ("//v1/models", 401), ("/page/../v1", 401)],
)
def test_only_the_page_and_health_need_no_token(server, path, expected):
    answer = status_of(server.raw(lines("Host: localhost", path=path)))
    assert answer == expected or (path.startswith("/page/") and answer == 404)


def test_a_token_in_the_query_is_no_token(server):
    for path in (f"/v1/models?token={TOKEN[:7]}", f"/v1/models?access_token={TOKEN[:7]}"):
        assert status_of(server.raw(lines("Host: localhost", path=path))) == 401


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], 400),
        (["Host: localhost", "Host: localhost"], 400),
        (["Host: localhost:99999999"], 421),
        (["Host: localhost", "Origin: http://localhost", "Origin: http://evil.example"], 403),
    ],
)
def test_ambiguous_headers_are_refused(server, headers, expected):
    token = f"Authorization: Bearer {TOKEN}"
    assert status_of(server.raw(lines(*headers, token))) == expected


HANDSHAKE = (
    *("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (["Host: localhost"], 401),
        (["Host: localhost", "Origin: https://evil.example"], 403),
        (["Host: evil.example", "Origin: http://evil.example"], 421),
        (["Host: localhost", f"Sec-WebSocket-Protocol: {token_subprotocol('wrong token')}"], 401),
        (["Host: localhost", f"Sec-WebSocket-Protocol: {token_subprotocol(TOKEN)}"], 400),
        (
            [
                "Host: localhost",
                f"Sec-WebSocket-Protocol: edge-ser.v1, {token_subprotocol(TOKEN)}",
                "Origin: http://localhost",
            ],
            101,
        ),
    ],
    ids=["no token", "origin", "host", "wrong token", "no version", "accepted"],
)
def test_a_stream_is_refused_before_it_begins(server, headers, expected):
    request = "\r\n".join(["GET /v1/stream HTTP/1.1", *headers, *HANDSHAKE, "", ""]).encode()
    with socket.create_connection(("127.0.0.1", server.port), 20) as sock:
        sock.sendall(request)
        answer = sock.recv(65_536)
    assert status_of(answer) == expected
    if expected == 101:
        assert b"edge-ser.v1\r\n" in answer and b"edge-ser.token" not in answer


def upload(server: Server, **headers: str):
    return server.upload("/v1/classify", WAV, Authorization=f"Bearer {TOKEN}", **headers)


def test_bodies_beyond_the_limit_are_refused(server):
    token = f"Authorization: Bearer {TOKEN}"
    begin = ("Host: localhost", token, "Content-Type: audio/wav")
    declared = lines(*begin, "Content-Length: 9999999", path="/v1/classify", method="POST")
    assert status_of(server.raw(declared)) == 413
    chunked = lines(*begin, "Transfer-Encoding: chunked", path="/v1/classify", method="POST")
    chunk = b"10000\r\n" + bytes(65_536) + b"\r\n"
    with contextlib.suppress(ConnectionError):  # the server need not read the rest
        assert status_of(server.raw(chunked + 30 * chunk)) == 413
    assert upload(server).status == 200


@pytest.mark.slow
def test_slow_connections_leave_room_for_others(server):
    """Headers and bodies that never end are cut off, and meanwhile others are answered."""
    slow = []
    head = lines("Host: localhost", f"Authorization: Bearer {TOKEN}", path="/v1/classify",
                 method="POST")  # fmt: skip
    for k in range(60):
        sock = socket.create_connection(("127.0.0.1", server.port), 40)
        sock.sendall(
            b"GET / HTTP/1.1\r\nHost: local"
            if k % 2
            else head[:-2] + b"Content-Type: audio/wav\r\nContent-Length: 900000\r\n\r\nRIFF"
        )
        slow.append(sock)
    started = time.monotonic()
    assert upload(server).status == 200
    assert time.monotonic() - started < 5
    for k, sock in enumerate(slow):
        answer = sock.recv(4096)
        assert answer == b"" if k % 2 else status_of(answer) == 408
        sock.close()
    assert time.monotonic() - started < 2 * max(HEADER_SECONDS, BODY_SECONDS) + 10


def test_large_headers_are_refused(server):
    answer = server.raw(lines("Host: localhost", f"X-Long: {'x' * 100_000}"))
    assert status_of(answer) in (0, 400, 401, 431)
    assert upload(server).status == 200


def test_a_flood_is_slowed_down(tmp_path):
    with running_server("--max-requests", "60", folder=tmp_path) as running:
        answers = [running.request("/healthz") for _ in range(15)]
    refused = [answer for answer in answers if answer.status == 429]
    assert refused and answers[0].status == 200
    assert int(refused[0].headers["retry-after"]) >= 1
    assert refused[0].json()["code"] == "too_many_requests"


@pytest.mark.slow
def test_other_addresses_require_a_token(tmp_path):
    done = edge_ser("serve", "--host", "0.0.0.0")
    assert done.returncode == 2
    assert "requires --token-file" in done.stderr and "--tls-self-signed" in done.stderr
    short = tmp_path / "token"
    short.write_text("short\n")
    done = edge_ser("serve", "--host", "0.0.0.0", "--token-file", short)
    assert done.returncode == 2 and "expected 16 characters or more" in done.stderr
    done = edge_ser("serve", "--mqtt", "mqtt://localhost")
    assert done.returncode == 2 and "require --microphone" in done.stderr


@pytest.mark.slow
def test_a_port_in_use_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as busy:
        done = edge_ser("serve", "--port", busy.getsockname()[1])
    assert done.returncode == 2 and "cannot listen on 127.0.0.1" in done.stderr


@pytest.mark.slow
def test_a_self_signed_certificate_encrypts(tmp_path):
    import shutil
    import ssl
    import urllib.request

    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    with running_server("--tls-self-signed", folder=tmp_path) as running:
        assert running.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(tmp_path / "tls" / "certificate.pem"))
        with urllib.request.urlopen(f"{running.url}healthz", context=context) as answer:
            assert answer.read() == b"ok\n"
    if os.name == "posix":
        assert (tmp_path / "tls" / "key.pem").stat().st_mode & 0o77 == 0


def test_nothing_is_written(tmp_path):
    """Uploads of several megabytes leave neither files nor log lines with their name."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with running_server(folder=tmp_path, TMPDIR=str(temporary)) as running:
        content = WAV + bytes(5 << 20)
        parts = [("file", "secret-name.wav", content)]
        assert running.form("/v1/classify", *parts).status == 200
        assert running.form("/v1/timeline", *parts).status == 200
        descriptors = Path(f"/proc/{running.process.pid}/fd")
        if descriptors.is_dir():
            opened = {os.readlink(path) for path in descriptors.iterdir() if int(path.name) > 2}
            assert not [name for name in opened if str(tmp_path) in name or "deleted" in name]
        running.stop()
        assert "secret-name" not in "\n".join(running.stderr())
    assert not list(temporary.iterdir()) and not (tmp_path / "profiles").exists()


def test_host_names_are_parsed_strictly():
    assert host_name("Box.Local:80") == "box.local"
    for invalid in ("", "a b", "a:b", "a:1:2", "http://a", "a/b", "é", "a\x00", "[::1", "@a"):
        assert host_name(invalid) is None, invalid


def test_loopback_names_are_the_only_ones_by_default():
    access = Access(allowed_hosts("127.0.0.1", []))
    assert access.hosts == {"localhost", "127.0.0.1", "::1"}
    assert access.allows_host("192.168.1.7:80", "192.168.1.7")
    assert not access.allows_host("192.168.1.7:80", "127.0.0.1")
    assert not access.allows_origin("http://localhost:1", "localhost:2")
    assert Access(frozenset(), token=digest("a")).allows_token("a")
    assert not Access(frozenset(), token=digest("a")).allows_token(None)


def test_the_rate_is_that_of_each_address():
    now = 0.0
    limiter = RateLimiter(60, clock=lambda: now)
    assert [limiter.wait("a") for _ in range(10)] == 10 * [0.0]
    assert limiter.wait("a") == pytest.approx(1) and limiter.wait("b") == 0
    now = 1.5
    assert limiter.wait("a") == 0 and limiter.wait("a") > 0


def test_bodies_share_a_budget():
    budget = BodyBudget(10)
    budget.take(6)
    with pytest.raises(ProblemError) as refused:
        budget.take(6)
    assert refused.value.status == 503 and refused.value.headers["retry-after"] == "2"
    budget.release(6)
    budget.take(10)


def test_problems_are_json(server):
    answer = server.raw(lines("Host: evil.example"))
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert body["code"] == "host_not_allowed" and "--allow-host" in body["detail"]
