"""Speaker profiles: what a device that hears the same few people knows about one of them.

Some voices sound angry, or sad, whatever they say. Of a person's speech in different moods that is
what all clips have in common: the mean of the network's logits. A part of it is taken off. What is
left says more than the logits of a stranger do, so it counts for more.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import strict_json
from ..audio.level import peak_dbfs
from ..errors import AudioError, ConfigError, EdgeSerError
from ..files import atomic_replace, read_limited
from ..messages import brief_repr, shorten_error, system_reason
from .known_voice import SpeakerBias
from .network import HasNetwork, Network, network_of

SCHEMA = 2

# Bytes; ours have a few hundred.
MAX_PROFILE = 1 << 20

# Logits are some tens at most. A mean beyond this would drown what is heard.
MAX_MEAN = 1e6

# What is said in a longer recording is heard in pieces of about this length: one mood each.
PIECE_SECONDS = 3.0

MAX_NAME = 240  # bytes; with the suffix what file systems allow
MAX_WORDS = 64  # characters
NAME_WANTED = "1 to 64 letters, digits, blanks, dots, - or _, and begin with a letter or digit"


def mean_logits(network: Network, clips: Iterable[np.ndarray]) -> tuple[np.ndarray, float]:
    """Average the logits over the speech of several clips.

    Clips are cut into pieces of about `PIECE_SECONDS`; pieces without speech do not count.

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
class SpeakerProfile:
    """What a model thinks of one voice on the whole; about a minute of speech in different moods is
    enough.

    No recording is kept, and nobody can be recognised by a number for each emotion, but they are
    about a person: keep them as you keep the recordings.
    """

    name: str
    mean: tuple[float, ...]  # (n_labels,), of the logits
    seconds: float  # of speech that the mean was taken over
    labels: tuple[str, ...]
    model: str  # the fingerprint of the file that the logits are of

    @classmethod
    def create(
        cls,
        name: str,
        model: HasNetwork | Network,
        clips: Iterable[str | os.PathLike[str] | np.ndarray],
    ) -> SpeakerProfile:
        """From recordings of one person in different moods: files, or samples at the model's rate.

        Raises AudioError if there is no speech in them, ConfigError for a name that is no name.
        """
        name = _checked_name(name)
        network = network_of(model)
        mean, seconds = mean_logits(network, _loud_clips(network, clips))
        if not seconds:
            raise AudioError(
                f"profile {name}: there is nothing but silence or noise in its recordings; wanted "
                "about a minute of speech"
            )
        return cls(name, tuple(map(float, mean)), seconds, network.labels, network.fingerprint)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as a JSON file, whole or not at all; EdgeSerError if that cannot be."""
        path = Path(path)
        values = {
            "schema": SCHEMA,
            "name": self.name,
            "seconds": round(self.seconds, 2),
            "mean": {label: round(value, 5) for label, value in zip(self.labels, self.mean)},
            "model": self.model,
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EdgeSerError(
                f"{path.parent}: the folder cannot be made: {system_reason(error)}"
            ) from error
        with atomic_replace(path) as temporary:
            temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SpeakerProfile:
        """Read a JSON file that `save` wrote; ConfigError names what is wrong with it."""
        path = Path(path)
        try:
            values = strict_json.loads(read_limited(path, MAX_PROFILE).decode("utf-8"))
        except FileNotFoundError:
            name = path.stem if path.parent == profile_folder() else path
            raise ConfigError(
                f"{path}: no such profile; make it with `edge-ser profile create {name} CLIP...`"
            ) from None
        except (OSError, ValueError) as error:
            said = system_reason(error) if isinstance(error, OSError) else shorten_error(error)
            raise ConfigError(f"{path}: is not a profile that can be read: {said}") from error
        try:
            return cls._from_json(values)
        except KeyError as error:
            raise ConfigError(f"{path}: is not a profile: it lacks the key {error}") from error
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(f"{path}: is not a profile: {shorten_error(error)}") from error

    @classmethod
    def _from_json(cls, values: Any) -> SpeakerProfile:
        if not isinstance(values, dict) or values.get("schema") != SCHEMA:
            raise ConfigError(
                f"wanted an object with schema {SCHEMA}; create it again if an earlier version "
                "made it"
            )
        mean, model = values["mean"], values["model"]
        if not isinstance(mean, dict) or not 2 <= len(mean) <= 1000:
            raise ConfigError(f"mean is {brief_repr(mean)}; wanted a number for each label")
        for value in mean.values():
            if type(value) not in (int, float):
                raise ConfigError(f"mean: could not convert {brief_repr(value)} to a number")
            if not abs(value) <= MAX_MEAN:
                raise ConfigError(f"mean holds {brief_repr(value)}; wanted {MAX_MEAN:g} at most")
        if not isinstance(model, str):
            raise ConfigError(f"model is {brief_repr(model)}; wanted text")
        seconds, name = values["seconds"], values["name"]
        if type(seconds) not in (int, float) or not 0 <= seconds < 1e9:
            raise ConfigError(f"seconds is {brief_repr(seconds)}; wanted a number of 0 or more")
        if not isinstance(name, str) or not _is_name(name):
            raise ConfigError(f"name is {brief_repr(name)}; wanted {NAME_WANTED}")
        return cls(name, tuple(map(float, mean.values())), float(seconds), tuple(mean), model)

    def bias_for(self, network: Network) -> SpeakerBias:
        """Return the correction of this speaker's logits.

        Raises:
            ConfigError: If the profile was made with another model.
        """
        if (self.model, self.labels) != (network.fingerprint, network.labels):
            raise ConfigError(
                f"profile {self.name}: was made with a model other than {network.path.name}; "
                "create it again with this one"
            )
        return SpeakerBias.estimate(np.array(self.mean), self.seconds, network.card.profile_gain)


def profile_path(name: str) -> Path:
    """Where the profile NAME is kept; a name that ends in .json is a path of its own."""
    if name.lower().endswith(".json"):
        return Path(name)
    return profile_folder() / f"{_checked_name(name)}.json"


def profile_folder() -> Path:
    """`$EDGE_SER_PROFILES`, or edge-ser/profiles where the system keeps a user's data.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    if own := os.environ.get("EDGE_SER_PROFILES"):
        return Path(own)
    base = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".local" / "share") / "edge-ser" / "profiles"


def _is_name(name: str) -> bool:
    """The vowel signs and accents of a script are marks (M…) that follow its letters."""
    return (
        0 < len(name) <= MAX_WORDS
        and (name[0].isalnum() or name[0] == "_")
        and all(
            letter.isalnum() or letter in "_ .-" or unicodedata.category(letter)[0] == "M"
            for letter in name
        )
    )


def _checked_name(name: str) -> str:
    """The name in one Unicode form; ConfigError for what is none."""
    name = unicodedata.normalize("NFC", name)
    if not _is_name(name):
        raise ConfigError(f"profile name {brief_repr(name)} must be {NAME_WANTED}")
    if len(name.encode()) > MAX_NAME:
        raise ConfigError(
            f"profile name {brief_repr(name)} has {len(name.encode())} bytes as UTF-8; a file's "
            f"name holds {MAX_NAME}"
        )
    return name
