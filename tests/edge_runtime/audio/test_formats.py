"""Formats that only PyAV reads, as phones and browsers record them."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from support import encoders

from edge_runtime import AudioError, read_audio
from edge_runtime.audio.decode import AudioFile
from edge_runtime.audio.formats import demuxer_of

FILES = {
    "m4a": ("ffmpeg -i {}", ".m4a", "M4A (MP4) AAC"),
    "m4a streamed": ("ffmpeg -i {} -movflags frag_keyframe+empty_moov", ".m4a", "M4A (MP4) AAC"),
    "3gp": ("ffmpeg -i {} -c:a aac", ".3gp", "3GP AAC"),
    "webm": ("ffmpeg -i {}", ".webm", "WebM (Matroska) OPUS"),
    "webm piped": ("ffmpeg -i {} -f webm - >", ".webm", "WebM (Matroska) OPUS"),
    "mka": ("ffmpeg -i {} -c:a flac", ".mka", "WebM (Matroska) FLAC"),
    "aac": ("ffmpeg -i {}", ".aac", "AAC AAC"),
    "wma": ("ffmpeg -i {}", ".wma", "WMA WMAV2"),
    "G.722 in a WAV": ("ffmpeg -i {} -c:a g722", ".wav", "WAV G722"),
    "Speex": ("ffmpeg -i {} -c:a libspeex", ".ogg", "OGG SPEEX"),
    "alac": ("ffmpeg -i {} -c:a alac", ".m4a", "M4A (MP4) ALAC"),
}


def recorded(command: str, suffix: str, folder, channels: int = 1, name: str = "clip"):
    source = encoders.write_source(folder / "source.wav", channels=channels)
    target = encoders.run(command, source, folder / f"coded{suffix}")
    return target.rename(folder / (name if "." in name else f"{name}{suffix}"))


@pytest.mark.slow
@pytest.mark.parametrize(("command", "suffix", "kind"), FILES.values(), ids=FILES)
def test_other_formats_are_read(tmp_path, command, suffix, kind):
    pytest.importorskip("av")
    path = recorded(command, suffix, tmp_path)
    audio = AudioFile(path)
    n = sum(map(len, audio))
    assert audio.kind == kind
    assert -0.05 <= n / audio.sample_rate - encoders.SECONDS < 0.2  # ffmpeg's WMA loses some
    loudness = [float(np.std(part)) for part in np.array_split(read_audio(path), 3)]
    assert loudness[1] > 1.3 * max(loudness[0], loudness[2])


def test_channels_are_kept(tmp_path):
    pytest.importorskip("av")
    path = recorded("ffmpeg -i {} -c:a alac", ".m4a", tmp_path, channels=2)
    expected = read_audio(tmp_path / "source.wav", channel=2)
    np.testing.assert_allclose(read_audio(path, channel=2), expected, atol=1e-4)


def test_webm_named_wav_is_recognised(tmp_path):
    pytest.importorskip("av")
    path = recorded(*FILES["webm"][:2], tmp_path, name="browser.wav")
    assert AudioFile(path).kind == "WebM (Matroska) OPUS"


@pytest.mark.parametrize("name", ["m4a", "webm", "aac"])
def test_half_a_file_is_read_or_refused(tmp_path, name):
    pytest.importorskip("av")
    path = recorded(*FILES[name][:2], tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    try:
        assert len(read_audio(path))
    except AudioError as error:
        assert str(path) in str(error) and "Errno" not in str(error)


def test_missing_extra_is_named(tmp_path, monkeypatch):
    path = tmp_path / "phone.m4a"
    path.write_bytes(b"\0\0\0\x1cftypM4A " + bytes(500))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError, match=r"is M4A \(MP4\).*pip install 'edge-ser\[formats\]'"):
        read_audio(path)


@pytest.mark.parametrize(
    ("begin", "demuxer"),
    [
        (b"\0\0\0\x1cftypM4A ", "mov"),
        (b"\0\0\0\x1cftyp3gp4", "mov"),
        (b"\x1aE\xdf\xa3", "matroska"),
        (b"#!AMR\n", "amr"),
        (b"#!AMR-WB\n", "amr"),
        (b"\xff\xf1\x50\x80", "aac"),
    ],
)
def test_formats_are_recognised_by_content(begin, demuxer):
    assert demuxer_of(begin)[0] == demuxer


@pytest.mark.parametrize(
    "begin", [b"", b"#EXTM3U\n", b"ffconcat version 1.0", b"\xff\xfb\x90\x64", b"RIFF....AVI "]
)
def test_formats_that_could_open_other_files_are_not_tried(begin):
    assert demuxer_of(begin) is None
