"""Run folders: `runs/001`, `runs/002`, …, each with the results of one training.

settings.json   the settings             state.pt        the training state, until it ends
split.json      the clips of each split  checkpoint.pt   the trained network, to export
metrics.csv     a row per epoch          report.json/.md the scores
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edge_runtime import EdgeSerError

from .files import make_folder, write_json

_LOGGER = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
STATE = "state.pt"  # and fold-1.state.pt, …
SETTINGS, SPLIT, REPORT = "settings.json", "split.json", "report.md"

WRITTEN = (SETTINGS, SPLIT, "metrics.csv", "report.json", REPORT, "curves.png", "calibration.png")

# Keys that may differ when a run is resumed: the paths as given, and what follows from them.
IGNORED_KEYS = {"data", "versions", "notes"}


class RunError(EdgeSerError):
    """A run folder that is missing, in use, or not as expected."""


def run_folder(run: Path | None, runs: Path, resume: bool) -> Path:
    """Return the folder to train in.

    Args:
        run: The folder, if given.
        runs: Folder of the numbered run folders.
        resume: Resume `run`, or the newest run below `runs`, instead of creating a new folder.

    Raises:
        RunError: If there is no run to resume.
    """
    if run is None:
        return newest_run(runs, SETTINGS) if resume else _new_run(runs)
    if resume and not (run / SETTINGS).is_file():
        raise RunError(f"{run}: holds no run to resume; omit --resume to begin one")
    return run


def begin(folder: Path, description: dict[str, Any], resume: bool) -> None:
    """Write the description of a new run, or check that a resumed run has the same one.

    Args:
        folder: The run folder.
        description: JSON values by file name.
        resume: True for a resumed run.

    Raises:
        RunError: If a new run would overwrite files, or a resumed run has another description.
    """
    if not resume:
        if any(folder.glob(f"*{STATE}")) or (folder / CHECKPOINT).exists():
            raise RunError(f"{folder}: already holds a run; use --resume, or another --run")
        # A run that failed before its first epoch leaves these two files, and may begin again.
        failed = (SETTINGS, SPLIT) if has_keys(folder / SETTINGS, {"recipes", "versions"}) else ()
        refuse_to_overwrite((folder / name for name in WRITTEN if name not in failed), "--run")
        for name, value in description.items():
            write_json(folder / name, value)
        return
    for name, value in description.items():
        before, now = (_without_folders(v) for v in (read_json(folder / name), as_json(value)))
        if not isinstance(before, dict):
            write_json(folder / name, value)  # the process was killed before writing it
            continue
        for key in now:
            if key in before and key not in IGNORED_KEYS and before[key] != now[key]:
                raise RunError(
                    f"{folder}: was trained with different {key!r} ({name}: "
                    f"{_difference(before[key], now[key])}); use the original settings and "
                    "recordings, or another --run folder"
                )
        if before.get("versions") != now.get("versions"):
            _LOGGER.info(
                "Note: the run began with other versions "
                f"({_difference(before.get('versions'), now.get('versions'))}); its weights may "
                "differ from those of an uninterrupted run"
            )


def fold_state_file(state_file: Path, fold: int) -> Path:
    """Return the state file of a cross-validation fold, next to that of the run.

    Example:
        >>> fold_state_file(Path("runs/001/state.pt"), 0).name
        'fold-1.state.pt'
    """
    return state_file.with_name(f"fold-{fold + 1}.{state_file.name}")


def is_complete(folder: Path) -> bool:
    """Return whether the training of a run folder has ended; the report is written last."""
    return (folder / CHECKPOINT).exists() and (folder / REPORT).exists()


def remove_states(folder: Path) -> None:
    """Remove the training states of a complete run, those of earlier versions included."""
    for path in folder.glob(f"*{STATE}"):
        path.unlink(missing_ok=True)


def as_json(value: Any) -> Any:
    """Return a value as it is read back from a JSON file."""
    return json.loads(json.dumps(value))


def _without_folders(description: Any) -> Any:
    """Replace the paths of clips by their file names.

    A folder may be given in another way, or move, before a run is resumed. The content of the clips
    is compared as well.
    """
    if not isinstance(description, dict):
        return description
    return {
        key: {**part, "clips": [Path(str(path)).name for path in part["clips"]]}
        if isinstance(part, dict) and isinstance(part.get("clips"), list)
        else part
        for key, part in description.items()
    }


def _difference(before: Any, now: Any) -> str:
    """Describe the first difference between two values in a few words."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *now]:
            if key not in before or key not in now:
                return f"{key!r} was {'added' if key in now else 'removed'}"
            if before[key] != now[key]:
                return f"{key}: {_difference(before[key], now[key])}"
    if isinstance(before, list) and isinstance(now, list):
        changes = [
            f"{len(values)} {change}, such as {values[0]}"
            for change, values in (
                ("removed", [value for value in before if value not in now]),
                ("added", [value for value in now if value not in before]),
            )
            if values
        ]
        return "; ".join(changes) or "in another order"
    return f"{before!r} before, {now!r} now"


def refuse_to_overwrite(files: Iterable[Path], option: str, ours: bool = False) -> None:
    """Raise RunError for existing files, unless they are of the same kind.

    Args:
        files: Files that would be replaced.
        option: Option that names their place, for the message.
        ours: True if the files may be replaced.

    Raises:
        RunError: If one of the files exists and `ours` is False.
    """
    for path in files:
        if not ours and path.exists():
            raise RunError(
                f"{path}: exists and was not written by this command; move it, or give "
                f"another {option}"
            )


def has_keys(file: Path, keys: set[str]) -> bool:
    """Return whether a file is a JSON object with these keys."""
    stored = read_json(file)
    return isinstance(stored, dict) and stored.keys() >= keys


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, or None if it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _new_run(root: Path) -> Path:
    """Create the next numbered folder below `root`."""
    make_folder(root)
    while True:
        numbers = [int(path.name) for path in root.glob("[0-9]*") if path.name.isdigit()]
        folder = root / f"{max(numbers, default=0) + 1:03d}"
        with contextlib.suppress(FileExistsError):  # another training created it first
            folder.mkdir()
            return folder


def newest_run(root: Path, required: str) -> Path:
    """Return the run folder with the highest number that contains the file `required`.

    Raises:
        RunError: If there is no such folder.
    """
    runs = [path.parent for path in root.glob(f"[0-9]*/{required}") if path.parent.name.isdigit()]
    if not runs:
        raise RunError(f"{root}: no run with a {required} found; begin with `make train`")
    return max(runs, key=lambda path: int(path.name))
