"""The description of a generated C library for build systems and package managers."""

from __future__ import annotations

import json
import re
from pathlib import Path

from edge_runtime import __version__

from .library import Library, renamed

TEMPLATES = Path(__file__).with_name("templates")
PLATFORMIO = "library.json"


def packaging_names() -> list[str]:
    """Return the paths of the files of `packaging_files`."""
    return [PLATFORMIO, *_templates()]


def packaging_files(library: Library, sources: list[str], prefix: str) -> dict[str, str]:
    """Return the files for CMake, ESP-IDF, Zephyr, Arduino and PlatformIO.

    Args:
        library: The library.
        sources: Its C files, relative to its folder.
        prefix: Prefix of its symbols.

    Returns:
        Texts by path relative to the folder of the library.
    """
    labels = ", ".join(library.card.labels)
    sentence = one_line(f"Speech emotion recognition from samples of one channel: {labels}.")
    paragraph = one_line(
        f"C99 without heap or dependencies, generated from the model {library.card.name}. "
        f"Licence of the weights: {library.card.licence}"
    )
    values = {
        "VERSION": __version__,
        "SENTENCE": sentence,
        "QUOTED_SENTENCE": json.dumps(sentence),  # a string of JSON is one of YAML
        "PARAGRAPH": paragraph,
        "SOURCES": "\n".join(f"  {source}" for source in sources),
        "ZEPHYR_SOURCES": "\n".join(f"    ../{source}" for source in sources),
        "STATE_BYTES": str(library.state_bytes),
    }
    files = {name: _filled(renamed(text, prefix), values) for name, text in _templates().items()}
    return {PLATFORMIO: _platformio(f"{sentence} {paragraph}", prefix), **files}


def one_line(text: str) -> str:
    """Return text in one line of printable ASCII characters."""
    return "".join(c if " " <= c <= "~" else "?" for c in " ".join(text.split()))


def _templates() -> dict[str, str]:
    """Return the templates by path."""
    return {
        template.relative_to(TEMPLATES).as_posix(): template.read_text(encoding="utf-8")
        for template in sorted(TEMPLATES.rglob("*"))
        if template.is_file()
    }


def _platformio(description: str, prefix: str) -> str:
    """Return the manifest of PlatformIO."""
    manifest = {
        "name": prefix,
        "version": __version__,
        "description": description,
        "keywords": ["speech", "emotion", "audio", "mfcc", "lstm"],
        "authors": [{"name": "The edge-ser authors"}],
        "frameworks": "*",
        "platforms": "*",
        "headers": f"{prefix}.h",
        "examples": ["examples/*/*.ino"],
        "build": {"srcDir": "src", "includeDir": "src"},
    }
    return json.dumps(manifest, indent=2) + "\n"


def _filled(template: str, values: dict[str, str]) -> str:
    return re.sub("@([A-Z_]+)@", lambda match: values[match[1]], template)
