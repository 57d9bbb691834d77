"""Hostile files end in a result or an AudioError by every entry point, within bounds."""

from __future__ import annotations

import collections
import json
import math
import os
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile
from support import fuzz, hostile
from support.hostile.outcome import EMULATED, run
from support.hostile.trial import try_all

from edge_runtime import (
    AudioError,
    AudioLimits,
    ConfigError,
    EdgeSerError,
    EmotionModel,
    read_audio,
)
from edge_runtime.audio import decode as module
from edge_runtime.audio.decode import AudioFile
from edge_runtime.audio.limits import audio_limits, parse_size

MAX_MEMORY = 250 << 10  # KiB, of which numpy, onnxruntime and the model take 80 MiB


def classify(*arguments):
    """Run `classify` in this process; return exit status, standard output and error."""
    return run("classify", *map(str, arguments))


def edge_ser(*arguments, **options):
    """Run `classify` in a separate process."""
    return subprocess.run(
        [sys.executable, "-m", "edge_runtime", "classify", *map(str, arguments)],
        capture_output=True,
        timeout=60,
        **options,
    )


@pytest.mark.slow
def test_every_hostile_file_gives_its_expected_result(tmp_path):
    """Each file gets 3 GiB of address space and 20 s of CPU time: support.hostile.outcome."""
    files = list(hostile.files())
    assert len({name for name, _, _ in files}) == len(files) > 700
    paths = []
    for number, (name, content, _) in enumerate(files):
        paths.append(tmp_path / f"{number}{os.path.splitext(name)[1]}")
        paths[-1].write_bytes(content)
    unexpected = {}
    for (name, _, expected), result in zip(files, try_all(paths)):
        message = result.message
        fits = expected in message if expected != hostile.READ else message == "read"
        if message.startswith("FAILED") or not fits:
            unexpected[name] = message
    assert not unexpected
    assert result.peak < MAX_MEMORY or EMULATED


@pytest.mark.slow
def test_truncated_and_corrupted_files_never_fail(tmp_path):
    """All cuts of WAV and AIFF and a sample of the rest; `make fuzz` tries all."""

    def paths():
        for number, (name, content) in enumerate(hostile.sweeps()):
            if number % 60 == 0 or name.startswith("cut") and name.endswith((".wav", ".aiff")):
                path = tmp_path / f"{number} {name}"
                path.write_bytes(content)
                yield path

    seen = collections.Counter()
    for result in try_all(paths(), command=False):
        assert not result.message.startswith("FAILED"), result
        seen["cut" in result.path.name and result.path.suffix, result.message == "read"] += 1
        result.path.unlink()
    # These are so short that what is missing of the samples is less than 0.1 s.
    assert seen[".wav", False] == 44 + 2 and seen[".wav", True] == 200 - 2
    assert seen[".aiff", False] >= 54 + 1 and seen[".aiff", True] >= 190
    assert seen[False, True] > 50 and seen[False, False] > 50


@pytest.mark.slow
def test_fuzzed_files_are_read_or_refused(tmp_path):
    """`make fuzz` tries a million."""
    seen = fuzz.fuzz(fuzz.inputs(0, 0, 200), folder=tmp_path, keep=None)
    assert not seen["FAILED"] and seen["read"] > 20 and seen["refused"] > 20


@pytest.mark.slow
def test_fuzzer_reports_a_crash_and_continues(tmp_path, monkeypatch):
    """The child process is replaced by one that dies on its second input."""
    child = (
        "import json, os, sys\nfor k, line in enumerate(sys.stdin):\n"
        "    os._exit(7) if k else print(json.dumps(['x', 'read', 1]), flush=True)"
    )
    monkeypatch.setattr(
        "support.hostile.trial._start",
        lambda: subprocess.Popen(
            [sys.executable, "-c", child], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ),
    )
    seen = fuzz.fuzz(fuzz.inputs(0, 0, 4), folder=tmp_path, keep=tmp_path / "found")
    assert seen == {"read": 2, "FAILED": 2}
    assert len(list((tmp_path / "found").iterdir())) == 2


