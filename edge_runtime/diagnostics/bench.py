"""How fast edge-ser is on the machine where this runs."""

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
from ..errors import ConfigError
from ..inference.network import network_of
from ..workers import usable_cores
from . import system_info
from .process_cost import ProcessCost, process_costs

# numpy is imported in the functions: measure() says first how many threads it may use.
if TYPE_CHECKING:
    import numpy as np

    from ..model import EmotionModel

PROCESSES = 5  # whole processes of each kind at most; each takes seconds on a small board
STREAMS = 0.1  # of the runs: a stream takes ten times as long as a clip

# Of a matrix product in numpy; the network's threads are those of EmotionModel.load().
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@dataclass(frozen=True)
class Timing:
    """Seconds of many runs: half of them, or 19 of 20, took no longer."""

    p50: float
    p95: float


@dataclass(frozen=True)
class Measurements:
    """What `measure` found; times are in seconds."""

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
    classify_process: ProcessCost  # `edge-ser classify CLIP`, from start to exit
    help_process: ProcessCost
    load: float  # of the model, in a process that has onnxruntime loaded
    mfcc: Timing  # of the clip
    network: Timing  # on the frames of the clip that are not silent
    classify: Timing  # both and what is between them, from samples
    stream_10ms: float  # of the whole clip pushed in chunks of that length, median
    stream_100ms: float

    @property
    def real_time_factor(self) -> float:
        """Seconds of computing for a second of audio."""
        return self.classify.p50 / self.clip_seconds

    @property
    def clips_per_second(self) -> float:
        """From samples, on one core."""
        return 1 / self.classify.p50

    def to_dict(self) -> dict[str, Any]:
        """Everything, with what follows from it, as JSON holds it."""
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
    """Measure edge-ser on this machine, on one thread; about ten seconds on a laptop.

    Args:
        model: an .onnx file (None: the bundled one).
        clip: an audio file (None: a synthesised sound like a voice).
        seconds: how long the synthesised one is, 0.1 to 600.
        runs: how often the clip is classified, 1 or more.
        progress: is told what is being measured.
    Raises EdgeSerError where the model or the clip cannot be used. Where numpy is imported
    already, its products of matrices keep the threads they have.
    """
    if not 0.1 <= seconds <= 600:
        raise ConfigError(f"seconds={seconds!r} must be from 0.1 to 600")
    if runs < 1:
        raise ConfigError(f"runs={runs!r} must be 1 or more")
    with _one_thread():
        from ..audio.read import read_audio
        from ..model import EmotionModel
        from .synthetic_voice import synthetic_voice

        EmotionModel.load(model)  # loads onnxruntime, and fails before anything is measured
        started = time.perf_counter()
        loaded = EmotionModel.load(model)
        load = time.perf_counter() - started
        rate = loaded.sample_rate
        samples = synthetic_voice(seconds, rate) if clip is None else read_audio(clip, rate)
        progress(f"classifying {len(samples) / rate:.1f} s of audio {runs} times")
        parts = _parts(loaded, samples, runs)
        progress("streams")
        streams = [
            _median_of_streams(loaded, samples, round(rate * length), max(1, int(runs * STREAMS)))
            for length in (0.01, 0.1)
        ]
    rounds = min(PROCESSES, runs)
    progress(f"whole processes, {rounds} of each kind")
    processes = _processes(model, clip, samples, rate, rounds)
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
        clip="synthesised voice" if clip is None else Path(clip).name,
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
    """Seconds of each candidate in `rounds` rounds of all, in an order that `segment_shuffle` gives.

    A call that is not timed precedes each that is: what is measured is work that goes on, not the
    state in which the candidate before has left the caches.
    """
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name in shuffled(list(candidates)):
            candidates[name]()
            started = time.perf_counter()
            candidates[name]()
            times[name].append(time.perf_counter() - started)
    return times


def as_markdown(m: Measurements) -> str:
    """A table to show to others."""
    rows = [
        ("processor", f"{m.processor}, {m.cores} core{'s' if m.cores > 1 else ''}"),
        ("system", m.system),
        ("versions", ", ".join(f"{k} {v or 'missing'}" for k, v in m.versions.items())),
        ("model", f"{m.model}, {m.model_bytes:,} bytes"),
        ("clip", f"{m.clip}, {m.clip_seconds:.1f} s"),
        ("`edge-ser classify`, the whole process", _process(m.classify_process)),
        ("`edge-ser --help`, the whole process", _process(m.help_process)),
        ("loading the model", f"{1000 * m.load:.1f} ms"),
        ("MFCC of the clip", _timing(m.mfcc)),
        ("network", _timing(m.network)),
        ("both, from samples", _timing(m.classify)),
        (
            "real-time factor",
            f"{m.real_time_factor:.2g} ({1 / m.real_time_factor:,.0f} hours of audio an hour)",
        ),
        ("throughput", f"{m.clips_per_second:,.0f} clips a second"),
        ("live in chunks of 10 ms", _share(m.stream_10ms, m.clip_seconds)),
        ("live in chunks of 100 ms", _share(m.stream_100ms, m.clip_seconds)),
    ]
    head = [f"| edge-ser {m.edge_ser} | {m.board or m.processor} |", "|---|---|"]
    return "\n".join([*head, *(f"| {name} | {value} |" for name, value in rows)])


def _process(cost: ProcessCost) -> str:
    memory = (
        "peak memory not told by this system"
        if cost.peak_mib is None
        else f"peak {cost.peak_mib:.0f} MiB"
    )
    return f"{cost.seconds:.2f} s, {memory}"


def _timing(timing: Timing) -> str:
    return f"{1000 * timing.p50:.2f} ms (95 % within {1000 * timing.p95:.2f} ms)"


def _share(seconds: float, of: float) -> str:
    return f"{100 * seconds / of:.1f} % of one core"


@contextmanager
def _one_thread() -> Iterator[None]:
    """Libraries that are loaded meanwhile compute on one thread."""
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


def _parts(model: EmotionModel, samples: np.ndarray, runs: int) -> dict[str, Timing]:
    import numpy as np

    frames = network_of(model).speech_frames(samples)
    found = timings(
        {
            "mfcc": lambda: network_of(model).front_end(samples),
            "network": lambda: network_of(model).run(frames),
            "classify": lambda: model.classify(samples),
        },
        runs,
    )
    return {
        name: Timing(*map(float, np.percentile(seconds, [50, 95])))
        for name, seconds in found.items()
    }


def _median_of_streams(model: EmotionModel, samples: np.ndarray, length: int, runs: int) -> float:
    """Seconds for the whole clip, pushed in chunks of `length` samples."""
    import numpy as np

    def run() -> None:
        stream = model.stream()
        for start in range(0, len(samples), length):
            stream.push(samples[start : start + length])
        stream.flush()

    return float(np.median(timings({"stream": run}, runs)["stream"]))


def _processes(
    model: str | os.PathLike[str] | None,
    clip: str | os.PathLike[str] | None,
    samples: np.ndarray,
    rate: int,
    rounds: int,
) -> dict[str, ProcessCost]:
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
