"""What each choice of the recipe brings: variations of it, scored on validation speakers.

The speakers that the first fold of `--protocol actor-folds` tests are left out. The others are in
two halves, each scored by a network that was trained on the other: nearly all of them are heard,
where the protocols validate on a few, and a training takes half the time. No epoch is chosen: the
answers are the mean of those after each of the last epochs.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_runtime import ConfigError

from .corpora import scan
from .features import load_dataset
from .files import beside, report_path, write_json, write_text
from .fit import validated
from .metrics import scores
from .noise import noise_features
from .pool import in_processes
from .recipe import BASELINE, BETTER, STUDIO, Recipe
from .runs import RunError, keep_others, read_json
from .splits import actor_folds, inner_folds

LAST_EPOCHS = 3
# What is compared is trained for as long, however many clips there are.
WHOLE = BETTER.with_settings(["epochs=60"])
# One network that nobody teaches: what helps it helps three, which take three times as long. And
# clips as they are, or what else is done to them could make less of a difference.
SHORT = WHOLE.with_settings(["members=1", "teaching=0", "blur=0"])
MFCC, SILENCE = SHORT.mfcc, SHORT.silence
assert SILENCE is not None

REFERENCE = "the recipe, one network"

VARIATIONS: dict[str, Recipe] = {
    REFERENCE: SHORT,
    "3 networks": SHORT.with_settings(["members=3"]),
    "taught": SHORT.with_settings(["teaching=0.5"]),
    "through the mean tract": SHORT.with_settings(["blur=0.5"]),
    "3 networks, taught": WHOLE.with_settings(["blur=0"]),
    "3 networks, taught, mean tract: the whole recipe": WHOLE,
    "40 epochs": SHORT.with_settings(["epochs=40"]),
    "120 epochs": SHORT.with_settings(["epochs=120"]),
    "windows of 32 ms": replace(SHORT, mfcc=replace(MFCC, n_fft=512)),
    "windows of 128 ms": replace(SHORT, mfcc=replace(MFCC, n_fft=2048)),
    "a frame every 10 ms": replace(SHORT, mfcc=replace(MFCC, hop_length=160)),
    "13 bands": replace(SHORT, mfcc=replace(MFCC, n_mels=13)),
    "40 bands up to 8 kHz": replace(SHORT, mfcc=replace(MFCC, n_mels=40, fmax=None)),
    "40 bands up to 8 kHz, levels as recorded": replace(
        SHORT, mfcc=STUDIO.mfcc, silence=STUDIO.silence
    ),
    "16 bands up to 2.5 kHz": replace(SHORT, mfcc=replace(MFCC, fmax=2500.0)),
    "16 bands up to 1.6 kHz": replace(SHORT, mfcc=replace(MFCC, fmax=1600.0)),
    "silence kept": replace(SHORT, silence=None),
    "levels as recorded": replace(SHORT, silence=replace(SILENCE, relative=False)),
    "2 frames a step": SHORT.with_settings(["stack=2"]),
    "6 frames a step": SHORT.with_settings(["stack=6"]),
    "44 units": SHORT.with_settings(["hidden_size=44", "stem_size=44"]),
    "96 units": SHORT.with_settings(["hidden_size=96"]),
    "mean over time": SHORT.with_settings(["pooling=mean"]),
    "no residual": SHORT.with_settings(["residual=false"]),
    "no other vocal tracts": SHORT.with_settings(["vocal_tract=0"]),
    "no other speeds": SHORT.with_settings(["speed=0"]),
    "no mixed styles": SHORT.with_settings(["mixstyle=0"]),
    "all styles mixed": SHORT.with_settings(["mixstyle=1"]),
    "no offsets": SHORT.with_settings(["offset=0"]),
    "offsets of 0.5": SHORT.with_settings(["offset=0.5"]),
    "added noise": SHORT.with_settings(["noise=0.5"]),
    "telephones": SHORT.with_settings(["telephone=0.5"]),
    "nothing of noise": SHORT.with_settings(["speech=false"]),
    "dropout of 0.1": SHORT.with_settings(["dropout=0.1"]),
    "dropout of 0.3": SHORT.with_settings(["dropout=0.3"]),
    "weights as they are, not their moving average": SHORT.with_settings(["average_epochs=0.01"]),
    "no weight decay": SHORT.with_settings(["weight_decay=0"]),
    "weight decay of 0.2": SHORT.with_settings(["weight_decay=0.2"]),
    "no label smoothing": SHORT.with_settings(["label_smoothing=0"]),
    "learning rate 0.0025": SHORT.with_settings(["learning_rate=0.0025"]),
    "learning rate 0.01": SHORT.with_settings(["learning_rate=0.01"]),
    "the baseline": BASELINE.with_settings(["epochs=60"]),
}


def choices(data: Path, report: Path, *, names: list[str], seeds: int, jobs: int, cache: Path,
            resume: bool) -> None:
    """Train every variation (or those in `names`) with `seeds` seeds and write `report`.json/.md.

    `resume` keeps the scores that `report`.json has of the same recipes. Raises, before anything is
    trained, ConfigError for a name that there is not and if what the others are compared with is
    missing, RunError for a report that is there and would be lost.
    """
    for name in names:
        if name not in VARIATIONS:
            raise ConfigError(f"--only {name}: wanted one of {'; '.join(VARIATIONS)}")
    report = report_path(report)
    file = beside(report, ".json")
    if file.exists() and not resume:
        raise RunError(f"{file}: is there already; give --resume to add to it, or another --report")
    page = beside(report, ".md")
    done = _load(file)
    keep_others([page], "--report", file.exists())
    if REFERENCE not in [*(names or VARIATIONS), *done]:
        raise ConfigError(f"--only: the others are compared with {REFERENCE!r}: give that as well")
    tasks = [
        (name, seed, data, cache) for seed in range(seeds) for name in names or VARIATIONS
        if str(seed) not in done.get(name, {})
    ]
    for name, seed, score in in_processes(_score, tasks, jobs):
        done.setdefault(name, {})[str(seed)] = score
        print(f"{name}, seed {seed}: {100 * score:.1f}%", flush=True)
        recipes = {name: VARIATIONS[name].to_dict() for name in done}
        write_json(file, {"recipes": recipes, "scores": done})
    write_text(page, _markdown(done))


def _score(task: tuple[str, int, Path, Path]) -> tuple[str, int, float]:
    name, seed, data, cache = task
    recipe = VARIATIONS[name]
    dataset = load_dataset(scan([data]), recipe.mfcc, cache, recipe.silence)
    if recipe.network.speech:
        dataset.noises = noise_features(recipe.mfcc, recipe.silence, [])
    recipe = recipe.sized(dataset).with_settings([f"seed={seed}"])
    test = actor_folds(dataset.clips)[0]
    rest = sorted(set(range(len(dataset.clips))) - set(test))
    halves = inner_folds(dataset.clips, rest, 2, seed=0)  # the same for all
    answers: list[int] = []
    for half in halves:
        logits = validated(dataset, rest, half, recipe.network, recipe.fit, LAST_EPOCHS)
        answers += logits.argmax(axis=1).tolist()
    targets = [dataset.labels.index(dataset.clips[i].label) for half in halves for i in half]
    found = scores(np.array(targets), np.array(answers), dataset.labels)
    return name, seed, float(found["uar"])


def _load(path: Path) -> dict[str, dict[str, float]]:
    """The scores by variation and seed, but for those of recipes that have changed since."""
    if not path.exists():
        return {}
    stored = read_json(path)
    try:
        recipes, found = dict(stored["recipes"]), dict(stored["scores"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{path}: is no report of this program that can be added to; give another --report"
        ) from error
    done = {}
    for name, by_seed in found.items():
        now = VARIATIONS[name].to_dict() if name in VARIATIONS else None
        if recipes.get(name) == json.loads(json.dumps(now)):
            done[name] = dict(by_seed)
        else:
            print(f"Note: {name}: left out, its recipe is another one now")
    return done


def _markdown(done: dict[str, dict[str, float]]) -> str:
    reference = done[REFERENCE]
    ordered = {name: done[name] for name in VARIATIONS if name in done}
    rows = "\n".join(
        f"| {name} | {100 * np.mean(list(found.values())):.1f} | {_difference(found, reference)} "
        f"| {', '.join(f'{100 * score:.1f}' for _, score in sorted(found.items()))} |"
        for name, found in ordered.items()
    )
    return f"""# What each choice brings

`python -m train choices --data ravdess --report reports/choices`: UAR of validation speakers, \
RAVDESS, 8 classes. The speakers that the first fold tests are not heard; of the others each half \
is answered by a network trained on the other half, by the mean of its answers after the last \
{LAST_EPOCHS} epochs. One change at a time; the difference is to the first row, one network that \
is not taught and hears clips as they are, by the same seeds. Between the seeds of one variation \
UAR differs by {_spread(done):.1f} points on average.

| variation | UAR % | difference | seeds |
|---|---:|---:|---|
{rows}
"""


def _difference(found: dict[str, float], reference: dict[str, float]) -> str:
    """Over the seeds that both were trained with."""
    both = found.keys() & reference.keys()
    return f"{100 * np.mean([found[seed] - reference[seed] for seed in both]):+.1f}"


def _spread(done: dict[str, dict[str, float]]) -> float:
    """The mean difference in points between the best and the worst seed."""
    several = [list(found.values()) for found in done.values() if len(found) > 1]
    return 100 * float(np.mean([max(found) - min(found) for found in several] or [0.0]))
