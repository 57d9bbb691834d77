"""Kills and full disks: complete files survive, and a resumed run equals an uninterrupted one."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from support.paths import ROOT  # noqa: E402
from support.training import TRAINING_MFCC, fit_one  # noqa: E402

from edge_runtime import EdgeSerError  # noqa: E402
from train.candidates import Candidate  # noqa: E402
from train.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from train.dataset import DatasetSpec  # noqa: E402
from train.files import LOCK, BusyError, folder_lock, save_torch, write_text  # noqa: E402
from train.fit import ResumeError  # noqa: E402
from train.fit_config import FitConfig  # noqa: E402
from train.network import EmotionLSTM  # noqa: E402
from train.network_config import NetworkConfig  # noqa: E402
from train.pipeline import train_run  # noqa: E402
from train.recipes import DEFAULT_RECIPE  # noqa: E402
from train.run_folder import RunError, begin, run_folder  # noqa: E402

SIZES = ["ensemble_size=2", "hidden_size=8", "fc_size=8", "input_size=8", "speech=false"]
TINY = DEFAULT_RECIPE.with_settings(["epochs=3", *SIZES])
TINY_OPTIONS = [option for size in SIZES for option in ("--set", size)]
TIMEOUT_SECONDS = 300  # generous for a busy machine


def train(corpus: Path, cache: Path, run: Path, resume: bool = False, recipe=TINY) -> Path:
    return train_run(
        DatasetSpec((corpus / "manifest.csv",), cache=cache),
        recipes={"default": recipe},
        inner=3,
        run=run,
        runs=run.parent,
        resume=resume,
        device="cpu",
    )


def command(*arguments: object) -> list[str]:
    """Return the command line of `python -m`."""
    return [sys.executable, "-m", *map(str, arguments)]


def contents(folder: Path, pictures: bool = True) -> dict[str, object]:
    """Return the results of a run, without times."""
    weights = load_checkpoint(folder)[0].state_dict()
    rows = [row.split(",") for row in (folder / "metrics.csv").read_text().splitlines()]
    seconds = rows[0].index("seconds")
    return {
        "weights": {name: value.numpy().tobytes() for name, value in weights.items()},
        "metrics": [row[:seconds] + row[seconds + 1 :] for row in rows],
        **{
            name: (folder / name).read_bytes()
            for name in ("report.json", "report.md", "split.json", *["calibration.png"] * pictures)
        },
    }


@pytest.fixture(scope="session")
def whole(demo_corpus, feature_cache, once) -> Path:
    """An uninterrupted run."""
    return once("runs", lambda folder: train(demo_corpus, feature_cache, folder / "001")) / "001"


# ------------------------------------------------------------------ killed


@pytest.mark.slow
def test_killed_run_resumed_equals_an_uninterrupted_one(
    demo_corpus, feature_cache, whole, tmp_path
):
    run = tmp_path / "001"
    process = subprocess.Popen(
        command(
            *("train", "fit", "--data", demo_corpus / "manifest.csv", "--run", run),
            *("--cache", feature_cache, "--epochs", 3, *TINY_OPTIONS),
        ),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not list(run.glob("*state.pt")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.002)
        with pytest.raises(BusyError, match="another process is writing to it"):
            train(demo_corpus, feature_cache, run, resume=True)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    (run / ".12345.tmp").write_bytes(b"half a checkpoint")
    train(demo_corpus, feature_cache, run, resume=True)
    assert contents(run) == contents(whole)
    assert [path.name for path in run.glob(".*")] == [LOCK]


@pytest.mark.slow
def test_terminated_protocol_ends_its_processes(three_speakers, feature_cache, tmp_path):
    runs = tmp_path / "runs"
    process = subprocess.Popen(
        command(
            *("evaluate", "protocol", "--data", three_speakers, "--protocol", "loso"),
            *("--report", tmp_path / "r", "--runs", runs, "--cache", feature_cache),
            *("--epochs", 500, "--jobs", 2, "--inner", 2, *TINY_OPTIONS),
        ),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while len(list(runs.glob("*/*state.pt"))) < 2:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 128 + signal.SIGTERM and error == ""
    for folder in [runs, *(path.parent for path in runs.glob("*/*state.pt"))]:
        with folder_lock(folder):  # raises BusyError while a process writes to it
            pass


def test_run_killed_before_its_first_epoch_is_resumed(tmp_path):
    for name in ("001", "002"):
        (tmp_path / name).mkdir()
        begin(tmp_path / name, {"settings.json": {"fit": name}}, resume=False)
    (tmp_path / "001" / "state.pt").touch()
    assert run_folder(None, tmp_path, resume=True) == tmp_path / "002"
    begin(tmp_path / "002", {"settings.json": {"fit": "002"}}, resume=True)
    with pytest.raises(RunError, match="different 'fit'.*'002' before, 'x' now"):
        begin(tmp_path / "002", {"settings.json": {"fit": "x"}}, resume=True)
    with pytest.raises(RunError, match="already holds a run"):
        begin(tmp_path / "001", {}, resume=False)
    assert run_folder(None, tmp_path, resume=False) == tmp_path / "003"


@pytest.mark.slow
def test_run_is_resumed_with_moved_recordings(dataset, split, tmp_path):
    state, config = tmp_path / "state.pt", FitConfig(epochs=1)
    clips = sorted(split.train + split.val)
    small = NetworkConfig(hidden_size=8, fc_size=8)
    about = {"split.json": {"test": {"speakers": ["a"], "clips": ["data/1.wav"]}, "kind": "x"}}
    begin(tmp_path, about, resume=False)
    fit_one(dataset, clips, [split.val], small, config, state_file=state)
    moved = replace(
        dataset,
        clips=[replace(clip, path=Path("/elsewhere") / clip.path.name) for clip in dataset.clips],
    )
    before = state.read_bytes()
    fit_one(moved, clips, [split.val], small, config, state_file=state, resume=True)
    assert state.read_bytes() == before  # no training
    about["split.json"]["test"]["clips"] = ["/elsewhere/1.wav"]
    begin(tmp_path, about, resume=True)
    about["split.json"]["test"]["clips"] = ["/elsewhere/2.wav"]
    with pytest.raises(RunError, match="different 'test'.*such as 2.wav"):
        begin(tmp_path, about, resume=True)


def test_run_is_not_resumed_with_other_labels(dataset, split, tmp_path):
    state, config = tmp_path / "state.pt", FitConfig(epochs=1)
    clips = sorted(split.train + split.val)
    small = NetworkConfig(hidden_size=8, fc_size=8)
    fit_one(dataset, clips, [split.val], small, config, state_file=state)
    swap = {"angry": "sad", "sad": "angry"}
    other = replace(
        dataset,
        clips=[replace(clip, label=swap.get(clip.label, clip.label)) for clip in dataset.clips],
    )
    with pytest.raises(ResumeError, match="trained with different 'recordings'"):
        fit_one(other, clips, [split.val], small, config, state_file=state, resume=True)


def test_distillation_is_not_resumed_with_other_teachers(dataset, split, tmp_path):
    state, config = tmp_path / "state.pt", FitConfig(epochs=2)
    clips = sorted(split.train + split.val)
    small = NetworkConfig(hidden_size=8, fc_size=8)
    folds = [
        split.val,
        [
            i
            for i in split.train
            if dataset.clips[i].speaker == dataset.clips[split.train[0]].speaker
        ],
    ]
    fit_one(dataset, clips, folds, small, config, state_file=state)
    with pytest.raises(ResumeError, match="trained with different 'distillation'"):
        fit_one(dataset, clips, folds[:1], small, config, state_file=state, resume=True)


def test_run_is_not_resumed_with_other_features(dataset, split, tmp_path):
    state, config = tmp_path / "state.pt", FitConfig(epochs=1)
    clips = sorted(split.train + split.val)
    small = NetworkConfig(hidden_size=8, fc_size=8)
    fit_one(dataset, clips, [split.val], small, config, state_file=state)
    frames = dataset.frames[clips[0]]
    before = frames[0, 0]
    frames[0, 0] += 1
    try:
        with pytest.raises(ResumeError, match="trained with different 'recordings'"):
            fit_one(dataset, clips, [split.val], small, config, state_file=state, resume=True)
    finally:
        frames[0, 0] = before


@pytest.mark.slow
def test_damaged_checkpoint_is_reported_on_one_line(whole, tmp_path):
    network = EmotionLSTM(NetworkConfig(hidden_size=8))
    save_checkpoint(tmp_path, network, TRAINING_MFCC, None, ["a", "b"])
    with pytest.raises(RunError, match="lacks temperature, licence"):
        load_checkpoint(tmp_path)
    content = (whole / "checkpoint.pt").read_bytes()
    for damaged in (b"", content[:-1], content[: len(content) // 2], b"\0" * 100):
        (tmp_path / "checkpoint.pt").write_bytes(damaged)
        with pytest.raises(RunError, match="is not a checkpoint of edge-ser: is dam") as caught:
            load_checkpoint(tmp_path)
        assert "\n" not in str(caught.value)


def test_temporary_files_of_a_killed_process_are_removed(tmp_path):
    (tmp_path / ".999.tmp").touch()
    (tmp_path / ".mine.tmp").touch()
    with folder_lock(tmp_path), pytest.raises(BusyError), folder_lock(tmp_path):
        pass
    with folder_lock(tmp_path):
        assert {path.name for path in tmp_path.iterdir()} == {".mine.tmp", LOCK}


# ------------------------------------------------------------------ a full disk


FILES = [
    "settings.json",
    "fold-1.state.pt",
    "state.pt",
    "metrics.csv",
    "curves.png",
    "checkpoint.pt",
    "report.json",
    "report.md",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_full_disk_keeps_complete_files(
    name, demo_corpus, feature_cache, whole, tmp_path, monkeypatch, plain_pictures
):
    """The disk is full from the moment on when this file would be put in its place."""
    run, real, full = tmp_path / "001", os.fsync, []

    def fsync(descriptor: int) -> None:
        written = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if full or expected(written):
            full.append(written)
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    def expected(written: Path) -> bool:
        order = [*FILES[:6], "calibration.png", *FILES[6:]]
        done = {path.name for path in run.iterdir()} if written.parent == run else set()
        before = set(FILES[: FILES.index(name)]) & set(order)
        return written.parent == run and name not in done and before <= done | {"split.json"}

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc to find the name of a written file")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(EdgeSerError, match="cannot be written: No space left on device"):
            train(demo_corpus, feature_cache, run)
    assert full and {path.name for path in run.glob(".*")} == {LOCK}
    for path in run.glob("[!.]*"):
        assert path.stat().st_size > 0
    begun = (run / "settings.json").exists()
    train(demo_corpus, feature_cache, run, resume=begun)
    assert contents(run, pictures=False) == contents(whole, pictures=False)
    assert {path.read_bytes() for path in run.glob("*.png")} == {b"a picture"}


@pytest.mark.slow
def test_file_size_limit_is_reported_on_one_line(three_speakers, tmp_path):
    resource = pytest.importorskip("resource")
    done = subprocess.run(
        command(
            *("train", "fit", "--data", three_speakers, "--run", tmp_path / "run"),
            *("--cache", tmp_path / "cache", "--epochs", 1, "--set", "speech=false"),
        ),
        cwd=ROOT,
        # Without coverage, whose data file exceeds the limit as well.
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "fold-1.state.pt: cannot be written" in done.stderr
    assert not list(tmp_path.rglob(".*.tmp"))
    for path in (tmp_path / "cache").rglob("*.npz"):
        with np.load(path) as stored:
            assert len(stored["rows"])


def test_full_disk_is_reported_for_text_and_checkpoints(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    (tmp_path / f".{os.getpid()}.tmp").symlink_to("/dev/full")
    (tmp_path / "old").write_text("old")
    for write, value in ((write_text, "new"), (save_torch, torch.zeros(9))):
        with pytest.raises(EdgeSerError, match="old: cannot be written: No space left"):
            write(tmp_path / "old", value)
        (tmp_path / f".{os.getpid()}.tmp").symlink_to("/dev/full")
    assert (tmp_path / "old").read_text() == "old"


# ------------------------------------------------------------------ export


def exported(folder: Path) -> dict[str, bytes]:
    """Return the files of a complete export."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.name.startswith(("model", "parity", "MODEL")) and "failed" not in path.name
    }


