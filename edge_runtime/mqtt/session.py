"""One connection to an MQTT broker, from its start to its loss."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from ..errors import ConfigError, EdgeSerError
from ..messages import missing_package, shorten_error, system_reason
from .broker import Broker

KEEPALIVE_SECONDS = 30  # of silence, after which the connection is tested
TIMEOUT_SECONDS = 5.0  # of each step of connecting


class BrokerError(EdgeSerError):
    """A broker that cannot be used.

    Attributes:
        reason: The reason, without the address.
        advice: The remedy; may be empty.
    """

    def __init__(self, broker: Broker, reason: str, advice: str = "") -> None:
        super().__init__(f"{broker}: {reason}" + (f"; {advice}" if advice else ""))
        self.reason = reason
        self.advice = advice


class Session:
    """A connection to a broker. It is never reopened: a new one takes its place.

    paho's network thread calls the functions that are passed here; they must not block.

    Args:
        broker: The broker.
        client_id: Identity of the client; the broker ends an older connection of the same.
        will: Topic and payload that the broker publishes, retained, if the connection is lost.
        on_change: Called when a message is acknowledged and when the connection is lost.
        on_message: Called with topic, payload and True for a retained message.

    Attributes:
        lost: Reason why the connection was lost; None while it is open.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        *,
        will: tuple[str, str] | None = None,
        on_change: Callable[[], None] = lambda: None,
        on_message: Callable[[str, bytes, bool], None] = lambda topic, payload, retained: None,
    ) -> None:
        mqtt = import_paho()
        self.lost: str | None = None
        self._broker = broker
        self._on_change = on_change
        self._on_message = on_message
        self._refusal: Any = None  # reason code of the broker
        self._answered = threading.Event()  # connection accepted, refused or lost
        self._acknowledged: deque[int] = deque()  # message numbers not yet collected
        self._granted: dict[int, bool] = {}
        self._subscribed = threading.Condition()
        self._client: Any = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        client = self._client
        client.connect_timeout = TIMEOUT_SECONDS
        client.on_socket_open = self._socket_opened
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_publish = self._published
        client.on_subscribe = self._subscription_answered
        client.on_message = self._received
        if broker.user is not None:
            client.username_pw_set(broker.user, broker.password)
        if will is not None:
            client.will_set(*will, qos=1, retain=True)
        if broker.tls:
            client.tls_set_context(broker.tls_context())

    def open(self) -> None:
        """Connect and log in.

        Raises:
            BrokerError: If that fails.
        """
        try:
            self._client.connect(self._broker.host, self._broker.port, KEEPALIVE_SECONDS)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            self._release()
            raise BrokerError(self._broker, *explain(error, self._broker)) from error
        self._client.loop_start()
        answered = self._answered.wait(TIMEOUT_SECONDS)
        if self._refusal is not None:
            self._release()
            raise BrokerError(self._broker, *_explain_refusal(self._refusal, self._broker))
        if not answered or self.lost is not None:
            self.close()
            expected = "does it expect TLS (mqtts://)?" if not self._broker.tls else ""
            raise BrokerError(self._broker, "the broker does not answer as MQTT does", expected)

    def socket(self) -> Any:
        """Return the socket, for its TLS certificate; None if it is closed."""
        return self._client.socket()

    def subscribe(self, *topics: str, timeout: float = TIMEOUT_SECONDS) -> list[bool]:
        """Subscribe to topics, and return for each whether the broker allows it.

        Args:
            topics: The topics.
            timeout: Seconds to wait for the answers; 0 does not wait, and returns False for each.
        """
        numbers = [self._client.subscribe(topic, 1)[1] for topic in topics]
        with self._subscribed:
            self._subscribed.wait_for(
                lambda: all(number in self._granted for number in numbers), timeout
            )
        return [self._granted.get(number, False) for number in numbers]

    def publish(self, topic: str, payload: str, *, qos: int = 1, retain: bool = False) -> int:
        """Send a message without waiting, and return its number for `acknowledged`.

        Args:
            topic: The topic.
            payload: The payload.
            qos: Quality of service, 0 or 1.
            retain: The broker keeps the message for later subscribers.
        """
        number: int = self._client.publish(topic, payload, qos=qos, retain=retain).mid
        return number

    def acknowledged(self) -> set[int]:
        """Return the numbers of the messages acknowledged since the last call."""
        numbers = set()
        with contextlib.suppress(IndexError):
            while True:
                numbers.add(self._acknowledged.popleft())
        return numbers

    def close(self) -> None:
        """Disconnect; the broker then does not publish the will."""
        self._client.disconnect()
        self._release()

    def abort(self) -> None:
        """Close the connection without a farewell; the broker then publishes the will."""
        sock = self._client.socket()
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._release()

    def _release(self) -> None:
        """Wait for the network thread, and free its sockets without the garbage collector."""
        client, self._client = self._client, None
        client.loop_stop()

    # Called by the network thread.

    def _socket_opened(self, _client: Any, _data: Any, sock: Any) -> None:
        # Small messages must not wait for the acknowledgement of earlier ones.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _connected(self, _client: Any, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        if code.is_failure:
            self._refusal = code
        self._answered.set()

    def _disconnected(self, _client: Any, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        name = str(code)
        self.lost = "closed by the broker or the network" if name == "Unspecified error" else name
        self._answered.set()
        self._on_change()

    def _published(self, _client: Any, _data: Any, number: int, _code: Any, _more: Any) -> None:
        self._acknowledged.append(number)
        self._on_change()

    def _subscription_answered(
        self, _client: Any, _data: Any, number: int, codes: Any, _more: Any
    ) -> None:
        with self._subscribed:
            self._granted[number] = not any(code.is_failure for code in codes)
            self._subscribed.notify_all()

    def _received(self, _client: Any, _data: Any, message: Any) -> None:
        self._on_message(message.topic, message.payload, message.retain)


def import_paho() -> Any:
    """Import paho-mqtt, which takes longer than to classify a clip.

    Raises:
        ConfigError: If it is missing or too old.
    """
    try:
        from paho.mqtt import client
    except ImportError as error:
        raise ConfigError(missing_package("--mqtt", "paho-mqtt", "mqtt")) from error
    if not hasattr(client, "CallbackAPIVersion"):
        raise ConfigError(missing_package("--mqtt", "paho-mqtt 2.1 or newer", "mqtt"))
    return client


def explain(error: Exception, broker: Broker) -> tuple[str, str]:
    """Return the reason of a failed connection, and the advice.

    Args:
        error: The error of the socket.
        broker: The broker.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = f"the certificate is not valid: {error.verify_message or shorten_error(error)}"
        if "self" in reason or "issuer" in reason:
            return reason, "pass the certificate of its authority with --mqtt-ca"
        if "match" in reason:
            return reason, "use the host name in the certificate"
        return reason, ""
    if isinstance(error, ssl.SSLError):
        if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
            return "the port does not use TLS", "use mqtt://, or the port for TLS"
        return f"TLS failed: {error.reason or shorten_error(error)}", ""
    if isinstance(error, socket.gaierror):
        return "the host name cannot be resolved", "check the name, or use the IP address"
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_SECONDS:g} s", "check the address and the firewall"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused", "check the port; does the broker run there?"
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        expected = "does not use TLS" if broker.tls else "expects TLS"
        return "connection closed by the broker", f"check whether the port {expected}"
    return system_reason(error), ""


def _explain_refusal(code: Any, broker: Broker) -> tuple[str, str]:
    """Return the reason why a broker refused a login, and the advice."""
    name = str(code)
    if name in ("Not authorized", "Bad user name or password"):
        if broker.user is None:
            return "the broker requires a user name", "use mqtt://USER@HOST and a password"
        if broker.password is None:
            return f"the broker refused user {broker.user} without a password", (
                "pass --mqtt-password-file or EDGE_SER_MQTT_PASSWORD"
            )
        return f"the broker refused user {broker.user}", "check user name and password"
    return f"the broker refused the connection: {name}", ""
