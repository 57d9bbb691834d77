"""Audio for the tests: real speech where the corpora are at hand, synthesised voices elsewhere."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from edge_runtime import MfccConfig, read_audio
from train.augment import Augment
from train.demo_corpus import PROSODIES, synthesise, voices, write_corpus

ROOT = Path(__file__).resolve().parent.parent
CORPORA = Path(os.environ.get("EDGE_SER_CORPORA", ROOT.parent / "shared" / "corpora"))

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


# A device has none of these; there the tests of what it has are run.
TESTS = Path(__file__).parent
NEEDS = {
    "train": "torch",
    "export": "torch",
    "benchmarks": "torch",
    "torch": "torch",
    "onnx": "onnx",
    "librosa": "librosa",
    "sklearn": "sklearn",
    "python_speech_features": "python_speech_features",
}


def _missing(file: Path, through: frozenset[Path] = frozenset()) -> set[str]:
    """The packages that a file of tests needs, by what it imports of the others too, and that are
    not installed."""
    names = re.findall(r"^ *(?:import|from) (\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    needs = {NEEDS[name] for name in names if name in NEEDS}
    missing = {need for need in needs if importlib.util.find_spec(need) is None}
    for other in {TESTS / f"{name}.py" for name in names} - through - {Path(__file__)}:
        if other.exists():
            missing |= _missing(other, through | {file, other})
    return missing


LEFT_OUT = {
    file.name: _missing(file) for file in sorted(TESTS.glob("*.py")) if file != Path(__file__)
}
LEFT_OUT = {name: sorted(missing) for name, missing in LEFT_OUT.items() if missing}
collect_ignore = list(LEFT_OUT)


def pytest_report_header() -> list[str]:
    return [f"left out: {name}, for want of {', '.join(needs)}" for name, needs in LEFT_OUT.items()]


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


TRAINING_MFCC = MfccConfig(hop_length=320)
PLAIN = Augment(offset=0.0, speed=0.0, vocal_tract=0.0, mixstyle=0.0)  # clips as they are


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
    from train.corpora import scan
    from train.features import load_dataset

    return load_dataset(scan([demo_corpus / "manifest.csv"]), TRAINING_MFCC, feature_cache)


def fit_one(data, clips, folds, network, config, **options):
    """`fit_best` with one candidate."""
    from train.candidates import Candidate, fit_best
    from train.recipe import Recipe

    candidate = Candidate("one", Recipe(data.mfcc, None, network, config), data)
    return fit_best([candidate], clips, folds, **options).fit


@pytest.fixture(scope="session")
def split(dataset):
    from train.splits import make_split

    return make_split(dataset.clips)
