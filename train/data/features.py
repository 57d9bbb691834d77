"""Features of the clips of a dataset, through a cache on disk that is keyed by content."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from edge_runtime import AudioError, Mfcc, MfccConfig, read_audio
from edge_runtime.audio.decode import check_regular_file
from edge_runtime.audio.level import peak_dbfs
from edge_runtime.datasets.clip import Clip, DatasetError
from edge_runtime.features.silence import SilenceConfig, SilenceGate
from edge_runtime.messages import system_reason

from ..files import write_bytes
from .clip_statistics import StatisticsFrontEnd
from .degradation import channel_of, degraded

# Increment when the front end computes other values, to invalidate cached arrays.
CACHE_VERSION = 2
# Increment when compressed files are decoded to other samples; WAV keeps its cached arrays.
DECODER_VERSION = 2
# Increment when the statistics of clips are computed in another way.
STATISTICS_VERSION = 1


@dataclass
class Dataset:
    """Clips with their features, and a record of what was left out.

    Attributes:
        clips: The clips.
        frames: MFCC of each clip without silent frames, float32 `(n_frames, n_mfcc)`.
        seconds: Duration of each clip.
        mfcc_config: The front end that computed them.
        noises: MFCC of recordings without speech, as `frames`, for augmentation.
        rows: Rows of the front end of each clip, silent frames included, for the speech gate:
            float32 `(n_frames, width)`, with voice descriptors if there are statistics.
        unreadable: Errors of the clips that could not be read.
        duplicates: Notes on recordings that occur more than once.
        n_dropped: Number of clips that were dropped as duplicates.
        auxiliary: Labels that are trained on but never predicted.
        notes: Notes on labels and speakers.
        peak_dbfs: Level of the loudest 30 ms of each clip in dBFS; empty if not measured.
        statistics: Statistics of each clip with its pauses, float32 `(n_clips, n_statistics)`, NaN
            where they are undefined; None if not computed.
        statistic_names: Their names.
        degraded: Statistics of degraded copies of each clip (`data.degradation`), float32
            `(n_clips, n_copies, n_statistics)`; None if not computed.
    """

    clips: list[Clip]
    frames: list[np.ndarray]
    seconds: list[float]
    mfcc_config: MfccConfig = field(default_factory=MfccConfig)
    noises: list[np.ndarray] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    n_dropped: int = 0
    auxiliary: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    peak_dbfs: list[float] = field(default_factory=list)
    statistics: np.ndarray | None = None
    statistic_names: tuple[str, ...] = ()
    degraded: np.ndarray | None = None
    rows: list[np.ndarray] = field(default_factory=list)

    @property
    def labels(self) -> list[str]:
        """Labels that the network predicts, sorted."""
        return sorted({clip.label for clip in self.clips} - self.auxiliary)

    @property
    def classes(self) -> list[str]:
        """Labels that the network is trained on: `labels`, then the auxiliary ones."""
        return self.labels + sorted({clip.label for clip in self.clips} & self.auxiliary)

    def digest(self, indices: Iterable[int]) -> str:
        """Return a hash of clips: their speakers, corpora, labels and features, and the noises."""
        digest = hashlib.blake2b(digest_size=16)
        for i in indices:
            clip = self.clips[i]
            digest.update(repr((clip.speaker, clip.corpus, clip.label)).encode())
            digest.update(np.ascontiguousarray(self.frames[i]).data)
            if self.statistics is not None:
                digest.update(np.ascontiguousarray(self.statistics[i]).data)
        for noise in self.noises:
            digest.update(np.ascontiguousarray(noise).data)
        return digest.hexdigest()

    def answerable(self, indices: list[int]) -> list[int]:
        """Return the indices of the clips whose label the network predicts."""
        return [i for i in indices if self.clips[i].label not in self.auxiliary]


LEFT_OUT = "all left out"  # in the note on a conflict
MAX_LISTED_PROBLEMS = 5  # in an error


def load_dataset(
    clips: list[Clip],
    config: MfccConfig,
    cache: Path,
    silence: SilenceConfig | None = None,
    labels: set[str] | None = None,
    with_statistics: bool = False,
    n_copies: int = 0,
) -> Dataset:
    """Compute the features of all readable clips, without silence and without duplicates.

    Duplicates are found by the hash of their samples: a recording in both training and test would
    falsify the score. All copies are dropped if their labels or speakers differ.

    Args:
        clips: The clips.
        config: The front end.
        cache: Folder of cached features.
        silence: Parameters of the silence gate. Default: keep silent frames.
        labels: Labels to keep. Default: all. The other clips are read nevertheless, to find
            recordings that also occur with another label, but are not reported.
        with_statistics: Compute the statistics of the clips as well.
        n_copies: Number of degraded copies of each clip to compute the statistics of.

    Raises:
        DatasetError: If fewer than two classes remain, or more than half of the clips cannot be
            read: then the paths or the disk are probably at fault.
    """
    extractor = Mfcc(config)
    statistics = StatisticsFrontEnd(config) if with_statistics else None
    gate = None if silence is None else SilenceGate(silence, config)
    unreadable: list[str] = []
    by_content: dict[str, list[tuple[Clip, ClipFeatures, np.ndarray]]] = defaultdict(list)
    kept_labels = {clip.label for clip in clips} if labels is None else labels
    others = [clip for clip in clips if clip.label not in kept_labels]
    clips = [clip for clip in clips if clip.label in kept_labels]
    n_listed = len(clips)
    clips, notes = _without_repeated_files(clips)
    for clip in tqdm(clips + others, desc="features", unit="clip", disable=None, leave=False):
        try:
            channels = tuple(f"{clip.speaker or clip.path.name}/{k}" for k in range(n_copies))
            features = cached_features(clip.path, extractor, cache, statistics, channels)
            frames = features.rows[:, : config.n_mfcc]
            if gate is not None:
                gate.reset()
                frames = gate.push(frames, last=True)
                if not len(frames):
                    raise AudioError(f"{clip.path}: contains only silence")
        except AudioError as error:
            message = str(error)
            if clip.label in kept_labels:
                named = str(clip.path) in message
                unreadable.append(message if named else f"{clip.path}: {message}")
            continue
        by_content[features.content].append((clip, features, frames))
    dataset = Dataset([], [], [], config, [], unreadable, notes)
    rows: list[np.ndarray] = []
    degraded_rows: list[np.ndarray] = []
    for copies in by_content.values():
        if kept_labels.isdisjoint(clip.label for clip, _, _ in copies):
            continue
        clip, features, frames = copies[0]
        if len(copies) > 1:
            note, kept = _resolve_duplicates([clip for clip, _, _ in copies])
            dataset.duplicates.append(note)
            if kept is None:
                continue
            clip = kept
        dataset.clips.append(clip)
        dataset.frames.append(np.ascontiguousarray(frames))
        dataset.rows.append(features.rows)
        dataset.seconds.append(features.seconds)
        dataset.peak_dbfs.append(features.peak_dbfs)
        if features.statistics is not None:
            rows.append(features.statistics)
        if features.degraded is not None:
            degraded_rows.append(features.degraded)
    if statistics is not None and rows:
        dataset.statistics, dataset.statistic_names = np.stack(rows), statistics.names
        dataset.degraded = np.stack(degraded_rows) if degraded_rows else None
    dataset.n_dropped = n_listed - len(unreadable) - len(dataset.clips)
    _check_usable(dataset, len(clips))
    return dataset


def _check_usable(dataset: Dataset, n_clips: int) -> None:
    """Raise DatasetError if too few classes or too few of `n_clips` clips remain."""
    too_few = len(dataset.labels) < 2
    if not too_few and len(dataset.unreadable) <= n_clips / 2:
        return
    conflicts = [line for line in dataset.duplicates if LEFT_OUT in line]
    raise DatasetError(
        f"{n_clips:,} clips: {len(dataset.unreadable):,} cannot be read, "
        f"{len(dataset.clips):,} remain, in {len(dataset.labels)} class"
        + (
            "; at least two classes are required"
            if too_few
            else "es; correct the paths, or remove the unreadable clips from the data"
        )
        + "".join(f"; {line}" for line in (dataset.unreadable + conflicts)[:MAX_LISTED_PROBLEMS])
    )


def _without_repeated_files(clips: list[Clip]) -> tuple[list[Clip], list[str]]:
    """Drop files that are listed again, as when a folder and its parent are both given.

    Returns:
        The other clips, and a note if there were any.
    """
    seen: set[tuple[str, str, str]] = set()
    unique: list[Clip] = []
    repeated: list[Clip] = []
    for clip in clips:
        key = os.path.realpath(clip.path), clip.label, _speaker_name(clip)
        (repeated if key in seen else unique).append(clip)
        seen.add(key)
    if not repeated:
        return unique, []
    more = f", and so are others: {len(repeated):,} entries left out" if len(repeated) > 1 else ""
    return unique, [f"{repeated[0].path}: is listed more than once and counted once{more}"]


def _resolve_duplicates(copies: list[Clip]) -> tuple[str, Clip | None]:
    """Return a note on clips that are the same recording, and the clip to keep, if any."""
    others = ", ".join(str(clip.path) for clip in copies[1:])
    speakers = {_speaker_name(clip) for clip in copies} - {""}
    for attribute, differs in (
        ("label", len({clip.label for clip in copies}) > 1),
        ("speaker", len(speakers) > 1),
    ):
        if differs:
            note = f"the same recording has another {attribute} in {others}; {LEFT_OUT}"
            return f"{copies[0].path}: {note}", None
    kept = next((clip for clip in copies if clip.speaker is not None), copies[0])
    others = ", ".join(str(clip.path) for clip in copies if clip is not kept)
    where = "" if len({clip.split for clip in copies}) < 2 else f", in {kept.split or 'no split'}"
    return f"{kept.path}: the same recording as {others}; kept once{where}", kept


def _speaker_name(clip: Clip) -> str:
    """Return the speaker without the corpus, which depends on the name of the root."""
    return "" if clip.speaker is None else clip.speaker.partition("/")[2]


class ClipFeatures(NamedTuple):
    """Features of an audio file.

    Attributes:
        rows: MFCC, and voice descriptors if there are statistics, float32 `(n_frames, width)`.
        content: A hash of the samples.
        seconds: Duration.
        peak_dbfs: Level of the loudest 30 ms in dBFS; -inf for digital silence.
        statistics: Statistics of the clip, float32 `(n_statistics,)`, NaN where they are undefined;
            None if they are not required.
        degraded: Those of degraded copies, float32 `(n_copies, n_statistics)`, or None.
    """

    rows: np.ndarray
    content: str
    seconds: float
    peak_dbfs: float
    statistics: np.ndarray | None = None
    degraded: np.ndarray | None = None


def cached_features(
    path: Path,
    extractor: Mfcc,
    cache: Path,
    statistics: StatisticsFrontEnd | None = None,
    channels: tuple[str, ...] = (),
) -> ClipFeatures:
    """Return the features of a file from the cache, or compute and store them.

    A damaged cache entry is computed again.

    Args:
        path: The file.
        extractor: Computes the MFCC.
        cache: Folder of cached features.
        statistics: Computes the MFCC together with the statistics. Default: no statistics.
        channels: Name of the channel of each degraded copy to compute statistics of; see
            `degradation.channel_of`.

    Raises:
        AudioError: If the file cannot be used.
        EdgeSerError: If the cache cannot be written.
    """
    try:
        check_regular_file(path)
        data = path.read_bytes()
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {system_reason(error)}") from error
    versions = [CACHE_VERSION] if data[:4] == b"RIFF" else [CACHE_VERSION, DECODER_VERSION]
    settings_list: list[Any] = [*versions, extractor.config.to_dict()]
    if statistics is not None:
        settings_list += [STATISTICS_VERSION, statistics.names, *channels]
    settings = json.dumps(settings_list, sort_keys=True)
    key = hashlib.blake2b(data + settings.encode(), digest_size=16).hexdigest()
    entry = cache / key[:2] / f"{key}.npz"
    try:
        with np.load(entry, allow_pickle=False) as stored:
            features = ClipFeatures(
                stored["rows"],
                str(stored["content"]),
                float(stored["seconds"]),
                float(stored["peak_dbfs"]),
                None if statistics is None else stored["statistics"],
                stored["degraded"] if channels else None,
            )
        if _is_valid(features, extractor.config, statistics):
            return features
    except Exception:  # missing, or damaged in any way: computed again
        pass
    rate = extractor.config.sample_rate
    samples = read_audio(path, rate)
    content = hashlib.blake2b(samples.tobytes(), digest_size=16).hexdigest()
    rows, values = (extractor(samples), None) if statistics is None else statistics(samples)
    copies = None
    if statistics is not None and channels:
        copies = _statistics_of_copies(samples, statistics, channels, int(content[:8], 16))
    features = ClipFeatures(
        rows, content, len(samples) / rate, peak_dbfs(samples, rate), values, copies
    )
    if not _is_valid(features, extractor.config, statistics):
        raise AudioError(f"{path}: yields non-finite features")
    file = io.BytesIO()
    stored_values = {name: v for name, v in features._asdict().items() if v is not None}
    np.savez(file, **stored_values)
    write_bytes(entry, file.getvalue())
    return features


def _statistics_of_copies(
    samples: np.ndarray, statistics: StatisticsFrontEnd, channels: tuple[str, ...], seed: int
) -> np.ndarray:
    """Return the statistics of a clip through channels, `(n_channels, n_statistics)`."""
    rate = statistics.sample_rate
    copies = [degraded(samples, rate, channel_of(name), seed) for name in channels]
    return np.stack([statistics(copy)[1] for copy in copies])


def _is_valid(
    features: ClipFeatures, config: MfccConfig, statistics: StatisticsFrontEnd | None
) -> bool:
    rows, values = features.rows, features.statistics
    if statistics is not None and (
        values is None
        or values.dtype != np.float32
        or values.shape != (len(statistics.names),)
        or np.isinf(values).any()
    ):
        return False
    return (
        rows.dtype == np.float32
        and rows.ndim == 2
        and len(rows) > 0
        and rows.shape[1] == (config.n_mfcc if statistics is None else statistics.width)
        and bool(np.isfinite(rows).all())
        and len(features.content) == 32
        and features.seconds > 0
        and not np.isnan(features.peak_dbfs)
    )
