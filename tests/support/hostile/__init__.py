"""Audio files that nobody should send, made by name: `write("wav rate 0.wav", folder)`.

`files()` are the contents, small, each with what `read_audio` must say of it; `sweeps()` are many
more, systematically damaged, of which it must only say something. What the fuzzer found is in
`found/` and among `files()`.
"""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000
FOUND = Path(__file__).with_name("found")

READ = "read"  # it is audio all the same
EITHER = ""  # audio or AudioError; everything else is a part of the AudioError's message


def noise(n: int = 1600) -> np.ndarray:
    """Something to be heard, `(n,)`."""
    return 0.1 * np.random.default_rng(0).standard_normal(n).astype(np.float32)


def encode(
    samples: np.ndarray,
    format: str,
    subtype: str | None = None,
    rate: int = RATE,
    endian: str | None = None,
) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=format, subtype=subtype, endian=endian)
    return file.getvalue()


def wav(
    data: bytes = struct.pack("<1600h", *(noise() * 32767).astype(int)),
    *,
    riff: int | None = None,
    form: bytes = b"WAVE",
    fmt_size: int = 16,
    kind: int = 1,
    channels: int = 1,
    rate: int = RATE,
    byte_rate: int | None = None,
    align: int | None = None,
    bits: int = 16,
    size: int | None = None,
    before: bytes = b"",
    after: bytes = b"",
    extra: bytes = b"",
) -> bytes:
    """A WAV with any of its fields as wanted."""
    align = max(1, channels * bits // 8) if align is None else align
    byte_rate = rate * align if byte_rate is None else byte_rate
    fmt = struct.pack("<HHIIHH", kind, channels, rate, byte_rate & 0xFFFFFFFF, align & 0xFFFF, bits)
    body = form + b"fmt " + struct.pack("<I", fmt_size) + fmt + extra + before
    body += b"data" + struct.pack("<I", len(data) if size is None else size) + data + after
    return b"RIFF" + struct.pack("<I", len(body) if riff is None else riff) + body


def extensible(guid: bytes, valid_bits: int = 16, mask: int = 4, size: int = 22) -> bytes:
    """The part of a format chunk that only kind 0xFFFE has."""
    return struct.pack("<HHI", size, valid_bits, mask) + guid


PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")

# Every container and codec that people send, small, from one signal.
GOOD = {
    "wav": ("WAV", "PCM_16", None),
    "wav8": ("WAV", "PCM_U8", None),
    "wav24": ("WAV", "PCM_24", None),
    "wavf": ("WAV", "FLOAT", None),
    "wavd": ("WAV", "DOUBLE", None),
    "wavima": ("WAV", "IMA_ADPCM", None),
    "wavms": ("WAV", "MS_ADPCM", None),
    "wavgsm": ("WAV", "GSM610", None),
    "wavulaw": ("WAV", "ULAW", None),
    "rifx": ("WAV", "PCM_16", "BIG"),
    "wavex": ("WAVEX", "PCM_16", None),
    "rf64": ("RF64", "PCM_16", None),
    "w64": ("W64", "PCM_16", None),
    "aiff": ("AIFF", "PCM_16", None),
    "aifc": ("AIFF", "FLOAT", None),
    "au": ("AU", "PCM_16", None),
    "caf": ("CAF", "PCM_16", None),
    "flac": ("FLAC", "PCM_16", None),
    "ogg": ("OGG", "VORBIS", None),
    "opus": ("OGG", "OPUS", None),
    "mp3": ("MP3", "MPEG_LAYER_III", None),
    "voc": ("VOC", "PCM_16", None),
    "nist": ("NIST", "PCM_16", None),
    "avr": ("AVR", "PCM_16", None),
    "ircam": ("IRCAM", "PCM_16", None),
    "svx": ("SVX", "PCM_16", None),
}
# Of these old formats nobody compares what the header announces with what is there.
SILENT = ("voc", "nist", "avr", "ircam")


def good(name: str, n: int = 1600) -> bytes:
    format, subtype, endian = GOOD[name]
    return encode(noise(n), format, subtype, endian=endian)


def files() -> Iterator[tuple[str, bytes, str]]:
    """Name, content, and what is said of it: READ, EITHER or a part of the AudioError."""
    yield from _no_audio()
    # Its decoder in libsndfile tells of damage on standard output.
    yield "alac.caf", encode(noise(1600), "CAF", "ALAC_16"), "is ALAC, which is not read"
    yield from _wav_fields()
    yield from _wav_chunks()
    yield from _lengths()
    yield from _cut_in_two()
    yield from _samples()
    yield from _bombs()
    for path in sorted(FOUND.glob("*")) if FOUND.is_dir() else []:
        yield f"found {path.name}", path.read_bytes(), EITHER


def _no_audio() -> Iterator[tuple[str, bytes, str]]:
    yield "empty.wav", b"", "is empty (0 bytes)"
    yield "one byte.wav", b"R", "is not audio"
    yield "text.mp3", b"this is no audio, whatever the name says\n" * 50, "is not audio"
    yield "html.wav", b"<!DOCTYPE html><html><body>404</body></html>" * 20, "is not audio"
    yield "zeros.wav", bytes(10_000), "is not audio"
    yield "ones.mp3", b"\xff" * 10_000, "is not audio"
    yield "random.ogg", np.random.default_rng(1).bytes(10_000), "is not audio"
    for magic in (
        b"RIFF",
        b"RIFX",
        b"RF64",
        b"FORM",
        b"fLaC",
        b"OggS",
        b"ID3\4",
        b"caff",
        b".snd",
        b"\xff\xfb\x90\x64",
        bytes.fromhex("726966662e91cf11a5d628db04c10000"),
    ):
        yield f"magic {magic[:4].hex()} alone", magic, "is "
        yield f"magic {magic[:4].hex()} and zeros", magic + bytes(500), EITHER
    for name in (b"RIFF....AVI LIST", b"RIFF....WEBPVP8 ", b"\x89PNG\r\n", b"%PDF-1.7\n", b"MZ"):
        yield f"other {name!r}.wav", name + bytes(range(256)), "is not audio"
    member = io.BytesIO()
    with zipfile.ZipFile(member, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.wav", bytes(10_000_000))
    yield "zip bomb.flac", member.getvalue(), "is not audio"
    yield "gzip bomb.wav", gzip.compress(bytes(10_000_000)), "is not audio"
    yield "gzip of a wav.wav", gzip.compress(wav()), "is not audio"
    yield "id3 that skips 256 MB.mp3", b"ID3\4\0\0\x7f\x7f\x7f\x7f" + bytes(100), "is not audio"
    yield "id3 in id3.mp3", b"ID3\4\0\0\0\0\0\0" * 500 + bytes(100), EITHER


def _wav_fields() -> Iterator[tuple[str, bytes, str]]:
    most = 0xFFFF_FFFF
    for riff in (0, 1, 8, 36, 3235, 3237, 0x7FFF_FFFF, 0x8000_0000, most):
        yield f"wav riff size {riff}.wav", wav(riff=riff), READ
    for form in (b"\0\0\0\0", b"wave", b"AVI ", b"WAV\0"):
        yield f"wav form {form!r}.wav", wav(form=form), "is not audio"
    for size in (0, 1, 2, 14, 15, 17, 18, 40, 1000, 0x7FFF_FFFF, 0x8000_0000, most):
        yield f"wav fmt size {size}.wav", wav(fmt_size=size), EITHER
    for kind in (
        0,
        2,
        3,
        5,
        6,
        7,
        0x11,
        0x31,
        0x45,
        0x50,
        0x55,
        0x92,
        0x161,
        0x2000,
        0xFFFE,
        0xFFFF,
    ):
        yield f"wav kind {kind}.wav", wav(kind=kind), EITHER
    yield "wav channels 0.wav", wav(channels=0, align=0), "is not audio"
    for channels in (2, 3, 64):
        data = bytes(channels * 2 * 100)
        yield f"wav channels {channels}.wav", wav(data, channels=channels), READ
    for channels in (65, 100, 1024, 1025, 32_767, 32_768, 65_535):
        data = bytes(min(channels, 2000) * 2 * 10)
        yield f"wav channels {channels}.wav", wav(data, channels=channels), EITHER
    for rate in (0, 1, 2, 999, 768_001, 10_000_000, 0x7FFF_FFFF):
        yield f"wav rate {rate}.wav", wav(rate=rate), f"claims {rate} samples per second"
    for rate in (0x8000_0000, most):  # libsndfile counts below zero
        yield f"wav rate {rate}.wav", wav(rate=rate), "is not audio"
    for rate in (1000, 1001, 7999, 44_100, 192_000, 767_999, 768_000):
        yield f"wav rate {rate}.wav", wav(rate=rate), READ
    for byte_rate in (0, 1, 31_999, 0x7FFF_FFFF, most):
        yield f"wav byte rate {byte_rate}.wav", wav(byte_rate=byte_rate), READ
    for align in (0, 1, 3, 4, 255, 0x7FFF, 0x8000, 0xFFFF):
        yield f"wav block align {align}.wav", wav(align=align), "contradicts itself"
    yield "wav 24 bits in 4 bytes.wav", wav(bits=24, align=4), "contradicts itself"
    yield "wav 32 bits in 2 bytes.wav", wav(bits=32, align=2), "contradicts itself"
    for bits in range(0, 66):
        yield f"wav bits {bits}.wav", wav(bits=bits), EITHER
        yield f"wav float bits {bits}.wav", wav(kind=3, bits=bits), EITHER
    for size in (1, 2, 3, 3199):
        yield f"wav data size {size}.wav", wav(size=size), READ if size > 1 else "no samples"
    for size in (3201, 3202, 1 << 20, 0x7FFE_FFFF, 0x8000_2000, 0xFFFE_FFFF):
        yield f"wav data size {size}.wav", wav(size=size), "is truncated"
    yield "wav of 100 bytes that claims 3 GB.wav", wav(bytes(56), size=3 << 30), "is truncated"
    yield "wav odd data.wav", wav(bytes(3201)), READ
    for guid in (PCM_GUID, bytes(16), b"\xff" * 16, PCM_GUID[::-1]):
        for valid in (0, 16, 17, 0xFFFF):
            content = wav(kind=0xFFFE, fmt_size=40, extra=extensible(guid, valid))
            yield f"wavex {guid[:4].hex()} {valid} bits.wav", content, EITHER
    for size in (0, 1, 21, 23, 0xFFFF):
        content = wav(kind=0xFFFE, fmt_size=40, extra=extensible(PCM_GUID, size=size))
        yield f"wavex extra size {size}.wav", content, EITHER
    yield (
        "wavex mask.wav",
        wav(kind=0xFFFE, fmt_size=40, extra=extensible(PCM_GUID, mask=0xFFFF_FFFF)),
        EITHER,
    )


def _chunk(name: bytes, content: bytes, length: int | None = None) -> bytes:
    return name + struct.pack("<I", len(content) if length is None else length) + content


def _wav_chunks() -> Iterator[tuple[str, bytes, str]]:
    for name in (
        b"LIST",
        b"fact",
        b"bext",
        b"cue ",
        b"smpl",
        b"inst",
        b"PEAK",
        b"cart",
        b"id3 ",
        b"iXML",
        b"JUNK",
        b"ds64",
        b"fmt ",
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
    ):
        for length in (0, 1, 3, 4, 5, 100):
            chunk = _chunk(name, bytes(length + length % 2), length)
            yield f"wav {name.hex()} of {length} before.wav", wav(before=chunk), EITHER
        for length in (101, 0x7FFF_FFFF, 0xFFFF_FFF8, 0xFFFF_FFFF):
            chunk = _chunk(name, bytes(100), length)
            yield f"wav {name.hex()} that claims {length}.wav", wav(before=chunk), EITHER
            yield f"wav {name.hex()} that claims {length} after.wav", wav(after=chunk), EITHER
    yield "wav chunk without its pad.wav", wav(before=_chunk(b"LIST", b"abc")), EITHER
    yield "wav list in itself.wav", wav(before=_chunk(b"LIST", b"LIST" * 20)), EITHER
    yield "wav 5000 chunks.wav", wav(before=_chunk(b"JUNK", b"") * 5000), "more than 1000 chunks"
    yield "wav 2000000 chunks.wav", wav(before=_chunk(b"JUNK", b"") * 2_000_000), "more than 1000"
    yield "wav two formats.wav", wav(before=wav(b"")[12:36]), EITHER
    yield "wav two data.wav", wav(before=_chunk(b"data", bytes(100))), EITHER
    yield "wav data in data.wav", wav(_chunk(b"data", bytes(100), 0xFFFF_FFFF)), READ
    yield "wav no format.wav", b"RIFF\x80\0\0\0WAVE" + _chunk(b"data", bytes(100)), "is not audio"
    yield "wav no data.wav", wav(b"")[:36], "is not audio"
    yield "wav in wav.wav", wav(wav()), READ
    yield "bwf.wav", wav(before=_chunk(b"bext", b"\xff" * 602)), READ
    yield (
        "bwf with a history of 4 GB.wav",
        wav(before=_chunk(b"bext", b"\xff" * 602, 0xFFFF_FFF0)),
        EITHER,
    )
    # What claims a million points, loops or lines, and has none.
    for name in (b"cue ", b"smpl", b"inst", b"PEAK", b"fact"):
        yield f"wav {name!r} of millions.wav", wav(before=_chunk(name, b"\xff" * 64)), EITHER


def _lengths() -> Iterator[tuple[str, bytes, str]]:
    """As they are left by what writes to a pipe, or is switched off."""
    for size in (0x7FFF_0000, 0x7FFF_F000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0):
        for riff in (0, 8, min(size + 36, 0xFFFF_FFFF)):
            yield f"wav open {size} riff {riff}.wav", wav(size=size, riff=riff), READ
    content = bytearray(good("rifx"))
    content[4:8] = content[40:44] = bytes(4)
    yield "rifx of no length.wav", bytes(content), READ
    yield "wav empty with a list.wav", wav(b"", after=_chunk(b"LIST", bytes(10))), "no samples"
    yield "wav empty.wav", wav(b""), "no samples"
    yield "wav of half a sample.wav", wav(b"\1"), "no samples"
    rf64 = good("rf64")
    at = rf64.index(b"ds64") + 8
    for k, field in enumerate(("riff", "data", "samples")):
        for value in (0, 1, 99, 1 << 31, 1 << 32, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1):
            changed = rf64[: at + 8 * k] + struct.pack("<Q", value) + rf64[at + 8 * k + 8 :]
            yield f"rf64 {field} {value}.wav", changed, EITHER
    for value in (1, 0xFFFF, 0xFFFF_FFFF):
        changed = rf64[: at + 24] + struct.pack("<I", value) + rf64[at + 28 :]
        yield f"rf64 table of {value}.wav", changed, EITHER
    yield (
        "rf64 of 28 bytes.wav",
        rf64[:12] + _chunk(b"ds64", b"") + b"data\xff\xff\xff\xff",
        "is not audio",
    )
    flac = bytearray(good("flac"))
    flac[21] |= 0x0F
    yield "flac that claims hours.flac", bytes(flac), "is longer than 60 s"
    flac[21] &= 0xF0
    flac[22:26] = bytes(4)
    yield "flac of no length.flac", bytes(flac), READ


def _cut_in_two() -> Iterator[tuple[str, bytes, str]]:
    for name in GOOD:
        content = good(name, 20_000)
        said = EITHER if name in SILENT or name == "wavgsm" else "is truncated"
        yield f"cut in two.{name}", content[: len(content) * 2 // 3], said
        yield f"without its end.{name}", content[:-1], said
        yield f"whole.{name}", content, READ
        yield f"twice.{name}", content + content, EITHER


def _samples() -> Iterator[tuple[str, bytes, str]]:
    def written(values: object, subtype: str = "FLOAT", rate: int = RATE) -> bytes:
        return encode(np.asarray(values, np.float64), "WAV", subtype, rate)

    yield "one sample.wav", wav(b"\1\1"), READ
    yield "one sample at 768 kHz.wav", wav(b"\1\1", rate=768_000), EITHER
    yield "one sample at 1 kHz.wav", wav(b"\1\1", rate=1000), READ
    for value in (np.nan, np.inf, -np.inf):
        for at in (0, 800, 1599):
            samples = noise().astype(float)
            samples[at] = value
            for subtype in ("FLOAT", "DOUBLE"):
                yield f"{value} at {at} {subtype}.wav", written(samples, subtype), "not finite"
    for rate in (RATE, 44_100):
        for value in (1e4, 32_767, 1e30, 3.4e38):
            alternating = np.resize([value, -value], (1600, 2))
            yield f"{value} at {rate} Hz.wav", written(alternating, rate=rate), "full scale is 1"
        for value in (1e-310, 1e-40, 1e-30):
            yield (
                f"denormals {value} at {rate} Hz.wav",
                written(np.full(1600, value), "DOUBLE", rate),
                READ,
            )
        yield f"float 1e308 at {rate} Hz.wav", written([0, 1e308], "DOUBLE", rate), "not finite"
        yield f"constant at {rate} Hz.wav", written(np.ones(1600), rate=rate), READ
        yield f"loud float at {rate} Hz.wav", written(np.resize([4, -4], 1600), rate=rate), READ
        yield f"square at {rate} Hz.wav", written(np.resize([1, -1], 1600), "PCM_16", rate), READ
        yield f"silence at {rate} Hz.wav", written(np.zeros(1600), "PCM_16", rate), READ


def _bombs() -> Iterator[tuple[str, bytes, str]]:
    hours = encode(np.zeros(11 * 3600 * 1000, np.int16), "FLAC", rate=1000)
    yield "11 hours.flac", hours, "is longer than 60 s"
    no_length = bytearray(hours)
    no_length[21] &= 0xF0
    no_length[22:26] = bytes(4)
    yield "11 hours that do not say so.flac", bytes(no_length), "is longer than 60 s"
    many = encode(np.zeros((1_000_000, 8), np.int16), "FLAC", rate=192_000)
    yield "8 channels of silence.flac", many, READ


def sweeps() -> Iterator[tuple[str, bytes]]:
    """Small files of every kind, cut at every byte and with every part of their header wrong."""
    rng = np.random.default_rng(2)
    for name in GOOD:
        content = good(name, 100)
        step = 1 if len(content) < 1200 else 7
        for end in [*range(min(300, len(content))), *range(300, len(content), step)]:
            yield f"cut at {end}.{name}", content[:end]
        for at in range(0, min(80, len(content) - 8), 2):
            for layout, values in (
                ("<H", (0, 1, 0x7FFF, 0xFFFF)),
                ("<I", (0, 0x7FFF_FFFF, 0xFFFF_FFFF)),
                (">I", (1, 0x1_0000)),
                ("<Q", ((1 << 63) - 1, (1 << 64) - 1)),
            ):
                for value in values:
                    field = struct.pack(layout, value)
                    changed = content[:at] + field + content[at + len(field) :]
                    yield f"{layout[1:]} {value} at {at}.{name}", changed
        for k in range(60):
            flipped = np.frombuffer(content, np.uint8).copy()
            for at in rng.integers(0, len(flipped), 1 + k % 4):
                flipped[at] ^= 1 << rng.integers(8)
            yield f"flips {k}.{name}", flipped.tobytes()


def write(name: str, folder: Path) -> Path:
    """The file of that name among `files()` and `sweeps()`, in `folder`."""
    everything = {**{name: content for name, content, _ in files()}, **dict(sweeps())}
    path = folder / name.replace("/", "-")
    path.write_bytes(everything[name])
    return path
