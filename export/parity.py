"""Parity of an exported model with the trained one: one link for each step of the chain.

librosa → numpy MFCC                           features
torch → fp32 → int8, whole clips → chunks      logits, probabilities, decisions
numpy front end → waveform graph               features, statistics, probabilities
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime import Mfcc, MfccConfig, read_audio
from edge_runtime.inference.network import Network
from edge_runtime.scoring.metrics import scores
from train.data.features import Dataset
from train.network import EmotionLSTM

from .outputs import ModelOutputs, chunked_outputs, network_outputs, torch_outputs, waveform_outputs

# Files of an export, in one folder.
FP32, INT8 = "model.fp32.onnx", "model.int8.onnx"
WAVEFORM = "model.waveform.onnx"  # int8 weights as well

# Largest absolute differences.
MAX_FEATURES = 1e-3
MAX_IN_GRAPH_FEATURES = 0.01
MAX_FP32_LOGITS = 1e-4
MAX_INT8_UAR = 0.005
MAX_CHUNKED_PROBABILITIES = 1e-5
MAX_WAVEFORM_PROBABILITIES = 1e-4
MAX_WAVEFORM_STATISTICS = 0.02  # deviations of the training clips

# Share of the clips whose statistics may differ by more: where two candidates for the pitch of a
# frame are equal within rounding, the choice may differ.
MAX_TIED_CLIPS = 0.002


@dataclass(frozen=True)
class Link:
    """A comparison of two implementations on clips; None for values that do not apply.

    Attributes:
        name: The two implementations, "first → second".
        clips: Number of clips.
        limit: Description of the tolerance.
        holds: True if the differences are within the tolerance.
        features: Largest absolute difference of a coefficient.
        logits: Largest absolute difference of a logit.
        probabilities: Largest absolute difference of a probability.
        decisions: Number of clips whose most probable label differs, or that only one of the two
            answers with "no speech".
        uar: UAR of the second minus that of the first, -1 to 1; "no speech" counts as an error.
        accuracy: Accuracy of the second minus that of the first, -1 to 1.
    """

    name: str
    clips: int
    limit: str
    holds: bool
    features: float | None = None
    logits: float | None = None
    probabilities: float | None = None
    decisions: int | None = None
    uar: float | None = None
    accuracy: float | None = None


def compare_files(model: Path, network: EmotionLSTM | None, dataset: Dataset) -> list[Link]:
    """Compare an exported model with the front end and with the files next to it.

    Args:
        model: The int8 model. The fp32 model and the waveform graph are optional.
        network: The trained network, if available.
        dataset: Clips whose labels the model has.
    """
    int8 = Network.load(model)
    fp32_file, waveform_file = model.with_name(FP32), model.with_name(WAVEFORM)
    fp32 = Network.load(fp32_file) if fp32_file.exists() else None
    links = []
    if int8.card.mfcc_config.convention == "librosa":
        files = [clip.path for clip in dataset.clips]
        links.append(librosa_link(files, int8.card.mfcc_config))
    links += compare(network, fp32, int8, dataset)
    if waveform_file.exists():
        links += waveform_links(waveform_file, int8, dataset)
    return links


def compare(
    network: EmotionLSTM | None, fp32: Network | None, int8: Network, dataset: Dataset
) -> list[Link]:
    """Compare the forms of a model that are available, clip by clip.

    Args:
        network: The trained network.
        fp32: The float32 model.
        int8: The int8 model.
        dataset: Clips whose labels the model has.
    """
    labels, targets = list(int8.labels), _targets(int8, dataset)
    int8_outputs = network_outputs(int8, dataset)
    links = []
    if fp32 is not None:
        fp32_outputs = network_outputs(fp32, dataset)
        if network is not None:
            links.append(
                link(
                    "torch → fp32",
                    torch_outputs(network, fp32.card, dataset),
                    fp32_outputs,
                    targets,
                    labels,
                    f"logits within {MAX_FP32_LOGITS:g}, all decisions equal",
                    lambda v: v["logits"] <= MAX_FP32_LOGITS and v["decisions"] == 0,
                )
            )
        links.append(quantization_link(fp32_outputs, int8_outputs, targets, labels))
    links.append(
        link(
            "int8: whole clips → chunks",
            int8_outputs,
            chunked_outputs(int8, dataset),
            targets,
            labels,
            f"probabilities within {MAX_CHUNKED_PROBABILITIES:g}",
            lambda v: v["probabilities"] <= MAX_CHUNKED_PROBABILITIES,
        )
    )
    return links


def _targets(model: Network, dataset: Dataset) -> np.ndarray:
    """Return the class index of each clip, `(n_clips,)`."""
    return np.array([model.labels.index(clip.label) for clip in dataset.clips])


def link(
    name: str,
    first: ModelOutputs,
    second: ModelOutputs,
    targets: np.ndarray,
    labels: list[str],
    limit: str,
    holds: Callable[[dict[str, Any]], bool],
    features: float | None = None,
) -> Link:
    """Compare two sets of outputs.

    Args:
        name: The two implementations, "first → second".
        first: Outputs of the reference.
        second: Outputs to compare.
        targets: Class indices `(n_clips,)`.
        labels: The labels.
        limit: Description of the tolerance.
        holds: Decides from the values of a `Link` whether they are within the tolerance.
        features: Largest absolute difference of the features, if computed.
    """
    decisions = [outputs.logits.argmax(axis=1) for outputs in (first, second)]
    before, after = (
        scores(targets, decision, labels, outputs.no_speech)
        for decision, outputs in zip(decisions, (first, second))
    )
    changed = (decisions[0] != decisions[1]) | (first.no_speech != second.no_speech)
    values = {
        "features": features,
        "logits": float(np.abs(first.logits - second.logits).max()),
        "probabilities": float(np.abs(first.probabilities - second.probabilities).max()),
        "decisions": int(changed.sum()),
        "uar": after["uar"] - before["uar"],
        "accuracy": after["accuracy"] - before["accuracy"],
    }
    return Link(name, len(targets), limit, bool(holds(values)), **values)


def librosa_link(files: list[Path], config: MfccConfig) -> Link:
    """Compare the front end with librosa on audio files, in float32."""
    import librosa

    front_end, max_difference = Mfcc(config), 0.0
    for file in files:
        samples = read_audio(file, config.sample_rate)
        mel = librosa.feature.melspectrogram(
            y=samples,
            sr=config.sample_rate,
            n_fft=config.n_fft,
            hop_length=config.hop_length,
            win_length=config.win_length,
            window=config.window,
            center=config.center,
            pad_mode=config.pad_mode,  # type: ignore[arg-type]
            power=config.power,
            n_mels=config.n_mels,
            fmin=config.fmin,
            fmax=config.fmax,
            htk=config.htk,
            norm=config.norm,
        )
        expected = librosa.feature.mfcc(
            S=librosa.power_to_db(mel, amin=config.amin, top_db=config.top_db),
            n_mfcc=config.n_mfcc,
            dct_type=config.dct_type,
            norm=config.dct_norm,
            lifter=config.lifter,
        ).T
        max_difference = max(max_difference, float(np.abs(front_end(samples) - expected).max()))
    return Link(
        "librosa → numpy MFCC",
        len(files),
        f"features within {MAX_FEATURES:g}",
        max_difference <= MAX_FEATURES,
        features=max_difference,
    )


def quantization_link(
    fp32: ModelOutputs, int8: ModelOutputs, targets: np.ndarray, labels: list[str]
) -> Link:
    """Compare int8 with float32 weights.

    One changed decision is always allowed: among a hundred clips, a single close decision exceeds
    the limit on UAR.
    """
    return link(
        "fp32 → int8",
        fp32,
        int8,
        targets,
        labels,
        f"UAR within {100 * MAX_INT8_UAR:g} points, or one changed decision",
        lambda v: abs(v["uar"]) <= MAX_INT8_UAR or v["decisions"] <= 1,
    )


def waveform_links(path: Path, int8: Network, dataset: Dataset) -> list[Link]:
    """Compare the waveform graph with the numpy front end and the int8 model, on audio files.

    A model with statistics has a second link for them.
    """
    outputs, features = waveform_outputs(path, [clip.path for clip in dataset.clips], int8.card)
    expected = network_outputs(int8, dataset)
    close = np.abs(expected.probabilities - outputs.probabilities) <= MAX_WAVEFORM_PROBABILITIES
    limit, further, allowed = "", [], 0.0
    if expected.statistics is not None and outputs.statistics is not None:
        allowed = MAX_TIED_CLIPS
        limit = f" for {100 * (1 - allowed):g} % of the clips"
        further.append(statistics_link(expected.statistics, outputs.statistics))
    first = link(
        "numpy → waveform graph",
        expected,
        outputs,
        _targets(int8, dataset),
        list(int8.labels),
        f"probabilities within {MAX_WAVEFORM_PROBABILITIES:g}{limit}, "
        f"features within {MAX_IN_GRAPH_FEATURES:g}",
        lambda v: v["features"] <= MAX_IN_GRAPH_FEATURES and np.mean(~close.all(axis=1)) <= allowed,
        features,
    )
    return [first, *further]


def statistics_link(first: np.ndarray, second: np.ndarray) -> Link:
    """Compare the standardised statistics of clips.

    Args:
        first: Those of the numpy front end, `(n_clips, n_statistics)`.
        second: Those of the waveform graph.
    """
    differences = np.abs(first - second).max(axis=1)
    return Link(
        "numpy → waveform graph: standardised statistics",
        len(first),
        f"within {MAX_WAVEFORM_STATISTICS:g} for {100 * (1 - MAX_TIED_CLIPS):g} % of the clips",
        bool(np.mean(differences > MAX_WAVEFORM_STATISTICS) <= MAX_TIED_CLIPS),
        features=float(differences.max()),
    )
