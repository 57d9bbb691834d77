"""Many inputs, one answer each: in order, in several processes, and none stops the others."""

from __future__ import annotations

import functools
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from .errors import AudioError, ConfigError, EdgeSerError
from .inputs import expand

if TYPE_CHECKING:
    from concurrent.futures import Future

    from .model import EmotionModel, Prediction
    from .profile import SpeakerProfile

T = TypeVar("T")

# Inputs for each job that are begun before the oldest has been answered: enough that a long
# recording does not leave the others idle, and no more is held for a million files.
AHEAD = 16


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What came of one input."""

    file: str  # as it was given or found; "" for a folder or a pattern that holds no file
    result: T | EdgeSerError  # the error if it could not be used


def classify_many(
    model: EmotionModel,
    paths: Iterable[str | os.PathLike[str]],
    *,
    jobs: int = 1,
    threshold: float | None = None,
    profile: SpeakerProfile | None = None,
) -> Iterator[Answer[Prediction]]:
    """The emotion of each of many files, folders (searched) and patterns (`calls/**/*.wav`).

    Args:
        jobs: how many processes work at a time, each with a model of its own that is loaded from
            `model.path`; 0 for as many as there are cores. They need a moment to start.
        threshold, profile: as for `EmotionModel.classify`.
    Answers come in the order of the inputs and as soon as they are ready; a file that cannot be
    used is an `Answer` whose result is an EdgeSerError. Raises ConfigError for a wrong argument.

    >>> from edge_runtime import EmotionModel, EdgeSerError
    >>> files = ["samples/**/speaker01-1.wav", "missing.wav"]
    >>> answers = list(classify_many(EmotionModel.load(), files, jobs=2))
    >>> [answer.file for answer in answers if not isinstance(answer.result, EdgeSerError)][:2]
    ['samples/angry/speaker01-1.wav', 'samples/happy/speaker01-1.wav']
    >>> answers[-1]
    Answer(file='missing.wav', result=AudioError('missing.wav: no such file'))
    """
    threshold = model.check_threshold(threshold)
    if profile is not None:
        profile.shift(model)  # of another front end: not for every file
    return answer_all(
        functools.partial(model.classify, threshold=threshold, profile=profile),
        expand(paths), jobs,
    )


def answer_all(
    work: Callable[[str], T], inputs: Iterable[str | AudioError], jobs: int = 1,
    here: Mapping[str, Callable[[], T]] | None = None,
) -> Generator[Answer[T], None, None]:
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
    jobs = jobs or _cores()
    if jobs == 1:
        return (_answer(work, name, here or {}) for name in inputs)
    return _in_processes(work, inputs, jobs, here or {})


def _answer(
    work: Callable[[str], T], name: str | AudioError, here: Mapping[str, Callable[[], T]]
) -> Answer[T]:
    if isinstance(name, AudioError):
        return Answer("", name)
    try:
        return Answer(name, here[name]() if name in here else work(name))
    except ConfigError:
        raise
    except EdgeSerError as error:
        return Answer(name, error)
    except MemoryError:
        return Answer(name, AudioError(f"{name}: does not fit into the memory"))


def _in_processes(
    work: Callable[[str], T], inputs: Iterable[str | AudioError], jobs: int,
    here: Mapping[str, Callable[[], T]],
) -> Generator[Answer[T], None, None]:
    """A thread for each process keeps it busy."""
    from concurrent.futures import ThreadPoolExecutor

    from .workers import Workers

    workers = Workers(work)
    pool = ThreadPoolExecutor(jobs)
    waiting: deque[Future[Answer[T]]] = deque()
    try:
        for name in inputs:
            waiting.append(pool.submit(_answer, workers, name, here))
            while waiting and (len(waiting) >= AHEAD * jobs or waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # also when nobody wants the rest
        pool.shutdown(wait=False, cancel_futures=True)
        workers.close()


def _cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
