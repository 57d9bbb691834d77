"""Speech gates on corpora and kinds of noise that were left out: `python -m evaluate gate`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_runtime.datasets.clip import DatasetError
from edge_runtime.datasets.corpora import scan
from train.data.features import load_dataset
from train.files import write_text
from train.gate.evaluation import ALONE, RATIOS_DB
from train.gate.examples import group_of
from train.gate.pipeline import GateData
from train.markdown import markdown_table
from train.recipes import CORPORA

from .stranger_data import LABELS
from .stranger_model_rows import MODEL
from .stranger_models import GATE_SUFFIX

_LOGGER = logging.getLogger(__name__)

CONDITIONS = (ALONE, *map(str, RATIOS_DB))
HEADER = ["corpus", "clips", "alone", "20 dB", "10 dB", "5 dB", "equal frames", "threshold"]


def score_gates(
    data: Sequence[Path], train_only: Sequence[str], noise: Sequence[Path], cache: Path, seed: int
) -> dict[str, dict[str, Any]]:
    """Train a gate without each corpus in turn, and score it on that corpus.

    Args:
        data: Folders or manifests of the corpora.
        train_only: Corpora that are never tested.
        noise: Folders of recordings without speech; a quarter of their kinds is left out as well.
        cache: Folder of cached features and speech labels.
        seed: Seed of the examples and of the weights.

    Returns:
        `gate.evaluation.gate_scores` by corpus, with the threshold.
    """
    torch.set_num_threads(1)
    clips = list(scan(data, labels=LABELS))
    dataset = load_dataset(
        clips,
        CORPORA.mfcc_config,
        cache,
        CORPORA.silence,
        with_statistics=True,
        n_copies=CORPORA.statistics.n_copies if CORPORA.statistics else 0,
    )
    gate_data = GateData(dataset, noise, cache)
    every_clip = range(len(dataset.clips))
    examples = gate_data.examples(every_clip, CORPORA.gate, seed, _LOGGER.info)
    results = {}
    for corpus in sorted({clip.corpus for clip in dataset.clips} - set(train_only)):
        train = [i for i in every_clip if dataset.clips[i].corpus != corpus]
        test = [i for i in every_clip if dataset.clips[i].corpus == corpus]
        groups = {"", *(group_of(dataset.clips[i]) for i in train)}  # "": noise alone
        own = [example for example in examples if example.group in groups]
        gate = gate_data.fit(train, test, own, CORPORA.gate, seed)
        results[corpus] = {**gate.scores, "speech_above": gate.speech_above}
        lost = gate.scores["lost"][ALONE][corpus]
        _LOGGER.info("%s: %d of %d clips lost", corpus, lost["lost"], lost["clips"])
    return results


def stored_scores(runs: Path) -> dict[str, dict[str, Any]]:
    """Return the scores of the gates that `python -m evaluate strangers` trained.

    Args:
        runs: Folder of the run folders.

    Returns:
        See `score_gates`.

    Raises:
        DatasetError: If the folder has no speech gates.
    """
    results = {}
    for file in sorted((runs / MODEL).glob(f"*{GATE_SUFFIX}")):
        gate = torch.load(file, weights_only=False)
        corpus = file.name.removesuffix(GATE_SUFFIX)
        results[corpus] = {**gate.scores, "speech_above": gate.speech_above}
    if not results:
        raise DatasetError(f"{runs}: no speech gates found; run `python -m evaluate strangers`")
    return results


def gate_page(results: dict[str, dict[str, Any]]) -> str:
    """Return the results of `score_gates` as Markdown."""
    rows: list[list[str]] = []
    for corpus, scores in results.items():
        counts = [scores["lost"][condition][corpus] for condition in CONDITIONS]
        rows.append(
            [corpus, str(counts[0]["clips"])]
            + [f"{100 * count['lost'] / count['clips']:.1f}" for count in counts]
            + [f"{100 * scores['agreement']:.1f}", f"{scores['speech_above']:.2f}"]
        )
    means = np.array([[float(value) for value in row[2:7]] for row in rows]).mean(axis=0)
    rows.append(["mean", "", *(f"{mean:.1f}" for mean in means), ""])
    labels = sorted({label for scores in results.values() for label in scores["lost_by_label"]})
    by_label = []
    for label in labels:
        counts = [s["lost_by_label"].get(label, {"clips": 0, "lost": 0}) for s in results.values()]
        clips, lost = (sum(count[key] for count in counts) for key in ("clips", "lost"))
        by_label.append([label, str(clips), f"{100 * lost / max(1, clips):.1f}"])
    noises = []
    kinds = sorted({kind for scores in results.values() for kind in scores["noise"]})
    for kind in kinds:
        counts = [scores["noise"][kind] for scores in results.values()]
        recordings, passed = (sum(c[key] for c in counts) for key in ("recordings", "passed"))
        noises.append([kind, str(recordings // len(counts)), f"{100 * passed / recordings:.1f}"])
    return f"""# Speech gates on corpora and noise that were left out

Made with `python -m evaluate gate`, of the recipe corpora.

Each row is a gate that was trained on the other corpora, and without the kinds of noise of the last
table. The columns are the share of the clips that are answered with "no speech" in %, alone and in
this noise at a ratio of speech to noise of 20, 10 and 5 dB; the share of the frames that are
decided as by Silero VAD in %, for the clips alone; and the probability from which a frame is
speech, which is chosen on other speakers.

{markdown_table(HEADER, rows, "lrrrrrrr")}

Clips alone, by label:

{markdown_table(["label", "clips", "lost %"], by_label, "lrr")}

Recordings of noise of up to 5 s with an emotion, the mean over the gates:

{markdown_table(["kind", "recordings", "with an emotion %"], noises, "lrr")}
"""


def write_gate_report(results: dict[str, dict[str, Any]], report: Path) -> None:
    """Write the report on the results of `score_gates` or `stored_scores`."""
    page = gate_page(results)
    write_text(report.with_suffix(".md"), page)
    _LOGGER.info("%s", page)
