"""A clip of a dataset, and the spelling of labels, speakers and corpora."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..errors import EdgeSerError
from ..inference.card import MAX_LABEL_LENGTH
from ..inference.label_names import canonical_label as canonical_label
from ..inference.label_names import normalise_text as normalise_text
from ..inference.prediction import NO_SPEECH, UNCERTAIN
from ..messages import brief_repr

SPLITS = ("train", "val", "test")

# Labels that the runtime returns in place of an emotion.
RESERVED_LABELS = {NO_SPEECH, UNCERTAIN}


class DatasetError(EdgeSerError):
    """A dataset that cannot be read or used."""


@dataclass(frozen=True)
class Clip:
    """One recording of a dataset.

    Attributes:
        path: The audio file.
        label: The emotion, in its canonical spelling.
        speaker: `corpus/name`; None if the speaker is unknown.
        split: One of `SPLITS`, if the data assign the clip to one.
        corpus: Name of the corpus.
        raw_label: The label as the folder or the manifest spells it; None if it is encoded in the
            file name.
    """

    path: Path
    label: str
    speaker: str | None = None
    split: str | None = None
    corpus: str = ""
    raw_label: str | None = field(default=None, compare=False)


def corpus_name(text: str) -> str:
    """Return the name of a corpus for reports and model cards.

    Unprintable characters, and bytes that are not UTF-8, are escaped.
    """
    text = normalise_text(text.encode(errors="backslashreplace").decode())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def check_label(clip: Clip) -> None:
    """Raise DatasetError for a label that a model cannot return."""
    if not clip.label:
        raise DatasetError(f"{clip.path}: the label is empty; rename its folder")
    if clip.label in RESERVED_LABELS:
        raise DatasetError(
            f"{clip.path}: the label {clip.label!r} is reserved by the runtime "
            f"({', '.join(sorted(RESERVED_LABELS))}); choose another name"
        )
    if len(clip.label) > MAX_LABEL_LENGTH:
        raise DatasetError(
            f"{clip.path}: the label {brief_repr(clip.label)} has {len(clip.label)} characters; "
            f"expected {MAX_LABEL_LENGTH} at most; rename its folder"
        )
    if not clip.label.isprintable():
        raise DatasetError(
            f"{clip.path}: the label {ascii(clip.label)} contains a control character or bytes "
            "that are not UTF-8; rename its folder"
        )
