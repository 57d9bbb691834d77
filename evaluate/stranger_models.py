"""Leave-one-corpus-out evaluation of trained models: train, export as int8, answer.

Each corpus is tested in turn by a model that was trained on the others, as `python -m train fit`
trains it, and exported, as `python -m export onnx` exports it. Epoch, temperatures and threshold
are selected on speakers of the training corpora, so that no choice depends on the test corpus.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from edge_runtime.datasets.clip import Clip
from edge_runtime.files import atomic_replace
from edge_runtime.inference.enrolment import LabelledPieces, estimate_correction
from edge_runtime.inference.known_voice import SpeakerStatistics
from edge_runtime.inference.network import Network, NetworkOutput
from edge_runtime.inference.prediction import NO_SPEECH, UNCERTAIN
from export.card import read_card
from export.graph import export_fp32, export_int8
from train.candidates import Candidate
from train.checkpoint import load_checkpoint
from train.clip_statistics import ClipStatistics, enrolment_minutes, first_minute
from train.data.features import Dataset, load_dataset
from train.data.folds import inner_folds
from train.data.noise import noise_features
from train.data.splits import SPEAKER_INDEPENDENT
from train.gate.examples import GateExample, group_of
from train.gate.pipeline import GateData
from train.gate.training import TrainedGate
from train.model_selection import fit_best
from train.recipes import Recipe
from train.run_folder import CHECKPOINT, STATE, remove_states
from train.run_report import Partition, write_run

from .linear_baselines import labelled_draw
from .stranger_folds import DRAWS, MINUTE, N_LABELLED, NO_PROFILE, Condition

MODEL = "model.onnx"
N_FOLDS = 5  # of the training speakers; the first one selects the epoch


class ModelTask(NamedTuple):
    """The training and the test of one model.

    Attributes:
        clips: All clips, in the order of the report.
        recipe: The recipe, with its seed.
        tested: Corpora that the model is tested on.
        left_out: Further corpora that it is not trained on.
        noise: Folders of recordings without speech.
        cache: Folder of cached features.
        folder: The run folder of the model.
    """

    clips: tuple[Clip, ...]
    recipe: Recipe
    tested: tuple[str, ...]
    left_out: tuple[str, ...]
    noise: tuple[Path, ...]
    cache: Path
    folder: Path


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


def answer_model(task: ModelTask) -> tuple[Path, ModelAnswers]:
    """Train, export and test one model; finished parts are read from its run folder.

    Returns:
        The run folder, and the answers by corpus and condition.
    """
    torch.set_num_threads(1)
    stored = task.folder / "answers.npz"
    if stored.exists():
        return task.folder, _load_answers(stored)
    data = _dataset(task.clips, task.recipe.with_settings(["seed=0"]), task.noise, task.cache)
    if not (task.folder / MODEL).exists():
        _train(task, data)
        _export(task.folder)
    network = Network.load(task.folder / MODEL)
    row_of = {clip.path: row for row, clip in enumerate(task.clips)}
    positions = np.array([row_of[clip.path] for clip in data.clips])
    answers = {corpus: corpus_answers(network, data, positions, corpus) for corpus in task.tested}
    _store_answers(stored, answers)
    return task.folder, answers


@functools.lru_cache(maxsize=1)  # the tasks of a worker process share it
def _dataset(
    clips: tuple[Clip, ...], recipe: Recipe, noise: tuple[Path, ...], cache: Path
) -> Dataset:
    assert recipe.statistics is not None
    data = load_dataset(
        list(clips),
        recipe.mfcc_config,
        cache,
        recipe.silence,
        with_statistics=True,
        n_copies=recipe.statistics.n_copies,
    )
    if recipe.fit.augment.noise:
        data.noises = noise_features(recipe.mfcc_config, recipe.silence, list(noise))
    return data


@functools.lru_cache(maxsize=1)  # the tasks of a worker process share it
def _gate_examples(
    clips: tuple[Clip, ...], recipe: Recipe, noise: tuple[Path, ...], cache: Path
) -> tuple[GateData, list[GateExample]]:
    data = _dataset(clips, recipe, noise, cache)
    gate_data = GateData(data, noise, cache)
    return gate_data, gate_data.examples(range(len(data.clips)), recipe.gate, seed=0)


def _train(task: ModelTask, data: Dataset) -> None:
    """Train on all corpora but the ones left out, and write the run folder."""
    left_out = {*task.tested, *task.left_out}
    train = [i for i, clip in enumerate(data.clips) if clip.corpus not in left_out]
    test = [i for i, clip in enumerate(data.clips) if clip.corpus in task.tested]
    seed = task.recipe.fit.seed
    folds = inner_folds(data.clips, train, N_FOLDS, seed, data.labels)[:1]
    candidate = Candidate("model", task.recipe.sized(data), data)
    selected = fit_best(
        [candidate],
        train,
        folds,
        state_file=task.folder / STATE,
        resume=True,
        log=lambda line: None,
    )
    partition = Partition(SPEAKER_INDEPENDENT, (), train, folds, test)
    write_run(task.folder, partition, selected, _gate(task, data, train, test))
    remove_states(task.folder)


def _gate(task: ModelTask, data: Dataset, train: list[int], test: list[int]) -> TrainedGate | None:
    """Train the speech gate on examples of the corpora that are not left out."""
    recipe = task.recipe
    if not recipe.gate.speech:
        return None
    gate_data, examples = _gate_examples(
        task.clips, recipe.with_settings(["seed=0"]), task.noise, task.cache
    )
    groups = {"", *(group_of(data.clips[i]) for i in train)}  # "": noise alone
    own = [example for example in examples if example.group in groups]
    return gate_data.fit(train, test, own, recipe.gate, recipe.fit.seed)


def _export(folder: Path) -> None:
    network, stored = load_checkpoint(folder)
    card, _ = read_card(network, stored, folder.name, folder / CHECKPOINT)
    unfinished = folder / "unfinished.onnx"
    export_fp32(network, card, unfinished)
    export_int8(unfinished, card, unfinished)
    unfinished.replace(folder / MODEL)


def corpus_answers(
    network: Network, data: Dataset, positions: np.ndarray, corpus: str, seed: int = 0
) -> dict[Condition, ModelAnswer]:
    """Answer the clips of a corpus without a profile, with a minute, and with labelled clips.

    Args:
        network: The exported model; it takes clip statistics.
        data: The dataset.
        positions: Row of each clip of the dataset in the list of all clips.
        corpus: The corpus.
        seed: Seed of the draws of clips.
    """
    test = _CorpusTest(network, data, positions, corpus)
    clips = test.clips
    everything = np.arange(len(test.rows))
    answers = {Condition(NO_PROFILE, 0): test.answer(everything, [None] * len(everything))}
    minutes = enrolment_minutes(clips, seed)
    voices = [test.voice(minute) for minute in minutes]
    answers[Condition(MINUTE, 0)] = test.answer(everything, voices)
    for n_labelled in N_LABELLED:
        rng = np.random.default_rng(seed)
        rows: list[np.ndarray] = []
        voices = []
        for speaker in rng.permutation(np.unique(clips.speakers)):
            for _ in range(DRAWS):
                drawn = labelled_draw(clips, speaker, n_labelled, rng)
                if drawn is not None:
                    labelled, others = drawn
                    rows.append(others)
                    voices += test.enrolled_voices(labelled, others, rng)
        answers[Condition(MINUTE, n_labelled)] = test.answer(np.concatenate(rows), voices)
    return answers


class _CorpusTest:
    """The clips of one corpus and their answers by one model."""

    def __init__(self, network: Network, data: Dataset, positions: np.ndarray, corpus: str) -> None:
        assert data.statistics is not None
        self._network, self._data, self._positions = network, data, positions
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
        self._unknown = [self._run(row, None) for row in range(len(self.rows))]
        n_statistics = data.statistics.shape[1]
        self._z = np.stack([output.embedding[-n_statistics:] for output in self._unknown])

    def _run(self, row: int, voice: SpeakerStatistics | None) -> NetworkOutput:
        assert self._data.statistics is not None
        i = self.rows[row]
        output = self._network.run(self._data.frames[i], None, self._data.statistics[i], voice)
        return output._replace(speech=self._speech[row])

    def voice(self, rows: np.ndarray) -> SpeakerStatistics | None:
        """Return the profile of a speaker from unlabelled clips; None without clips."""
        seconds = self.clips.seconds[rows]
        if not len(rows):
            return None
        return SpeakerStatistics.estimate(seconds @ self._z[rows] / seconds.sum(), seconds.sum())

    def enrolled_voices(
        self, labelled: np.ndarray, others: np.ndarray, rng: np.random.Generator
    ) -> list[SpeakerStatistics | None]:
        """Return the profile for each of the other clips, from a minute and labelled clips.

        The labelled clips are part of the minute; a clip is never part of its own profile.
        """
        order = np.concatenate([labelled, rng.permutation(others)])
        minute = np.union1d(first_minute(order, self.clips.seconds), labelled)
        correction = self._correction(minute, labelled)
        voices: list[SpeakerStatistics | None] = []
        for row in others:
            voice = self.voice(minute[minute != row])
            assert voice is not None
            voices.append(SpeakerStatistics(voice.mean, voice.weight, correction))
        return voices

    def _correction(self, minute: np.ndarray, labelled: np.ndarray) -> np.ndarray | None:
        """Return the correction by labelled clips; none of them is part of its own profile."""
        deviations, logits = [], []
        for row in labelled:
            voice = self.voice(minute[minute != row])
            assert voice is not None
            output = self._run(row, voice)
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
            output = self._unknown[row] if voice is None else self._run(int(row), voice)
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


def _store_answers(file: Path, answers: ModelAnswers) -> None:
    arrays = {
        f"{corpus}/{condition.speech}/{condition.labelled}/{field}": values
        for corpus, by_condition in answers.items()
        for condition, answer in by_condition.items()
        for field, values in answer._asdict().items()
    }
    with atomic_replace(file) as temporary, open(temporary, "wb") as out:
        np.savez(out, **arrays)


def _load_answers(file: Path) -> ModelAnswers:
    answers: dict[str, dict[Condition, dict[str, np.ndarray]]] = {}
    with np.load(file) as stored:
        for key in stored.files:
            corpus, speech, labelled, field = key.split("/")
            condition = Condition(speech, int(labelled))
            answers.setdefault(corpus, {}).setdefault(condition, {})[field] = stored[key]
    return {
        corpus: {condition: ModelAnswer(**fields) for condition, fields in by_condition.items()}
        for corpus, by_condition in answers.items()
    }
