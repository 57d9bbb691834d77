"""Command-line options of MQTT, and the writer that publishes the events of `listen`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import __version__
from ..errors import ConfigError
from ..inference.prediction import NO_SPEECH, UNCERTAIN
from ..messages import printable
from ..mqtt.node import Node
from ..results.rows import event_row

if TYPE_CHECKING:
    from ..inference.network import Network
    from ..mqtt.broker import Broker
    from ..mqtt.publisher import Publisher
    from ..streaming.listen_events import ListenEvent
    from .clock_times import StreamClock
    from .event_output import EventWriter

MqttOption = Annotated[
    str | None,
    typer.Option(
        "--mqtt",
        metavar="URL",
        help="Publish to this broker: mqtt://[USER@]HOST[:PORT], or mqtts:// for TLS.",
    ),
]
MqttPasswordOption = Annotated[
    Path | None,
    typer.Option(
        "--mqtt-password-file",
        metavar="FILE",
        readable=False,
        help="File with the password [default: $EDGE_SER_MQTT_PASSWORD, or the systemd credential "
        "mqtt-password].",
    ),
]
MqttCaOption = Annotated[
    Path | None,
    typer.Option(
        "--mqtt-ca",
        metavar="FILE",
        readable=False,
        help="Certificates to trust [default: those of the system].",
    ),
]
MqttCertOption = Annotated[
    Path | None,
    typer.Option("--mqtt-cert", metavar="FILE", readable=False, help="Client certificate."),
]
MqttKeyOption = Annotated[
    Path | None,
    typer.Option(
        "--mqtt-key",
        metavar="FILE",
        readable=False,
        help="Key of the client certificate [default: in the file of the certificate].",
    ),
]
MqttNodeOption = Annotated[
    str | None,
    typer.Option(
        "--mqtt-node",
        metavar="NODE",
        help="Name of this device in topics [default: the host name].",
    ),
]
MqttNameOption = Annotated[
    str | None,
    typer.Option(
        "--mqtt-name",
        metavar="NAME",
        help='Name of this device in Home Assistant [default: "Edge SER NODE"].',
    ),
]
MqttTopicOption = Annotated[
    str | None,
    typer.Option(
        "--mqtt-topic", metavar="TOPIC", help="Topic above all others [default: edge-ser/NODE]."
    ),
]
MqttPrefixOption = Annotated[
    str,
    typer.Option(
        "--mqtt-discovery-prefix", metavar="TOPIC", help="Discovery prefix of Home Assistant."
    ),
]
MqttDiscoveryOption = Annotated[
    bool,
    typer.Option(
        "--mqtt-discovery/--no-mqtt-discovery", help="Announce this device to Home Assistant."
    ),
]
MqttProbabilitiesOption = Annotated[
    bool, typer.Option("--mqtt-probabilities", help="Publish the probabilities of all labels.")
]
MqttLevelOption = Annotated[
    bool, typer.Option("--mqtt-level", help="Publish the level in dBFS every second.")
]
MqttForgetOption = Annotated[
    bool,
    typer.Option(
        "--mqtt-forget", help="Remove this device from the broker and Home Assistant, and exit."
    ),
]


def parse_broker(
    url: str | None,
    password_file: Path | None,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    **others: object,
) -> Broker | None:
    """Return the broker of the options, or None without `--mqtt`.

    Args:
        url: Value of `--mqtt`.
        password_file: Value of `--mqtt-password-file`.
        ca: Value of `--mqtt-ca`.
        cert: Value of `--mqtt-cert`.
        key: Value of `--mqtt-key`.
        **others: Values of further options that require `--mqtt`, by name; false without them.

    Raises:
        ConfigError: If an option is not valid, or is given without `--mqtt`.
    """
    if url is None:
        files = {"password-file": password_file, "ca": ca, "cert": cert, "key": key}
        for name, value in {**files, **others}.items():
            if value:
                raise ConfigError(f"--mqtt-{name.replace('_', '-')} requires --mqtt URL")
        return None
    from ..mqtt.broker import Broker, read_password

    # A password that is meant for another broker must not make an anonymous login an error.
    password = None
    if password_file is not None or "@" in url:
        password = read_password(password_file)
    return Broker.parse(url, password, ca=ca, cert=cert, key=key)


def forget_node(broker: Broker, node: Node) -> None:
    """Remove all retained messages of a node, and report it on stderr."""
    from ..mqtt.publisher import forget

    forget(broker, node)
    print_report(f"removed the retained messages of {node.base} from {broker}")


def new_publisher(
    broker: Broker,
    node: Node,
    network: Network,
    *,
    discovery: bool,
    probabilities: bool,
    level: bool,
) -> Publisher:
    """Return a publisher for the predictions of a model.

    Args:
        broker: The broker.
        node: The node.
        network: The network of the model.
        discovery: Announce the node to Home Assistant.
        probabilities: Publish the probabilities.
        level: Publish the level.
    """
    from ..mqtt.discovery import discovery_message
    from ..mqtt.publisher import Publisher

    message = None
    if discovery:
        message = discovery_message(
            node,
            (*network.labels, NO_SPEECH, UNCERTAIN),
            network.card.name,
            __version__,
            has_arousal=network.card.arousal is not None,
            has_level=level,
        )
    return Publisher(
        broker, node, message, probabilities=probabilities, level=level, report=print_report
    )


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
