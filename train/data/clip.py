"""One recording of a data set, and what its label is called."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from edge_runtime.errors import EdgeSerError
from edge_runtime.inference.card import MAX_LABEL
from edge_runtime.inference.prediction import NO_SPEECH, UNCERTAIN
from edge_runtime.messages import brief_repr

SPLITS = ("train", "val", "test")

# What the runtime answers where no label is meant.
RESERVED = {NO_SPEECH, UNCERTAIN}


class DatasetError(EdgeSerError):
    """A dataset that nothing can be trained on."""


@dataclass(frozen=True)
class Clip:
    """One recording. `speaker` is None where nothing tells who speaks."""

    path: Path
    label: str
    speaker: str | None = None
    split: str | None = None
    corpus: str = ""
    written: str | None = field(default=None, compare=False)  # the label, as a person wrote it


# Corpora name the same emotion by adjective or noun; the adjective is what is shown.
ADJECTIVES = {
    "anger": "angry",
    "happiness": "happy",
    "joy": "happy",
    "sadness": "sad",
    "fear": "fearful",
    "surprise": "surprised",
    "calmness": "calm",
}

# Soft hyphen, zero-width space, marks of direction, word joiner, byte order mark: they come along
# when text is copied, and nobody sees that they make another class.
_INVISIBLE = dict.fromkeys([0xAD, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF])


def plain(text: str) -> str:
    """Text as people see it: one Unicode form, single blanks, none around it.

    >>> plain("  a\u0308rger\u200b \\n X")
    'ärger X'
    """
    return " ".join(unicodedata.normalize("NFC", text.translate(_INVISIBLE)).split())


def canonical_label(text: str) -> str:
    """Lower case, without blanks around it, the adjective for the noun: "Anger " → "angry"."""
    label = unicodedata.normalize("NFC", plain(text).lower())
    return ADJECTIVES.get(label, label)


def corpus_name(text: str) -> str:
    """What a corpus is called in reports and in the card of a model: `plain`, and what no terminal
    shows, or is no text, as its escape."""
    text = plain(text.encode(errors="backslashreplace").decode())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def check_label(clip: Clip) -> None:
    """DatasetError for a label that cannot be answered."""
    if not clip.label:
        raise DatasetError(f"{clip.path}: has an empty label; name its folder")
    if clip.label in RESERVED:
        raise DatasetError(
            f"{clip.path}: the label {clip.label!r} is an answer of the runtime's own "
            f"({', '.join(sorted(RESERVED))}); choose another name for it"
        )
    if len(clip.label) > MAX_LABEL:
        raise DatasetError(
            f"{clip.path}: the label {brief_repr(clip.label)} has {len(clip.label)} characters; a "
            f"model holds {MAX_LABEL} at most: rename its folder"
        )
    if not clip.label.isprintable():
        raise DatasetError(
            f"{clip.path}: the label {ascii(clip.label)} holds what is no text (a control "
            "character, or bytes that are not UTF-8); rename its folder"
        )
