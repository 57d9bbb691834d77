"""Robustness to level and channel: `python -m benchmarks.channels --data FOLDER`.

Each clip is converted as recording conditions would change it (louder and softer, with a DC offset,
at other sample rates, in stereo, in 8 bit, as MP3, over a telephone, in a room, with noise),
written to a file of that kind and classified. One row per channel: how often the label is that of
the unchanged clip, and the UAR.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import soxr
import typer
from scipy.signal import butter, fftconvolve, sosfilt
from tqdm import tqdm

from edge_runtime import EmotionModel, read_audio
from edge_runtime.inference.prediction import NO_SPEECH
from edge_runtime.scoring.metrics import scores
from train.command import run_function

from .clips import sample_clips
from .report import Model, Out, command, publish, table

RATE = 16_000
UNCHANGED = "unchanged"
Channel = Callable[[np.ndarray, Path], Path]
Answer = tuple[int, bool]  # index of the most probable label; whether the label was "no speech"


def _write(
    path: Path, samples: np.ndarray, rate: int = RATE, subtype: str = "PCM_16", suffix: str = "wav"
) -> Path:
    """Write samples to a file, clipped at full scale as a sound card does."""
    file = path.with_suffix(f".{suffix}")
    soundfile.write(file, np.clip(samples, -1, 1), rate, subtype=subtype)
    return file


def _gain(decibels: float) -> Channel:
    return lambda samples, path: _write(path, samples * 10 ** (decibels / 20))


def _dc(offset: float) -> Channel:
    return lambda samples, path: _write(path, samples + offset)


def _rate(rate: int) -> Channel:
    return lambda samples, path: _write(path, soxr.resample(samples, RATE, rate), rate)


def _stereo(right: float) -> Channel:
    """Return a channel that adds a second side, `right` times as loud."""
    return lambda samples, path: _write(path, np.stack([samples, right * samples], axis=1))


def _noise(ratio: float) -> Channel:
    """Return a channel that adds white noise at a signal-to-noise ratio in dB."""

    def channel(samples: np.ndarray, path: Path) -> Path:
        noise = np.random.default_rng(0).standard_normal(len(samples))
        level = np.sqrt((samples**2).mean()) * 10 ** (-ratio / 20)
        return _write(path, samples + level * noise)

    return channel


def _telephone(samples: np.ndarray, path: Path) -> Path:
    """Write 300 to 3400 Hz at 8 kHz in µ-law: ITU-T G.711 behind a telephone line's band."""
    narrow = soxr.resample(samples, RATE, 8000)
    band = butter(4, (300, 3400), "bandpass", fs=8000, output="sos")
    return _write(path, sosfilt(band, narrow), 8000, "ULAW")


def _room(rt60: float, decibels: float) -> Channel:
    """Return a room with exponentially decaying noise as its impulse response.

    After Moorer 1979, "About This Reverberation Business". Reverberation equals the direct sound at
    the critical distance, 0.057 sqrt(volume / rt60) metres, which is 0.5 m in a living room of 50
    cubic metres; for a talker, who does not radiate in all directions alike, at 1.5 times that.

    Args:
        rt60: Seconds until the reverberation has decayed by 60 dB.
        decibels: Level of the reverberation relative to the direct sound.
    """
    time = np.arange(round(rt60 * RATE)) / RATE
    response = np.random.default_rng(0).standard_normal(len(time)) * 10 ** (-3 * time / rt60)
    response[time < 0.0025] = 0  # no reflection arrives earlier
    response *= 10 ** (decibels / 20) / np.sqrt((response**2).sum())
    response[0] = 1

    def channel(samples: np.ndarray, path: Path) -> Path:
        reverberant = fftconvolve(samples, response)
        peak = max(np.abs(reverberant).max(), 1e-9)
        return _write(path, reverberant * np.abs(samples).max() / peak)

    return channel


CHANNELS: dict[str, Channel] = {
    UNCHANGED: _gain(0),
    "-30 dB": _gain(-30),
    "-20 dB": _gain(-20),
    "-10 dB": _gain(-10),
    "+10 dB, clipped": _gain(10),
    "DC offset 0.05": _dc(0.05),
    "8 kHz": _rate(8000),
    "22.05 kHz": _rate(22050),
    "44.1 kHz": _rate(44100),
    "48 kHz": _rate(48000),
    "stereo": _stereo(1.0),
    "stereo, one side silent": _stereo(0.0),
    "8 bit": lambda samples, path: _write(path, samples, subtype="PCM_U8"),
    "MP3": lambda samples, path: _write(path, samples, subtype="MPEG_LAYER_III", suffix="mp3"),
    "telephone": _telephone,
    "room, RT60 0.3 s, reverberation -6 dB": _room(0.3, -6),
    "room, RT60 0.6 s, reverberation 0 dB": _room(0.6, 0),
    "room, RT60 0.6 s, reverberation +6 dB": _room(0.6, 6),
    "white noise, SNR 20 dB": _noise(20),
    "white noise, SNR 10 dB": _noise(10),
}


def classify_channels(
    model: EmotionModel, clips: list[np.ndarray], channels: dict[str, Channel] = CHANNELS
) -> dict[str, list[Answer]]:
    """Classify every clip by every channel.

    Args:
        model: The model.
        clips: Mono samples at 16 kHz.
        channels: The channels, among them UNCHANGED.

    Returns:
        For each channel, the answer to each clip.
    """
    answers: dict[str, list[Answer]] = {name: [] for name in channels}
    with tempfile.TemporaryDirectory() as folder:
        for samples in tqdm(clips, unit="clip", disable=None, leave=False):
            for name, channel in channels.items():
                file = channel(samples, Path(folder) / "clip")
                prediction = model.classify(file)
                probabilities = list(prediction.probabilities.values())
                answers[name].append((int(np.argmax(probabilities)), prediction.label == NO_SPEECH))
    return answers


def agreement(answers: dict[str, list[Answer]], name: str) -> float:
    """Return the share of clips whose answer by a channel equals that of the unchanged clip."""
    return float(np.mean([a == b for a, b in zip(answers[UNCHANGED], answers[name])]))


def main(
    data: Annotated[list[Path], typer.Option(help="Folder of labelled recordings; repeatable.")],
    model: Model = None,
    clips: Annotated[int, typer.Option(help="Clips, drawn at random.")] = 400,
    out: Out = None,
) -> None:
    """Report how often clips keep their label at other levels and by other channels."""
    emotion_model = EmotionModel.load(model)
    sample = sample_clips(data, emotion_model.labels, clips, random.Random(0))
    answers = classify_channels(emotion_model, [read_audio(clip.path, RATE) for clip in sample])
    targets = np.array([emotion_model.labels.index(clip.label) for clip in sample])

    def row(name: str) -> list[str]:
        labels = np.array([label for label, _ in answers[name]])
        silent = sum(no_speech for _, no_speech in answers[name])
        uar = scores(targets, labels, list(emotion_model.labels))["uar"]
        shares = (agreement(answers, name), uar, silent / len(sample))
        return [name, *(f"{100 * share:.1f}" for share in shares)]

    rows = table(["channel", "same label %", "UAR %", '"no speech" %'], map(row, answers))
    publish(
        f"""# Robustness to level and channel

{command()} with {emotion_model.card.name}: {len(sample)} random clips of \
{", ".join(sorted({clip.corpus for clip in sample}))}, most of which were in the training data. \
The level of a room's reverberation is relative to the direct sound.

{rows}
""",
        out,
    )


if __name__ == "__main__":
    run_function(main)
