"""Export of a training run: checkpoint → fp32 → int8 → parity on its clips → model card."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import torch

from edge_runtime import ConfigError
from edge_runtime.inference.card import MAX_NAME_LENGTH, ModelCard
from train.checkpoint import load_checkpoint
from train.data.features import Dataset, load_dataset
from train.files import folder_lock, write_text
from train.network import EmotionLSTM
from train.run_folder import CHECKPOINT, RunError, has_keys, newest_run, refuse_to_overwrite

from .bundle import BUNDLES, CARD, bundle_export
from .card import read_card
from .card_page import card_markdown
from .check import file_sizes
from .gate_check import loss_message, training_losses
from .graph import export_fp32, export_int8, export_waveform
from .parity import FP32, INT8, WAVEFORM, compare_files
from .parity_report import PARITY_KEYS, ParityReport

_LOGGER = logging.getLogger(__name__)

UNFINISHED = ".export"  # folder of an export in progress


def export_run(
    run: Path | None,
    runs: Path,
    out: Path | None,
    name: str,
    cache: Path,
    bundle: str | None,
    force: bool = False,
) -> bool:
    """Export a run.

    All files are complete before the first one is moved to `out`, so that an earlier export stays
    intact. If a comparison exceeds its limit, the new files are named `*.failed.*`, so that they
    are not deployed by mistake.

    Args:
        run: The run folder. Default: the newest in `runs`.
        runs: Folder of numbered run folders.
        out: Folder for the files. Default: the run folder.
        name: Name of the model in its card.
        cache: Folder of cached features.
        bundle: Name of the bundled model of edge_runtime to replace; None: none.
        force: Export a model that answers "no speech" to clips that it was trained on.

    Returns:
        Whether all parity comparisons are within their limits.

    Raises:
        ConfigError: If the name is invalid.
        RunError: If the run is incomplete, if `out` contains files of another origin, or if the
            model loses too many training clips and `force` is False.
    """
    torch.set_num_threads(1)
    run = run or newest_run(runs, CHECKPOINT)
    out = out or run
    if out != run:
        check_output_folder(out)
    _check_name(name)
    network, stored = load_checkpoint(run)
    card, clips = read_card(network, stored, name, run / CHECKPOINT)
    dataset = load_dataset(
        clips, card.mfcc_config, cache, card.silence, with_statistics=card.statistics is not None
    )
    if dataset.unreadable:
        raise RunError(
            f"{len(dataset.unreadable)} clips of the run cannot be read, such as "
            f"{dataset.unreadable[0]}; the parity check requires all of them"
        )
    losses = training_losses(network, card, dataset, stored.get("test_clips", ()))
    message = loss_message(run, card, losses)
    if message and not force:
        raise RunError(f"{message}, or use --force to export it as it is")
    if message:
        _LOGGER.warning("%s", message)
        # The card states what this export measured, also for checkpoints of older versions.
        no_speech = {**card.scores.get("no_speech", {}), "train": losses}
        card = replace(card, scores={**card.scores, "no_speech": no_speech})
    section = ""
    if bundle is not None:
        card = replace(card, scores={**card.scores, **BUNDLES[bundle].scores()})
        section = BUNDLES[bundle].strangers_section()
    with folder_lock(out):
        folder = out / UNFINISHED
        shutil.rmtree(folder, ignore_errors=True)  # of an export that was killed
        try:
            holds = _write_models(folder, network, card, dataset, section)
            _move_files(folder, out, holds)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    if not holds:
        _LOGGER.error(
            "The exported model differs from the trained one, see the table. Its files are "
            "%s/*.failed.*; the earlier export is unchanged. If only int8 exceeds its limit, the "
            "network may be undertrained, with nearly equal probabilities: use more epochs or "
            "recordings.",
            out,
        )
        return False
    if bundle is not None:
        bundle_export(BUNDLES[bundle], run, out)
    _LOGGER.info("Try it: edge-ser classify --model %s clip.wav", out / INT8)
    return True


def check_output_folder(out: Path) -> None:
    """Raise RunError if an export would overwrite files that are not from an export."""
    names = (FP32, INT8, WAVEFORM, CARD, "parity.json", "parity.md")
    ours = (out / CHECKPOINT).exists() or has_keys(out / "parity.json", PARITY_KEYS)
    refuse_to_overwrite((out / name for name in names), "--out", ours)


def _check_name(name: str) -> None:
    if not name.strip() or not name.isprintable() or "|" in name or len(name) > MAX_NAME_LENGTH:
        raise ConfigError(
            f"--name {name!r} must be a line of 1 to {MAX_NAME_LENGTH} characters without |"
        )


def _write_models(
    folder: Path, network: EmotionLSTM, card: ModelCard, dataset: Dataset, section: str
) -> bool:
    """Write the models, the parity report and the card to `folder`; return whether parity holds."""
    fp32, int8, waveform = folder / FP32, folder / INT8, folder / WAVEFORM
    export_fp32(network, replace(card, quantization="none (float32)"), fp32)
    export_int8(fp32, card, int8)
    try:
        export_waveform(network, card, waveform)
        export_int8(waveform, card, waveform)
    except ConfigError as error:
        _LOGGER.warning("No %s: %s", WAVEFORM, error)
    links = compare_files(int8, network, dataset)
    parity = ParityReport(links, file_sizes([fp32, int8, waveform]))
    parity.write(folder / "parity")
    page = card_markdown(card, int8.stat().st_size, parity.table(), section)
    write_text(folder / CARD, page)
    return parity.holds


def _move_files(folder: Path, out: Path, holds: bool) -> None:
    """Move the files of an export: first the JSON that identifies it as one, last the model."""
    files = sorted(
        folder.iterdir(), key=lambda path: (path.name == INT8) - (path.suffix == ".json")
    )
    if holds and not (folder / WAVEFORM).exists():
        (out / WAVEFORM).unlink(missing_ok=True)  # of another front end
    for path in files:
        path.replace(out / (path.name if holds else f"{path.stem}.failed{path.suffix}"))
