"""Try one file by every entry point: all must give the same result or the same refusal.

As a program it tries files in a separate process, which may crash, hang or fill its memory:
`python -m support.hostile.outcome` reads `[path, command]` as JSON lines from standard input.
"""

from __future__ import annotations

import functools
import io
import itertools
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
from edge_runtime.audio.pcm_reader import PcmReader
from edge_runtime.cli import app as cli

EMULATED = os.environ.get("HYPOTHESIS_PROFILE") == "slow"  # set by `make arm64`
# Per file: CPU time, and wall time for what blocks without computing.
MAX_CPU_SECONDS = 600 if EMULATED else 20
MAX_SECONDS = 10 * MAX_CPU_SECONDS
LIMITS = AudioLimits(max_duration=60.0, max_size=64 << 20)
MAX_ADDRESS_SPACE = 3 << 30  # bytes


@functools.lru_cache(maxsize=1)
def model() -> EmotionModel:
    """Return the bundled model, loaded once."""
    return EmotionModel.load()


@functools.lru_cache(maxsize=1)
def front_end() -> MfccStream:
    """Return one stream, which every file reuses."""
    return MfccStream(MfccConfig())


def read(path: Path) -> np.ndarray | str:
    """Return the samples, or the message of the AudioError; other exceptions propagate."""
    try:
        samples = read_audio(path, limits=LIMITS)
    except AudioError as error:
        assert str(path) in str(error), error
        return str(error)
    assert samples.dtype == np.float32 and samples.ndim == 1 and len(samples)
    assert samples.min() >= -1 and samples.max() <= 1  # false for NaN as well
    return samples


def outcome(path: Path, command: bool = True) -> str:
    """Return "read", or the message of the AudioError.

    Args:
        path: The file.
        command: Try the command line as well.

    Raises:
        AssertionError: If the entry points disagree.
    """
    samples = read(path)
    message = samples if isinstance(samples, str) else "read"
    if isinstance(samples, np.ndarray):
        _check_features(samples)
        prediction = model().classify(path, limits=LIMITS)
        assert isinstance(prediction, Prediction)
        assert abs(sum(prediction.probabilities.values()) - 1) < 1e-4
    _check_timeline(path, message)
    _check_pipe(path)
    if command:
        _check_command_line(path, message)
    return message


def _check_features(samples: np.ndarray) -> None:
    stream = front_end()
    frames = [*(stream.push(piece) for piece in np.array_split(samples, 3)), stream.flush()]
    assert np.isfinite(np.concatenate(frames)).all()


def _check_timeline(path: Path, message: str) -> None:
    """Check for contiguous segments from 0 on, and at the end the error of `read_audio`."""
    end, failure = 0.0, ""
    try:
        for segment in model().timeline(path, limits=LIMITS):
            assert segment.start == end < segment.end
            end = segment.end
    except AudioError as error:
        failure = str(error)
    assert (failure or "read") == message or "is too short" in message, (failure, message)


def _check_pipe(path: Path) -> None:
    """Check the samples that `listen` gets from the same bytes on standard input."""
    reader = PcmReader()
    try:
        with path.open("rb") as file:
            for data in itertools.islice(iter(lambda: file.read(50_000), b""), 10):
                assert np.isfinite(reader.push(data)).all()
        reader.close()
    except AudioError as error:
        assert str(error).startswith("standard input: ")


def _check_command_line(path: Path, message: str) -> None:
    """Check that `classify` exits with 0 and a result, or with 1 and the message on one line."""
    status, out, error = run(
        *("classify", "--quiet", "--format", "jsonl"),
        *("--max-duration", str(LIMITS.max_duration), "--max-size", str(LIMITS.max_size)),
        str(path),
    )
    if message == "read":
        assert status == 0, (status, error)
        for line in error.splitlines():
            assert line.startswith(f"edge-ser: {path}: note: "), error
        assert json.loads(out)["file"] == str(path)
    else:
        assert (status, out) == (1, ""), (status, out)
        *notes, last = error.splitlines()
        assert last.startswith("edge-ser: ") and error.endswith("\n"), error
        assert all(line.startswith(f"edge-ser: {path}: note: ") for line in notes), error


@contextmanager
def _one_model_and_parser() -> Iterator[None]:
    """Keep the model and the parsers, which the command would build anew for every call."""
    loaded, load, get_command = model(), EmotionModel.load, typer.main.get_command

    def cached_command(app: typer.Typer) -> Any:
        key = tuple(str(entry.callback) for entry in app.registered_commands)
        if key not in _PARSERS:
            _PARSERS[key] = get_command(app)
        return _PARSERS[key]

    EmotionModel.load = lambda path=None: loaded  # type: ignore
    typer.main.get_command = cached_command
    try:
        yield
    finally:
        EmotionModel.load = load  # type: ignore
        typer.main.get_command = get_command


_PARSERS: dict[tuple[str, ...], Any] = {}


def run(*arguments: str) -> tuple[int, str, str]:
    """Run the command line in this process.

    Returns:
        Exit status, standard output and standard error.
    """
    streams = sys.argv, sys.stdout, sys.stderr
    out, error = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    sys.argv, sys.stdout, sys.stderr = ["edge-ser", *arguments], out, error
    try:
        with _one_model_and_parser():
            cli.main()
        status = 0
    except SystemExit as exit:
        status = exit.code if isinstance(exit.code, int) else 0
    finally:
        sys.argv, sys.stdout, sys.stderr = streams
        for stream in (out, error):
            stream.flush()
    return status, *(s.buffer.getvalue().decode() for s in (out, error))  # type: ignore


def limit_memory() -> None:
    """Limit the address space of this process to MAX_ADDRESS_SPACE."""
    import resource

    model()  # first, because onnxruntime reserves address space that it never uses
    if not EMULATED:  # the emulator's own memory counts
        resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESS_SPACE, MAX_ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def peak_kib() -> int:
    """Return the peak resident set of this process in KiB, 0 where it is not available.

    `getrusage` would include the process that started this one.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def main() -> None:
    """Print `[path, message, peak KiB]` as a JSON line for each line of standard input."""
    limit_memory()
    for line in sys.stdin:
        name, command = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, MAX_CPU_SECONDS)  # SIGPROF ends the process
        signal.setitimer(signal.ITIMER_REAL, MAX_SECONDS)  # and so does SIGALRM
        try:
            message = outcome(Path(name), command)
        except Exception as error:
            message = f"FAILED {type(error).__name__}: {error}"
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps([name, message, peak_kib()]), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
