"""Parity of another machine with this one, on the same clips: a row of the parity report."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_runtime import EdgeSerError
from edge_runtime.datasets.corpora import scan
from edge_runtime.diagnostics.parity_dump import DeviceOutputs
from edge_runtime.files import sha256
from edge_runtime.inference.network import Network
from edge_runtime.model import model_path
from train.files import with_extra_suffix

from .outputs import ModelOutputs
from .parity import Link, link
from .parity_report import ParityReport, check_parity_path

# Libraries for another processor sum in another order and round differently.
MAX_FEATURES = 1e-3
MAX_PROBABILITIES = 1e-4


def compare_device(file: Path, data: list[Path], model: Path | None, report: Path) -> bool:
    """Compare the outputs of another machine with those of this one, and add them to a report.

    Args:
        file: Outputs that `edge-ser parity-dump` wrote on the other machine.
        data: Folders of recordings and manifests with the same clips, under any names.
        model: The model used there. Default: the bundled one.
        report: The parity report, without suffix. An earlier row of the machine is replaced.

    Returns:
        Whether the differences are within their limits.

    Raises:
        EdgeSerError: If the model or the clips are others.
    """
    report = check_parity_path(report)
    remote, network = DeviceOutputs.load(file), Network.load(model_path(model))
    if remote.model != sha256(network.path):
        raise EdgeSerError(
            f"{file}: was computed with another model than {network.path}; use --model"
        )
    row = device_link(remote, network, data)
    json_file = with_extra_suffix(report, ".json")
    parity = ParityReport.load(json_file) if json_file.exists() else ParityReport()
    links = [other for other in parity.links if other.name != row.name] + [row]
    ParityReport(links, parity.sizes).write(report)
    return row.holds


def device_link(remote: DeviceOutputs, model: Network, data: list[Path]) -> Link:
    """Compare the outputs of another machine with those of this one.

    Args:
        remote: Outputs of the other machine.
        model: The model used there.
        data: Folders of recordings and manifests with the same clips, under any names.

    Raises:
        EdgeSerError: If a clip is not in `data`, or has no label of the model.
    """
    clips = {sha256(clip.path): clip for clip in scan(data) if clip.label in model.labels}
    missing = sum(digest not in clips for digest in remote.clips)
    if missing:
        raise EdgeSerError(
            f"{missing} of {len(remote.clips)} clips not found among the recordings of "
            f"{', '.join(map(str, data))} with a label of the model ({', '.join(model.labels)})"
        )
    compared = [clips[digest] for digest in remote.clips]
    local = DeviceOutputs.compute(model, [clip.path for clip in compared])
    return link(
        f"{local.machine} → {remote.machine}".replace("_", "-"),
        ModelOutputs(local.logits, local.probabilities, local.no_speech),
        ModelOutputs(remote.logits, remote.probabilities, remote.no_speech),
        np.array([model.labels.index(clip.label) for clip in compared]),
        list(model.labels),
        f"features within {MAX_FEATURES:g}, probabilities within {MAX_PROBABILITIES:g}, "
        "all decisions equal",
        lambda v: (
            v["features"] <= MAX_FEATURES
            and v["probabilities"] <= MAX_PROBABILITIES
            and v["decisions"] == 0
        ),
        features=max(map(_max_difference, local.features, remote.features)),
    )


def _max_difference(first: np.ndarray, second: np.ndarray) -> float:
    """Return the largest absolute difference; infinity if the numbers of frames differ."""
    return float(np.abs(first - second).max()) if first.shape == second.shape else float("inf")
