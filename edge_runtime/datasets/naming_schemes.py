"""File-name schemes of public corpora, with their licences and the sex of their speakers."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from .clip import canonical_label


@dataclass(frozen=True)
class ParsedName:
    """Content of a file name that follows a naming scheme.

    Attributes:
        label: The emotion.
        speaker: `corpus/name`.
        n_folders: Number of parent folders that the scheme covers. They mean nothing else.
    """

    label: str
    speaker: str
    n_folders: int


@dataclass(frozen=True)
class NamingScheme:
    """The encoding of label and speaker in the file names of a corpus.

    Attributes:
        corpus: Name of the corpus.
        licence: Its licence.
        pattern: Matches a file name without its suffix, or the end of a path with "/" between
            folders; has the groups `label` and `speaker`.
        labels: Maps the codes in the file names to labels.
        folders: Folders of the corpus as it is downloaded, in lower case, that name neither label
            nor speaker.
    """

    corpus: str
    licence: str
    pattern: re.Pattern[str]
    labels: dict[str, str]
    folders: frozenset[str] = frozenset()

    def parse(self, parts: tuple[str, ...]) -> ParsedName | None:
        """Return label and speaker of a file, or None if it is not of this corpus.

        Args:
            parts: Folders and name of the file, without its suffix.
        """
        n_folders = self.pattern.pattern.count("/")
        match = self.pattern.fullmatch("/".join(parts[len(parts) - 1 - n_folders :]))
        if match is None or match["label"] not in self.labels:
            return None
        speaker = SPEAKER_ALIASES.get(match["speaker"], match["speaker"])
        return ParsedName(self.labels[match["label"]], f"{self.corpus}/{speaker}", n_folders)


# TESS abbreviates its two speakers in some file names.
SPEAKER_ALIASES = {"OA": "OAF", "YA": "YAF"}

_SAVEE_LABELS = {
    "a": "angry",
    "d": "disgust",
    "f": "fearful",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprised",
}
_ESD_LABELS = {
    name: canonical_label(name) for name in ("Angry", "Happy", "Neutral", "Sad", "Surprise")
}

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
    NamingScheme(  # http://kahlan.eps.surrey.ac.uk/savee: the original has a folder per speaker
        "savee",
        "research use only",
        re.compile(r"(?P<speaker>DC|JE|JK|KL)/(?P<label>[a-z]{1,2})\d\d"),
        _SAVEE_LABELS,
    ),
    NamingScheme(  # the copies that have all files in one folder
        "savee",
        "research use only",
        re.compile(r"(?P<speaker>DC|JE|JK|KL)_?(?P<label>[a-z]{1,2})\d\d"),
        _SAVEE_LABELS,
    ),
    NamingScheme(  # http://voice.fub.it/activities/corpora/emovo: the codes are Italian words
        "emovo",
        "research use only",
        re.compile(r"(?P<label>[a-z]{3})-(?P<speaker>[fm]\d)-[a-z]\d"),
        {
            "rab": "angry",
            "dis": "disgust",
            "pau": "fearful",
            "gio": "happy",
            "neu": "neutral",
            "tri": "sad",
            "sor": "surprised",
        },
    ),
    # https://github.com/HLTSingapore/Emotional-Speech-Data: the split into train, evaluation and
    # test has all speakers in each part, so that it is not used.
    NamingScheme(
        "esd",
        "research use only",
        re.compile(
            r"(?P<speaker>\d{4})/(?P<label>[A-Za-z]+)/(?:train|evaluation|test)/(?P=speaker)_\d{6}"
        ),
        _ESD_LABELS,
    ),
    NamingScheme(  # the copies without the folders of the split
        "esd",
        "research use only",
        re.compile(r"(?P<speaker>\d{4})/(?P<label>[A-Za-z]+)/(?P=speaker)_\d{6}"),
        _ESD_LABELS,
    ),
    NamingScheme(  # https://github.com/pariajm/sharif-emotional-speech-database
        "shemo",
        "research use only",
        re.compile(r"(?P<speaker>[FM]\d\d)(?P<label>[A-Z])\d{2,3}"),
        {"A": "angry", "F": "fearful", "H": "happy", "N": "neutral", "S": "sad", "W": "surprised"},
        frozenset({"female", "male"}),
    ),
    NamingScheme(  # https://github.com/tli725/JL-Corpus: five primary, then five secondary emotions
        "jl",
        "CC0 1.0",
        re.compile(r"(?P<speaker>(?:fe)?male\d)_(?P<label>[a-z]+)_\d+[ab]_\d"),
        {
            name: name
            for name in (
                "angry",
                "excited",
                "happy",
                "neutral",
                "sad",
                "anxious",
                "apologetic",
                "assertive",
                "concerned",
                "encouraging",
            )
        },
    ),
    NamingScheme(  # https://doi.org/10.1371/journal.pone.0250173
        "subesco",
        "CC BY 4.0",
        re.compile(r"(?P<speaker>[FM]_\d\d)_[A-Z]+_S_\d+_(?P<label>[A-Z]+)_\d+"),
        {
            "ANGRY": "angry",
            "DISGUST": "disgust",
            "FEAR": "fearful",
            "HAPPY": "happy",
            "NEUTRAL": "neutral",
            "SAD": "sad",
            "SURPRISE": "surprised",
        },
    ),
    # http://m3c.web.auth.gr/research/aesdd-speech-emotion-recognition: a03 (4) is anger, the third
    # sentence, of speaker 4. The folder is part of the pattern, because copies made by Windows have
    # such names as well.
    NamingScheme(
        "aesdd",
        "research use, no licence stated",
        re.compile(r"(?P<label>[a-z]+)/[adfhs]\d\d ?\((?P<speaker>\d+)\)[a-z]?"),
        {
            name: canonical_label(name)
            for name in ("anger", "disgust", "fear", "happiness", "sadness")
        },
    ),
    # https://doi.org/10.17632/cy34mh68j9: the names distinguish groups of voices (women, men,
    # children), not people.
    NamingScheme(
        "mesd",
        "CC BY 4.0",
        re.compile(r"(?P<label>[A-Z][a-z]+)_(?P<speaker>[FMC])_[AB]_.+"),
        {
            name: canonical_label(name)
            for name in ("Anger", "Disgust", "Fear", "Happiness", "Neutral", "Sadness")
        },
    ),
    NamingScheme(  # https://doi.org/10.5281/zenodo.1478765: the letters are French words
        "cafe",
        "CC BY-NC-SA 4.0",
        re.compile(r"(?P<speaker>\d\d)-(?P<label>[A-Z])-[12]-\d"),
        {
            "C": "angry",
            "D": "disgust",
            "P": "fearful",
            "J": "happy",
            "N": "neutral",
            "T": "sad",
            "S": "surprised",
        },
        frozenset({"faible", "fort", "neutre"}),
    ),
)


def parse_name(path: str | os.PathLike[str]) -> tuple[NamingScheme, ParsedName] | None:
    """Return the scheme that a file follows, and the content of its name; None for no scheme.

    >>> parse_name("data/1001_DFA_ANG_XX.wav")[1].label
    'angry'
    """
    parts = Path(os.path.abspath(path)).with_suffix("").parts
    for scheme in SCHEMES:
        parsed = scheme.parse(parts)
        if parsed is not None:
            return scheme, parsed
    return None


LICENCES = {
    **{scheme.corpus: scheme.licence for scheme in SCHEMES},
    # Corpora whose labels and speakers come from a manifest.
    "ased": "research use, no licence stated",  # https://doi.org/10.1145/3529759
    "korean": "CC BY-NC-SA, research only",  # https://github.com/emotiontts/emotiontts_open_db
}

# From the web pages of the corpora: the names of the women. RAVDESS gives them even numbers, and
# those of other corpora begin with a letter for it.
_WOMEN = {
    "emodb": re.compile("08|09|13|14|16"),
    "emovo": re.compile("f.*"),
    "jl": re.compile("female.*"),
    "ravdess": re.compile(r"\d[02468]"),
    "savee": re.compile("(?!)"),
    "shemo": re.compile("F.*"),
    "subesco": re.compile("F.*"),
    "tess": re.compile("OAF|YAF"),
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
    return "women" if _WOMEN[corpus].fullmatch(name) else "men"
