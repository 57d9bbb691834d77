"""Leave-one-corpus-out evaluation of linear baselines on speakers and corpora never trained on.

Each corpus is tested in turn. The penalty of the model and the strength of the correction by
labelled clips are selected on the other tested corpora, each left out in turn as well, so that no
choice depends on the test corpus.
"""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edge_runtime import EmotionModel
from edge_runtime.datasets.clip import DatasetError
from train.clip_statistics import ClipStatistics
from train.files import report_path, with_extra_suffix, write_json, write_text
from train.process_pool import map_in_processes

from .answer_cache import answer_file, load_answers, store_answers
from .clip_features import clip_features
from .stranger_data import (
    BOTH,
    LABELS,
    Corpus,
    corpus_summary,
    exchanged_labels,
    load_corpora,
    statistics,
)
from .stranger_folds import CONDITIONS, NO_PROFILE, Answer, Condition, FoldTask, answer_corpus
from .stranger_model_rows import TrainedModels, model_rows
from .stranger_scores import condition_scores, uar
from .strangers_report import strangers_markdown
from .votes import listener_scores, read_votes

_LOGGER = logging.getLogger(__name__)


def run_strangers(
    data: Sequence[Path],
    report: Path,
    *,
    train_only: Sequence[str],
    exchanged: Sequence[str],
    votes: Path | None,
    cache: Path,
    jobs: int,
    seed: int,
    models: TrainedModels | None = None,
) -> dict[str, Any]:
    """Score linear baselines, trained models and the bundled model; write `report`.json and .md.

    Args:
        data: Folders and manifests of the corpora.
        report: The report, without suffix.
        train_only: Corpora that are trained on but never tested.
        exchanged: Labels to exchange, as texts `CORPUS:LABEL:LABEL`.
        votes: Votes of listeners on the clips of a corpus; see `votes.read_votes`.
        cache: Folder of the cached statistics.
        jobs: Processes; 0: one per core.
        seed: Seed of the draws of clips.
        models: Models to train and score. Default: none.

    Returns:
        The report.

    Raises:
        DatasetError: If a speaker is unknown, or there are fewer than three corpora to test.
    """
    report = report_path(report)
    pairs = exchanged_labels(exchanged)
    corpora = load_corpora(data, pairs)
    tested = [corpus.name for corpus in corpora if corpus.name not in train_only]
    if len(tested) < 3:
        raise DatasetError(f"expected three or more corpora to test; got {', '.join(tested)}")
    sets, notes = statistics(corpora, cache, jobs)
    answers = answer_all(sets, tuple(tested), cache, jobs, seed)
    clips = next(iter(sets.values()))
    names = np.array([clip.path.stem for corpus in corpora for clip in corpus.clips])
    votes_by_clip = {} if votes is None else read_votes(votes, LABELS)
    rows = []
    for features, by_condition in answers.items():
        for condition, by_corpus in by_condition.items():
            rows.append(
                {
                    "features": features,
                    "statistics": sets[features].values.shape[1],
                    **condition._asdict(),
                    **condition_scores(
                        by_corpus, clips.targets, clips.speakers, names, votes_by_clip
                    ),
                    "penalty": {name: answer.penalty for name, answer in by_corpus.items()},
                    "strength": {name: answer.strength for name, answer in by_corpus.items()},
                }
            )
    profiles: list[dict[str, Any]] = []
    if models is not None:
        of_models, profiles = model_rows(
            models, corpora, tested, sets[BOTH], names, votes_by_clip, cache / "features", jobs
        )
        rows += of_models
    notes += published_notes(pairs, answers, clips.targets)
    summary = {
        "strangers": 1,
        "command": _command(data, train_only, exchanged, votes, seed, models),
        "labels": list(LABELS),
        "corpora": [corpus_summary(corpus, corpus.name in tested) for corpus in corpora],
        "exchanged": {name: list(pair) for name, pair in pairs.items()},
        "notes": notes,
        "listeners": listener_scores(votes_by_clip, names, clips.targets),
        "open": [] if models is None else list(models.open_corpora),
        "rows": rows,
        "profiles": profiles,
        "bundled": bundled_scores(corpora, tested, clips, names, votes_by_clip, cache, jobs),
    }
    write_json(with_extra_suffix(report, ".json"), summary)
    write_text(with_extra_suffix(report, ".md"), strangers_markdown(summary))
    _LOGGER.info("%s", with_extra_suffix(report, ".md"))
    return summary


