"""The spelling of labels in folders and manifests."""

from __future__ import annotations

import unicodedata

# Corpora name the same emotion by adjective or by noun; labels are adjectives.
ADJECTIVES = {
    "anger": "angry",
    "happiness": "happy",
    "joy": "happy",
    "sadness": "sad",
    "fear": "fearful",
    "surprise": "surprised",
    "calmness": "calm",
}

# Soft hyphen, zero-width space, direction marks, word joiner, byte order mark: copied text contains
# them, and they would silently create another class.
_INVISIBLE = dict.fromkeys([0xAD, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF])


def normalise_text(text: str) -> str:
    r"""Return text in Unicode form NFC, without invisible characters and redundant whitespace.

    >>> normalise_text("  a\u0308rger\u200b \n X")
    'ärger X'
    """
    return " ".join(unicodedata.normalize("NFC", text.translate(_INVISIBLE)).split())


def canonical_label(text: str) -> str:
    """Return a label in lower case, as an adjective.

    >>> canonical_label("Anger ")
    'angry'
    """
    label = unicodedata.normalize("NFC", normalise_text(text).lower())
    return ADJECTIVES.get(label, label)