@pytest.mark.slow
def test_failed_export_keeps_the_previous_one(whole, feature_cache, monkeypatch):
    from export import pipeline as session

    def export() -> bool:
        return session.export_run(whole, whole.parent, None, "x", feature_cache, None)

    assert export()
    before = exported(whole)
    assert len(before) == 6
    network, stored = load_checkpoint(whole)
    with torch.no_grad():
        network.members[0].out.bias += 1
    monkeypatch.setattr(session, "load_checkpoint", lambda run: (network, stored))

    def killed(*_) -> None:
        raise KeyboardInterrupt

    for name in ("export_int8", "export_waveform", "compare_files", "_move_files"):
        with monkeypatch.context() as patch:
            patch.setattr(session, name, killed)
            with pytest.raises(KeyboardInterrupt):
                export()
        assert exported(whole) == before and not (whole / ".export").exists()

    (whole / ".export").mkdir()  # left by a killed export
    (whole / ".export" / "model.fp32.onnx").write_bytes(b"half")
    other = EmotionLSTM(network.config).eval()
    real = session.compare_files
    monkeypatch.setattr(
        session, "compare_files", lambda model, _, dataset: real(model, other, dataset)
    )
    assert not export()
    assert exported(whole) == before
    failed = json.loads((whole / "parity.failed.json").read_text())
    assert not failed["holds"] and (whole / "model.int8.failed.onnx").exists()
    assert not (whole / ".export").exists()


