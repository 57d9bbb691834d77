"""Variations of the recipes, and how each is scored on validation speakers.

What is heard and what is answered is the same for all variations of a recipe. No epoch is chosen:
the answers are the mean of those after each of the last epochs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from train.data.clip import DatasetError
from train.data.features import Dataset
from train.data.splits import actor_folds, corpora_that_test, hold_out, inner_folds
from train.fit import validated
from train.metrics import scores
from train.recipes import BASELINE, BETTER, CORPORA, STUDIO, Recipe

LAST_EPOCHS = 3
REFERENCE = "the recipe, one network"

# What is compared is trained for as long, however many clips there are.
WHOLE = BETTER.with_settings(["epochs=60"])
# One network that nobody teaches: what helps it helps three, which take three times as long. And
# clips as they are, or what else is done to them could make less of a difference.
SHORT = WHOLE.with_settings(["members=1", "teaching=0", "blur=0"])
MFCC, SILENCE = SHORT.mfcc, SHORT.silence
assert SILENCE is not None

STAYS = ["final_rate=1", "average_epochs=12"]  # the learning rate

VOICES: dict[str, Recipe] = {
    REFERENCE: SHORT,
    "3 networks": SHORT.with_settings(["members=3"]),
    "3 networks, the learning rate stays": SHORT.with_settings([*STAYS, "members=3"]),
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
    "pieces in another order": SHORT.with_settings(["shuffled=0.5"]),
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
    "the learning rate stays": SHORT.with_settings(STAYS),
    "the learning rate stays, 120 epochs": SHORT.with_settings(
        ["final_rate=1", "average_epochs=24", "epochs=120"]
    ),
    "the baseline": BASELINE.with_settings(["epochs=60"]),
}

# As the bundled model was made, but for the number of networks.
ACROSS = CORPORA.with_settings(["members=1", "epochs=60", "stack=2"])
ORDERED = ACROSS.with_settings(["shuffled=0"])

CORPORA_LEFT_OUT: dict[str, Recipe] = {
    REFERENCE: ACROSS,
    "3 networks": ACROSS.with_settings(["members=3"]),
    "the learning rate stays": ACROSS.with_settings(STAYS),
    "3 networks, the learning rate stays": ACROSS.with_settings([*STAYS, "members=3"]),
    "15 epochs": ACROSS.with_settings(["epochs=15"]),
    "30 epochs": ACROSS.with_settings(["epochs=30"]),
    "120 epochs": ACROSS.with_settings(["epochs=120"]),
    "pieces in their order": ORDERED,
    "pieces in their order, 3 networks": ORDERED.with_settings(["members=3"]),
    "pieces in their order, the learning rate stays": ORDERED.with_settings(STAYS),
    "pieces in their order, 3 networks, the learning rate stays": ORDERED.with_settings(
        [*STAYS, "members=3"]
    ),
    "pieces in their order, 15 epochs": ORDERED.with_settings(["epochs=15"]),
    "pieces of all clips in another order": ACROSS.with_settings(["shuffled=1"]),
    "through the mean tract": ACROSS.with_settings(["blur=0.5"]),
    "mixed styles": ACROSS.with_settings(["mixstyle=0.5"]),
    "3 frames a step": ACROSS.with_settings(["stack=3"]),
    "96 units": ACROSS.with_settings(["hidden_size=96"]),
    "levels as recorded": replace(ACROSS, silence=replace(SILENCE, relative=False)),
    "no telephones": ACROSS.with_settings(["telephone=0"]),
    "no added noise": ACROSS.with_settings(["noise=0"]),
    "rooms": ACROSS.with_settings(["room=0.3"]),
    "no other vocal tracts": ACROSS.with_settings(["vocal_tract=0"]),
    "vocal tracts of 0.15": ACROSS.with_settings(["vocal_tract=0.15"]),
    "speeds of 0.3": ACROSS.with_settings(["speed=0.3"]),
    "no offsets": ACROSS.with_settings(["offset=0"]),
    "offsets of 0.3": ACROSS.with_settings(["offset=0.3"]),
    "dropout of 0.3": ACROSS.with_settings(["dropout=0.3"]),
}


def _halves(data: Dataset, recipe: Recipe) -> list[float]:
    """The speakers that the first fold of `--protocol actor-folds` tests are left out. The others
    are in two halves, each answered by a network that was trained on the other: nearly all of them
    are heard, where the protocols validate on a few, and a training takes half the time."""
    test = actor_folds(data.clips)[0]
    rest = sorted(set(range(len(data.clips))) - set(test))
    halves = inner_folds(data.clips, rest, 2, seed=0)  # the same for all
    answers: list[int] = []
    for half in halves:
        logits = validated(data, rest, half, recipe.network, recipe.fit, LAST_EPOCHS)
        answers += logits.argmax(axis=1).tolist()
    return [_uar(data, [i for half in halves for i in half], np.array(answers))]


def _corpora(data: Dataset, recipe: Recipe) -> list[float]:
    """Each corpus that the protocol tests is trained on in turn, with those that it does not test;
    answered are the other corpora, and a quarter of its own speakers."""
    corpora = corpora_that_test(data.clips)
    if len(corpora) < 2:
        raise DatasetError(
            "choices across corpora need two corpora of three speakers or more; found "
            f"{len(corpora)}"
        )
    never = set(range(len(data.clips))) - {i for corpus in corpora for i in corpus}
    others, own = [], []
    for trained in corpora:
        held, _ = hold_out(data.clips, trained, 0.25, seed=0, answered=data.labels)
        asked = [data.answerable(held)]
        asked += [data.answerable(corpus) for corpus in corpora if corpus is not trained]
        everyone = [i for part in asked for i in part]
        train = (set(trained) | never) - set(held)
        logits = validated(
            data, sorted(train | set(everyone)), everyone, recipe.network, recipe.fit, LAST_EPOCHS
        )
        ends = np.cumsum([len(part) for part in asked])[:-1]
        found = [
            _uar(data, part, its.argmax(axis=1)) for part, its in zip(asked, np.split(logits, ends))
        ]
        own.append(found[0])
        others += found[1:]
    return [float(np.mean(others)), float(np.mean(own))]


def _uar(data: Dataset, clips: list[int], answers: np.ndarray) -> float:
    targets = np.array([data.labels.index(data.clips[i].label) for i in clips])
    return float(scores(targets, answers, data.labels)["uar"])


@dataclass(frozen=True)
class Comparison:
    """Variations of a recipe by their names; `score` has a UAR for each of `measures`."""

    command: str
    how: str  # what the page says of how they are scored
    reference: str  # and of the network that the others are compared with
    measures: tuple[str, ...]
    variations: dict[str, Recipe]
    score: Callable[[Dataset, Recipe], list[float]]


COMPARISONS = {
    "better": Comparison(
        "python -m evaluate ablation --data ravdess --report reports/choices",
        "UAR of validation speakers, RAVDESS, 8 classes. The speakers that the first fold tests "
        "are not heard; of the others each half is answered by a network trained on the other half",
        "one network that is not taught and hears clips as they are",
        ("UAR",),
        VOICES,
        _halves,
    ),
    "corpora": Comparison(
        "python -m evaluate ablation --recipe corpora --data emodb --data ravdess --data nemo "
        "--data tess --noise noise --report reports/choices-corpora",
        "UAR of EMO-DB, RAVDESS and nEMO, 4 classes. Each of the three is trained on in turn, "
        "together with TESS; the two others are answered, and a quarter of its own speakers, who "
        "are not trained on",
        "one network",
        ("UAR of other corpora", "UAR of other voices of the corpus"),
        CORPORA_LEFT_OUT,
        _corpora,
    ),
}
