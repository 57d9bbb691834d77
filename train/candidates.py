"""Candidates of the model selection: recipes, each with the dataset of its front end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge_runtime import MfccConfig
from edge_runtime.datasets.clip import DatasetError
from edge_runtime.features.silence import SilenceConfig

from .data.features import Dataset, load_dataset
from .data.noise import noise_features
from .dataset import FEATURE_CACHE, DatasetSpec, open_dataset
from .recipes import Recipe


@dataclass(frozen=True)
class Candidate:
    """A recipe, sized for its dataset, and that dataset in the features of its front end.

    Attributes:
        name: Name of the recipe.
        recipe: The recipe.
        data: The dataset.
        noise: Folders of recordings without speech, for the speech gate.
        cache: Folder of cached features and speech labels.
    """

    name: str
    recipe: Recipe
    data: Dataset
    noise: tuple[Path, ...] = ()
    cache: Path = FEATURE_CACHE

    def seeded(self, seed: int) -> Candidate:
        """Return a copy with another seed."""
        return replace(self, recipe=self.recipe.with_settings([f"seed={seed}"]))


def open_candidates(recipes: Mapping[str, Recipe], spec: DatasetSpec) -> list[Candidate]:
    """Load the dataset once per front end; all candidates have the same clips in the same order.

    Args:
        recipes: Recipes by name. The first one decides which clips can be used.
        spec: The recordings.

    Raises:
        DatasetError: If the dataset cannot be used, or the front end of another recipe cannot use
            one of its clips.
    """
    (name, recipe), *others = recipes.items()
    first = open_dataset(spec, recipe)
    candidates = [Candidate(name, recipe.sized(first), first, spec.noise, spec.cache)]
    features = {_front_end(recipe): first}
    noises = {_front_end(recipe): first.noises} if recipe.fit.augment.noise else {}
    for name, recipe in others:
        front_end = _front_end(recipe)
        if front_end not in features:
            features[front_end] = _compute_features(name, recipe, first, spec)
        if recipe.fit.augment.noise and front_end not in noises:
            noises[front_end] = noise_features(recipe.mfcc_config, recipe.silence, list(spec.noise))
        dataset = replace(
            first,
            frames=features[front_end].frames,
            rows=features[front_end].rows,
            statistics=features[front_end].statistics,
            statistic_names=features[front_end].statistic_names,
            mfcc_config=recipe.mfcc_config,
            noises=noises[front_end] if recipe.fit.augment.noise else [],
        )
        sized = recipe.sized(dataset)
        candidates.append(Candidate(name, sized, dataset, spec.noise, spec.cache))
    return candidates


def settings_of(candidates: list[Candidate]) -> dict[str, Any]:
    """Return the settings of all candidates as plain values for JSON."""
    recipes = {candidate.name: candidate.recipe.to_dict() for candidate in candidates}
    # JSON objects are unordered, and the order breaks ties between recipes.
    return {"order": list(recipes), "recipes": recipes}


def dataset_fingerprint(candidates: list[Candidate], indices: Iterable[int]) -> dict[str, Any]:
    """Return checksums of the clips `indices`, and the amount of noise, for each front end."""
    indices = list(indices)
    return {
        "noises": {candidate.name: len(candidate.data.noises) for candidate in candidates},
        "recordings": {candidate.name: candidate.data.digest(indices) for candidate in candidates},
    }


def _front_end(recipe: Recipe) -> tuple[MfccConfig, SilenceConfig | None, bool]:
    return recipe.mfcc_config, recipe.silence, recipe.statistics is not None


def _compute_features(name: str, recipe: Recipe, first: Dataset, spec: DatasetSpec) -> Dataset:
    """Return the clips of `first` with the features of the front end of a recipe."""
    try:
        dataset = load_dataset(
            first.clips,
            recipe.mfcc_config,
            spec.cache,
            recipe.silence,
            with_statistics=recipe.statistics is not None,
            n_copies=0 if recipe.statistics is None else recipe.statistics.n_copies,
        )
    except DatasetError as error:
        raise DatasetError(f"--recipe {name}: {error}") from error
    if dataset.clips != first.clips:
        raise DatasetError(
            f"--recipe {name}: its front end cannot use {len(dataset.unreadable)} of the clips "
            f"({dataset.unreadable[0]}); remove them from the data, or give this recipe first"
        )
    return dataset
