"""Valid and damaged WAV files, in memory."""

from __future__ import annotations

import io

import numpy as np
import soundfile

TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype(np.float32)


def wav_bytes(samples: np.ndarray = TONE) -> bytes:
    """Encode mono samples at 16 kHz as a 16-bit WAV."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 16_000, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


BAD_FILES = {
    "empty": (b"", "is empty"),
    "text": (b"this is no audio, whatever the name says\n" * 50, "is not audio"),
    "truncated": (wav_bytes()[:5000], "is truncated: the header declares 32000 bytes of samples"),
    "header only": (wav_bytes()[:20], "is not audio"),
    "no samples": (wav_bytes(TONE[:0]), "holds no samples"),
}