def test_special_files_are_refused(tmp_path):
    fifo, link = tmp_path / "fifo.wav", tmp_path / "link.wav"
    os.mkfifo(fifo)
    link.symlink_to(link)
    for path in (fifo, link, tmp_path, "/dev/zero", "/dev/null", tmp_path / "missing.wav"):
        with pytest.raises(AudioError):
            read_audio(path)
        with pytest.raises(AudioError):
            EmotionModel.load().timeline(path)
    status, out, error = classify(fifo, link, "/dev/zero")
    assert (status, out) == (1, "") and error.count("\n") == 3


def test_file_swapped_for_a_fifo_does_not_block(tmp_path, monkeypatch):
    fifo = tmp_path / "fifo.wav"
    os.mkfifo(fifo)
    monkeypatch.setattr(module, "check_regular_file", lambda path: None)
    with pytest.raises(AudioError, match="is not a regular file"):
        read_audio(fifo)


def test_unreadable_file_is_refused(tmp_path):
    path = tmp_path / "secret.wav"
    path.write_bytes(hostile.wav())
    path.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(AudioError, match="cannot be read: Permission denied"):
            read_audio(path)
    finally:
        if root:
            os.seteuid(0)


def test_file_that_shrinks_while_being_read_is_truncated(tmp_path):
    path = tmp_path / "shrinks.wav"
    path.write_bytes(hostile.wav(bytes(4 * module.BLOCK_SAMPLES)))
    pieces = iter(AudioFile(path))
    next(pieces)
    os.truncate(path, 1000)
    with pytest.raises(AudioError, match="is truncated"):
        list(pieces)


def test_file_replaced_while_being_read_is_read_or_refused(tmp_path):
    path, other, stop = tmp_path / "here.wav", tmp_path / "other.wav", threading.Event()
    whole = hostile.wav(bytes(16_000))

    def change():
        while not stop.is_set():
            for content in (whole, b"text", whole[:2000], b""):
                other.write_bytes(content)
                os.replace(other, path)
            path.unlink()

    thread = threading.Thread(target=change)
    thread.start()
    seen = collections.Counter()
    try:
        for _ in range(300):
            try:
                seen[len(read_audio(path))] += 1
            except AudioError:
                seen["refused"] += 1
    finally:
        stop.set()
        thread.join()
    assert set(seen) <= {8000, "refused"} and seen["refused"]


@pytest.fixture
def night(tmp_path):
    """Eleven hours at 8 kHz in a sparse file."""
    path = tmp_path / "night.wav"
    size = 11 * 3600 * 8000 * 2
    path.write_bytes(hostile.wav(b"", rate=8000, size=size))
    os.truncate(path, 44 + size)
    return path


def test_long_recording_is_refused_with_advice(night):
    with pytest.raises(AudioError, match=r"longer than 1800 s.*--max-duration.*--timeline"):
        read_audio(night)
    with pytest.raises(AudioError, match=r"larger than 500 MiB.*--max-size"):
        read_audio(night, limits=AudioLimits(max_size=500 << 20))
    with pytest.raises(AudioError, match="longer than 36000 s"):
        EmotionModel.load().timeline(night, limits=AudioLimits(max_duration=36_000.0))
    status, out, error = classify(night)
    assert (status, out) == (1, "") and "max_duration=1800" in error
    status, out, error = classify("-t", "--max-duration", "60", night)
    assert (status, out) == (1, "") and "max_duration=60" in error


def test_long_recording_is_read_in_blocks(night):
    file = AudioFile(night)
    assert file.n_samples == 11 * 3600 * 8000
    pieces = iter(file)
    assert [len(next(pieces)) for _ in range(3)] == [module.BLOCK_SAMPLES] * 3
    segments = EmotionModel.load().timeline(night)  # no error
    assert hasattr(segments, "__next__")


