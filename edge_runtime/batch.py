"""Process many inputs in order, in several processes; an error stops no other input."""

from __future__ import annotations

import functools
import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Generic, TypeVar

from .audio.paths import expand
from .errors import AudioError, ConfigError, EdgeSerError
from .inference.network import network_of
from .workers import Workers, attempt, usable_cores

if TYPE_CHECKING:
    from concurrent.futures import Future

    from .audio.limits import AudioLimits
    from .inference.adaptation import SpeechSum
    from .inference.prediction import Prediction
    from .inference.profile import SpeakerProfile
    from .model import EmotionModel

T = TypeVar("T")

# Inputs per job that are started before the oldest one has its result. A long recording then does
# not leave the other jobs idle, and memory stays bounded for a million files.
QUEUED_PER_JOB = 32

# A process gets as many inputs at once as it processes in this time: every exchange with it costs
# a tenth of a short clip.
EXCHANGE_SECONDS = 0.03
MAX_INPUTS_PER_EXCHANGE = 8


@dataclass(frozen=True)
class BatchResult(Generic[T]):
    """The result of one input.

    Attributes:
        file: The file as it was given or found; "" for a folder or pattern without audio files.
        result: The result, or an EdgeSerError if the input could not be used.
    """

    file: str
    result: T | EdgeSerError


def classify_many(
    model: EmotionModel,
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    jobs: int = 1,
    threshold: float | None = None,
    speech_threshold: float | None = None,
    profile: SpeakerProfile | None = None,
    limits: AudioLimits | None = None,
    channel: int | None = None,
    adapt: bool = False,
) -> Iterator[BatchResult[Prediction]]:
    """Classify the emotion of many files.

    Args:
        model: The model.
        paths: Files, folders (searched) and patterns (`calls/**/*.wav`), or one of them.
        jobs: Number of processes, each with its own copy of the model; 0 for one per core.
            Starting them takes a moment.
        threshold: Confidence in [0, 1] below which the label is "uncertain". Default: the value
            stored in the model; 0 disables it.
        speech_threshold: Probability from which a frame is speech, in [0, 1]. Default: the value
            stored in the model.
        profile: Profile of the speaker, if known.
        limits: Maximum duration and size of a file. Default: 30 minutes and 1 GiB.
        channel: Channel to use, counted from 1. Default: average all channels.
        adapt: Adapt to speakers: the files of a folder are one person's, and so are all files that
            are given by name. They are read twice, first for the mean of the person, which each
            file is then relative to; see `SpeechSum`. Cannot be combined with `profile`.

    Returns:
        The results, in the order of the inputs, each as soon as it is ready. An input that cannot
        be used has an EdgeSerError as its result.

    Raises:
        ConfigError: If an argument is out of range or cannot be combined with another, or `profile`
            belongs to another model.

    Example:
        >>> from edge_runtime import EmotionModel, EdgeSerError
        >>> files = ["samples/**/*.wav", "missing.wav"]
        >>> results = list(classify_many(EmotionModel.load(), files, jobs=2))
        >>> [item.file for item in results if not isinstance(item.result, EdgeSerError)][:2]
        ['samples/angry/1055_IEO_ANG_HI.wav', 'samples/happy/1079_IEO_HAP_MD.wav']
        >>> results[-1]
        BatchResult(file='missing.wav', result=AudioError('missing.wav: no such file'))
    """
    network = network_of(model)
    threshold = network.check_threshold(threshold)
    speech_threshold = network.check_speech_threshold(speech_threshold)
    if profile is not None:
        profile.voice_for(network)  # reports a profile of another model once, not for every file
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    if adapt:
        if profile is not None:
            raise ConfigError("adapt and profile cannot be combined")
        names, unit_of = speaker_units(paths)
        classifier = adapted_classifier(
            model,
            unit_of,
            jobs,
            threshold=threshold,
            speech_threshold=speech_threshold,
            limits=limits,
            channel=channel,
        )
        return process_all(classifier, names, jobs)
    work = functools.partial(
        model.classify,
        threshold=threshold,
        speech_threshold=speech_threshold,
        profile=profile,
        limits=limits,
        channel=channel,
    )
    return process_all(work, expand(paths), jobs)


