"""Model cards: round trip, and one clear message for each invalid card."""

from __future__ import annotations

import json

import pytest
from support.tiny_model import CARD, card_with, write_tiny_model

from edge_runtime import EmotionModel, MfccConfig, ModelError
from edge_runtime.inference.arousal import Arousal
from edge_runtime.inference.card import SCHEMA, ModelCard


def card_text(**changes: object) -> str:
    card = {**json.loads(CARD.to_json()), **changes}
    return json.dumps({key: value for key, value in card.items() if value != "REMOVE"})


def mfcc_config(**changes: object) -> dict[str, object]:
    return {**CARD.mfcc_config.to_dict(), **changes}


def arousal(**changes: object) -> dict[str, object]:
    return {"labels": ["high"], "scale": 1.0, "offset": 0.0, **changes}


INVALID_CARDS = {
    "no card": (None, "was not exported by edge-ser"),
    "no JSON": ("{", "model card is not JSON"),
    "a list": ("[]", "model card is not a JSON object"),
    "no schema": (card_text(schema="REMOVE"), "schema=None; expected 6"),
    "schema 0": (card_text(schema=0), "schema=0; expected 6"),
    "huge schema": (card_text(schema=10**400), "schema 1000.*… was written by a newer edge-ser"),
    "missing key": (card_text(labels="REMOVE"), "model card: missing key labels"),
    "unknown key": (card_text(surprise=1), "model card: unknown key surprise"),
    "duplicate labels": (card_text(labels=["a", "a"]), "labels=.* two or more different names"),
    "reserved label": (card_text(labels=["a", "uncertain"]), "labels=.* without 'no speech'"),
    "control character": (card_text(labels=["a", "\x1b[2Jb"]), "labels="),
    "label count": (card_text(labels=["a", "b", "c"]), "logits has shape .* dimension of 3"),
    "temperature": (card_text(temperature=0), "temperature=0 must be a number above 0"),
    "huge temperature": (card_text(temperature=10**400), "temperature=1000.* must be"),
    "NaN": (card_text(temperature=float("nan")), "NaN"),
    "profile gain": (card_text(profile_gain=0.0), "profile_gain=0.0 must be a number above 0"),
    "threshold above 1": (card_text(uncertain_below=3), "uncertain_below=3 must be from 0 to 1"),
    "threshold below 0": (card_text(uncertain_below=-0.1), "uncertain_below=-0.1 must be"),
    "level above 0": (card_text(speech_above_dbfs=1), "speech_above_dbfs=1 must be"),
    "frames per step": (card_text(frames_per_step=0), "frames_per_step=0 must be"),
    "lines in a name": (card_text(name="a\nb"), "name='a.*b' must be a line of text"),
    "a key twice": ('{"schema": 2, "schema": 2}', "'schema'"),
    "nesting": ("[" * 100_000, "model card is not JSON: .*nested too deeply"),
    "length": ('"' + 2_000_000 * "x" + '"', "has 2,000,002 characters; expected at most 1,048,576"),
    "corpora": (card_text(corpora=[1]), "corpora=.* must be a list of objects"),
    "parameters": (card_text(parameters=True), "parameters=True must be an integer"),
    "silence": (card_text(silence={"range_db": 1}), "silence: "),
    "MFCC settings": (card_text(mfcc_config={"n_fft": 512}), "mfcc_config: "),
    "statistics of text": (card_text(statistics="f0/mean"), "statistics='f0/mean' must be a list"),
    "no statistics": (card_text(statistics=[]), r"statistics=\[\] must be a list of one or more"),
    "numbers as statistics": (card_text(statistics=[1]), r"statistics=\[1\] must be a list"),
    "duplicate statistics": (card_text(statistics=["f0/mean"] * 2), "statistics=.* must be a list"),
    "unknown statistic": (card_text(statistics=["c13/mean"]), "statistics=.* must be a list"),
    "input for statistics": (
        card_text(statistics=["f0/mean"], mfcc_config=mfcc_config(n_fft=1024)),
        "has no input 'statistics'",
    ),
    "descriptors of another framing": (
        card_text(statistics=["f0/mean"], mfcc_config=mfcc_config(pad_mode="edge")),
        "mfcc_config: voice descriptors require .*pad_mode='constant'",
    ),
    "descriptors of clamped energies": (
        card_text(statistics=["f0/mean"], mfcc_config=mfcc_config(top_db=80.0)),
        "mfcc_config: top_db=80.0 must be None",
    ),
    "arousal of text": (card_text(arousal="high"), "arousal: "),
    "arousal without labels": (card_text(arousal={"scale": 1, "offset": 0}), "missing key labels"),
    "arousal of no label": (card_text(arousal=arousal(labels=[])), "arousal: labels=.* must be"),
    "arousal of all labels": (
        card_text(arousal=arousal(labels=["low", "high"])),
        "arousal: labels=.* must be one or more of the labels, but not all",
    ),
    "arousal of another label": (
        card_text(arousal=arousal(labels=["angry"])),
        "arousal: labels=.* must be one or more of the labels",
    ),
    "arousal of numbers": (card_text(arousal=arousal(labels=[1])), "arousal: labels=.* must be a"),
    "arousal scale": (card_text(arousal=arousal(scale=-1)), "arousal: scale=-1 must be from 0"),
    "arousal offset": (card_text(arousal=arousal(offset=None)), "arousal: offset=None must be"),
    "mel filters of a gigabyte": (
        card_text(mfcc_config=mfcc_config(n_fft=1 << 16, n_mels=2048)),
        "n_mels=2048 must be",
    ),
}
for _name, _value, _message in (
    ("hop_length", 0, "hop_length=0 must be"),
    ("hop_length", 1, "hop_length=1 must be from 0.001 to 1 s"),
    ("hop_length", 10**9, "hop_length=1000000000 must be from 0.001 to 1 s"),
    ("n_fft", 0, "n_fft=0 must be"),
    ("n_fft", 10**9, "n_fft=1000000000 must be"),
    ("n_fft", 1 << 17, "n_fft=131072 must be at most 4 s"),
    ("sample_rate", 10**12, "sample_rate="),
    ("sample_rate", 1, "sample_rate=1 must be 1000 Hz or more"),
    ("n_mels", 2.5, "n_mels=2.5"),
    ("window", "hunn", "window='hunn'"),
    ("window", ["taylor", 10**9], "window=.* must be"),
    ("window", ["kaiser", 1e5], "finite"),
    ("norm", 10**400, "norm=1000"),
    ("power", "2", "power='2'"),
    ("fmin", True, "fmin=True"),
):
    INVALID_CARDS[f"{_name} {str(_value)[:20]}"] = (
        card_text(mfcc_config=mfcc_config(**{_name: _value})),
        _message,
    )


