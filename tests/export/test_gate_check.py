"""Models that answer "no speech" to their training clips are not exported."""

from __future__ import annotations

import json

import pytest
import torch
from support.training import TRAINING_MFCC

from edge_runtime import EmotionModel
from export.pipeline import export_run
from train.checkpoint import save_checkpoint
from train.gate.network import GateNetwork
from train.network import EmotionLSTM
from train.network_config import NetworkConfig
from train.run_folder import RunError


def save_run(folder, data, speech_above: float, test_clips: list[str]) -> None:
    """Save an untrained network with a gate, whose probability of speech is near a half."""
    folder.mkdir()
    torch.manual_seed(0)
    network = EmotionLSTM(NetworkConfig(hidden_size=8, fc_size=8)).with_gate(GateNetwork(13, 8))
    save_checkpoint(
        folder,
        network,
        TRAINING_MFCC,
        None,
        data.labels,
        temperature=1.0,
        speech_above=speech_above,
        min_speech=0.1,
        corpora=[],
        licence="MIT",
        scores={},
        clips=[[str(clip.path), clip.label] for clip in data.clips],
        test_clips=test_clips,
    )


def export(run, cache, **options) -> bool:
    return export_run(run, run.parent, None, "gate", cache, bundle=None, **options)


def test_model_that_loses_training_clips_is_refused(dataset, feature_cache, tmp_path):
    run = tmp_path / "run"
    save_run(run, dataset, 0.97, [])
    message = (
        r"run: the model answers \"no speech\" to clips that it was trained on: "
        r"angry 100.0 % \(15 of 15\), .*at most 5 % of a label are allowed.*"
        r"probability of speech of 0.97 and a level of -70 dBFS.*remove .*--force to export"
    )
    with pytest.raises(RunError, match=message):
        export(run, feature_cache)
    assert [path.name for path in run.iterdir()] == ["checkpoint.pt"]


def test_lost_test_clips_are_no_reason_to_refuse(dataset, feature_cache, tmp_path):
    run = tmp_path / "run"
    lost = [str(clip.path) for clip in dataset.clips if clip.label == "angry"]
    save_run(run, dataset, 0.97, lost)
    with pytest.raises(RunError, match=r"trained on: happy 100.0 % \(15 of 15\), neutral"):
        export(run, feature_cache)


@pytest.mark.slow
def test_forced_export_warns_in_the_card(dataset, feature_cache, tmp_path, caplog):
    run = tmp_path / "run"
    save_run(run, dataset, 0.97, [])
    export(run, feature_cache, force=True)
    (int8,) = run.glob("model.int8*.onnx")
    scores = EmotionModel.load(int8).card.scores
    assert scores["no_speech"]["train"]["sad"] == {"clips": 15, "lost": 15}
    (card,) = run.glob("MODEL_CARD*.md")
    warning = (
        '**Warning: this model answers "no speech" to clips of speech that it was trained on: '
    )
    assert warning + "angry 100.0 % (15 of 15), " in card.read_text()
    assert 'the model answers "no speech"' in caplog.text
    (parity,) = run.glob("parity*.json")
    links = json.loads(parity.read_text())["links"]
    # Every decision is "no speech": the accuracy of all forms of the model is 0.
    assert [link["decisions"] for link in links[1:]] == [0, 0, 0, 0]
    assert [link["accuracy"] for link in links[1:]] == [0, 0, 0, 0]


@pytest.mark.slow
def test_model_that_keeps_its_clips_is_exported_without_a_warning(dataset, feature_cache, tmp_path):
    run = tmp_path / "run"
    save_run(run, dataset, 0.3, [])
    export(run, feature_cache)
    (card,) = run.glob("MODEL_CARD*.md")
    assert "Warning" not in card.read_text()
