"""Live streams over WebSocket: PCM in, the events of `edge-ser listen` out."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import time
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocket, WebSocketState

from ..audio.pcm import Encoding, PcmFormat, mono
from ..audio.pcm_reader import PcmReader
from ..errors import ConfigError, EdgeSerError
from ..results.events import NoiseFilter
from ..results.rows import event_row
from ..streaming.listen_events import ListenConfig, ListenEvent
from ..streaming.listener import Listener
from .guard import SUBPROTOCOL
from .options import STREAM, check_options
from .outbox import Outbox
from .problems import ProblemError
from .speakers import load_profile

if TYPE_CHECKING:
    from ..model import EmotionModel
    from .service import Service

NORMAL, GOING_AWAY, POLICY = 1000, 1001, 1008  # close codes

BURST_SECONDS = 5.0  # of audio that may arrive at once
PIECE_BYTES = 1 << 16  # processed at once, so that streams take turns
MAX_WAITING_EVENTS = 200  # after which no more audio is processed
MAX_MESSAGE_BYTES = 1 << 20


class Decoder:
    """A stream of PCM in, events out; used by one thread at a time.

    Args:
        model: The model.
        options: The start message, without its type.
    """

    def __init__(self, model: EmotionModel, options: dict[str, Any]) -> None:
        values = check_options(STREAM, options)
        if "sample_rate" not in values:
            raise ConfigError("sample_rate is missing")
        encoding = Encoding(values.get("format", Encoding.s16le.value))
        self.format = PcmFormat(values["sample_rate"], values.get("channels", 1), encoding)
        self.channel = values.get("channel")
        if self.channel is not None and self.channel > self.format.channels:
            raise ConfigError(
                f"channel={self.channel} must be from 1 to {self.format.channels}, the channels "
                "of the stream"
            )
        adapt = values.get("adapt", False)
        profile = load_profile(values.get("profile"), model)
        defaults = ListenConfig()
        config = ListenConfig(
            **{
                name: values.get(name, getattr(defaults, name))
                for name in ("pause", "max_duration", "min_duration", "cooldown")
            }
        )
        self._updates = values.get("updates", True)
        self._filter = NoiseFilter(values.get("all", False))
        self._reader = PcmReader(self.format, "stream")
        self._listener = Listener(
            model,
            self.format.rate,
            config,
            threshold=values.get("threshold"),
            speech_threshold=values.get("speech_threshold"),
            profile=profile,
            adapt=adapt,
        )

    @property
    def seconds(self) -> float:
        """Seconds of audio so far."""
        return self._reader.seconds

    def push(self, data: bytes) -> list[dict[str, Any]]:
        """Add bytes, and return the events that they cause."""
        samples = self._reader.push(data)
        if not len(samples):
            return []
        return self._rows(self._listener.push(mono(samples, self.channel)))

    def flush(self) -> list[dict[str, Any]]:
        """End the utterance in progress, and return the remaining events."""
        return self._rows(self._listener.flush())

    def _rows(self, events: list[ListenEvent]) -> list[dict[str, Any]]:
        return [
            event_row(event)
            for event in self._filter.select(events)
            if self._updates or event.kind != "update"
        ]


class LiveStream:
    """One stream, from its handshake to its end.

    Args:
        service: The server's shared state.
        websocket: The connection.
    """

    def __init__(self, service: Service, websocket: WebSocket) -> None:
        self._service, self._websocket = service, websocket
        self._outbox = Outbox(service.metrics)
        self._received: asyncio.Task[Any] | None = None
        self._sender: asyncio.Task[None] | None = None
        self._started = 0.0

    async def run(self) -> None:
        """Serve the stream.

        Raises:
            ProblemError: If the stream is refused before it begins.
        """
        if SUBPROTOCOL not in self._websocket.scope.get("subprotocols", []):
            raise ProblemError("invalid_option", f"the subprotocol {SUBPROTOCOL} is required")
        metrics, limits = self._service.metrics, self._service.limits
        if metrics.streams >= limits.max_streams:
            raise ProblemError(
                "busy", f"{limits.max_streams} streams are open, the limit", retry_after=5
            )
        metrics.streams += 1
        try:
            await self._websocket.accept(SUBPROTOCOL)
            self._sender = asyncio.create_task(self._send_all())
            code = await self._serve()
            self._outbox.close()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._sender), limits.send_timeout)
            if code is not None and self._websocket.client_state is WebSocketState.CONNECTED:
                await self._websocket.close(code)
        finally:
            metrics.streams -= 1
            for task in (self._received, self._sender):
                if task is not None:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError, Exception):
                        await task

    async def _serve(self) -> int | None:
        """Process messages until the end; return the close code, None after a disconnection."""
        try:
            message = await self._next_message(self._service.limits.start_timeout)
            if message is None:
                return GOING_AWAY
            if message["type"] == "websocket.disconnect":
                return None
            options = _parse(message)
            if options.pop("type", None) != "start":
                raise ProblemError("invalid_body", 'the first message must be {"type": "start", …}')
            decoder = await self._compute(functools.partial(Decoder, self._service.model, options))
            self._outbox.put(
                {
                    "type": "started",
                    "sample_rate": decoder.format.rate,
                    "labels": list(self._service.model.labels),
                }
            )
            self._started = time.monotonic()
            return await self._process(decoder)
        except (ProblemError, EdgeSerError) as error:
            state = self._websocket.scope.get("state", {})
            body = ProblemError.of(error).body(state.get("request_id", ""))
            self._outbox.put({"type": "problem", "problem": body})
            return POLICY

    async def _process(self, decoder: Decoder) -> int | None:
        while True:
            message = await self._next_message(self._service.limits.idle_timeout)
            if message is None:  # the server closes
                self._put_all(await self._compute(decoder.flush))
                return GOING_AWAY
            if message["type"] == "websocket.disconnect":
                return None
            if (data := message.get("bytes")) is not None:
                if not await self._push(decoder, data):
                    self._put_all(await self._compute(decoder.flush))
                    return GOING_AWAY
                continue
            command = _parse(message).get("type")
            if command not in ("flush", "stop"):
                raise ProblemError("invalid_body", 'expected audio, "flush" or "stop"')
            self._put_all(await self._compute(decoder.flush))
            if command == "stop":
                return NORMAL
            self._outbox.put({"type": "flushed"})

    async def _push(self, decoder: Decoder, data: bytes) -> bool:
        """Process audio, no faster than allowed; return False once the server closes."""
        frame = decoder.format.frame_bytes
        step = max(frame, PIECE_BYTES // frame * frame)
        closing = self._service.closing
        for start in range(0, len(data), step):
            before = decoder.seconds
            piece = data[start : start + step]
            self._put_all(await self._compute(functools.partial(decoder.push, piece)))
            self._service.metrics.count("audio_seconds", by=decoder.seconds - before)
            while len(self._outbox) > MAX_WAITING_EVENTS and not self._is_sender_done():
                await asyncio.sleep(0.05)
            speed = self._service.limits.speed
            elapsed = time.monotonic() - self._started
            delay = (decoder.seconds - BURST_SECONDS) / speed - elapsed
            if delay > 0:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(closing.wait(), delay)
            if closing.is_set():
                return False
        return True

    async def _compute(self, work: Any) -> Any:
        return await self._service.pool.run_stream(work)

    def _put_all(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self._service.metrics.count("stream_events", row["event"])
            self._outbox.put(row)

    def _is_sender_done(self) -> bool:
        return self._sender is None or self._sender.done()

    async def _next_message(self, timeout: float) -> Any:
        """Return the next message; None once the server closes.

        Raises:
            ProblemError: If no message arrives in time.
        """
        if self._received is None:
            self._received = asyncio.create_task(self._receive())
        closing = asyncio.create_task(self._service.closing.wait())
        tasks = {self._received, closing}
        assert self._sender is not None
        try:
            await asyncio.wait(
                {*tasks, self._sender}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            closing.cancel()
        if self._received.done():
            message = self._received.result()
            self._received = None
            return message
        if self._service.closing.is_set():
            return None
        if self._sender.done():
            return {"type": "websocket.disconnect"}
        raise ProblemError("slow_body", f"no message for {timeout:g} s")

    async def _receive(self) -> Any:
        return await self._websocket.receive()

    async def _send_all(self) -> None:
        while (item := await self._outbox.get()) is not None:
            await self._websocket.send_text(json.dumps(item[1], ensure_ascii=False))


def _parse(message: Any) -> dict[str, Any]:
    """Return the JSON object of a text message.

    Raises:
        ProblemError: If it is not one.
    """
    text = message.get("text")
    if text is None:
        raise ProblemError("invalid_body", "expected a text message before the audio")
    try:
        values = json.loads(text[:65_536])
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise ProblemError("invalid_body", "a text message must be a JSON object")
    return values
