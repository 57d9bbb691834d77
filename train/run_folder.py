"""Run folders: `runs/001`, `runs/002`, …, each with everything that one training leaves behind.

settings.json   what was asked for       state.pt        to resume from
split.json      who is in which split    checkpoint.pt   the trained network, to export
metrics.csv     a row per epoch          report.json/.md what it is worth
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from edge_runtime import EdgeSerError, MfccConfig
from edge_runtime.features.silence import SilenceConfig
from edge_runtime.messages import brief_repr, shorten_error

from .files import load_torch, make_folder, save_torch, write_json
from .network import EmotionLSTM, NetworkConfig

CHECKPOINT = "checkpoint.pt"
STATE = "state.pt"  # and choice-1.state.pt, …
SETTINGS, SPLIT = "settings.json", "split.json"

WRITTEN = (
    SETTINGS,
    SPLIT,
    "metrics.csv",
    "report.json",
    "report.md",
    "curves.png",
    "calibration.png",
)


class RunError(EdgeSerError):
    """A run folder that is missing, taken or not what it should be."""


def run_folder(run: Path | None, runs: Path, resume: bool) -> Path:
    """The folder to train in: `run`, or below `runs` a new one, or to resume the newest one."""
    if run is None:
        return newest_run(runs, SETTINGS) if resume else _new_run(runs)
    if resume and not (run / SETTINGS).is_file():
        raise RunError(f"{run}: holds no interrupted run; leave out --resume to begin one")
    return run


def begin(folder: Path, about: dict[str, Any], resume: bool) -> None:
    """Write what the run is, `about` by file; to resume, check that it is the same run.

    A run that was begun without --resume must be the first of its folder: RunError if not.
    """
    if not resume:
        if any(folder.glob(f"*{STATE}")) or (folder / CHECKPOINT).exists():
            raise RunError(f"{folder}: holds a run already; give --resume, or another --run")
        # One that failed before its first epoch has left these two, and may be begun again.
        failed = (SETTINGS, SPLIT) if has_keys(folder / SETTINGS, {"recipes", "versions"}) else ()
        refuse_to_overwrite((folder / name for name in WRITTEN if name not in failed), "--run")
        for name, value in about.items():
            write_json(folder / name, value)
        return
    for name, value in about.items():
        before, now = (_by_names(v) for v in (read_json(folder / name), as_json(value)))
        if not isinstance(before, dict):
            write_json(folder / name, value)  # killed before it was there
            continue
        for key in now:
            if key in before and key not in UNIMPORTANT and before[key] != now[key]:
                raise RunError(
                    f"{folder}: was begun with another {key!r} ({name}: "
                    f"{_difference(before[key], now[key])}); give the settings and the recordings "
                    "of that run, or another --run folder for a new one"
                )
        if before.get("versions") != now.get("versions"):
            print(
                f"Note: the run was begun with other versions "
                f"({_difference(before.get('versions'), now.get('versions'))}): its weights may "
                "differ from those of an uninterrupted one"
            )


# What may differ when a run is resumed: what was given for the folder, and what was said of it.
UNIMPORTANT = {"data", "versions", "notes"}


def as_json(value: Any) -> Any:
    """`value` as it comes back from a JSON file."""
    return json.loads(json.dumps(value))


def _by_names(about: Any) -> Any:
    """With the names of clips in place of their paths: a folder may be written in another way, or
    have moved, until a run is resumed; what the clips hold is compared as well."""
    if not isinstance(about, dict):
        return about
    return {
        key: {**part, "clips": [Path(str(path)).name for path in part["clips"]]}
        if isinstance(part, dict) and isinstance(part.get("clips"), list)
        else part
        for key, part in about.items()
    }


def _difference(before: Any, now: Any) -> str:
    """The first place where two values differ, in a few words."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *now]:
            if key not in before or key not in now:
                return f"{key!r} {'not then, but now' if key in now else 'then, not now'}"
            if before[key] != now[key]:
                return f"{key}: {_difference(before[key], now[key])}"
    if isinstance(before, list) and isinstance(now, list):
        gone = [value for value in before if value not in now]
        new = [value for value in now if value not in before]
        what = [
            f"{len(values)} {word}, such as {values[0]}"
            for word, values in (("less", gone), ("more", new))
            if values
        ]
        return "; ".join(what) or "in another order"
    return f"{before!r} then, {now!r} now"


