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
from train.data.splits import hold_out
from train.data.folds import actor_folds, corpus_folds, inner_folds
from train.fit import validated
from train.metrics import scores
from train.recipes import BASELINE, CORPORA, DEFAULT_RECIPE, STUDIO, Recipe

LAST_EPOCHS = 3
REFERENCE = "the recipe, one network"

# What is compared is trained for as long, however many clips there are.
FULL_RECIPE = DEFAULT_RECIPE.with_settings(["epochs=60"])
# One network that nobody teaches: what helps it helps three, which take three times as long. And
# clips as they are, or what else is done to them could make less of a difference.
SINGLE_NETWORK = FULL_RECIPE.with_settings(
    ["ensemble_size=1", "distillation_weight=0", "vtl_smoothing=0"]
)
MFCC, SILENCE = SINGLE_NETWORK.mfcc_config, SINGLE_NETWORK.silence
assert SILENCE is not None

CONSTANT_LR = ["final_lr_factor=1", "ema_epochs=12"]  # the learning rate

SPEAKER_VARIANTS: dict[str, Recipe] = {
    REFERENCE: SINGLE_NETWORK,
    "3 networks": SINGLE_NETWORK.with_settings(["ensemble_size=3"]),
    "3 networks, the learning rate stays": SINGLE_NETWORK.with_settings(
        [*CONSTANT_LR, "ensemble_size=3"]
    ),
    "taught": SINGLE_NETWORK.with_settings(["distillation_weight=0.5"]),
    "through the mean tract": SINGLE_NETWORK.with_settings(["vtl_smoothing=0.5"]),
    "3 networks, taught": FULL_RECIPE.with_settings(["vtl_smoothing=0"]),
    "3 networks, taught, mean tract: the whole recipe": FULL_RECIPE,
    "40 epochs": SINGLE_NETWORK.with_settings(["epochs=40"]),
    "120 epochs": SINGLE_NETWORK.with_settings(["epochs=120"]),
    "windows of 32 ms": replace(SINGLE_NETWORK, mfcc_config=replace(MFCC, n_fft=512)),
    "windows of 128 ms": replace(SINGLE_NETWORK, mfcc_config=replace(MFCC, n_fft=2048)),
    "a frame every 10 ms": replace(SINGLE_NETWORK, mfcc_config=replace(MFCC, hop_length=160)),
    "13 bands": replace(SINGLE_NETWORK, mfcc_config=replace(MFCC, n_mels=13)),
    "40 bands up to 8 kHz": replace(
        SINGLE_NETWORK, mfcc_config=replace(MFCC, n_mels=40, fmax=None)
    ),
    "40 bands up to 8 kHz, levels as recorded": replace(
        SINGLE_NETWORK, mfcc_config=STUDIO.mfcc_config, silence=STUDIO.silence
    ),
    "16 bands up to 2.5 kHz": replace(SINGLE_NETWORK, mfcc_config=replace(MFCC, fmax=2500.0)),
    "16 bands up to 1.6 kHz": replace(SINGLE_NETWORK, mfcc_config=replace(MFCC, fmax=1600.0)),
    "silence kept": replace(SINGLE_NETWORK, silence=None),
    "levels as recorded": replace(SINGLE_NETWORK, silence=replace(SILENCE, relative=False)),
    "2 frames a step": SINGLE_NETWORK.with_settings(["frame_stack=2"]),
    "6 frames a step": SINGLE_NETWORK.with_settings(["frame_stack=6"]),
    "44 units": SINGLE_NETWORK.with_settings(["hidden_size=44", "input_size=44"]),
    "96 units": SINGLE_NETWORK.with_settings(["hidden_size=96"]),
    "mean over time": SINGLE_NETWORK.with_settings(["pooling=mean"]),
    "no residual": SINGLE_NETWORK.with_settings(["residual=false"]),
    "no other vocal tracts": SINGLE_NETWORK.with_settings(["vtlp=0"]),
    "no other speeds": SINGLE_NETWORK.with_settings(["speed=0"]),
    "no mixed styles": SINGLE_NETWORK.with_settings(["mixstyle=0"]),
    "all styles mixed": SINGLE_NETWORK.with_settings(["mixstyle=1"]),
    "pieces in another order": SINGLE_NETWORK.with_settings(["segment_shuffle=0.5"]),
    "no offsets": SINGLE_NETWORK.with_settings(["cepstral_offset=0"]),
    "offsets of 0.5": SINGLE_NETWORK.with_settings(["cepstral_offset=0.5"]),
    "added noise": SINGLE_NETWORK.with_settings(["noise=0.5"]),
    "telephones": SINGLE_NETWORK.with_settings(["telephone=0.5"]),
    "nothing of noise": SINGLE_NETWORK.with_settings(["speech=false"]),
    "dropout of 0.1": SINGLE_NETWORK.with_settings(["dropout=0.1"]),
    "dropout of 0.3": SINGLE_NETWORK.with_settings(["dropout=0.3"]),
    "weights as they are, not their moving average": SINGLE_NETWORK.with_settings(
        ["ema_epochs=0.01"]
    ),
    "no weight decay": SINGLE_NETWORK.with_settings(["weight_decay=0"]),
    "weight decay of 0.2": SINGLE_NETWORK.with_settings(["weight_decay=0.2"]),
    "no label smoothing": SINGLE_NETWORK.with_settings(["label_smoothing=0"]),
    "learning rate 0.0025": SINGLE_NETWORK.with_settings(["learning_rate=0.0025"]),
    "learning rate 0.01": SINGLE_NETWORK.with_settings(["learning_rate=0.01"]),
    "the learning rate stays": SINGLE_NETWORK.with_settings(CONSTANT_LR),
    "the learning rate stays, 120 epochs": SINGLE_NETWORK.with_settings(
        ["final_lr_factor=1", "ema_epochs=24", "epochs=120"]
    ),
    "the baseline": BASELINE.with_settings(["epochs=60"]),
}

