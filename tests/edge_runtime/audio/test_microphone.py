"""The microphone, with a sounddevice that is none."""

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
    monkeypatch.setattr(microphone, "PATIENCE", 0.05)
    return fake


def test_devices_with_an_input_are_listed_and_the_default_is_marked(sounddevice):
    assert [str(device) for device in input_devices()] == [
        "* 1: Built-in Audio (2 channels, 44100 Hz)",
        "  2: USB Mic (1 channels, 48000 Hz)",
        "  3: USB Mic Array (6 channels, 16000 Hz)",
    ]


@pytest.mark.parametrize(
    ("wanted", "index"), [(None, 1), ("3", 3), ("USB Mic", 2), ("array", 3), ("built", 1)]
)
def test_a_device_is_found_by_number_or_by_part_of_its_name(sounddevice, wanted, index):
    assert find_device(wanted).index == index


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("Headset", "no device.*1: Built-in Audio.*3: USB Mic Array"),
        ("0", "no device"),
        ("usb", "more than one device.*2: USB Mic .*3: USB Mic Array"),
    ],
)
def test_another_device_is_an_error_that_lists_them(sounddevice, wanted, message):
    with pytest.raises(ConfigError, match=message):
        find_device(wanted)


def test_blocks_come_as_they_were_at_the_rate_of_the_device(sounddevice):
    blocks = [np.full((2205, 2), value, np.float32) for value in (0.1, 0.2)]
    FakeStream.script = [(block, False) for block in blocks]
    with Microphone() as source:
        reader = iter(source)
        for block in blocks:
            found = next(reader)
            np.testing.assert_array_equal(found.samples, block)
            assert found.lost == 0
        with pytest.raises(AudioError, match="Built-in Audio: no sound comes"):
            next(reader)
    (stream,) = FakeStream.opened
    assert stream.closed
    assert stream.arguments["samplerate"] == 44_100 and stream.arguments["channels"] == 2
    assert source.lost == 0 and source.overflows == 0


def test_what_does_not_fit_is_counted_and_told_where_it_is_missing(sounddevice):
    with Microphone("2") as source:
        stream = FakeStream.opened[0]
        FakeStream.script = [(np.full((2400, 1), k, np.float32), k == 7) for k in range(220)]
        stream.start()  # 11 s of blocks of 50 ms, and nobody reads
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


def test_a_channel_that_is_not_there_is_refused_and_a_high_one_is_opened(sounddevice):
    with pytest.raises(ConfigError, match="channel=2 must be from 1 to 1"):
        Microphone("2", channel=2)
    with Microphone("3", channel=5):
        assert FakeStream.opened[0].arguments["channels"] == 5


def test_a_device_that_is_in_use_is_an_audio_error(sounddevice):
    FakeStream.refuses = True
    with pytest.raises(AudioError, match="Built-in Audio: cannot be opened: Device unavailable"):
        Microphone().__enter__()


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (ImportError("none"), r"pip install 'edge-ser\[mic\]'"),
        (OSError("PortAudio library not found"), "libportaudio2"),
    ],
)
def test_what_is_missing_is_an_error_with_the_command_that_installs_it(
    monkeypatch, raised, message
):
    real = builtins.__import__

    def without(name, *arguments, **more):
        if name == "sounddevice":
            raise raised
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(AudioError, match=message):
        input_devices()


def test_no_microphone_at_all_is_an_audio_error(sounddevice):
    sounddevice.query_devices = lambda: DEVICES[:1]
    with pytest.raises(AudioError, match="no device with an input"):
        find_device(None)
