"""Speaker profiles: enrolment of a speaker, for devices with few, recurring users.

For a model with clip statistics, a profile stores their mean over the speaker's speech, and a
correction of the logits if labelled clips were given. For other models it stores the mean of the
logits. Profiles are JSON files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import strict_json
from ..errors import AudioError, ConfigError, EdgeSerError
from ..files import atomic_replace, read_limited
from ..messages import shorten_error, system_reason
from .enrolment_clips import Enrolment, checked_labels, speech_pieces
from .known_voice import KnownVoice, SpeakerBias, SpeakerStatistics
from .network import HasNetwork, Network, network_of
from .profile_files import checked_name, is_stored
from .profile_schema import LOGITS, MAX_PROFILE_BYTES, STATISTICS, Labelled, ProfileFile

# A profile of less speech would describe a word, not a speaker.
MIN_SECONDS = 2.0

Clip = str | os.PathLike[str] | np.ndarray


@dataclass(frozen=True)
class SpeakerProfile:
    """The voice of one speaker, which adapts the predictions to that speaker.

    About a minute of speech in different moods is enough. A few clips of each emotion with their
    labels adapt a model with clip statistics much further. A profile holds no audio. Its numbers
    are personal data: protect them like recordings.

    Attributes:
        name: Name of the speaker.
        kind: "statistics" for a model with clip statistics, otherwise "logits".
        mean: Mean of the standardised statistics, or mean logits, one per label.
        seconds: Seconds of speech that the mean covers.
        labels: Labels of the model.
        model: Fingerprint of the model file; the profile applies to this model only.
        answers: Pieces of about 3 s that the model answers with each label, without the profile.
        labelled: Result of the labelled clips. None: there were none.

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
    kind: str = LOGITS
    answers: dict[str, int] = field(default_factory=dict)
    labelled: Labelled | None = None

    @classmethod
    def create(
        cls,
        name: str,
        model: HasNetwork | Network,
        clips: Iterable[Clip],
        labels: Iterable[str | None] | None = None,
    ) -> SpeakerProfile:
        """Create a profile from recordings of one speaker in different moods.

        Args:
            name: Name of the speaker: 1 to 64 letters, digits, spaces, dots, - or _.
            model: The model that the profile will be used with.
            clips: Paths of audio files, or mono float samples `(n_samples,)` at the model's rate.
            labels: The label of each clip, or None for a clip without one. Default: no labels.
                They require a model with clip statistics.

        Returns:
            The profile; `save` stores it.

        Raises:
            AudioError: If a clip cannot be read, or if they contain less than 2 s of speech.
            ConfigError: If the name or a label is invalid, or the model does not support labels.
        """
        name = checked_name(name)
        network = network_of(model)
        targets = None if labels is None else checked_labels(labels, network.labels)
        if network.card.statistics is not None:
            return cls._of_statistics(name, network, clips, targets)
        if targets is not None:
            check_supports_labels(name, network)
        mean, seconds = np.zeros(len(network.labels)), 0.0
        answers = dict.fromkeys(network.labels, 0)
        for clip in clips:
            for piece in speech_pieces(network, network.read_samples(clip)):
                mean += piece.logits * piece.seconds
                seconds += piece.seconds
                answers[network.labels[int(piece.logits.argmax())]] += 1
        _check_seconds(name, seconds)
        return cls(
            name,
            tuple((mean / seconds).tolist()),
            seconds,
            network.labels,
            network.fingerprint,
            answers=answers,
        )

    @classmethod
    def _of_statistics(
        cls, name: str, network: Network, clips: Iterable[Clip], targets: list[int | None] | None
    ) -> SpeakerProfile:
        """Create the profile for a model with clip statistics."""
        enrolment = Enrolment(network)
        if targets is None:
            for clip in clips:
                enrolment.add(clip, None)
        else:
            clips = list(clips)
            if len(clips) != len(targets):
                raise ConfigError(
                    f"profile {name}: {len(clips)} clips have {len(targets)} labels; expected a "
                    "label or None for each clip"
                )
            for clip, target in zip(clips, targets):
                enrolment.add(clip, target)
        _check_seconds(name, enrolment.seconds)
        correction, labelled = enrolment.correction(), None
        if correction is not None:
            weights = correction.weights
            labelled = Labelled(
                clips={k: n for k, n in enrolment.labelled_clips.items() if n},
                uar=correction.uar,
                corrected_uar=correction.corrected_uar,
                correction=None if weights is None else tuple(map(tuple, weights.tolist())),
            )
        return cls(
            name,
            tuple(enrolment.mean().tolist()),
            enrolment.seconds,
            network.labels,
            network.fingerprint,
            STATISTICS,
            enrolment.answers,
            labelled,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the profile to a JSON file, atomically; missing folders are created.

        Args:
            path: The file to write.

        Raises:
            EdgeSerError: If the file cannot be written.
        """
        path = Path(path)
        content = ProfileFile(
            name=self.name,
            kind=self.kind,
            seconds=round(self.seconds, 2),
            labels=list(self.labels),
            answers=self.answers,
            mean=[round(value, 5) for value in self.mean],
            labelled=None if self.labelled is None else self.labelled.rounded(),
            model=self.model,
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EdgeSerError(
                f"{path.parent}: the folder cannot be created: {system_reason(error)}"
            ) from error
        with atomic_replace(path) as temporary:
            temporary.write_text(content.to_json(), encoding="utf-8")

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
            content = ProfileFile.from_json(values)
        except ConfigError as error:
            raise ConfigError(f"{path}: is not a profile: {shorten_error(error)}") from error
        return cls(
            name=content.name,
            mean=tuple(map(float, content.mean)),
            seconds=float(content.seconds),
            labels=tuple(content.labels),
            model=content.model,
            kind=content.kind,
            answers=content.answers,
            labelled=content.labelled,
        )

    def voice_for(self, model: HasNetwork | Network) -> KnownVoice:
        """Return the speaker as classification uses it.

        Args:
            model: The model that the profile was created with.

        Returns:
            The mean of the speaker, weighted by the amount of speech, and the correction.

        Raises:
            ConfigError: If the profile was created with another model.
        """
        network = network_of(model)
        card = network.card
        n_values = len(card.labels if card.statistics is None else card.statistics)
        kind = LOGITS if card.statistics is None else STATISTICS
        expected = (network.fingerprint, network.labels, kind, n_values)
        if (self.model, self.labels, self.kind, len(self.mean)) != expected:
            raise ConfigError(
                f"profile {self.name}: was created with a model other than {network.path.name}; "
                "create it again with this model"
            )
        mean = np.array(self.mean)
        if card.statistics is None:
            return SpeakerBias.estimate(mean, self.seconds, card.profile_gain)
        weights = None if self.labelled is None else self.labelled.correction
        correction = None if weights is None else np.array(weights) * card.temperature
        return SpeakerStatistics.estimate(mean, self.seconds, correction)


def check_supports_labels(name: str, model: HasNetwork | Network) -> None:
    """Raise ConfigError if a model takes no clip statistics, which labelled clips require.

    Args:
        name: Name of the profile.
        model: The model.
    """
    network = network_of(model)
    if network.card.statistics is None:
        raise ConfigError(
            f"profile {name}: labels require a model with clip statistics, and "
            f"{network.path.name} takes none; omit the labels, or use a model that was trained "
            "with them"
        )


def _check_seconds(name: str, seconds: float) -> None:
    """Raise AudioError if there is too little speech for a profile."""
    if not seconds:
        raise AudioError(
            f"profile {name}: the recordings contain only silence or noise; expected about a "
            "minute of speech"
        )
    if seconds < MIN_SECONDS:
        raise AudioError(
            f"profile {name}: the recordings contain {seconds:.1f} s of speech; expected about a "
            f"minute, at least {MIN_SECONDS:g} s; add recordings"
        )
