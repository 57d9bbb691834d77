"""`python -m benchmarks.speech_gate --speech FOLDER --noise FOLDER`: who is told "no speech"?

The share of noise recordings that get an emotion, and of speech clips that do not, alone and with
the noise added at several ratios. Noise that a model was trained on says little about other noise:
`--unheard` is for such, and the table says which it was.

reports/speech-gate-unheard-1.md and -2.md are of models that were trained with half of the kinds
of noise and tested with the other half. The first, with the folders of the corpora:

    python -m train fit --data emodb --data ravdess --data tess --data nemo --noise noise/chainsaw
        --noise noise/dog_bark --noise noise/fire_crackling --noise noise/rain --auxiliary all
        --labels angry,happy,neutral,sad --recipe corpora --set frame_stack=2 --epochs 20 --inner 1
        --run runs/unheard-1
    python -m export onnx --run runs/unheard-1 --name "a model of half of the noise"

and then the command that the report tells.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from edge_runtime import EmotionModel, read_audio
from edge_runtime.inference.prediction import NO_SPEECH
from train.data.folders import audio_files
from train.files import write_text

from .clips import drawn
from .command import command


def mixed(speech: np.ndarray, noise: np.ndarray, decibels: float) -> np.ndarray:
    """Speech with noise `decibels` below its mean power, float32, within [-1, 1]."""
    noise = np.resize(noise, len(speech))
    ratio = np.sqrt((speech**2).mean() / max(float((noise**2).mean()), 1e-12))
    both = speech + noise * ratio * 10 ** (-decibels / 20)
    return (both / max(1.0, np.abs(both).max())).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speech", type=Path, action="append", required=True)
    parser.add_argument("--noise", type=Path, action="append", required=True)
    parser.add_argument(
        "--unheard", action="store_true", help="the model was not trained on this noise"
    )
    parser.add_argument("--model", type=Path, help="an .onnx model [default: the bundled one]")
    parser.add_argument("--clips", type=int, default=400, help="speech clips, drawn at random")
    parser.add_argument("--out", type=Path, default=Path("reports/speech-gate.md"))
    options = parser.parse_args()
    model = EmotionModel.load(options.model)
    rng = random.Random(0)

    def silent(samples: np.ndarray) -> bool:
        return model.classify(samples).label == NO_SPEECH

    files = [file for folder in options.noise for file in audio_files(folder)]
    noises = [read_audio(file) for file in files]
    heard: dict[str, list[bool]] = defaultdict(list)
    for file, samples in zip(files, noises):
        heard[file.parent.name].append(not silent(samples))
    kinds = "\n".join(f"| {kind} | {len(v)} | {sum(v)} |" for kind, v in sorted(heard.items()))
    wrong = sum(map(sum, heard.values()))

    clips = drawn(options.speech, model.labels, options.clips, rng)
    lost: dict[str, Counter[str]] = defaultdict(Counter)
    for clip in clips:
        samples = read_audio(clip.path)
        noise = rng.choice(noises)
        lost["alone"][clip.corpus] += silent(samples)
        for ratio in (20, 10, 5):
            lost[f"in noise, {ratio} dB"][clip.corpus] += silent(mixed(samples, noise, ratio))
    rows = "\n".join(
        f"| {name} | {len(clips)} | {100 * counts.total() / len(clips):.1f} "
        f"| {', '.join(f'{corpus} {count}' for corpus, count in sorted(counts.items()) if count)} |"
        for name, counts in lost.items()
    )
    trained = "other recordings" if options.unheard else "these recordings"
    table = f"""# No speech

{command()} with {model.card.name}, which was trained on {trained} \
of noise, on synthesised noise, and on some of these speakers.

{wrong} of {len(noises)} noise recordings ({100 * wrong / len(noises):.1f} %) get an emotion:

| noise | recordings | with an emotion |
|---|---:|---:|
{kinds}

Speech that is told to be none:

| speech | clips | lost % | of which |
|---|---:|---:|---|
{rows}
"""
    print(table)
    write_text(options.out, table)


if __name__ == "__main__":
    main()
