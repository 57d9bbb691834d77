"""Errors of the "no speech" decision: `python -m benchmarks.speech_gate --speech DIR --noise DIR`.

Reports the share of noise recordings that get an emotion (false alarms), and of speech clips that
get "no speech" (misses), alone and with the noise added at several ratios. Results on
noise of the training data do not carry over to other noise; pass `--unheard` for such.

reports/speech-gate-unheard-1.md and -2.md are of models that were trained with half of the kinds of
noise and tested with the other half. The first was made with, in the folder of the corpora:

    python -m train fit --data emodb --data ravdess --data tess --data nemo --noise noise/chainsaw
        --noise noise/dog_bark --noise noise/fire_crackling --noise noise/rain --auxiliary all
        --labels angry,happy,neutral,sad --recipe corpora --set frame_stack=2 --epochs 20 --inner 1
        --run runs/unheard-1
    python -m export onnx --run runs/unheard-1 --name "a model of half of the noise"

and then the command in the report.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from edge_runtime import EmotionModel, read_audio
from edge_runtime.datasets.folders import audio_files
from edge_runtime.inference.prediction import NO_SPEECH
from train.command import run_function

from .clips import sample_clips
from .report import Model, Out, command, publish, table

RATIOS = (20, 10, 5)  # signal-to-noise, dB


def mix(speech: np.ndarray, noise: np.ndarray, ratio: float) -> np.ndarray:
    """Add noise to speech at a signal-to-noise ratio in dB; float32 in [-1, 1]."""
    noise = np.resize(noise, len(speech))
    gain = np.sqrt((speech**2).mean() / max(float((noise**2).mean()), 1e-12))
    mixture = speech + noise * gain * 10 ** (-ratio / 20)
    return (mixture / max(1.0, np.abs(mixture).max())).astype(np.float32)


def main(
    speech: Annotated[list[Path], typer.Option(help="Folder of labelled speech; repeatable.")],
    noise: Annotated[list[Path], typer.Option(help="Folder of noise recordings; repeatable.")],
    unheard: Annotated[
        bool, typer.Option("--unheard", help="The model was not trained on this noise.")
    ] = False,
    model: Model = None,
    clips: Annotated[int, typer.Option(help="Speech clips, drawn at random.")] = 400,
    out: Out = None,
) -> None:
    """Report false alarms in noise and missed speech."""
    emotion_model = EmotionModel.load(model)
    rng = random.Random(0)

    def no_speech(samples: np.ndarray) -> bool:
        return emotion_model.classify(samples).label == NO_SPEECH

    files = [file for folder in noise for file in audio_files(folder)]
    noises = [read_audio(file) for file in files]
    alarms: dict[str, list[bool]] = defaultdict(list)
    for file, samples in zip(files, noises):
        alarms[file.parent.name].append(not no_speech(samples))
    n_alarms = sum(map(sum, alarms.values()))

    sample = sample_clips(speech, emotion_model.labels, clips, rng)
    missed: dict[str, Counter[str]] = defaultdict(Counter)
    for clip in sample:
        samples = read_audio(clip.path)
        background = rng.choice(noises)
        missed["alone"][clip.corpus] += no_speech(samples)
        for ratio in RATIOS:
            missed[f"SNR {ratio} dB"][clip.corpus] += no_speech(mix(samples, background, ratio))

    kinds = ([kind, str(len(v)), str(sum(v))] for kind, v in sorted(alarms.items()))
    rows = (
        [
            name,
            str(len(sample)),
            f"{100 * sum(counts.values()) / len(sample):.1f}",
            ", ".join(f"{corpus} {count}" for corpus, count in sorted(counts.items()) if count),
        ]
        for name, counts in missed.items()
    )
    training_noise = "other noise recordings" if unheard else "these noise recordings"
    publish(
        f"""# Speech detection errors

{command()} with {emotion_model.card.name}. The model was trained on {training_noise}, on \
synthesised noise and on some of these speakers.

{n_alarms} of {len(noises)} noise recordings ({100 * n_alarms / len(noises):.1f} %) get an emotion:

{table(["noise", "recordings", "with an emotion"], kinds)}

Speech classified as "no speech":

{table(["speech", "clips", "missed %", "missed clips by corpus"], rows, "lrrl")}
""",
        out,
    )


if __name__ == "__main__":
    run_function(main)
