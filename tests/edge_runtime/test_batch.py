"""Batches: order, processes, bounded memory, independent errors."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest
import soundfile
from support.tiny_model import write_tiny_model

from edge_runtime import (
    AudioError,
    BatchResult,
    ConfigError,
    EdgeSerError,
    EmotionModel,
    classify_many,
)
from edge_runtime.batch import QUEUED_PER_JOB, process_all


@pytest.fixture(scope="module")
def clips(tmp_path_factory, voice_clips):
    """Clips of many lengths, with silence and noise."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    parts = [voice[: rng.integers(800, len(voice))] for voice in voice_clips for _ in range(6)]
    parts += [np.zeros(5000, np.float32), rng.normal(0, 0.1, 9000).astype(np.float32)]
    for k, samples in enumerate(parts):
        soundfile.write(folder / f"{k:02}.wav", samples, 16_000)
    (folder / "99.wav").write_bytes(b"not audio")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2, 8])
def test_results_equal_single_clips_in_order(clips, jobs):
    model = EmotionModel.load()
    names = [*map(str, sorted(clips.glob("*.wav"))), str(clips / "missing.wav")]
    results = list(classify_many(model, [clips, clips / "missing.wav"], jobs=jobs))
    assert [item.file for item in results] == names
    for item in results[:-2]:
        alone = model.classify(item.file)
        assert item.result.label == alone.label
        # This process has loaded scipy, whose FFT rounds differently.
        assert item.result.probabilities == pytest.approx(alone.probabilities, abs=1e-5)
    assert all(isinstance(item.result, AudioError) for item in results[-2:])


@pytest.mark.slow
def test_threads_share_a_model(voice_clips):
    model = EmotionModel.load()
    rng = np.random.default_rng(1)
    parts = [voice[: rng.integers(400, len(voice))] for voice in voice_clips for _ in range(10)]
    expected = [model.classify(part) for part in parts]
    mismatches: list[int] = []
    start = threading.Barrier(8)

    def classify_all(seed: int) -> None:
        start.wait()
        for k in np.random.default_rng(seed).permutation(len(parts)):
            if model.classify(parts[k]) != expected[k]:
                mismatches.append(k)

    threads = [threading.Thread(target=classify_all, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mismatches == []


@pytest.mark.parametrize("jobs", [1, 3])
def test_queue_is_bounded(jobs):
    n_started = 0

    def names():
        nonlocal n_started
        for k in range(100_000):
            n_started += 1
            yield str(k)

    results = process_all(int, names(), jobs)
    for k in range(2000):
        assert next(results) == BatchResult(str(k), k)
        assert n_started <= k + 1 + QUEUED_PER_JOB * jobs
    results.close()


def wait_for(name: str) -> str:
    """Return a path once it exists."""
    while not os.path.exists(name):
        time.sleep(0.01)
    return name


@pytest.mark.slow
def test_result_arrives_as_soon_as_ready(tmp_path):
    quick, slow = str(tmp_path), str(tmp_path / "slow")
    results = process_all(wait_for, [quick, slow], 2)
    assert next(results).file == quick  # while the other waits
    (tmp_path / "slow").touch()
    assert [item.file for item in results] == [slow]


def raise_by_name(name: str) -> str:
    """Fail in the way that the name states."""
    if name == "crash":
        os._exit(9)
    raise {"bad": AudioError, "config": ConfigError, "memory": MemoryError}[name](name)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_errors_are_results_but_config_error_is_raised(jobs):
    results = list(
        process_all(raise_by_name, ["bad", AudioError("passed on"), "memory", "bad"], jobs)
    )
    assert [str(a.result) for a in results] == [
        "bad",
        "passed on",
        "memory: does not fit into memory",
        "bad",
    ]
    assert all(isinstance(item.result, EdgeSerError) for item in results)
    with pytest.raises(ConfigError):
        list(process_all(raise_by_name, ["bad", "config"], jobs))


@pytest.mark.slow
def test_dead_process_does_not_stop_the_others():
    names = ["crash", "bad", "bad"] * 9
    results = [str(item.result) for item in process_all(raise_by_name, names, 2)]
    died = "crash: the worker process died with exit status 9"
    assert results == [died, "bad", "bad"] * 9


def test_in_process_inputs_stay_in_this_process():
    results = list(process_all(int, ["1", "-", "3"], 2, {"-": lambda: 2}))
    assert [item.result for item in results] == [1, 2, 3]


def process_id(name: str) -> int:
    time.sleep(0.05)
    return os.getpid()


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc"), reason="looks for processes in /proc")
def test_closing_early_leaves_no_process():
    results = process_all(process_id, map(str, range(10_000)), 2)
    process_ids = {next(results).result for _ in range(6)}
    assert process_ids and all(os.path.exists(f"/proc/{pid}") for pid in process_ids)
    results.close()
    assert not any(os.path.exists(f"/proc/{pid}") for pid in process_ids)


def test_invalid_arguments_are_refused_before_any_work(tmp_path):
    model = EmotionModel.load(write_tiny_model(tmp_path / "tiny.onnx"))
    with pytest.raises(ConfigError, match="jobs=-1"):
        classify_many(model, [], jobs=-1)
    with pytest.raises(ConfigError, match="threshold=2"):
        classify_many(model, [], threshold=2)


def test_single_path_is_accepted(clips):
    model = EmotionModel.load()
    for name in (str(clips / "00.wav"), clips / "00.wav"):
        (item,) = classify_many(model, name)
        assert item.file == str(clips / "00.wav") and item.result.label