def speaker_units(
    paths: Iterable[str | os.PathLike[str]],
) -> tuple[list[str | AudioError], dict[str, str]]:
    """Expand files, folders and patterns, and assign the files to units of one speaker each.

    Args:
        paths: Files, folders and patterns.

    Returns:
        The files, or an error in the place of a path that stands for none; and the unit of each
        file: its folder, or "" for all files that are given by name.
    """
    names: list[str | AudioError] = []
    unit_of: dict[str, str] = {}
    for path in paths:
        for name in expand([path]):
            names.append(name)
            if isinstance(name, str):
                unit_of.setdefault(name, "" if name == os.fspath(path) else os.path.dirname(name))
    return names, unit_of


@dataclass(frozen=True)
class AdaptedClassifier:
    """Classifies files of speakers whose speech was summed; supports pickle.

    Attributes:
        model: The model.
        unit_of: Unit of each file.
        sums: Speech of each unit.
        threshold: Confidence below which the label is "uncertain".
        speech_threshold: Probability from which a frame is speech.
        limits: Maximum duration and size of a file.
        channel: Channel to use, counted from 1.
    """

    model: EmotionModel
    unit_of: Mapping[str, str]
    sums: Mapping[str, SpeechSum]
    threshold: float
    speech_threshold: float
    limits: AudioLimits | None
    channel: int | None

    def __call__(self, name: str) -> Prediction:
        """Classify a file with the mean over the other files of its unit.

        Raises:
            AudioError: If it cannot be read.
        """
        from .audio.level import peak_dbfs
        from .inference.adaptation import SpeechSum
        from .streaming.running_prediction import RunningPrediction

        network = network_of(self.model)
        samples = network.read_samples(name, limits=self.limits, channel=self.channel)
        voice = None
        if (unit_sum := self.sums.get(self.unit_of[name])) is not None:
            voice = unit_sum.without(SpeechSum.of_clip(network, samples)).voice(network.card)
        running = RunningPrediction(network, voice)
        try:
            running.push(network.front_end(samples))
            running.advance(last=True)
        except AudioError as error:
            raise AudioError(f"{name}: {error}") from error
        level = peak_dbfs(samples, network.sample_rate)
        prediction = running.prediction(self.threshold, level, self.speech_threshold)
        assert prediction is not None  # a clip has one frame or more
        return prediction


def adapted_classifier(
    model: EmotionModel,
    unit_of: Mapping[str, str],
    jobs: int = 1,
    *,
    threshold: float | None = None,
    speech_threshold: float | None = None,
    limits: AudioLimits | None = None,
    channel: int | None = None,
    on_file: Callable[[], None] | None = None,
) -> AdaptedClassifier:
    """Sum the speech of each unit, and return a function that classifies its files.

    Files that cannot be read do not count; the function reports them.

    Args:
        model: The model.
        unit_of: Unit of each file, from `speaker_units`.
        jobs: Number of processes; 0 for one per core.
        threshold: Confidence below which the label is "uncertain". Default: that of the model.
        speech_threshold: Probability from which a frame is speech. Default: that of the model.
        limits: Maximum duration and size of a file.
        channel: Channel to use, counted from 1. Default: average all channels.
        on_file: Called after each file.

    Raises:
        ConfigError: If an argument is out of range.
    """
    threshold = network_of(model).check_threshold(threshold)
    speech_threshold = network_of(model).check_speech_threshold(speech_threshold)
    work = functools.partial(_speech_sum, model, limits, channel)
    sums: dict[str, SpeechSum] = {}
    for file, result in map(attrgetter("file", "result"), process_all(work, unit_of, jobs)):
        if not isinstance(result, EdgeSerError):
            unit = unit_of[file]
            sums[unit] = sums[unit] + result if unit in sums else result
        if on_file is not None:
            on_file()
    return AdaptedClassifier(model, unit_of, sums, threshold, speech_threshold, limits, channel)


