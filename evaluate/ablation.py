"""Ablation study: the effect of each setting of a recipe on validation speakers."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime import ConfigError
from edge_runtime.datasets.clip import Clip, DatasetError
from edge_runtime.datasets.corpora import scan
from edge_runtime.workers import usable_cores
from train.data.features import Dataset
from train.dataset import DatasetSpec, load_clips
from train.files import report_path, with_extra_suffix, write_json, write_text
from train.markdown import markdown_table
from train.process_pool import map_in_processes
from train.progress import Progress
from train.recipes import Recipe
from train.run_folder import RunError, read_json, refuse_to_overwrite

from .ablation_studies import LAST_EPOCHS, STUDIES, AblationStudy
from .ablation_variants import REFERENCE

_LOGGER = logging.getLogger(__name__)

Scores = dict[str, dict[str, list[float]]]  # variant → seed → one score for each measure


def run_study(
    spec: DatasetSpec,
    report: Path,
    *,
    recipe: str,
    names: list[str],
    seeds: int,
    jobs: int,
    resume: bool,
    quiet: bool = False,
) -> None:
    """Train the variants of a recipe and write `report`.json and .md.

    Args:
        spec: The recordings; its labels are ignored.
        report: The report, without suffix.
        recipe: A key of `STUDIES`.
        names: Variants to train. Default: all.
        seeds: Number of seeds per variant.
        jobs: Trainings at a time; 0: one per core.
        resume: Keep the scores in `report`.json whose variants have not changed.
        quiet: Print no progress.

    Raises:
        ConfigError: If a variant is unknown, or the reference would be missing.
        RunError: If the report exists and would be lost.
    """
    study = STUDIES[recipe]
    variants = study.variants
    for name in names:
        if name not in variants:
            raise ConfigError(f"--only {name}: expected one of {'; '.join(variants)}")
    report = report_path(report)
    file, page = (with_extra_suffix(report, suffix) for suffix in (".json", ".md"))
    if file.exists() and not resume:
        raise RunError(f"{file}: already exists; use --resume to add to it, or another --report")
    scores = _load_scores(file, recipe)
    refuse_to_overwrite([page], "--report", file.exists())
    if REFERENCE not in [*(names or variants), *scores]:
        raise ConfigError(f"--only: the reference {REFERENCE!r} is required; add it")
    tasks = [
        (recipe, name, seed, spec)
        for seed in range(seeds)
        for name in names or variants
        if str(seed) not in scores.get(name, {})
    ]
    if tasks and not quiet:
        n_processes = min(jobs or usable_cores(), len(tasks))
        n_variants = len({name for _, name, _, _ in tasks})
        _LOGGER.info(
            f"Planned: {len(tasks)} trainings ({n_variants} variants, {seeds} "
            f"seed{'s' * (seeds > 1)}), {n_processes} at a time"
        )
    with Progress(len(tasks), quiet, unit="trainings") as progress:
        for name, seed, uars in map_in_processes(
            score_variant, tasks, jobs, on_wait=progress.update
        ):
            scores.setdefault(name, {})[str(seed)] = uars
            _LOGGER.info("%s, seed %d: %s", name, seed, ", ".join(f"{100 * u:.1f}%" for u in uars))
            recipes = {name: variants[name].to_dict() for name in scores}
            write_json(file, {"recipe": recipe, "recipes": recipes, "scores": scores})
    write_text(page, ablation_markdown(scores, study))


def score_variant(task: tuple[str, str, int, DatasetSpec]) -> tuple[str, int, list[float]]:
    """Train and score a variant.

    Args:
        task: Recipe, variant, seed and recordings; see `run_study`.

    Returns:
        The variant, the seed, and a score for each measure of the study.
    """
    recipe, name, seed, spec = task
    study = STUDIES[recipe]
    variant = study.variants[name]
    dataset = load_study_data(spec, variant)
    variant = variant.sized(dataset).with_settings([f"seed={seed}"])
    return name, seed, study.score(dataset, variant)


def load_study_data(spec: DatasetSpec, recipe: Recipe) -> Dataset:
    """Load the recordings; labels that some corpora lack are auxiliary.

    Raises:
        DatasetError: If the corpora have fewer than two labels in common.
    """
    clips = scan(spec.data)
    common = common_labels(clips)
    if len(common) < 2:
        raise DatasetError(
            f"the number of labels that all corpora have in common is {len(common)}; at least two "
            "are required"
        )
    return load_clips(clips, common, {clip.label for clip in clips}, recipe, spec)


def common_labels(clips: list[Clip]) -> set[str]:
    """Return the labels that every corpus has."""
    return set.intersection(
        *(
            {clip.label for clip in clips if clip.corpus == corpus}
            for corpus in {clip.corpus for clip in clips}
        )
    )


def _load_scores(path: Path, recipe: str) -> Scores:
    """Return the scores of a report, without those of variants that have changed since."""
    if not path.exists():
        return {}
    stored = read_json(path)
    try:
        stored_recipe = stored["recipe"]
        recipes, scores = dict(stored["recipes"]), dict(stored["scores"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path}: is not an ablation report; use another --report") from error
    if stored_recipe != recipe:
        raise RunError(f"{path}: is a report of --recipe {stored_recipe}; use another --report")
    unchanged = {}
    for name, by_seed in scores.items():
        variant = STUDIES[recipe].variants.get(name)
        current = variant and json.loads(json.dumps(variant.to_dict()))
        if current is not None and recipes.get(name) == current:
            unchanged[name] = dict(by_seed)
        else:
            _LOGGER.info("Note: %s: dropped, because its recipe has changed", name)
    return unchanged


def render_ablation(stored: dict[str, Any]) -> str:
    """Return the page of an ablation report that was read from JSON."""
    return ablation_markdown(stored["scores"], STUDIES[stored["recipe"]])


def ablation_markdown(scores: Scores, study: AblationStudy) -> str:
    """Return the page of an ablation study."""
    measures = range(len(study.measures))
    headers = ["variant"]
    for measure in study.measures:
        headers += [f"{measure} %", "difference", "by seed"]
    rows = [
        [name, *(cell for k in measures for cell in _cells(scores, name, k))]
        for name in study.variants
        if name in scores
    ]
    spread = " and ".join(f"{_seed_spread(scores, k):.1f}" for k in measures)
    return f"""# Ablation study

