"""The microphone, with a fake sounddevice."""

from __future__ import annotations

import builtins
import sys
import types

import numpy as np
import pytest
from support.fake_sounddevice import DEVICES, FakePortAudioError, FakeStream

from edge_runtime import AudioError, ConfigError
from edge_runtime.audio import microphone
from edge_runtime.audio.microphone import Microphone, find_device, input_devices


@pytest.fixture
def sounddevice(monkeypatch):
    fake = types.ModuleType("sounddevice")
    fake.query_devices = lambda: DEVICES
    fake.default = types.SimpleNamespace(device=[1, 0])
    fake.PortAudioError = FakePortAudioError
    fake.InputStream = FakeStream
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    monkeypatch.setattr(FakeStream, "script", [])
    monkeypatch.setattr(FakeStream, "opened", [])
    monkeypatch.setattr(FakeStream, "refuses", False)
    monkeypatch.setattr(microphone, "DEVICE_TIMEOUT_SECONDS", 0.05)
    return fake


def test_input_devices_are_listed(sounddevice):
    assert [str(device) for device in input_devices()] == [
        "* 1: Built-in Audio (2 channels, 44100 Hz)",
        "  2: USB Mic (1 channel, 48000 Hz)",
        "  3: USB Mic Array (6 channels, 16000 Hz)",
    ]


@pytest.mark.parametrize(
    ("name", "index"),
    [(None, 1), ("3", 3), ("USB Mic", 2), ("array", 3), ("built", 1)],
    ids=["default", "index", "exact name", "suffix", "prefix"],
)
def test_device_is_found_by_index_or_name(sounddevice, name, index):
    assert find_device(name).index == index


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Headset", "no input device.*1: Built-in Audio.*3: USB Mic Array"),
        ("0", "no input device"),
        ("usb", "more than one input device.*2: USB Mic .*3: USB Mic Array"),
    ],
    ids=["unknown name", "output device", "ambiguous name"],
)
def test_error_lists_the_devices(sounddevice, name, message):
    with pytest.raises(ConfigError, match=message):
        find_device(name)


def test_blocks_pass_through_unchanged(sounddevice):
    blocks = [np.full((2205, 2), value, np.float32) for value in (0.1, 0.2)]
    FakeStream.script = [(block, False) for block in blocks]
    with Microphone() as source:
        reader = iter(source)
        for block in blocks:
            received = next(reader)
            np.testing.assert_array_equal(received.samples, block)
            assert received.lost == 0
        with pytest.raises(AudioError, match="Built-in Audio: delivers no audio"):
            next(reader)
    (stream,) = FakeStream.opened
    assert stream.closed
    assert stream.arguments["samplerate"] == 44_100 and stream.arguments["channels"] == 2
    assert source.lost == 0 and source.overflows == 0


def test_lost_audio_is_counted_at_its_place(sounddevice):
    with Microphone("2") as source:
        stream = FakeStream.opened[0]
        FakeStream.script = [(np.full((2400, 1), k, np.float32), k == 7) for k in range(220)]
        stream.start()  # 11 s of blocks of 50 ms that are not read
        reader = iter(source)
        first = [next(reader) for _ in range(200)]
        FakeStream.script = [(np.full((2400, 1), 500, np.float32), True)]
        stream.start()
        after = next(reader)
    assert [block.samples[0, 0] for block in first] == list(range(200))
    assert all(block.lost == 0 for block in first)
    assert after.samples[0, 0] == 500
    assert after.lost == source.lost == pytest.approx(1.0)
    assert source.overflows == 2


def test_requested_channel_is_opened(sounddevice):
    with pytest.raises(ConfigError, match="channel 2 does not exist"):
        Microphone("2", channel=2)
    with Microphone("3", channel=5):
        assert FakeStream.opened[0].arguments["channels"] == 5


def test_busy_device_is_an_audio_error(sounddevice):
    FakeStream.refuses = True
    with pytest.raises(AudioError, match="Built-in Audio: cannot be opened: Device unavailable"):
        Microphone().__enter__()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ImportError("none"), r"pip install 'edge-ser\[mic\]'"),
        (OSError("PortAudio library not found"), "libportaudio2"),
    ],
    ids=["sounddevice", "PortAudio"],
)
def test_missing_library_names_the_install_command(monkeypatch, error, message):
    real = builtins.__import__

    def without(name, *arguments, **more):
        if name == "sounddevice":
            raise error
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(AudioError, match=message):
        input_devices()


def test_no_input_device_is_an_audio_error(sounddevice):
    sounddevice.query_devices = lambda: DEVICES[:1]
    with pytest.raises(AudioError, match="no input device found"):
        find_device(None)
