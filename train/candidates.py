"""Several recipes for the same recordings: the speakers who choose the epoch choose among them.

Which bands, which levels and how strong an augmentation suit a corpus is a setting like the epoch:
chosen on those who are tested, it would flatter the score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .clip import DatasetError
from .features import Dataset, load_dataset
from .fit import Fit, choose_epoch, train_on_all, validation_uar
from .noise import noise_features
from .recipe import Recipe
from .recordings import open_dataset
from .teachers import Teachers


@dataclass(frozen=True)
class Candidate:
    """A recipe, sized for its data, and the recordings as its front end hears them."""

    name: str
    recipe: Recipe
    data: Dataset


@dataclass(frozen=True)
class Chosen:
    """The candidate that was best for the speakers who chose, and the network that it gave.

    val_uar: how good each was for them, by name; see `validation_uar`.
    """

    candidate: Candidate
    fit: Fit
    val_uar: dict[str, float]


def settings_of(recipes: Mapping[str, Recipe]) -> dict[str, Any]:
    """The settings of all candidates, as JSON holds them."""
    return {"recipes": {name: recipe.to_dict() for name, recipe in recipes.items()}}


def open_candidates(
    recipes: Mapping[str, Recipe], data: list[Path], labels: list[str] | None,
    auxiliary: list[str], speaker_pattern: str | None, cache: Path, noise: list[Path],
) -> list[Candidate]:
    """The recordings once for each recipe, the same clips in the same order; see `open_dataset`."""
    (name, recipe), *others = recipes.items()
    first = open_dataset(data, labels, auxiliary, speaker_pattern, recipe, cache, noise)
    found = [Candidate(name, recipe.sized(len(first.labels)), first)]
    for name, recipe in others:
        dataset = load_dataset(first.clips, recipe.mfcc, cache, recipe.silence)
        if dataset.clips != first.clips:
            deaf = sorted({str(c.path) for c in first.clips} - {str(c.path) for c in dataset.clips})
            raise DatasetError(
                f"--recipe {name}: its front end hears nothing in {len(deaf)} of the clips, such "
                f"as {deaf[0]}; take them out of the data, or leave this recipe out"
            )
        dataset.auxiliary = first.auxiliary
        if recipe.network.speech:
            dataset.noises = noise_features(recipe.mfcc, recipe.silence, noise)
        found.append(Candidate(name, recipe.sized(len(first.labels)), dataset))
    return found


def fit_best(
    candidates: list[Candidate], clips: list[int], folds: list[list[int]], *, seed: int,
    device: str = "cpu", state_file: Path | None = None, resume: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> Chosen:
    """`fit` with the candidate whose networks were best for the clips in `folds`, which they had
    not heard; of equals with the first."""
    found: list[tuple[float, Candidate, Fit, Teachers]] = []
    for candidate in candidates:
        if len(candidates) > 1:
            log(f"Recipe {candidate.name}")
        chosen, teachers = choose_epoch(
            candidate.data, clips, folds, candidate.recipe.network,
            replace(candidate.recipe.fit, seed=seed), device=device,
            state_file=_file_of(candidate, candidates, state_file), resume=resume, log=log,
        )
        found.append((validation_uar(chosen), candidate, chosen, teachers))
    _, candidate, chosen, teachers = max(found, key=lambda entry: entry[0])
    if len(candidates) > 1:
        log(f"Recipe {candidate.name} was best")
    fit = train_on_all(
        candidate.data, clips, candidate.recipe.network,
        replace(candidate.recipe.fit, seed=seed), chosen, teachers, device=device,
        state_file=_file_of(candidate, candidates, state_file), resume=resume, log=log,
    )
    return Chosen(candidate, fit, {entry.name: uar for uar, entry, _, _ in found})


def _file_of(
    candidate: Candidate, candidates: list[Candidate], state_file: Path | None
) -> Path | None:
    if state_file is None or len(candidates) == 1:
        return state_file
    return state_file.with_name(f"{candidate.name}.{state_file.name}")
