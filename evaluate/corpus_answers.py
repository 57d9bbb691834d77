"""Answers of a trained model for the clips of a corpus, with and without profiles."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edge_runtime.inference.enrolment import LabelledPieces, estimate_correction
from edge_runtime.inference.graph import NetworkOutput
from edge_runtime.inference.known_voice import SpeakerStatistics
from edge_runtime.inference.network import Network
from edge_runtime.inference.prediction import NO_SPEECH, UNCERTAIN
from train.clip_statistics import (
    ENROLMENT_SECONDS,
    ClipStatistics,
    enrolment_clips,
    enrolment_minutes,
    first_clips,
)
from train.data.degradation import Channel, degraded
from train.data.features import Dataset

from .linear_baselines import labelled_draw
from .stranger_folds import DRAWS, MINUTE, N_LABELLED, NO_PROFILE, Condition

PROFILE_SECONDS = (5, 15, 60, 300)

# The microphone and the room of a profile, for clips of the original recording.
CHANNELS = {
    "telephone": Channel(0.0, (), 300.0, 3400.0, 0.0, 0.0, np.inf, 0.0),
    "room": Channel(-1.0, ((3.0, 1.0, 0.5),), 100.0, np.inf, 0.5, 3.0, 20.0, -0.5),
}
N_LABELLED_IN_CHANNEL = 3
MAX_CHANNEL_SPEAKERS = 12  # of a corpus


class ModelAnswer(NamedTuple):
    """Answers of a model for clips of a corpus under one condition.

    Attributes:
        rows: Rows of the clips in the list of all clips; a clip that is drawn several times has
            several.
        probabilities: Probability of each label `(len(rows), n_labels)`.
        is_speech: False for clips with the answer "no speech".
        is_answered: False for clips with the answer "no speech" or "uncertain".
        arousal: Probability of high arousal `(len(rows),)`.
    """

    rows: np.ndarray
    probabilities: np.ndarray
    is_speech: np.ndarray
    is_answered: np.ndarray
    arousal: np.ndarray


ModelAnswers = dict[str, dict[Condition, ModelAnswer]]


def corpus_answers(test: CorpusTest, seed: int = 0) -> dict[Condition, ModelAnswer]:
    """Answer the clips of a corpus without a profile, with a minute, and with labelled clips.

    Args:
        test: The clips and the model.
        seed: Seed of the draws of clips.
    """
    everything = np.arange(len(test.rows))
    minutes = enrolment_minutes(test.clips, seed)
    return {
        Condition(NO_PROFILE, 0): test.answer(everything, [None] * len(everything)),
        Condition(MINUTE, 0): test.answer(everything, [test.voice(rows) for rows in minutes]),
        **{Condition(MINUTE, n): test.enrolled_answer(n, seed) for n in N_LABELLED},
    }


def profile_answers(test: CorpusTest, seed: int = 0) -> dict[Condition, ModelAnswer]:
    """Answer the clips of a corpus with profiles of other lengths, of one mood, and of a channel.

    Args:
        test: See `corpus_answers`.
        seed: See `corpus_answers`.

    Returns:
        The answers for conditions whose speech is described by a text. Those with a channel are to
        be compared with those of "same channel", which have the same speakers.
    """
    everything = np.arange(len(test.rows))
    answers = {}
    for seconds in PROFILE_SECONDS:
        profiles = enrolment_clips(test.clips, seed, seconds)
        voices = [test.voice(rows) for rows in profiles]
        answers[Condition(f"{seconds} s", 0)] = test.answer(everything, voices)
    for target, label in enumerate(test.labels):
        profiles = enrolment_clips(test.clips, seed, ENROLMENT_SECONDS, target)
        voices = [test.voice(rows) for rows in profiles]
        answers[Condition(f"60 s, {label}", 0)] = test.answer(everything, voices)
    for name, channel in {"same channel": None, **CHANNELS}.items():
        for n_labelled in (0, N_LABELLED_IN_CHANNEL):
            answers[Condition(f"60 s, {name}", n_labelled)] = test.enrolled_answer(
                n_labelled, seed, channel, MAX_CHANNEL_SPEAKERS
            )
    return answers


class _Recording(NamedTuple):
    """The features of a clip through a channel.

    Attributes:
        frames: MFCC without silence, float32 `(n_frames, n_mfcc)`.
        statistics: float32 `(n_statistics,)`.
        z: Standardised statistics, `(n_statistics,)`.
    """

    frames: np.ndarray
    statistics: np.ndarray
    z: np.ndarray


class CorpusTest:
    """The clips of one corpus and their answers by one model.

    Args:
        network: The exported model; it takes clip statistics.
        data: The dataset.
        positions: Row of each clip of the dataset in the list of all clips.
        corpus: The corpus.
    """

    def __init__(self, network: Network, data: Dataset, positions: np.ndarray, corpus: str) -> None:
        assert data.statistics is not None
        self._network, self._data, self._positions = network, data, positions
        self.labels = network.labels
        self.rows = np.array([i for i, clip in enumerate(data.clips) if clip.corpus == corpus])
        own = [data.clips[i] for i in self.rows]
        self.clips = ClipStatistics(
            data.statistics[self.rows],
            np.array([network.labels.index(clip.label) for clip in own]),
            np.array([clip.corpus for clip in own]),
            np.array([str(clip.speaker) for clip in own]),
            np.array([data.seconds[i] for i in self.rows]),
        )
        self._speech = [network.clip_speech(data.rows[i]) for i in self.rows]
        self._n_statistics = data.statistics.shape[1]
        self._unknown: list[NetworkOutput] = []
        self._recordings: list[_Recording] = []
        for row, i in enumerate(self.rows):
            frames, statistics = data.frames[i], data.statistics[i]
            output = network.run(frames, None, statistics)
            self._unknown.append(output._replace(speech=self._speech[row]))
            z = output.embedding[-self._n_statistics :]
            self._recordings.append(_Recording(frames, statistics, z))
        self._through = functools.lru_cache(maxsize=None)(self._record)

    def _record(self, row: int, channel: Channel) -> _Recording:
        """Record a clip through a channel."""
        network, i = self._network, int(self.rows[row])
        samples = network.read_samples(self._data.clips[i].path)
        rate = network.card.mfcc_config.sample_rate
        rows = network.front_end(degraded(samples, rate, channel, row))
        frames, gate = rows[:, : network.front_end.n_mfcc], network.new_silence_gate()
        if gate is not None:
            frames = gate.filter_clip(frames)
        statistics = network.clip_statistics(rows)
        assert statistics is not None
        output = network.run(frames, None, statistics)
        return _Recording(frames, statistics, output.embedding[-self._n_statistics :])

    def _recording(self, row: int, channel: Channel | None) -> _Recording:
        return self._recordings[row] if channel is None else self._through(int(row), channel)

    def voice(self, rows: np.ndarray, channel: Channel | None = None) -> SpeakerStatistics | None:
        """Return the profile of a speaker from unlabelled clips; None without clips."""
        seconds = self.clips.seconds[rows]
        if not len(rows):
            return None
        z = np.stack([self._recording(row, channel).z for row in rows])
        return SpeakerStatistics.estimate(seconds @ z / seconds.sum(), seconds.sum())

    def enrolled_answer(
        self,
        n_labelled: int,
        seed: int,
        channel: Channel | None = None,
        max_speakers: int | None = None,
    ) -> ModelAnswer:
        """Answer clips with a minute of their speakers, labelled clips among it.

        Args:
            n_labelled: Labelled clips of each emotion.
            seed: Seed of the draws.
            channel: The channel of the minute. Default: that of the clips.
            max_speakers: Number of speakers. Default: all.
        """
        rng = np.random.default_rng(seed)
        rows: list[np.ndarray] = []
        voices: list[SpeakerStatistics | None] = []
        for speaker in rng.permutation(np.unique(self.clips.speakers))[:max_speakers]:
            for _ in range(DRAWS):
                drawn = labelled_draw(self.clips, speaker, max(1, n_labelled), rng)
                if drawn is not None:
                    labelled, others = drawn
                    rows.append(others)
                    voices += self._enrolled_voices(
                        labelled[: len(labelled) if n_labelled else 0], others, channel, rng
                    )
        return self.answer(np.concatenate(rows), voices)

    def _enrolled_voices(
        self,
        labelled: np.ndarray,
        others: np.ndarray,
        channel: Channel | None,
        rng: np.random.Generator,
    ) -> list[SpeakerStatistics | None]:
        """Return the profile for each of the other clips, from a minute and labelled clips.

        The labelled clips are part of the minute; a clip is never part of its own profile.
        """
        order = np.concatenate([labelled, rng.permutation(others)])
        minute = np.union1d(first_clips(order, self.clips.seconds, ENROLMENT_SECONDS), labelled)
        correction = self._correction(minute, labelled, channel) if len(labelled) else None
        voices: list[SpeakerStatistics | None] = []
        for row in others:
            voice = self.voice(minute[minute != row], channel)
            if voice is not None:
                voice = SpeakerStatistics(voice.mean, voice.weight, correction)
            voices.append(voice)
        return voices

    def _correction(
        self, minute: np.ndarray, labelled: np.ndarray, channel: Channel | None
    ) -> np.ndarray | None:
        """Return the correction by labelled clips; none of them is part of its own profile."""
        deviations, logits = [], []
        for row in labelled:
            voice = self.voice(minute[minute != row], channel)
            assert voice is not None
            recording = self._recording(row, channel)
            output = self._network.run(recording.frames, None, recording.statistics, voice)
            deviations.append(voice.deviations(output.embedding))
            logits.append(output.logits / self._network.card.temperature)
        pieces = LabelledPieces(
            np.stack(deviations), np.stack(logits), self.clips.targets[labelled], labelled
        )
        return estimate_correction(pieces).weights

    def answer(self, rows: np.ndarray, voices: Sequence[SpeakerStatistics | None]) -> ModelAnswer:
        """Answer clips with the decision rule of the model.

        Args:
            rows: The clips.
            voices: The speaker of each, if known.
        """
        network, card = self._network, self._network.card
        predictions = []
        for row, voice in zip(rows, voices):
            output = self._unknown[row] if voice is None else self._run(row, voice)
            peak_dbfs = self._data.peak_dbfs[self.rows[row]]
            predictions.append(network.decide(output, peak_dbfs, card.uncertain_below, voice))
        labels = [prediction.label for prediction in predictions]
        return ModelAnswer(
            self._positions[self.rows[rows]],
            np.array([list(p.probabilities.values()) for p in predictions]),
            np.array([label != NO_SPEECH for label in labels]),
            np.array([label not in (NO_SPEECH, UNCERTAIN) for label in labels]),
            np.array([np.nan if p.arousal is None else p.arousal for p in predictions]),
        )

    def _run(self, row: int, voice: SpeakerStatistics) -> NetworkOutput:
        recording = self._recordings[row]
        output = self._network.run(recording.frames, None, recording.statistics, voice)
        return output._replace(speech=self._speech[row])
