"""Scores of a speech gate on speakers and kinds of noise that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edge_runtime.datasets.clip import Clip
from edge_runtime.features.front_end import FrontEnd
from edge_runtime.inference.speech_gate import min_speech_frames

from ..speech_gate import losses_by
from .examples import SYNTHETIC, Noise, mixed
from .labels import by_sample
from .noise_variety import piece_of
from .training import TrainedGate, frame_speech

RATIOS_DB = (20, 10, 5)  # of speech over noise
MAX_CLIPS = 400  # of the test clips, drawn at random
PIECE_SECONDS = 5.0  # of the pieces of noise alone
HELD_OUT_SHARE = 4  # every so manyth kind of recorded noise is left out of the training
ALONE = "alone"


def held_out_kinds(noises: Sequence[Noise]) -> set[str]:
    """Return the kinds of recorded noise to leave out of the training; none of fewer than four."""
    kinds = sorted({noise.kind for noise in noises} - {SYNTHETIC})
    return set(kinds[HELD_OUT_SHARE - 1 :: HELD_OUT_SHARE])


def gate_scores(
    gate: TrainedGate,
    clips: Sequence[Clip],
    read: Callable[[Clip], tuple[np.ndarray, np.ndarray]],
    noises: Sequence[Noise],
    front_end: FrontEnd,
    seed: int,
) -> dict[str, Any]:
    """Score a gate.

    Args:
        gate: The gate.
        clips: Clips of speakers that it was not trained on.
        read: See `ExampleMaker`.
        noises: Noises of kinds that it was not trained on.
        front_end: The front end.
        seed: Seed of the draws.

    Returns:
        Plain values: `lost`, the numbers of clips and of clips without speech by corpus for the
        clips alone and at each ratio to the noise, in dB; `lost_by_label`, those of the clips
        alone; `noise`, the numbers of recordings of noise and of those with speech, by kind; and
        `agreement`, the share of the frames of the clips alone that are decided as by Silero VAD.
    """
    rng = np.random.default_rng([seed, 30])
    drawn = [clips[i] for i in np.sort(rng.permutation(len(clips))[:MAX_CLIPS])]
    min_frames = min_speech_frames(gate.min_speech, front_end.config.frame_period)

    def is_lost(samples: np.ndarray) -> tuple[bool, np.ndarray]:
        (speech,) = frame_speech(gate.network, [front_end(samples)])
        return bool((speech >= gate.speech_above).sum() < min(min_frames, len(speech))), speech

    lost: dict[str, list[bool]] = {
        condition: [] for condition in (ALONE, *map(str, RATIOS_DB if noises else ()))
    }
    n_equal = n_frames = 0
    for clip in drawn:
        samples, probabilities = read(clip)
        alone, speech = is_lost(samples)
        lost[ALONE].append(alone)
        labels = by_sample(probabilities, len(samples), front_end.config.sample_rate)
        middles = np.arange(len(speech)) * front_end.config.hop_length
        expected = labels[np.minimum(middles, len(labels) - 1)] >= 0.5
        n_equal += int(((speech >= gate.speech_above) == expected).sum())
        n_frames += len(speech)
        if noises:
            noise = noises[int(rng.integers(len(noises)))].samples(rng)
            noise = piece_of(noise, len(samples), rng)
            for ratio in RATIOS_DB:
                lost[str(ratio)].append(is_lost(mixed(samples, labels >= 0.5, noise, ratio))[0])
    n_samples = int(PIECE_SECONDS * front_end.config.sample_rate)
    passed = [not is_lost(noise.samples(rng)[:n_samples])[0] for noise in noises]
    return {
        "lost": {
            condition: losses_by([clip.corpus for clip in drawn], np.array(values, bool))
            for condition, values in lost.items()
        },
        "lost_by_label": losses_by([clip.label for clip in drawn], np.array(lost[ALONE], bool)),
        "noise": {
            kind: {"recordings": counts["clips"], "passed": counts["lost"]}
            for kind, counts in losses_by(
                [noise.kind for noise in noises], np.array(passed, bool)
            ).items()
        },
        "agreement": n_equal / max(1, n_frames),
    }
