"""Speed of the MFCC front end next to librosa and others: `python -m benchmarks.mfcc`.

One thread, one process, alternating warm runs, medians. All compute 13 MFCC of 40 bands from frames
of 512 samples every 160; python_speech_features and kaldi-native-fbank use 26 bands and 400
samples, after their own conventions.
"""

from __future__ import annotations

import benchmarks.one_thread  # noqa: F401

# isort: split
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import kaldi_native_fbank
import librosa
import numpy as np
import python_speech_features
import scipy.fft
import typer

from edge_runtime import Mfcc, MfccConfig, MfccStream, read_audio
from edge_runtime.diagnostics.system_info import processor
from train.command import run_function
from train.data.demo_corpus import PROSODIES, SAMPLE_RATE, synthesise, voices

from .alternate import medians
from .report import Out, command, publish, table

CONFIG = MfccConfig()
FFT_ONLY = "FFT only (scipy)"
KALDI = "kaldi-native-fbank"


def speech(seconds: float, data: Path | None) -> np.ndarray:
    """Return recordings of `data`, or synthesised voices, one after the other, `(n,)` at 16 kHz."""
    rng = np.random.default_rng(0)
    parts: list[np.ndarray] = []
    files = iter(
        sorted(p for p in data.rglob("*") if p.suffix in (".wav", ".flac")) if data else []
    )
    while sum(map(len, parts)) < seconds * SAMPLE_RATE:
        file = next(files, None)
        if file is not None:
            parts.append(read_audio(file))
        else:
            prosody = list(PROSODIES.values())[len(parts) % 4]
            parts.append(synthesise(voices(8)[len(parts) % 8], prosody, rng))
    return np.concatenate(parts)[: int(seconds * SAMPLE_RATE)]


def candidates(samples: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    """Return a function per library that computes the MFCC of `samples`."""
    mfcc = Mfcc(CONFIG)
    padded = np.pad(samples, CONFIG.n_fft // 2)
    frames = np.ascontiguousarray(
        np.lib.stride_tricks.sliding_window_view(padded, CONFIG.n_fft)[:: CONFIG.hop_length]
    )
    kaldi_options = kaldi_native_fbank.MfccOptions()
    kaldi_options.frame_opts.dither = 0
    kaldi_options.num_ceps = 13

    def kaldi() -> np.ndarray:
        online = kaldi_native_fbank.OnlineMfcc(kaldi_options)
        online.accept_waveform(SAMPLE_RATE, samples.tolist())
        online.input_finished()
        return np.stack([online.get_frame(k) for k in range(online.num_frames_ready)])

    return {
        FFT_ONLY: lambda: scipy.fft.rfft(frames),
        "edge-ser": lambda: mfcc(samples),
        "librosa": lambda: (
            librosa.feature.mfcc(
                y=samples,
                sr=SAMPLE_RATE,
                n_mfcc=CONFIG.n_mfcc,
                n_fft=CONFIG.n_fft,
                hop_length=CONFIG.hop_length,
                n_mels=CONFIG.n_mels,
            ).T
        ),
        "python_speech_features": lambda: python_speech_features.mfcc(samples, SAMPLE_RATE),
        KALDI: kaldi,
    }


def max_difference(samples: np.ndarray) -> float:
    """Return the largest difference of a coefficient from librosa's, both without `top_db`."""
    mel = librosa.feature.melspectrogram(
        y=samples,
        sr=SAMPLE_RATE,
        n_fft=CONFIG.n_fft,
        hop_length=CONFIG.hop_length,
        n_mels=CONFIG.n_mels,
    )
    expected = librosa.feature.mfcc(S=librosa.power_to_db(mel, top_db=None), n_mfcc=CONFIG.n_mfcc)
    return float(np.abs(Mfcc(CONFIG)(samples) - expected.T).max())


def peak_mib(run: Callable[[], np.ndarray]) -> float:
    """Return the peak memory of numpy and Python during a call, in MiB."""
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def push_microseconds(rounds: int, data: Path | None) -> float:
    """Return the time of one 10 ms push to an `MfccStream`, in µs."""
    stream = MfccStream(CONFIG)
    samples = speech(3, data)
    hop = CONFIG.hop_length
    position = 0

    def push() -> np.ndarray:
        nonlocal position
        start = position
        position = (start + hop) % (len(samples) - hop)
        return stream.push(samples[start : start + hop])

    return 1e6 * medians({"push": push}, rounds)["push"]


def main(
    data: Annotated[
        Path | None, typer.Option(help="Folder of recordings [default: synthesised voices].")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Alternating runs.")] = 200,
    out: Out = None,
) -> None:
    """Report the speed, memory and difference from librosa of MFCC implementations."""
    rows = []
    for seconds in (3, 60):
        samples = speech(seconds, data)
        runs = candidates(samples)
        times = medians(runs, rounds if seconds == 3 else max(5, rounds // 10))
        for name, time in times.items():
            rows.append(
                [
                    f"{seconds} s",
                    name,
                    f"{1000 * time:.2f}",
                    f"{time / times[FFT_ONLY]:.2f}",
                    f"{time / times['edge-ser']:.1f}",
                    f"{max_difference(samples):.1g}" if name == "edge-ser" else "",
                    # kaldi-native-fbank allocates outside Python, where tracemalloc cannot look.
                    "" if name == KALDI else f"{peak_mib(runs[name]):.1f}",
                ]
            )
    header = [
        *("clip", "library", "ms", "time / FFT", "time / edge-ser"),
        *("max Δ to librosa", "peak MiB"),
    ]
    publish(
        f"""# Speed of the MFCC front end

{command()} on {processor()}, one thread, medians of alternating warm runs on \
{"recordings" if data else "synthesised voices"}.

{table(header, rows, "llrrrrr")}

A push of 10 ms to `MfccStream`, which returns one frame, takes \
{push_microseconds(20 * rounds, data):.0f} µs.
""",
        out,
    )


if __name__ == "__main__":
    run_function(main)
