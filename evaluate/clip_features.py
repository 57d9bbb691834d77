"""Statistics of whole clips for linear baselines, cached per corpus.

Clips are scaled to one speech level first: the gain of a microphone is not part of an emotion, and
the absolute thresholds of openSMILE then mean the same in every corpus.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge_runtime import EmotionModel, read_audio
from edge_runtime.files import atomic_replace
from edge_runtime.inference.prediction import NO_SPEECH
from edge_runtime.model import BUNDLED_MODEL
from train.process_pool import map_in_processes

_LOGGER = logging.getLogger(__name__)

SAMPLE_RATE = 16_000
SPEECH_LEVEL = -26.0  # dBFS, RMS of the speech; ITU-T P.56 uses the same for telephony
SPEECH_RANGE = 40.0  # dB below the loudest 20 ms that still count as speech
CLIPS_PER_TASK = 40
# Versions of the statistics; a new one invalidates their cache.
VERSIONS = {"egemaps": 1, "own": 2, "bundled": 1}


def at_speech_level(samples: np.ndarray) -> np.ndarray:
    """Scale a clip so that the RMS of its speech is `SPEECH_LEVEL`.

    Args:
        samples: float32 `(n_samples,)`, at `SAMPLE_RATE`.

    Returns:
        The scaled samples, float32; silence is returned unchanged.
    """
    frame = SAMPLE_RATE // 50
    whole = samples[: len(samples) // frame * frame].reshape(-1, frame)
    power = (whole.astype(np.float64) ** 2).mean(axis=1)
    if not power.any():
        return samples
    rms = np.sqrt(power[power > power.max() * 10 ** (-SPEECH_RANGE / 10)].mean())
    return np.asarray(samples * (10 ** (SPEECH_LEVEL / 20) / rms), np.float32)


def has_opensmile() -> bool:
    """Return True if openSMILE's Python package is installed."""
    return importlib.util.find_spec("opensmile") is not None


@functools.cache
def _egemaps() -> Callable[[np.ndarray], tuple[np.ndarray, tuple[str, ...]]]:
    import opensmile

    smile = opensmile.Smile(
        opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals, num_workers=1
    )
    names = tuple(smile.feature_names)
    return lambda samples: (smile.process_signal(samples, SAMPLE_RATE).to_numpy()[0], names)


def egemaps(samples: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Compute openSMILE's eGeMAPSv02 functionals of a clip.

    Eyben et al. 2016, https://doi.org/10.1109/TAFFC.2015.2457417

    Returns:
        The 88 values and their names.
    """
    return _egemaps()(samples)


@functools.cache
def _extractors() -> tuple[Callable[[np.ndarray], np.ndarray], ...]:
    from edge_runtime import Mfcc
    from edge_runtime.features.descriptor_config import DescriptorConfig
    from edge_runtime.features.descriptors import Descriptors
    from train.recipes import DEFAULT_RECIPE

    config = DEFAULT_RECIPE.mfcc_config
    return Mfcc(config), Descriptors(DescriptorConfig.from_mfcc(config))


def own(samples: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Compute the functionals of our voice descriptors and of our MFCC.

    Returns:
        The values and their names; see `edge_runtime.features.functionals`.
    """
    from edge_runtime.features.functionals import functionals

    mfcc, descriptors = _extractors()
    return functionals(descriptors(samples), mfcc(samples))


@functools.cache
def _bundled_model() -> EmotionModel:
    return EmotionModel.load()


def bundled(samples: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Classify a clip with the bundled model.

    Returns:
        The probability of each label, and 1 for speech or 0 for "no speech"; and their names.
    """
    model = _bundled_model()
    prediction = model.classify(samples, SAMPLE_RATE, threshold=0)
    is_speech = float(prediction.label != NO_SPEECH)
    return np.array([*prediction.probabilities.values(), is_speech]), (*model.labels, "speech")


SETS = {
    "egemaps": lambda samples: egemaps(at_speech_level(samples)),
    "own": lambda samples: own(at_speech_level(samples)),
    "bundled": bundled,  # has a level normalisation of its own
}


class CorpusFeatures(NamedTuple):
    """The statistics of the clips of a corpus.

    Attributes:
        values: Statistics `(n_clips, n_statistics)`.
        names: Their names.
        seconds: Durations `(n_clips,)`.
    """

    values: np.ndarray
    names: tuple[str, ...]
    seconds: np.ndarray


def clip_features(
    kind: str, corpus: str, paths: Sequence[Path], cache: Path, jobs: int
) -> CorpusFeatures:
    """Return the statistics of the clips of a corpus, from the cache if they are there.

    Args:
        kind: A key of `SETS`.
        corpus: Name of the corpus, for the log and the cache.
        paths: The clips.
        cache: Folder of the cache.
        jobs: Processes; 0: one per core.
    """
    entries = [
        f"{path.resolve()} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in paths
    ]
    if kind == "bundled":
        entries.append(hashlib.sha256(BUNDLED_MODEL.read_bytes()).hexdigest())
    key = hashlib.sha256("\n".join([kind, str(VERSIONS[kind]), *entries]).encode()).hexdigest()[:16]
    file = cache / f"strangers-{kind}-{corpus}-{key}.npz"
    if not file.exists():
        tasks = [
            (kind, start, paths[start : start + CLIPS_PER_TASK])
            for start in range(0, len(paths), CLIPS_PER_TASK)
        ]
        values, names, seconds = _extracted(tasks, corpus, len(paths), jobs)
        cache.mkdir(parents=True, exist_ok=True)
        with atomic_replace(file) as temporary, open(temporary, "wb") as out:
            np.savez(out, values=values, names=np.array(names), seconds=seconds)
    with np.load(file) as stored:
        names = tuple(map(str, stored["names"]))
        return CorpusFeatures(stored["values"], names, stored["seconds"])


Task = tuple[str, int, Sequence[Path]]


def _extracted(
    tasks: list[Task], corpus: str, n_clips: int, jobs: int
) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """Compute the statistics of all clips in worker processes, with a line about the progress."""
    parts: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    names: tuple[str, ...] = ()
    begin, done = time.monotonic(), 0
    for start, values, new_names, seconds in map_in_processes(extract, tasks, jobs):
        parts[start], names = (values, seconds), new_names
        done += len(values)
        left = (time.monotonic() - begin) / done * (n_clips - done)
        _LOGGER.info(
            "%s, %s: %d of %d clips, %.1f min left", tasks[0][0], corpus, done, n_clips, left / 60
        )
    ordered = [parts[start] for start in sorted(parts)]
    return (
        np.concatenate([values for values, _ in ordered]),
        names,
        np.concatenate([seconds for _, seconds in ordered]),
    )


def extract(task: Task) -> tuple[int, np.ndarray, tuple[str, ...], np.ndarray]:
    """Compute the statistics of some clips.

    Args:
        task: A key of `SETS`, the index of the first clip, and the paths of the clips.

    Returns:
        The index, values `(n_clips, n_statistics)`, their names, and durations in seconds.
    """
    kind, start, paths = task
    rows, seconds = [], []
    names: tuple[str, ...] = ()
    for path in paths:
        samples = read_audio(path)
        values, names = SETS[kind](samples)
        rows.append(values)
        seconds.append(len(samples) / SAMPLE_RATE)
    return start, np.array(rows, np.float64), names, np.array(seconds)
