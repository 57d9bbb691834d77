"""Name and identity of a machine on an MQTT broker, and its topics."""

from __future__ import annotations

import hashlib
import hmac
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError
from ..messages import brief_repr

# Random at installation, and confidential: only hashes of it leave the machine (machine-id(5)).
MACHINE_ID_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id")
APPLICATION = b"edge-ser mqtt "

DEFAULT_PREFIX = "homeassistant"
MAX_NODE_LENGTH = 64
MAX_TOPIC_BYTES = 200  # of MQTT's 65535, so that all topics below it are readable


@dataclass(frozen=True)
class Node:
    """A machine that publishes, and its topics.

    Attributes:
        node: Its name in topics: 1 to 64 letters, digits, "-" and "_".
        name: Its name for people.
        id: Its identity, `edge_ser_` and 12 hexadecimal digits.
        base: The topic above all others.
        prefix: Discovery prefix of Home Assistant.

    Example:
        >>> node = Node.create("kitchen")
        >>> node.state, node.name
        ('edge-ser/kitchen/state', 'Edge SER kitchen')
    """

    node: str
    name: str
    id: str
    base: str
    prefix: str = DEFAULT_PREFIX

    @classmethod
    def create(
        cls,
        node: str | None = None,
        name: str | None = None,
        base: str | None = None,
        prefix: str = DEFAULT_PREFIX,
    ) -> Node:
        """Return the node of this machine.

        Args:
            node: Name in topics. Default: the host name.
            name: Name for people. Default: "Edge SER" and the node.
            base: The topic above all others. Default: `edge-ser/NODE`.
            prefix: Discovery prefix of Home Assistant.

        Raises:
            ConfigError: If a name or a topic is not valid.
        """
        if node is None:
            node = re.sub(r"[^a-z0-9_-]+", "-", platform.node().partition(".")[0].lower())
            node = node.strip("-")[:MAX_NODE_LENGTH] or "device"
        if not re.fullmatch(rf"[A-Za-z0-9_-]{{1,{MAX_NODE_LENGTH}}}", node):
            raise ConfigError(
                f"--mqtt-node {brief_repr(node)}: expected 1 to {MAX_NODE_LENGTH} letters, digits, "
                "- and _"
            )
        name = f"Edge SER {node}" if name is None else name.strip()
        if not name or not name.isprintable():
            raise ConfigError(f"--mqtt-name {brief_repr(name)}: must be printable and not empty")
        base = f"edge-ser/{node}" if base is None else base
        check_topic("--mqtt-topic", base)
        check_topic("--mqtt-discovery-prefix", prefix)
        return cls(node, name, node_id(node), base, prefix)

    @property
    def status(self) -> str:
        """Topic of `online` and `offline`."""
        return f"{self.base}/status"

    @property
    def state(self) -> str:
        """Topic of the last utterance."""
        return f"{self.base}/state"

    @property
    def event(self) -> str:
        """Topic of every utterance."""
        return f"{self.base}/event"

    @property
    def speech(self) -> str:
        """Topic of ON during speech, else OFF."""
        return f"{self.base}/speech"

    @property
    def listening(self) -> str:
        """Topic of ON, or OFF while muted."""
        return f"{self.base}/listening"

    @property
    def set_listening(self) -> str:
        """Topic of the commands ON and OFF."""
        return f"{self.base}/listening/set"

    @property
    def level(self) -> str:
        """Topic of the level in dBFS."""
        return f"{self.base}/level"

    @property
    def discovery(self) -> str:
        """Topic of the discovery message."""
        return f"{self.prefix}/device/{self.id}/config"

    @property
    def home_assistant(self) -> str:
        """Topic of the status of Home Assistant."""
        return f"{self.prefix}/status"

    @property
    def retained(self) -> tuple[str, ...]:
        """All topics with a retained message."""
        return (self.discovery, self.status, self.state, self.speech, self.listening)


def node_id(node: str) -> str:
    """Return the identity of a node on this machine.

    It is a keyed hash of the machine's id, as machine-id(5) demands, and of the node: two nodes of
    one machine differ. Without a machine id the host name takes its place.

    Args:
        node: Name of the node.
    """
    secret = platform.node()
    for name in MACHINE_ID_FILES:
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if re.fullmatch("[0-9a-f]{32}", text):
            secret = text
            break
    digest = hmac.new(secret.encode(), APPLICATION + node.encode(), hashlib.sha256)
    return f"edge_ser_{digest.hexdigest()[:12]}"


def check_topic(option: str, topic: str) -> None:
    """Raise ConfigError unless a topic can be published to.

    Args:
        option: Name of the option, for the message.
        topic: The topic.
    """
    levels = topic.split("/")
    if (
        not all(levels)
        or not topic.isprintable()
        or set("+#") & set(topic)
        or topic.startswith("$")
        or len(topic.encode()) > MAX_TOPIC_BYTES
    ):
        raise ConfigError(
            f"{option} {brief_repr(topic)}: expected levels such as edge-ser/kitchen, without "
            f"wildcards (+ and #) and with at most {MAX_TOPIC_BYTES} bytes"
        )