def refuse_to_overwrite(files: Iterable[Path], option: str, ours: bool = False) -> None:
    """RunError for files that are there and would be replaced, unless they are `ours`."""
    for path in files:
        if not ours and path.exists():
            raise RunError(
                f"{path}: is there already, is of something else, and would be lost; give another "
                f"{option}"
            )


def has_keys(file: Path, keys: set[str]) -> bool:
    """Whether a file is a JSON object with these keys."""
    stored = read_json(file)
    return isinstance(stored, dict) and stored.keys() >= keys


def read_json(path: Path) -> Any:
    """What a file holds, None if it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _new_run(root: Path) -> Path:
    """The next free numbered folder below `root`, made."""
    make_folder(root)
    while True:
        numbers = [int(path.name) for path in root.glob("[0-9]*") if path.name.isdigit()]
        folder = root / f"{max(numbers, default=0) + 1:03d}"
        with contextlib.suppress(FileExistsError):  # another training was quicker
            folder.mkdir()
            return folder


def newest_run(root: Path, holding: str) -> Path:
    """The folder with the highest number that holds the file `holding`."""
    found = [path.parent for path in root.glob(f"[0-9]*/{holding}") if path.parent.name.isdigit()]
    if not found:
        raise RunError(f"{root}: no run with a {holding} in it; begin with `make train`")
    return max(found, key=lambda path: int(path.name))


def save_checkpoint(
    folder: Path,
    network: EmotionLSTM,
    mfcc_config: MfccConfig,
    silence: SilenceConfig | None,
    labels: list[str],
    **about: Any,
) -> None:
    """Weights and all that the export needs; `about` must be plain values."""
    save_torch(
        folder / CHECKPOINT,
        {
            "weights": network.state_dict(),
            "network": asdict(network.config),
            "mfcc_config": mfcc_config.to_dict(),
            "silence": silence and silence.to_dict(),
            "labels": labels,
            **about,
        },
    )


def load_checkpoint(folder: Path) -> tuple[EmotionLSTM, dict[str, Any]]:
    """The network and the rest of what `save_checkpoint` stored. Executes no code from the file."""
    path = folder / CHECKPOINT
    if not path.exists():
        raise RunError(f"{path}: no such checkpoint; begin with `make train`")
    try:
        stored = load_torch(path)
        network = _network(stored["network"], stored.pop("weights"))
    except KeyError as error:
        raise RunError(f"{path}: is not a checkpoint of edge-ser: it lacks {error}") from error
    except Exception as error:  # what is in it may be anything
        raise RunError(
            f"{path}: is not a checkpoint of edge-ser: {shorten_error(error)}"
        ) from error
    lacking = [name for name in STORED if name not in stored]
    if lacking:
        raise RunError(f"{path}: is not a checkpoint of edge-ser: it lacks {', '.join(lacking)}")
    return network.eval(), stored


# What the export reads of a checkpoint.
STORED = ("mfcc_config", "labels", "temperature", "licence", "corpora", "scores", "clips")


def _network(sizes: Any, weights: Any) -> EmotionLSTM:
    """The network of these sizes with these weights; ValueError or TypeError if they do not fit."""
    config = NetworkConfig(**sizes)
    with torch.device("meta"):  # takes no memory, whatever the sizes
        wanted = {name: value.shape for name, value in EmotionLSTM(config).state_dict().items()}
    found = {name: getattr(value, "shape", None) for name, value in dict(weights).items()}
    for name in wanted.keys() | found.keys():
        if wanted.get(name) != found.get(name):
            raise ValueError(
                f"the weights {brief_repr(name)} have shape {found.get(name)}; "
                f"wanted {wanted.get(name)}"
            )
        if not torch.isfinite(weights[name]).all():
            raise ValueError(f"the weights {brief_repr(name)} are not finite")
    network = EmotionLSTM(config)
    network.load_state_dict(weights)
    return network
