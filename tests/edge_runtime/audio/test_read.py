"""Audio files: valid, unusual and damaged."""

from __future__ import annotations

import errno
import os
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.wav_files import BAD_FILES, TONE, wav_bytes

from edge_runtime import AudioError, AudioLimits, ConfigError, read_audio
from edge_runtime.audio.read import BLOCK_SAMPLES, read_audio_bytes, split_into_blocks
from edge_runtime.audio.resample import StreamResampler, resample


@pytest.mark.parametrize(
    ("subtype", "tolerance"),
    [
        ("PCM_U8", 1e-2),
        ("PCM_16", 1e-4),
        ("PCM_24", 1e-6),
        ("PCM_32", 1e-6),
        ("FLOAT", 0),
        ("DOUBLE", 1e-7),
        ("ULAW", 2e-2),
    ],
)
def test_reads_every_sample_format(tmp_path, subtype, tolerance):
    path = tmp_path / "tone.wav"
    soundfile.write(path, TONE, 16_000, subtype=subtype)
    samples = read_audio(path)
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, TONE, atol=tolerance)


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3"])
def test_reads_compressed_files(tmp_path, suffix):
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, TONE, 16_000)
    samples = read_audio(path)
    assert abs(len(samples) - 16_000) <= 1152  # mp3 comes in frames
    assert abs(np.sqrt(np.mean(samples**2)) - np.sqrt(np.mean(TONE**2))) < 0.02


def test_averages_channels(tmp_path):
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([TONE, -0.5 * TONE], axis=1), 16_000, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(path), 0.25 * TONE, atol=1e-7)


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_resamples_to_the_target_rate(tmp_path, rate):
    path = tmp_path / "tone.wav"
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    soundfile.write(path, tone, rate, subtype="FLOAT")
    samples = read_audio(path, 16_000)
    assert abs(len(samples) - 16_000) <= 1
    inside = slice(500, 15_500)
    np.testing.assert_allclose(samples[inside], TONE[inside], atol=2e-3)


def test_keeps_the_rate_of_the_file(tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, TONE[:8000], 8000)
    assert len(read_audio(path, None)) == 8000


def test_resampled_clip_stays_within_full_scale(tmp_path):
    square = np.sign(np.sin(2 * np.pi * 100 * np.arange(48_000) / 48_000))
    path = tmp_path / "square.wav"
    soundfile.write(path, 1.5 * square, 48_000, subtype="FLOAT")
    assert np.abs(read_audio(path)).max() <= 1.0


@pytest.mark.parametrize(("channels", "n_blocks"), [(1, 1), (1, 2), (2, 2)])
def test_blocks_add_up_to_the_file(tmp_path, channels, n_blocks):
    path = tmp_path / "long.wav"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (n_blocks * BLOCK_SAMPLES + 7, channels))
    soundfile.write(path, noise, 16_000, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(path), noise.mean(axis=1), atol=1e-6)


def test_split_blocks_add_up_to_the_samples():
    samples = np.arange(2 * BLOCK_SAMPLES + 7, dtype=np.float32)
    blocks = list(split_into_blocks(samples))
    assert [len(block) for block in blocks] == [BLOCK_SAMPLES, BLOCK_SAMPLES, 7]
    np.testing.assert_array_equal(np.concatenate(blocks), samples)


@pytest.mark.parametrize("rate", [1000, 768_000])
def test_extreme_rates_are_supported(tmp_path, rate):
    path = tmp_path / "rate.wav"
    soundfile.write(path, TONE[:5000], rate)
    assert len(read_audio(path, None)) == 5000


def test_clip_without_a_resampled_sample_is_too_short(tmp_path):
    path = tmp_path / "short.wav"
    soundfile.write(path, TONE[:1], 768_000)
    with pytest.raises(AudioError, match="is too short: no sample is left at 1000 Hz"):
        read_audio(path, 1000)
    assert len(read_audio(path, None)) == 1


def test_undecodable_file_name_is_read(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.wav"))
    try:
        path.write_bytes(wav_bytes())
    except OSError:
        pytest.skip("file names must be text on this system")
    assert len(read_audio(path)) == len(TONE)


def test_system_error_is_passed_on(tmp_path, monkeypatch):
    path = tmp_path / "tone.wav"
    path.write_bytes(wav_bytes())
    with pytest.raises(AudioError, match="cannot be read: File name too long"):
        read_audio(tmp_path / ("n" * 300))

    def refuse(*arguments: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(AudioError, match="tone.wav: cannot be read: Permission denied"):
        read_audio(path)


@pytest.mark.parametrize("rates", [(0, 16_000), (16_000, 0), (None, 16_000)], ids=str)
def test_unsupported_rate_has_no_resampler(rates):
    for resampler in (StreamResampler, lambda *rates: resample(TONE, *rates)):
        with pytest.raises(ConfigError, match=r"sample_rate=(0|None) must be from 1000"):
            resampler(*rates)


def test_equal_rates_pass_through():
    stream = StreamResampler(16_000, 16_000)
    assert stream.push(TONE) is TONE
    assert len(stream.push(TONE[:0], last=True)) == 0


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def test_chunks_before_the_samples_are_skipped(tmp_path):
    content = wav_bytes()
    at = content.index(b"data")
    path = tmp_path / "odd.wav"
    path.write_bytes(content[:at] + chunk(b"LIST", b"abc") + content[at:])
    assert len(read_audio(path)) == len(TONE)
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(AudioError, match="declares 32000 bytes of samples, the file has 28000"):
        read_audio(path)
    path.write_bytes(content[:at] + b"LIST" + struct.pack("<I", 0xFFFF_FFF8) + content[at:])
    with pytest.raises(AudioError):
        read_audio(path)


def test_riff_without_wave_is_refused(tmp_path):
    path = tmp_path / "film.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", 1000) + b"AVI data" + struct.pack("<I", 10**6))
    with pytest.raises(AudioError, match="is not audio"):
        read_audio(path)


