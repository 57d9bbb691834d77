"""Checks of a recording: problems, their effect on the prediction, and their remedies.

The limits are based on the predictions of the bundled model for clean clips of four corpora
(German, English, Polish; 50 clips each) that were degraded step by step. The comments state the
share of predictions that changed. Limits for pauses and levels are those of the model.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..audio.limits import AudioLimits
from ..inference.prediction import NO_SPEECH, UNCERTAIN, Prediction
from .finding import Finding, Severity
from .recording import CANCELLED_DB, MEASURED_SECONDS, MIN_LEVEL_DB, Recording, measure_recording

if TYPE_CHECKING:
    from ..inference.card import ModelCard
    from ..model import EmotionModel

# Share of samples in flat peaks: 0 to 4 % of the predictions changed at 0.3 %, 0 to 14 % at 1 %, 6
# to 22 % at 10 %.
CLIPPED_NOTE, CLIPPED_WARNING = 0.001, 0.01

# DC offset relative to the speech. For bands that start above 0 Hz, only its onset and end matter:
# a tenth changed with an offset as loud as the speech (reports/channels.md). For other bands, 4 to
# 12 % changed at -20 dB and 18 to 22 % at -10 dB. In any case the device is faulty.
DC_NOTE_DB, DC_WARNING_DB = -30.0, -20.0
MIN_DC = 1e-4  # -80 dBFS, the lower limit of the gate; converters round by a tenth of that

# The estimate is 1.5 dB below the true ratio of speech to white noise. A quarter changed at 10 dB
# (reports/channels.md).
SNR_NOTE_DB, SNR_WARNING_DB = 15.0, 10.0

# Level of attenuated speech. A twentieth to a tenth changed for levels relative to the loudest
# frame, up to half for absolute levels.
QUIET_DBFS = -50.0

# Excerpts of half a second: 58 to 78 % changed; of one second: 30 to 50 %.
SHORT_WARNING_SECONDS, SHORT_NOTE_SECONDS = 0.5, 1.0

# The clips of the corpora last 1 to 8 seconds. Within a minute, the emotion changes.
LONG_SECONDS = 60.0

# Silence is dropped without harm, but this share suggests that speech was dropped as well.
SILENCE_NOTE = 0.9

# A telephone passes 300 to 3400 Hz: a quarter changed (reports/channels.md), nearly all of them
# because of the missing band below 300 Hz. High voices have little power below 200 Hz and soft ones
# little above 3.5 kHz, so that both bands must be weak. Their levels are added.
TELEPHONE_MAX_HZ = 5000.0
TELEPHONE_UPPER_DB, TELEPHONE_EDGES_DB = -9.0, -28.0

# Averaging two microphones in one room leaves -3 to 0 dB. A channel and its inverse cancel.
CANCELLED_WARNING_DB, CANCELLED_NOTE_DB = CANCELLED_DB, -4.5

# A channel this far below the other contains only noise.
DEAD_DB = 30.0

# Two microphones near one speaker correlate more; two speakers on two lines do not correlate.
MIN_CORRELATION = 0.2

DEFAULT_MIN_DBFS = -70.0
DEFAULT_MAX_HZ = 4000.0
FULL_BAND_SHARE = 0.9  # of the band of the model or of the file

RECORD_A_SENTENCE = "Record a whole sentence, 2 seconds or more."


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


def examine(path: str | os.PathLike[str], model: EmotionModel | None = None) -> Examination:
    """Check an audio file.

    Args:
        path: The file.
        model: The model whose front end and limits apply. Default: the default settings, without a
            prediction.

    Raises:
        AudioError: If the file cannot be read.

    Example:
        >>> for finding in examine("samples/sad/1013_ITH_SAD_XX.wav").findings:
        ...     if finding.severity is not Severity.ok:
        ...         print(f"{finding.name}: {finding.found}")
        noise: speech 7 dB above the pauses
    """
    recording = measure_recording(path, model)
    is_classified = model is not None and recording.seconds <= AudioLimits().max_duration
    prediction = model.classify(path) if model is not None and is_classified else None
    card = None if model is None else model.card
    findings = [
        _check_format(recording),
        _check_channels(recording),
        _check_length(recording),
        _check_level(recording, card),
        _check_clipping(recording),
        _check_offset(recording),
        _check_noise(recording),
        _check_bandwidth(recording, card),
    ]
    if prediction is not None:
        findings.append(_check_answer(prediction, findings))
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
        f"Keep only channel {levels.index(loudest) + 1}: ffmpeg -i IN "
        f'-af "pan=mono|c0=c{levels.index(loudest)}" OUT.wav'
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
            f"Use one file per speaker, or one microphone. {keep_one}",
        )
    return Finding("channels", Severity.ok, found)


def _check_length(r: Recording) -> Finding:
    found = (
        f"{r.seconds:.2f} s, {r.speech_seconds:.2f} s of it not silent "
        f"({100 * r.silence:.0f} % silence)"
    )
    if r.measured_seconds < r.seconds:
        found = (
            f"{r.seconds:.0f} s; {100 * r.silence:.0f} % silence in the first "
            f"{MEASURED_SECONDS:.0f} s"
        )
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


def _check_level(r: Recording, card: ModelCard | None) -> Finding:
    if r.loudest_dbfs is None or r.speech_dbfs is None:
        return Finding(
            "level",
            Severity.warning,
            "silence only",
            'The prediction is "no speech".',
            "Check that the right microphone is selected, is not muted, and may be used.",
        )
    found = f"peak {r.peak_dbfs:.1f} dBFS, RMS {r.rms_dbfs:.1f}, speech {r.speech_dbfs:.1f}"
    min_dbfs = DEFAULT_MIN_DBFS if card is None else card.speech_above_dbfs
    if r.loudest_dbfs < min_dbfs:
        return Finding(
            "level",
            Severity.warning,
            found,
            f'No sound exceeds {min_dbfs:g} dBFS, so that the prediction is "no speech".',
            "Increase the gain of the microphone, or move closer to it.",
        )
    if r.speech_dbfs < QUIET_DBFS:
        meaning = "The voice is close to the noise of the microphone and converter."
        if card is not None and not _has_relative_levels(card):
            meaning += ' This model tends to classify quiet voices as "sad".'
        return Finding(
            "level",
            Severity.note,
            found,
            meaning,
            "Increase the gain until speech is at -30 to -15 dBFS, or move closer to the "
            "microphone.",
        )
    return Finding("level", Severity.ok, found)


def _has_relative_levels(card: ModelCard) -> bool:
    return card.silence is not None and card.silence.relative


def _check_clipping(r: Recording) -> Finding:
    found = f"{100 * r.clipped:.2g} % of the samples in flat peaks"
    if r.clipped < CLIPPED_NOTE:
        return Finding("clipping", Severity.ok, "none" if r.clipped == 0 else found)
    is_severe = r.clipped >= CLIPPED_WARNING
    return Finding(
        "clipping",
        Severity.warning if is_severe else Severity.note,
        found,
        "The recording exceeded the range of its device. The voice is distorted and sounds harsher."
        if is_severe
        else "The loudest moments are distorted, with little effect on the prediction.",
        "Reduce the gain until the loudest word stays below -6 dBFS; clipped peaks cannot be "
        "restored.",
    )


def _check_offset(r: Recording) -> Finding:
    if r.speech_dbfs is None or abs(r.dc) < MIN_DC:
        return Finding("offset", Severity.ok, "none")
    found = f"{100 * r.dc:.2g} % of full scale"
    relative_db = 20 * math.log10(abs(r.dc)) - r.speech_dbfs
    if relative_db < DC_NOTE_DB:
        return Finding("offset", Severity.ok, found)
    return Finding(
        "offset",
        Severity.warning if relative_db >= DC_WARNING_DB else Severity.note,
        f"{found}, {relative_db:.0f} dB relative to the speech",
        "The signal has a DC offset: a click where it starts and ends and, for models whose bands "
        "extend to 0 Hz, a hum in the pauses.",
        "Remove it: ffmpeg -i IN -af highpass=f=30 OUT.wav. A sound card that adds an offset is "
        "faulty or poorly powered.",
    )


def _check_noise(r: Recording) -> Finding:
    if r.snr_db is None:
        return Finding("noise", Severity.ok, "not measured: no speech")
    if r.speech_seconds < SHORT_NOTE_SECONDS:
        return Finding("noise", Severity.ok, "not measured: too little speech")
    snr_db = round(r.snr_db)
    found = f"speech {snr_db} dB above the pauses" if snr_db > 0 else "no sound above the noise"
    if r.snr_db >= SNR_NOTE_DB:
        return Finding("noise", Severity.ok, found)
    return Finding(
        "noise",
        Severity.warning if r.snr_db < SNR_WARNING_DB else Severity.note,
        found,
        "There is continuous noise, or there are no pauses. Noise changes a quarter of the "
        "predictions at 10 dB.",
        "Move the microphone closer to the mouth, and away from fans, roads, loudspeakers and "
        "sources of hum.",
    )


def _check_bandwidth(r: Recording, card: ModelCard | None) -> Finding:
    if r.highest_hz is None:
        return Finding("bandwidth", Severity.ok, "not measured: silence only")
    found = f"up to {r.highest_hz / 1000:.1f} kHz of {r.sample_rate / 2000:g}"
    if _is_telephone(r):
        return Finding(
            "bandwidth",
            Severity.warning,
            f"{found}, and little below 300 Hz",
            "The bandwidth is that of a telephone, unless the voice is very high. The missing band "
            "below 300 Hz changes about three predictions in ten.",
            "Record with a full-range microphone. For calls, create a speaker profile from "
            "recordings of the same line: edge-ser profile create NAME CLIP...",
        )
    max_hz = DEFAULT_MAX_HZ
    if card is not None:
        max_hz = card.mfcc_config.fmax or card.mfcc_config.sample_rate / 2
    if r.highest_hz < FULL_BAND_SHARE * max_hz:
        return Finding(
            "bandwidth",
            Severity.note,
            found,
            f"The model uses frequencies up to {max_hz / 1000:g} kHz; the uppermost are missing.",
            "Record at 16000 Hz or more; converting the file later does not help.",
        )
    if r.highest_hz < 0.45 * r.sample_rate * FULL_BAND_SHARE:
        found += f"; empty above, and the model uses up to {max_hz / 1000:g} kHz"
    return Finding("bandwidth", Severity.ok, found)


def _is_telephone(r: Recording) -> bool:
    if r.highest_hz is None or r.low_db is None or r.upper_db is None:
        return False
    return (
        r.highest_hz < TELEPHONE_MAX_HZ
        and r.upper_db < TELEPHONE_UPPER_DB
        and r.low_db + r.upper_db < TELEPHONE_EDGES_DB
    )


def _check_answer(prediction: Prediction, findings: list[Finding]) -> Finding:
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
            "A longer recording may help; --threshold 0 always returns the most probable emotion.",
        )
    return Finding("answer", Severity.ok, found)
