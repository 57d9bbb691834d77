"""Exported graphs of networks with clip statistics."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest
import torch
from support.training import TRAINING_MFCC

from edge_runtime import EmotionModel, read_audio
from edge_runtime.datasets.corpora import scan
from edge_runtime.inference.known_voice import SpeakerStatistics
from edge_runtime.inference.network import Network
from export.card import make_card
from export.card_page import card_markdown
from export.graph import export_fp32, export_int8
from export.parity import compare
from train.branch_selection import clip_statistics
from train.checkpoint import load_checkpoint, save_checkpoint
from train.clip_statistics import enrolment_minutes
from train.data.features import load_dataset
from train.enrolment import logits_with_adaptation, logits_with_profiles
from train.linear_branch import fit_branch
from train.network import EmotionLSTM
from train.network_config import NetworkConfig
from train.predict import predict
from train.run_folder import RunError
from train.statistics_config import StatisticsConfig

AROUSAL = {"labels": ["angry", "happy"], "scale": 1.2, "offset": 0.1}
SCORES = {
    "split": "speaker-independent",
    "test": {"clips": 4, "uar": 0.5, "accuracy": 0.5, "recall": {"sad": 0.5}},
    "test_with_minute": {"clips": 3, "uar": 0.75, "ece": 0.05},
    "branch": {
        "unknown": {"mean": {"uar": 0.52}, "by_corpus": {"x": {}, "y": {}}},
        "degraded": {"mean": {"uar": 0.44}, "by_corpus": {"x": {}, "y": {}}},
        "minute": {"mean": {"uar": 0.64}, "by_corpus": {"x": {}, "y": {}}},
    },
}


@pytest.fixture(scope="module")
def data(demo_corpus, feature_cache):
    clips = scan([demo_corpus / "manifest.csv"])
    return load_dataset(clips, TRAINING_MFCC, feature_cache, with_statistics=True)


@pytest.fixture(scope="module")
def exported(data, tmp_path_factory):
    """Export a network with a fitted branch: the network, its checkpoint's values and the files."""
    folder = tmp_path_factory.mktemp("statistics")
    torch.manual_seed(0)
    network = EmotionLSTM(NetworkConfig(hidden_size=32, frame_stack=2)).eval()
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, -0.3, 0.3)
    frames = np.concatenate(data.frames)
    network.mean.copy_(torch.from_numpy(frames.mean(axis=0)))
    network.std.copy_(torch.from_numpy(frames.std(axis=0)))
    clips = clip_statistics(data, range(len(data.clips)))
    branch = fit_branch(
        clips, clips.targets >= 0, enrolment_minutes(clips, 0), StatisticsConfig(), 4
    )
    save_checkpoint(
        folder,
        network.with_branch(branch),
        TRAINING_MFCC,
        None,
        data.labels,
        temperature=1.0,
        corpora=[],
        licence="MIT",
        scores=SCORES,
        clips=[],
        statistics=list(data.statistic_names),
        arousal=AROUSAL,
    )
    network, stored = load_checkpoint(folder)
    card = make_card(network, stored, "test", "int8")
    export_fp32(network, card, folder / "fp32.onnx")
    export_int8(folder / "fp32.onnx", card, folder / "int8.onnx")
    return network, stored, folder


def test_graph_has_the_inputs_of_the_runtime(exported, data):
    network, _, folder = exported
    model = Network.load(folder / "int8.onnx")
    n = len(data.statistic_names)
    assert model.card.statistics == data.statistic_names
    assert model.card.arousal.labels == ("angry", "happy")
    assert model.card.parameters == network.n_parameters()
    inputs = model.inputs()
    assert list(inputs) == ["mfcc", "state", "statistics", "speaker", "speaker_weight"]
    assert [inputs[name] for name in ("statistics", "speaker", "speaker_weight")] == [
        ["batch", n],
        ["batch", n],
        ["batch", 1],
    ]
    assert model.outputs()["embedding"] == ["batch", network.config.fc_size + n]


def test_parity_with_statistics(exported, data):
    network, _, folder = exported
    fp32, int8 = (Network.load(folder / f"{kind}.onnx") for kind in ("fp32", "int8"))
    statistics = data.statistics.copy()
    statistics[::3, 4] = np.nan
    links = compare(network, fp32, int8, dataclasses.replace(data, statistics=statistics))
    assert [link.name for link in links] == [
        "torch → fp32",
        "fp32 → int8",
        "int8: whole clips → chunks",
    ]
    assert links[0].holds and links[0].logits <= 1e-4
    assert links[1].probabilities < 0.05 and links[2].holds


