"""Settings of an archive, whose fingerprint names the partition of the results."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..audio.channel_roles import ChannelRoles
from ..errors import AudioError, ConfigError
from ..inference.network import network_of

if TYPE_CHECKING:
    from ..model import EmotionModel

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class ArchiveSettings:
    """Everything that the results depend on, besides the recordings.

    Attributes:
        model: The model file.
        model_fingerprint: Checksum of the model file.
        labels: Labels of the model.
        licence: Licence of the model.
        threshold: Confidence below which a segment is "uncertain".
        speech_threshold: Probability from which a frame is speech. None: that of timelines.
        window: Seconds per classification.
        hop: Seconds from one window to the next.
        roles: Roles of the channels. None: recordings must have one channel, unless `mix` is set.
        mix: Average the channels of recordings.
        version: Version of edge-ser.
    """

    model: str
    model_fingerprint: str
    labels: tuple[str, ...]
    licence: str
    threshold: float
    speech_threshold: float | None = None
    window: float = 3.0
    hop: float = 1.0
    roles: ChannelRoles | None = None
    mix: bool = False
    version: str = __version__

    @classmethod
    def of(
        cls, model: EmotionModel, threshold: float | None = None, **options: Any
    ) -> ArchiveSettings:
        """Return the settings for a model.

        Args:
            model: The model.
            threshold: Confidence below which a segment is "uncertain". Default: that of the model.
            options: Further attributes.

        Raises:
            ConfigError: If the threshold is out of range.
        """
        network = network_of(model)
        return cls(
            str(network.path.resolve()),
            network.fingerprint,
            model.labels,
            model.card.licence,
            network.check_threshold(threshold),
            **options,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the settings that determine the results, as JSON types."""
        roles = None
        if self.roles is not None:
            roles = {
                "channels": {str(channel): role for channel, role in self.roles.roles.items()},
                "only": list(self.roles.only),
            }
        return {
            "schema": SCHEMA_VERSION,
            "version": self.version,
            "model_fingerprint": self.model_fingerprint,
            "labels": list(self.labels),
            "threshold": self.threshold,
            "speech_threshold": self.speech_threshold,
            "window": self.window,
            "hop": self.hop,
            "roles": roles,
            "mix": self.mix,
        }

    def fingerprint(self) -> str:
        """Return 12 hexadecimal digits that identify the settings and the model."""
        text = json.dumps(self.as_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def partition(self) -> str:
        """Return the folder of the results within the archive."""
        return f"run={self.fingerprint()}"

    def to_json(self) -> str:
        """Return the content of `settings.json`."""
        values = {**self.as_dict(), "model": self.model, "licence": self.licence}
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> ArchiveSettings:
        """Read the content of `settings.json`.

        Raises:
            ConfigError: If it is not valid, or of another schema.
        """
        try:
            values = json.loads(text)
            if values["schema"] != SCHEMA_VERSION:
                raise ConfigError(
                    f"settings.json: schema {values['schema']} is not supported; expected "
                    f"{SCHEMA_VERSION}"
                )
            roles = None
            if values["roles"] is not None:
                channels = {int(n): role for n, role in values["roles"]["channels"].items()}
                roles = ChannelRoles(channels, tuple(values["roles"]["only"]))
            return cls(
                model=values["model"],
                model_fingerprint=values["model_fingerprint"],
                labels=tuple(values["labels"]),
                licence=values["licence"],
                threshold=values["threshold"],
                speech_threshold=values["speech_threshold"],
                window=values["window"],
                hop=values["hop"],
                roles=roles,
                mix=values["mix"],
                version=values["version"],
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"settings.json: is not valid: {error!r}") from error

    def channels_of(self, name: str, n_channels: int) -> dict[int | None, str | None]:
        """Return the channels of a recording to process, and their roles.

        Args:
            name: Name of the recording, for the message.
            n_channels: Number of its channels.

        Returns:
            Role by channel, counted from 1. None as a channel: the mean of all.

        Raises:
            AudioError: If it has several channels whose roles are not known.
        """
        if self.roles is not None:
            self.roles.check_channels(name, n_channels)
            return {channel: role for channel, role in self.roles.selected().items()}
        if n_channels == 1 or self.mix:
            return {1 if n_channels == 1 else None: None}
        raise AudioError(
            f"{name}: has {n_channels} channels; give their roles, as in --channels "
            "1=agent,2=customer, or pass --channels mix to average them"
        )
