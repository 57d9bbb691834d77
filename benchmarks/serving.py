"""Cost and latency of `edge-ser serve`: `python -m benchmarks.serving`.

It starts the server as a process, and plays streams to it in real time. `--uploads` and
`--sessions` add damaged uploads and broken streams, and measure the memory that they leave.
"""

from __future__ import annotations

import contextlib
import json
import platform
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
import wave
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from .report import Out, command, publish, table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.servers import Server, running_server  # noqa: E402

RATE = 16_000
CHUNK_SECONDS = 0.05
PAUSE_SECONDS = 0.8  # the default of `listen`
GAP_SECONDS = 1.5


def utterances() -> np.ndarray:
    """Return the sample clips with a pause after each, int16 `(n_samples,)`."""
    parts = []
    for clip in sorted((ROOT / "samples").glob("*/*.wav")):
        with wave.open(str(clip)) as file:
            parts.append(np.frombuffer(file.readframes(file.getnframes()), "<i2"))
        parts.append(np.zeros(round(GAP_SECONDS * RATE), "<i2"))
    return np.concatenate(parts)


def start_up(runs: int, folder: Path) -> tuple[list[float], list[float]]:
    """Return the seconds until the server is ready, and its idle memory in MiB, of each run."""
    seconds, memory = [], []
    for _ in range(runs):
        started = time.perf_counter()
        with running_server(folder=folder) as server:
            assert server.request("/readyz").status == 200
            seconds.append(time.perf_counter() - started)
            time.sleep(1)
            memory.append(server.metric("edge_ser_resident_memory_bytes") / 2**20)
    return seconds, memory


def decisions(samples: np.ndarray) -> dict[float, int]:
    """Return the chunk with which a listener reports each "end", by the time of the end."""
    from edge_runtime import EmotionModel
    from edge_runtime.streaming.listener import Listener

    listener = Listener(EmotionModel.load(), RATE)
    step = round(CHUNK_SECONDS * RATE)
    found = {}
    for number, start in enumerate(range(0, len(samples), step)):
        chunk = samples[start : start + step].astype(np.float32) / 32_768
        for event in listener.push(chunk):
            if event.kind == "end":
                found[round(event.end, 3)] = number
    return found


def play(
    server: Server,
    samples: np.ndarray,
    delay: float,
    due: dict[float, int],
    latencies: list[tuple[float, float]],
) -> None:
    """Play a stream in real time, and append the latencies of each "end" in seconds.

    The first is that after the chunk with which a listener reports it: what the server adds. The
    second is that after the end of the pause, detection included.
    """
    from websockets.sync.client import connect

    time.sleep(delay)
    step = round(CHUNK_SECONDS * RATE)
    sent_at: list[float] = []  # of each chunk
    with connect(
        f"ws://127.0.0.1:{server.port}/v1/stream", subprotocols=["edge-ser.v1"], max_queue=None
    ) as stream:
        stream.send(json.dumps({"type": "start", "sample_rate": RATE}))

        def receive() -> None:
            with contextlib.suppress(Exception):
                while True:
                    event = json.loads(stream.recv())
                    now = time.perf_counter()
                    if event.get("event") != "end":
                        continue
                    chunk = due.get(event["end"])
                    if chunk is not None and chunk < len(sent_at):
                        # A microphone passes a chunk on at its end.
                        pause_end = started + event["end"] + PAUSE_SECONDS + CHUNK_SECONDS
                        latencies.append((now - sent_at[chunk], now - pause_end))

        receiver = threading.Thread(target=receive)
        started = time.perf_counter()
        receiver.start()
        for number, start in enumerate(range(0, len(samples), step)):
            wait = started + number * CHUNK_SECONDS - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            sent_at.append(time.perf_counter())
            stream.send(samples[start : start + step].tobytes())
        stream.send('{"type": "stop"}')
        receiver.join(20)


