"""Clips to feature arrays, through a cache on disk that knows a clip by its content."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from edge_runtime import AudioError, Mfcc, MfccConfig, read_audio
from edge_runtime.audio.decode import check_file
from edge_runtime.features.silence import SilenceConfig, SilenceGate
from edge_runtime.messages import system_reason

from ..files import write_bytes
from .clip import Clip, DatasetError

# Raised when the numbers of the front end change, so that no cached array outlives them.
CACHE_VERSION = 1


@dataclass
class Dataset:
    """Clips with their features, and what was left out on the way."""

    clips: list[Clip]
    frames: list[np.ndarray]  # float32 (n_frames, n_mfcc) each
    seconds: list[float]
    mfcc_config: MfccConfig = field(default_factory=MfccConfig)
    noises: list[np.ndarray] = field(default_factory=list)  # features of what is no speech
    unreadable: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)  # what is said of them
    n_dropped: int = 0  # entries that are a recording once more
    # Labels that are trained on and never answered: their clips teach what voices do as well.
    auxiliary: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()  # what is worth knowing of the labels

    @property
    def labels(self) -> list[str]:
        """What is answered."""
        return sorted({clip.label for clip in self.clips} - self.auxiliary)

    @property
    def classes(self) -> list[str]:
        """What is trained on: the labels, and behind them the auxiliary ones."""
        return self.labels + sorted({clip.label for clip in self.clips} & self.auxiliary)

    def digest(self, indices: Iterable[int]) -> str:
        """What tells these clips from others, where their names do not: their speakers, corpora and
        labels, their features, and the noise that is trained on beside them."""
        found = hashlib.blake2b(digest_size=16)
        for i in indices:
            clip = self.clips[i]
            found.update(repr((clip.speaker, clip.corpus, clip.label)).encode())
            found.update(np.ascontiguousarray(self.frames[i]).data)
        for noise in self.noises:
            found.update(np.ascontiguousarray(noise).data)
        return found.hexdigest()

    def answerable(self, indices: list[int]) -> list[int]:
        """Those of these clips whose label is answered."""
        return [i for i in indices if self.clips[i].label not in self.auxiliary]


def load_dataset(
    clips: list[Clip],
    config: MfccConfig,
    cache: Path,
    silence: SilenceConfig | None = None,
    labels: set[str] | None = None,
) -> Dataset:
    """The features of all clips that can be read, each recording once, without their silence.

    Copies of a recording, by the hash of its decoded samples, are dropped: one that lies in both
    training and test would make the score a lie. Copies with different labels or speakers are all
    dropped. Of clips whose label is not in `labels` (None: all are) nothing is kept and nothing is
    said; they are read because a recording that has one of the labels may have another one there.
    Raises DatasetError if fewer than two classes remain, or if more than half of the clips
    cannot be read: then something is wrong with the paths or the disk.
    """
    extractor = Mfcc(config)
    gate = None if silence is None else SilenceGate(silence, config)
    unreadable: list[str] = []
    by_content: dict[str, list[tuple[Clip, np.ndarray, float]]] = defaultdict(list)
    wanted = {clip.label for clip in clips} if labels is None else labels
    others = [clip for clip in clips if clip.label not in wanted]
    clips = [clip for clip in clips if clip.label in wanted]
    n_listed = len(clips)
    clips, again = _listed_once(clips)
    for clip in tqdm(clips + others, desc="features", unit="clip", disable=None, leave=False):
        try:
            frames, content, seconds = _cached_frames(clip.path, extractor, cache)
            if gate is not None:
                gate.reset()
                frames = gate.push(frames, last=True)
                if not len(frames):
                    raise AudioError(f"{clip.path}: holds nothing but silence")
        except AudioError as error:
            text = str(error)
            if clip.label in wanted:
                unreadable.append(text if str(clip.path) in text else f"{clip.path}: {text}")
            continue
        by_content[content].append((clip, frames, seconds))
    dataset = Dataset([], [], [], config, [], unreadable, again)
    for copies in by_content.values():
        if wanted.isdisjoint(clip.label for clip, _, _ in copies):
            continue
        if len(copies) > 1:
            said, copies = _one_of([clip for clip, _, _ in copies]), copies[:1]
            dataset.duplicates.append(said[0])
            if said[1] is None:
                continue
            copies = [(said[1], *copies[0][1:])]
        clip, frames, seconds = copies[0]
        dataset.clips.append(clip)
        dataset.frames.append(frames)
        dataset.seconds.append(seconds)
    dataset.n_dropped = n_listed - len(unreadable) - len(dataset.clips)
    few = len(dataset.labels) < 2
    if few or len(unreadable) > len(clips) / 2:
        conflicts = [line for line in dataset.duplicates if LEFT_OUT in line]
        raise DatasetError(
            f"of {len(clips):,} clips, {len(unreadable):,} cannot be read and "
            f"{len(dataset.clips):,} remain, of {len(dataset.labels)} class"
            + (
                "; two classes are needed"
                if few
                else "es; mend the paths, or take these out of the data"
            )
            + "".join(f"; {line}" for line in (unreadable + conflicts)[:5])
        )
    return dataset


LEFT_OUT = "all left out"


def _listed_once(clips: list[Clip]) -> tuple[list[Clip], list[str]]:
    """The clips without those that are the same file once more, as when a folder and its parent
    are both given, and a line that tells their number."""
    seen: set[tuple[str, str, str]] = set()
    once: list[Clip] = []
    again: list[Clip] = []
    for clip in clips:
        key = os.path.realpath(clip.path), clip.label, _name_of_speaker(clip)
        (again if key in seen else once).append(clip)
        seen.add(key)
    if not again:
        return once, []
    more = f", and so are others: {len(again):,} entries are left out" if len(again) > 1 else ""
    return once, [f"{again[0].path}: is listed more than once and counted once{more}"]


def _one_of(copies: list[Clip]) -> tuple[str, Clip | None]:
    """What is said of clips that are one recording, and which of them is kept, if any."""
    others = ", ".join(str(clip.path) for clip in copies[1:])
    speakers = {_name_of_speaker(clip) for clip in copies} - {""}
    for what, differ in (
        ("label", len({clip.label for clip in copies}) > 1),
        ("speaker", len(speakers) > 1),
    ):
        if differ:
            text = f"the same recording has another {what} in {others}; {LEFT_OUT}"
            return f"{copies[0].path}: {text}", None
    kept = next((clip for clip in copies if clip.speaker is not None), copies[0])
    others = ", ".join(str(clip.path) for clip in copies if clip is not kept)
    where = "" if len({clip.split for clip in copies}) < 2 else f", in {kept.split or 'no split'}"
    return f"{kept.path}: the same recording as {others}; kept once{where}", kept


def _name_of_speaker(clip: Clip) -> str:
    """Without the corpus, which is called after the folder that was given."""
    return "" if clip.speaker is None else clip.speaker.partition("/")[2]


def _cached_frames(path: Path, extractor: Mfcc, cache: Path) -> tuple[np.ndarray, str, float]:
    """(frames, hash of the samples, seconds) of a file. An entry of the cache that is damaged is
    made anew. Raises AudioError for the file, EdgeSerError for a cache that cannot be written."""
    try:
        check_file(path)
        data = path.read_bytes()
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {system_reason(error)}") from error
    settings = json.dumps([CACHE_VERSION, extractor.config.to_dict()], sort_keys=True)
    key = hashlib.blake2b(data + settings.encode(), digest_size=16).hexdigest()
    entry = cache / key[:2] / f"{key}.npz"
    try:
        with np.load(entry, allow_pickle=False) as stored:
            found = stored["frames"], str(stored["content"]), float(stored["seconds"])
        if _usable(found[0], extractor.config) and len(found[1]) == 32 and found[2] > 0:
            return found
    except Exception:  # not there yet, or damaged, in whatever way: computed again
        pass
    rate = extractor.config.sample_rate
    samples = read_audio(path, rate)
    frames = extractor(samples)
    if not _usable(frames, extractor.config):
        raise AudioError(f"{path}: gives features that are NaN or infinite")
    content = hashlib.blake2b(samples.tobytes(), digest_size=16).hexdigest()
    seconds = len(samples) / rate
    file = io.BytesIO()
    np.savez(file, frames=frames, content=content, seconds=seconds)
    write_bytes(entry, file.getvalue())
    return frames, content, seconds


def _usable(frames: np.ndarray, config: MfccConfig) -> bool:
    return (
        frames.dtype == np.float32
        and frames.ndim == 2
        and len(frames) > 0
        and frames.shape[1] == config.n_mfcc
        and bool(np.isfinite(frames).all())
    )
