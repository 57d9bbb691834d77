"""`edge-ser listen` as a process, and with a simulated microphone."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import types

import numpy as np
import pytest
import soundfile
from support.command import edge_ser
from support.fake_sounddevice import DEVICES, FakePortAudioError, FakeStream
from support.paths import ROOT
from support.tiny_model import write_statistics_model

from edge_runtime import EmotionModel
from edge_runtime.audio import microphone, stdin
from edge_runtime.cli import app as cli

COMMAND = [sys.executable, "-m", "edge_runtime", "listen"]


@pytest.fixture(scope="module")
def samples(voice_clips):
    """Three voices with pauses."""
    gap = np.zeros(24_000, np.float32)
    return np.concatenate([gap, *(x for clip in voice_clips[:3] for x in (clip, gap))])


def wav(samples, rate=16_000):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def listen(*arguments: object, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], input=data, capture_output=True, cwd=ROOT, timeout=120
    )


@pytest.mark.slow
def test_wav_and_raw_pcm_give_equal_events(samples):
    """With --all, as some of the synthesised voices are noise to the network."""
    result = listen("-", "--all", data=wav(samples))
    assert result.returncode == 0
    ending = f"edge-ser: standard input ended after {len(samples) / 16_000:.2f} s of audio"
    assert result.stderr.decode() == f"{ending}, as its WAV header declares\n"
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    ends = [row for row in rows if row["event"] == "end"]
    assert len(ends) >= 3
    for row in ends:
        assert 0 <= row["start"] < row["end"] <= len(samples) / 16_000
        assert set(row["probabilities"]) == set(EmotionModel.load().labels)
    raw = (samples * 32767).round().astype("<i2").tobytes()
    other = listen("-", "--all", "--rate", 16_000, data=raw)
    assert [json.loads(x)["event"] for x in other.stdout.splitlines()] == [r["event"] for r in rows]
    assert other.stderr.decode() == f"{ending}\n"


@pytest.mark.slow
def test_truncated_wav_gives_events_then_error(samples):
    data = wav(samples)
    whole = listen("-", "--all", data=data).stdout
    cut = listen("-", "--all", data=data[: len(data) - 16_000])  # in the last pause
    assert cut.returncode == 1 and cut.stdout == whole
    (line,) = cut.stderr.decode().splitlines()
    assert "standard input: is truncated: the WAV header declares" in line


@pytest.mark.slow
def test_sound_without_speech_is_printed_only_with_all(samples):
    """Speech below -70 dBFS is not answered."""
    pause = np.zeros(32_000, np.float32)
    data = wav(np.concatenate([pause, 0.0015 * samples[:70_000], pause]))
    assert listen("-", data=data).stdout == b""
    (line,) = listen("-", "--all", data=data).stdout.splitlines()
    assert json.loads(line)["status"] == "no speech"


@pytest.mark.slow
def test_stereo_is_averaged_or_one_channel_used(samples):
    two = np.stack([samples, np.zeros_like(samples)], axis=1)
    left = listen("-", "--all", "--channel", 1, data=wav(two)).stdout
    assert left == listen("-", "--all", data=wav(samples)).stdout != b""
    assert listen("-", "--all", "--channel", 2, data=wav(two)).stdout == b""
    same = np.stack([samples, samples], axis=1)
    assert listen("-", "--all", data=wav(same)).stdout == left


@pytest.mark.slow
def test_text_in_pipe_is_one_plain_line_per_utterance(samples):
    result = listen("-", "--all", "--format", "text", data=wav(samples))
    lines = result.stdout.decode().splitlines()
    rows = [json.loads(x) for x in listen("-", "--all", data=wav(samples)).stdout.splitlines()]
    assert len(lines) == sum(row["event"] == "end" for row in rows)
    assert b"\x1b" not in result.stdout and b"\r" not in result.stdout
    assert all("angry" in line for line in lines)


def test_adaptation_is_reported_on_stderr(samples):
    result = listen("-", "--adapt", data=wav(samples))
    assert result.returncode == 0
    assert b"edge-ser: adapted to the speaker on" in result.stderr


def readable_id(value: object) -> str:
    """Return a short test id; older versions of pytest print all bytes of an argument."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return " ".join(value) if isinstance(value, list) else str(value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "data", "status", "message"),
    [
        (["-"], b"", 1, "is empty"),
        (["-"], b"fLaC" + bytes(99), 1, "not a WAV stream"),
        (["-", "--channels", "2"], b"", 2, "require --rate"),
        (["--rate", "16000"], b"", 2, "listen -"),
        (["clip.wav"], b"", 2, "edge-ser classify"),
        (["-", "--device", "2"], b"", 2, "--device"),
        (["-", "--pause", "0", "--rate", "16000"], b"", 2, "--pause 0.0 must be"),
        (["-", "--rate", "5"], b"", 2, "sample_rate=5 "),
        (["-", "--rate", "16000", "--channel", "2"], bytes(999), 2, "channel 2 does not exist"),
        (["-", "--profile", "nobody"], b"", 2, "no such profile"),
        (["-", "--adapt", "--profile", "nobody"], b"", 2, "cannot be combined"),
        (["-", "--rate", "16000"], b"", 0, "standard input ended after 0.00 s of audio"),
        (["-", "--rate", "16000", "--encoding", "s24le"], bytes(48_001), 0, "after 1.00 s"),
        (["-", "--rate", "8000", "--encoding", "mulaw"], b"\xff" * 8000, 0, "after 1.00 s"),
        (["-"], wav(np.zeros(16_000))[:-1], 0, "declares 32000 bytes of samples, got 31998"),
        (["-"], wav(np.zeros(16_000)) + bytes(9), 0, "9 or more bytes after that are not read"),
        (["-", "--rate", "16000", "--encoding", "f32le"], b"\xff" * 64_000, 1, "NaN"),
    ],
    ids=readable_id,
)
def test_errors_and_endings_are_on_stderr(arguments, data, status, message):
    result = listen(*arguments, data=data)
    assert result.returncode == status
    assert message.encode() in result.stderr
    is_noted = status == 0 and message.startswith("declares")
    assert len(result.stderr.splitlines()) == (2 if is_noted else 1)
    assert result.stdout == b""


