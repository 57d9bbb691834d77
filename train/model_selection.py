"""Several recipes for the same recordings: the speakers who choose the epoch choose among them.

Which bands, which levels and how strong an augmentation suit a corpus is a setting like the epoch:
chosen on those who are tested, it would flatter the score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime import MfccConfig
from edge_runtime.features.silence import SilenceConfig

from .data.clip import DatasetError
from .data.features import Dataset, load_dataset
from .data.noise import noise_features
from .dataset import open_dataset
from .distillation import Teachers
from .fit import Fit, choose_epoch, train_on_all, validation_uar
from .recipes import Recipe


@dataclass(frozen=True)
class Candidate:
    """A recipe, sized for its data, and the recordings as its front end hears them."""

    name: str
    recipe: Recipe
    data: Dataset

    def seeded(self, seed: int) -> Candidate:
        return replace(self, recipe=self.recipe.with_settings([f"seed={seed}"]))


@dataclass(frozen=True)
class Chosen:
    """The candidate that was best for the speakers who chose, and the network that it gave.

    val_uar: how good each was for them, by name; see `validation_uar`.
    """

    candidate: Candidate
    fit: Fit
    val_uar: dict[str, float]


def settings_of(candidates: list[Candidate]) -> dict[str, Any]:
    """The settings of all candidates, as JSON holds them."""
    recipes = {candidate.name: candidate.recipe.to_dict() for candidate in candidates}
    # JSON's objects have no order, and of recipes that are equally good the first is taken.
    return {"order": list(recipes), "recipes": recipes}


def dataset_fingerprint(candidates: list[Candidate], indices: Iterable[int]) -> dict[str, Any]:
    """What tells the recordings of a training from others, by each candidate's front end."""
    indices = list(indices)
    return {
        "noises": {its.name: len(its.data.noises) for its in candidates},
        "recordings": {its.name: its.data.digest(indices) for its in candidates},
    }


def open_candidates(
    recipes: Mapping[str, Recipe],
    data: list[Path],
    labels: list[str] | None,
    auxiliary: list[str],
    speaker_pattern: str | None,
    cache: Path,
    noise: list[Path],
) -> list[Candidate]:
    """The recordings once for each recipe, the same clips in the same order; see `open_dataset`."""
    (name, recipe), *others = recipes.items()
    first = open_dataset(data, labels, auxiliary, speaker_pattern, recipe, cache, noise)
    found = [Candidate(name, recipe.sized(first), first)]
    # By front end: several recipes may share one.
    frames = {_front_end(recipe): first.frames}
    noises = {_front_end(recipe): first.noises} if recipe.network.speech else {}
    for name, recipe in others:
        front_end = _front_end(recipe)
        if front_end not in frames:
            frames[front_end] = _frames_by(name, recipe, first, cache)
        if recipe.network.speech and front_end not in noises:
            noises[front_end] = noise_features(recipe.mfcc_config, recipe.silence, noise)
        dataset = replace(
            first,
            frames=frames[front_end],
            mfcc_config=recipe.mfcc_config,
            noises=noises[front_end] if recipe.network.speech else [],
        )
        found.append(Candidate(name, recipe.sized(first), dataset))
    return found


def _front_end(recipe: Recipe) -> tuple[MfccConfig, SilenceConfig | None]:
    return recipe.mfcc_config, recipe.silence


def _frames_by(name: str, recipe: Recipe, first: Dataset, cache: Path) -> list[np.ndarray]:
    """The features of the clips of `first` by the front end of a recipe."""
    try:
        heard = load_dataset(first.clips, recipe.mfcc_config, cache, recipe.silence)
    except DatasetError as error:
        raise DatasetError(f"--recipe {name}: {error}") from error
    if heard.clips != first.clips:
        raise DatasetError(
            f"--recipe {name}: its front end cannot use {len(heard.unreadable)} of the clips "
            f"({heard.unreadable[0]}); take them out of the data, or give this recipe first"
        )
    return heard.frames


def fit_best(
    candidates: list[Candidate],
    clips: list[int],
    folds: list[list[int]],
    *,
    device: str = "cpu",
    state_file: Path | None = None,
    resume: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> Chosen:
    """Train on `clips`, by the recipe and for as many epochs as were best for clips left out.

    For each candidate and each list of clips in `folds` a network is trained on the others and
    answers these. Their mean UAR chooses the epoch (`best_epoch`) and the candidate, of equals the
    first, and the network that is returned is trained on all `clips` up to that epoch: nobody's
    voice is wasted on choosing. Those that chose teach it (`FitConfig.teaching`). It answers the
    labels of the data; auxiliary ones are a part of the training alone.

    The temperature is that of the networks that chose. Who is taught is less sure of itself, and
    so a little too modest by it; to know by how much would take teachers that have never heard
    those who are asked, for a taught network knows the voices that its teachers know.

    With `state_file`, everything that the next epoch depends on is stored beside it after each
    epoch; `resume` goes on from there, and ends with the weights of an uninterrupted run. The same
    seed gives the same weights on the same machine with the same number of threads. `device` is
    torch's name of what computes; the network comes back to the CPU.
    """
    found: list[tuple[float, Candidate, Fit, Teachers]] = []
    for candidate in candidates:
        if len(candidates) > 1:
            log(f"Recipe {candidate.name}")
        chosen, teachers = choose_epoch(
            candidate.data,
            clips,
            folds,
            candidate.recipe.network,
            candidate.recipe.fit,
            device=device,
            state_file=_file_of(candidate, candidates, state_file),
            resume=resume,
            log=log,
        )
        found.append((validation_uar(chosen), candidate, chosen, teachers))
    best, candidate, chosen, teachers = max(found, key=lambda entry: entry[0])
    if len(candidates) > 1:
        as_good = sum(uar == best for uar, *_ in found) > 1
        log(f"Recipe {candidate.name} " + ("is the first of the best" if as_good else "was best"))
    fit = train_on_all(
        candidate.data,
        clips,
        candidate.recipe.network,
        candidate.recipe.fit,
        chosen,
        teachers,
        device=device,
        state_file=_file_of(candidate, candidates, state_file),
        resume=resume,
        log=log,
    )
    return Chosen(candidate, fit, {entry.name: uar for uar, entry, _, _ in found})


def _file_of(
    candidate: Candidate, candidates: list[Candidate], state_file: Path | None
) -> Path | None:
    if state_file is None or len(candidates) == 1:
        return state_file
    return state_file.with_name(f"{candidate.name}.{state_file.name}")