def test_empty_wav_is_not_one_of_unknown_length():
    """The header accounts for the chunk after its samples."""
    content = bytearray(wav_bytes(TONE[:0]) + chunk(b"LIST", bytes(1000)))
    content[4:8] = struct.pack("<I", len(content) - 8)
    with pytest.raises(AudioError, match="^audio in memory: holds no samples"):
        read_audio_bytes(bytes(content))


def test_limits_apply_to_files_and_memory(tmp_path):
    path = tmp_path / "tone.wav"
    path.write_bytes(wav_bytes())
    limits = AudioLimits(max_duration=0.5)
    with pytest.raises(AudioError, match="tone.wav: is longer than 0.5 s"):
        read_audio(path, limits=limits)
    with pytest.raises(AudioError, match="audio in memory: is longer than 0.5 s"):
        read_audio_bytes(wav_bytes(), limits=limits)


def test_file_in_memory_is_resampled():
    assert len(read_audio_bytes(wav_bytes(), 8000)) == 8000


@pytest.mark.parametrize(("content", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_error_names_file_and_reason(tmp_path, content, message):
    path = tmp_path / "bad file.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError) as error:
        read_audio(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)


def test_truncated_flac_is_an_error(tmp_path):
    path = tmp_path / "cut.flac"
    soundfile.write(path, np.random.default_rng(0).standard_normal(30_000) * 0.1, 16_000)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(AudioError, match="cut.flac"):
        read_audio(path)


def test_wav_of_unknown_length_is_read(tmp_path):
    """As written to a pipe: its header declares the largest length."""
    content = bytearray(wav_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    path = tmp_path / "pipe.wav"
    path.write_bytes(bytes(content))
    assert len(read_audio(path)) == len(TONE)


def test_chunk_after_the_samples_is_not_truncation(tmp_path):
    path = tmp_path / "list.wav"
    path.write_bytes(wav_bytes() + b"LIST\x04\x00\x00\x00abcd")
    assert len(read_audio(path)) == len(TONE)


def test_nan_missing_file_and_directory_are_refused(tmp_path):
    path = tmp_path / "nan.wav"
    soundfile.write(path, np.array([0.0, np.nan, 0.1], np.float32), 16_000, subtype="FLOAT")
    for wrong, message in (
        (path, "NaN or infinite"),
        (tmp_path / "no.wav", "no such file"),
        (tmp_path, "is a directory"),
    ):
        with pytest.raises(AudioError, match=message):
            read_audio(wrong)


def test_flac_of_unknown_length_is_read(tmp_path):
    """As encoded to a pipe: no total in STREAMINFO."""
    path = tmp_path / "stream.flac"
    soundfile.write(path, TONE, 16_000)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(bytes(content))
    assert len(read_audio(path)) == len(TONE)


def test_flac_with_too_large_length_is_truncated(tmp_path):
    path = tmp_path / "claim.flac"
    soundfile.write(path, TONE, 16_000)
    content = bytearray(path.read_bytes())
    content[21] |= 0x0F
    path.write_bytes(bytes(content))
    with pytest.raises(AudioError, match="claim.flac"):
        read_audio(path)


def test_only_regular_files_are_read(tmp_path):
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    with pytest.raises(AudioError, match="is a pipe; pass - instead"):
        read_audio(pipe)
    raw = tmp_path / "samples.raw"
    raw.write_bytes(b"\0" * 1000)
    for wrong in (raw, tmp_path / ("n" * 300), "nul\0.wav"):
        with pytest.raises(AudioError):
            read_audio(wrong)


def test_unsupported_rate_is_refused(tmp_path):
    path = tmp_path / "rate.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(3)
        file.writeframes(b"\0\0" * 100)
    with pytest.raises(AudioError, match="claims 3 samples per second"):
        read_audio(path)
    with pytest.raises(ConfigError, match="sample_rate=0"):
        resample(TONE, 16_000, 0)


@pytest.mark.parametrize("format", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_file_in_memory_equals_the_file(tmp_path, voice_clips, format):
    path = tmp_path / "clip"
    soundfile.write(path, voice_clips[0], 16_000, format=format)
    np.testing.assert_array_equal(read_audio_bytes(path.read_bytes()), read_audio(path))


@pytest.mark.parametrize("length", [0, 0x7FFF_F000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF], ids=hex)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_marker_of_unknown_length_is_read(length, channels):
    samples = np.random.default_rng(0).integers(-9999, 9999, (1000, channels), np.int16)
    header = b"RIFF" + struct.pack("<I", min(length + 36, 0xFFFF_FFFF)) + b"WAVEfmt "
    header += struct.pack("<IHHIIHH", 16, 1, channels, 16_000, 32_000 * channels, 2 * channels, 16)
    content = header + b"data" + struct.pack("<I", length) + samples.tobytes()
    np.testing.assert_allclose(read_audio_bytes(content), (samples / 32768).mean(axis=1), atol=1e-6)


def test_error_about_memory_has_the_given_name():
    with pytest.raises(AudioError, match="standard input: is empty"):
        read_audio_bytes(b"", name="standard input")
