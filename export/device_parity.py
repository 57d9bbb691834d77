"""Does another machine answer as this one? A row of the parity report, on the same clips."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from edge_runtime import EdgeSerError, EmotionModel
from edge_runtime.diagnostics.parity_dump import DeviceOutputs
from edge_runtime.files import sha256
from train.data.corpora import scan
from train.files import with_extra_suffix

from .parity import ModelOutputs, Link, link
from .pipeline import check_report, write_parity

# Libraries of another processor add in another order and round differently.
DEVICE_FEATURES = 1e-3
DEVICE_PROBABILITIES = 1e-4


def compare_device(file: Path, data: list[Path], model: Path | None, report: Path) -> bool:
    """Compare what a device measured with what this machine makes of the same clips, found in
    `data` by their content, and put the row into the parity report; True if it holds."""
    report = check_report(report)
    there, loaded = DeviceOutputs.load(file), EmotionModel.load(model)
    if there.model != sha256(loaded.path):
        raise EdgeSerError(
            f"{file}: was measured with another model than {loaded.path}; give that as --model"
        )
    row = device_link(there, loaded, data)
    links, sizes = _read_report(with_extra_suffix(report, ".json"))
    links = [other for other in links if other.name != row.name] + [row]
    write_parity(links, sizes, report)
    return row.holds


def device_link(there: DeviceOutputs, model: Network, data: list[Path]) -> Link:
    """The comparison itself. Clips that are not in `data` cannot be compared: an error."""
    clips = {sha256(clip.path): clip for clip in scan(data) if clip.label in model.labels}
    missing = sum(digest not in clips for digest in there.clips)
    if missing:
        raise EdgeSerError(
            f"{missing} of the {len(there.clips)} clips measured are not among the recordings of "
            f"{', '.join(map(str, data))} with a label of the model ({', '.join(model.labels)})"
        )
    compared = [clips[digest] for digest in there.clips]
    here = DeviceOutputs.of(model, [clip.path for clip in compared])
    return link(
        f"{here.machine} → {there.machine}".replace("_", "-"),
        ModelOutputs(here.logits, here.probabilities),
        ModelOutputs(there.logits, there.probabilities),
        np.array([model.labels.index(clip.label) for clip in compared]),
        list(model.labels),
        f"features within {DEVICE_FEATURES:g}, probabilities within {DEVICE_PROBABILITIES:g}, "
        "every decision equal",
        lambda v: (
            v["features"] <= DEVICE_FEATURES
            and v["probabilities"] <= DEVICE_PROBABILITIES
            and v["decisions"] == 0
        ),
        features=max(map(_difference, here.features, there.features)),
    )


def _difference(first: np.ndarray, second: np.ndarray) -> float:
    """The largest; of clips with another number of frames infinite."""
    return float(np.abs(first - second).max()) if first.shape == second.shape else float("inf")


def _read_report(path: Path) -> tuple[list[Link], dict[str, int]]:
    """The rows and the sizes of a report, none if it is not there yet."""
    if not path.exists():
        return [], {}
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return [Link(**row) for row in stored["links"]], stored["sizes"]
    except (ValueError, TypeError, KeyError) as error:
        raise EdgeSerError(
            f"{path}: is no parity report ({error!r}); give another --report"
        ) from error
