"""Many inputs, one answer each: in order, in several processes, and none stops the others."""

from __future__ import annotations

import functools
import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from .audio.paths import expand
from .errors import AudioError, ConfigError, EdgeSerError
from .inference.network import network_of
from .workers import Workers, attempt

if TYPE_CHECKING:
    from concurrent.futures import Future

    from .audio.limits import AudioLimits
    from .inference.prediction import Prediction
    from .inference.profile import SpeakerProfile
    from .model import EmotionModel

T = TypeVar("T")

# Inputs for each job that are begun before the oldest has been answered: enough that a long
# recording does not leave the others idle, and no more is held for a million files.
QUEUED_PER_JOB = 32

# A process is given as many inputs at a time as it answers within this, since every exchange with
# it costs a tenth of a short clip.
EXCHANGE_SECONDS = 0.03
MAX_AT_ONCE = 8


@dataclass(frozen=True)
class BatchResult(Generic[T]):
    """What came of one input."""

    file: str  # as it was given or found; "" for a folder or a pattern that holds no file
    result: T | EdgeSerError  # the error if it could not be used


def classify_many(
    model: EmotionModel,
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    jobs: int = 1,
    threshold: float | None = None,
    profile: SpeakerProfile | None = None,
    limits: AudioLimits | None = None,
    channel: int | None = None,
) -> Iterator[BatchResult[Prediction]]:
    """The emotion of each of many files, folders (searched) and patterns (`calls/**/*.wav`), or of
    all that one of them stands for.

    Args:
        jobs: how many processes work at a time, each with a model of its own that is loaded from
            `network_of(model).path`; 0 for as many as there are cores. They need a moment to start.
        threshold, profile, limits, channel: as for `EmotionModel.classify`.
    Answers come in the order of the inputs and as soon as they are ready; a file that cannot be
    used is an `Answer` whose result is an EdgeSerError. Raises ConfigError for a wrong argument.

    >>> from edge_runtime import EmotionModel, EdgeSerError
    >>> files = ["samples/**/*.wav", "missing.wav"]
    >>> answers = list(classify_many(EmotionModel.load(), files, jobs=2))
    >>> [answer.file for answer in answers if not isinstance(answer.result, EdgeSerError)][:2]
    ['samples/angry/1055_IEO_ANG_HI.wav', 'samples/happy/1079_IEO_HAP_MD.wav']
    >>> answers[-1]
    Answer(file='missing.wav', result=AudioError('missing.wav: no such file'))
    """
    threshold = network_of(model).check_threshold(threshold)
    if profile is not None:
        profile.bias_for(network_of(model))  # of another model: not for every file
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    return answer_all(
        functools.partial(
            model.classify, threshold=threshold, profile=profile, limits=limits, channel=channel
        ),
        expand(paths),
        jobs,
    )


def answer_all(
    work: Callable[[str], T],
    inputs: Iterable[str | AudioError],
    jobs: int = 1,
    here: Mapping[str, Callable[[], T]] | None = None,
) -> Generator[BatchResult[T], None, None]:
    """What `work` returns for each of `inputs`, or the EdgeSerError that it raised.

    Args:
        work: what more than one job does in other processes, so that pickle must take it.
        inputs: names, or errors that are passed on.
        jobs: as for `classify_many`.
        here: inputs that are answered in this process, and how.
    ConfigError is no input's fault: it is raised, and ends everything.
    """
    if jobs < 0:
        raise ConfigError(f"jobs={jobs!r} must be 0 (as many as there are cores) or more")
    if jobs == 0:
        from .workers import usable_cores

        jobs = usable_cores()
    if jobs == 1:
        return _in_turn(work, inputs, here or {})
    return _in_processes(work, inputs, jobs, here or {})


def _in_turn(
    work: Callable[[str], T],
    inputs: Iterable[str | AudioError],
    here: Mapping[str, Callable[[], T]],
) -> Generator[BatchResult[T], None, None]:
    for name in inputs:
        yield from _answers(lambda names: [attempt(work, name) for name in names], [name], here)


def _in_processes(
    work: Callable[[str], T],
    inputs: Iterable[str | AudioError],
    jobs: int,
    here: Mapping[str, Callable[[], T]],
) -> Generator[BatchResult[T], None, None]:
    """A thread for each process keeps it busy."""
    from concurrent.futures import ThreadPoolExecutor

    at_once = 1

    def answers(names: list[str | AudioError]) -> list[BatchResult[T]]:
        nonlocal at_once
        started = time.monotonic()
        done = _answers(workers, names, here)
        each = (time.monotonic() - started) / len(names)
        at_once = max(1, min(MAX_AT_ONCE, 2 * len(names), int(EXCHANGE_SECONDS / (each + 1e-9))))
        return done

    workers = Workers(work)
    pool = ThreadPoolExecutor(jobs)
    waiting: deque[tuple[int, Future[list[BatchResult[T]]]]] = deque()
    inputs, held = iter(inputs), 0
    try:
        while names := list(itertools.islice(inputs, at_once)):
            waiting.append((len(names), pool.submit(answers, names)))
            held += len(names)
            while waiting and (
                held > (QUEUED_PER_JOB - MAX_AT_ONCE) * jobs or waiting[0][1].done()
            ):
                held -= waiting[0][0]
                yield from waiting.popleft()[1].result()
        while waiting:
            yield from waiting.popleft()[1].result()
    finally:  # also when nobody wants the rest
        pool.shutdown(wait=False, cancel_futures=True)
        workers.close()


def _answers(
    work: Callable[[list[str]], list[T | EdgeSerError]],
    inputs: list[str | AudioError],
    here: Mapping[str, Callable[[], T]],
) -> list[BatchResult[T]]:
    """The answers to `inputs`; ConfigError if one of them is that."""
    there = [name for name in inputs if isinstance(name, str) and name not in here]
    results = iter(work(there) if there else [])
    answers: list[BatchResult[T]] = []
    for name in inputs:
        if isinstance(name, AudioError):
            answers.append(BatchResult("", name))
            continue
        result = attempt(lambda name: here[name](), name) if name in here else next(results)
        if isinstance(result, ConfigError):
            raise result
        answers.append(BatchResult(name, result))
    return answers
