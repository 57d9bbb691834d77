"""Settings of the server: addresses, access and limits."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path

from ..audio.limits import TIMELINE_LIMITS, AudioLimits
from ..errors import ConfigError
from ..files import read_limited
from ..messages import system_reason
from ..validation import check_integer, check_number

DEFAULT_PORT = 8321
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

MAX_TOKEN_BYTES = 1024  # of the file
MIN_TOKEN_LENGTH = 16  # characters

TLS_ADVICE = (
    "for TLS, pass --tls-cert FILE --tls-key FILE, or --tls-self-signed; without it, browsers "
    "allow no microphone on another device"
)


@dataclass(frozen=True)
class Limits:
    """Limits of what clients may use.

    Attributes:
        clip: Maximum duration and size of an upload.
        timeline: The same for timelines.
        max_streams: Live streams at the same time.
        requests_per_minute: Requests of one address.
        max_waiting: Uploads that wait for the processor.
        body_timeout: Seconds without a byte of a body, after which the connection is closed.
        min_body_rate: Bytes per second that a body must reach after `body_timeout`.
        send_timeout: Seconds after which a client that reads nothing is disconnected.
        start_timeout: Seconds within which a stream must start.
        idle_timeout: Seconds without audio after which a stream ends.
        speed: Audio of a stream is processed at most this much faster than real time.
    """

    clip: AudioLimits = field(default_factory=lambda: AudioLimits(max_size=64 << 20))
    timeline: AudioLimits = field(
        default_factory=lambda: AudioLimits(TIMELINE_LIMITS.max_duration, 64 << 20)
    )
    max_streams: int = 8
    requests_per_minute: float = 600.0
    max_waiting: int = 8
    body_timeout: float = 15.0
    min_body_rate: float = 16_384.0
    send_timeout: float = 30.0
    start_timeout: float = 10.0
    idle_timeout: float = 300.0
    speed: float = 4.0

    def __post_init__(self) -> None:
        check_integer("max_streams", self.max_streams, 1, 1000)
        check_number("requests_per_minute", self.requests_per_minute, above=0)

    @property
    def max_body_bytes(self) -> int:
        """Largest body of any request, with the overhead of a multipart form."""
        return int(max(self.clip.max_size, self.timeline.max_size)) + (1 << 16)


@dataclass(frozen=True)
class Access:
    """Access to the server.

    Attributes:
        hosts: Names, in lower case and without a port, by which clients may address the server.
        origins: Origins of other sites whose pages may use it.
        token: Digest of the token, from `digest`. None: no token is required.
    """

    hosts: frozenset[str]
    origins: frozenset[str] = frozenset()
    token: bytes | None = None

    def allows_host(self, host: str, server: str | None) -> bool:
        """Return True if a client may address the server by a name.

        DNS rebinding needs a name. An address is allowed where the connection arrived there.

        Args:
            host: Value of the header Host.
            server: Address at which the connection arrived.
        """
        name = host_name(host)
        return name is not None and (name in self.hosts or name == server)

    def allows_origin(self, origin: str, host: str) -> bool:
        """Return True if pages of an origin may use the server.

        Args:
            origin: Value of the header Origin.
            host: Value of the header Host, which is allowed.
        """
        if origin in self.origins:
            return True
        scheme, _, authority = origin.partition("://")
        return scheme in ("http", "https") and authority.lower() == host.lower()

    def allows_token(self, token: str | None) -> bool:
        """Return True if a token is the right one, in constant time, or none is required."""
        if self.token is None:
            return True
        return token is not None and hmac.compare_digest(digest(token), self.token)


def digest(token: str) -> bytes:
    """Return the digest by which tokens are compared; it hides their length."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def host_name(host: str) -> str | None:
    """Return the name or address in a Host header, without the port; None if it is invalid.

    Example:
        >>> host_name("Box.local:8321"), host_name("[::1]:80"), host_name("a b")
        ('box.local', '::1', None)
    """
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?", host)
    return None if match is None else match[1].strip("[]").lower()


def is_loopback(host: str) -> bool:
    """Return True if an address to listen on is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def allowed_hosts(host: str, names: list[str]) -> frozenset[str]:
    """Return the names by which clients may address the server.

    Args:
        host: Address that it listens on.
        names: Further names, from `--allow-host`.

    Raises:
        ConfigError: If a name is invalid.
    """
    allowed = set(LOOPBACK_NAMES)
    if not is_loopback(host):
        own = socket.gethostname().lower()
        allowed |= {own, f"{own.partition('.')[0]}.local", host.lower()}
    for name in names:
        parsed = host_name(name)
        if parsed is None:
            raise ConfigError(f"--allow-host {name!r} must be a host name or an address")
        allowed.add(parsed)
    return frozenset(allowed)


def check_origin(origin: str) -> str:
    """Return an origin of `--allow-origin`.

    Raises:
        ConfigError: If it is not one.
    """
    if not re.fullmatch(r"https?://[A-Za-z0-9._\[\]:-]+", origin):
        raise ConfigError(
            f"--allow-origin {origin!r} must be an origin, such as https://example.org"
        )
    return origin.lower()


def read_token(path: Path) -> str:
    """Return the token in the first line of a file.

    Raises:
        ConfigError: If it cannot be read, or is too short.
    """
    try:
        text = read_limited(path, MAX_TOKEN_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--token-file {path}: cannot be read: {system_reason(error)}") from error
    token = text.partition("\n")[0].strip()
    if len(token) < MIN_TOKEN_LENGTH or not token.isprintable():
        raise ConfigError(
            f"--token-file {path}: expected {MIN_TOKEN_LENGTH} characters or more in the first "
            "line; make one: `openssl rand -hex 24 > FILE`"
        )
    return token


def decode_subprotocol_token(text: str) -> str | None:
    """Return the token that a browser sends as a subprotocol, in base64url without padding."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("utf-8")
    except ValueError:
        return None
