"""The channels of a recording that are processed, and their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..errors import AudioError, ConfigError
from ..results.timelines import Channel, default_names

if TYPE_CHECKING:
    from ..audio.read import AudioSource

EACH = "each"  # the value of --channel


class ChannelChoice(NamedTuple):
    """The channels of a recording to process.

    Attributes:
        number: One channel, counted from 1. None: the mean of all.
        each: Each channel on its own; `number` is then None.
        names: Names of the channels; empty for "left" and "right", or "channel 1" and so on.
    """

    number: int | None = None
    each: bool = False
    names: tuple[str, ...] = ()

    def timelines(self, audio: AudioSource) -> list[Channel | None]:
        """Return the channel of each timeline of a recording; None is the mean of its channels.

        Raises:
            AudioError: If there are more or fewer names than channels.
        """
        if not self.each and self.number is None:
            return [None]
        n_channels = audio.n_channels
        if self.names and len(self.names) != n_channels:
            raise AudioError(
                f"{audio.path}: has {n_channels} channel{'s' * (n_channels > 1)}, but "
                f"--channel-names has {len(self.names)}"
            )
        names = self.names or default_names(n_channels)
        channels = [Channel(name, number) for number, name in enumerate(names, 1)]
        return [*channels] if self.number is None else [channels[self.number - 1]]


def parse_channel(channel: str | None, names: str | None) -> ChannelChoice:
    """Parse `--channel` and `--channel-names`.

    Raises:
        ConfigError: If a value is not valid.
    """
    channel_names: tuple[str, ...] = ()
    if names is not None:
        channel_names = tuple(name.strip() for name in names.split(","))
        if channel is None:
            raise ConfigError("--channel-names requires --channel each, or one channel")
        if not all(channel_names) or len(set(channel_names)) < len(channel_names):
            raise ConfigError(
                f"--channel-names {names}: expected different names, separated by commas, such as "
                "agent,customer"
            )
    if channel is None or channel == EACH:
        return ChannelChoice(None, channel == EACH, channel_names)
    try:
        number = int(channel)
    except ValueError:
        number = 0
    if number < 1:
        raise ConfigError(
            f"--channel {channel}: expected a number, counted from 1 (left), or {EACH}"
        )
    return ChannelChoice(number, False, channel_names)
