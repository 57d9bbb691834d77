"""Untrusted checkpoints: no code runs, and the error names the problem."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
from support.command import python_m_each

torch = pytest.importorskip("torch")

from edge_runtime import EdgeSerError, MfccConfig  # noqa: E402
from export.pipeline import export_run  # noqa: E402
from train.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from train.network import EmotionLSTM  # noqa: E402
from train.network_config import NetworkConfig  # noqa: E402
from train.run_folder import CHECKPOINT, RunError, remove_states  # noqa: E402


class Bomb:
    """An object that creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def make_run(folder: Path) -> Path:
    """Save a checkpoint in `folder`, which is created."""
    folder.mkdir()
    network = EmotionLSTM(NetworkConfig(hidden_size=4, n_classes=2, fc_size=4))
    save_checkpoint(
        folder,
        network,
        MfccConfig(),
        None,
        ["a", "b"],
        temperature=1.0,
        corpora=[],
        licence="MIT",
        scores={},
        clips=[],
    )
    load_checkpoint(folder)
    return folder


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run")


def rewritten(run, change):
    stored = torch.load(run / CHECKPOINT, weights_only=True)
    change(stored)
    torch.save(stored, run / CHECKPOINT)


@pytest.mark.slow
def test_code_in_a_checkpoint_is_not_executed(tmp_path):
    kinds = ("zip", "pickle", "old torch", "in the weights", "in the labels")
    runs = {kind: make_run(tmp_path / kind) for kind in kinds}
    exploded = tmp_path / "exploded"
    bomb = Bomb(exploded)
    torch.save({"weights": bomb}, runs["zip"] / CHECKPOINT)
    (runs["pickle"] / CHECKPOINT).write_bytes(pickle.dumps(bomb))
    torch.save(bomb, runs["old torch"] / CHECKPOINT, _use_new_zipfile_serialization=False)
    rewritten(runs["in the weights"], lambda stored: stored.update(weights=[bomb]))
    rewritten(runs["in the labels"], lambda stored: stored.update(labels=[bomb]))
    results = python_m_each(*(["export", "onnx", "--run", run] for run in runs.values()))
    assert not exploded.exists()
    for (kind, run), done in zip(runs.items(), results):
        assert done.returncode == 1 and not list(run.glob("*.onnx")), kind
        assert len(done.stderr.splitlines()) == 1 and "weights_only" not in done.stderr, kind
        error = f"export: {run / CHECKPOINT}: is not a checkpoint of edge-ser: "
        assert error in done.stderr, kind
        if kind != "pickle":  # here torch does not name the function
            refusal = "contains code to run on loading (posix.system); it was not executed"
            assert refusal in done.stderr, kind


DAMAGE = {
    "another network": (lambda s: s["network"].update(hidden_size=5), "have shape"),
    "terabytes": (lambda s: s["network"].update(hidden_size=10**9), "hidden_size=1000000000"),
    "many layers": (lambda s: s["network"].update(num_layers=10**9), "num_layers=1000000000"),
    "text for a size": (lambda s: s["network"].update(hidden_size="4"), "checkpoint of edge-ser"),
    "unknown size": (lambda s: s["network"].update(surprise=4), "surprise"),
    "no sizes": (lambda s: s.pop("network"), "lacks 'network'"),
    "no weights": (lambda s: s.update(weights={}), "have shape None"),
    "weights of text": (lambda s: s.update(weights="x"), "is not a checkpoint"),
    "not a number": (
        lambda s: s["weights"]["members.0.fc.bias"].fill_(float("nan")),
        "are not finite",
    ),
    "typing error in a size": (
        lambda s: s["network"].update(hidden_size=10**6),
        "hidden_size=1000000 must be 16384 or less",
    ),
    "too many members": (
        lambda s: s["network"].update(ensemble_size=10**9),
        "ensemble_size=1000000000",
    ),
}


@pytest.mark.parametrize(("change", "message"), DAMAGE.values(), ids=DAMAGE)
def test_inconsistent_checkpoint_is_refused(run, change, message):
    rewritten(run, change)
    with pytest.raises(RunError, match=message) as error:
        load_checkpoint(run)
    assert str(error.value).startswith(str(run / CHECKPOINT)) and "\n" not in str(error.value)


SETTINGS = {
    "no labels": (lambda s: s.pop("labels"), "lacks labels"),
    "labels twice": (lambda s: s.update(labels=["a", "a"]), "model card: labels="),
    "a label for terminals": (lambda s: s.update(labels=["a", "\x1b[2J"]), "model card: labels="),
    "temperature": (lambda s: s.update(temperature=-1.0), "model card: temperature=-1"),
    "temperature of text": (lambda s: s.update(temperature="hot"), "could not convert"),
    "front end": (lambda s: s["mfcc_config"].update(hop_length=0), "hop_length=0"),
    "silence": (lambda s: s.update(silence={"range_db": 1}), "silence settings: missing key decay"),
    "clips": (lambda s: s.update(clips=[1]), "is not a checkpoint"),
    "scores": (lambda s: s.update(scores=[1]), "model card: scores="),
}


@pytest.mark.parametrize(("change", "message"), SETTINGS.values(), ids=SETTINGS)
def test_invalid_settings_are_refused_before_anything_is_written(run, change, message):
    rewritten(run, change)
    with pytest.raises(EdgeSerError, match=message) as error:
        export_run(run, run, None, "test", run / "cache", None)
    assert str(run / CHECKPOINT) in str(error.value)
    assert not list(run.glob("*.onnx"))


@pytest.mark.slow
def test_file_that_is_not_a_checkpoint_is_refused(run, tmp_path):
    file = run / CHECKPOINT
    whole = file.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(RunError, match="is damaged or not a PyTorch file"):
            load_checkpoint(run)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(RunError, match="is not a regular file"):
        load_checkpoint(run)
    file.unlink()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(1 << 20))
    content = bytearray(file.read_bytes())
    size = content.rindex(b"PK\x01\x02") + 24  # in the directory of the archive
    content[size : size + 4] = struct.pack("<I", 2100 << 20)
    file.write_bytes(content)
    with pytest.raises(RunError, match="expands to 2,202,009,600 bytes"):
        load_checkpoint(run)


def test_states_of_a_complete_run_are_removed(tmp_path):
    for name in ("state.pt", "fold-1.state.pt", "choice-2.state.pt", "checkpoint.pt"):
        (tmp_path / name).touch()
    remove_states(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