@pytest.mark.parametrize(("card", "message"), INVALID_CARDS.values(), ids=INVALID_CARDS)
def test_invalid_card_is_reported_with_its_key(tmp_path, card, message):
    path = write_tiny_model(tmp_path / "model.onnx", card)
    with pytest.raises(ModelError, match=message) as error:
        EmotionModel.load(path)
    assert str(path) in str(error.value)
    assert len(str(error.value)) < 800 and str(error.value).isprintable()


@pytest.mark.parametrize("schema", [1, 2, 3, 4, 5])
def test_older_schema_is_one_sentence(tmp_path, schema):
    """Their keys differ as well; the schema is what is reported."""
    path = write_tiny_model(tmp_path / "model.onnx", json.dumps({"schema": schema, "mfcc": {}}))
    with pytest.raises(ModelError) as error:
        EmotionModel.load(path)
    assert str(error.value) == (
        f"{path}: model card schema {schema} is not supported (expected 6); export the model again "
        "with this version"
    )


def test_newer_schema_is_one_sentence(tmp_path):
    path = write_tiny_model(tmp_path / "model.onnx", card_text(schema=9, surprise=1))
    with pytest.raises(ModelError) as error:
        EmotionModel.load(path)
    assert str(error.value) == (
        f"{path}: model card schema 9 was written by a newer edge-ser (this version reads "
        f"{SCHEMA}); upgrade edge-ser"
    )


@pytest.mark.parametrize("kind", ["tiny", "bundled", "statistics"])
def test_card_survives_json(kind):
    cards = {
        "tiny": lambda: CARD,
        "bundled": lambda: EmotionModel.load().card,
        "statistics": lambda: card_with(
            mfcc_config=MfccConfig(n_fft=1024, hop_length=320),
            statistics=("f0/mean", "c1/mean"),
            arousal=Arousal(("high",), 0.5, -1.0),
        ),
    }
    card = cards[kind]()
    text = card.to_json()
    assert ModelCard.from_json(text, "m.onnx") == card
    assert ModelCard.from_json(text, "m.onnx").to_json() == text
