"""Command-line options of MQTT, and the writer that publishes the events of `listen`."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import __version__
from ..errors import ConfigError
from ..inference.prediction import NO_SPEECH, UNCERTAIN
from ..messages import printable
from ..mqtt.node import DEFAULT_PREFIX, Node
from ..results.rows import event_row

if TYPE_CHECKING:
    from ..inference.network import Network
    from ..mqtt.broker import Broker
    from ..mqtt.publisher import Publisher
    from ..streaming.listen_events import ListenEvent
    from .clock_times import StreamClock
    from .event_output import EventWriter


@dataclass(frozen=True)
class BrokerOptions:
    """The broker and the node; the attributes are the options of the same names."""

    mqtt: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="MQTT broker: mqtt://[USER@]HOST[:PORT], or mqtts:// for TLS."
        ),
    ] = None
    mqtt_password_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            readable=False,
            help="File with the password [default: $EDGE_SER_MQTT_PASSWORD, or the systemd "
            "credential mqtt-password].",
        ),
    ] = None
    mqtt_ca: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            readable=False,
            help="Certificates to trust [default: those of the system].",
        ),
    ] = None
    mqtt_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", readable=False, help="Client certificate.")
    ] = None
    mqtt_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            readable=False,
            help="Key of the client certificate [default: in the file of the certificate].",
        ),
    ] = None
    mqtt_node: Annotated[
        str | None,
        typer.Option(
            metavar="NODE", help="Name of this device in topics [default: the host name]."
        ),
    ] = None
    mqtt_topic: Annotated[
        str | None,
        typer.Option(metavar="TOPIC", help="Topic above all others [default: edge-ser/NODE]."),
    ] = None
    mqtt_discovery_prefix: Annotated[
        str, typer.Option(metavar="TOPIC", help="Discovery prefix of Home Assistant.")
    ] = DEFAULT_PREFIX

    def broker(self, **others: object) -> Broker | None:
        """Return the broker, or None without `--mqtt`.

        Args:
            **others: Values of further options that require `--mqtt`, by name; false without them.

        Raises:
            ConfigError: If an option is not valid, or is given without `--mqtt`.
        """
        if self.mqtt is None:
            for field in fields(self):
                others.setdefault(field.name.removeprefix("mqtt_"), getattr(self, field.name))
            others["discovery_prefix"] = others["discovery"] = None  # have defaults
            for name, value in others.items():
                if value:
                    raise ConfigError(f"--mqtt-{name.replace('_', '-')} requires --mqtt URL")
            return None
        from ..mqtt.broker import Broker, read_password

        # A password that is meant for another broker must not make an anonymous login an error.
        password = None
        if self.mqtt_password_file is not None or "@" in self.mqtt:
            password = read_password(self.mqtt_password_file)
        return Broker.parse(
            self.mqtt, password, ca=self.mqtt_ca, cert=self.mqtt_cert, key=self.mqtt_key
        )

    def new_node(self, name: str | None = None) -> Node:
        """Return the node.

        Args:
            name: Its name in Home Assistant. Default: derived from the node.

        Raises:
            ConfigError: If a name or a topic is not valid.
        """
        return Node.create(self.mqtt_node, name, self.mqtt_topic, self.mqtt_discovery_prefix)


@dataclass(frozen=True)
class PublishOptions(BrokerOptions):
    """The broker, and the messages to publish; the attributes are the options of the same names."""

    mqtt_name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help='Name of this device in Home Assistant [default: "Edge SER NODE"].'
        ),
    ] = None
    mqtt_discovery: Annotated[
        bool,
        typer.Option(
            "--mqtt-discovery/--no-mqtt-discovery", help="Announce this device to Home Assistant."
        ),
    ] = True
    mqtt_probabilities: Annotated[
        bool, typer.Option("--mqtt-probabilities", help="Publish the probabilities of all labels.")
    ] = False
    mqtt_level: Annotated[
        bool, typer.Option("--mqtt-level", help="Publish the level in dBFS every second.")
    ] = False

    def new_publisher(self, broker: Broker, network: Network) -> Publisher:
        """Return a publisher for the predictions of a model.

        Args:
            broker: The broker.
            network: The network of the model.
        """
        from ..mqtt.discovery import discovery_message
        from ..mqtt.publisher import Publisher

        node = self.new_node(self.mqtt_name)
        message = None
        if self.mqtt_discovery:
            message = discovery_message(
                node,
                (*network.labels, NO_SPEECH, UNCERTAIN),
                network.card.name,
                __version__,
                has_arousal=network.card.arousal is not None,
                has_level=self.mqtt_level,
            )
        return Publisher(
            broker,
            node,
            message,
            probabilities=self.mqtt_probabilities,
            level=self.mqtt_level,
            report=print_report,
        )


MqttForgetOption = Annotated[
    bool,
    typer.Option(
        "--mqtt-forget", help="Remove this device from the broker and Home Assistant, and exit."
    ),
]


def forget_node(broker: Broker, node: Node) -> None:
    """Remove all retained messages of a node, and report it on stderr."""
    from ..mqtt.publisher import forget

    forget(broker, node)
    print_report(f"removed the retained messages of {node.base} from {broker}")


def print_report(text: str) -> None:
    """Print a line about the connection on stderr, over the live line of a terminal."""
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{clear}edge-ser: mqtt: {printable(text)}", file=sys.stderr, flush=True)


class PublishingWriter:
    """An event writer that publishes what another one writes.

    Args:
        writer: The other writer.
        publisher: The publisher.
        clock: Clock time of the stream.
    """

    def __init__(self, writer: EventWriter, publisher: Publisher, clock: StreamClock) -> None:
        self._writer = writer
        self._publisher = publisher
        self._clock = clock

    def add(self, event: ListenEvent, shown: bool = True) -> None:
        """Publish and write an event; published first, as stdout may be slow."""
        self._publisher.add(event_row(event, self._clock.start_time))
        self._writer.add(event, shown)

    def show_level(self, seconds: float, level: float) -> None:
        """Publish and show the level."""
        self._publisher.show_level(level)
        self._writer.show_level(seconds, level)

    def close(self) -> None:
        """End the output; the publisher is closed by its owner."""
        self._writer.close()
