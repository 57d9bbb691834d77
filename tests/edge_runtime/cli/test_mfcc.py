"""`edge-ser mfcc` as a process."""

from __future__ import annotations

import csv
import io
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from support.command import edge_ser
from support.paths import ROOT


@pytest.fixture(scope="module")
def clip(tmp_path_factory, voice_clips):
    path = tmp_path_factory.mktemp("clips") / "voice 0.wav"
    soundfile.write(path, voice_clips[0], 16_000)
    return path


@pytest.mark.slow
def test_files_and_stdout_equal_library(clip, tmp_path):
    from edge_runtime import MfccConfig, mfcc, read_audio
    from edge_runtime.features.framing import Framing

    expected = mfcc(read_audio(clip))
    assert edge_ser("mfcc", clip, "-o", tmp_path / "f.npy").returncode == 0
    np.testing.assert_allclose(np.load(tmp_path / "f.npy"), expected, atol=1e-3)
    assert edge_ser("mfcc", clip, "-o", tmp_path / "f.csv").returncode == 0
    for text in ((tmp_path / "f.csv").read_text(), edge_ser("mfcc", clip).stdout):
        rows = list(csv.reader(io.StringIO(text)))
        assert rows[0] == ["time", *(f"mfcc_{k}" for k in range(13))]
        table = np.array(rows[1:], float)
        np.testing.assert_allclose(table[:, 1:], expected, atol=1e-3)
        np.testing.assert_allclose(
            table[:, 0], Framing(MfccConfig()).frame_times(len(expected)), atol=1e-6
        )


@pytest.mark.slow
def test_stdin_equals_file(clip):
    with open(clip, "rb") as audio:
        piped = subprocess.run(
            [sys.executable, "-m", "edge_runtime", "mfcc", "-", "--set", "top_db=None"],
            stdin=audio,
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
        )
    assert piped.stdout == edge_ser("mfcc", clip).stdout
    missing = edge_ser("doctor", "-")
    assert missing.returncode == 1
    assert "only classify, mfcc and listen read standard input" in missing.stderr


def test_existing_file_requires_force(clip, tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("previous content")
    refused = edge_ser("mfcc", clip, "-o", path)
    assert refused.returncode == 2 and "--force" in refused.stderr
    assert path.read_text() == "previous content"
    assert edge_ser("mfcc", clip, "-o", path, "--force").returncode == 0
    assert path.read_text().startswith("time,")


def test_other_suffix_is_rejected(clip, tmp_path):
    result = edge_ser("mfcc", clip, "-o", tmp_path / "f.xls")
    assert result.returncode == 2
    assert ".npy or .csv" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting",
    [
        "n_fft=100000000000",
        'window=[["a"],1]',
        f"hop_length={10**20}",
        f"lifter={'9' * 400}",
        "window=hunn",
        "sample_rate=100",
        "n_fft",
    ],
)
def test_invalid_setting_is_status_2(clip, setting):
    result = edge_ser("mfcc", clip, "--set", setting)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
