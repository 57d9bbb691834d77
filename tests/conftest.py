"""Audio for the tests: real speech where the corpora are at hand, synthesised voices elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from support.paths import CORPORA
from support.training import TRAINING_MFCC

from edge_runtime import read_audio
from train.data.demo_corpus import PROSODIES, synthesise, voices, write_corpus

# The same draws in every run, so that a failure belongs to a change; HYPOTHESIS_PROFILE=search
# draws others each time (`make fuzz`), and =slow waits for an emulator (`make arm64`).
settings.register_profile("same", derandomize=True)
settings.register_profile(
    "slow", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

try:
    import torch
except ModuleNotFoundError:  # on a device, where the tests of edge_runtime run without it
    pass
else:
    torch.set_num_threads(1)  # as in training; two threads are slower for so small a network


def pytest_terminal_summary(terminalreporter, exitstatus, config) -> None:
    """pytest-randomly tells its seed in the header, which -q leaves out."""
    seed = config.getoption("randomly_seed", None)
    if exitstatus and seed is not None:
        terminalreporter.write_line(f"in this order again: --randomly-seed={seed}")


@pytest.fixture(scope="session")
def voice_clips() -> list[np.ndarray]:
    """Synthesised utterances at 16 kHz, one per label."""
    rng = np.random.default_rng(1)
    return [synthesise(voices(3)[k % 3], p, rng) for k, p in enumerate(PROSODIES.values())]


@pytest.fixture(scope="session")
def speech(voice_clips: list[np.ndarray]) -> list[np.ndarray]:
    """Clips at 16 kHz: from every corpus that is there, else synthesised."""
    patterns = ("emodb/*/*.wav", "ravdess/*/*.flac", "tess/*.flac", "nemo/*.flac", "noise/*/*.flac")
    files: list[Path] = []
    for pattern in patterns:
        found = sorted(CORPORA.glob(pattern))
        files += found[:: max(1, len(found) // 6)][:6]
    return [read_audio(file) for file in files] or voice_clips


@pytest.fixture(scope="session")
def demo_corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "corpus"
    assert write_corpus(folder, speakers=5, clips=3, seed=0) == 60
    return folder


@pytest.fixture(scope="session")
def three_speakers(demo_corpus: Path, tmp_path_factory) -> Path:
    """A manifest of three of its five speakers: a protocol of them takes less."""
    header, *rows = (demo_corpus / "manifest.csv").read_text().splitlines()
    some = [f"{demo_corpus}/{row}" for row in rows if row.split(",")[2] <= "speaker03"]
    manifest = tmp_path_factory.mktemp("three") / "manifest.csv"
    manifest.write_text("\n".join([header, *some]) + "\n")
    return manifest


@pytest.fixture(scope="session")
def feature_cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def dataset(demo_corpus, feature_cache):
    from train.data.corpora import scan
    from train.data.features import load_dataset

    return load_dataset(scan([demo_corpus / "manifest.csv"]), TRAINING_MFCC, feature_cache)


@pytest.fixture(scope="session")
def split(dataset):
    from train.data.splits import make_split

    return make_split(dataset.clips)
