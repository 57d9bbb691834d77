"""`python -m benchmarks.mfcc`: the front end beside librosa and others, as a Markdown table.

One thread, one process, the same 13 MFCC of 40 bands from frames of 512 samples every 160 (26
bands of 400 samples in python_speech_features and kaldi, whose conventions differ), alternating
warm runs, medians. The largest difference is that from librosa, on the same clip.
"""

from __future__ import annotations

import benchmarks.one_thread  # noqa: F401

# isort: split
import argparse
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import kaldi_native_fbank
import librosa
import numpy as np
import python_speech_features
import scipy.fft

from edge_runtime import Mfcc, MfccConfig, MfccStream, read_audio
from edge_runtime.diagnostics.system_info import processor
from train.data.demo_corpus import PROSODIES, SAMPLE_RATE, synthesise, voices

from .alternate import medians
from .command import command

CONFIG = MfccConfig()


def speech(seconds: float, data: Path | None) -> np.ndarray:
    """Recordings from `data` one after the other, or synthesised voices, `(n,)` at 16 kHz."""
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
    ours = Mfcc(CONFIG)
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
        "the FFT alone (scipy)": lambda: scipy.fft.rfft(frames),
        "edge-ser": lambda: ours(samples),
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
        "kaldi-native-fbank": kaldi,
    }


def difference(samples: np.ndarray) -> float:
    """The largest difference of a coefficient from librosa's, without its clamp in both."""
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
    """The most that numpy and Python held during a call, beyond what was held before, in MiB."""
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def push_row(rounds: int, data: Path | None) -> str:
    stream = MfccStream(CONFIG)
    samples = speech(3, data)
    hop = CONFIG.hop_length
    state = {"at": 0}

    def push() -> np.ndarray:
        at = state["at"]
        state["at"] = (at + hop) % (len(samples) - hop)
        return stream.push(samples[at : at + hop])

    micros = 1e6 * medians({"push": push}, rounds)["push"]
    return f"A push of 10 ms to `MfccStream`, which gives one frame: {micros:.0f} µs."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="recordings to use instead of synthesised voices")
    parser.add_argument("--out", type=Path, default=Path("reports/mfcc-speed.md"))
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    lines = [
        "# Speed of the MFCC front end",
        "",
        f"{command()} on {processor()}, one thread, medians of alternating warm "
        f"runs; {'recordings' if options.data else 'synthesised voices'}.",
        "",
        "| clip | | ms | times the FFT | edge-ser is faster by | largest Δ to librosa | peak MiB |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for seconds in (3, 60):
        samples = speech(seconds, options.data)
        runs = candidates(samples)
        found = medians(runs, options.rounds if seconds == 3 else max(5, options.rounds // 10))
        for name, each in found.items():
            delta = f"{difference(samples):.1g}" if name == "edge-ser" else ""
            # kaldi-native-fbank allocates outside Python, where this cannot look.
            memory = "" if name == "kaldi-native-fbank" else f"{peak_mib(runs[name]):.1f}"
            lines.append(
                f"| {seconds} s | {name} | {1000 * each:.2f} "
                f"| {each / found['the FFT alone (scipy)']:.2f} "
                f"| {each / found['edge-ser']:.1f} | {delta} | {memory} |"
            )
    lines += ["", push_row(20 * options.rounds, options.data), ""]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
