"""Checks of an MQTT broker: address, TLS, login and permissions, as findings."""

from __future__ import annotations

import ipaddress
import json
import queue
import secrets
import socket
import ssl
import time
from collections.abc import Iterator

from ..errors import EdgeSerError
from ..mqtt.broker import Broker
from ..mqtt.node import Node
from ..mqtt.session import TIMEOUT_SECONDS, BrokerError, Session, explain, import_paho
from . import system_info
from .finding import Finding, Severity

NOT_PUBLISHED = "Nothing can be published."
ECHO_SECONDS = 3.0  # until a message must have come back
RETAINED_SECONDS = 0.3  # until a retained message must have arrived
MIN_CERTIFICATE_DAYS = 14


def check_mqtt(broker: Broker, node: Node) -> Iterator[Finding]:
    """Yield findings about a broker, up to the first step that fails.

    A message is published to the topic `doctor` below the topic of the node, and must come back.

    Args:
        broker: The broker.
        node: The node that publishes to it.
    """
    try:
        import_paho()
    except EdgeSerError as error:
        yield Finding("package", Severity.warning, str(error), NOT_PUBLISHED)
        return
    yield Finding("package", Severity.ok, f"paho-mqtt {system_info.installed('paho-mqtt')}")
    try:
        with socket.create_connection((broker.host, broker.port), TIMEOUT_SECONDS) as connection:
            address = str(connection.getpeername()[0])
    except OSError as error:
        reason, advice = explain(error, broker)
        yield _failure("address", f"{broker}: {reason}", advice)
        return
    yield Finding("address", Severity.ok, f"{broker} ({address})")
    messages: queue.SimpleQueue[tuple[str, bytes, bool]] = queue.SimpleQueue()
    try:
        session = Session(
            broker,
            f"{node.id}_{secrets.token_hex(4)}",  # `listen` may be connected
            on_message=lambda *message: messages.put(message),
        )
        session.open()
    except BrokerError as error:
        yield _failure("login", error.reason, error.advice)
        return
    except EdgeSerError as error:
        yield _failure("encryption", str(error), "")
        return
    try:
        yield _encryption(broker, address, session)
        yield Finding("login", Severity.ok, f"as {broker.user}" if broker.user else "anonymous")
        yield from _permissions(session, node, messages)
    finally:
        session.close()


def _failure(name: str, found: str, advice: str) -> Finding:
    advice = f"{advice[:1].upper()}{advice[1:]}" + ("." if advice and advice[-1] != "?" else "")
    return Finding(name, Severity.warning, found, NOT_PUBLISHED, advice)


def _encryption(broker: Broker, address: str, session: Session) -> Finding:
    """Return a finding about TLS, or its absence."""
    if not broker.tls:
        is_local = ipaddress.ip_address(address.partition("%")[0]).is_loopback
        if broker.password is None or is_local:
            return Finding("encryption", Severity.ok, "none")
        return Finding(
            "encryption",
            Severity.note,
            "none",
            "Other devices of the network can read the password.",
            "Use mqtts:// if the broker supports TLS.",
        )
    sock = session.socket()
    certificate = {} if sock is None else sock.getpeercert()
    version = "TLS" if sock is None else sock.version()
    end = certificate.get("notAfter")
    if end is None:
        return Finding("encryption", Severity.ok, version)
    days = int((ssl.cert_time_to_seconds(end) - time.time()) / 86_400)
    found = f"{version}, certificate valid for {days} days"
    if days >= MIN_CERTIFICATE_DAYS:
        return Finding("encryption", Severity.ok, found)
    return Finding(
        "encryption",
        Severity.note,
        found,
        "Connecting fails when the certificate has expired.",
        "Renew the certificate of the broker.",
    )


def _permissions(
    session: Session, node: Node, messages: queue.SimpleQueue[tuple[str, bytes, bool]]
) -> Iterator[Finding]:
    """Yield findings about the topics that the user may read and write."""
    topic = f"{node.base}/doctor"
    can_read, has_commands, has_status, _ = session.subscribe(
        topic, node.set_listening, node.home_assistant, node.discovery
    )
    token = secrets.token_hex(8)
    started = time.monotonic()
    session.publish(topic, token)
    milliseconds = None
    if can_read:
        while _receive(messages, started + ECHO_SECONDS, topic) not in (token.encode(), None):
            pass
        if time.monotonic() < started + ECHO_SECONDS:
            milliseconds = 1000 * (time.monotonic() - started)
    if milliseconds is not None:
        yield Finding("topics", Severity.ok, f"{node.base}/#, echo after {milliseconds:.1f} ms")
    else:
        yield Finding(
            "topics",
            Severity.warning,
            f"a message to {topic} did not come back",
            NOT_PUBLISHED,
            f"Allow the user to read and write {node.base}/# in the access control of the broker.",
        )
    if not has_commands:
        yield Finding(
            "commands",
            Severity.note,
            f"{node.set_listening} cannot be read",
            "The switch that mutes the microphone has no effect.",
            f"Allow the user to read {node.base}/#.",
        )
    if not has_status:
        yield Finding(
            "discovery",
            Severity.note,
            f"{node.home_assistant} cannot be read",
            "The device is not announced again when Home Assistant starts without its registry.",
            f"Allow the user to read {node.home_assistant}.",
        )
        return
    payload = _receive(messages, time.monotonic() + RETAINED_SECONDS, node.discovery)
    # mosquitto accepts a subscription that its access control forbids, and delivers nothing.
    found = "no announcement to read; `edge-ser listen --mqtt` publishes it"
    if payload:
        try:
            found = f"announced as {json.loads(payload)['device']['name']}"
        except (ValueError, KeyError, TypeError):
            found = f"{node.discovery} holds another message"
    yield Finding("discovery", Severity.ok, f"{found} ({node.id})")


def _receive(
    messages: queue.SimpleQueue[tuple[str, bytes, bool]], end: float, topic: str
) -> bytes | None:
    """Return the next payload of a topic; None at the end of the waiting time."""
    skipped = []
    payload = None
    while payload is None:
        try:
            message = messages.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            break
        if message[0] == topic:
            payload = message[1]
        else:
            skipped.append(message)
    for message in skipped:
        messages.put(message)
    return payload
