"""Record from a microphone with PortAudio, through the package sounddevice (extra `mic`)."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import AudioError, ConfigError
from ..messages import count_of, missing_package
from .pcm import check_channel
from .read import Block

if TYPE_CHECKING:
    import numpy as np

BLOCK_SECONDS = 0.05
QUEUE_SECONDS = 10.0  # of audio that waits for a slow reader
DEVICE_TIMEOUT_SECONDS = 2.0  # without a block, after which the device counts as disconnected


@dataclass(frozen=True)
class InputDevice:
    """A device that can record.

    Attributes:
        index: Number of the device.
        name: Its name.
        channels: Number of its input channels.
        rate: Its default sample rate in Hz.
        default: True for the system's default input.
    """

    index: int
    name: str
    channels: int
    rate: float
    default: bool

    def __str__(self) -> str:
        mark = "*" if self.default else " "
        channels = count_of(self.channels, "channel")
        return f"{mark} {self.index}: {self.name} ({channels}, {self.rate:g} Hz)"


def input_devices() -> list[InputDevice]:
    """List the devices that have an input.

    Raises:
        AudioError: If sounddevice or PortAudio is missing, or cannot list the devices.
    """
    sounddevice = _sounddevice()
    try:
        entries = list(sounddevice.query_devices())
        default = sounddevice.default.device[0]
    except sounddevice.PortAudioError as error:
        raise AudioError(f"microphone: PortAudio cannot list the devices: {error}") from error
    return [
        InputDevice(
            k,
            str(entry["name"]),
            int(entry["max_input_channels"]),
            float(entry["default_samplerate"]),
            k == default,
        )
        for k, entry in enumerate(entries)
        if entry["max_input_channels"] > 0
    ]


def find_device(name: str | None) -> InputDevice:
    """Find an input device.

    Args:
        name: Its index, its name or a part of its name. Default: the system's default input.

    Raises:
        AudioError: If there is no input device at all.
        ConfigError: If none or more than one matches; the message lists the devices.
    """
    devices = input_devices()
    if not devices:
        raise AudioError("microphone: no input device found; connect a microphone")
    if name is None:
        return next((device for device in devices if device.default), devices[0])
    if name.isdecimal():
        matches = [device for device in devices if device.index == int(name)]
    else:
        matches = [device for device in devices if device.name == name] or [
            device for device in devices if name.casefold() in device.name.casefold()
        ]
    if len(matches) == 1:
        return matches[0]
    listed = "; ".join(str(device).strip() for device in matches or devices)
    if matches:
        raise ConfigError(f"device {name!r} matches more than one input device: {listed}")
    raise ConfigError(f"device {name!r} matches no input device; available: {listed}")


class Microphone:
    """A microphone that records within a `with` block; iterate over it for the blocks.

    Up to 10 s wait in a queue for a slow reader. Audio that does not fit is lost and counted.

    Args:
        device: As for `find_device`.
        channel: Number of the channel that will be used, counted from 1; opens that many.
            Default: opens two channels if the device has them.

    Attributes:
        device: The device.
        channels: Number of channels that are opened.
        sample_rate: Rate of the device in Hz.
        overflows: Number of input overflows that PortAudio reported.

    Raises:
        AudioError: If there is no microphone, it cannot be opened or it was disconnected.
        ConfigError: If there is no such device or channel.
    """

    def __init__(self, device: str | None = None, channel: int | None = None) -> None:
        self.device = find_device(device)
        check_channel(channel, self.device.channels, f"microphone {self.device.name}")
        self.channels = channel or min(2, self.device.channels)
        self.sample_rate = self.device.rate
        self.overflows = 0
        self._lost = 0  # samples, in total
        self._lost_since_block = 0  # samples, since the last block that was queued
        self._queue: queue.Queue[tuple[np.ndarray, int]] = queue.Queue(
            round(QUEUE_SECONDS / BLOCK_SECONDS)
        )
        self._stream: Any = None

    def __enter__(self) -> Microphone:
        sounddevice = _sounddevice()
        try:
            self._stream = sounddevice.InputStream(
                device=self.device.index,
                channels=self.channels,
                samplerate=self.sample_rate,
                blocksize=round(BLOCK_SECONDS * self.sample_rate),
                dtype="float32",
                callback=self._enqueue,
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise AudioError(
                f"microphone {self.device.name}: cannot be opened: {error}; another program may "
                "be using it; `edge-ser listen --list-devices` lists all devices"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()

    @property
    def lost(self) -> float:
        """Seconds of audio that did not fit into the queue."""
        return self._lost / self.sample_rate

    def __iter__(self) -> Iterator[Block]:
        """Yield blocks of 50 ms, without end."""
        while True:
            try:
                samples, lost = self._queue.get(timeout=DEVICE_TIMEOUT_SECONDS)
            except queue.Empty:
                raise AudioError(
                    f"microphone {self.device.name}: delivers no audio any more; is it still "
                    "connected?"
                ) from None
            yield Block(samples, lost / self.sample_rate)

    def _enqueue(self, samples: np.ndarray, n_frames: int, _time: object, status: Any) -> None:
        # PortAudio's callback, in a thread of its own: it must not block.
        if status.input_overflow:
            self.overflows += 1
        try:
            self._queue.put_nowait((samples.copy(), self._lost_since_block))
            self._lost_since_block = 0
        except queue.Full:
            self._lost_since_block += n_frames
            self._lost += n_frames


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise AudioError(missing_package("the microphone", "sounddevice", "mic")) from error
    except OSError as error:  # the library that it wraps is missing
        raise AudioError(
            "the microphone requires PortAudio; run `sudo apt install libportaudio2` on Debian and "
            "its derivatives, `brew install portaudio` on macOS"
        ) from error
    return sounddevice
