"""`edge-ser listen`: live emotion from a microphone or from standard input."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..audio.pcm import PcmFormat, mono
from ..audio.stdin import StdinStream, stdin_format
from ..errors import AudioError, ConfigError, EdgeSerError
from ..results.events import NoiseFilter, is_noise
from .clock_times import StreamClock
from .mqtt_options import MqttForgetOption, PublishingWriter, PublishOptions, forget_node
from .option_groups import with_groups
from .options import (
    ChannelsOption,
    EncodingOption,
    LiveOptions,
    RateOption,
    StartTimeOption,
    VadOption,
    load_model_and_profile,
)
from .terminal import Interruption

if TYPE_CHECKING:
    import numpy as np

    from ..audio.microphone import Microphone
    from ..audio.read import Block
    from ..streaming.listen_events import ListenEvent
    from ..streaming.listener import Listener
    from .event_output import EventWriter


@with_groups
def listen(
    source: Annotated[
        str | None, typer.Argument(metavar="[-]", help="- for stdin [default: the microphone].")
    ] = None,
    list_devices: Annotated[
        bool, typer.Option("--list-devices", help="List the microphones; * marks the default.")
    ] = False,
    *,
    live: LiveOptions,
    rate: RateOption = None,
    channels: ChannelsOption = None,
    encoding: EncodingOption = None,
    format: Annotated[
        Literal["text", "jsonl"] | None,
        typer.Option(help="Format of the events [default: text on a terminal, else jsonl]."),
    ] = None,
    updates: Annotated[
        bool, typer.Option(help="Print the prediction during an utterance, in jsonl.")
    ] = True,
    all: Annotated[
        bool, typer.Option("--all", help="Print utterances without speech, too.")
    ] = False,
    start_time: StartTimeOption = None,
    min_duration: Annotated[
        float, typer.Option(metavar="SECONDS", help="Ignore utterances with less speech.")
    ] = 0.5,
    max_duration: Annotated[
        float, typer.Option(metavar="SECONDS", help="Split utterances longer than this.")
    ] = 10.0,
    pause: Annotated[
        float, typer.Option(metavar="SECONDS", help="Pause that ends an utterance.")
    ] = 0.8,
    cooldown: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            help="After an utterance with an emotion, ignore new ones for this long.",
        ),
    ] = 0.0,
    adapt: Annotated[
        bool, typer.Option("--adapt", help="Adapt to the speaker over a few minutes of speech.")
    ] = False,
    vad: VadOption = None,
    mqtt: PublishOptions,
    mqtt_forget: MqttForgetOption = False,
) -> None:
    """Recognise emotion live.

    Utterances of the microphone, or of a stream on stdin, are reported as they end. With --rate,
    stdin is raw PCM, otherwise a WAV stream; arecord ends a WAV after 2 GiB, raw PCM never. The end
    of stdin is reported on stderr. Ctrl-C ends the command with exit status 130.

    \b
    Examples:
      edge-ser listen
      edge-ser listen --device USB --format jsonl
      edge-ser listen --start-time now
      arecord -f S16_LE -r 16000 -t raw | edge-ser listen - --rate 16000
      edge-ser listen --list-devices
      edge-ser listen --mqtt mqtt://anna@broker.local --mqtt-password-file password.txt
    """  # noqa: D301
    if list_devices:
        _print_devices()
        return
    broker = mqtt.broker(forget=mqtt_forget)
    if broker is not None and mqtt_forget:
        forget_node(broker, mqtt.new_node())
        return
    _check_source(source, live.device, has_raw=(rate, channels, encoding) != (None, None, None))
    raw = stdin_format(rate, channels, encoding)
    if adapt and live.profile is not None:
        raise ConfigError("--adapt and --profile cannot be combined")
    from ..inference.network import network_of
    from ..streaming.listen_events import ListenConfig
    from ..streaming.listener import Listener
    from .event_output import JsonEventWriter, TextEventWriter

    config = ListenConfig(
        pause=pause, max_duration=max_duration, min_duration=min_duration, cooldown=cooldown
    )
    loaded, speaker = load_model_and_profile(live.model, live.profile)

    def new_listener(sample_rate: float) -> Listener:
        return Listener(
            loaded,
            sample_rate,
            config,
            threshold=live.threshold,
            profile=speaker,
            adapt=adapt,
            vad=vad or "model",
            speech_threshold=live.speech_threshold,
        )

    clock = StreamClock(start_time)
    is_text = sys.stdout.isatty() if format is None else format == "text"
    writer: EventWriter = JsonEventWriter(updates, clock)
    if is_text:
        writer = TextEventWriter(loaded.labels, clock)
    with contextlib.ExitStack() as stack:
        is_muted: Callable[[], bool] = _never
        if broker is not None:
            publisher = mqtt.new_publisher(broker, network_of(loaded))
            publisher.start()
            stack.callback(publisher.close)
            writer = PublishingWriter(writer, publisher, clock)
            is_muted = publisher.is_muted
        events = _EventFilter(writer, all, is_muted, clock)
        if source == "-":
            status = _listen_to_stdin(new_listener, raw, live.channel, events)
        else:
            status = _listen_to_microphone(new_listener, live.device, live.channel, events)
    if status:
        raise typer.Exit(status)


def _check_source(source: str | None, device: str | None, has_raw: bool) -> None:
    """Raise ConfigError for options that do not apply to the source."""
    if source not in (None, "-"):
        raise ConfigError(
            f"{source}: `edge-ser listen` reads the microphone, or stdin for -; use "
            "`edge-ser classify` for files"
        )
    if source is None and has_raw:
        raise ConfigError(
            "--rate, --channels and --encoding apply to raw PCM on stdin; use `edge-ser listen -`"
        )
    if source is not None and device is not None:
        raise ConfigError("--device applies to the microphone, not to stdin")


def _listen_to_stdin(
    new_listener: Callable[[float], Listener],
    raw: PcmFormat | None,
    channel: int | None,
    events: _EventFilter,
) -> int:
    stdin = StdinStream(raw)
    status = _listen(new_listener(stdin.sample_rate), stdin, channel, events)
    if not status:
        typer.echo(f"edge-ser: {stdin.ending}", err=True)
    return status


def _listen_to_microphone(
    new_listener: Callable[[float], Listener],
    device: str | None,
    channel: int | None,
    events: _EventFilter,
) -> int:
    from ..audio.microphone import Microphone

    with Microphone(device, channel) as microphone:
        if sys.stderr.isatty():
            typer.echo(f"listening to {microphone.device.name}; Ctrl-C ends", err=True)
        try:
            return _listen(new_listener(microphone.sample_rate), microphone, channel, events)
        finally:
            _report_losses(microphone)


class _Interrupt:
    """Delays Ctrl-C and `kill` to the end of a computation; a second signal is immediate.

    Attributes:
        requested: True once a signal has arrived.
        waiting: True while the source waits for audio; a signal is then immediate.
    """

    def __init__(self) -> None:
        self.requested = False
        self.waiting = False

    def __enter__(self) -> _Interrupt:
        self._before = [signal.signal(number, self._handle) for number in Interruption.SIGNALS]
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in zip(Interruption.SIGNALS, self._before):
            signal.signal(number, before)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        Interruption.note(number)
        if self.waiting or self.requested:
            raise KeyboardInterrupt
        self.requested = True


def _listen(
    listener: Listener, source: Iterable[Block], channel: int | None, events: _EventFilter
) -> int:
    """Print the events of a source until it ends, and return the exit status."""
    error: EdgeSerError | None = None
    with _Interrupt() as interrupt:
        blocks = iter(source)
        while not interrupt.requested:
            try:
                interrupt.waiting = True
                block = next(blocks, None)
                interrupt.waiting = False
                if block is None:
                    break
                events.clock.begin(block.lost + len(block.samples) / listener.sample_rate)
                if block.lost:
                    events.print(listener.skip(block.lost))
                events.print(_push(listener, mono(block.samples, channel), events.is_muted()))
            except KeyboardInterrupt:
                interrupt.requested = True
            except EdgeSerError as raised:  # print the utterance before it first
                error = raised
                break
            events.writer.show_level(listener.time, listener.level)
        events.print(listener.flush())
        events.writer.close()
    if listener.adaptation is not None:
        seconds = listener.adaptation.seconds
        typer.echo(f"edge-ser: adapted to the speaker on {seconds:.1f} s of speech", err=True)
    if error is not None:
        raise error
    return 130 if interrupt.requested else 0


def _push(listener: Listener, samples: np.ndarray, is_muted: bool) -> list[ListenEvent]:
    """Process samples; while muted, discard them and end the utterance in progress."""
    if not is_muted:
        return listener.push(samples)
    events = listener.skip(len(samples) / listener.sample_rate)
    return [event for event in events if event.kind != "overrun"]


def _never() -> bool:
    return False


class _EventFilter:
    """Prints events; hides utterances without speech unless all are requested."""

    def __init__(
        self, writer: EventWriter, all: bool, is_muted: Callable[[], bool], clock: StreamClock
    ) -> None:
        self.writer = writer
        self.is_muted = is_muted
        self.clock = clock
        self._all = all
        self._filter = NoiseFilter(all)

    def print(self, events: list[ListenEvent]) -> None:
        """Write the events that are not hidden."""
        for event in self._filter.select(events):
            self.writer.add(event, shown=self._all or not is_noise(event))


def _report_losses(microphone: Microphone) -> None:
    if microphone.lost:
        typer.echo(
            f"edge-ser: {microphone.lost:.1f} s of audio were lost: this machine, or the reader of "
            "the output, is too slow",
            err=True,
        )
    if microphone.overflows:
        typer.echo(
            f"edge-ser: the sound system reported lost audio {microphone.overflows} times", err=True
        )


def _print_devices() -> None:
    from ..audio.microphone import input_devices

    devices = input_devices()
    for device in devices:
        print(device)
    if not devices:
        raise AudioError("microphone: no input device found; connect a microphone")
