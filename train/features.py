"""Clips to feature arrays, through a cache on disk that knows a clip by its content."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from edge_runtime import AudioError, Mfcc, MfccConfig, read_audio
from edge_runtime.audio_file import check_file
from edge_runtime.errors import reason
from edge_runtime.silence import SilenceConfig, SilenceGate

from .corpora import Clip, DatasetError

# Raised when the numbers of the front end change, so that no cached array outlives them.
CACHE_VERSION = 1


@dataclass
class Dataset:
    """Clips with their features, and what was left out on the way."""

    clips: list[Clip]
    frames: list[np.ndarray]  # float32 (n_frames, n_mfcc) each
    seconds: list[float]
    mfcc: MfccConfig = field(default_factory=MfccConfig)
    noises: list[np.ndarray] = field(default_factory=list)  # features of what is no speech
    unreadable: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    # Labels that are trained on and never answered: their clips teach what voices do as well.
    auxiliary: frozenset[str] = frozenset()

    @property
    def labels(self) -> list[str]:
        """What is answered."""
        return sorted({clip.label for clip in self.clips} - self.auxiliary)

    @property
    def classes(self) -> list[str]:
        """What is trained on: the labels, and behind them the auxiliary ones."""
        return self.labels + sorted({clip.label for clip in self.clips} & self.auxiliary)

    def answerable(self, indices: list[int]) -> list[int]:
        """Those of these clips whose label is answered."""
        return [i for i in indices if self.clips[i].label not in self.auxiliary]


def load_dataset(
    clips: list[Clip], config: MfccConfig, cache: Path, silence: SilenceConfig | None = None
) -> Dataset:
    """The features of all clips that can be read, each recording once, without their silence.

    Copies of a recording, by the hash of its decoded samples, are dropped: one that lies in both
    training and test would make the score a lie. Copies with different labels are all dropped.
    Raises DatasetError if fewer than two classes remain.
    """
    extractor = Mfcc(config)
    gate = None if silence is None else SilenceGate(silence, config)
    unreadable: list[str] = []
    by_content: dict[str, list[tuple[Clip, np.ndarray, float]]] = defaultdict(list)
    for clip in tqdm(clips, desc="features", unit="clip", disable=None, leave=False):
        try:
            frames, content, seconds = _cached_frames(clip.path, extractor, cache)
        except AudioError as error:
            text = str(error)
            unreadable.append(text if str(clip.path) in text else f"{clip.path}: {text}")
            continue
        if gate is not None:
            frames = gate.whole(frames)
        by_content[content].append((clip, frames, seconds))
    dataset = Dataset([], [], [], config, [], unreadable)
    for copies in by_content.values():
        first = copies[0]
        others = ", ".join(str(clip.path) for clip, _, _ in copies[1:])
        if len({clip.label for clip, _, _ in copies}) > 1:
            dataset.duplicates.append(
                f"{first[0].path}: the same recording has another label in {others}; all left out"
            )
            continue
        if others:
            dataset.duplicates.append(f"{first[0].path}: the same recording as {others}; kept once")
        dataset.clips.append(first[0])
        dataset.frames.append(first[1])
        dataset.seconds.append(first[2])
    if len(dataset.labels) < 2:
        raise DatasetError(
            f"of {len(clips)} clips, {len(unreadable)} cannot be read and {len(dataset.clips)} "
            f"remain, of {len(dataset.labels)} class; two classes are needed"
            + "".join(f"\n  {line}" for line in unreadable[:5])
        )
    return dataset


def _cached_frames(path: Path, extractor: Mfcc, cache: Path) -> tuple[np.ndarray, str, float]:
    """(frames, hash of the samples, seconds) of a file."""
    try:
        check_file(path)
        data = path.read_bytes()
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {reason(error)}") from error
    settings = json.dumps([CACHE_VERSION, extractor.config.to_dict()], sort_keys=True)
    key = hashlib.blake2b(data + settings.encode(), digest_size=16).hexdigest()
    entry = cache / key[:2] / f"{key}.npz"
    try:
        with np.load(entry, allow_pickle=False) as stored:
            return stored["frames"], str(stored["content"]), float(stored["seconds"])
    except Exception:  # not there yet, or damaged, in whatever way: computed again
        pass
    rate = extractor.config.sample_rate
    samples = read_audio(path, rate)
    frames = extractor(samples)
    content = hashlib.blake2b(samples.tobytes(), digest_size=16).hexdigest()
    seconds = len(samples) / rate
    entry.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=entry.parent, suffix=".tmp", delete=False) as file:
        np.savez(file, frames=frames, content=content, seconds=seconds)
    os.replace(file.name, entry)
    return frames, content, seconds
