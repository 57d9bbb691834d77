"""Progress of trainings: one bar on a terminal, a plain line a minute elsewhere."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, Iterable

from tqdm import tqdm

from .candidates import Candidate

_LOGGER = logging.getLogger(__name__)

LINE_SECONDS = 60.0  # between two plain lines
FIRST_LINE_SECONDS = 10.0  # until the first one, which is the first estimate of the time left

# Lines of a training: see `loop.EpochLoop.run` and `fit.Trainer`.
_EPOCH = re.compile(r"Train Epoch: (\d+) \[0/")
_EPOCH_DETAIL = re.compile(r"Train Epoch: |Validation set: ")
_RESUMED = re.compile(r"Resumed after epoch (\d+) ")
_UAR = re.compile(r"Validation set: .*UAR: ([\d.]+%)")


class Progress:
    """A bar on a terminal; elsewhere a line a minute, with the share that is done.

    Args:
        total: Units of the work.
        quiet: Print nothing.
        unit: Name of a unit, in the plural.
        clock: Seconds, for tests.
    """

    def __init__(
        self,
        total: int,
        quiet: bool = False,
        unit: str = "epochs",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = max(1, total)
        self.on_terminal = sys.stderr is not None and sys.stderr.isatty() and not quiet
        self._quiet, self._unit, self._clock = quiet, unit, clock
        self._start = clock()
        self._next_line = self._start + FIRST_LINE_SECONDS
        self._skipped = 0  # units of an earlier run, which are not part of the speed
        self._bar = tqdm(
            total=self.total,
            disable=not self.on_terminal,
            smoothing=0.05,
            bar_format="{desc}{percentage:3.0f}%|{bar}| {elapsed}, {remaining} left{postfix}",
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close(finished=kind is None)

    def close(self, finished: bool = True) -> None:
        """End the line of the bar, at 100 % if the work is finished."""
        if finished and self.on_terminal:
            self._bar.n = self.total
            self._bar.refresh()
        self._bar.close()

    def update(self, done: int, description: str = "", detail: str = "") -> None:
        """Show how much is done.

        Args:
            done: Units, those of an interrupted training included.
            description: Current part of the work, such as "fold 2 of 3".
            detail: Latest score.
        """
        done = min(done, self.total)
        if self.on_terminal:
            self._bar.set_description_str(f"{description}: " if description else "", refresh=False)
            self._bar.set_postfix_str(detail, refresh=False)
            self._bar.n = done
            self._bar.refresh()
        elif not self._quiet and self._clock() >= self._next_line and done > self._skipped:
            self._next_line = self._clock() + LINE_SECONDS
            where = f"{description}, " if description else ""
            _LOGGER.info(
                "Progress: %s%d%% of the %s, %s left",
                where,
                100 * done // self.total,
                self._unit,
                self.time_left(done),
            )

    def time_left(self, done: int) -> str:
        """Return the time that the rest will take at the speed so far, such as "about 12 min"."""
        trained = done - self._skipped
        if trained <= 0:
            return "an unknown time"
        return duration_text((self._clock() - self._start) * (self.total - done) / trained)

    def skip(self, n_units: int) -> None:
        """Note that the next units were done by an earlier run."""
        self._skipped += n_units
        if self.on_terminal:
            self._bar.initial += n_units


class TrainingLog:
    """Receives the lines of `fit_best`: counts epochs, shows progress, and passes lines on.

    On a terminal, the lines of single epochs are left out, because the bar shows them.

    Args:
        progress: The progress of one training, whose total is `epochs_of` it.
        log: Receives the lines that are shown.
        quiet: Pass no line on.
    """

    def __init__(self, progress: Progress, log: Callable[[str], None], quiet: bool = False) -> None:
        self._progress, self._log, self._quiet = progress, log, quiet
        self._counter = EpochCounter()
        self._part, self._epoch, self._uar = "", "", ""

    def __call__(self, line: str) -> None:
        """Process a line."""
        growth = self._counter(line)
        if growth > 1:
            self._progress.skip(growth)
        is_detail = _EPOCH_DETAIL.match(line) is not None
        if line.startswith("Fold "):
            self._part = line.partition(":")[0].lower()
        elif line.startswith("Epoch "):
            self._part = "final network"
        elif match := _EPOCH.match(line):
            self._epoch = f", epoch {match[1]}"
        if match := _UAR.match(line):
            self._uar = f"validation UAR {match[1]}"
        if not self._quiet and not (is_detail and self._progress.on_terminal):
            self._log(line)
        self._progress.update(self._counter.count, self._part + self._epoch, self._uar)


class EpochCounter:
    """Counts the epochs that the lines of a training report.

    Attributes:
        count: Epochs so far, those of an interrupted training included.
    """

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, line: str) -> int:
        """Count a line, and return by how much the count has grown."""
        resumed = _RESUMED.match(line)
        growth = int(resumed[1]) if resumed else int(_EPOCH.match(line) is not None)
        self.count += growth
        return growth


def epochs_of(candidates: Iterable[Candidate], n_folds: int) -> int:
    """Return the epochs of `fit_best`: of each recipe in each fold, then of the final network."""
    epochs = [candidate.recipe.fit.epochs for candidate in candidates]
    return n_folds * sum(epochs) + max(epochs)


def plan_text(candidates: list[Candidate], n_folds: int, n_clips: int) -> str:
    """Return what `fit_best` will train, as text.

    Args:
        candidates: The recipes.
        n_folds: Number of folds that select the epoch.
        n_clips: Number of clips to train on.
    """
    recipe = candidates[0].recipe
    members = recipe.network.ensemble_size
    n_networks = n_folds * len(candidates) + 1
    size = f"ensembles of {members} networks" if members > 1 else "networks"
    recipes = f", {len(candidates)} recipes" if len(candidates) > 1 else ""
    gate = ", then the speech gate" if any(c.recipe.gate.speech for c in candidates) else ""
    return (
        f"{n_networks} {size} ({n_folds} to select the epoch{recipes}, then the final one), up to "
        f"{max(candidate.recipe.fit.epochs for candidate in candidates)} epochs each, {n_clips:,} "
        f"clips{gate}"
    )


def duration_text(seconds: float) -> str:
    """Return a rough duration.

    >>> duration_text(40), duration_text(700), duration_text(9000)
    ('less than a minute', 'about 12 min', 'about 2.5 h')
    """
    if seconds < 50:
        return "less than a minute"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"
