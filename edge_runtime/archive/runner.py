"""Run the shards of an archive, and find the recordings that kill a worker."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from ..errors import ConfigError
from .engines import Engine, WorkerDiedError
from .error_reasons import Failure
from .manifest import Recording
from .plan import Shard
from .work import Outcome, ShardResult, ShardWork, killed, recording_task, segments_key, shard_task

# Seconds between two looks at the interruption by a signal.
POLL_SECONDS = 0.5


@dataclass
class RunReport:
    """Results of a run.

    Attributes:
        shards: Shards that it has committed.
        recordings: Recordings in them.
        failures: Recordings that could not be processed.
        too_many_errors: True if it was stopped because of them.
    """

    shards: int = 0
    recordings: int = 0
    failures: list[Failure] = field(default_factory=list)
    too_many_errors: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


def parse_max_errors(text: str, n_recordings: int) -> float:
    """Return the number of errors that a run accepts.

    Args:
        text: A number of recordings, or a share such as "5%".
        n_recordings: Number of recordings of the run.

    Raises:
        ConfigError: If the text is neither.

    Example:
        >>> parse_max_errors("5%", 200), parse_max_errors("3", 200)
        (10.0, 3.0)
    """
    number, is_share = text.strip().removesuffix("%"), text.strip().endswith("%")
    try:
        value = float(number)
        if not 0 <= value <= (100 if is_share else 1e12):
            raise ValueError("out of range")
    except ValueError:
        raise ConfigError(
            f"--max-errors {text}: expected a number of recordings, or a share such as 5%"
        ) from None
    return value / 100 * n_recordings if is_share else value


def run_shards(
    work: ShardWork,
    shards: Sequence[Shard],
    engine: Engine,
    *,
    max_errors: float = float("inf"),
    on_shard: Callable[[Shard, ShardResult], None] | None = None,
    check: Callable[[], None] | None = None,
) -> RunReport:
    """Process shards that are not committed.

    Args:
        work: The work.
        shards: The shards. They are started at a random one, so that two runs at the same time
            rarely process the same.
        engine: The engine, which this function does not close.
        max_errors: Number of recordings that may fail before no further shard is started.
        on_shard: Called after each shard, in this thread.
        check: Called regularly; may raise an exception to stop.

    Returns:
        Number of shards and recordings, and the recordings that failed.

    Raises:
        EdgeSerError: If results cannot be written, or a cluster is lost.
    """
    report = RunReport()
    first = random.randrange(len(shards)) if shards else 0
    queue = [*shards[first:], *shards[:first]][::-1]
    stop = threading.Event()

    def process_next() -> tuple[Shard, ShardResult] | None:
        with report.lock:
            if not queue or stop.is_set():
                return None
            shard = queue.pop()
        if work.store.exists(segments_key(work.settings, shard.name)):
            return shard, ShardResult(shard.name, len(shard.recordings), [], False)
        return shard, _process(work, shard, engine)

    pool = ThreadPoolExecutor(engine.n_workers)
    pending: set[Future[tuple[Shard, ShardResult] | None]] = {
        pool.submit(process_next) for _ in range(min(engine.n_workers, len(queue)))
    }
    try:
        while pending:
            done, pending = wait(pending, POLL_SECONDS, return_when=FIRST_COMPLETED)
            if check is not None:
                check()
            for future in done:
                answer = future.result()
                if answer is None:
                    continue
                shard, result = answer
                if result.is_new:
                    report.shards += 1
                    report.recordings += result.n_recordings
                    report.failures += result.failures
                if len(report.failures) > max_errors:
                    report.too_many_errors = True
                    stop.set()
                if on_shard is not None:
                    on_shard(shard, result)
                pending.add(pool.submit(process_next))
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
    return report


def _process(work: ShardWork, shard: Shard, engine: Engine) -> ShardResult:
    """Process a shard in a worker; if it dies, process each recording for itself."""
    try:
        result: ShardResult = engine.call(shard_task(shard))
        return result
    except WorkerDiedError:
        outcomes = [_process_alone(engine, recording) for recording in shard.recordings]
        return work.commit(shard.name, outcomes)


def _process_alone(engine: Engine, recording: Recording) -> Outcome:
    """Process one recording; one that kills two workers gets an error."""
    reason = ""
    for _ in range(2):  # the first one may have been killed for another reason
        try:
            outcome: Outcome = engine.call(recording_task(recording))
            return outcome
        except WorkerDiedError as error:
            reason = str(error)
    return killed(recording, reason)