def answer_all(
    sets: dict[str, ClipStatistics], tested: tuple[str, ...], cache: Path, jobs: int, seed: int
) -> dict[str, dict[Condition, dict[str, Answer]]]:
    """Test every corpus with every set of statistics.

    Returns:
        The answers by set, condition and corpus.
    """
    tasks = [
        FoldTask(features, clips, corpus, tested, seed)
        for features, clips in sets.items()
        for corpus in tested
    ]
    files = {(task.features, task.corpus): answer_file(task, cache) for task in tasks}
    answers = {key: load_answers(file) for key, file in files.items()}
    pending = [task for task in tasks if answers[task.features, task.corpus] is None]
    begin = time.monotonic()
    results = map_in_processes(answer_corpus, pending, jobs)
    for done, (features, corpus, answer) in enumerate(results, 1):
        store_answers(files[features, corpus], answer)
        answers[features, corpus] = answer
        left = (time.monotonic() - begin) / done * (len(pending) - done) / 60
        _LOGGER.info(
            "%s, %s tested: %d of %d, %.1f min left", features, corpus, done, len(pending), left
        )
    finished = {key: answer for key, answer in answers.items() if answer is not None}
    return {
        features: {
            condition: {corpus: finished[features, corpus][condition] for corpus in tested}
            for condition in CONDITIONS
        }
        for features in sets
    }


def published_notes(
    exchanged: dict[str, tuple[str, str]],
    answers: dict[str, dict[Condition, dict[str, Answer]]],
    targets: np.ndarray,
) -> list[str]:
    """Return a note about each corpus whose labels were exchanged, with the scores as published."""
    notes = []
    for corpus, (first, second) in exchanged.items():
        order = list(range(len(LABELS)))
        one, other = LABELS.index(first), LABELS.index(second)
        order[one], order[other] = other, one
        published = []
        for features, by_condition in answers.items():
            answer = by_condition[Condition(NO_PROFILE, 0)].get(corpus)
            if answer is not None:
                truth = np.array(order)[targets[answer.rows]]
                score = 100 * uar(truth, answer.probabilities.argmax(axis=1))
                published.append(f"{features} {score:.1f}")
        notes.append(
            f"{corpus}: the labels {first} and {second} are exchanged. UAR % without a profile "
            f"against the labels as published: {', '.join(published) or 'not tested'}"
        )
    return notes


class _BundledAnswer(NamedTuple):
    rows: np.ndarray
    probabilities: np.ndarray
    is_speech: np.ndarray


def bundled_scores(
    corpora: Sequence[Corpus],
    tested: Sequence[str],
    clips: ClipStatistics,
    names: np.ndarray,
    votes: dict[str, np.ndarray],
    cache: Path,
    jobs: int,
) -> dict[str, Any] | None:
    """Score the bundled model on the tested corpora that it was not trained on, if any."""
    trained_on = {entry["name"] for entry in EmotionModel.load().card.corpora}
    answers = {}
    for corpus in corpora:
        if corpus.name in tested and corpus.name not in trained_on:
            paths = [clip.path for clip in corpus.clips]
            part = clip_features("bundled", corpus.name, paths, cache, jobs)
            columns = [part.names.index(label) for label in LABELS]
            rows = np.flatnonzero(clips.corpora == corpus.name)
            is_speech = part.values[:, part.names.index("speech")] > 0
            answers[corpus.name] = _BundledAnswer(rows, part.values[:, columns], is_speech)
    if not answers:
        return None
    return condition_scores(answers, clips.targets, clips.speakers, names, votes)


def _command(
    data: Sequence[Path],
    train_only: Sequence[str],
    exchanged: Sequence[str],
    votes: Path | None,
    seed: int,
    models: TrainedModels | None,
) -> str:
    """Return the command line with the names of the folders only."""
    words = ["python", "-m", "evaluate", "strangers"]
    for option, values in (
        ("--data", [f"corpora/{path.name}" for path in data]),
        ("--train-only", train_only),
        ("--exchange", exchanged),
        ("--votes", [] if votes is None else [f"corpora/{votes.parent.name}/{votes.name}"]),
        ("--seed", [str(seed)] if seed else []),
        ("--model-seeds", [str(models.seeds)] if models else []),
        ("--epochs", [str(models.recipe.fit.epochs)] if models else []),
        ("--noise", [f"corpora/{folder.name}" for folder in models.noise] if models else []),
        ("--open", models.open_corpora if models else []),
    ):
        for value in values:
            words += [option, value]
    return shlex.join(words)