`{study.command}`

{study.method} Predictions are the mean of the logits after each of the last {LAST_EPOCHS} epochs.

Each variant changes one setting of the reference (first row): {study.reference}. Differences are \
to the reference, in percentage points, over the seeds that both have. The seeds of a variant \
differ by {spread} points on average.

{markdown_table(headers, rows, "l" + len(measures) * "rrl")}
"""


def _cells(scores: Scores, name: str, measure: int) -> list[str]:
    """Return UAR, the difference to the reference over common seeds, and the UAR of each seed."""
    uars = {seed: values[measure] for seed, values in scores[name].items()}
    reference = {seed: values[measure] for seed, values in scores[REFERENCE].items()}
    common = uars.keys() & reference.keys()
    difference = np.mean([uars[seed] - reference[seed] for seed in common])
    by_seed = ", ".join(f"{100 * uar:.1f}" for _, uar in sorted(uars.items()))
    return [f"{100 * np.mean(list(uars.values())):.1f}", f"{100 * difference:+.1f}", by_seed]


def _seed_spread(scores: Scores, measure: int) -> float:
    """Return the mean difference between the best and the worst seed, in percentage points."""
    by_variant = [
        [values[measure] for values in by_seed.values()]
        for by_seed in scores.values()
        if len(by_seed) > 1
    ]
    return 100 * float(np.mean([max(uars) - min(uars) for uars in by_variant] or [0.0]))
