"""Parity check of an exported model on any recordings."""

from __future__ import annotations

from pathlib import Path

import torch

from edge_runtime.datasets.clip import DatasetError
from edge_runtime.datasets.corpora import scan
from edge_runtime.inference.network import Network
from train.checkpoint import load_checkpoint
from train.data.features import load_dataset
from train.run_folder import CHECKPOINT

from .parity import FP32, WAVEFORM, compare_files
from .parity_report import ParityReport, check_parity_path


def check_model(model: Path, data: list[Path], report: Path, cache: Path) -> bool:
    """Check an exported model, and the fp32 model, waveform graph and checkpoint next to it.

    Args:
        model: The int8 model.
        data: Folders of recordings and manifests. Clips without a label of the model are skipped.
        report: Where to write the report, without suffix.
        cache: Folder of cached features.

    Returns:
        Whether all comparisons are within their limits.

    Raises:
        DatasetError: If no clip has a label of the model.
        RunError: If a file that is not a parity report would be overwritten.
    """
    torch.set_num_threads(1)
    report = check_parity_path(report)
    int8 = Network.load(model)
    all_clips = scan(data)
    clips = [clip for clip in all_clips if clip.label in int8.labels]
    if not clips:
        raise DatasetError(
            f"no clip has a label of {model} ({', '.join(int8.labels)}); the recordings have "
            f"{', '.join(sorted({clip.label for clip in all_clips}))}"
        )
    card = int8.card
    dataset = load_dataset(
        clips, card.mfcc_config, cache, card.silence, with_statistics=card.statistics is not None
    )
    network = load_checkpoint(model.parent)[0] if (model.parent / CHECKPOINT).exists() else None
    links = compare_files(model, network, dataset)
    files = [model.with_name(FP32), model, model.with_name(WAVEFORM)]
    parity = ParityReport(links, file_sizes(files))
    parity.write(report)
    return parity.holds


def file_sizes(files: list[Path]) -> dict[str, int]:
    """Return the size in bytes of those files that exist, by name."""
    return {path.name: path.stat().st_size for path in files if path.exists()}
