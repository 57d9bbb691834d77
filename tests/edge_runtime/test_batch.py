"""Many inputs: in order, in processes, bounded, and none stops the others."""

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
from edge_runtime.batch import QUEUED_PER_JOB, answer_all


@pytest.fixture(scope="module")
def clips(tmp_path_factory, voice_clips):
    """Clips of many lengths, silence and noise among them."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    parts = [voice[: rng.integers(800, len(voice))] for voice in voice_clips for _ in range(6)]
    parts += [np.zeros(5000, np.float32), rng.normal(0, 0.1, 9000).astype(np.float32)]
    for k, samples in enumerate(parts):
        soundfile.write(folder / f"{k:02}.wav", samples, 16_000)
    (folder / "99.wav").write_bytes(b"no audio")
    return folder


@pytest.mark.parametrize("jobs", [1, 2, 8])
def test_answers_are_those_of_one_clip_after_the_other_in_order(clips, jobs):
    model = EmotionModel.load()
    names = [*map(str, sorted(clips.glob("*.wav"))), str(clips / "missing.wav")]
    answers = list(classify_many(model, [clips, clips / "missing.wav"], jobs=jobs))
    assert [answer.file for answer in answers] == names
    for answer in answers[:-2]:
        alone = model.classify(answer.file)
        assert answer.result.label == alone.label
        # This process has loaded scipy, whose FFT rounds differently.
        assert answer.result.probabilities == pytest.approx(alone.probabilities, abs=1e-5)
    assert all(isinstance(answer.result, AudioError) for answer in answers[-2:])


def test_eight_threads_with_one_model_give_the_answers_of_one(voice_clips):
    model = EmotionModel.load()
    rng = np.random.default_rng(1)
    parts = [voice[: rng.integers(400, len(voice))] for voice in voice_clips for _ in range(10)]
    expected = [model.classify(part) for part in parts]
    wrong: list[int] = []
    start = threading.Barrier(8)

    def classify_all(seed: int) -> None:
        start.wait()
        for k in np.random.default_rng(seed).permutation(len(parts)):
            if model.classify(parts[k]) != expected[k]:
                wrong.append(k)

    threads = [threading.Thread(target=classify_all, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("jobs", [1, 3])
def test_no_more_is_begun_than_a_window(jobs):
    taken = 0

    def names():
        nonlocal taken
        for k in range(100_000):
            taken += 1
            yield str(k)

    answers = answer_all(int, names(), jobs)
    for k in range(2000):
        assert next(answers) == BatchResult(str(k), k)
        assert taken <= k + 1 + QUEUED_PER_JOB * jobs
    answers.close()


def wait_for(name: str) -> str:
    """The content of a file, once it is there."""
    while not os.path.exists(name):
        time.sleep(0.01)
    return name


def test_an_answer_comes_as_soon_as_it_is_ready(tmp_path):
    quick, slow = str(tmp_path), str(tmp_path / "slow")
    answers = answer_all(wait_for, [quick, slow], 2)
    assert next(answers).file == quick  # while the other waits
    (tmp_path / "slow").touch()
    assert [answer.file for answer in answers] == [slow]


def raise_it(name: str) -> str:
    """Fail in the way that the name says."""
    if name == "crash":
        os._exit(9)
    raise {"bad": AudioError, "config": ConfigError, "memory": MemoryError}[name](name)


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_an_input_raises_is_its_answer_and_a_wrong_setting_ends_all(jobs):
    answers = list(answer_all(raise_it, ["bad", AudioError("passed on"), "memory", "bad"], jobs))
    assert [str(a.result) for a in answers] == [
        "bad",
        "passed on",
        "memory: does not fit into the memory",
        "bad",
    ]
    assert all(isinstance(answer.result, EdgeSerError) for answer in answers)
    with pytest.raises(ConfigError):
        list(answer_all(raise_it, ["bad", "config"], jobs))


def test_a_process_that_dies_of_an_input_does_not_stop_the_others():
    names = ["crash", "bad", "bad"] * 9
    results = [str(answer.result) for answer in answer_all(raise_it, names, 2)]
    died = "crash: the process that was to read it ended with 9"
    assert results == [died, "bad", "bad"] * 9


def test_what_is_answered_here_need_not_leave_this_process():
    answers = list(answer_all(int, ["1", "-", "3"], 2, {"-": lambda: 2}))
    assert [answer.result for answer in answers] == [1, 2, 3]


def own_number(name: str) -> int:
    time.sleep(0.05)
    return os.getpid()


@pytest.mark.skipif(not os.path.exists("/proc"), reason="looks for processes in /proc")
def test_no_process_is_left_when_nobody_wants_the_rest():
    answers = answer_all(own_number, map(str, range(10_000)), 2)
    numbers = {next(answers).result for _ in range(6)}
    assert numbers and all(os.path.exists(f"/proc/{number}") for number in numbers)
    answers.close()
    assert not any(os.path.exists(f"/proc/{number}") for number in numbers)


def test_wrong_arguments_are_told_before_any_work(tmp_path):
    model = EmotionModel.load(write_tiny_model(tmp_path / "tiny.onnx"))
    with pytest.raises(ConfigError, match="jobs=-1"):
        classify_many(model, [], jobs=-1)
    with pytest.raises(ConfigError, match="threshold=2"):
        classify_many(model, [], threshold=2)


def test_one_name_is_one_name_and_not_its_letters(clips):
    model = EmotionModel.load()
    for name in (str(clips / "00.wav"), clips / "00.wav"):
        (answer,) = classify_many(model, name)
        assert answer.file == str(clips / "00.wav") and answer.result.label
