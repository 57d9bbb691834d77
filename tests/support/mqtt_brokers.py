"""Real MQTT brokers on loopback, and a client that records what they deliver."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
NO_MOSQUITTO = "mosquitto is not installed: apt-get install mosquitto"

# Users of the broker with access control, and their passwords.
PASSWORDS = {"sensor": "correct horse", "house": "battery staple", "guest": "open sesame"}
ACCESS = """
user sensor
topic readwrite edge-ser/kitchen/#
topic write homeassistant/device/+/config
topic read homeassistant/status
user house
topic readwrite #
user guest
topic read edge-ser/#
"""


@dataclass(frozen=True)
class Certificates:
    """Files of an authority and of a server and a client that it has signed."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def cert(self, name: str) -> Path:
        return self.folder / f"{name}.pem"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"


def write_certificates(folder: Path) -> Certificates:
    """Create an authority, and certificates for localhost and for a client."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")

    def openssl(*arguments: object) -> None:
        subprocess.run(
            ["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=folder
        )

    new_key = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(*new_key, "-x509", "-days", 30, "-subj", "/CN=Test authority", "-keyout", "ca.key",
            "-out", "ca.pem")  # fmt: skip
    for name in ("localhost", "client"):
        openssl(*new_key, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (folder / "names").write_text(f"subjectAltName=DNS:{name}\n")
        cert = f"{name}.pem"
        openssl("x509", "-req", "-days", 30, "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey",
                "ca.key", "-CAcreateserial", "-extfile", "names", "-out", cert)  # fmt: skip
    return Certificates(folder)


def free_port() -> int:
    """Return a port of loopback on which nothing listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Process:
    """A broker as a process that can be killed and started again on the same port."""

    def __init__(self, command: list[str], port: int) -> None:
        self.command = command
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until the port is open."""
        self._process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 20
        while time.monotonic() < end:
            assert self._process.poll() is None, "the broker has ended"
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            time.sleep(0.02)
        raise AssertionError("the broker does not start")

    def kill(self) -> None:
        """End with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def mosquitto(
    folder: Path, certificates: Certificates | None = None, *, client_certificates: bool = False
) -> Iterator[Process]:
    """Run mosquitto; with certificates it uses TLS, passwords and access control."""
    if MOSQUITTO is None:
        pytest.skip(NO_MOSQUITTO)
    port = free_port()
    lines = ["user root", f"listener {port} 127.0.0.1", "max_inflight_messages 0"]
    if certificates is None:
        lines += ["allow_anonymous true"]
    else:
        lines += [
            f"cafile {certificates.ca}",
            f"certfile {certificates.cert('localhost')}",
            f"keyfile {certificates.key('localhost')}",
        ]
        if client_certificates:
            lines += ["require_certificate true", "allow_anonymous true"]
        else:
            passwords, access = folder / "passwords", folder / "access"
            passwords.write_text("".join(f"{u}:{p}\n" for u, p in PASSWORDS.items()))
            subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
            access.write_text(ACCESS)
            lines += ["allow_anonymous false", f"password_file {passwords}", f"acl_file {access}"]
    config = folder / "mosquitto.conf"
    config.write_text("\n".join(lines) + "\n")
    process = Process([MOSQUITTO, "-c", str(config)], port)
    process.start()
    try:
        yield process
    finally:
        process.kill()


AMQTT = """
import asyncio, sys
from amqtt.broker import Broker

async def main():
    broker = Broker({
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{sys.argv[1]}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    })
    await broker.start()
    await asyncio.Event().wait()

asyncio.run(main())
"""


@contextlib.contextmanager
def amqtt() -> Iterator[Process]:
    """Run amqtt, a broker in Python."""
    pytest.importorskip("amqtt")
    port = free_port()
    process = Process([sys.executable, "-W", "ignore", "-c", AMQTT, str(port)], port)
    process.start()
    try:
        yield process
    finally:
        process.kill()


@dataclass(frozen=True)
class Delivery:
    """A message that a broker has delivered."""

    time: float
    topic: str
    payload: str
    retained: bool

    @property
    def json(self) -> Any:
        return json.loads(self.payload)


class Recorder:
    """A client that records all messages, and connects again at once if the broker ends."""

    def __init__(
        self,
        port: int,
        topic: str = "#",
        *,
        user: str | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        from paho.mqtt import client as mqtt

        self.deliveries: list[Delivery] = []
        self._change = threading.Condition()
        self._topic = topic
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.reconnect_delay_set(0.02, 0.05)
        self._client.on_connect = lambda client, *_: client.subscribe(self._topic, 1)
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._received
        self.n_subscriptions = 0
        if user is not None:
            self._client.username_pw_set(user, PASSWORDS[user])
        if certificates is not None:
            self._client.tls_set(str(certificates.ca))
        self._client.connect_async("localhost" if certificates else "127.0.0.1", port)
        self._client.loop_start()
        self.wait(lambda: self.n_subscriptions > 0)

    def _subscribed(self, *_: object) -> None:
        with self._change:
            self.n_subscriptions += 1
            self._change.notify_all()

    def _received(self, _client: object, _data: object, message: Any) -> None:
        now = time.monotonic()
        text = message.payload.decode()
        with self._change:
            self.deliveries.append(Delivery(now, message.topic, text, message.retain))
            self._change.notify_all()

    def wait(self, condition: Callable[[], object], timeout: float = 15.0) -> None:
        """Wait until a condition holds."""
        with self._change:
            assert self._change.wait_for(condition, timeout), self.deliveries[-5:]

    def of(self, topic: str) -> list[Delivery]:
        """Return the deliveries of a topic."""
        return [delivery for delivery in list(self.deliveries) if delivery.topic == topic]

    def wait_for(self, topic: str, payload: str | None = None, count: int = 1) -> Delivery:
        """Wait for a number of messages of a topic, and return the last of them."""

        def matches() -> list[Delivery]:
            return [d for d in self.of(topic) if payload in (None, d.payload)]

        self.wait(lambda: len(matches()) >= count)
        return matches()[-1]

    def publish(self, topic: str, payload: str, retain: bool = False) -> None:
        """Publish a message, and wait until the broker has it."""
        self._client.publish(topic, payload, 1, retain).wait_for_publish(10)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def retained(port: int, topic: str = "#") -> dict[str, str]:
    """Return what a client that subscribes now receives at once."""
    with Recorder(port, topic) as recorder:
        time.sleep(0.3)
        return {d.topic: d.payload for d in recorder.deliveries if d.retained}
