"""Live streams over WebSocket, and the events of the device's own microphone."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from support.paths import ROOT
from support.servers import HEADER_SECONDS, SHORT_DEADLINES, WITH_MICROPHONE, Server, running_server

pytest.importorskip("starlette")
pytest.importorskip("jsonschema")

import jsonschema
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from edge_runtime.serve.metrics import Metrics
from edge_runtime.serve.outbox import MAX_EVENTS, MAX_UPDATES, Hub, Outbox
from edge_runtime.serve.schemas import SCHEMAS

RATE = 16_000
CHUNK = 1600  # bytes, 50 ms


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with running_server("--max-requests", "1e6", folder=folder, code=SHORT_DEADLINES) as running:
        yield running


@pytest.fixture(scope="module")
def speech_bytes(voice_clips) -> bytes:
    """Two utterances of 16-bit samples, each with a pause after it."""
    gap = np.zeros(RATE * 3 // 2, np.float32)
    samples = np.concatenate([gap, voice_clips[0], gap, voice_clips[1], gap])
    return (samples * 32_767).astype("<i2").tobytes()


def open_stream(server: Server, **start: object) -> ClientConnection:
    """Open a stream, and wait for its beginning."""
    stream = connect(
        f"ws://127.0.0.1:{server.port}/v1/stream", subprotocols=["edge-ser.v1"], max_queue=None
    )
    stream.send(json.dumps({"type": "start", "sample_rate": RATE, **start}))
    return stream


def received(stream: ClientConnection) -> tuple[list[dict], int]:
    """Return all messages to the end, and the close code."""
    messages = []
    try:
        while True:
            messages.append(json.loads(stream.recv(30)))
    except ConnectionClosed as closed:
        return messages, closed.rcvd.code if closed.rcvd else 0


def listened(data: bytes, *options: str) -> list[dict]:
    """Return the events that `edge-ser listen` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "edge_runtime", "listen", "-", "--rate", str(RATE), *options],
        input=data,
        capture_output=True,
        cwd=ROOT,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [777, 1600, 65_536])
def test_a_stream_equals_the_command(server, speech_bytes, chunk):
    with open_stream(server) as stream:
        for start in range(0, len(speech_bytes), chunk):
            stream.send(speech_bytes[start : start + chunk])
        stream.send('{"type": "stop"}')
        (started, *events), code = received(stream)
    assert started == {"type": "started", "sample_rate": RATE, "labels": started["labels"]}
    jsonschema.validate(started, SCHEMAS["stream-message"])
    assert code == 1000
    expected = listened(speech_bytes)
    # A slow reader may lose updates.
    assert [e for e in events if e["event"] != "update"] == [
        e for e in expected if e["event"] != "update"
    ]
    assert all(event in expected for event in events)
    for event in events:
        jsonschema.validate(event, SCHEMAS["event"])
    assert [event["event"] for event in expected].count("end") == 2


@pytest.mark.slow
def test_options_of_a_stream_are_those_of_the_command(server, speech_bytes):
    with open_stream(server, updates=False, threshold=1.0, pause=0.4, min_duration=0.3) as stream:
        stream.send(speech_bytes)
        stream.send('{"type": "stop"}')
        (_, *events), _ = received(stream)
    options = ("--no-updates", "--threshold", "1", "--pause", "0.4", "--min-duration", "0.3")
    assert events == listened(speech_bytes, *options)


