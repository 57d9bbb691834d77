"""Settings and helpers for short trainings."""

from __future__ import annotations

from edge_runtime import MfccConfig
from train.augment import Augment

TRAINING_MFCC = MfccConfig(hop_length=320)
LABELS = ("angry", "happy", "neutral", "sad")
PLAIN = Augment(cepstral_offset=0.0, speed=0.0, vtlp=0.0, mixstyle=0.0)  # no augmentation


def fit_one(data, clips, folds, network, config, statistics=None, **options):
    """Run `fit_best` with a single candidate and return its fit."""
    from train.candidates import Candidate
    from train.model_selection import fit_best
    from train.recipes import Recipe

    candidate = Candidate("one", Recipe(data.mfcc_config, None, network, config, statistics), data)
    return fit_best([candidate], clips, folds, **options).fit


def map_in_this_process(work, tasks, jobs, prepare=None, arguments=(), on_wait=None):
    """Stand in for `train.process_pool.map_in_processes`, whose processes import torch again."""
    if prepare is not None:
        prepare(*arguments)
    for task in tasks:
        yield work(task)


def statistics_dataset(n_corpora=3, speakers=4, clips_each=8, n_statistics=6, speaker_offset=0.0):
    """Return clips with short random frames, whose statistics depend on the label."""
    from pathlib import Path

    import numpy as np

    from edge_runtime.datasets.clip import Clip
    from train.data.features import Dataset

    rng = np.random.default_rng(0)
    clips, statistics = [], []
    for corpus in "abcdef"[:n_corpora]:
        for speaker in range(speakers):
            offset = speaker_offset * rng.standard_normal(n_statistics)
            for k in range(clips_each):
                label = LABELS[k % 4]
                path = Path(f"{corpus}-{speaker}-{k}.wav")
                clips.append(Clip(path, label, f"{corpus}/{speaker}", corpus=corpus))
                centre = 2 * np.eye(4, n_statistics)[k % 4]
                statistics.append(centre + offset + rng.standard_normal(n_statistics))
    values = np.array(statistics, np.float32)
    values[::7, 1] = np.nan
    frames = [rng.standard_normal((6, 13)).astype(np.float32) for _ in clips]
    return Dataset(
        clips,
        frames,
        [8.0] * len(clips),
        TRAINING_MFCC,
        peak_dbfs=[-20.0] * len(clips),
        statistics=values,
        statistic_names=tuple(f"s{k}" for k in range(n_statistics)),
    )
