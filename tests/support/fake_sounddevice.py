"""A fake `sounddevice` whose input streams replay a script."""

from __future__ import annotations

import types

import numpy as np


class FakePortAudioError(Exception):
    """Stands in for `sounddevice.PortAudioError`."""


class FakeStream:
    """An input stream that passes its script to the callback when it is started."""

    script: list[tuple[np.ndarray, bool]] = []
    opened: list[FakeStream] = []
    refuses = False

    def __init__(self, callback, **arguments):
        if self.refuses:
            raise FakePortAudioError("Device unavailable [PaErrorCode -9985]")
        self.callback, self.arguments, self.closed = callback, arguments, False
        self.opened.append(self)

    def start(self):
        for samples, overflow in self.script:
            buffer = samples.copy()
            status = types.SimpleNamespace(input_overflow=overflow)
            self.callback(buffer, len(buffer), None, status)
            buffer[:] = 9  # PortAudio reuses the buffer

    def close(self):
        self.closed = True


DEVICES = [
    {"name": "Speakers", "max_input_channels": 0, "default_samplerate": 48_000.0},
    {"name": "Built-in Audio", "max_input_channels": 2, "default_samplerate": 44_100.0},
    {"name": "USB Mic", "max_input_channels": 1, "default_samplerate": 48_000.0},
    {"name": "USB Mic Array", "max_input_channels": 6, "default_samplerate": 16_000.0},
]