def _speech_sum(
    model: EmotionModel, limits: AudioLimits | None, channel: int | None, name: str
) -> SpeechSum:
    from .inference.adaptation import SpeechSum

    network = network_of(model)
    return SpeechSum.of_clip(network, network.read_samples(name, limits=limits, channel=channel))


def process_all(
    work: Callable[[str], T],
    inputs: Iterable[str | AudioError],
    jobs: int = 1,
    in_process: Mapping[str, Callable[[], T]] | None = None,
) -> Generator[BatchResult[T], None, None]:
    """Call a function for many inputs.

    Args:
        work: The function, from a name to a result. With more than one job it runs in other
            processes, and must support pickle.
        inputs: Names, or errors to pass on.
        jobs: Number of processes; 0 for one per core.
        in_process: Inputs that are processed in this process, and their functions.

    Returns:
        The results, in the order of the inputs, each as soon as it is ready.

    Raises:
        ConfigError: If `jobs` is negative. A ConfigError of `work` ends the iteration, too: it is
            no fault of an input.
    """
    if jobs < 0:
        raise ConfigError(f"jobs={jobs!r} must be 0 (one per core) or more")
    jobs = jobs or usable_cores()
    if jobs == 1:
        return _sequentially(work, inputs, in_process or {})
    return _in_processes(work, inputs, jobs, in_process or {})


def _sequentially(
    work: Callable[[str], T],
    inputs: Iterable[str | AudioError],
    in_process: Mapping[str, Callable[[], T]],
) -> Generator[BatchResult[T], None, None]:
    for name in inputs:
        yield from _results(
            lambda names: [attempt(work, name) for name in names], [name], in_process
        )


def _in_processes(
    work: Callable[[str], T],
    inputs: Iterable[str | AudioError],
    jobs: int,
    in_process: Mapping[str, Callable[[], T]],
) -> Generator[BatchResult[T], None, None]:
    """Yield the results of several processes, each of which a thread keeps busy."""
    from concurrent.futures import ThreadPoolExecutor

    inputs_per_exchange = 1

    def exchange(names: list[str | AudioError]) -> list[BatchResult[T]]:
        nonlocal inputs_per_exchange
        start = time.monotonic()
        results = _results(workers, names, in_process)
        seconds = (time.monotonic() - start) / len(names)
        affordable = int(EXCHANGE_SECONDS / (seconds + 1e-9))
        inputs_per_exchange = max(1, min(MAX_INPUTS_PER_EXCHANGE, 2 * len(names), affordable))
        return results

    workers = Workers(work)
    pool = ThreadPoolExecutor(jobs)
    pending: deque[tuple[int, Future[list[BatchResult[T]]]]] = deque()
    inputs, n_pending = iter(inputs), 0
    max_pending = (QUEUED_PER_JOB - MAX_INPUTS_PER_EXCHANGE) * jobs
    try:
        while names := list(itertools.islice(inputs, inputs_per_exchange)):
            pending.append((len(names), pool.submit(exchange, names)))
            n_pending += len(names)
            while pending and (n_pending > max_pending or pending[0][1].done()):
                n_pending -= pending[0][0]
                yield from pending.popleft()[1].result()
        while pending:
            yield from pending.popleft()[1].result()
    finally:  # also if the generator is closed early
        pool.shutdown(wait=False, cancel_futures=True)
        workers.close()


def _results(
    work: Callable[[list[str]], list[T | EdgeSerError]],
    inputs: list[str | AudioError],
    in_process: Mapping[str, Callable[[], T]],
) -> list[BatchResult[T]]:
    """Return the results of `inputs`; raise ConfigError if one of them is that."""
    names = [name for name in inputs if isinstance(name, str) and name not in in_process]
    worker_results = iter(work(names) if names else [])
    results: list[BatchResult[T]] = []
    for name in inputs:
        if isinstance(name, AudioError):
            results.append(BatchResult("", name))
            continue
        if name in in_process:
            result = attempt(lambda name: in_process[name](), name)
        else:
            result = next(worker_results)
        if isinstance(result, ConfigError):
            raise result
        results.append(BatchResult(name, result))
    return results
