"""A microphone, by way of PortAudio: the package sounddevice, which the extra `mic` installs."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import AudioError, ConfigError

if TYPE_CHECKING:
    import numpy as np

BLOCK_SECONDS = 0.05
QUEUE_SECONDS = 10.0  # of audio that waits for whoever reads it
DEVICE_TIMEOUT_SECONDS = (
    2.0  # seconds without a block after which the device is thought to have gone
)


@dataclass(frozen=True)
class InputDevice:
    """Something that can be recorded from."""

    index: int
    name: str
    channels: int
    rate: float  # Hz, its own
    default: bool

    def __str__(self) -> str:
        mark = "*" if self.default else " "
        return f"{mark} {self.index}: {self.name} ({self.channels} channels, {self.rate:g} Hz)"


class Block(NamedTuple):
    """Samples as they came from the microphone."""

    samples: np.ndarray  # float32 (n, channels)
    lost: float  # seconds of audio right before them that did not fit into the queue


def input_devices() -> list[InputDevice]:
    """The devices with an input; AudioError if sounddevice or PortAudio is missing."""
    sounddevice = _sounddevice()
    try:
        found = list(sounddevice.query_devices())
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
        for k, entry in enumerate(found)
        if entry["max_input_channels"] > 0
    ]


def find_device(wanted: str | None) -> InputDevice:
    """The device of that number, or whose name holds that text; None: the system's default.

    ConfigError, with the list of devices, if there is none or more than one.
    """
    devices = input_devices()
    if not devices:
        raise AudioError("microphone: there is no device with an input; connect a microphone")
    if wanted is None:
        return next((device for device in devices if device.default), devices[0])
    if wanted.isdecimal():
        found = [device for device in devices if device.index == int(wanted)]
    else:
        found = [device for device in devices if device.name == wanted] or [
            device for device in devices if wanted.casefold() in device.name.casefold()
        ]
    if len(found) == 1:
        return found[0]
    listed = "; ".join(str(device).strip() for device in found or devices)
    how_many = "more than one device" if found else "no device"
    raise ConfigError(f"device {wanted!r} is {how_many} with an input; there are: {listed}")


class Microphone:
    """Records from entering the `with` block until it ends; iterate over it for the blocks.

    Up to 10 s wait in a queue for a slow reader. What does not fit is counted, in `lost` and
    in the block after the gap; `overflows` is how often PortAudio reports to have lost some.
    """

    def __init__(self, device: str | None = None, channel: int | None = None) -> None:
        """`channel`: that will be needed, from 1 on; None: two where there are as many."""
        self.device = find_device(device)
        if channel is not None and not 1 <= channel <= self.device.channels:
            raise ConfigError(
                f"channel={channel} must be from 1 to {self.device.channels}, as many as "
                f"{self.device.name} has"
            )
        self.channels = channel or min(2, self.device.channels)
        self.sample_rate = self.device.rate
        self.overflows = 0
        self._lost = 0  # samples
        self._missing = 0  # samples that did not fit since the last block that did
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
                callback=self._hear,
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise AudioError(
                f"microphone {self.device.name}: cannot be opened: {error}; another program may "
                "be using it, and `edge-ser listen --list-devices` shows the others"
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
        while True:
            try:
                samples, missing = self._queue.get(timeout=DEVICE_TIMEOUT_SECONDS)
            except queue.Empty:
                raise AudioError(
                    f"microphone {self.device.name}: no sound comes from it any more; is it "
                    "still connected?"
                ) from None
            yield Block(samples, missing / self.sample_rate)

    def _hear(self, samples: np.ndarray, n_frames: int, _time: object, status: Any) -> None:
        """PortAudio's callback, in a thread of its own: it must not wait."""
        if status.input_overflow:
            self.overflows += 1
        try:
            self._queue.put_nowait((samples.copy(), self._missing))
            self._missing = 0
        except queue.Full:
            self._missing += n_frames
            self._lost += n_frames


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise AudioError(
            "microphone: the package sounddevice is missing: pip install 'edge-ser[mic]'"
        ) from error
    except OSError as error:  # the library that it wraps
        raise AudioError(
            "microphone: PortAudio is missing: `sudo apt install libportaudio2` on Debian and its "
            "kin, `brew install portaudio` on macOS"
        ) from error
    return sounddevice
