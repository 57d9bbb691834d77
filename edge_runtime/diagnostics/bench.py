"""Speed and memory of edge-ser on this machine."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..inference.network import network_of
from ..validation import check_integer, check_number
from ..workers import usable_cores
from . import system_info
from .process_cost import ProcessCost, process_costs

# numpy is imported in the functions: `measure` limits its threads first.
if TYPE_CHECKING:
    import numpy as np

    from ..model import EmotionModel

MAX_PROCESS_RUNS = 5  # of each command; a process takes seconds on a small board
STREAM_RUNS_SHARE = 0.1  # of the runs, because a stream takes ten times as long as a clip
MIN_SECONDS, MAX_SECONDS = 0.1, 600  # of the synthetic voice

# Variables that limit the threads of matrix products in numpy. `EmotionModel.load` limits those of
# the network.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@dataclass(frozen=True)
class Timing:
    """Duration of many runs in seconds.

    Attributes:
        p50: Median.
        p95: 95th percentile.
    """

    p50: float
    p95: float


@dataclass(frozen=True)
class Measurements:
    """The results of `measure`; durations are in seconds.

    Attributes:
        edge_ser: Version of edge-ser.
        board: Name of the single-board computer; None on other machines.
        processor: Name of the processor.
        cores: Cores that this process may use.
        system: Operating system and pointer size.
        versions: Versions of Python and of the packages that compute; None if missing.
        model: Name of the model.
        model_bytes: Size of its file.
        clip: Name of the clip.
        clip_seconds: Duration of the clip.
        runs: Number of runs.
        classify_process: Cost of `edge-ser classify CLIP`, from start to exit.
        help_process: Cost of `edge-ser --help`.
        load: Loading of the model, with onnxruntime imported already.
        mfcc: MFCC of the clip.
        network: The network on the frames of the clip that are not silent.
        classify: Classification of samples: MFCC, network and the steps between.
        stream_10ms: The whole clip as a stream in chunks of 10 ms, median.
        stream_100ms: The same in chunks of 100 ms.
    """

    edge_ser: str
    board: str | None
    processor: str
    cores: int
    system: str
    versions: dict[str, str | None]
    model: str
    model_bytes: int
    clip: str
    clip_seconds: float
    runs: int
    classify_process: ProcessCost
    help_process: ProcessCost
    load: float
    mfcc: Timing
    network: Timing
    classify: Timing
    stream_10ms: float
    stream_100ms: float

    @property
    def real_time_factor(self) -> float:
        """Seconds of computation per second of audio."""
        return self.classify.p50 / self.clip_seconds

    @property
    def clips_per_second(self) -> float:
        """Clips classified per second on one core, from samples."""
        return 1 / self.classify.p50

    def to_dict(self) -> dict[str, Any]:
        """Return all values and the ratios derived from them, as JSON values."""
        return {
            **asdict(self),
            "real_time_factor": self.real_time_factor,
            "clips_per_second": self.clips_per_second,
            "hours_per_hour": 1 / self.real_time_factor,
            "core_share_10ms": self.stream_10ms / self.clip_seconds,
            "core_share_100ms": self.stream_100ms / self.clip_seconds,
        }


def measure(
    model: str | os.PathLike[str] | None = None,
    clip: str | os.PathLike[str] | None = None,
    *,
    seconds: float = 3.0,
    runs: int = 200,
    progress: Callable[[str], None] = lambda text: None,
) -> Measurements:
    """Measure edge-ser on this machine, on one thread; takes about ten seconds on a laptop.

    If numpy is imported already, its matrix products keep their number of threads.

    Args:
        model: An .onnx file. Default: the bundled model.
        clip: An audio file. Default: a synthetic voice.
        seconds: Duration of the synthetic voice, 0.1 to 600.
        runs: Number of classifications of the clip, 1 or more.
        progress: Called with a description of each measurement before it starts.

    Returns:
        The results.

    Raises:
        ConfigError: If `seconds` or `runs` is out of range.
        EdgeSerError: If the model or the clip cannot be used.
    """
    check_number("seconds", seconds, MIN_SECONDS, MAX_SECONDS)
    check_integer("runs", runs, 1)
    with _one_thread():
        from ..audio.read import read_audio
        from ..model import EmotionModel
        from .synthetic_voice import synthetic_voice

        EmotionModel.load(model)  # imports onnxruntime; errors are raised before any measurement
        started = time.perf_counter()
        loaded = EmotionModel.load(model)
        load = time.perf_counter() - started
        rate = loaded.sample_rate
        samples = synthetic_voice(seconds, rate) if clip is None else read_audio(clip, rate)
        progress(f"classifying {len(samples) / rate:.1f} s of audio {runs} times")
        parts = _part_timings(loaded, samples, runs)
        progress("streams")
        stream_runs = max(1, int(runs * STREAM_RUNS_SHARE))
        streams = [
            _stream_median(loaded, samples, round(rate * seconds_per_chunk), stream_runs)
            for seconds_per_chunk in (0.01, 0.1)
        ]
    rounds = min(MAX_PROCESS_RUNS, runs)
    progress(f"whole processes, {rounds} of each command")
    processes = _process_costs(model, clip, samples, rate, rounds)
    return Measurements(
        edge_ser=__version__,
        board=system_info.board(),
        processor=system_info.processor(),
        cores=usable_cores(),
        system=f"{system_info.system()}, {system_info.bits()}-bit",
        versions={
            "python": platform.python_version(),
            **{name: system_info.installed(name) for name in ("numpy", "onnxruntime")},
        },
        model=loaded.card.name,
        model_bytes=network_of(loaded).path.stat().st_size,
        clip="synthetic voice" if clip is None else Path(clip).name,
        clip_seconds=len(samples) / rate,
        runs=runs,
        classify_process=processes["classify"],
        help_process=processes["help"],
        load=load,
        mfcc=parts["mfcc"],
        network=parts["network"],
        classify=parts["classify"],
        stream_10ms=streams[0],
        stream_100ms=streams[1],
    )


def timings(
    candidates: dict[str, Callable[[], object]],
    rounds: int,
    shuffled: Callable[[list[str]], list[str]] = list,
) -> dict[str, list[float]]:
    """Time several functions in alternation.

    Every timed call follows an untimed call of the same function, so that the result does not
    depend on the caches that the previous candidate left.

    Args:
        candidates: Functions by name.
        rounds: Number of timed calls of each.
        shuffled: Returns the names in the order of the next round.

    Returns:
        Durations in seconds by name, one per round.
    """
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name in shuffled(list(candidates)):
            candidates[name]()
            started = time.perf_counter()
            candidates[name]()
            times[name].append(time.perf_counter() - started)
    return times


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit libraries that are imported in the block to one thread."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _part_timings(model: EmotionModel, samples: np.ndarray, runs: int) -> dict[str, Timing]:
    """Time the parts of a classification."""
    import numpy as np

    network = network_of(model)
    frames = network.speech_frames(samples)
    times = timings(
        {
            "mfcc": lambda: network.front_end(samples),
            "network": lambda: network.run(frames),
            "classify": lambda: model.classify(samples),
        },
        runs,
    )
    return {
        name: Timing(*map(float, np.percentile(seconds, [50, 95])))
        for name, seconds in times.items()
    }


def _stream_median(model: EmotionModel, samples: np.ndarray, length: int, runs: int) -> float:
    """Return the median seconds for the whole clip, pushed in chunks of `length` samples."""
    import numpy as np

    def run() -> None:
        stream = model.stream()
        for start in range(0, len(samples), length):
            stream.push(samples[start : start + length])
        stream.flush()

    return float(np.median(timings({"stream": run}, runs)["stream"]))


def _process_costs(
    model: str | os.PathLike[str] | None,
    clip: str | os.PathLike[str] | None,
    samples: np.ndarray,
    rate: int,
    rounds: int,
) -> dict[str, ProcessCost]:
    """Measure whole processes of `edge-ser`."""
    program = [sys.executable, "-m", "edge_runtime"]
    options = [] if model is None else ["--model", str(model)]
    with tempfile.TemporaryDirectory() as folder:
        if clip is None:
            clip = Path(folder) / "voice.wav"
            with wave.open(str(clip), "wb") as file:
                file.setparams((1, 2, rate, 0, "NONE", ""))
                file.writeframes((32767 * samples).astype("<i2").tobytes())
        return process_costs(
            {"classify": [*program, "classify", str(clip), *options], "help": [*program, "--help"]},
            rounds,
        )
