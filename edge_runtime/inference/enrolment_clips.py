"""Pieces of speech for the enrolment of a speaker."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..audio.level import peak_dbfs
from ..errors import ConfigError
from ..messages import brief_repr
from ..notes import note
from .enrolment import Correction, LabelledPieces, estimate_correction
from .known_voice import SpeakerStatistics
from .network import Network

# Long recordings are split into pieces of about this length, so that each holds one mood.
PIECE_SECONDS = 3.0
# Recordings from this length on are split. Labelled ones hold one mood.
SPLIT_SECONDS, LABELLED_SPLIT_SECONDS = 4.5, 6.0


class SpeechPiece(NamedTuple):
    """A piece of speech, as the network processed it.

    Attributes:
        frames: MFCC without the silent frames, `(n_frames, n_mfcc)`.
        statistics: Statistics of the piece, `(n_statistics,)`; None if the model takes none.
        seconds: Duration of the frames.
        logits: Logits for an unknown speaker, `(n_labels,)`.
        embedding: Embedding, `(n_embedding,)`.
    """

    frames: np.ndarray
    statistics: np.ndarray | None
    seconds: float
    logits: np.ndarray
    embedding: np.ndarray


def speech_pieces(
    network: Network, samples: np.ndarray, split_seconds: float = SPLIT_SECONDS
) -> Iterator[SpeechPiece]:
    """Yield the pieces of a clip that contain speech.

    Args:
        network: The network to run.
        samples: Mono samples `(n_samples,)` at the model's rate.
        split_seconds: Length from which a clip is split into pieces of about `PIECE_SECONDS`.
    """
    card, n_pieces = network.card, 1
    seconds = len(samples) / network.sample_rate
    if seconds >= split_seconds:
        n_pieces = round(seconds / PIECE_SECONDS)
    for piece in np.array_split(samples, n_pieces):
        if peak_dbfs(piece, network.sample_rate) < card.speech_above_dbfs:
            continue
        rows = network.front_end(piece)
        frames, gate = rows[:, : network.front_end.n_mfcc], network.new_silence_gate()
        if gate is not None:
            frames = gate.filter_clip(frames)
        statistics = network.clip_statistics(rows)
        output = network.run(frames, statistics=statistics)
        if len(frames) > 1 and network.clip_speech(rows) >= card.speech_above:
            duration = len(frames) * card.mfcc_config.frame_period
            yield SpeechPiece(frames, statistics, duration, output.logits, output.embedding)


def checked_labels(labels: Iterable[str | None], names: Sequence[str]) -> list[int | None]:
    """Return the index of each label among those of the model.

    Args:
        labels: A label or None for each clip.
        names: Labels of the model.

    Raises:
        ConfigError: If a label is not one of the model's.
    """
    indices: list[int | None] = []
    for label in labels:
        if label is not None and label not in names:
            raise ConfigError(
                f"label {brief_repr(label)} is not a label of the model; expected "
                f"{', '.join(names)}, or None for a clip without a label"
            )
        indices.append(None if label is None else names.index(label))
    return indices


class Enrolment:
    """The speech of one speaker, for a model with clip statistics.

    Args:
        network: The network of the profile.

    Attributes:
        seconds: Seconds of speech.
        answers: Pieces that the model answers with each label, without a profile.
        labelled_clips: Labelled clips with speech, by label.
    """

    def __init__(self, network: Network) -> None:
        assert network.card.statistics is not None
        self.seconds = 0.0
        self.answers: dict[str, int] = dict.fromkeys(network.labels, 0)
        self.labelled_clips: dict[str, int] = dict.fromkeys(network.labels, 0)
        self._network = network
        self._size = len(network.card.statistics)
        self._total = np.zeros(self._size)
        self._n_clips = 0
        self._labelled: list[tuple[int, int, SpeechPiece]] = []  # clip and label of each

    def add(self, clip: str | os.PathLike[str] | np.ndarray, target: int | None) -> None:
        """Add a clip; clips without speech do not count, which a note reports.

        Args:
            clip: Path of an audio file, or samples `(n_samples,)` at the model's rate.
            target: Index of its label, or None.

        Raises:
            AudioError: If it cannot be read.
        """
        self._n_clips += 1
        network = self._network
        split_seconds = SPLIT_SECONDS if target is None else LABELLED_SPLIT_SECONDS
        pieces = list(speech_pieces(network, network.read_samples(clip), split_seconds))
        for piece in pieces:
            self.seconds += piece.seconds
            self._total += piece.embedding[-self._size :] * piece.seconds
            self.answers[network.labels[int(piece.logits.argmax())]] += 1
            if target is not None:
                self._labelled.append((self._n_clips, target, piece))
        if not pieces:
            name = f"clip {self._n_clips}" if isinstance(clip, np.ndarray) else clip
            note(name, "contains only silence or noise; it does not count for the profile")
        elif target is not None:
            self.labelled_clips[network.labels[target]] += 1

    def mean(self) -> np.ndarray:
        """Return the mean of the standardised statistics over the speech, `(n_statistics,)`."""
        return self._total / self.seconds if self.seconds else self._total

    def correction(self) -> Correction | None:
        """Return the correction by the labelled clips; None without such clips."""
        if not self._labelled:
            return None
        clips = np.array([clip for clip, _, _ in self._labelled])
        voices = {clip: self._voice_without(clip) for clip in set(clips.tolist())}
        temperature = self._network.card.temperature
        deviations, logits = [], []
        for clip, _, piece in self._labelled:
            output = self._network.run(piece.frames, None, piece.statistics, voices[clip])
            deviations.append(voices[clip].deviations(output.embedding))
            logits.append(output.logits / temperature)
        targets = np.array([target for _, target, _ in self._labelled])
        return estimate_correction(
            LabelledPieces(np.stack(deviations), np.stack(logits), targets, clips)
        )

    def _voice_without(self, clip: int) -> SpeakerStatistics:
        """Return the speaker by the other clips."""
        total, seconds = self._total, self.seconds
        for other, _, piece in self._labelled:
            if other == clip:
                total = total - piece.embedding[-self._size :] * piece.seconds
                seconds -= piece.seconds
        if seconds < 1e-6:  # rounding
            return SpeakerStatistics.estimate(np.zeros(self._size), 0.0)
        return SpeakerStatistics.estimate(total / seconds, seconds)
