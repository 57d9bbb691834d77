"""Shared fixtures: real speech if the corpora are installed, otherwise synthesised voices."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each worker has one core: with more threads, they wait for each other. Read by numpy and torch
    # on import, and by the commands that tests start.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from support.paths import CORPORA, ROOT
from support.training import TRAINING_MFCC

from edge_runtime import read_audio
from train.data.demo_corpus import PROSODIES, synthesise, voices, write_corpus

# "same" draws the same examples in every run, so that a failure belongs to a change. Others are set
# by HYPOTHESIS_PROFILE: "search" draws new examples (`make fuzz`), "slow" is for emulators.
settings.register_profile("same", derandomize=True)
settings.register_profile(
    "slow", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

try:
    import torch
except ModuleNotFoundError:  # on devices, where only the tests of edge_runtime run
    pass
else:
    torch.set_num_threads(1)  # as in training; two threads are slower for so small a network


SLOW_FOLDERS = {"benchmarks", "robustness"}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Leave folders with many processes, damaged files and kills out of `make test-fast`."""
    if SLOW_FOLDERS & set(item.path.relative_to(ROOT).parts[:2]):
        item.add_marker("slow")


@pytest.hookimpl(trylast=True)  # after pytest-randomly
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files with the most slow tests first; the others keep all workers busy at the end."""
    n_slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -n_slow[item.path])


def pytest_terminal_summary(terminalreporter, exitstatus, config) -> None:
    """Print the random seed, which pytest-randomly prints in the header that -q omits."""
    seed = config.getoption("randomly_seed", None)
    if exitstatus and seed is not None:
        terminalreporter.write_line(f"repeat this order with --randomly-seed={seed}")


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Return a function that makes a folder once, shared by all processes of pytest-xdist.

    `once(name, make)` calls `make(folder)` in the first process that needs it; others wait.
    """
    base = tmp_path_factory.getbasetemp()
    parallel = "PYTEST_XDIST_WORKER" in os.environ
    if parallel:
        base = base.parent

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = base / name, base / f"{name}.done"
        with _lock(base / f"{name}.lock") if parallel else nullcontext():
            if not done.exists():
                make(folder)
                done.touch()
        return folder

    return once


def _lock(path: Path) -> AbstractContextManager[object]:
    from filelock import FileLock  # not installed on devices

    return FileLock(path)


@pytest.fixture(scope="session")
def voice_clips() -> list[np.ndarray]:
    """Synthesised utterances at 16 kHz, one per label."""
    rng = np.random.default_rng(1)
    return [synthesise(voices(3)[k % 3], p, rng) for k, p in enumerate(PROSODIES.values())]


@pytest.fixture(scope="session")
def speech(voice_clips: list[np.ndarray]) -> list[np.ndarray]:
    """Clips at 16 kHz from every installed corpus, otherwise synthesised."""
    patterns = ("emodb/*/*.wav", "ravdess/*/*.flac", "tess/*.flac", "nemo/*.flac", "noise/*/*.flac")
    files: list[Path] = []
    for pattern in patterns:
        corpus = sorted(CORPORA.glob(pattern))
        files += corpus[:: max(1, len(corpus) // 6)][:6]
    return [read_audio(file) for file in files] or voice_clips


@pytest.fixture(scope="session")
def demo_corpus(once) -> Path:
    """A demo corpus of five speakers with three clips of each label; read-only."""

    def write(folder: Path) -> None:
        assert write_corpus(folder, speakers=5, clips=3, seed=0) == 60

    return once("demo-corpus", write)


@pytest.fixture(scope="session")
def three_speakers(demo_corpus: Path, once) -> Path:
    """A manifest of three speakers of the demo corpus, for protocols."""
    header, *rows = (demo_corpus / "manifest.csv").read_text().splitlines()
    rows = [f"{demo_corpus}/{row}" for row in rows if row.split(",")[2] <= "speaker03"]

    def write(folder: Path) -> None:
        folder.mkdir()
        (folder / "manifest.csv").write_text("\n".join([header, *rows]) + "\n")

    return once("three-speakers", write) / "manifest.csv"


@pytest.fixture(scope="session")
def feature_cache(once) -> Path:
    """A feature cache shared by all tests."""
    return once("feature-cache", lambda folder: folder.mkdir())


@pytest.fixture(scope="session")
def dataset(demo_corpus, feature_cache):
    """The features of the demo corpus."""
    from edge_runtime.datasets.corpora import scan
    from train.data.features import load_dataset

    return load_dataset(scan([demo_corpus / "manifest.csv"]), TRAINING_MFCC, feature_cache)


@pytest.fixture(scope="session")
def split(dataset):
    """A speaker-independent split of the demo corpus."""
    from train.data.splits import make_split

    return make_split(dataset.clips)


@pytest.fixture
def plain_pictures(monkeypatch) -> None:
    """Write pictures without drawing them, which takes longer than the training."""

    def write(figure, path, **_):
        Path(path).write_bytes(b"a picture")

    monkeypatch.setattr("matplotlib.figure.Figure.tight_layout", lambda figure: None)
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", write)


@pytest.fixture
def little_noise(monkeypatch) -> None:
    """Train the speech output of the network on a few clips of synthesised noise."""
    monkeypatch.setattr("train.data.noise.N_SYNTHETIC", 20)
