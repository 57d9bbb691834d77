"""Checks of a recording: problems, their effect on the prediction, and their remedies.

The limits are based on the predictions of the bundled model for clean clips of four corpora
(German, English, Polish; 50 clips each) that were degraded step by step. The comments state the
share of predictions that changed. Limits for pauses and levels are those of the model.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..audio.decode import AudioFile
from ..audio.limits import NO_LIMITS, AudioLimits
from ..inference.prediction import NO_SPEECH, UNCERTAIN, Prediction
from ..results.sources import classify_source
from .finding import Finding, Severity
from .recording import CANCELLED_DB, MEASURED_SECONDS, MIN_LEVEL_DB, Recording, measure_recording
from .signal_checks import (
    SNR_NOTE_DB,
    check_bandwidth,
    check_clipping,
    check_level,
    check_noise,
    check_offset,
)

if TYPE_CHECKING:
    from ..model import EmotionModel

# Excerpts of half a second: 58 to 78 % changed; of one second: 30 to 50 %.
SHORT_WARNING_SECONDS, SHORT_NOTE_SECONDS = 0.5, 1.0

# The clips of the corpora last 1 to 8 seconds. Within a minute, the emotion changes.
LONG_SECONDS = 60.0

# Silence is dropped without harm, but this share suggests that speech was dropped as well.
SILENCE_NOTE = 0.9

# Below this share of silence, a noisy recording has no silent pauses.
NO_PAUSES = 0.05

# Averaging two microphones in one room leaves -3 to 0 dB. A channel and its inverse cancel.
CANCELLED_WARNING_DB, CANCELLED_NOTE_DB = CANCELLED_DB, -4.5

# A channel this far below the other contains only noise.
DEAD_DB = 30.0

# Two microphones near one speaker correlate more; two speakers on two lines do not correlate.
MIN_CORRELATION = 0.2

# An earlier model, which was not trained on CREMA-D, classified 44 % of its clips (441 were tried)
# below this confidence correctly, and 75 % of the others.
CONFIDENT = 0.7

RECORD_A_SENTENCE = "Record a whole sentence, 2 seconds or more."
USE_A_PROFILE = (
    "A profile of this voice and microphone helps most: `edge-ser profile create NAME CLIP...`, "
    "then --profile NAME."
)


@dataclass(frozen=True)
class Examination:
    """Measurements, prediction and findings for one file.

    Attributes:
        path: The file.
        recording: The measurements.
        prediction: The prediction; None without a model or for a file that is too long.
        findings: One finding per check.
    """

    path: Path
    recording: Recording
    prediction: Prediction | None
    findings: tuple[Finding, ...]


def examine(
    path: str | os.PathLike[str],
    model: EmotionModel | None = None,
    content: bytes | None = None,
    limits: AudioLimits | None = None,
) -> Examination:
    """Check an audio file.

    Args:
        path: The file.
        model: The model whose front end and limits apply. Default: the default settings, without a
            prediction.
        content: The bytes of the file; `path` is then only its name.
        limits: Maximum duration and size. Default: unlimited, without a prediction for recordings
            of more than 30 minutes.

    Raises:
        AudioError: If the file cannot be read.

    Example:
        >>> for finding in examine("samples/sad/1013_ITH_SAD_XX.wav").findings:
        ...     if finding.severity is not Severity.ok:
        ...         print(f"{finding.name}: {finding.found}")
        noise: speech 7 dB above the pauses
    """
    recording = measure_recording(path, model, content, limits or NO_LIMITS)
    prediction = None
    if model is not None and recording.seconds <= AudioLimits().max_duration:
        audio = AudioFile(path, content, limits or AudioLimits())
        prediction = classify_source(model, audio)
    card = None if model is None else model.card
    findings = [
        _check_format(recording),
        _check_channels(recording),
        _check_length(recording),
        check_level(recording, card),
        check_clipping(recording),
        check_offset(recording),
        check_noise(recording),
        check_bandwidth(recording, card),
    ]
    if prediction is not None:
        findings.append(check_answer(prediction, findings))
    return Examination(Path(path), recording, prediction, tuple(findings))


def _check_format(r: Recording) -> Finding:
    found = f"{r.format}, {r.sample_rate} Hz"
    if r.format.endswith(("PCM_U8", "PCM_S8")):
        return Finding(
            "format",
            Severity.note,
            found,
            "8 bits add noise 48 dB below full scale, which masks quiet voices.",
            "Record with 16 bits; converting the file later does not help.",
        )
    return Finding("format", Severity.ok, found)


def _check_channels(r: Recording) -> Finding:
    if r.channels == 1:
        return Finding("channels", Severity.ok, "1 (mono)")
    levels = [MIN_LEVEL_DB if level is None else level for level in r.channel_dbfs]
    loudest = max(levels)
    listed = ", ".join(
        f"{level:.0f} dBFS" if level > MIN_LEVEL_DB else "silent" for level in levels
    )
    found = f"{r.channels} ({listed})"
    if r.correlation is not None and r.channels == 2:
        found += f", correlation {r.correlation:.2f}"
    keep_one = (
        f"Use only channel {levels.index(loudest) + 1}: --channel {levels.index(loudest) + 1}"
    )
    if r.mixed_db < CANCELLED_WARNING_DB:
        return Finding(
            "channels",
            Severity.warning,
            f"{found}; they cancel each other",
            f"The channels are averaged, which leaves {r.mixed_db:.0f} dB: one channel is the "
            "inverse of the other. The voice is lost.",
            f"{keep_one}. Check the cable and plug for swapped wires.",
        )
    dead = [k + 1 for k, level in enumerate(levels) if level < loudest - DEAD_DB]
    if dead and loudest > MIN_LEVEL_DB:
        numbers = " and ".join(map(str, dead))
        return Finding(
            "channels",
            Severity.note,
            f"{found}; no signal in {numbers}",
            "The channels are averaged, which attenuates the voice: by 6 dB if one of two is "
            "empty.",
            keep_one,
        )
    differ = r.correlation is not None and abs(r.correlation) < MIN_CORRELATION
    if r.mixed_db < CANCELLED_NOTE_DB or (r.channels == 2 and differ):
        return Finding(
            "channels",
            Severity.note,
            f"{found}; they differ",
            "The channels are averaged. Two speakers become one voice, and a voice that reaches "
            "two microphones at different times is coloured.",
            "If each channel is one speaker, as in a call: `edge-ser classify --timeline --channel "
            f"each`. Otherwise use one microphone. {keep_one}",
        )
    return Finding("channels", Severity.ok, found)


def _check_length(r: Recording) -> Finding:
    # Noise is not silent: its pauses are processed as speech is.
    is_noisy = r.snr_db is not None and r.snr_db < SNR_NOTE_DB
    silence = f"{100 * r.silence:.0f} % silence"
    if is_noisy and r.silence < NO_PAUSES:
        silence = "noise fills the pauses"
    found = f"{r.seconds:.2f} s, {r.speech_seconds:.2f} s of it not silent ({silence})"
    if r.measured_seconds < r.seconds:
        found = f"{r.seconds:.0f} s; {silence} in the first {MEASURED_SECONDS:.0f} s"
    if r.loudest_dbfs is None:
        return Finding("length", Severity.ok, found)
    if r.speech_seconds < SHORT_WARNING_SECONDS:
        return Finding(
            "length",
            Severity.warning,
            found,
            "Too short for a reliable prediction.",
            RECORD_A_SENTENCE,
        )
    if r.speech_seconds < SHORT_NOTE_SECONDS:
        return Finding(
            "length",
            Severity.note,
            found,
            "With less than a second of speech, the prediction often differs from that for the "
            "whole sentence.",
            RECORD_A_SENTENCE,
        )
    if r.seconds > LONG_SECONDS:
        return Finding(
            "length",
            Severity.note,
            found,
            "There is one prediction for the whole file, even if the emotion or the speaker "
            "changes.",
            "Use `edge-ser classify --timeline` for segments, or cut the file into utterances of 2 "
            "to 10 seconds.",
        )
    if r.silence > SILENCE_NOTE:
        return Finding(
            "length",
            Severity.note,
            found,
            "Silence is dropped, which leaves little speech for the prediction.",
            "If there is more speech, it is too quiet relative to the loudest sound: remove knocks "
            "and clicks, or move closer to the microphone.",
        )
    return Finding("length", Severity.ok, found)


def check_answer(prediction: Prediction, findings: list[Finding]) -> Finding:
    """Explain a prediction by the other findings."""
    found = f"{prediction.label} ({100 * prediction.confidence:.0f} %)"
    severities = {finding.severity for finding in findings}
    if prediction.label == NO_SPEECH and Severity.warning in severities:
        return Finding("answer", Severity.ok, f"{NO_SPEECH}: see the warning above")
    reason = (
        "The findings above may be the reason."
        if severities - {Severity.ok}
        else "The findings above do not explain it."
    )
    if prediction.label == NO_SPEECH:
        return Finding(
            "answer",
            Severity.warning,
            NO_SPEECH,
            f"The model detects no voice. {reason}",
            "Listen to the file. If it contains speech, the voice may be too short, or masked by "
            "noise or music.",
        )
    if prediction.label == UNCERTAIN:
        return Finding(
            "answer",
            Severity.note,
            found,
            f"No emotion is probable enough. {reason}",
            f"{USE_A_PROFILE} A longer recording may help too; --threshold 0 always returns the "
            "most probable emotion.",
        )
    if prediction.confidence < CONFIDENT:
        second, share = sorted(prediction.probabilities.items(), key=lambda item: -item[1])[1]
        return Finding(
            "answer",
            Severity.note,
            f"{found}, then {second} ({100 * share:.0f} %)",
            f"The confidence is low. For speakers that the model was not trained on, such answers "
            f"are wrong about as often as right. {reason}",
            USE_A_PROFILE,
        )
    return Finding("answer", Severity.ok, found)
