"""Names of speaker profiles, and the folder that holds them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from ..errors import ConfigError
from ..messages import brief_repr

MAX_FILE_NAME_BYTES = 240  # with the suffix, the limit of common file systems
MAX_NAME_LENGTH = 64  # characters
NAME_RULE = (
    f"1 to {MAX_NAME_LENGTH} letters, digits, spaces, dots, - or _, and start with a letter, digit "
    "or _"
)


def profile_path(name: str) -> Path:
    """Return the file of a profile.

    Args:
        name: Name of a speaker, or a path that ends in .json.

    Raises:
        ConfigError: If the name is invalid.
    """
    if name.lower().endswith(".json"):
        return Path(name)
    return profile_folder() / f"{checked_name(name)}.json"


def profile_folder() -> Path:
    """Return the folder of the profiles.

    It is `$EDGE_SER_PROFILES`, else `edge-ser/profiles` in `$XDG_DATA_HOME`, else in the system's
    folder for user data: https://specifications.freedesktop.org/basedir-spec/latest/

    Raises:
        ConfigError: If the user has no home folder.
    """
    if folder := os.environ.get("EDGE_SER_PROFILES"):
        return Path(folder)
    # On Linux platformdirs uses the variable as well, on other systems only in some versions.
    if base := os.environ.get("XDG_DATA_HOME"):
        return Path(base) / "edge-ser" / "profiles"
    from platformdirs import user_data_path

    try:
        folder_of_user = user_data_path("edge-ser", appauthor=False)
    except RuntimeError:
        folder_of_user = None
    # Some versions return the path with "~" instead of an error.
    if folder_of_user is None or not folder_of_user.is_absolute():
        raise ConfigError(
            "no folder for profiles: this user has no home folder; set HOME, or EDGE_SER_PROFILES "
            "to a folder"
        )
    return folder_of_user / "profiles"


def is_stored(path: Path) -> bool:
    """Return True if a path is that of a profile in the folder of the profiles."""
    try:
        return path.parent == profile_folder()
    except ConfigError:
        return False


def is_profile_name(name: str) -> bool:
    """Return True for a valid name; marks (M…) are the vowel signs and accents of many scripts."""
    return (
        0 < len(name) <= MAX_NAME_LENGTH
        and (name[0].isalnum() or name[0] == "_")
        and all(
            letter.isalnum() or letter in "_ .-" or unicodedata.category(letter)[0] == "M"
            for letter in name
        )
    )


def checked_name(name: str) -> str:
    """Return the name in Unicode normal form C; raise ConfigError if it is invalid."""
    name = unicodedata.normalize("NFC", name)
    if not is_profile_name(name):
        raise ConfigError(f"profile name {brief_repr(name)} must be {NAME_RULE}")
    n_bytes = len(name.encode())
    if n_bytes > MAX_FILE_NAME_BYTES:
        raise ConfigError(
            f"profile name {brief_repr(name)} has {n_bytes} bytes in UTF-8; file names are limited "
            f"to {MAX_FILE_NAME_BYTES}"
        )
    return name
