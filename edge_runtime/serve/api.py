"""Endpoints of the API."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.websockets import WebSocket

from .. import __version__
from ..diagnostics.model_info import describe
from ..inference.network import network_of
from . import analysis, speakers
from .live import LiveStream
from .openapi import openapi_document
from .options import CLASSIFY, CREATE_PROFILE, DOCTOR, EACH, TIMELINE, Option, parse_options
from .problems import ProblemError
from .service import Service
from .uploads import Form, Part, file_name, read_form

KEEP_ALIVE_SECONDS = 15.0  # between comments in an idle event stream

TIMELINE_TYPES = {
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "srt": "application/x-subrip",
    "vtt": "text/vtt; charset=utf-8",
    "audacity": "text/plain; charset=utf-8",
}

NO_STORE = {"cache-control": "no-store"}


class Api:
    """The endpoints, bound to the state that they share.

    Args:
        service: The shared state.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def classify(self, request: Request) -> Response:
        """Classify a clip."""
        clip, options = await _upload(request, CLASSIFY)
        return _json(await self._process(functools.partial(self._classify, clip, options)))

    def _classify(self, clip: Part, options: dict[str, Any]) -> dict[str, Any]:
        service = self._service
        profile = speakers.load_profile(options.get("profile"), service.model)
        limits, name = service.limits.clip, _name(clip, options)
        return analysis.classify(service.model, bytes(clip.content), name, options, limits, profile)

    async def doctor(self, request: Request) -> Response:
        """Check a recording."""
        clip, options = await _upload(request, DOCTOR)
        service = self._service
        work = functools.partial(
            analysis.examine_clip,
            service.model,
            bytes(clip.content),
            _name(clip, options),
            service.limits.clip,
        )
        return _json(await self._process(work))

    async def timeline(self, request: Request) -> Response:
        """Split a recording into segments."""
        clip, options = await _upload(request, TIMELINE)
        format = options.get("format", "json")
        reservation = contextlib.ExitStack()
        reservation.enter_context(self._service.pool.reserve())
        try:
            steps = await self._run(functools.partial(self._timeline, clip, options))
            first = await self._run(lambda: next(steps))
        except BaseException:
            reservation.close()
            raise
        parts = self._parts(first, steps, reservation)
        media_type = TIMELINE_TYPES[format]
        if format == "jsonl":
            return StreamingResponse(
                _lines(parts, request), media_type=media_type, headers=NO_STORE
            )
        texts, error = [], None
        async for step in parts:
            texts.append(step.text)
            error = step.error or error
        text = "".join(texts)
        if format == "json" and options.get("channel") != EACH:
            text = analysis.only_recording(text)
        headers = {**NO_STORE, "edge-ser-complete": "false" if error else "true"}
        return Response(text, media_type=media_type, headers=headers)

    def _timeline(self, clip: Part, options: dict[str, Any]) -> Iterator[analysis.Step]:
        service = self._service
        profile = speakers.load_profile(options.get("profile"), service.model)
        limits, name = service.limits.timeline, _name(clip, options)
        return analysis.timeline_steps(
            service.model, bytes(clip.content), name, options, limits, profile
        )

    async def _parts(
        self,
        first: analysis.Step,
        steps: Iterator[analysis.Step],
        reservation: contextlib.ExitStack,
    ) -> AsyncIterator[analysis.Step]:
        with reservation:
            step: analysis.Step | None = first
            while step is not None:
                yield step
                step = await self._run(lambda: next(steps, None))

    async def models(self, request: Request) -> Response:
        """Describe the model and the limits."""
        network = network_of(self._service.model)
        limits = self._service.limits
        return _json(
            {
                "models": [{**describe(network), "file": network.path.name}],
                "limits": {
                    "max_bytes": int(limits.clip.max_size),
                    "max_seconds": limits.clip.max_duration,
                    "max_timeline_seconds": limits.timeline.max_duration,
                    "max_streams": limits.max_streams,
                },
                "microphone": self._service.microphone is not None,
                "version": __version__,
            }
        )

    async def list_profiles(self, request: Request) -> Response:
        """List the profiles."""
        return _json({"profiles": await self._run(speakers.list_profiles)})

    async def show_profile(self, request: Request) -> Response:
        """Describe a profile."""
        name = request.path_params["name"]
        return _json(await self._run(functools.partial(speakers.show_profile, name)))

    async def create_profile(self, request: Request) -> Response:
        """Create a profile from uploads."""
        form = await read_form(request)
        labels = [text for name, text in form.values() if name == "label"]
        pairs = [*request.query_params.multi_items(), *form.values()]
        options = parse_options(CREATE_PROFILE, [pair for pair in pairs if pair[0] != "label"])
        clips = [(part.filename or "audio", bytes(part.content)) for part in form.files()]
        if "name" not in options:
            raise ProblemError("invalid_option", "name is missing")
        if not clips:
            raise ProblemError("invalid_body", "the form has no file")
        if labels and len(labels) != len(clips):
            raise ProblemError(
                "invalid_option", f"{len(clips)} files have {len(labels)} labels; expected one each"
            )
        service = self._service
        work = functools.partial(
            speakers.create_profile,
            service.model,
            options["name"],
            clips,
            labels or None,
            service.limits.clip,
            options.get("force", False),
        )
        async with service.profile_lock:
            row = await self._process(work)
        return _json(row, 201)

    async def delete_profile(self, request: Request) -> Response:
        """Delete a profile."""
        name = request.path_params["name"]
        async with self._service.profile_lock:
            await self._run(functools.partial(speakers.delete_profile, name))
        return Response(status_code=204)

    async def stream(self, websocket: WebSocket) -> None:
        """Serve a live stream."""
        await LiveStream(self._service, websocket).run()

    async def events(self, request: Request) -> Response:
        """Send the events of the device's microphone."""
        service = self._service
        if service.microphone is None:
            raise ProblemError(
                "not_found", "no microphone is in use; start the server with --microphone"
            )
        if len(service.hub) >= service.limits.max_streams:
            raise ProblemError("busy", "too many readers of the events", retry_after=5)
        last = request.headers.get("last-event-id", "")
        number = int(last[:18]) if last[:18].isdecimal() else None
        return StreamingResponse(
            self._events(number), media_type="text/event-stream", headers=NO_STORE
        )

    async def _events(self, last: int | None) -> AsyncIterator[str]:
        hub = self._service.hub
        outbox = hub.subscribe(last)
        try:
            yield ": connected\n\n"
            waiting = asyncio.ensure_future(outbox.get())
            while True:
                done, _ = await asyncio.wait({waiting}, timeout=KEEP_ALIVE_SECONDS)
                if not done:
                    yield ": keep-alive\n\n"
                    continue
                item = waiting.result()
                if item is None:
                    return
                number, row = item
                identity = "" if row["event"] == "update" else f"id: {number}\n"
                text = json.dumps(row, ensure_ascii=False)
                yield f"{identity}event: {row['event']}\ndata: {text}\n\n"
                waiting = asyncio.ensure_future(outbox.get())
        finally:
            hub.unsubscribe(outbox)

    async def healthz(self, request: Request) -> Response:
        """Answer that the process lives."""
        return PlainTextResponse("ok\n", headers=NO_STORE)

    async def readyz(self, request: Request) -> Response:
        """Answer whether the server can do its work."""
        microphone = self._service.microphone
        if microphone is not None and microphone.error is not None:
            raise ProblemError("busy", microphone.error, retry_after=10)
        return PlainTextResponse("ready\n", headers=NO_STORE)

    async def metrics(self, request: Request) -> Response:
        """Return the counters."""
        text = self._service.metrics.text(self._service.model.card.name)
        return Response(
            text, media_type="text/plain; version=0.0.4; charset=utf-8", headers=NO_STORE
        )

    async def openapi(self, request: Request) -> Response:
        """Return the description of the API."""
        return _json(openapi_document())

    async def _process(self, work: Callable[[], Any]) -> Any:
        """Call a function for an upload, unless too many wait."""
        with self._service.pool.reserve():
            return await self._run(work)

    def _run(self, work: Callable[[], Any]) -> Awaitable[Any]:
        return self._service.pool.run_upload(work)


async def _upload(request: Request, options: tuple[Option, ...]) -> tuple[Part, dict[str, Any]]:
    """Return the one recording of a request, and its options.

    Raises:
        ProblemError: If the request is invalid.
    """
    parse_options(options, request.query_params.multi_items())  # before the body is read
    form: Form = await read_form(request)
    pairs = [*request.query_params.multi_items(), *form.values()]
    values = parse_options(options, pairs)
    files = form.files()
    if len(files) != 1:
        raise ProblemError("invalid_body", f"expected one file, got {len(files)}")
    return files[0], values


def _name(clip: Part, options: dict[str, Any]) -> str:
    """Return the name of a recording in the answer."""
    return file_name(options.get("name") or clip.filename or "")


async def _lines(parts: AsyncIterator[analysis.Step], request: Request) -> AsyncIterator[str]:
    """Yield the lines of a timeline; a recording that breaks off ends with a problem."""
    async for step in parts:
        if step.text:
            yield step.text
        if step.error is not None:
            problem = ProblemError.of(step.error).body(request.state.request_id)
            yield json.dumps(problem, ensure_ascii=False) + "\n"


def _json(value: Any, status: int = 200) -> JSONResponse:
    return JSONResponse(value, status, headers=NO_STORE)
