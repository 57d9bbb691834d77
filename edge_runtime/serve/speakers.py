"""Speaker profiles: list, create and delete."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..audio.decode import AudioFile
from ..audio.limits import AudioLimits
from ..audio.read import read_whole
from ..diagnostics.profile_report import profile_json
from ..errors import ConfigError
from ..inference.label_names import canonical_label, normalise_text
from ..inference.network import network_of
from ..inference.profile import SpeakerProfile, check_supports_labels
from ..inference.profile_files import checked_name, profile_folder
from ..messages import brief_repr, printable
from .problems import ProblemError

if TYPE_CHECKING:
    from ..model import EmotionModel


def stored_path(name: str) -> Path:
    """Return the file of a profile. A client can name no file outside of the folder.

    Raises:
        ConfigError: If the name is invalid.
    """
    return profile_folder() / f"{checked_name(name)}.json"


def load_profile(name: str | None, model: EmotionModel) -> SpeakerProfile | None:
    """Load the profile of an option.

    Raises:
        ConfigError: If the profile does not exist, or belongs to another model.
    """
    if name is None:
        return None
    profile = SpeakerProfile.load(stored_path(name))
    profile.voice_for(network_of(model))
    return profile


def profile_row(path: Path) -> dict[str, Any]:
    """Return the description of a profile, as `edge-ser profile show --json` without its path."""
    row = profile_json(SpeakerProfile.load(path), path)
    return {name: value for name, value in row.items() if name != "file"}


def list_profiles() -> list[dict[str, Any]]:
    """Return the descriptions of all profiles; of an invalid one its name and the error."""
    rows = []
    for path in sorted(profile_folder().glob("*.json")):
        try:
            rows.append(profile_row(path))
        except ConfigError as error:
            rows.append({"name": path.stem, "error": printable(str(error))})
    return rows


def show_profile(name: str) -> dict[str, Any]:
    """Return the description of a profile.

    Raises:
        ProblemError: If the profile does not exist.
    """
    return profile_row(_existing(name))


def delete_profile(name: str) -> None:
    """Delete a profile.

    Raises:
        ProblemError: If the profile does not exist.
    """
    _existing(name).unlink(missing_ok=True)


def create_profile(
    model: EmotionModel,
    name: str,
    clips: list[tuple[str, bytes]],
    labels: list[str] | None,
    limits: AudioLimits,
    force: bool,
) -> dict[str, Any]:
    """Create a profile from uploads, and store it.

    Args:
        model: The model.
        name: Name of the profile.
        clips: Names and bytes of the recordings.
        labels: The label of each; empty for none. None: no labels at all.
        limits: Maximum duration and size of a recording.
        force: Replace an existing profile.

    Returns:
        Its description.

    Raises:
        ProblemError: If it exists.
        EdgeSerError: If the recordings cannot be used.
    """
    path = stored_path(name)
    if path.exists() and not force:
        raise ProblemError(
            "profile_exists", f"profile {name} exists; pass force=true to replace it"
        )
    targets = None if labels is None else [_label(text, model) for text in labels]
    if targets is not None:
        check_supports_labels(name, model)
    samples = (
        read_whole(AudioFile(clip, content, limits), model.sample_rate) for clip, content in clips
    )
    SpeakerProfile.create(path.stem, model, samples, targets).save(path)
    return profile_row(path)


def _existing(name: str) -> Path:
    path = stored_path(name)
    if not path.is_file():
        raise ProblemError("not_found", f"profile {name}: no such profile")
    return path


def _label(text: str, model: EmotionModel) -> str | None:
    text = normalise_text(text)
    if not text:
        return None
    by_name = {canonical_label(label): label for label in model.labels}
    label = text if text in model.labels else by_name.get(canonical_label(text))
    if label is None:
        raise ConfigError(
            f"{brief_repr(text)} is not a label of the model; expected {', '.join(model.labels)}"
        )
    return label
