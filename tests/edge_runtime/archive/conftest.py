"""Short recordings, and settings of the bundled model."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import soundfile

from edge_runtime import EmotionModel

# The extra `archive`, and what compares tables.
if any(importlib.util.find_spec(name) is None for name in ("pyarrow", "duckdb")):
    collect_ignore_glob = ["test_*.py"]

RATE = 16_000


@pytest.fixture(scope="session")
def model():
    return EmotionModel.load()


@pytest.fixture(scope="session")
def settings(model):
    from edge_runtime.archive.settings import ArchiveSettings

    return ArchiveSettings.of(model)


@pytest.fixture(scope="session")
def stereo_settings(model):
    from edge_runtime.archive.settings import ArchiveSettings
    from edge_runtime.audio.channel_roles import parse_roles

    return ArchiveSettings.of(model, roles=parse_roles("1=agent,2=customer", None))


@pytest.fixture(scope="session")
def calls(tmp_path_factory, voice_clips):
    """Four mono recordings of speech, of a few seconds."""
    folder = tmp_path_factory.mktemp("calls")
    for number, clip in enumerate(voice_clips):
        soundfile.write(folder / f"call{number}.wav", clip, RATE)
    return folder


@pytest.fixture(scope="session")
def stereo(tmp_path_factory, voice_clips):
    """A call of two voices, and one with the same voice on both channels."""
    folder = tmp_path_factory.mktemp("stereo")
    n = min(map(len, voice_clips))
    both = np.stack([voice_clips[0][:n], voice_clips[1][:n]], axis=1)
    soundfile.write(folder / "call.wav", both, RATE)
    soundfile.write(folder / "same.wav", both[:, [0, 0]], RATE)
    return folder
