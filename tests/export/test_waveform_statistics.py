"""The waveform graph of networks with clip statistics."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest
import torch

from edge_runtime import MfccConfig
from edge_runtime.datasets.corpora import scan
from edge_runtime.features.front_end import FrontEnd
from edge_runtime.features.functionals import functional_names, functionals
from edge_runtime.features.silence import SilenceConfig
from edge_runtime.inference.known_voice import SpeakerStatistics
from edge_runtime.inference.network import Network
from export.card import make_card
from export.graph import export_fp32, export_int8, export_waveform
from export.parity import statistics_link, waveform_links
from train.checkpoint import load_checkpoint, save_checkpoint
from train.data.features import load_dataset
from train.gate.network import GateNetwork
from train.network import EmotionLSTM
from train.network_config import NetworkConfig

NAMES = functional_names(13)
FRAMINGS = {
    "64 ms": MfccConfig(n_fft=1024, hop_length=320, n_mels=16, fmin=40.0, fmax=4000.0),
    "32 ms": MfccConfig(n_fft=512, hop_length=320),
}


@pytest.fixture(scope="module", params=FRAMINGS)
def exported(request, voice_clips, once):
    """Return an untrained network, and the folder with its models."""
    mfcc_config = FRAMINGS[request.param]
    folder = once(
        f"waveform-{mfcc_config.n_fft}", lambda folder: export(folder, mfcc_config, voice_clips)
    )
    return load_checkpoint(folder)[0], folder


def export(folder, mfcc_config, voice_clips):
    """Export an untrained network whose branch has the means and deviations of clips."""
    folder.mkdir()
    torch.manual_seed(1)
    config = NetworkConfig(hidden_size=32, frame_stack=2, n_statistics=len(NAMES))
    network = EmotionLSTM(config).eval()
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, -0.3, 0.3)
    network.mean[0], network.std[:] = -40.0, 15.0
    front_end = FrontEnd(mfcc_config, with_descriptors=True)
    rows = [front_end(clip) for clip in voice_clips]
    statistics = np.stack([functionals(row[:, 13:], row[:, :13])[0] for row in rows])
    assert network.branch is not None
    network.branch.mean.copy_(torch.from_numpy(np.nanmean(statistics, axis=0)))
    network.branch.std.copy_(torch.from_numpy(np.nanstd(statistics, axis=0) + 0.1))
    for weights in (network.branch.unknown_weights, network.branch.known_weights):
        torch.nn.init.normal_(weights, 0, 0.1)
    network = network.with_gate(GateNetwork(25, 8)).eval()
    save_checkpoint(
        folder,
        network,
        mfcc_config,
        SilenceConfig(relative=True),
        ["angry", "happy", "neutral", "sad"],
        temperature=1.0,
        speech_above=0.5,
        min_speech=0.1,
        corpora=[],
        licence="MIT",
        scores={},
        clips=[],
        statistics=list(NAMES),
    )
    network, stored = load_checkpoint(folder)
    card = make_card(network, stored, "test", "int8")
    export_fp32(network, card, folder / "fp32.onnx")
    export_int8(folder / "fp32.onnx", card, folder / "int8.onnx")
    export_waveform(network, card, folder / "waveform.onnx")
    export_int8(folder / "waveform.onnx", card, folder / "waveform.onnx")


@pytest.fixture(scope="module")
def graph(exported):
    """Return a function that runs the waveform graph and names its outputs."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        exported[1] / "waveform.onnx", providers=["CPUExecutionProvider"]
    )

    def run(waveforms, speaker=None, weight=0.0):
        n = len(waveforms)
        speakers = np.zeros((n, len(NAMES)), np.float32) if speaker is None else speaker
        feeds = {
            "waveform": waveforms.astype(np.float32),
            "speaker": speakers,
            "speaker_weight": np.full((n, 1), weight, np.float32),
        }
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, feeds)))

    return run


def assert_equals_runtime(graph, network, model, clip):
    outputs = graph(clip[None])
    rows = model.front_end(clip)
    statistics = model.clip_statistics(rows)
    expected = model.run(model.speech_frames(clip), statistics=statistics)
    np.testing.assert_array_equal(np.isnan(outputs["statistics"][0]), np.isnan(statistics))
    deviations = (outputs["statistics"][0] - statistics) / network.branch.std.numpy()
    assert np.nanmax(np.abs(deviations)) < 0.02, NAMES[np.nanargmax(np.abs(deviations))]
    np.testing.assert_allclose(outputs["probabilities"][0], expected.probabilities, atol=1e-4)
    np.testing.assert_allclose(outputs["embedding"][0], expected.embedding, atol=0.02)
    assert outputs["speech"][0, 0] in (pytest.approx(model.clip_speech(rows), abs=1e-3), 0)
    np.testing.assert_allclose(outputs["mfcc"][0], rows[:, :13], atol=5e-3)
    return outputs


def whisper(clip):
    """Return noise with the envelope of a clip."""
    noise = np.random.default_rng(0).standard_normal(len(clip))
    return (noise * np.abs(clip)).astype(np.float32)