# As the bundled model was made, but for the number of networks.
CROSS_CORPUS = CORPORA.with_settings(["ensemble_size=1", "epochs=60", "frame_stack=2"])
UNSHUFFLED = CROSS_CORPUS.with_settings(["segment_shuffle=0"])

CORPUS_VARIANTS: dict[str, Recipe] = {
    REFERENCE: CROSS_CORPUS,
    "3 networks": CROSS_CORPUS.with_settings(["ensemble_size=3"]),
    "the learning rate stays": CROSS_CORPUS.with_settings(CONSTANT_LR),
    "3 networks, the learning rate stays": CROSS_CORPUS.with_settings(
        [*CONSTANT_LR, "ensemble_size=3"]
    ),
    "15 epochs": CROSS_CORPUS.with_settings(["epochs=15"]),
    "30 epochs": CROSS_CORPUS.with_settings(["epochs=30"]),
    "120 epochs": CROSS_CORPUS.with_settings(["epochs=120"]),
    "pieces in their order": UNSHUFFLED,
    "pieces in their order, 3 networks": UNSHUFFLED.with_settings(["ensemble_size=3"]),
    "pieces in their order, the learning rate stays": UNSHUFFLED.with_settings(CONSTANT_LR),
    "pieces in their order, 3 networks, the learning rate stays": UNSHUFFLED.with_settings(
        [*CONSTANT_LR, "ensemble_size=3"]
    ),
    "pieces in their order, 15 epochs": UNSHUFFLED.with_settings(["epochs=15"]),
    "pieces of all clips in another order": CROSS_CORPUS.with_settings(["segment_shuffle=1"]),
    "through the mean tract": CROSS_CORPUS.with_settings(["vtl_smoothing=0.5"]),
    "mixed styles": CROSS_CORPUS.with_settings(["mixstyle=0.5"]),
    "3 frames a step": CROSS_CORPUS.with_settings(["frame_stack=3"]),
    "96 units": CROSS_CORPUS.with_settings(["hidden_size=96"]),
    "levels as recorded": replace(CROSS_CORPUS, silence=replace(SILENCE, relative=False)),
    "no telephones": CROSS_CORPUS.with_settings(["telephone=0"]),
    "no added noise": CROSS_CORPUS.with_settings(["noise=0"]),
    "rooms": CROSS_CORPUS.with_settings(["room=0.3"]),
    "no other vocal tracts": CROSS_CORPUS.with_settings(["vtlp=0"]),
    "vocal tracts of 0.15": CROSS_CORPUS.with_settings(["vtlp=0.15"]),
    "speeds of 0.3": CROSS_CORPUS.with_settings(["speed=0.3"]),
    "no offsets": CROSS_CORPUS.with_settings(["cepstral_offset=0"]),
    "offsets of 0.3": CROSS_CORPUS.with_settings(["cepstral_offset=0.3"]),
    "dropout of 0.3": CROSS_CORPUS.with_settings(["dropout=0.3"]),
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
    corpora = corpus_folds(data.clips)
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
class AblationStudy:
    """Variations of a recipe by their names; `score` has a UAR for each of `measures`."""

    command: str
    how: str  # what the page says of how they are scored
    reference: str  # and of the network that the others are compared with
    measures: tuple[str, ...]
    variations: dict[str, Recipe]
    score: Callable[[Dataset, Recipe], list[float]]


STUDIES = {
    "default": AblationStudy(
        "python -m evaluate ablation --data ravdess --report reports/choices",
        "UAR of validation speakers, RAVDESS, 8 classes. The speakers that the first fold tests "
        "are not heard; of the others each half is answered by a network trained on the other half",
        "one network that is not taught and hears clips as they are",
        ("UAR",),
        SPEAKER_VARIANTS,
        _halves,
    ),
    "corpora": AblationStudy(
        "python -m evaluate ablation --recipe corpora --data emodb --data ravdess --data nemo "
        "--data tess --noise noise --report reports/choices-corpora",
        "UAR of EMO-DB, RAVDESS and nEMO, 4 classes. Each of the three is trained on in turn, "
        "together with TESS; the two others are answered, and a quarter of its own speakers, who "
        "are not trained on",
        "one network",
        ("UAR of other corpora", "UAR of other voices of the corpus"),
        CORPUS_VARIANTS,
        _corpora,
    ),
}
