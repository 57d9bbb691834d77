"""The server process: sockets, TLS, signals and the order in which it closes."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from ..errors import ConfigError
from ..messages import system_reason
from ..notes import notes_to
from .app import create_app
from .live import MAX_MESSAGE_BYTES
from .memory import configure
from .microphone import MicrophoneThread
from .protocol import MAX_CONNECTIONS, GuardedProtocol
from .service import Service
from .settings import Access

FREE_SECONDS = 5  # between two times that freed memory is returned to the system
CLOSE_SECONDS = 5.0  # for streams to answer with what they have
MAX_HEADER_BYTES = 16_384


@dataclass(frozen=True)
class Address:
    """Where the server listens.

    Attributes:
        host: Name or address.
        port: Port; 0 for any.
        certificate: Certificate chain for TLS; None for plain HTTP.
        key: Its key; None if it is in the same file.
    """

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None


def listen(address: Address) -> socket.socket:
    """Return a socket that listens.

    Raises:
        ConfigError: If it cannot.
    """
    try:
        infos = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        # "localhost" is 127.0.0.1, which every program tries.
        family, _, _, _, target = min(infos, key=lambda info: info[0] != socket.AF_INET)
        return socket.create_server(
            target[:2], family=family, backlog=MAX_CONNECTIONS, reuse_port=False
        )
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {address.host}, port {address.port}: {system_reason(error)}"
        ) from error


class Server(uvicorn.Server):
    """A server that lets streams answer before it closes.

    Args:
        config: Settings of uvicorn.
        service: The shared state.
    """

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._loop: asyncio.AbstractEventLoop | None = None
        self._close_time: float | None = None
        self._closing: asyncio.Task[None] | None = None
        self._free = configure()
        self.signal: int | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to close at the first signal; exit at the second."""
        if self.signal is not None:
            self.should_exit = self.force_exit = True
        self.signal = sig
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin_close)

    def _begin_close(self) -> None:
        if self._close_time is None:
            self._close_time = time.monotonic() + CLOSE_SECONDS
            self._closing = asyncio.create_task(self._service.close())

    async def on_tick(self, counter: int) -> bool:
        """Return True once the server may exit."""
        if self._close_time is not None:
            done = self._closing is not None and self._closing.done()
            done = done and not self._service.metrics.streams
            self.should_exit |= done or time.monotonic() > self._close_time
        if counter % (10 * FREE_SECONDS) == 0:  # ten ticks a second
            await asyncio.get_running_loop().run_in_executor(None, self._free)
        return await super().on_tick(counter)


def serve(
    service: Service,
    access: Access,
    address: Address,
    *,
    on_ready: Callable[[str], None],
    new_microphone: Callable[[Callable[[dict[str, object]], None]], MicrophoneThread] | None = None,
) -> None:
    """Serve until a signal arrives, which is then raised again.

    Args:
        service: The shared state.
        access: Names, origins and token by which it may be used.
        address: Where to listen.
        on_ready: Called with the address of the page.
        new_microphone: Creates the thread that listens to the device's microphone, from a function
            that publishes an event.

    Raises:
        ConfigError: If the address or the certificate cannot be used.
    """
    sock = listen(address)
    config = uvicorn.Config(
        create_app(service, access),
        interface="asgi3",
        http=GuardedProtocol,
        ws=WebSocketsSansIOProtocol,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # a compressed message can be a thousand times its size
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # any client could claim another address
        server_header=False,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        timeout_graceful_shutdown=int(CLOSE_SECONDS),
        ssl_certfile=address.certificate,
        ssl_keyfile=address.key,
    )
    # It would write a line about every invalid request.
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    try:
        config.load()
    except OSError as error:  # includes ssl.SSLError
        sock.close()
        raise ConfigError(
            f"--tls-cert {address.certificate}: cannot be used: {system_reason(error)}"
        ) from error
    server = Server(config, service)
    scheme = "http" if address.certificate is None else "https"
    port = sock.getsockname()[1]
    host = f"[{address.host}]" if ":" in address.host else address.host

    async def run() -> None:
        loop = asyncio.get_running_loop()
        if new_microphone is not None:

            def publish(row: dict[str, object]) -> None:
                loop.call_soon_threadsafe(service.hub.publish, row)

            service.microphone = new_microphone(publish)
            service.microphone.start()
        ready = asyncio.create_task(
            _announce(server, lambda: on_ready(f"{scheme}://{host}:{port}/"))
        )
        try:
            await server.serve([sock])
        finally:
            ready.cancel()
            service.pool.close()

    # Notes hold the names of uploads, which are not logged.
    with notes_to(lambda message: None):
        asyncio.run(run())
    if server.signal is not None:
        signal.raise_signal(server.signal)


async def _announce(server: uvicorn.Server, report: Callable[[], None]) -> None:
    while not server.started:
        await asyncio.sleep(0.005)
    report()