def test_flush_ends_an_utterance_and_the_time(server, speech_bytes):
    half = speech_bytes[: len(speech_bytes) // 2]
    with open_stream(server, updates=False) as stream:
        for _ in range(2):
            stream.send(half)
            stream.send('{"type": "flush"}')
        stream.send('{"type": "stop"}')
        (_, *messages), code = received(stream)
    assert code == 1000 and messages.count({"type": "flushed"}) == 2
    middle = messages.index({"type": "flushed"})
    assert messages[: middle + 1] == messages[middle + 1 :]


@pytest.mark.parametrize(
    ("message", "status", "text"),
    [
        ("no json", 400, "must be a JSON object"),
        ("[" * 50_000, 400, "must be a JSON object"),
        ("[]", 400, "must be a JSON object"),
        (b"audio", 400, "expected a text message"),
        ('{"type": "stop"}', 400, "the first message must be"),
        ('{"type": "start"}', 400, "sample_rate is missing"),
        ('{"type": "start", "sample_rate": 1}', 400, "sample_rate=1 must be"),
        ('{"type": "start", "sample_rate": true}', 400, "sample_rate=True must be"),
        ('{"type": "start", "sample_rate": 16000, "volume": 1}', 400, "'volume' is unknown"),
        ('{"type": "start", "sample_rate": 16000, "format": "mp3"}', 400, "format='mp3'"),
        ('{"type": "start", "sample_rate": 16000, "channel": 2}', 400, "channel=2"),
        ('{"type": "start", "sample_rate": 16000, "profile": "x"}', 400, "no such profile"),
        ('{"type": "start", "sample_rate": 16000, "profile": "../x"}', 400, "profile name"),
        ('{"type": "start", "sample_rate": 16000, "pause": 0.01}', 400, "pause=0.01"),
    ],
)
def test_an_invalid_start_is_a_problem(server, message, status, text):
    url = f"ws://127.0.0.1:{server.port}/v1/stream"
    with connect(url, subprotocols=["edge-ser.v1"]) as stream:
        stream.send(message)
        (answer,), code = received(stream)
    jsonschema.validate(answer, SCHEMAS["stream-message"])
    assert code == 1008 and answer["type"] == "problem"
    assert answer["problem"]["status"] == status and text in answer["problem"]["detail"]


def test_samples_that_are_not_finite_end_a_stream(server):
    with open_stream(server, format="f32le") as stream:
        stream.send(np.full(100, np.nan, "<f4").tobytes())
        (_, answer), code = received(stream)
    assert code == 1008 and answer["problem"]["code"] == "unreadable_audio"
    with open_stream(server) as stream:
        stream.send('{"type": "pause"}')
        (_, answer), code = received(stream)
    assert code == 1008 and answer["problem"]["code"] == "invalid_body"


@pytest.mark.slow
def test_more_streams_than_the_limit_are_refused(tmp_path):
    with running_server("--max-streams", "2", folder=tmp_path) as running:
        with open_stream(running), open_stream(running):
            deadline = time.monotonic() + 10
            while running.metric("edge_ser_streams") < 2 and time.monotonic() < deadline:
                time.sleep(0.05)
            with pytest.raises(InvalidStatus) as refused:
                open_stream(running)
        answer = refused.value.response
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
        while running.metric("edge_ser_streams") and time.monotonic() < deadline + 10:
            time.sleep(0.05)
        with open_stream(running) as stream:
            assert json.loads(stream.recv(10))["type"] == "started"


@pytest.mark.slow
def test_audio_much_faster_than_real_time_is_held_back(server, speech_bytes):
    seconds = 13
    data = (speech_bytes * 10)[: 2 * RATE * seconds]
    started = time.monotonic()
    with open_stream(server, updates=False) as stream:
        for start in range(0, len(data), 32_000):
            stream.send(data[start : start + 32_000])
        stream.send('{"type": "stop"}')
        received(stream)
    assert time.monotonic() - started > (seconds - 5) / 4 - 0.5


@pytest.mark.slow
def test_a_quiet_stream_stays_open(server):
    """The deadlines of requests do not apply to it."""
    with open_stream(server) as stream:
        assert json.loads(stream.recv(10))["type"] == "started"
        time.sleep(HEADER_SECONDS + 1)
        stream.send('{"type": "flush"}')
        assert json.loads(stream.recv(10)) == {"type": "flushed"}


@pytest.mark.slow
def test_sigterm_answers_and_closes_with_1001(tmp_path, speech_bytes):
    """An utterance in progress gets its end."""
    with running_server(folder=tmp_path) as running:
        cut = int(2 * RATE * 2.6) // 2 * 2
        with open_stream(running, updates=False) as stream:
            stream.send(speech_bytes[:cut])
            seen = [json.loads(stream.recv(20)), json.loads(stream.recv(20))]
            running.process.send_signal(signal.SIGTERM)
            messages, code = received(stream)
        assert [seen[1]["event"], *(m["event"] for m in messages)] == ["start", "end"]
        assert code == 1001
        assert running.process.wait(15) == -signal.SIGTERM


@pytest.mark.slow
def test_ctrl_c_ends_with_status_130(tmp_path):
    with running_server(folder=tmp_path) as running:
        assert running.stop(signal.SIGINT) == 130


@pytest.mark.slow
def test_broken_sessions_leave_nothing_behind(server, speech_bytes):
    """Streams that are cut off, or never begin, free their place and their memory."""
    url = f"ws://127.0.0.1:{server.port}/v1/stream"

    def break_one(k: int) -> None:
        with contextlib.suppress(Exception):
            stream = connect(url, subprotocols=["edge-ser.v1"])
            if k % 4:
                stream.send(json.dumps({"type": "start", "sample_rate": RATE}))
                stream.send(speech_bytes[: 7001 * (k % 4)])
            if k % 3:
                stream.socket.shutdown(socket.SHUT_RDWR)
            else:
                stream.close()

    def break_many(count: int) -> None:
        for k in range(count):
            break_one(k)

    break_many(20)
    wait_for_no_streams(server)
    before = server.metric("edge_ser_resident_memory_bytes")
    break_many(60)
    wait_for_no_streams(server)
    assert server.metric("edge_ser_resident_memory_bytes") - before < 5 << 20
    assert server.request("/healthz").status == 200


def wait_for_no_streams(server: Server) -> None:
    deadline = time.monotonic() + 20
    while server.metric("edge_ser_streams"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_slow_reader_loses_updates_only(server, speech_bytes):
    """A client that does not read for a while gets every end."""
    data = speech_bytes * 2
    with connect(
        f"ws://127.0.0.1:{server.port}/v1/stream", subprotocols=["edge-ser.v1"], max_queue=1
    ) as stream:
        stream.send(json.dumps({"type": "start", "sample_rate": RATE}))
        sender = threading.Thread(
            target=lambda: (stream.send(data), stream.send('{"type":"stop"}'))
        )
        sender.start()
        time.sleep(1.5)
        (_, *events), code = received(stream)
        sender.join()
    assert code == 1000
    assert [event["event"] for event in events].count("end") == 4


def sse_rows(server: Server, headers: dict[str, str] | None = None) -> list[dict]:
    """Return the events of the device's microphone up to the first end."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", "/v1/events", headers=headers or {})
        response = connection.getresponse()
        assert response.getheader("content-type").startswith("text/event-stream")
        rows: list[dict] = []
        deadline = time.monotonic() + 30
        while not rows or rows[-1]["event"] != "end":
            assert time.monotonic() < deadline
            line = response.readline().decode()
            assert line
            if line.startswith("data: "):
                rows.append(json.loads(line.removeprefix("data: ")))
        return rows


@pytest.mark.slow
def test_events_of_the_microphone(tmp_path, voice_clips):
    file = tmp_path / "samples.npy"
    gap = np.zeros(RATE, np.float32)
    np.save(file, np.concatenate([gap, voice_clips[0], gap, gap]).astype(np.float32))
    with running_server(
        "--microphone", folder=tmp_path, code=WITH_MICROPHONE, FAKE_MICROPHONE=str(file)
    ) as s:
        assert s.request("/v1/models").json()["microphone"] is True
        rows = sse_rows(s)
        for row in rows:
            jsonschema.validate(row, SCHEMAS["event"])
        assert rows[0]["event"] == "start"
        # Readers that connect later get the last events again.
        again = sse_rows(s, {"Last-Event-ID": "0"})
        assert [row["event"] for row in again] == ["start", "end"]
        assert s.request("/readyz").status == 200


async def all_of(outbox: Outbox) -> list[str]:
    kinds = []
    while (item := await outbox.get()) is not None:
        kinds.append(item[1]["event"])
    return kinds


def test_an_outbox_drops_old_updates():
    import asyncio

    async def run() -> None:
        metrics = Metrics()
        outbox = Outbox(metrics)
        outbox.put({"event": "start"})
        for number in range(20):
            outbox.put({"event": "update", "number": number})
        outbox.put({"event": "end"})
        outbox.close()
        assert await all_of(outbox) == ["start", *MAX_UPDATES * ["update"], "end"]
        assert "edge_ser_dropped_updates_total 16" in metrics.text("m")

    asyncio.run(run())


def test_a_reader_that_never_reads_is_disconnected():
    import asyncio

    async def run() -> None:
        hub = Hub(Metrics())
        outbox = hub.subscribe()
        for _ in range(MAX_EVENTS + 1):
            hub.publish({"event": "end"})
        assert outbox.closed
        later = hub.subscribe(last=MAX_EVENTS - 1)
        hub.close()
        assert len(await all_of(later)) == 2

    asyncio.run(run())
