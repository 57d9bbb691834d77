"""Leave-one-corpus-out evaluation of trained models: train, export as int8, answer.

Each corpus is tested in turn by a model that was trained on the others, as `python -m train fit`
trains it, and exported, as `python -m export onnx` exports it. Epoch, temperatures and threshold
are selected on speakers of the training corpora, so that no choice depends on the test corpus.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch

from edge_runtime.datasets.clip import Clip
from edge_runtime.files import atomic_replace
from edge_runtime.inference.network import Network
from export.card import read_card
from export.graph import export_fp32, export_int8
from train.candidates import Candidate
from train.checkpoint import load_checkpoint
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

from .corpus_answers import CorpusTest, ModelAnswer, ModelAnswers, corpus_answers, profile_answers
from .stranger_folds import Condition

MODEL = "model.onnx"
GATE_SUFFIX = "-gate.pt"  # of the speech gate of a fold, next to its run folders
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
    answers = {}
    for corpus in task.tested:
        test = CorpusTest(network, data, positions, corpus)
        answers[corpus] = corpus_answers(test)
        if task.recipe.fit.seed == 0:
            answers[corpus] |= profile_answers(test)
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
    """Train the speech gate on examples of the corpora that are not left out.

    The models of all seeds share it, because its training takes as long as that of a model.
    """
    recipe = task.recipe.with_settings(["seed=0"])
    if not recipe.gate.speech:
        return None
    stored = task.folder.with_name(task.folder.name.rpartition("-")[0] + GATE_SUFFIX)
    if not stored.exists():
        gate_data, examples = _gate_examples(task.clips, recipe, task.noise, task.cache)
        groups = {"", *(group_of(data.clips[i]) for i in train)}  # "": noise alone
        own = [example for example in examples if example.group in groups]
        gate = gate_data.fit(train, test, own, recipe.gate, recipe.fit.seed)
        with atomic_replace(stored) as temporary:
            torch.save(gate, temporary)
    return cast(TrainedGate, torch.load(stored, weights_only=False))


def _export(folder: Path) -> None:
    network, stored = load_checkpoint(folder)
    card, _ = read_card(network, stored, folder.name, folder / CHECKPOINT)
    unfinished = folder / "unfinished.onnx"
    export_fp32(network, card, unfinished)
    export_int8(unfinished, card, unfinished)
    unfinished.replace(folder / MODEL)


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
