"""Corpora and clip statistics for `python -m evaluate strangers`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime import ConfigError
from edge_runtime.datasets.clip import Clip, DatasetError
from edge_runtime.datasets.corpora import scan
from edge_runtime.datasets.naming_schemes import LICENCES
from train.clip_statistics import ClipStatistics

from .clip_features import clip_features, has_opensmile

LABELS = ("angry", "happy", "neutral", "sad")
EGEMAPS, MFCC, DESCRIPTORS, BOTH = "egemaps", "mfcc", "descriptors", "both"


@dataclass(frozen=True)
class Corpus:
    """The clips of a corpus, sorted by path and without duplicates."""

    name: str
    clips: tuple[Clip, ...]


def exchanged_labels(texts: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Parse texts `CORPUS:LABEL:LABEL`.

    Returns:
        Two labels by corpus.

    Raises:
        ConfigError: If a text has another form or another label.
    """
    pairs = {}
    for text in texts:
        corpus, *labels = text.split(":")
        if len(set(labels)) != 2 or not set(labels) <= set(LABELS):
            raise ConfigError(
                f"--exchange {text!r}: expected CORPUS:LABEL:LABEL with two of {', '.join(LABELS)}"
            )
        pairs[corpus] = labels[0], labels[1]
    return pairs


def load_corpora(data: Sequence[Path], exchanged: dict[str, tuple[str, str]]) -> list[Corpus]:
    """Find the clips of the labels, sorted by path, without copies of the same file.

    Raises:
        DatasetError: If a clip has no speaker, or a corpus whose labels to exchange is missing.
    """
    by_corpus: dict[str, list[Clip]] = {}
    digests: set[bytes] = set()
    for clip in sorted(scan(data, labels=LABELS), key=lambda clip: str(clip.path)):
        if clip.speaker is None:
            raise DatasetError(f"{clip.path}: requires a speaker, from its name or a manifest")
        digest = hashlib.sha256(clip.path.read_bytes()).digest()
        if digest not in digests:
            digests.add(digest)
            first, second = exchanged.get(clip.corpus, ("", ""))
            label = {first: second, second: first}.get(clip.label, clip.label)
            by_corpus.setdefault(clip.corpus, []).append(replace(clip, label=label))
    missing = sorted(set(exchanged) - set(by_corpus))
    if missing:
        raise DatasetError(f"--exchange {missing[0]}: corpus not found in --data")
    return [Corpus(name, tuple(clips)) for name, clips in sorted(by_corpus.items())]


def statistics(
    corpora: Sequence[Corpus], cache: Path, jobs: int
) -> tuple[dict[str, ClipStatistics], list[str]]:
    """Compute all sets of statistics.

    Returns:
        The sets by name, and notes about those that are left out.
    """
    targets, names, speakers = [], [], []
    for corpus in corpora:
        targets += [LABELS.index(clip.label) for clip in corpus.clips]
        names += [corpus.name] * len(corpus.clips)
        speakers += [str(clip.speaker) for clip in corpus.clips]

    def clip_statistics(kind: str) -> tuple[ClipStatistics, np.ndarray]:
        parts = [
            clip_features(kind, corpus.name, [clip.path for clip in corpus.clips], cache, jobs)
            for corpus in corpora
        ]
        clips = ClipStatistics(
            np.concatenate([part.values for part in parts]),
            np.array(targets),
            np.array(names),
            np.array(speakers),
            np.concatenate([part.seconds for part in parts]),
        )
        return clips, np.array(parts[0].names)

    sets, notes = {}, []
    if has_opensmile():
        sets[EGEMAPS] = clip_statistics("egemaps")[0]
    else:
        notes.append(
            "eGeMAPS is left out: opensmile is not installed (extra `evaluate`; research licence)"
        )
    own, columns = clip_statistics("own")
    is_mfcc = np.array([name[0] == "c" and name[1].isdigit() for name in columns])
    sets[MFCC] = replace(own, values=own.values[:, is_mfcc])
    sets[DESCRIPTORS] = replace(own, values=own.values[:, ~is_mfcc])
    sets[BOTH] = own
    return sets, notes


def corpus_summary(corpus: Corpus, is_tested: bool) -> dict[str, Any]:
    """Return the size and the licence of a corpus."""
    return {
        "name": corpus.name,
        "clips": len(corpus.clips),
        "speakers": len({clip.speaker for clip in corpus.clips}),
        "licence": LICENCES.get(corpus.name, "not known"),
        "tested": is_tested,
    }
