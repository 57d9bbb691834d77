"""`edge-ser serve`: a page and an HTTP API."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..audio.limits import TIMELINE_LIMITS, AudioLimits, parse_size
from ..errors import ConfigError, EdgeSerError
from ..messages import missing_package, printable
from .mqtt_options import PublishOptions
from .option_groups import with_groups
from .options import LiveOptions, load_model_and_profile
from .terminal import BestEffortStream

if TYPE_CHECKING:
    from ..mqtt.publisher import Publisher
    from ..serve.microphone import MicrophoneThread
    from ..serve.server import Address
    from ..serve.settings import Access
    from ..streaming.listener import Listener

DEFAULT_PORT = 8321


@with_groups
def serve(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 for all.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65_535, help="Port; 0 for any that is free.")
    ] = DEFAULT_PORT,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            readable=False,
            help="File with the token that clients must send; required for other addresses than "
            "those of this machine.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="A further name of this machine, such as that of a proxy; may be repeated.",
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-origin",
            metavar="ORIGIN",
            help="A site whose pages may open streams; may be repeated.",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option("--tls-cert", metavar="FILE", readable=False, help="Certificate for TLS."),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(
            "--tls-key",
            metavar="FILE",
            readable=False,
            help="Its key [default: in the file of the certificate].",
        ),
    ] = None,
    tls_self_signed: Annotated[
        bool, typer.Option("--tls-self-signed", help="Create a certificate for TLS, once.")
    ] = False,
    max_size: Annotated[
        str, typer.Option("--max-size", metavar="SIZE", help="Refuse larger uploads.")
    ] = "64M",
    max_duration: Annotated[
        float | None,
        typer.Option(
            "--max-duration",
            metavar="SECONDS",
            help="Refuse longer recordings [default: 1800; 86400 for timelines].",
        ),
    ] = None,
    max_streams: Annotated[
        int, typer.Option("--max-streams", metavar="N", min=1, help="Live streams at once.")
    ] = 8,
    max_requests: Annotated[
        float,
        typer.Option(
            "--max-requests", metavar="N", min=1, help="Requests per minute from one address."
        ),
    ] = 600.0,
    microphone: Annotated[
        bool, typer.Option("--microphone", help="Listen to the microphone of this machine, too.")
    ] = False,
    *,
    live: LiveOptions,
    mqtt: PublishOptions,
) -> None:
    """Serve a page and an HTTP API.

    The page shows the emotion of a microphone or of a file, and /openapi.json describes the API.
    Only programs on this machine can connect by default. Other addresses require --token-file; a
    browser on another device allows its microphone only over TLS. Recordings stay in memory.

    --threshold, --speech-threshold, --profile, --device and --channel apply to the microphone of
    this machine. --mqtt publishes its utterances, as `edge-ser listen --mqtt` does. Ctrl-C ends the
    server with exit status 130.

    \b
    Examples:
      edge-ser serve
      edge-ser serve --microphone --mqtt mqtt://broker.local
      edge-ser serve --host 0.0.0.0 --token-file token.txt --tls-self-signed
      curl -F file=@clip.wav http://127.0.0.1:8321/v1/classify
    """  # noqa: D301
    _import_extra()
    if not microphone and (mqtt.mqtt is not None or replace(live, model=None) != LiveOptions()):
        raise ConfigError(
            "--device, --channel, --threshold, --speech-threshold, --profile and --mqtt apply to "
            "the microphone of this machine and require --microphone"
        )
    broker = mqtt.broker()
    access = _access(host, token_file, allow_host or [], allow_origin or [])
    address = _address(host, port, tls_cert, tls_key, tls_self_signed, access)
    if microphone:
        from ..audio.microphone import find_device

        find_device(live.device)  # fails at once, not in the background
    from ..inference.network import network_of
    from ..serve.server import serve as run
    from ..serve.service import Service
    from ..serve.settings import Limits

    size = parse_size(max_size)
    limits = Limits(
        clip=AudioLimits(max_duration or AudioLimits().max_duration, size),
        timeline=AudioLimits(max_duration or TIMELINE_LIMITS.max_duration, size),
        max_streams=max_streams,
        requests_per_minute=max_requests,
    )
    loaded, speaker = load_model_and_profile(live.model, live.profile)

    def new_listener(sample_rate: float) -> Listener:
        from ..streaming.listener import Listener

        return Listener(
            loaded,
            sample_rate,
            threshold=live.threshold,
            speech_threshold=live.speech_threshold,
            profile=speaker,
        )

    _prepare_process()
    with contextlib.ExitStack() as stack:
        publisher: Publisher | None = None
        if broker is not None:
            publisher = mqtt.new_publisher(broker, network_of(loaded))
            publisher.start()
            stack.callback(publisher.close)

        def new_microphone(publish: Callable[[dict[str, object]], None]) -> MicrophoneThread:
            from ..audio.microphone import Microphone
            from ..serve.microphone import MicrophoneThread

            return MicrophoneThread(
                lambda: Microphone(live.device, live.channel),
                new_listener,
                live.channel,
                publish,
                _report,
                publisher,
            )

        run(
            Service(loaded, limits),
            access,
            address,
            on_ready=lambda url: _report(f"serving on {url}"),
            new_microphone=new_microphone if microphone else None,
        )


def _prepare_process() -> None:
    """Keep libraries from printing about recordings."""
    import warnings

    from ..native_stderr import silence_process

    warnings.filterwarnings("ignore", category=RuntimeWarning)  # of numpy, about recordings
    silence_process()
    sys.stderr = BestEffortStream(sys.stderr)


def _import_extra() -> None:
    try:
        import python_multipart  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
        import websockets  # noqa: F401
    except ImportError as error:
        raise EdgeSerError(missing_package("serve", str(error.name), "serve")) from error


def _access(host: str, token_file: Path | None, hosts: list[str], origins: list[str]) -> Access:
    """Return who may use the server; refuse to serve other machines without a token."""
    from ..serve.settings import (
        TLS_ADVICE,
        Access,
        allowed_hosts,
        check_origin,
        digest,
        is_loopback,
        read_token,
    )

    if token_file is None and not is_loopback(host):
        raise ConfigError(
            f"--host {host} lets other machines connect and requires --token-file FILE; make one: "
            f"`openssl rand -hex 24 > FILE`; {TLS_ADVICE}"
        )
    token = None if token_file is None else digest(read_token(token_file))
    return Access(allowed_hosts(host, hosts), frozenset(map(check_origin, origins)), token)


def _address(
    host: str, port: int, cert: Path | None, key: Path | None, self_signed: bool, access: Access
) -> Address:
    """Return where to listen, with a certificate if TLS is requested."""
    from ..serve.server import Address
    from ..serve.settings import TLS_ADVICE, is_loopback

    if key is not None and cert is None:
        raise ConfigError("--tls-key requires --tls-cert")
    if self_signed and cert is not None:
        raise ConfigError("--tls-self-signed and --tls-cert cannot be combined")
    if self_signed:
        from ..inference.profile_files import profile_folder
        from ..serve.tls import fingerprint
        from ..serve.tls import self_signed as create

        cert, key = create(profile_folder().parent / "tls", access.hosts - {"0.0.0.0", "::"})
        _report(f"certificate {cert}, SHA-256 {fingerprint(cert)}")
    if cert is None and not is_loopback(host):
        _report(f"without TLS, others can read the token and the audio; {TLS_ADVICE}")
    return Address(host, port, cert, key)


def _report(text: str) -> None:
    print(f"edge-ser: {printable(text)}", file=sys.stderr, flush=True)
