"""What each choice of a recipe brings: variations of it, scored on validation speakers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from edge_runtime import ConfigError
from train.data.clip import Clip, DatasetError
from train.data.corpora import scan
from train.data.features import Dataset
from train.dataset import load_clips
from train.files import report_path, with_extra_suffix, write_json, write_text
from train.process_pool import map_in_processes
from train.recipes import Recipe
from train.run_folder import RunError, read_json, refuse_to_overwrite

from .ablation_variants import LAST_EPOCHS, REFERENCE, STUDIES, AblationStudy

Scores = dict[str, dict[str, list[float]]]  # by variation and seed, one for each measure


def choices(
    data: list[Path],
    report: Path,
    *,
    recipe: str,
    names: list[str],
    seeds: int,
    jobs: int,
    noise: list[Path],
    cache: Path,
    resume: bool,
) -> None:
    """Train every variation of a recipe (or those in `names`) with `seeds` seeds and write
    `report`.json/.md.

    `resume` keeps the scores that `report`.json has of the same variations. Raises, before anything
    is trained, ConfigError for a name that there is not and if what the others are compared with is
    missing, RunError for a report that is there and would be lost.
    """
    comparison = STUDIES[recipe]
    variations = comparison.variations
    for name in names:
        if name not in variations:
            raise ConfigError(f"--only {name}: wanted one of {'; '.join(variations)}")
    report = report_path(report)
    file = with_extra_suffix(report, ".json")
    if file.exists() and not resume:
        raise RunError(f"{file}: is there already; give --resume to add to it, or another --report")
    page = with_extra_suffix(report, ".md")
    done = _load(file, recipe)
    refuse_to_overwrite([page], "--report", file.exists())
    if REFERENCE not in [*(names or variations), *done]:
        raise ConfigError(f"--only: the others are compared with {REFERENCE!r}: give that as well")
    tasks = [
        (recipe, name, seed, data, noise, cache)
        for seed in range(seeds)
        for name in names or variations
        if str(seed) not in done.get(name, {})
    ]
    for name, seed, found in map_in_processes(_score, tasks, jobs):
        done.setdefault(name, {})[str(seed)] = found
        told = ", ".join(f"{100 * uar:.1f}%" for uar in found)
        print(f"{name}, seed {seed}: {told}", flush=True)
        recipes = {name: variations[name].to_dict() for name in done}
        write_json(file, {"recipe": recipe, "recipes": recipes, "scores": done})
    write_text(page, _markdown(done, comparison))


def _score(
    task: tuple[str, str, int, list[Path], list[Path], Path],
) -> tuple[str, int, list[float]]:
    recipe, name, seed, data, noise, cache = task
    comparison = STUDIES[recipe]
    variation = comparison.variations[name]
    dataset = _dataset(data, variation, noise, cache)
    variation = variation.sized(dataset).with_settings([f"seed={seed}"])
    return name, seed, comparison.score(dataset, variation)


def _dataset(data: list[Path], recipe: Recipe, noise: list[Path], cache: Path) -> Dataset:
    """The recordings; labels that not every corpus has are trained on and never answered."""
    clips = scan(data)
    common = _common_labels(clips)
    if len(common) < 2:
        raise DatasetError(
            f"the corpora have {len(common)} labels in common: two or more are needed to compare "
            "what is answered"
        )
    return load_clips(clips, common, {clip.label for clip in clips}, recipe, cache, noise)


def _common_labels(clips: list[Clip]) -> set[str]:
    return set.intersection(
        *(
            {clip.label for clip in clips if clip.corpus == corpus}
            for corpus in {clip.corpus for clip in clips}
        )
    )


def _load(path: Path, recipe: str) -> Scores:
    """The scores by variation and seed, but for those of variations that have changed since."""
    if not path.exists():
        return {}
    stored = read_json(path)
    try:
        of, recipes, found = stored["recipe"], dict(stored["recipes"]), dict(stored["scores"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{path}: is no report of this program that can be added to; give another --report"
        ) from error
    if of != recipe:
        raise RunError(f"{path}: is of --recipe {of}; give another --report")
    done = {}
    for name, by_seed in found.items():
        variation = STUDIES[recipe].variations.get(name)
        now = variation and json.loads(json.dumps(variation.to_dict()))
        if now is not None and recipes.get(name) == now:
            done[name] = dict(by_seed)
        else:
            print(f"Note: {name}: left out, its recipe is another one now")
    return done


def _markdown(done: Scores, comparison: AblationStudy) -> str:
    head = "".join(f" {measure} % | difference | seeds |" for measure in comparison.measures)
    rows = "\n".join(
        f"| {name} |" + "".join(_cells(done, name, k) for k in range(len(comparison.measures)))
        for name in comparison.variations
        if name in done
    )
    spread = " and ".join(f"{_spread(done, k):.1f}" for k in range(len(comparison.measures)))
    return f"""# What each choice brings

`{comparison.command}`: {comparison.how}, by the mean of its answers after the last {LAST_EPOCHS} \
epochs. One change at a time; the difference is to the first row, {comparison.reference}, by the \
same seeds. Between the seeds of one variation UAR differs by {spread} points on average.

| variation |{head}
|---|{"---:|---:|---|" * len(comparison.measures)}
{rows}
"""


def _cells(done: Scores, name: str, measure: int) -> str:
    """UAR, the difference to the reference over the seeds that both have, and UAR of each seed."""
    found = {seed: uars[measure] for seed, uars in done[name].items()}
    reference = {seed: uars[measure] for seed, uars in done[REFERENCE].items()}
    both = found.keys() & reference.keys()
    difference = np.mean([found[seed] - reference[seed] for seed in both])
    seeds = ", ".join(f"{100 * uar:.1f}" for _, uar in sorted(found.items()))
    return f" {100 * np.mean(list(found.values())):.1f} | {100 * difference:+.1f} | {seeds} |"


def _spread(done: Scores, measure: int) -> float:
    """The mean difference in points between the best and the worst seed."""
    several = [
        [uars[measure] for uars in found.values()] for found in done.values() if len(found) > 1
    ]
    return 100 * float(np.mean([max(found) - min(found) for found in several] or [0.0]))
