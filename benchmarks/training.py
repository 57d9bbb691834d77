"""Seconds per epoch next to a simple training loop: `python -m benchmarks.training --data FOLDER`.

Both train the recipe's network on the same clips with one thread. The simple loop reads each file
and computes its MFCC with librosa when it is needed, and pads batches of clips in random order.
edge-ser caches features without silence, and batches clips of similar length. Its recipe also
augments every clip and trains speech detection, which the simple loop does not; "same work" is
edge-ser without either.
"""

from __future__ import annotations

import benchmarks.one_thread  # noqa: F401

# isort: split
import random
import statistics
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import librosa
import numpy as np
import torch
import typer
from torch.nn.functional import cross_entropy

from edge_runtime.datasets.clip import Clip
from edge_runtime.datasets.corpora import scan
from edge_runtime.diagnostics.system_info import processor
from train.augment import Augment
from train.command import run_function
from train.data.features import Dataset, load_dataset
from train.data.noise import noise_features
from train.fit_config import FitConfig
from train.loop import EpochLoop
from train.network import EmotionLSTM
from train.padding import pad
from train.recipes import DEFAULT_RECIPE

from .report import Out, command, publish, table

SIMPLE_LOOP = "simple loop"
NO_AUGMENTATION = Augment(cepstral_offset=0, mixstyle=0, speed=0, vtlp=0)


def simple_epoch(
    clips: list[Clip], targets: np.ndarray, network: EmotionLSTM, batch_size: int
) -> None:
    """Train one epoch of the simple loop."""
    config = DEFAULT_RECIPE.mfcc_config
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    network.train()
    order = random.sample(range(len(clips)), len(clips))
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        features = []
        for i in batch:
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
        cross_entropy(network(x, lengths), torch.from_numpy(targets[batch])).backward()
        optimizer.step()


def epoch_loop(
    dataset: Dataset, targets: np.ndarray, config: FitConfig, network: EmotionLSTM
) -> EpochLoop:
    """Return edge-ser's loop for a network that normalises with the statistics of the dataset."""
    frames = np.concatenate(dataset.frames)
    network.mean.copy_(torch.from_numpy(frames.mean(axis=0)))
    network.std.copy_(torch.from_numpy(frames.std(axis=0)))
    return EpochLoop(dataset, list(range(len(dataset.clips))), targets, config, network)


def seconds_per_epoch(
    dataset: Dataset, targets: np.ndarray, ensemble_size: int, rounds: int
) -> dict[str, float]:
    """Return the median time of an epoch of each loop, for an ensemble of networks."""
    recipe = DEFAULT_RECIPE.sized(dataset)
    shape = replace(recipe.network, ensemble_size=ensemble_size)
    simple = EmotionLSTM(shape)
    loops = {
        SIMPLE_LOOP: lambda epoch: simple_epoch(
            dataset.clips, targets, simple, recipe.fit.batch_size
        )
    }
    for name, network, augment in (
        ("edge-ser, same work", EmotionLSTM(shape), NO_AUGMENTATION),
        ("edge-ser, full recipe", EmotionLSTM(shape), recipe.fit.augment),
    ):
        loop = epoch_loop(dataset, targets, replace(recipe.fit, augment=augment), network)
        optimizer = torch.optim.AdamW(network.parameters(), fused=True)  # as in `train.fit`
        loops[name] = partial(loop.run, optimizer=optimizer, log=lambda line: None)
    times: dict[str, list[float]] = {name: [] for name in loops}
    for epoch in range(1, rounds + 1):
        for name, run in loops.items():
            started = time.perf_counter()
            run(epoch)
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def main(
    data: Annotated[Path, typer.Option(help="Folder or manifest of labelled recordings.")],
    clips: Annotated[int, typer.Option(help="Clips, drawn at random.")] = 400,
    rounds: Annotated[int, typer.Option(help="Alternating epochs.")] = 3,
    out: Out = None,
) -> None:
    """Report seconds per epoch next to a simple training loop."""
    torch.set_num_threads(1)
    random.seed(0)
    scanned = scan([data])
    sample = random.sample(scanned, min(clips, len(scanned)))
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        dataset = load_dataset(
            sample, DEFAULT_RECIPE.mfcc_config, Path(folder), DEFAULT_RECIPE.silence
        )
        caching = time.perf_counter() - started
    dataset.noises = noise_features(DEFAULT_RECIPE.mfcc_config, DEFAULT_RECIPE.silence, [])
    targets = np.array([dataset.labels.index(clip.label) for clip in dataset.clips])
    librosa.load(dataset.clips[0].path, sr=16_000)  # its first call imports half of scipy
    rows = []
    for ensemble_size in (1, DEFAULT_RECIPE.network.ensemble_size):
        seconds = seconds_per_epoch(dataset, targets, ensemble_size, rounds)
        rows += [
            [name, str(ensemble_size), f"{value:.2f}", f"{seconds[SIMPLE_LOOP] / value:.1f}"]
            for name, value in seconds.items()
        ]
    publish(
        f"""# Training speed

{command()} on {processor()}, one thread: {len(dataset.clips)} clips, \
{sum(dataset.seconds) / 60:.0f} minutes; medians of {rounds} alternating epochs.

{table(["loop", "ensemble size", "seconds per epoch", "times faster"], rows)}

Filling the feature cache, once: {caching:.1f} s.
""",
        out,
    )


if __name__ == "__main__":
    run_function(main)