def fed(data: bytes, *arguments: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [*COMMAND, "-", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.flush()
    return process


def test_end_at_the_limit_of_arecord_is_explained(monkeypatch):
    content = bytearray(wav(np.zeros(16_000)))
    content[40:44] = (0x8000_0000).to_bytes(4, "little")
    monkeypatch.setattr(stdin, "ARECORD_LIMIT_BYTES", 32_000)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(bytes(content))))
    stream = stdin.StdinStream(None)
    assert sum(len(block.samples) for block in stream) == 16_000
    assert stream.ending == (
        "standard input ended after 1.00 s of audio; its WAV header declares no length. arecord "
        "ends a WAV after 2 GiB: record with -t raw, and pass --rate"
    )


@pytest.mark.parametrize("command", ["listen", "classify"])
def test_non_blocking_input_that_pauses_is_read_to_its_end(samples, command):
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    arguments = [sys.executable, "-m", "edge_runtime", command, "-"]
    process = subprocess.Popen(
        arguments, stdin=reader, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    os.close(reader)
    content = wav(samples)
    with os.fdopen(writer, "wb") as pipe:
        for start in (0, len(content) // 2):
            time.sleep(0.7)  # also before the first byte
            pipe.write(content[start : start + len(content) // 2])
            pipe.flush()
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert command == "classify" or f"after {len(samples) / 16_000:.2f} s".encode() in errors


def test_events_are_immediate_and_ctrl_c_ends_utterance(samples):
    until = 24_000 + 16_000  # within the first voice
    arguments = ("--all", "--rate", "16000", "--encoding", "f32le")
    process = fed(np.concatenate([samples, samples[:until]]).astype("<f4").tobytes(), *arguments)
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())  # stdin is still open
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == b""
    ends = [row for row in (first, *map(json.loads, rest.splitlines())) if row["event"] == "end"]
    assert ends[-1]["end"] == pytest.approx((len(samples) + until) / 16_000, abs=0.2)


def test_closed_output_pipe_is_status_141_without_message(samples):
    arguments = ("--all", "--rate", "16000", "--encoding", "f32le")
    process = fed(samples.astype("<f4").tobytes(), *arguments)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(np.tile(samples, 3).astype("<f4").tobytes())
        process.stdin.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


def test_help_imports_nothing_heavy():
    code = (
        "import sys, edge_runtime.cli; "
        "sys.exit(' '.join({'numpy', 'onnxruntime', 'sounddevice'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.stderr.strip() == ""
    assert "--list-devices" in edge_ser("listen", "--help").stdout


@pytest.fixture
def sounddevice(monkeypatch):
    fake = types.ModuleType("sounddevice")
    fake.query_devices = lambda: DEVICES
    fake.default = types.SimpleNamespace(device=[3, 0])  # 16 kHz
    fake.PortAudioError = FakePortAudioError
    fake.InputStream = FakeStream
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    monkeypatch.setattr(FakeStream, "opened", [])
    monkeypatch.setattr("edge_runtime.audio.microphone.DEVICE_TIMEOUT_SECONDS", 0.05)
    return fake


def run(monkeypatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["edge-ser", *arguments])
    try:
        cli.main()
    except SystemExit as left:
        return left.code
    return 0


def blocks(samples):
    two = np.repeat(samples[:, None], 2, axis=1)
    return [(two[k : k + 800], False) for k in range(0, len(two), 800)]


def test_microphone_until_it_disappears_with_losses_reported(
    sounddevice, monkeypatch, capfd, samples
):
    long = np.concatenate([samples] * 2)
    script = blocks(long[: 16_000 * 11])
    script[3] = (script[3][0], True)
    monkeypatch.setattr(FakeStream, "script", script)
    assert run(monkeypatch, "listen", "--all") == 1
    out, errors = capfd.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert sum(row["event"] == "end" for row in rows) >= 3
    assert "1.0 s of audio were lost" in errors
    assert "reported lost audio 1 times" in errors
    assert "edge-ser: microphone USB Mic Array: delivers no audio" in errors


def test_lost_audio_is_an_event(sounddevice, monkeypatch, capfd, samples):
    take = microphone.queue.Queue.get
    script = blocks(np.resize(samples, 16_000 * 11))
    monkeypatch.setattr(FakeStream, "script", script)

    def get(self, *arguments, **more):
        """Audio goes on when the queue, which held 10 s of the 11, is empty."""
        item = take(self, *arguments, **more)
        if self.empty() and FakeStream.script:
            monkeypatch.setattr(FakeStream, "script", blocks(samples))
            FakeStream.opened[0].start()
            FakeStream.script = []
        return item

    monkeypatch.setattr(microphone.queue.Queue, "get", get)
    assert run(monkeypatch, "listen", "--all") == 1
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    (lost,) = [row for row in rows if row["event"] == "overrun"]
    assert (lost["start"], lost["end"], lost["seconds"]) == (10.0, 11.0, 1.0)
    assert any(row["start"] > 11 for row in rows if row["event"] == "end")


def test_devices_are_listed(sounddevice, monkeypatch, capfd):
    assert run(monkeypatch, "listen", "--list-devices") == 0
    assert "* 3: USB Mic Array" in capfd.readouterr().out
    assert run(monkeypatch, "listen", "--device", "Headset") == 2
    assert "1: Built-in Audio" in capfd.readouterr().err


def test_profile_from_microphone(sounddevice, monkeypatch, capfd, samples, tmp_path):
    """With a small model, as the bundled one takes some of the synthesised voices for noise."""
    model = str(write_statistics_model(tmp_path / "tiny.onnx"))
    monkeypatch.setattr(FakeStream, "script", blocks(samples[: 16_000 * 6]))
    path = tmp_path / "anna.json"
    create = ("profile", "create", str(path), "--model", model)
    assert run(monkeypatch, *create, "--microphone", "5") == 0
    out, errors = capfd.readouterr()
    assert json.loads(path.read_text())["seconds"] < 5
    assert "s of speech" in out and "is recommended" in errors
    for wrong, message in (
        (["--microphone", "clip.wav"], "cannot be combined"),
        (["--microphone", "0"], "from 1 to 3600"),
        ([], "no recordings given"),
        (["clip.wav", "--device", "1"], "--microphone"),
    ):
        assert run(monkeypatch, "profile", "create", str(tmp_path / "b.json"), *wrong) == 2
        assert message in capfd.readouterr().err
