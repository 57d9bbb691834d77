"""`python -m benchmarks.channels --data FOLDER`: does a clip keep its answer by another channel?

Clips are played louder and softer, with DC, at other rates, in stereo, in 8 bits, as MP3, over a
telephone, in a room and with noise, each as a file of that kind. A row per channel: how often the
answer is that of the clip itself, and what that does to the UAR.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr
from scipy.signal import butter, fftconvolve, sosfilt
from tqdm import tqdm

from edge_runtime import EmotionModel, read_audio
from edge_runtime.inference.prediction import NO_SPEECH
from train.files import write_text
from train.metrics import scores

from .clips import drawn
from .command import command

RATE = 16_000
CLEAN = "as it is"
Channel = Callable[[np.ndarray, Path], Path]


def _written(
    path: Path, samples: np.ndarray, rate: int = RATE, subtype: str = "PCM_16", kind: str = "wav"
) -> Path:
    """Samples in a file as sound cards make them: beyond full scale is cut off."""
    file = path.with_suffix(f".{kind}")
    soundfile.write(file, np.clip(samples, -1, 1), rate, subtype=subtype)
    return file


def _gain(decibels: float) -> Channel:
    return lambda samples, path: _written(path, samples * 10 ** (decibels / 20))


def _dc(offset: float) -> Channel:
    return lambda samples, path: _written(path, samples + offset)


def _rate(rate: int) -> Channel:
    return lambda samples, path: _written(path, soxr.resample(samples, RATE, rate), rate)


def _stereo(right: float) -> Channel:
    """Two channels, the second one `right` times as loud."""
    return lambda samples, path: _written(path, np.stack([samples, right * samples], axis=1))


def _noise(decibels: float) -> Channel:
    """White noise so far below the mean power of the clip."""

    def channel(samples: np.ndarray, path: Path) -> Path:
        noise = np.random.default_rng(0).standard_normal(len(samples))
        level = np.sqrt((samples**2).mean()) * 10 ** (-decibels / 20)
        return _written(path, samples + level * noise)

    return channel


def _telephone(samples: np.ndarray, path: Path) -> Path:
    """300 to 3400 Hz, 8 kHz, µ-law: ITU-T G.711 behind the band of a telephone line."""
    narrow = soxr.resample(samples, RATE, 8000)
    band = butter(4, (300, 3400), "bandpass", fs=8000, output="sos")
    return _written(path, sosfilt(band, narrow), 8000, "ULAW")


def _room(seconds: float, decibels: float) -> Channel:
    """A room that takes so long to fall silent by 60 dB, whose reverberation is so much louder than
    what comes directly: noise that decays exponentially, after Moorer 1979, "About This
    Reverberation Business". The two are equally loud at 0.057 sqrt(volume / seconds) metres, 0.5 in
    a living room of 50 cubic metres, and at half as much again from where somebody speaks to."""
    time = np.arange(round(seconds * RATE)) / RATE
    response = np.random.default_rng(0).standard_normal(len(time)) * 10 ** (-3 * time / seconds)
    response[time < 0.0025] = 0  # nothing is reflected before
    response *= 10 ** (decibels / 20) / np.sqrt((response**2).sum())
    response[0] = 1

    def channel(samples: np.ndarray, path: Path) -> Path:
        heard = fftconvolve(samples, response)
        return _written(path, heard * np.abs(samples).max() / max(np.abs(heard).max(), 1e-9))

    return channel


CHANNELS: dict[str, Channel] = {
    CLEAN: _gain(0),
    "-30 dB": _gain(-30),
    "-20 dB": _gain(-20),
    "-10 dB": _gain(-10),
    "+10 dB, cut off at full scale": _gain(10),
    "DC of 0.05": _dc(0.05),
    "8 kHz": _rate(8000),
    "22.05 kHz": _rate(22050),
    "44.1 kHz": _rate(44100),
    "48 kHz": _rate(48000),
    "stereo": _stereo(1.0),
    "stereo, one side silent": _stereo(0.0),
    "8 bits": lambda samples, path: _written(path, samples, subtype="PCM_U8"),
    "MP3": lambda samples, path: _written(path, samples, subtype="MPEG_LAYER_III", kind="mp3"),
    "telephone": _telephone,
    "a room of 0.3 s, 6 dB below the direct sound": _room(0.3, -6),
    "a room of 0.6 s, as loud as it": _room(0.6, 0),
    "a room of 0.6 s, 6 dB above": _room(0.6, 6),
    "white noise, 20 dB below": _noise(20),
    "white noise, 10 dB below": _noise(10),
}


def answers(
    model: EmotionModel, clips: list[np.ndarray], channels: dict[str, Channel] = CHANNELS
) -> dict[str, list[tuple[int, bool]]]:
    """For each channel and clip, the most probable label, as its number, and whether the answer
    was "no speech". `clips`: mono samples at 16 kHz."""
    heard: dict[str, list[tuple[int, bool]]] = {name: [] for name in channels}
    with tempfile.TemporaryDirectory() as folder:
        for samples in tqdm(clips, unit="clip", disable=None, leave=False):
            for name, channel in channels.items():
                file = channel(samples, Path(folder) / "clip")
                prediction = model.classify(file)
                probabilities = list(prediction.probabilities.values())
                heard[name].append((int(np.argmax(probabilities)), prediction.label == NO_SPEECH))
    return heard


def agreement(heard: dict[str, list[tuple[int, bool]]], name: str) -> float:
    """The share of clips whose answer by a channel is that of the clip itself."""
    return float(np.mean([a == b for a, b in zip(heard[CLEAN], heard[name])]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--model", type=Path, help="an .onnx model [default: the bundled one]")
    parser.add_argument("--clips", type=int, default=400, help="clips, drawn at random")
    parser.add_argument("--out", type=Path, default=Path("reports/channels.md"))
    options = parser.parse_args()
    model = EmotionModel.load(options.model)
    clips = drawn(options.data, model.labels, options.clips, random.Random(0))
    heard = answers(model, [read_audio(clip.path, RATE) for clip in clips])
    targets = np.array([model.labels.index(clip.label) for clip in clips])

    def row(name: str) -> str:
        found = np.array([label for label, _ in heard[name]])
        silent = sum(nothing for _, nothing in heard[name])
        uar = scores(targets, found, list(model.labels))["uar"]
        return (
            f"| {name} | {100 * agreement(heard, name):.1f} | {100 * uar:.1f} "
            f"| {100 * silent / len(clips):.1f} |"
        )

    rows = "\n".join(map(row, heard))
    table = f"""# Level and channel

{command()} with {model.card.name}, {len(clips)} clips of \
{", ".join(sorted({clip.corpus for clip in clips}))}, drawn at random; most of them were trained on.

| channel | same answer % | UAR % | told "no speech" % |
|---|---:|---:|---:|
{rows}
"""
    print(table)
    write_text(options.out, table)


if __name__ == "__main__":
    main()
