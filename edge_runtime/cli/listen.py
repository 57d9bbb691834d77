"""`edge-ser listen`: live emotion from a microphone or from standard input."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from ..audio.pcm import Encoding, mono
from ..audio.stdin import StandardInput, raw_format
from ..errors import AudioError, ConfigError, EdgeSerError
from .terminal import Interruption

if TYPE_CHECKING:
    from ..audio.microphone import Block, Microphone
    from ..streaming.listener import Listener, ListenEvent
    from .event_output import JsonLines, TextLines


class Format(str, Enum):
    text = "text"
    jsonl = "jsonl"


def listen(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[-]", help='"-": standard input [default: the microphone].'),
    ] = None,
    list_devices: Annotated[
        bool, typer.Option("--list-devices", help="Print the microphones, * the default.")
    ] = False,
    device: Annotated[
        str | None, typer.Option(metavar="N|NAME", help="Which microphone; part of its name does.")
    ] = None,
    channel: Annotated[
        int | None,
        typer.Option(min=1, help="Hear this channel alone, 1 is left [default: their mean]."),
    ] = None,
    rate: Annotated[
        int | None, typer.Option(metavar="HZ", help="Of raw samples on standard input.")
    ] = None,
    channels: Annotated[
        int | None, typer.Option(min=1, help="Of raw samples [default: 1].")
    ] = None,
    encoding: Annotated[
        Encoding | None, typer.Option(help="Of raw samples [default: s16le].")
    ] = None,
    format: Annotated[
        Format | None, typer.Option(help="[default: text on a terminal, else jsonl]")
    ] = None,
    updates: Annotated[
        bool, typer.Option(help="Print what an utterance sounds like so far, in jsonl.")
    ] = True,
    all: Annotated[bool, typer.Option("--all", help="Print the noises, too.")] = False,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help='Answer "uncertain" below this confidence [default: the model\'s].',
        ),
    ] = None,
    min_duration: Annotated[
        float, typer.Option(metavar="SECONDS", help="Ignore utterances with less sound.")
    ] = 0.5,
    max_duration: Annotated[
        float, typer.Option(metavar="SECONDS", help="Begin a new utterance after this.")
    ] = 10.0,
    pause: Annotated[
        float, typer.Option(metavar="SECONDS", help="Of silence, that ends an utterance.")
    ] = 0.8,
    cooldown: Annotated[
        float, typer.Option(metavar="SECONDS", help="Ignore what follows on an emotion so closely.")
    ] = 0.0,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Who speaks: a profile that `edge-ser profile create` made."
        ),
    ] = None,
    adapt: Annotated[
        bool, typer.Option("--adapt", help="Get used to the voice, in a few minutes of speech.")
    ] = False,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", readable=False, help="An .onnx model [default: the bundled one]."
        ),
    ] = None,
) -> None:
    """Tell the emotion of what is said, while it is said.

    `arecord -f S16_LE -r 16000 -t wav | edge-ser listen -` reads a WAV without an end, and
    `... | edge-ser listen - --rate 16000` raw samples. Ctrl-C ends it, with exit status 130.
    """
    if list_devices:
        _print_devices()
        return
    if source not in (None, "-"):
        raise ConfigError(
            f"{source}: `listen` hears the microphone, or standard input for -; files are for "
            "`edge-ser classify`"
        )
    if source is None and (rate, channels, encoding) != (None, None, None):
        raise ConfigError("--rate, --channels and --encoding are for standard input: `listen -`")
    if source is not None and device is not None:
        raise ConfigError("--device is for the microphone, not for standard input")
    raw = raw_format(rate, channels, encoding)

    from ..model import EmotionModel
    from ..streaming.listener import ListenConfig, Listener
    from .event_output import JsonLines, TextLines

    config = ListenConfig(
        pause=pause, max_duration=max_duration, min_duration=min_duration, cooldown=cooldown
    )
    if adapt and profile is not None:
        raise ConfigError("--adapt is for a voice that is not known: give that or --profile")
    speaker = None
    if profile is not None:
        from ..inference.profile import SpeakerProfile, profile_path

        speaker = SpeakerProfile.load(profile_path(profile))
    loaded = EmotionModel.load(model)
    text = sys.stdout.isatty() if format is None else format is Format.text
    output = TextLines(loaded.labels) if text else JsonLines(updates)

    def listener_at(sample_rate: float) -> Listener:
        return Listener(
            loaded, sample_rate, config, threshold=threshold, profile=speaker, adapt=adapt
        )

    if source == "-":
        stdin = StandardInput(raw)
        status = _listen(listener_at(stdin.sample_rate), stdin, channel, output, all)
    else:
        from ..audio.microphone import Microphone

        with Microphone(device, channel) as microphone:
            if sys.stderr.isatty():
                typer.echo(f"listening to {microphone.device.name}; Ctrl-C ends", err=True)
            try:
                status = _listen(
                    listener_at(microphone.sample_rate), microphone, channel, output, all
                )
            finally:
                _report_losses(microphone)
    if status:
        raise typer.Exit(status)


class _Interrupt:
    """Ctrl-C or `kill` in the middle of a computation waits for its end; a second one does not."""

    def __init__(self) -> None:
        self.asked = False
        self.waiting = False  # for audio: nothing is in the middle of anything

    def __enter__(self) -> _Interrupt:
        self._before = [signal.signal(number, self._hear) for number in Interruption.SIGNALS]
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in zip(Interruption.SIGNALS, self._before):
            signal.signal(number, before)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        Interruption.note(number)
        if self.waiting or self.asked:
            raise KeyboardInterrupt
        self.asked = True


def _listen(
    listener: Listener,
    source: Iterable[Block],
    channel: int | None,
    output: JsonLines | TextLines,
    all: bool,
) -> int:
    """Print the events of a source until it ends; the exit status."""
    shown = _Shown(output, all)
    error: EdgeSerError | None = None
    with _Interrupt() as interrupt:
        blocks = iter(source)
        while not interrupt.asked:
            try:
                interrupt.waiting = True
                block = next(blocks, None)
                interrupt.waiting = False
                if block is None:
                    break
                if block.lost:
                    shown.print(listener.skip(block.lost))
                shown.print(listener.push(mono(block.samples, channel)))
            except KeyboardInterrupt:
                interrupt.asked = True
            except EdgeSerError as raised:  # what was said before it still counts
                error = raised
                break
            output.heard(listener.time, listener.level)
        shown.print(listener.flush())
        output.close()
    if listener.adaptation is not None:
        seconds = listener.adaptation.seconds
        typer.echo(f"edge-ser: adapted to the voice on {seconds:.1f} s of speech", err=True)
    if error is not None:
        raise error
    return 130 if interrupt.asked else 0


class _Shown:
    """Prints events, and leaves out what was nothing but noise unless all are wanted."""

    def __init__(self, output: JsonLines | TextLines, all: bool) -> None:
        self._output = output
        self._all = all
        self._started = False

    def print(self, events: list[ListenEvent]) -> None:
        from ..inference.prediction import NO_SPEECH

        for event in events:
            noise = event.prediction is not None and event.prediction.label == NO_SPEECH
            if self._all or self._started or not noise:
                self._output.event(event, shown=self._all or not noise)
            if event.kind in ("start", "end"):
                self._started = event.kind == "start"


def _report_losses(microphone: Microphone) -> None:
    if microphone.lost:
        typer.echo(
            f"edge-ser: {microphone.lost:.1f} s of audio were lost: this machine, or whoever reads "
            "the output, is too slow",
            err=True,
        )
    if microphone.overflows:
        typer.echo(
            f"edge-ser: the sound system reports {microphone.overflows} times that it lost audio",
            err=True,
        )


def _print_devices() -> None:
    from ..audio.microphone import input_devices

    devices = input_devices()
    for found in devices:
        print(found)
    if not devices:
        raise AudioError("microphone: there is no device with an input; connect a microphone")
