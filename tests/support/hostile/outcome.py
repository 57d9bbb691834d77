"""What becomes of one file, by every way in: the same answer or the same refusal, and nothing else.

As a program it tries files in a process of its own, which may crash, hang or fill its memory:
`python -m support.hostile.outcome FOLDER`, with the names on standard input.
"""

from __future__ import annotations

import functools
import io
import itertools
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import typer

from edge_runtime import (
    AudioError,
    AudioLimits,
    EmotionModel,
    MfccConfig,
    MfccStream,
    Prediction,
    read_audio,
)
from edge_runtime.audio.pcm import PcmReader
from edge_runtime.cli import app as cli

EMULATED = os.environ.get("HYPOTHESIS_PROFILE") == "slow"  # as `make arm64` says
SECONDS = 600 if EMULATED else 20  # for one file, on a machine that is busy with others
LIMITS = AudioLimits(max_duration=60.0, max_size=64 << 20)
MEMORY = 3 << 30  # bytes of address space


@functools.lru_cache(maxsize=1)
def model() -> EmotionModel:
    return EmotionModel.load()


@functools.lru_cache(maxsize=1)
def parser() -> Any:
    """What typer builds anew at each call of the command, in 50 ms."""
    return typer.main.get_command(cli.app)


@functools.lru_cache(maxsize=1)
def front() -> MfccStream:
    return MfccStream(MfccConfig())


def read(path: Path) -> np.ndarray | str:
    """The samples, or the message of the AudioError; anything else is raised."""
    try:
        samples = read_audio(path, limits=LIMITS)
    except AudioError as error:
        assert str(path) in str(error), error
        return str(error)
    assert samples.dtype == np.float32 and samples.ndim == 1 and len(samples)
    assert samples.min() >= -1 and samples.max() <= 1  # false for NaN as well
    return samples


def outcome(path: Path, command: bool = True) -> str:
    """ "read", or the message of the AudioError; AssertionError if the ways in do not agree.

    `command`: on the command line too.
    """
    samples = read(path)
    said = samples if isinstance(samples, str) else "read"
    if isinstance(samples, np.ndarray):
        _features(samples)
        prediction = model().classify(path, limits=LIMITS)
        assert isinstance(prediction, Prediction)
        assert abs(sum(prediction.probabilities.values()) - 1) < 1e-4
    _timeline(path, said)
    _pipe(path)
    if command:
        _command_line(path, said)
    return said


def _features(samples: np.ndarray) -> None:
    stream = front()
    frames = [*(stream.push(piece) for piece in np.array_split(samples, 3)), stream.flush()]
    assert np.isfinite(np.concatenate(frames)).all()


def _timeline(path: Path, said: str) -> None:
    """Segments from 0 on without a gap, and at the end the error that `read_audio` raises."""
    end, failed = 0.0, ""
    try:
        for segment in model().timeline(path, limits=LIMITS):
            assert segment.start == end < segment.end
            end = segment.end
    except AudioError as error:
        failed = str(error)
    assert (failed or "read") == said or "is too short" in said, (failed, said)


def _pipe(path: Path) -> None:
    """What `listen` hears of the same bytes."""
    reader = PcmReader()
    try:
        with path.open("rb") as file:
            for data in itertools.islice(iter(lambda: file.read(50_000), b""), 10):
                assert np.isfinite(reader.push(data)).all()
        reader.close()
    except AudioError as error:
        assert str(error).startswith("standard input: ")


def _command_line(path: Path, said: str) -> None:
    """`edge-ser classify`: status 0 and an answer, or 1 and what was said, in one line."""
    status, out, error = run(
        "classify",
        "--quiet",
        "--format",
        "jsonl",
        "--max-duration",
        str(LIMITS.longest),
        "--max-size",
        str(LIMITS.largest),
        str(path),
    )
    if said == "read":
        assert (status, error) == (0, ""), (status, error)
        assert json.loads(out)["file"] == str(path)
    else:
        assert (status, out) == (1, ""), (status, out)
        assert error.startswith("edge-ser: ") and error.count("\n") == 1, error


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and error of the command line, in this process; what is built
    at the first call, model and parser, is kept."""
    command, loaded, wanted, load = parser(), model(), cli._asked_for, EmotionModel.load
    streams = sys.argv, sys.stdout, sys.stderr
    cli._asked_for = lambda arguments: command  # type: ignore
    EmotionModel.load = lambda path=None: loaded  # type: ignore
    out, error = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    sys.argv, sys.stdout, sys.stderr = ["edge-ser", *arguments], out, error
    try:
        cli.main()
        status = 0
    except SystemExit as exit:
        status = exit.code if isinstance(exit.code, int) else 0
    finally:
        cli._asked_for, EmotionModel.load = wanted, load  # type: ignore
        sys.argv, sys.stdout, sys.stderr = streams
        for stream in (out, error):
            stream.flush()
    return status, *(s.buffer.getvalue().decode() for s in (out, error))  # type: ignore


def limit() -> None:
    """No more memory for this process than MEMORY."""
    import resource

    model()  # first: onnxruntime reserves what it never uses
    if not EMULATED:  # the emulator's own memory counts
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def peak() -> int:
    """KiB that this process has held at most; 0 where the system does not tell.

    What getrusage says includes the process that started this one.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def main() -> None:
    """Tell of each name on standard input, one JSON list a line, what became of the file."""
    limit()
    for line in sys.stdin:
        name, command = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)  # its default is to end the process
        try:
            said = outcome(Path(name), command)
        except Exception as error:
            said = f"FAILED {type(error).__name__}: {error}"
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps([name, said, peak()]), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
