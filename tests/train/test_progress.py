"""Progress of trainings: bars, plain lines and the time left."""

from __future__ import annotations

import io
import sys

import pytest

from train.progress import EpochCounter, Progress, TrainingLog


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    time = 0.0

    def __call__(self) -> float:
        return self.time


def test_plain_lines_report_share_and_time_left(caplog):
    caplog.set_level("INFO")
    clock = Clock()
    with Progress(100, clock=clock) as progress:
        for done in range(1, 41):
            clock.time = 6.0 * done
            progress.update(done, "1 of 4 trainings done")
    assert caplog.messages == [
        f"Progress: 1 of 4 trainings done, {share}% of the epochs, about {left} min left"
        for share, left in ((2, 10), (12, 9), (22, 8), (32, 7))
    ]


def test_epochs_of_an_earlier_run_are_not_part_of_the_speed():
    clock = Clock()
    progress = Progress(100, quiet=True, clock=clock)
    progress.skip(50)
    clock.time = 600.0
    assert progress.time_left(60) == "about 40 min"
    assert progress.time_left(50) == "an unknown time"


def test_bar_replaces_the_lines_of_epochs(monkeypatch):
    terminal, lines = Terminal(), []
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress(4) as progress:
        log = TrainingLog(progress, lines.append)
        log("Fold 1 of 2: 5 training, 3 validation clips")
        log("Train Epoch: 1 [0/5 (0%)]\tLoss: 1.0")
        log("Validation set: Average loss: 1.0, Accuracy: 1/3 (33%), UAR: 50.0%")
    assert lines == ["Fold 1 of 2: 5 training, 3 validation clips"]
    shown = terminal.getvalue()
    assert (
        "fold 1 of 2, epoch 1:  25%" in shown
        and "validation UAR 50.0%" in shown
        and "100%" in shown
    )


def test_quiet_prints_nothing(monkeypatch, caplog):
    caplog.set_level("INFO")
    terminal, clock, lines = Terminal(), Clock(), []
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress(4, quiet=True, clock=clock) as progress:
        log = TrainingLog(progress, lines.append, quiet=True)
        log("Fold 1 of 2: 5 training, 3 validation clips")
        clock.time = 1000.0
        log("Train Epoch: 1 [0/5 (0%)]\tLoss: 1.0")
    assert not lines and not caplog.messages and not terminal.getvalue()


@pytest.mark.slow
def test_counter_follows_the_lines_of_a_training(three_speakers, feature_cache, tmp_path):
    """The counter reads lines that other modules write."""
    from train.candidates import open_candidates
    from train.data.folds import inner_folds
    from train.dataset import DatasetSpec
    from train.model_selection import fit_best
    from train.progress import epochs_of
    from train.recipes import RECIPES

    recipe = RECIPES["baseline"].with_settings(["epochs=2", "speech=false"])
    candidates = open_candidates(
        {"one": recipe}, DatasetSpec((three_speakers,), cache=feature_cache)
    )
    data = candidates[0].data
    clips = list(range(len(data.clips)))
    folds = inner_folds(data.clips, clips, 2, 0, data.labels)
    counter, state = EpochCounter(), tmp_path / "state.pt"
    fit = fit_best(candidates, clips, folds, state_file=state, log=counter).fit
    assert counter.count == 4 + fit.best_epoch
    assert counter.count <= epochs_of(candidates, len(folds)) == 6
    resumed = EpochCounter()
    fit_best(candidates, clips, folds, state_file=state, resume=True, log=resumed)
    assert resumed.count == counter.count