@pytest.mark.slow
def test_statistics_of_recordings_equal_those_of_numpy(exported, graph, speech, voice_clips):
    model = Network.load(exported[1] / "int8.onnx")
    for clip in (*speech[::6], *voice_clips, 0.003 * voice_clips[1], whisper(voice_clips[0])):
        assert_equals_runtime(graph, exported[0], model, clip)


@pytest.mark.parametrize("n_samples", [1, 200, 319, 320, 480, 1600, 3000])
def test_short_clips(exported, graph, voice_clips, n_samples):
    model = Network.load(exported[1] / "int8.onnx")
    clip = voice_clips[0][5000 : 5000 + n_samples]
    assert_equals_runtime(graph, exported[0], model, clip)


def test_clips_without_voiced_frames(exported, graph, voice_clips):
    model = Network.load(exported[1] / "int8.onnx")
    noise = 0.1 * np.random.default_rng(0).standard_normal(30_000).astype(np.float32)
    hiss = np.diff(noise, 2)
    for clip in (np.zeros(9000, np.float32), noise, hiss):
        assert_equals_runtime(graph, exported[0], model, clip)
    statistics = graph(hiss[None])["statistics"][0]
    assert np.isnan(statistics[NAMES.index("f0/mean")])
    assert statistics[NAMES.index("fraction/voiced")] == 0


@pytest.mark.parametrize("seconds", [30, 75])
def test_long_clips_are_the_mean_of_blocks(exported, graph, voice_clips, seconds):
    model = Network.load(exported[1] / "int8.onnx")
    pieces = [np.pad(clip, (0, 3000)) for clip in voice_clips]
    clip = np.concatenate(pieces * 20)[: seconds * 16_000]
    clip[: 32 * 16_000] *= 0.0 if seconds > 30 else 1.0  # a block without voiced frames
    assert_equals_runtime(graph, exported[0], model, clip)


def test_known_speaker_equals_the_runtime(exported, graph, voice_clips):
    model = Network.load(exported[1] / "int8.onnx")
    clip, mean = voice_clips[1], np.random.default_rng(0).standard_normal(len(NAMES))
    frames, statistics = model.speech_frames(clip), model.clip_statistics(model.front_end(clip))
    expected = model.run(frames, statistics=statistics, speaker=SpeakerStatistics(mean, 1.0))
    probabilities = graph(clip[None], mean[None].astype(np.float32), 1.0)["probabilities"][0]
    np.testing.assert_allclose(probabilities, expected.probabilities, atol=1e-4)
    unknown = graph(clip[None])["probabilities"][0]
    assert np.abs(probabilities - unknown).max() > 0.01


def test_batch_equals_single_clips(graph, voice_clips):
    length = min(map(len, voice_clips))
    batch = np.stack([clip[:length] for clip in voice_clips])
    batch[1, : length // 2] = 0
    together = graph(batch)
    for k, clip in enumerate(batch):
        alone = graph(clip[None])
        for name in ("statistics", "probabilities"):
            np.testing.assert_allclose(together[name][k], alone[name][0], rtol=1e-3, atol=1e-4)


def test_graph_is_small_and_has_the_documented_interface(exported):
    _, folder = exported
    model = onnx.load(folder / "waveform.onnx")
    assert {opset.domain for opset in model.opset_import} <= {"", "ai.onnx"}
    inputs = [value.name for value in model.graph.input]
    assert inputs == ["waveform", "speaker", "speaker_weight"]
    outputs = [value.name for value in model.graph.output]
    assert outputs[:4] == ["logits", "probabilities", "speech", "mfcc"]
    assert outputs[4:] == ["statistics", "embedding"]
    assert (folder / "waveform.onnx").stat().st_size < 200_000
    quantized = [tensor.name for tensor in model.graph.initializer if ".int8" in tensor.name]
    assert quantized and not any(name.startswith(("bands", "desc")) for name in quantized)


def test_parity_has_a_link_for_the_statistics(exported, demo_corpus, feature_cache):
    _, folder = exported
    model = Network.load(folder / "int8.onnx")
    data = load_dataset(
        scan([demo_corpus / "manifest.csv"])[::6],
        model.card.mfcc_config,
        feature_cache,
        model.card.silence,
        with_statistics=True,
    )
    links = waveform_links(folder / "waveform.onnx", model, data)
    assert [link.name for link in links] == [
        "numpy → waveform graph",
        "numpy → waveform graph: standardised statistics",
    ]
    assert all(link.holds for link in links) and links[0].decisions == 0
    assert data.statistics is not None
    other = dataclasses.replace(data, statistics=data.statistics + 0.1)
    assert [link.holds for link in waveform_links(folder / "waveform.onnx", model, other)] == [
        False,
        False,
    ]


def test_one_tied_clip_in_a_thousand_is_within_the_limit():
    first = np.zeros((1000, 3))
    second = first.copy()
    second[4, 1] = 0.5
    assert statistics_link(first, second).holds
    second[5:10, 0] = 0.03
    assert not statistics_link(first, second).holds