def test_limits_are_configurable(tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(hostile.wav(bytes(2 * 20_000)))
    assert len(read_audio(path, limits=AudioLimits(max_duration=1.25))) == 20_000
    with pytest.raises(AudioError, match="longer than 1 s"):
        read_audio(path, limits=AudioLimits(max_duration=1.0))
    with pytest.raises(AudioError, match="larger than"):
        EmotionModel.load().classify(path, limits=AudioLimits(max_size=40_043))
    assert classify("--max-size", "40044", "--max-duration", "2", path)[0] == 0
    status, _, error = classify("--max-size", "39K", path)
    assert status == 1 and "is larger than 39 KiB" in error
    for invalid in (["--max-size", "much"], ["--max-size", "0"], ["--max-duration", "-1"]):
        assert classify(*invalid, path)[0] == 2
    for max_duration in (0, -1, math.nan, "60"):
        with pytest.raises(ConfigError, match="max_duration="):
            AudioLimits(max_duration=max_duration)


def test_parse_size():
    assert [parse_size(text) for text in ("5", "2k", "1.5 M", "3GiB", "inf")] == [
        5,
        2048,
        1.5 * 2**20,
        3 * 2**30,
        math.inf,
    ]
    assert audio_limits(None, None, False) == AudioLimits()
    assert audio_limits(5.0, "1M", True) == AudioLimits(5.0, 2.0**20)


@pytest.mark.parametrize(
    "options", [[], ["--timeline"], ["--rate", "16000"]], ids=["clip", "timeline", "raw"]
)
def test_endless_standard_input_is_limited(options):
    with open("/dev/zero", "rb") as endless:
        done = edge_ser("-", *options, "--max-size", "10M", "--max-duration", "3600", stdin=endless)
    assert done.returncode == 1 and b"is larger than 10 MiB" in done.stderr
    with open("/dev/zero", "rb") as endless:
        done = edge_ser("-", "--rate", "16000", "--max-duration", "10", stdin=endless)
    assert done.returncode == 1 and b"is longer than 10 s" in done.stderr


@pytest.mark.parametrize("name", ["wav", "rifx", "aiff", "rf64", "w64", "flac", "ogg", "mp3"])
def test_truncated_recording_keeps_its_segments(tmp_path, name, voice_clips):
    format, subtype, endian = hostile.GOOD[name]
    voice = np.tile(voice_clips[0], 1 + 160_000 // len(voice_clips[0]))[:160_000]
    whole, cut = tmp_path / f"whole.{name}", tmp_path / f"cut.{name}"
    soundfile.write(whole, voice, 16_000, format=format, subtype=subtype, endian=endian)
    content = whole.read_bytes()
    cut.write_bytes(content[: len(content) * 3 // 4])
    segments = []
    with pytest.raises(AudioError, match="is truncated"):
        for segment in EmotionModel.load().timeline(cut):
            segments.append(segment)
    assert 5.0 <= segments[-1].end <= 8.0
    status, out, error = classify("--timeline", "--format", "jsonl", cut)
    assert status == 1 and "is truncated" in error
    rows = [json.loads(line)["row"] for line in out.splitlines()]
    assert rows == ["segment"] * len(segments) + ["summary"]


def test_unreadable_recording_prints_nothing(tmp_path):
    path = tmp_path / "nan.wav"
    path.write_bytes(hostile.encode(np.array([np.nan] * 100), "WAV", "FLOAT"))
    status, out, error = classify("--timeline", path)
    assert (status, out) == (1, "") and "not finite" in error


def test_data_size_zero_is_open_ended_and_empty_clip_is_refused(tmp_path):
    path = tmp_path / "streamed.wav"
    for size in (0, 0x8000_0000, 0xFFFF_FFFF):
        path.write_bytes(hostile.wav(size=size, riff=0))
        assert len(read_audio(path)) == 1600
        assert sum(map(len, AudioFile(path))) == 1600
    path.write_bytes(hostile.wav(b"", size=0, riff=36))
    with pytest.raises(AudioError, match="holds no samples"):
        read_audio(path)
    samples = struct.pack("<1600h", *range(1600))
    path.write_bytes(hostile.wav(samples, size=0, riff=36))
    np.testing.assert_allclose(read_audio(path) * 32768, np.arange(1600), atol=1e-3)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (ModuleNotFoundError("No such module", name="soundfile"), "pip install soundfile"),
        (OSError("cannot load library 'libsndfile.so'"), "apt-get install libsndfile1"),
    ],
    ids=["soundfile", "libsndfile"],
)
def test_missing_libsndfile_names_the_package(tmp_path, monkeypatch, error, advice):
    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == "soundfile":
                raise error

    path = tmp_path / "clip.flac"
    path.write_bytes(hostile.good("flac"))  # a WAV of PCM is read without it
    monkeypatch.delitem(sys.modules, "soundfile")
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(EdgeSerError, match=advice):
        read_audio(path)
