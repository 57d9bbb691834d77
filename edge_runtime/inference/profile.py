"""Speaker profiles: enrolment of a speaker, for devices with few, recurring users.

A profile stores the mean of the network's logits over a speaker's speech in different moods, which
`SpeakerBias` corrects for. Profiles are JSON files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import strict_json
from ..audio.level import peak_dbfs
from ..errors import AudioError, ConfigError, EdgeSerError
from ..files import atomic_replace, read_limited
from ..messages import brief_repr, shorten_error, system_reason
from ..validation import check_fields, check_number
from .card import MAX_LABELS
from .known_voice import SpeakerBias
from .network import HasNetwork, Network, network_of
from .profile_files import NAME_RULE, checked_name, is_profile_name, is_stored

SCHEMA = 2

# A profile takes a few hundred bytes.
MAX_PROFILE_BYTES = 1 << 20

# Logits are in the tens at most. A larger mean would dominate every clip.
MAX_MEAN = 1e6

MAX_SECONDS = 1e9

# Longer recordings are split into pieces of about this length, so that each holds one mood.
PIECE_SECONDS = 3.0


def mean_logits(network: Network, clips: Iterable[np.ndarray]) -> tuple[np.ndarray, float]:
    """Average the logits over the speech of several clips.

    Clips are split into pieces of about `PIECE_SECONDS`; pieces without speech are excluded.

    Args:
        network: The network to run.
        clips: MFCC of each clip, `(n_frames, n_mfcc)`.

    Returns:
        The mean logits `(n_labels,)` and the seconds of speech that they cover.
    """
    period = network.card.mfcc_config.frame_period
    total, seconds = np.zeros(len(network.labels)), 0.0
    for frames in clips:
        n_pieces = max(1, round(len(frames) * period / PIECE_SECONDS))
        for piece in np.array_split(frames, n_pieces):
            output = network.run(piece)
            if len(piece) > 1 and output.speech >= network.card.speech_above:
                total += output.logits * (len(piece) * period)
                seconds += len(piece) * period
    return (total / seconds if seconds else total), seconds


def _loud_clips(
    network: Network, clips: Iterable[str | os.PathLike[str] | np.ndarray]
) -> Iterator[np.ndarray]:
    """Yield the frames of each clip that is loud enough to be speech."""
    for clip in clips:
        samples = network.read_samples(clip)
        if peak_dbfs(samples, network.sample_rate) >= network.card.speech_above_dbfs:
            yield network.speech_frames(samples)


@dataclass(frozen=True)
class _ProfileFile:
    """The JSON object of a profile file, without its schema."""

    name: str
    seconds: float
    mean: dict[str, float]
    model: str


@dataclass(frozen=True)
class SpeakerProfile:
    """The mean logits of one speaker, which correct the predictions for that speaker.

    About a minute of speech in different moods is enough. A profile holds no audio, and its few
    numbers do not identify a speaker. They are still personal data: protect them like recordings.

    Attributes:
        name: Name of the speaker.
        mean: Mean logits, one per label.
        seconds: Seconds of speech that the mean covers.
        labels: Labels of the model.
        model: Fingerprint of the model file; the profile applies to this model only.

    Example:
        >>> from edge_runtime import EmotionModel
        >>> model = EmotionModel.load()
        >>> clips = ["samples/sad/1013_ITH_SAD_XX.wav", "samples/angry/1055_IEO_ANG_HI.wav"]
        >>> profile = SpeakerProfile.create("anna", model, clips)
        >>> model.classify(clips[0], profile=profile).label in (*model.labels, "uncertain")
        True
    """

    name: str
    mean: tuple[float, ...]
    seconds: float
    labels: tuple[str, ...]
    model: str

    @classmethod
    def create(
        cls,
        name: str,
        model: HasNetwork | Network,
        clips: Iterable[str | os.PathLike[str] | np.ndarray],
    ) -> SpeakerProfile:
        """Create a profile from recordings of one speaker in different moods.

        Args:
            name: Name of the speaker: 1 to 64 letters, digits, spaces, dots, - or _.
            model: The model that the profile will be used with.
            clips: Paths of audio files, or mono float samples `(n_samples,)` at the model's rate.

        Returns:
            The profile; `save` stores it.

        Raises:
            AudioError: If a clip cannot be read, or if none of them contains speech.
            ConfigError: If the name is invalid.
        """
        name = checked_name(name)
        network = network_of(model)
        mean, seconds = mean_logits(network, _loud_clips(network, clips))
        if not seconds:
            raise AudioError(
                f"profile {name}: the recordings contain only silence or noise; expected about a "
                "minute of speech"
            )
        return cls(name, tuple(map(float, mean)), seconds, network.labels, network.fingerprint)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the profile to a JSON file, atomically; missing folders are created.

        Args:
            path: The file to write.

        Raises:
            EdgeSerError: If the file cannot be written.
        """
        path = Path(path)
        content = _ProfileFile(
            name=self.name,
            seconds=round(self.seconds, 2),
            mean={label: round(value, 5) for label, value in zip(self.labels, self.mean)},
            model=self.model,
        )
        text = json.dumps({"schema": SCHEMA, **asdict(content)}, indent=1) + "\n"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EdgeSerError(
                f"{path.parent}: the folder cannot be created: {system_reason(error)}"
            ) from error
        with atomic_replace(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SpeakerProfile:
        """Read a profile that `save` wrote.

        Args:
            path: The JSON file.

        Returns:
            The profile.

        Raises:
            ConfigError: If the file is missing, cannot be read or is not a valid profile.
        """
        path = Path(path)
        try:
            values = strict_json.loads(read_limited(path, MAX_PROFILE_BYTES).decode("utf-8"))
        except FileNotFoundError:
            name = path.stem if is_stored(path) else path
            raise ConfigError(
                f"{path}: no such profile; create it with `edge-ser profile create {name} CLIP...`"
            ) from None
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {system_reason(error)}") from error
        except ValueError as error:
            raise ConfigError(f"{path}: is not a profile: {shorten_error(error)}") from error
        try:
            return cls._from_json(values)
        except ConfigError as error:
            raise ConfigError(f"{path}: is not a profile: {shorten_error(error)}") from error

    @classmethod
    def _from_json(cls, values: Any) -> SpeakerProfile:
        if not isinstance(values, dict) or values.pop("schema", None) != SCHEMA:
            raise ConfigError(
                f"expected an object with schema {SCHEMA}; if an earlier version wrote it, create "
                "the profile again"
            )
        content = _ProfileFile(**check_fields(_ProfileFile, values, "profile"))
        if not isinstance(content.mean, dict) or not 2 <= len(content.mean) <= MAX_LABELS:
            raise ConfigError(f"mean={brief_repr(content.mean)} must have a number for each label")
        for value in content.mean.values():
            check_number("mean", value, -MAX_MEAN, MAX_MEAN)
        if not isinstance(content.model, str):
            raise ConfigError(f"model={brief_repr(content.model)} must be text")
        check_number("seconds", content.seconds, 0, MAX_SECONDS)
        if not isinstance(content.name, str) or not is_profile_name(content.name):
            raise ConfigError(f"name={brief_repr(content.name)} must be {NAME_RULE}")
        return cls(
            name=content.name,
            mean=tuple(map(float, content.mean.values())),
            seconds=float(content.seconds),
            labels=tuple(content.mean),
            model=content.model,
        )

    def voice_for(self, model: HasNetwork | Network) -> SpeakerBias:
        """Return the correction of this speaker's logits.

        Args:
            model: The model that the profile was created with.

        Returns:
            The correction, which classification applies before the softmax.

        Raises:
            ConfigError: If the profile was created with another model.
        """
        network = network_of(model)
        if (self.model, self.labels) != (network.fingerprint, network.labels):
            raise ConfigError(
                f"profile {self.name}: was created with a model other than {network.path.name}; "
                "create it again with this model"
            )
        return SpeakerBias.estimate(np.array(self.mean), self.seconds, network.card.profile_gain)
