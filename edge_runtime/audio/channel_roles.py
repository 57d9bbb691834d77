"""Roles of the channels of a recording, such as agent and customer of a call."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import AudioError, ConfigError
from .pcm import MAX_CHANNELS

# Characters of a role: it becomes a value of tables and part of file names.
_ROLE = re.compile(r"[^\W_][\w .-]{0,39}")


class ChannelRoles(NamedTuple):
    """The role of each channel, and the roles to use.

    Attributes:
        roles: Role by channel, counted from 1.
        only: Roles to use; the other channels are not processed.
    """

    roles: dict[int, str]
    only: tuple[str, ...]

    def selected(self) -> dict[int, str]:
        """Return the channels to process and their roles."""
        return {channel: role for channel, role in self.roles.items() if role in self.only}

    def check_channels(self, name: object, n_channels: int) -> None:
        """Raise AudioError unless a recording has exactly the channels that have roles.

        Args:
            name: Name of the recording, for the message.
            n_channels: Number of its channels.

        Raises:
            AudioError: If a channel has no role, or a role no channel.
        """
        if n_channels != len(self.roles):
            raise AudioError(
                f"{name}: has {n_channels} channel{'' if n_channels == 1 else 's'}, and --channels "
                f"describes {len(self.roles)}; process recordings of each kind in a run of their "
                "own"
            )


def parse_roles(channels: str | None, only: str | None) -> ChannelRoles | None:
    """Parse `--channels` and `--only`.

    Args:
        channels: Roles, such as "1=agent,2=customer". None: no roles.
        only: Roles to use, separated by commas. Default: all.

    Returns:
        The roles, or None without `channels`.

    Raises:
        ConfigError: If the text is not valid, or a role of `only` does not exist.

    Example:
        >>> parse_roles("1=agent,2=customer", "customer").selected()
        {2: 'customer'}
    """
    if channels is None:
        if only is not None:
            raise ConfigError(f"--only {only}: requires --channels, such as 1=agent,2=customer")
        return None
    roles: dict[int, str] = {}
    for part in channels.split(","):
        number, separator, role = (piece.strip() for piece in part.partition("="))
        if not separator or not number.isdecimal() or not _ROLE.fullmatch(role):
            raise ConfigError(
                f"--channels {channels}: expected channel=role, such as 1=agent,2=customer"
            )
        if int(number) in roles or role in roles.values():
            raise ConfigError(f"--channels {channels}: gives {part.strip()} twice")
        roles[int(number)] = role
    if sorted(roles) != list(range(1, len(roles) + 1)) or len(roles) > MAX_CHANNELS:
        raise ConfigError(
            f"--channels {channels}: expected a role for each channel from 1 to {max(roles)}"
        )
    names = tuple(roles.values())
    chosen = names if only is None else tuple(name.strip() for name in only.split(","))
    if unknown := [name for name in chosen if name not in names]:
        raise ConfigError(f"--only {only}: expected {', '.join(names)}; got {unknown[0]!r}")
    return ChannelRoles(dict(sorted(roles.items())), chosen)
