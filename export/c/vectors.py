"""Test vectors: short clips and the answers of the Python package."""

from __future__ import annotations

import numpy as np

from edge_runtime import EmotionModel
from edge_runtime.diagnostics.synthetic_voice import synthetic_voice
from edge_runtime.inference.network import Network
from edge_runtime.inference.prediction import NO_SPEECH, UNCERTAIN

from .source import array, comment, number, string

SECONDS = 1.0
SPECIAL = {NO_SPEECH: -1, UNCERTAIN: -2}


def make_clips(n: int, sample_rate: int) -> dict[str, np.ndarray]:
    """Return `n` clips, int16 `(n_samples,)`, by name.

    They are stretches of a synthetic voice, and the extremes of a recording: silence, noise,
    clipping, a DC offset, a click.
    """
    length = max(1, round(SECONDS * sample_rate))
    voice = synthetic_voice(SECONDS * max(n, 4), sample_rate)
    rng = np.random.default_rng(0)
    clips = {
        "voice": voice[:length],
        "quiet voice": 0.02 * voice[length : 2 * length],
        "silence": np.zeros(length),
        "clipped voice": 20 * voice[2 * length : 3 * length],
        "noise": rng.normal(0, 0.1, length),
        "voice with a DC offset": voice[3 * length : 4 * length] + 0.3,
        "click": np.eye(1, length // 4)[0],
        "late voice": np.concatenate([np.zeros(length // 2), voice[: length // 2]]),
    }
    for k in range(len(clips), n):
        clips[f"voice {k}"] = voice[k * length : (k + 1) * length]
    return {
        name: np.clip(np.rint(32767 * clips[name]), -32768, 32767).astype(np.int16)
        for name in list(clips)[:n]
    }


def vectors(network: Network, n: int) -> str:
    """Return the header of the test vectors.

    Args:
        network: The model.
        n: Number of clips.
    """
    model = EmotionModel(network)
    parts, rows = [], []
    for k, (name, pcm) in enumerate(make_clips(n, network.sample_rate).items()):
        prediction = model.classify(pcm.astype(np.float32) / 32768)
        label = prediction.label
        index = SPECIAL[label] if label in SPECIAL else network.labels.index(label)
        values = ", ".join(number(np.float32(p)) for p in prediction.probabilities.values())
        parts.append(f"static {array(f'vector{k}', pcm)}")
        rows.append(f"    {{{string(name)}, vector{k}, {len(pcm)}, {index}, {{{values}}}}},\n")
    return (
        comment("Clips and the answers of the Python package. Generated.")
        + "#ifndef EDGE_SER_VECTORS_H\n#define EDGE_SER_VECTORS_H\n\n"
        + '#include "../src/edge_ser.h"\n\n'
        + "typedef struct {\n    const char *name;\n    const int16_t *pcm;\n    size_t n;\n"
        + "    int label;\n    float probabilities[EDGE_SER_N_LABELS];\n} edge_ser_vector;\n\n"
        + f"#define EDGE_SER_N_VECTORS {len(rows)}\n\n"
        + "\n".join(parts)
        + "\nstatic const edge_ser_vector edge_ser_vectors[EDGE_SER_N_VECTORS] = {\n"
        + "".join(rows)
        + "};\n\n#endif\n"
    )