# ------------------------------------------------------------------ protocols


def test_protocol_requires_resume_over_existing_runs(demo_corpus, feature_cache, tmp_path):
    from evaluate.protocols import run_protocol

    fold = tmp_path / "runs" / "fold-02-seed-0"
    fold.mkdir(parents=True)
    (fold / "fold-1.state.pt").touch()
    with pytest.raises(RunError, match="already contains trainings; use --resume"):
        run_protocol(
            DatasetSpec((demo_corpus / "manifest.csv",), cache=feature_cache),
            "loso",
            tmp_path / "report",
            recipes={"tiny": TINY},
            inner=1,
            seeds=1,
            jobs=1,
            runs=tmp_path / "runs",
            resume=False,
            device="cpu",
        )
    assert (fold / "fold-1.state.pt").exists() and not list(tmp_path.glob("report*"))


def test_folds_with_other_settings_or_recordings_are_kept(dataset, tmp_path):
    from evaluate.protocols import run_tasks
    from evaluate.scores import VARIANTS
    from evaluate.tasks import RESULT_KEYS, protocol_tasks

    tasks = list(protocol_tasks([Candidate("tiny", TINY, dataset)], "loso", 3, range(1), tmp_path))
    kept = tmp_path / "fold-02-seed-0"
    kept.mkdir()
    (kept / "settings.json").write_text(json.dumps(tasks[1].settings))
    rows = [0] * len(tasks[1].fold.test)
    variants = dict.fromkeys(VARIANTS, rows)
    whole = {**dict.fromkeys(RESULT_KEYS, rows), "logits": variants, "no_speech": variants}
    result = json.dumps(whole)
    lacking = json.dumps({key: value for key, value in whole.items() if key != "speakers"})
    shorter = [
        json.dumps(whole | {key: variants | {"int8": rows[1:]}}) for key in ("logits", "no_speech")
    ]
    without = [json.dumps(whole | {key: None}) for key in ("logits", "no_speech")]
    for damaged in ("", "{}", lacking, *shorter, *without):
        (kept / "result.json").write_text(damaged)
        assert not tasks[1].is_done()
    (kept / "result.json").write_text(result)
    assert tasks[1].is_done() and not tasks[0].is_done()
    relabelled = list(dataset.clips)
    relabelled[0], relabelled[-1] = (
        replace(relabelled[k], label=relabelled[j].label) for k, j in ((0, -1), (-1, 0))
    )
    assert relabelled != dataset.clips
    others = [Candidate("tiny", TINY, replace(dataset, clips=relabelled))]
    tasks = list(protocol_tasks(others, "loso", 3, range(1), tmp_path))
    with pytest.raises(RunError, match="fold-02-seed-0: was trained with different settings"):
        run_tasks(tasks, others, tmp_path, 1, True, "cpu")
    assert (kept / "result.json").read_text() == result
