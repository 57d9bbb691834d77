"""Files as encoders write them: lengths that are guessed, several streams, unusual containers."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support import encoders

from edge_runtime import AudioError, read_audio
from edge_runtime.audio import decode, mpeg
from edge_runtime.audio.decode import AudioFile
from edge_runtime.audio.virtual_file import VirtualFile

# Samples of MPEG frames that an encoder adds before and after the audio.
MAX_PADDING_FRAMES = 4

MP3 = {
    "ffmpeg": "ffmpeg -i {}",
    "ffmpeg VBR": "ffmpeg -i {} -q:a 5",
    "ffmpeg VBR piped": "ffmpeg -i {} -q:a 5 -f mp3 - >",
    "ffmpeg VBR best piped": "ffmpeg -i {} -q:a 0 -f mp3 - >",
    "ffmpeg 64k piped": "ffmpeg -i {} -b:a 64k -f mp3 - >",
    "ffmpeg 32k piped": "ffmpeg -i {} -b:a 32k -f mp3 - >",
    "ffmpeg no tags": "ffmpeg -i {} -b:a 48k -id3v2_version 0 -write_xing 0",
    "ffmpeg tagged": "ffmpeg -i {} -metadata title=T -write_id3v1 1 -write_xing 0",
    "ffmpeg layer 2": "ffmpeg -i {} -c:a mp2 -f mp2",
    "lame": "lame {}",
    "lame VBR piped": "lame -V 5 {} - >",
    "lame ABR piped": "lame --abr 56 {} - >",
    "lame no header": "lame -t -b 64 {}",
    "lame tagged": "lame --tt Title --id3v2-only -V 7 {}",
    "sox": "sox {} -t mp3",
    "sox 44 kHz": "sox {} -r 44100 -t mp3",
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Return a WAV of a rate and a number of channels."""
    folder = tmp_path_factory.mktemp("sources")

    def source(rate: int = encoders.RATE, channels: int = 1) -> Path:
        path = folder / f"{rate}-{channels}.wav"
        return path if path.exists() else encoders.write_source(path, rate, channels)

    return source


def check_mpeg_length(path: Path) -> None:
    """Check that all of the source is there, and little more."""
    audio = AudioFile(path)
    n = sum(map(len, audio))
    expected = encoders.SECONDS * audio.sample_rate
    assert expected <= n <= expected + MAX_PADDING_FRAMES * 1152, n / expected


@pytest.mark.parametrize("command", MP3.values(), ids=MP3)
def test_all_of_an_mpeg_file_is_read(tmp_path, sources, command):
    check_mpeg_length(encoders.run(command, sources(), tmp_path / "clip.mp3"))


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (22_050, 2), (24_000, 1), (44_100, 2)])
@pytest.mark.parametrize("command", ["ffmpeg VBR piped", "ffmpeg"])
def test_all_of_an_mpeg_file_is_read_at_any_rate(tmp_path, sources, command, rate, channels):
    path = encoders.run(MP3[command], sources(rate, channels), tmp_path / "clip.mp3")
    check_mpeg_length(path)


