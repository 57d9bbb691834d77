"""A speech gate for the clips of a dataset: examples, training, threshold, scores."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_runtime import read_audio
from edge_runtime.datasets.clip import Clip
from edge_runtime.features.front_end import FrontEnd
from edge_runtime.inference.speech_gate import min_speech_frames

from ..data.features import Dataset
from ..speech_gate import choose_speech_threshold, is_no_speech
from .config import GateConfig
from .evaluation import gate_scores, held_out_kinds
from .examples import ExampleMaker, GateExample, group_of
from .labels import SpeechLabels
from .noises import all_noises
from .training import MIN_SPEECH, TrainedGate, clip_speech, train_gate

# Examples per clip, at least `MIN_EXAMPLES` and at most `GateConfig.gate_examples` in all.
EXAMPLES_PER_CLIP = 5
MIN_EXAMPLES = 1000

VALIDATION_SHARE = 8  # one group of so many is held out, to choose the threshold on
CLIPS_IN_MEMORY = 20_000  # in half precision: about 80 kB each
LOG_INTERVAL = 500  # examples

Log = Callable[[str], None]


def no_log(line: str) -> None:
    """Ignore a line about the progress."""


class GateData:
    """The recordings that gates are trained and tested on.

    Args:
        data: The dataset.
        noise: Folders of recordings without speech.
        cache: Folder of cached speech labels.
    """

    def __init__(self, data: Dataset, noise: Sequence[Path], cache: Path) -> None:
        self._data = data
        self._rate = data.mfcc_config.sample_rate
        self._front_end = FrontEnd(data.mfcc_config, data.statistics is not None)
        self._labels = SpeechLabels(cache)
        self._noises = all_noises(noise, self._rate)
        self._stored = functools.lru_cache(maxsize=CLIPS_IN_MEMORY)(self._read_file)

    def examples(
        self, clips: Sequence[int], config: GateConfig, seed: int, log: Log = no_log
    ) -> list[GateExample]:
        """Make the training examples of clips.

        Args:
            clips: Indices of the clips.
            config: The settings.
            seed: Seed of all random choices.
            log: Receives lines about the progress.
        """
        count = min(config.gate_examples, max(MIN_EXAMPLES, EXAMPLES_PER_CLIP * len(clips)))
        selected = [self._data.clips[i] for i in clips]
        maker = ExampleMaker(selected, self._read, self._noises, self._front_end)
        examples = []
        for example in maker.examples(count, seed):
            examples.append(example)
            if len(examples) % LOG_INTERVAL == 0:
                log(f"Speech gate: example {len(examples):,} of {count:,}")
        return examples

    def fit(
        self,
        clips: Sequence[int],
        test: Sequence[int],
        examples: Sequence[GateExample],
        config: GateConfig,
        seed: int,
        log: Log = no_log,
    ) -> TrainedGate:
        """Train a gate, choose its threshold and score it.

        An eighth of the speakers is held out for the threshold, if there are enough of them. If
        kinds of noise are held out (`evaluation.held_out_kinds`), the scores are those of a second
        gate that is trained without them.

        Args:
            clips: Indices of the training clips.
            test: Indices of the test clips.
            examples: Examples of the training clips.
            config: The settings.
            seed: Seed of the weights.
            log: Receives lines about the progress.
        """
        kinds = held_out_kinds(self._noises)
        gate = tested = self._train(clips, examples, config, seed, log)
        if kinds:
            known = [example for example in examples if example.noise not in kinds]
            tested = self._train(clips, known, config, seed, log)
        scores = gate_scores(
            tested,
            [self._data.clips[i] for i in test],
            self._read,
            [noise for noise in self._noises if noise.kind in kinds],
            self._front_end,
            seed,
        )
        return replace(gate, scores=scores)

    def _train(
        self,
        clips: Sequence[int],
        examples: Sequence[GateExample],
        config: GateConfig,
        seed: int,
        log: Log,
    ) -> TrainedGate:
        data = self._data
        groups = sorted({group_of(data.clips[i]) for i in clips})
        held_out: set[str] = set()
        if len(groups) >= VALIDATION_SHARE:
            order = np.random.default_rng(seed).permutation(groups)
            held_out = set(order[::VALIDATION_SHARE].tolist())
        train = [example for example in examples if example.group not in held_out]
        network = train_gate(train, config, seed, log)
        min_frames = min_speech_frames(MIN_SPEECH, data.mfcc_config.frame_period)
        speech = clip_speech(network, [data.rows[i] for i in clips], min_frames)
        is_validation = np.array([group_of(data.clips[i]) in held_out for i in clips])
        threshold = choose_speech_threshold(
            speech[is_validation], speech, [data.clips[i].label for i in clips]
        )
        return TrainedGate(network, threshold, MIN_SPEECH)

    def _read(self, clip: Clip) -> tuple[np.ndarray, np.ndarray]:
        samples, speech = self._stored(clip.path)
        return samples.astype(np.float32), speech

    def _read_file(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        samples = read_audio(path, self._rate)
        return samples.astype(np.float16), self._labels(samples, self._rate)


def rejected_clips(gate: TrainedGate | None, data: Dataset) -> np.ndarray:
    """Return which clips of a dataset are answered with "no speech", bool `(n_clips,)`.

    Args:
        gate: The gate. None: only clips without sound are.
        data: The dataset.
    """
    if gate is None:
        return is_no_speech(np.ones(len(data.clips)), data.peak_dbfs, 0.0)
    min_frames = min_speech_frames(gate.min_speech, data.mfcc_config.frame_period)
    speech = clip_speech(gate.network, data.rows, min_frames)
    return is_no_speech(speech, data.peak_dbfs, gate.speech_above)
