"""`python -m benchmarks.training --data FOLDER`: seconds per epoch beside a straightforward loop.

Both train the recipe's network on the same clips, one thread. The straightforward
loop reads each file and computes its MFCC with librosa when it is needed, and pads batches of
clips in random order; ours has features in the cache, without silence, and batches of similar
lengths. The recipe also changes every clip and learns to tell noise from speech, which the
straightforward loop does not; "the same work" is ours without either.
"""

from __future__ import annotations

import benchmarks.one_thread  # noqa: F401

# isort: split
import argparse
import random
import statistics
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import torch
from torch.nn.functional import cross_entropy

from edge_runtime.diagnostics.system_info import processor
from train.augment import Augment
from train.data.clip import Clip
from train.data.corpora import scan
from train.data.features import Dataset, load_dataset
from train.data.noise import noise_features
from train.files import write_text
from train.loop import EpochLoop, FitConfig, pad
from train.network import EmotionLSTM
from train.recipes import DEFAULT_RECIPE

from .command import command

STRAIGHTFORWARD = "straightforward loop"
UNCHANGED = Augment(cepstral_offset=0, mixstyle=0, speed=0, vtlp=0)


def straightforward_epoch(
    clips: list[Clip], targets: np.ndarray, network: EmotionLSTM, batch_size: int
) -> None:
    config = DEFAULT_RECIPE.mfcc_config
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    network.train()
    order = random.sample(range(len(clips)), len(clips))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        features = []
        for i in chosen:
            samples, _ = librosa.load(clips[i].path, sr=config.sample_rate)
            features.append(
                librosa.feature.mfcc(
                    y=samples,
                    sr=config.sample_rate,
                    n_mfcc=config.n_mfcc,
                    n_fft=config.n_fft,
                    hop_length=config.hop_length,
                    n_mels=config.n_mels,
                    fmax=config.fmax,
                ).T.copy()
            )
        x, lengths = pad(features)
        optimizer.zero_grad()
        cross_entropy(network(x, lengths), torch.from_numpy(targets[chosen])).backward()
        optimizer.step()


def our_epochs(
    dataset: Dataset, targets: np.ndarray, config: FitConfig, network: EmotionLSTM
) -> EpochLoop:
    frames = np.concatenate(dataset.frames)
    network.mean.copy_(torch.from_numpy(frames.mean(axis=0)))
    network.std.copy_(torch.from_numpy(frames.std(axis=0)))
    return EpochLoop(dataset, list(range(len(dataset.clips))), targets, config, network)


def measured(
    dataset: Dataset, targets: np.ndarray, ensemble_size: int, rounds: int
) -> dict[str, float]:
    """Seconds per epoch of each loop, for so many networks side by side."""
    recipe = DEFAULT_RECIPE.sized(dataset)
    shape = replace(recipe.network, ensemble_size=ensemble_size)
    theirs, ours = EmotionLSTM(shape), EmotionLSTM(shape)
    same_work = EmotionLSTM(replace(shape, speech=False))
    loops = {
        STRAIGHTFORWARD: lambda number: straightforward_epoch(
            dataset.clips, targets, theirs, recipe.fit.batch_size
        )
    }
    for name, network, augment in (
        ("edge-ser, the same work", same_work, UNCHANGED),
        ("edge-ser, the recipe", ours, recipe.fit.augment),
    ):
        epochs = our_epochs(dataset, targets, replace(recipe.fit, augment=augment), network)
        optimizer = torch.optim.AdamW(network.parameters(), fused=True)  # as `train.fit` has it
        loops[name] = partial(epochs.run, optimizer=optimizer, log=lambda line: None)
    times: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(1, rounds + 1):
        for name, run in loops.items():
            started = time.perf_counter()
            run(number)
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=400, help="so many, drawn at random")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("reports/training-speed.md"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    random.seed(0)
    found = scan([options.data])
    clips = random.sample(found, min(options.clips, len(found)))
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        dataset = load_dataset(
            clips, DEFAULT_RECIPE.mfcc_config, Path(folder), DEFAULT_RECIPE.silence
        )
        caching = time.perf_counter() - started
    dataset.noises = noise_features(DEFAULT_RECIPE.mfcc_config, DEFAULT_RECIPE.silence, [])
    targets = np.array([dataset.labels.index(clip.label) for clip in dataset.clips])
    librosa.load(dataset.clips[0].path, sr=16_000)  # its first call imports half of scipy
    rows = ""
    for ensemble_size in (1, DEFAULT_RECIPE.network.ensemble_size):
        seconds = measured(dataset, targets, ensemble_size, options.rounds)
        rows += "".join(
            f"| {name} | {ensemble_size} | {value:.2f} | {seconds[STRAIGHTFORWARD] / value:.1f} |\n"
            for name, value in seconds.items()
        )
    table = f"""# Cost of training

{command()} on {processor()}, one thread: {len(dataset.clips)} clips, \
{sum(dataset.seconds) / 60:.0f} minutes; medians of {options.rounds} alternating epochs.

| loop | networks | seconds per epoch | faster by |
|---|---:|---:|---:|
{rows}
Filling the cache, once: {caching:.1f} s.
"""
    print(table)
    write_text(options.out, table)


if __name__ == "__main__":
    main()