def test_known_speaker_equals_the_trained_network(exported, data):
    network, _, folder = exported
    fp32 = Network.load(folder / "fp32.onnx")
    mean = np.random.default_rng(0).standard_normal(len(data.statistic_names))
    expected = predict(network, data.frames, [5], statistics=data.statistics, speakers=mean[None])[
        0
    ]
    output = fp32.run(
        data.frames[5], statistics=data.statistics[5], speaker=SpeakerStatistics(mean, 1.0)
    )
    np.testing.assert_allclose(output.logits, expected, atol=1e-4)
    branch = network.branch
    z = (data.statistics[5] - branch.mean.numpy()) / branch.std.numpy()
    np.testing.assert_allclose(
        output.embedding[-len(z) :], np.nan_to_num(np.clip(z, -5, 5)), atol=1e-4
    )


def test_file_is_classified_with_its_statistics(exported, data):
    _, _, folder = exported
    model, network = (kind.load(folder / "int8.onnx") for kind in (EmotionModel, Network))
    for k in (0, 20, 40):
        prediction = model.classify(read_audio(data.clips[k].path), threshold=0)
        output = network.run(data.frames[k], statistics=data.statistics[k])
        np.testing.assert_allclose(
            list(prediction.probabilities.values()), output.probabilities, atol=1e-5
        )


def test_weights_of_the_branch_stay_in_float32(exported):
    _, _, folder = exported
    graph = onnx.load(folder / "int8.onnx").graph
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    branch = {name: kind for name, kind in kinds.items() if "branch" in name.split(".")}
    assert {"network.branch.known_weights", "network.branch.unknown_weights"} <= set(branch)
    assert set(branch.values()) == {onnx.TensorProto.FLOAT}
    assert any(name.endswith(".int8") for name in kinds)


def test_checkpoint_names_all_statistics(exported, data):
    network, stored, folder = exported
    with pytest.raises(ValueError, match="names of statistics; expected 181"):
        make_card(network, {**stored, "statistics": ["f0/mean"]}, "test", "int8")
    torch_file = torch.load(folder / "checkpoint.pt", weights_only=True)
    del torch_file["weights"]["branch.known_bias"]
    (folder / "damaged").mkdir()
    torch.save(torch_file, folder / "damaged" / "checkpoint.pt")
    with pytest.raises(RunError, match=r"branch\.known_bias"):
        load_checkpoint(folder / "damaged")


def test_card_page_states_known_speakers(exported):
    network, stored, _ = exported
    page = card_markdown(make_card(network, stored, "test", "int8"), 1000, "")
    assert "With a minute of other clips of the speaker, without labels: 3 test clips" in page
    assert "mean UAR 52.0 % for unknown speakers, 44.0 % for such through" in page
    assert "64.0 % with a minute of the speaker" in page
    assert "held-out clips" in page and "softmax temperature" not in page


def test_profiles_and_adaptation_use_speaker_statistics(exported, data):
    _, _, folder = exported
    model = Network.load(folder / "int8.onnx")
    model.card = dataclasses.replace(model.card, speech_above=0.0)
    indices = [i for i, clip in enumerate(data.clips) if clip.speaker.endswith("1")]
    logits = np.stack(
        [model.run(data.frames[i], statistics=data.statistics[i]).logits for i in indices]
    )
    z = np.stack(
        [model.run(data.frames[i], statistics=data.statistics[i]).embedding[-181:] for i in indices]
    )
    with_profile = logits_with_profiles(model, data, indices, logits, seed=0)
    seconds = np.array([data.seconds[i] for i in indices])
    assert seconds.sum() < 60  # the profile is made of all other clips
    others = np.arange(len(indices)) != 3
    mean = np.average(z[others], axis=0, weights=seconds[others])
    expected = model.run(
        data.frames[indices[3]],
        statistics=data.statistics[indices[3]],
        speaker=SpeakerStatistics.estimate(mean, seconds[others].sum()),
    ).logits
    np.testing.assert_allclose(with_profile[3], expected, atol=1e-4)
    adapted = logits_with_adaptation(model, data, indices, logits, seed=0)
    unchanged = np.abs(adapted - logits).max(axis=1) == 0
    assert unchanged.sum() == 1  # the first clip
