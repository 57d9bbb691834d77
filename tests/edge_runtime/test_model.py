"""Loading and using models: tiny ones made here, and the one that ships."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
from support.tiny_model import CARD, card_with, write_tiny_model

from edge_runtime import AudioError, ConfigError, EmotionModel, ModelError
from edge_runtime.inference.network import network_of
from edge_runtime.model import BUNDLED_MODEL


@pytest.fixture
def tiny(tmp_path):
    return EmotionModel.load(write_tiny_model(tmp_path / "tiny.onnx"))


def test_classifies_samples_and_files_alike(tiny, tmp_path, voice_clips):
    path = tmp_path / "clip.wav"
    soundfile.write(path, voice_clips[0], 16_000, subtype="FLOAT")
    from_file = tiny.classify(path)
    assert from_file == tiny.classify(voice_clips[0]) == tiny.classify(voice_clips[0], 16_000)
    assert set(from_file.probabilities) == {"low", "high"}
    assert sum(from_file.probabilities.values()) == pytest.approx(1, abs=1e-6)
    assert from_file.confidence == max(from_file.probabilities.values())
    assert from_file.label in tiny.labels


def test_resamples_samples_of_another_rate(tiny):
    tone = 0.3 * np.sin(2 * np.pi * 300 * np.arange(48_000) / 48_000)
    at_16 = 0.3 * np.sin(2 * np.pi * 300 * np.arange(16_000) / 16_000)
    a, b = tiny.classify(tone, 48_000), tiny.classify(at_16)
    assert a.label == b.label
    assert a.confidence == pytest.approx(b.confidence, abs=0.05)


def test_silence_is_no_speech(tiny):
    assert tiny.classify(np.zeros(16_000, np.float32)).label == "no speech"
    hum = 1e-4 * np.sin(2 * np.pi * 50 * np.arange(16_000) / 16_000)
    assert tiny.classify(hum).label == "no speech"


def test_below_the_threshold_the_answer_is_uncertain(tmp_path, voice_clips):
    strict = EmotionModel.load(
        write_tiny_model(tmp_path / "strict.onnx", card_with(uncertain_below=1.0))
    )
    assert strict.classify(voice_clips[0]).label == "uncertain"
    assert strict.classify(voice_clips[0], threshold=0.0).label in strict.labels
    with pytest.raises(ConfigError, match="threshold=2 must be between 0 and 1"):
        strict.classify(voice_clips[0], threshold=2)


def test_prints_its_inputs_and_outputs(tiny):
    text = repr(tiny)
    for part in ("tiny.onnx", "low, high", "mfcc (batch, time, 13)", "probabilities (batch, 2)"):
        assert part in text


def test_an_audio_error_names_the_file(tmp_path, tiny):
    path = tmp_path / "empty.wav"
    path.write_bytes(b"")
    with pytest.raises(AudioError, match="empty.wav: is empty"):
        tiny.classify(path)
    with pytest.raises(ConfigError, match="a file holds its own"):
        tiny.classify(path, 16_000)


def broken(**changes: object) -> str:
    card = {**json.loads(CARD.to_json()), **changes}
    return json.dumps({key: value for key, value in card.items() if value != "REMOVE"})


BAD_CARDS = {
    "none": (None, "it is not a model that edge-ser exported"),
    "no JSON": ("{", "not JSON"),
    "a list": ("[]", "not a JSON object"),
    "newer": (broken(schema=4), "schema 4, this version reads 3"),
    "older": (broken(schema=2), "schema 2, this version reads 3"),
    "no schema": (broken(schema="REMOVE"), "schema=None"),
    "lacks a key": (broken(labels="REMOVE"), "lacks key labels"),
    "unknown key": (broken(surprise=1), "has the unknown key surprise"),
    "labels": (broken(labels=["a", "a"]), "key labels .* two or more different names"),
    "temperature": (broken(temperature=0), "key temperature .* is 0"),
    "profile gain": (broken(profile_gain=0.0), "key profile_gain .* is 0.0"),
    "threshold": (broken(uncertain_below=3), "key uncertain_below .* is 3"),
    "mfcc": (broken(mfcc_config={"n_fft": 512}), "missing MFCC setting"),
    "window": (
        broken(mfcc_config={**CARD.mfcc_config.to_dict(), "window": "hunn"}),
        "window='hunn'",
    ),
    "temperature is huge": (broken(temperature=10**400), "key temperature"),
    "mfcc value": (
        broken(mfcc_config={**CARD.mfcc_config.to_dict(), "n_fft": 0}),
        "n_fft=0 must be a whole number",
    ),
    "a label that is an answer": (broken(labels=["a", "uncertain"]), "key labels"),
    "a label for terminals": (broken(labels=["a", "\x1b[2Jb"]), "key labels"),
    "lines in a name": (broken(name="a\nb"), "key name"),
    "no number": (broken(temperature=float("nan")), "holds NaN, which is no number"),
    "threshold below 0": (broken(uncertain_below=-0.1), "key uncertain_below .* is -0.1"),
    "a key twice": ('{"schema": 2, "schema": 2}', "the key 'schema' twice"),
    "too deep": ("[" * 100_000, "not JSON: it is nested too deeply"),
    "too long": ('"' + 2_000_000 * "x" + '"', "has 2,000,002 characters; wanted 1,048,576"),
    "huge schema": (broken(schema=10**400), "schema 1000.*… this version|schema 1000"),
    "corpora": (broken(corpora=[1]), "key corpora .* a list of objects"),
    "parameters": (broken(parameters=True), "key parameters .* is True"),
    "label count": (broken(labels=["a", "b", "c"]), "logits has shape"),
}


for _name, _value, _message in (
    ("hop_length", 0, "hop_length=0 must be"),
    ("hop_length", 1, "hop_length=1; wanted 0.001"),
    ("hop_length", 10**9, "hop_length=1000000000; wanted 0.001 to 1 s"),
    ("n_fft", 10**9, "n_fft=1000000000 must be at most"),
    ("sample_rate", 10**12, "sample_rate="),
    ("sample_rate", 1, "sample_rate=1; wanted 1000 or more"),
    ("n_mels", 2.5, "n_mels=2.5"),
    ("window", ["taylor", 10**9], "window=.* must be"),
    ("norm", 10**400, "norm=1000"),
    ("window", ["kaiser", 1e5], "is not finite"),
    ("power", "2", "power='2'"),
    ("fmin", True, "fmin=True"),
    ("n_fft", 1 << 17, "n_fft=131072; wanted 4 s"),
):
    BAD_CARDS[f"{_name} {str(_value)[:20]}"] = (
        broken(mfcc_config={**CARD.mfcc_config.to_dict(), _name: _value}),
        _message,
    )
BAD_CARDS["mel filters of a gigabyte"] = (
    broken(mfcc_config={**CARD.mfcc_config.to_dict(), "n_fft": 1 << 16, "n_mels": 2048}),
    "n_mels=2048 must be",
)


@pytest.mark.parametrize(("card", "message"), BAD_CARDS.values(), ids=BAD_CARDS)
def test_a_bad_card_is_named_with_its_key(tmp_path, card, message):
    path = write_tiny_model(tmp_path / "model.onnx", card)
    with pytest.raises(ModelError, match=message) as error:
        EmotionModel.load(path)
    assert str(path) in str(error.value)
    assert len(str(error.value)) < 800 and str(error.value).isprintable()


def test_a_foreign_graph_is_refused(tmp_path):
    with pytest.raises(ModelError, match="has no 'mfcc'; it has samples"):
        EmotionModel.load(write_tiny_model(tmp_path / "other.onnx", inputs="samples"))
    with pytest.raises(ModelError, match="mfcc has shape .* its model card says 13"):
        EmotionModel.load(write_tiny_model(tmp_path / "wide.onnx", width=20))


def test_a_file_that_is_no_model_is_refused(tmp_path):
    path = tmp_path / "text.onnx"
    path.write_text("no model")
    for wrong, message in (
        (path, "is not an ONNX model"),
        (tmp_path / "no.onnx", "no such model file"),
        (tmp_path, "is a directory"),
    ):
        with pytest.raises(ModelError, match=message):
            EmotionModel.load(wrong)


def test_damaged_models_are_refused_or_load(tmp_path, capfd):
    content = write_tiny_model(tmp_path / "tiny.onnx").read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.onnx"
    refused = 0
    for _ in range(200):
        damaged = bytearray(content)
        for at in rng.integers(len(content), size=3):
            damaged[at] = rng.integers(256)
        path.write_bytes(bytes(damaged))
        try:
            EmotionModel.load(path)
        except ModelError:
            refused += 1
    assert refused > 50
    assert capfd.readouterr().out == ""


def test_the_bundled_model_is_small_and_says_what_it_is(voice_clips):
    model = EmotionModel.load()
    assert model.labels == ("angry", "happy", "neutral", "sad")
    assert model.card.parameters == 218_514
    assert BUNDLED_MODEL.stat().st_size < 300_000
    assert 0 < model.card.uncertain_below < 0.9 and model.card.speech_above > 0
    assert network_of(model).inputs()["state"] == ["batch", 963]
    assert "non-commercial" in model.card.licence
    assert {corpus["name"] for corpus in model.card.corpora} == {"emodb", "nemo", "ravdess", "tess"}
    first = [model.classify(clip) for clip in voice_clips]
    assert [model.classify(clip) for clip in voice_clips] == first


def test_a_batch_of_windows_of_one_length_is_its_windows_one_by_one(voice_clips):
    model = EmotionModel.load()
    length = min(len(network_of(model).front_end(clip)) for clip in voice_clips) // 2 * 2
    frames = [network_of(model).front_end(clip)[:length] for clip in voice_clips]
    batch = np.stack(frames)
    state = np.zeros((len(batch), network_of(model).inputs()["state"][1]), np.float32)
    names = ["logits", "probabilities", "speech", "new_state"]
    together = network_of(model)._session.run(names, {"mfcc": batch, "state": state})
    for k, clip in enumerate(frames):
        alone = network_of(model).run(clip)
        for found, expected in zip(together, alone):
            np.testing.assert_allclose(found[k], expected, rtol=1e-5, atol=1e-4)
    # And on from where each of them has come to.
    more = np.stack([clip[:20] for clip in frames])
    (again,) = network_of(model)._session.run(
        ["probabilities"], {"mfcc": more, "state": together[3]}
    )
    for k, clip in enumerate(frames):
        expected = network_of(model).run(clip[:20], together[3][k]).probabilities
        np.testing.assert_allclose(again[k], expected, atol=1e-5)


def test_samples_have_no_channels_to_choose_from(tiny, voice_clips):
    for hear in (tiny.classify, tiny.timeline):
        with pytest.raises(ConfigError, match="channel=1 is of a file; samples are mono"):
            hear(voice_clips[0], channel=1)
