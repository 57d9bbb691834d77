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
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import strict_json
from ..audio.level import Loudness
from ..audio.read import read_audio
from ..errors import AudioError, ConfigError, EdgeSerError
from ..files import read_limited, replacing
from ..messages import brief_repr, shorten_error, system_reason

if TYPE_CHECKING:
    from ..model import EmotionModel

SCHEMA = 2

# Bytes; ours have a few hundred.
LARGEST_PROFILE = 1 << 20

# Logits are some tens at most. A mean beyond this would drown what is heard.
LARGEST_MEAN = 1e6

# What is said in a longer recording is heard in pieces of about this length: one mood each.
PIECE_SECONDS = 3.0

# Seconds of speech that weigh as much as knowing nothing of the voice. A minute of clips, of which
# a half to two thirds are speech, takes 60 to 70 % of its mean off. Validation speakers were
# answered the better the more was taken off where the minute held several moods; where it held one,
# that much was still better than nothing, and all of it worse.
PRIOR_SECONDS = 20.0

LONGEST_NAME = 240  # bytes; with the suffix what file systems allow
LONGEST_WORDS = 64  # characters
NAME_WANTED = "1 to 64 letters, digits, blanks, dots, - or _, and begin with a letter or digit"


@dataclass(frozen=True)
class KnownVoice:
    """How the logits of a voice that was heard before are to be read."""

    bias: np.ndarray  # (n_labels,), taken off
    gain: float  # what is left is multiplied by it

    @classmethod
    def of(
        cls, mean: np.ndarray, seconds: float, full_gain: float, prior: float = PRIOR_SECONDS
    ) -> KnownVoice:
        """Of a voice whose logits had this `mean (n_labels,)` over so many seconds of speech.

        `full_gain` is the gain of a voice that is known through and through
        (`ModelCard.profile_gain`), `prior` how many seconds weigh as much as knowing nothing.

        A mean that is believed the more the longer it was heard: the MAP estimate of Gauvain and
        Lee 1994, https://doi.org/10.1109/89.279278
        """
        share = belief(seconds, prior)
        return cls(mean * share, 1 + (full_gain - 1) * share)

    def read(self, logits: np.ndarray) -> np.ndarray:
        """Logits `(..., n_labels)` of this voice as those of one that nothing is known of."""
        return (logits - self.bias) * self.gain


def belief(seconds: float, prior: float = PRIOR_SECONDS) -> float:
    """How well a voice is known after so many seconds of speech, from 0 to 1."""
    return seconds / (seconds + prior)


def mean_logits(model: EmotionModel, clips: Iterable[np.ndarray]) -> tuple[np.ndarray, float]:
    """The mean of the logits `(n_labels,)` over those pieces of the clips, frames `(n, n_mfcc)`
    each, that are speech, and how many seconds they are."""
    period = model.card.mfcc.hop_length / model.card.mfcc.sample_rate
    total, seconds = np.zeros(len(model.labels)), 0.0
    for frames in clips:
        n_pieces = max(1, round(len(frames) * period / PIECE_SECONDS))
        for piece in np.array_split(frames, n_pieces):
            heard = model.run(piece)
            if len(piece) > 1 and heard.speech >= model.card.speech_above:
                total += heard.logits * (len(piece) * period)
                seconds += len(piece) * period
    return (total / seconds if seconds else total), seconds


def _voiced(
    model: EmotionModel, clips: Iterable[str | os.PathLike[str] | np.ndarray]
) -> Iterator[np.ndarray]:
    """The frames of each clip that is loud enough to be speech."""
    for clip in clips:
        samples = clip if isinstance(clip, np.ndarray) else read_audio(clip, model.sample_rate)
        frames = model.frames(samples)
        loudness = Loudness(model.sample_rate)
        loudness.push(samples)
        if loudness.dbfs() >= model.card.speech_above_dbfs:
            yield frames


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
        cls, name: str, model: EmotionModel, clips: Iterable[str | os.PathLike[str] | np.ndarray]
    ) -> SpeakerProfile:
        """From recordings of one person in different moods: files, or samples at the model's rate.

        Raises AudioError if there is no speech in them, ConfigError for a name that is no name.
        """
        name = _checked_name(name)
        mean, seconds = mean_logits(model, _voiced(model, clips))
        if not seconds:
            raise AudioError(
                f"profile {name}: there is nothing but silence or noise in its recordings; wanted "
                "about a minute of speech"
            )
        return cls(name, tuple(map(float, mean)), seconds, model.labels, model.fingerprint)

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
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SpeakerProfile:
        """Read a JSON file that `save` wrote; ConfigError names what is wrong with it."""
        path = Path(path)
        try:
            values = strict_json.loads(read_limited(path, LARGEST_PROFILE).decode("utf-8"))
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
            if not abs(value) <= LARGEST_MEAN:
                raise ConfigError(
                    f"mean holds {brief_repr(value)}; wanted {LARGEST_MEAN:g} at most"
                )
        if not isinstance(model, str):
            raise ConfigError(f"model is {brief_repr(model)}; wanted text")
        seconds, name = values["seconds"], values["name"]
        if type(seconds) not in (int, float) or not 0 <= seconds < 1e9:
            raise ConfigError(f"seconds is {brief_repr(seconds)}; wanted a number of 0 or more")
        if not isinstance(name, str) or not _is_name(name):
            raise ConfigError(f"name is {brief_repr(name)}; wanted {NAME_WANTED}")
        return cls(name, tuple(map(float, mean.values())), float(seconds), tuple(mean), model)

    def voice(self, model: EmotionModel) -> KnownVoice:
        """How the logits of this voice are to be read; ConfigError for a profile that another
        model made."""
        if (self.model, self.labels) != (model.fingerprint, model.labels):
            raise ConfigError(
                f"profile {self.name}: was made with another model than {model.path.name}; create "
                "it again with this one"
            )
        return KnownVoice.of(np.array(self.mean), self.seconds, model.card.profile_gain)


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
        0 < len(name) <= LONGEST_WORDS
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
    if len(name.encode()) > LONGEST_NAME:
        raise ConfigError(
            f"profile name {brief_repr(name)} has {len(name.encode())} bytes as UTF-8; a file's "
            f"name holds {LONGEST_NAME}"
        )
    return name