def latency(streams: int, seconds: float, folder: Path) -> list[tuple[float, float]]:
    """Return the latencies of all "end" events of several streams, as `play` measures them."""
    samples = utterances()
    samples = np.tile(samples, int(np.ceil(seconds * RATE / len(samples))))[: int(seconds * RATE)]
    latencies: list[tuple[float, float]] = []
    due = decisions(samples)
    with running_server("--max-streams", str(streams), folder=folder) as server:
        threads = [
            threading.Thread(target=play, args=(server, samples, 0.37 * k, due, latencies))
            for k in range(streams)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return latencies


def damaged_uploads(server: Server, count: int, seed: int) -> tuple[int, int]:
    """Send damaged recordings with a good one after every 20; return the good ones and answered."""
    from support.fuzz import inputs

    good = (ROOT / "samples" / "sad" / "1013_ITH_SAD_XX.wav").read_bytes()
    n_good = n_answered = 0
    for number, (_, content) in enumerate(inputs(seed, 0, count)):
        path = ("/v1/classify", "/v1/timeline", "/v1/doctor")[number % 3]
        with contextlib.suppress(OSError):
            answer = server.upload(path, content)
            assert answer.status in (200, 400, 422), answer.body
        if number % 20 == 0:
            n_good += 1
            n_answered += server.upload("/v1/classify", good).status == 200
    return n_good, n_answered


def broken_sessions(server: Server, count: int, seed: int) -> None:
    """Open streams that are cut off, send nonsense or never begin."""
    from websockets.sync.client import connect

    rng = random.Random(seed)
    audio = utterances().tobytes()
    for _ in range(count):
        with contextlib.suppress(Exception):
            stream = connect(
                f"ws://127.0.0.1:{server.port}/v1/stream", subprotocols=["edge-ser.v1"]
            )
            kind = rng.randrange(4)
            if kind:
                stream.send(json.dumps({"type": "start", "sample_rate": RATE}))
            if kind > 1:
                stream.send(audio[: rng.randrange(100_000)])
            if kind > 2:
                stream.send(rng.choice(["{", "[]", '{"type": "x"}', "a" * 10_000]))
            if rng.random() < 0.5:
                stream.socket.shutdown(socket.SHUT_RDWR)
            else:
                stream.close()


def memory_after(uploads: int, sessions: int, folder: Path, seed: int = 1) -> list[tuple[str, str]]:
    """Return what damaged uploads and broken streams leave, as rows of a table."""
    rows = []
    with running_server("--max-requests", "1e9", folder=folder) as server:

        def resident() -> float:
            for _ in range(5):
                time.sleep(1.5)
                value = server.metric("edge_ser_resident_memory_bytes")
            return value / 2**20

        damaged_uploads(server, 500, seed + 1)  # the allocator reaches its size
        broken_sessions(server, 50, seed + 1)
        before = resident()
        if uploads:
            good, answered = damaged_uploads(server, uploads, seed)
            rows.append((f"{uploads:,} damaged uploads", f"{resident() - before:+.1f} MiB"))
            rows.append((f"{good:,} good requests between them, answered", f"{answered:,}"))
        if sessions:
            middle = resident()
            broken_sessions(server, sessions, seed)
            rows.append((f"{sessions:,} broken streams", f"{resident() - middle:+.1f} MiB"))
    return rows


def main(
    runs: Annotated[int, typer.Option(help="Starts of the server.")] = 5,
    streams: Annotated[int, typer.Option(help="Streams at the same time.")] = 8,
    seconds: Annotated[float, typer.Option(help="Length of each stream.")] = 60.0,
    uploads: Annotated[int, typer.Option(help="Damaged uploads.")] = 0,
    sessions: Annotated[int, typer.Option(help="Broken streams.")] = 0,
    out: Out = None,
) -> None:
    """Measure start, memory and latency of the server."""
    from edge_runtime.workers import usable_cores

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows: list[tuple[str, str]] = []
        if runs:
            ready, memory = start_up(runs, folder)
            rows.append(("ready after the start, median", f"{statistics.median(ready):.2f} s"))
            rows.append(("resident memory, idle", f"{statistics.median(memory):.0f} MiB"))
        if streams:
            latencies = latency(streams, seconds, folder)
            rows.append(
                (f"`end` events of {streams} streams of {seconds:g} s", f"{len(latencies)}")
            )
            names = ("`end` after the audio that decides it", "`end` after the end of its pause")
            for what, column in zip(names, zip(*latencies)):
                values = sorted(1000 * value for value in column)
                p95 = values[min(len(values) - 1, int(0.95 * len(values)))]
                rows.append((f"{what}, median", f"{statistics.median(values):.0f} ms"))
                rows.append((f"{what}, p95", f"{p95:.0f} ms"))
        rows += memory_after(uploads, sessions, folder) if uploads or sessions else []
    text = (
        f"# The server\n\n{command()}, {usable_cores()} cores, Python "
        f"{platform.python_version()}. Clients run on the same cores.\n\n"
    )
    publish(text + table(("measurement", "value"), rows) + "\n", out)


if __name__ == "__main__":
    typer.run(main)
