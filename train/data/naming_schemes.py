"""File-name schemes of public corpora, with their licences and the sex of their speakers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .clip import canonical_label


@dataclass(frozen=True)
class NamingScheme:
    """The encoding of label and speaker in the file names of a corpus.

    Attributes:
        corpus: Name of the corpus.
        licence: Its licence.
        pattern: Matches a file name without its suffix; has the groups `label` and `speaker`.
        labels: Maps the codes in the file names to labels.
    """

    corpus: str
    licence: str
    pattern: re.Pattern[str]
    labels: dict[str, str]

    def parse(self, stem: str) -> tuple[str, str] | None:
        """Return `(label, speaker)` of a file name, or None if it is not of this corpus."""
        match = self.pattern.fullmatch(stem)
        if match is None or match["label"] not in self.labels:
            return None
        speaker = SPEAKER_ALIASES.get(match["speaker"], match["speaker"])
        return self.labels[match["label"]], f"{self.corpus}/{speaker}"


# TESS abbreviates its two speakers in some file names.
SPEAKER_ALIASES = {"OA": "OAF", "YA": "YAF"}

SCHEMES = (
    NamingScheme(  # https://zenodo.org/records/1188976
        "ravdess",
        "CC BY-NC-SA 4.0",
        re.compile(r"0[1-3]-0[12]-(?P<label>\d\d)-\d\d-\d\d-\d\d-(?P<speaker>\d\d)"),
        {
            "01": "neutral",
            "02": "calm",
            "03": "happy",
            "04": "sad",
            "05": "angry",
            "06": "fearful",
            "07": "disgust",
            "08": "surprised",
        },
    ),
    NamingScheme(  # http://emodb.bilderbar.info/index-1280.html: the letters are German words
        "emodb",
        "CC BY 4.0",
        re.compile(r"(?P<speaker>\d\d)[ab]\d\d(?P<label>[A-Z])[a-z]?"),
        {
            "W": "angry",
            "L": "boredom",
            "E": "disgust",
            "A": "fearful",
            "F": "happy",
            "T": "sad",
            "N": "neutral",
        },
    ),
    NamingScheme(  # https://doi.org/10.5683/SP2/E8H2MF
        "tess",
        "CC BY-NC-ND 4.0",
        re.compile(r"(?P<speaker>OAF|YAF|OA|YA)_[A-Za-z]+_(?P<label>[A-Za-z]+)"),
        {
            "angry": "angry",
            "disgust": "disgust",
            "fear": "fearful",
            "happy": "happy",
            "neutral": "neutral",
            "ps": "surprised",
            "sad": "sad",
        },
    ),
    NamingScheme(  # https://doi.org/10.1109/TAFFC.2014.2336244
        "cremad",
        "ODbL 1.0 (contents: DbCL 1.0)",
        re.compile(r"(?P<speaker>\d{4})_[A-Z]{3}_(?P<label>[A-Z]{3})_(LO|MD|HI|XX|X)"),
        {
            "ANG": "angry",
            "DIS": "disgust",
            "FEA": "fearful",
            "HAP": "happy",
            "NEU": "neutral",
            "SAD": "sad",
        },
    ),
    NamingScheme(  # https://github.com/amu-cai/nEMO
        "nemo",
        "CC BY-NC-SA 4.0",
        re.compile(r"(?P<speaker>[A-Z]{2}\d)_(?P<label>[a-z]+)_\d+"),
        {
            name: canonical_label(name)
            for name in (
                "anger",
                "fear",
                "happiness",
                "neutral",
                "sadness",
                "surprise",
                "surprised",
                "angry",
                "fearful",
                "happy",
                "sad",
            )
        },
    ),
)

LICENCES = {
    **{scheme.corpus: scheme.licence for scheme in SCHEMES},
    # Corpora whose labels and speakers come from a manifest.
    "ased": "research use, no licence stated",  # https://doi.org/10.1145/3529759
    "korean": "CC BY-NC-SA, research only",  # https://github.com/emotiontts/emotiontts_open_db
}

# From the web pages of the corpora; RAVDESS gives even numbers to women.
_WOMEN = {
    "emodb": {"08", "09", "13", "14", "16"},
    "tess": {"OAF", "YAF"},
    "ravdess": {f"{number:02d}" for number in range(2, 25, 2)},
}

NOT_KNOWN = "not known"


def speaker_group(speaker: str | None) -> str:
    """Return "women" or "men" if the corpus documents its speakers, else "not known".

    >>> speaker_group("ravdess/07"), speaker_group("nemo/SM0")
    ('men', 'not known')
    """
    corpus, _, name = (speaker or "").partition("/")
    if corpus not in _WOMEN:
        return NOT_KNOWN
    return "women" if name in _WOMEN[corpus] else "men"
