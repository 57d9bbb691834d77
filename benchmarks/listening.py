"""`python -m benchmarks.listening --speech FOLDER --noise FOLDER`: what does `listen` not hear?

Clips follow one another, 2 s apart and equally loud, while a noise goes on: each kind of noise, and
white noise, at several ratios and alone. A row per noise: how many of the clips are found, and what
the noise by itself is taken for.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from pathlib import Path

import numpy as np

from edge_runtime import EmotionModel, read_audio
from edge_runtime.inference.prediction import NO_SPEECH
from edge_runtime.streaming.listener import Listener, ListenEvent
from train.data.folders import audio_files
from train.files import write_text

from .clips import drawn
from .command import command

RATE = 16_000
LEVEL = 0.05  # RMS of every clip; noise is so many dB below
GAP = 2 * RATE  # samples
LEAD = 6 * RATE  # what goes on for 5 s is the background
RATIOS = (20, 10, 5)  # dB
MIN_SHARE = 0.3  # of a clip, to say that it was found: speech has gaps, and clips have silence

Interval = tuple[int, int]  # of samples


def as_loud(samples: np.ndarray) -> np.ndarray:
    return samples * (LEVEL / max(float(np.sqrt((samples**2).mean())), 1e-9))


def one_after_the_other(clips: list[np.ndarray]) -> tuple[np.ndarray, list[Interval]]:
    """A recording of clips `(n,)` between gaps of silence, and where each of them is."""
    pieces, places, end = [np.zeros(LEAD, np.float32)], [], LEAD
    for clip in clips:
        places.append((end, end + len(clip)))
        pieces += [as_loud(clip).astype(np.float32), np.zeros(GAP, np.float32)]
        end += len(clip) + GAP
    return np.concatenate(pieces), places


def utterances(model: EmotionModel, samples: np.ndarray) -> list[ListenEvent]:
    """What ended as speech."""
    listener = Listener(model, RATE)
    events = listener.push(np.clip(samples, -1, 1).astype(np.float32)) + listener.flush()
    return [
        event
        for event in events
        if event.kind == "end" and event.prediction and event.prediction.label != NO_SPEECH
    ]


def found(events: list[ListenEvent], places: list[Interval]) -> int:
    """How many of the places the utterances cover by `LEAST_SHARE` or more."""
    n_found = 0
    for begin, end in places:
        heard = sum(
            max(0.0, min(end, event.end * RATE) - max(begin, event.start * RATE))
            for event in events
        )
        n_found += heard >= MIN_SHARE * (end - begin)
    return n_found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speech", type=Path, action="append", required=True)
    parser.add_argument("--noise", type=Path, action="append", required=True)
    parser.add_argument("--model", type=Path, help="an .onnx model [default: the bundled one]")
    parser.add_argument("--clips", type=int, default=60, help="speech clips, drawn at random")
    parser.add_argument("--out", type=Path, default=Path("reports/listening.md"))
    options = parser.parse_args()
    model = EmotionModel.load(options.model)

    clips = drawn(options.speech, model.labels, options.clips, random.Random(0))
    speech, places = one_after_the_other([read_audio(clip.path) for clip in clips])

    recordings: dict[str, list[np.ndarray]] = defaultdict(list)
    for folder in options.noise:
        for file in audio_files(folder):
            samples = read_audio(file)
            if samples.any():
                recordings[file.parent.name].append(as_loud(samples))
    noises = {kind: np.concatenate(pieces) for kind, pieces in sorted(recordings.items())}
    noises["white noise"] = as_loud(np.random.default_rng(0).standard_normal(len(speech)))

    rows = []
    for kind, noise in noises.items():
        noise = np.resize(noise, len(speech))
        alone = len(utterances(model, noise * 10 ** (-10 / 20)))
        counts = [
            found(utterances(model, speech + noise * 10 ** (-ratio / 20)), places)
            for ratio in RATIOS
        ]
        rows.append(f"| {kind} | {' | '.join(map(str, counts))} | {alone} |")
        print(rows[-1], flush=True)
    lines = "\n".join(rows)
    table = f"""# What is heard in noise

{command()} with {model.card.name}: {len(clips)} clips in {len(speech) / RATE / 60:.1f} minutes, \
{GAP / RATE:g} s apart, each as loud as the others, while a noise goes on. A clip is found \
where utterances cover {100 * MIN_SHARE:.0f} % of it. Without noise \
{found(utterances(model, speech), places)} of {len(clips)} are found.

| noise | found at 20 dB | at 10 dB | at 5 dB | alone: utterances with an emotion |
|---|---:|---:|---:|---:|
{lines}
"""
    print(table)
    write_text(options.out, table)


if __name__ == "__main__":
    main()