def test_length_equals_that_of_ffmpeg(tmp_path, sources):
    path = encoders.run(MP3["lame VBR piped"], sources(), tmp_path / "clip.mp3")
    command = ["ffmpeg", "-v", "error", "-i", path, "-f", "s16le", "-"]
    decoded = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    assert abs(len(read_audio(path)) - len(decoded) // 2) <= 1152


def test_mp3_in_a_wav_is_read(tmp_path, sources):
    command = "ffmpeg -i {} -c:a libmp3lame"
    check_mpeg_length(encoders.run(command, sources(), tmp_path / "clip.wav"))


@pytest.mark.parametrize("n_zeros", [1, 3, 1000, 200_000])
def test_zeros_before_an_mp3_are_skipped(tmp_path, sources, n_zeros):
    path = encoders.run(MP3["lame VBR piped"], sources(), tmp_path / "clip.mp3")
    path.write_bytes(bytes(n_zeros) + path.read_bytes())
    check_mpeg_length(path)


def test_tag_before_an_accepted_mp3_is_skipped(tmp_path, sources):
    path = encoders.run(MP3["ffmpeg 64k piped"], sources(), tmp_path / "clip.mp3")
    path.write_bytes(b"ID3\4\0\0\0\0\x40\0" + bytes(1 << 13) + path.read_bytes())
    check_mpeg_length(path)


@pytest.mark.parametrize("format", ["w64", "wav", "aiff", "au", "flac", "ogg"])
def test_file_written_to_a_pipe_is_read_to_its_end(tmp_path, sources, format):
    path = encoders.run(f"ffmpeg -i {{}} -f {format} - >", sources(), tmp_path / "clip")
    assert len(read_audio(path)) == encoders.SECONDS * encoders.RATE


def test_half_an_mp3_with_a_declared_length_is_truncated(tmp_path, sources):
    path = encoders.run(MP3["ffmpeg"], sources(), tmp_path / "clip.mp3")
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(AudioError, match="is truncated: the header declares"):
        read_audio(path)


def joined(folder: Path, *paths: Path) -> Path:
    path = folder / f"joined{paths[0].suffix}"
    path.write_bytes(b"".join(part.read_bytes() for part in paths))
    return path


JOINED = {
    "mp3": ("ffmpeg -i {}", "ffmpeg -i {}", ".mp3"),
    "mp3 of other rate": ("ffmpeg -i {} -ac 2", "ffmpeg -i {} -ar 44100", ".mp3"),
    "mp3 without header": ("lame -t -b 64 {}", "lame -t -V 5 {}", ".mp3"),
    "mp3 with and without header": ("lame -t -b 64 {}", "ffmpeg -i {}", ".mp3"),
    "vorbis": ("ffmpeg -i {}", "ffmpeg -i {}", ".ogg"),
    "opus": ("ffmpeg -i {}", "ffmpeg -i {}", ".opus"),
    "vorbis of other rate": ("ffmpeg -i {}", "ffmpeg -i {} -ar 22050 -ac 2", ".ogg"),
    "flac in ogg": ("ffmpeg -i {} -c:a flac", "ffmpeg -i {} -c:a flac", ".ogg"),
    "flac": ("ffmpeg -i {}", "ffmpeg -i {}", ".flac"),
    "flac piped": ("ffmpeg -i {} -f flac - >", "ffmpeg -i {}", ".flac"),
    "wav": ("ffmpeg -i {}", "sox {} -b 24", ".wav"),
    "aiff": ("ffmpeg -i {}", "ffmpeg -i {} -ar 22050", ".aiff"),
    "au": ("ffmpeg -i {}", "ffmpeg -i {}", ".au"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second", "suffix"), JOINED.values(), ids=JOINED)
def test_joined_files_are_read_to_the_end(tmp_path, sources, caplog, first, second, suffix):
    one = encoders.run(first, sources(), tmp_path / f"first{suffix}")
    two = encoders.run(second, sources(), tmp_path / f"second{suffix}")
    path = joined(tmp_path, one, two)
    expected = sum(len(read_audio(part)) for part in (one, two))
    assert abs(len(read_audio(path)) - expected) <= 1152
    assert not caplog.records


def test_library_prints_nothing_about_joined_mp3(tmp_path, sources):
    one = encoders.run(MP3["ffmpeg"], sources(), tmp_path / "one.mp3")
    path = joined(tmp_path, one, one)
    damaged = bytearray(path.read_bytes())
    damaged[2000:2500] = np.random.default_rng(0).bytes(500)
    path.write_bytes(damaged)
    code = f"import edge_runtime; edge_runtime.read_audio({str(path)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    lines = done.stderr.splitlines()
    assert all(str(path) in line for line in lines if "mpg123" in line.lower()), lines
    assert "Xing" not in done.stderr and "offset" not in done.stderr


def test_unreadable_second_stream_is_noted(tmp_path, sources, caplog):
    path = tmp_path / "clip.wav"
    path.write_bytes(sources().read_bytes() + b"RIFF\4\0\0\0WAVE" + bytes(500))
    assert len(read_audio(path)) == encoders.SECONDS * encoders.RATE
    assert "the last 512 bytes, after 1.60 s, are not read" in caplog.text


def test_second_chunk_of_samples_is_read(tmp_path, sources):
    content = sources().read_bytes()
    path = tmp_path / "clip.wav"
    path.write_bytes(content + b"LIST\2\0\0\0ab" + content[36:])
    assert len(read_audio(path)) == 2 * encoders.SECONDS * encoders.RATE


def test_bytes_after_the_declared_samples_are_noted(tmp_path, sources, caplog):
    path = tmp_path / "clip.wav"
    path.write_bytes(sources().read_bytes() + b"\xff" * 10_000)
    assert len(read_audio(path)) == encoders.SECONDS * encoders.RATE
    assert f"{path}: note: the last 10000 bytes, after 1.60 s, are not read" in caplog.text


def test_number_of_streams_is_limited(tmp_path, sources, monkeypatch):
    monkeypatch.setattr(decode, "MAX_STREAMS", 3)
    path = joined(tmp_path, *[sources()] * 4)
    with pytest.raises(AudioError, match="has more than 3 streams"):
        read_audio(path)


@pytest.mark.parametrize("n_bytes", [1, 16, 44, 3000])
def test_slightly_too_large_size_is_noted(tmp_path, sources, caplog, n_bytes):
    content = sources().read_bytes()
    size = int.from_bytes(content[40:44], "little")
    path = tmp_path / "phone.wav"
    path.write_bytes(content[:40] + (size + n_bytes).to_bytes(4, "little") + content[44:])
    np.testing.assert_array_equal(read_audio(path), read_audio(sources()))
    (record,) = caplog.records
    assert record.name == "edge_runtime" and record.levelno == logging.WARNING
    assert record.message == (
        f"{path}: note: the header declares {size + n_bytes} bytes of samples, the file has {size}"
    )


def test_much_too_large_size_is_an_error(tmp_path, sources):
    content = sources().read_bytes()
    size = int.from_bytes(content[40:44], "little")
    path = tmp_path / "cut.wav"
    path.write_bytes(content[:40] + (size + 3200).to_bytes(4, "little") + content[44:])
    with pytest.raises(AudioError, match="is truncated: the header declares"):
        read_audio(path)


def test_wav_beyond_4_gib_is_read_to_its_end(tmp_path):
    """Its 32-bit size has wrapped. The file is sparse."""
    path = tmp_path / "long.wav"
    soundfile.write(path, np.ones(1), 48_000, subtype="PCM_32")
    size = (1 << 32) + 1000
    with path.open("r+b") as file:
        file.seek(40)
        file.write((size % (1 << 32)).to_bytes(4, "little"))
        file.truncate(44 + size)
    assert AudioFile(path).n_samples == size // 4


def test_virtual_file_reads_across_its_parts(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(100)))
    with path.open("rb") as file:
        view = VirtualFile(file, [(10, 5), b"ab", (50, 3)])
        assert view.read() == bytes(range(10, 15)) + b"ab" + bytes(range(50, 53))
        assert view.seek(-4, 2) == 6 and view.read(2) == b"b" + bytes([50])


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("fffb9064", (3, 3, 44_100, 2, 417)),
        ("fff340c4", (2, 3, 22_050, 1, 104)),
        ("ffe318c0", (0, 3, 8000, 1, 72)),
        ("fffdb400", (3, 2, 48_000, 2, 672)),
        ("ffff9400", (3, 1, 48_000, 2, 288)),
        ("fffb0064", None),
        ("fffbf064", None),
        ("ffeb9064", None),
        ("fff99064", None),
    ],
)
def test_frame_headers_follow_the_specification(header, expected):
    assert mpeg.parse_frame(bytes.fromhex(header)) == expected
