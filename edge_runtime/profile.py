"""Speaker profiles: what a device that hears the same few people knows about one of them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import strict_json
from .config import MfccConfig
from .errors import AudioError, ConfigError, brief, one_line, reason
from .files import read_limited, replacing

if TYPE_CHECKING:
    from .model import EmotionModel

SCHEMA = 1

# Bytes; ours have one thousand.
LARGEST_PROFILE = 1 << 20

# Coefficients of sound are some hundreds; where a lifter or a DCT without a norm enlarge them, some
# ten thousands. A mean beyond that would drown what is heard.
LARGEST_MEAN = 1e6

NAME = r"\w[\w .-]{0,63}"
NAME_WANTED = "1 to 64 letters, digits, blanks, dots, - or _, and begin with a letter or digit"


@dataclass(frozen=True)
class SpeakerProfile:
    """The mean features of one voice on one microphone; about a minute of speech is enough.

    No recording is kept, and nobody can be recognised by 13 numbers, but they are about a person:
    keep them as you keep the recordings.
    """

    name: str
    mean: tuple[float, ...]  # (n_mfcc,), over the frames that are not silent
    seconds: float  # of speech that the mean was taken over
    mfcc: MfccConfig  # the front end that the features are of

    @classmethod
    def create(
        cls, name: str, model: EmotionModel, clips: Iterable[str | os.PathLike[str] | np.ndarray]
    ) -> SpeakerProfile:
        """From recordings of one person in any moods: files, or samples at the model's rate.

        Raises AudioError if there is no speech in them, ConfigError for a name that is no name.
        """
        _check_name(name)
        total, count = np.zeros(model.card.mfcc.n_mfcc), 0
        for clip in clips:
            frames = model.frames(clip)
            if len(frames) > 1:
                total += frames.sum(axis=0, dtype=np.float64)
                count += len(frames)
        if not count:
            raise AudioError(
                f"profile {name}: there is nothing but silence in its recordings; wanted about a "
                "minute of speech"
            )
        period = model.card.mfcc.hop_length / model.card.mfcc.sample_rate
        return cls(name, tuple(map(float, total / count)), count * period, model.card.mfcc)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as a JSON file, whole or not at all."""
        path = Path(path)
        values = {
            "schema": SCHEMA, "name": self.name, "seconds": round(self.seconds, 2),
            "mean": [round(value, 5) for value in self.mean], "mfcc": self.mfcc.to_dict(),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SpeakerProfile:
        """Read a JSON file that `save` wrote; ConfigError names what is wrong with it."""
        path = Path(path)
        try:
            values = strict_json.loads(read_limited(path, LARGEST_PROFILE).decode("utf-8"))
        except FileNotFoundError:
            raise ConfigError(
                f"{path}: no such profile; make it with "
                f"`edge-ser profile create {path.stem} CLIP...`"
            ) from None
        except (OSError, ValueError) as error:
            said = reason(error) if isinstance(error, OSError) else one_line(error)
            raise ConfigError(f"{path}: is not a profile that can be read: {said}") from error
        try:
            return cls._from_json(values)
        except KeyError as error:
            raise ConfigError(f"{path}: is not a profile: it lacks the key {error}") from error
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(f"{path}: is not a profile: {one_line(error)}") from error

    @classmethod
    def _from_json(cls, values: Any) -> SpeakerProfile:
        if not isinstance(values, dict) or values.get("schema") != SCHEMA:
            raise ConfigError(f"wanted an object with schema {SCHEMA}")
        mfcc = MfccConfig.from_dict(values["mfcc"])
        mean = values["mean"]
        if not isinstance(mean, list) or len(mean) != mfcc.n_mfcc:
            found = f"holds {len(mean)} numbers" if isinstance(mean, list) else f"is {brief(mean)}"
            raise ConfigError(f"mean {found}; wanted {mfcc.n_mfcc} finite ones")
        for value in mean:
            if type(value) not in (int, float):
                raise ConfigError(f"mean: could not convert {brief(value)} to a number")
            if not abs(value) <= LARGEST_MEAN:
                raise ConfigError(f"mean holds {brief(value)}; wanted {LARGEST_MEAN:g} at most")
        seconds, name = values["seconds"], values["name"]
        if type(seconds) not in (int, float) or not 0 <= seconds < 1e9:
            raise ConfigError(f"seconds is {brief(seconds)}; wanted a number of 0 or more")
        if not isinstance(name, str) or not re.fullmatch(NAME, name):
            raise ConfigError(f"name is {brief(name)}; wanted {NAME_WANTED}")
        return cls(name, tuple(map(float, mean)), float(seconds), mfcc)

    def shift(self, model: EmotionModel) -> np.ndarray:
        """What is added to the speaker's features, float32 `(n_mfcc,)`, to move their mean to that
        of the voices that were trained on; ConfigError for a profile of another front end.

        A constant in the cepstrum is a fixed filter: microphone, distance, room and much of the
        voice. Cepstral mean subtraction: Atal 1974, https://doi.org/10.1121/1.1914702
        """
        if self.mfcc != model.card.mfcc:
            raise ConfigError(
                f"profile {self.name}: was made for another front end than that of "
                f"{model.path.name}; create it again with this model"
            )
        return np.subtract(model.card.feature_mean, self.mean).astype(np.float32)


def profile_path(name: str) -> Path:
    """Where the profile NAME is kept; a name that ends in .json is a path of its own."""
    if name.lower().endswith(".json"):
        return Path(name)
    _check_name(name)
    return profile_folder() / f"{name}.json"


def profile_folder() -> Path:
    """`$EDGE_SER_PROFILES`, or edge-ser/profiles where the system keeps a user's data.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    if own := os.environ.get("EDGE_SER_PROFILES"):
        return Path(own)
    base = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".local" / "share") / "edge-ser" / "profiles"


def _check_name(name: str) -> None:
    if not re.fullmatch(NAME, name):
        raise ConfigError(f"profile name {brief(name)} must be {NAME_WANTED}")
