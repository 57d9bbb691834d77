"""Utterance detection in noise: `python -m benchmarks.listening --speech FOLDER --noise FOLDER`.

Clips follow one another, 2 s apart and equally loud, in continuous noise: each kind of noise, and
white noise, at several ratios and alone. One row per noise: how many clips `listen` finds, and how
many utterances with an emotion it reports in the noise alone.
"""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from edge_runtime import EmotionModel, read_audio
from edge_runtime.datasets.folders import audio_files
from edge_runtime.inference.prediction import NO_SPEECH
from edge_runtime.streaming.listen_events import ListenEvent
from edge_runtime.streaming.listener import Listener
from train.command import run_function

from .clips import sample_clips
from .report import Model, Out, command, publish, table

RATE = 16_000
SPEECH_RMS = 0.05  # of every clip
GAP_SAMPLES = 2 * RATE
LEAD_SAMPLES = 6 * RATE  # the listener adapts to noise that lasts 5 s
RATIOS = (20, 10, 5)  # signal-to-noise, dB
ALONE_RATIO = 10  # level of the noise alone, dB below the speech
MIN_COVERAGE = 0.3  # of a clip that counts as found: speech has gaps, and clips have silence

Interval = tuple[int, int]  # samples


def normalise(samples: np.ndarray) -> np.ndarray:
    """Scale samples to SPEECH_RMS."""
    return samples * (SPEECH_RMS / max(float(np.sqrt((samples**2).mean())), 1e-9))


def concatenate(clips: list[np.ndarray]) -> tuple[np.ndarray, list[Interval]]:
    """Return one recording of the clips between gaps of silence, and the interval of each clip."""
    pieces, intervals, end = [np.zeros(LEAD_SAMPLES, np.float32)], [], LEAD_SAMPLES
    for clip in clips:
        intervals.append((end, end + len(clip)))
        pieces += [normalise(clip).astype(np.float32), np.zeros(GAP_SAMPLES, np.float32)]
        end += len(clip) + GAP_SAMPLES
    return np.concatenate(pieces), intervals


def utterances(model: EmotionModel, samples: np.ndarray) -> list[ListenEvent]:
    """Return the utterances of a recording that are speech."""
    listener = Listener(model, RATE)
    events = listener.push(np.clip(samples, -1, 1).astype(np.float32)) + listener.flush()
    return [
        event
        for event in events
        if event.kind == "end" and event.prediction and event.prediction.label != NO_SPEECH
    ]


def count_found(events: list[ListenEvent], intervals: list[Interval]) -> int:
    """Count the intervals that utterances cover by MIN_COVERAGE or more."""
    n_found = 0
    for begin, end in intervals:
        covered = sum(
            max(0.0, min(end, event.end * RATE) - max(begin, event.start * RATE))
            for event in events
        )
        n_found += covered >= MIN_COVERAGE * (end - begin)
    return n_found


def read_noises(folders: list[Path], n_samples: int) -> dict[str, np.ndarray]:
    """Return each kind of noise, and white noise, normalised and repeated to `n_samples`."""
    recordings: dict[str, list[np.ndarray]] = defaultdict(list)
    for folder in folders:
        for file in audio_files(folder):
            samples = read_audio(file)
            if samples.any():
                recordings[file.parent.name].append(normalise(samples))
    noises = {kind: np.concatenate(pieces) for kind, pieces in sorted(recordings.items())}
    noises["white noise"] = normalise(np.random.default_rng(0).standard_normal(n_samples))
    return {kind: np.resize(noise, n_samples) for kind, noise in noises.items()}


def main(
    speech: Annotated[list[Path], typer.Option(help="Folder of labelled speech; repeatable.")],
    noise: Annotated[list[Path], typer.Option(help="Folder of noise recordings; repeatable.")],
    model: Model = None,
    clips: Annotated[int, typer.Option(help="Speech clips, drawn at random.")] = 60,
    out: Out = None,
) -> None:
    """Report how many utterances `listen` finds in noise."""
    emotion_model = EmotionModel.load(model)
    sample = sample_clips(speech, emotion_model.labels, clips, random.Random(0))
    recording, intervals = concatenate([read_audio(clip.path) for clip in sample])

    def found(samples: np.ndarray) -> int:
        return count_found(utterances(emotion_model, samples), intervals)

    rows = []
    for kind, samples in read_noises(noise, len(recording)).items():
        alone = len(utterances(emotion_model, samples * 10 ** (-ALONE_RATIO / 20)))
        counts = [found(recording + samples * 10 ** (-ratio / 20)) for ratio in RATIOS]
        rows.append([kind, *map(str, counts), str(alone)])
    header = ["noise", *(f"found at {ratio} dB" for ratio in RATIOS), "utterances in noise alone"]
    publish(
        f"""# Utterances found in noise

{command()} with {emotion_model.card.name}: {len(sample)} clips of equal level in \
{len(recording) / RATE / 60:.1f} minutes, {GAP_SAMPLES / RATE:g} s apart, in continuous noise at a \
signal-to-noise ratio. A clip is found if utterances cover {100 * MIN_COVERAGE:.0f} % of it. \
Without noise, {found(recording)} of {len(sample)} are found. The last column counts utterances \
with an emotion in the noise alone.

{table(header, rows)}
""",
        out,
    )


if __name__ == "__main__":
    run_function(main)
