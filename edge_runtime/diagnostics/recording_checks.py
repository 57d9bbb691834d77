"""What is wrong with a recording, what that means for the answer, and what to do about it.

The limits below were set by what happened to the answers of the bundled model when clean clips of
four corpora (German, English, Polish; 50 clips each) were spoilt step by step: the share of answers
that changed stands beside each. Limits about pauses and levels are the model's own.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..audio.limits import AudioLimits
from .finding import Finding, Severity
from .recording import MEASURED_SECONDS, Recording, measure_recording

if TYPE_CHECKING:
    from ..inference.prediction import Prediction
    from ..model import EmotionModel

# Share of samples in peaks cut flat: 0 to 4 % of the answers changed at 0.3 %, 0 to 14 % at 1 %,
# 6 to 22 % at 10 %.
CLIPPED_NOTE, CLIPPED_WARNING = 0.001, 0.01

# Constant part relative to the speech. Bands that begin above 0 Hz hear its beginning and end only:
# a tenth changed where it was as loud as the speech (reports/channels.md). For others 4 to 12 % did
# at -20 dB, 18 to 22 % at -10 dB. In any case something is broken.
DC_NOTE_DB, DC_WARNING_DB = -30.0, -20.0
MIN_DC = 1e-4  # -80 dBFS, where the gate ends; converters round by a tenth of that

# The estimate is 1.5 dB below the true ratio of speech to white noise. At 10 dB a quarter changed
# (reports/channels.md).
SNR_NOTE_DB, SNR_WARNING_DB = 15.0, 10.0

# Speech turned down to here: a twentieth to a tenth changed where levels are relative to the
# loudest, up to half where they are not.
QUIET_DBFS = -50.0

# Excerpts of half a second: 58 to 78 % changed; of one second: 30 to 50 %.
SHORT_WARNING_SECONDS, SHORT_NOTE_SECONDS = 0.5, 1.0

# The clips of the corpora last 1 to 8 seconds; in a minute a voice changes more than once.
LONG_SECONDS = 60.0

# Silence is dropped and costs nothing, but so much of it may mean that the speech was missed.
SILENCE_NOTE = 0.9

# A telephone passes 300 to 3400 Hz: a quarter changed (reports/channels.md), nearly all of them for
# want of what is below 300 Hz. High voices have little below 200 Hz and soft ones little above
# 3.5 kHz, so that it takes both, in dB together.
TELEPHONE_MAX_HZ = 5000.0
TELEPHONE_UPPER_DB, TELEPHONE_EDGES_DB = -9.0, -28.0

# Averaging two microphones in one room leaves -3 to 0 dB; of a channel against itself, nothing.
CANCELLED_WARNING_DB, CANCELLED_NOTE_DB = -10.0, -4.5

# One channel that is so much below the other holds nothing but its noise.
DEAD_DB = 30.0

# Two microphones near one voice agree better; two persons on two lines do not agree at all.
DIFFERENT_CORRELATION = 0.2


@dataclass(frozen=True)
class Examination:
    """Everything about one file: what was measured, what the model says, what was found."""

    path: Path
    recording: Recording
    prediction: Prediction | None  # of the file as it is; None without one, or if it is too long
    findings: tuple[Finding, ...]


def examine(path: str | os.PathLike[str], model: EmotionModel | None = None) -> Examination:
    """Look at an audio file as `model` would hear it (None: by the defaults, without an answer).

    Raises AudioError if the file cannot be read.

    >>> for finding in examine("samples/sad/1013_ITH_SAD_XX.wav").findings:
    ...     if finding.severity is not Severity.ok:
    ...         print(f"{finding.name}: {finding.found}")
    noise: speech 7 dB above its pauses
    """
    recording = measure_recording(path, model)
    short = recording.seconds <= AudioLimits().max_duration
    prediction = model.classify(path) if model is not None and short else None
    findings = [
        _format(recording),
        _channels(recording),
        _length(recording),
        _level(recording, model),
        _clipping(recording),
        _offset(recording),
        _noise(recording),
        _bandwidth(recording, model),
    ]
    if prediction is not None:
        findings.append(_answer(prediction, findings))
    return Examination(Path(path), recording, prediction, tuple(findings))


def _format(r: Recording) -> Finding:
    found = f"{r.format}, {r.sample_rate} Hz"
    if r.format.endswith(("PCM_U8", "PCM_S8")):
        return Finding(
            "format",
            Severity.note,
            found,
            "8 bits add a noise of their own, 48 dB below full scale; quiet voices drown in it.",
            "Record 16 bits; converting the file later does not help.",
        )
    return Finding("format", Severity.ok, found)


def _channels(r: Recording) -> Finding:
    if r.channels == 1:
        return Finding("channels", Severity.ok, "1 (mono)")
    levels = [-200.0 if level is None else level for level in r.channel_dbfs]
    loudest = max(levels)
    names = ", ".join(f"{level:.0f}" if level > -200 else "none" for level in levels)
    found = f"{r.channels}, of {names} dBFS"
    if r.correlation is not None and r.channels == 2:
        found += f", correlation {r.correlation:.2f}"
    keep = (
        f"Keep channel {levels.index(loudest) + 1} alone: ffmpeg -i IN "
        f'-af "pan=mono|c0=c{levels.index(loudest)}" OUT.wav'
    )
    if r.mixed_db < CANCELLED_WARNING_DB:
        return Finding(
            "channels",
            Severity.warning,
            f"{found}; they cancel each other",
            f"The channels are averaged, and of these {r.mixed_db:.0f} dB remain: one is the "
            "other upside down. The voice is lost.",
            f"{keep}, and look for a cable or plug with swapped wires.",
        )
    dead = [k + 1 for k, level in enumerate(levels) if level < loudest - DEAD_DB]
    if dead and loudest > -200:
        numbers = " and ".join(map(str, dead))
        return Finding(
            "channels",
            Severity.note,
            f"{found}; nothing in {numbers}",
            "The channels are averaged, so that the voice becomes quieter: by 6 dB if one of two "
            "is empty.",
            keep,
        )
    alike = r.correlation is None or abs(r.correlation) >= DIFFERENT_CORRELATION
    if r.mixed_db < CANCELLED_NOTE_DB or (r.channels == 2 and not alike):
        return Finding(
            "channels",
            Severity.note,
            f"{found}; they differ",
            "The channels are averaged: two people become one voice, and a voice that reaches two "
            "microphones at different times is coloured.",
            f"One file a person, or one microphone. {keep}",
        )
    return Finding("channels", Severity.ok, found)


def _length(r: Recording) -> Finding:
    found = (
        f"{r.seconds:.2f} s, of which {r.speech_seconds:.2f} s not silent "
        f"({100 * r.silence:.0f} % silence)"
    )
    if r.measured_seconds < r.seconds:
        found = (
            f"{r.seconds:.0f} s; of the first {MEASURED_SECONDS:.0f} s "
            f"{100 * r.silence:.0f} % silence"
        )
    if r.loudest_dbfs is None:
        return Finding("length", Severity.ok, found)
    if r.speech_seconds < SHORT_WARNING_SECONDS:
        return Finding(
            "length",
            Severity.warning,
            found,
            "So short a sound says next to nothing about a mood; the answer is a guess.",
            "Record a whole sentence, 2 seconds or more.",
        )
    if r.speech_seconds < SHORT_NOTE_SECONDS:
        return Finding(
            "length",
            Severity.note,
            found,
            "Less than a second of speech often gets another answer than the whole sentence.",
            "Record a whole sentence, 2 seconds or more.",
        )
    if r.seconds > LONG_SECONDS:
        return Finding(
            "length",
            Severity.note,
            found,
            "There is one answer for the whole file, however often the mood or the speaker "
            "changes in it.",
            "`edge-ser classify --timeline` answers by segments; or cut it into utterances of 2 to "
            "10 seconds.",
        )
    if r.silence > SILENCE_NOTE:
        return Finding(
            "length",
            Severity.note,
            found,
            "Silence is dropped, so that little is left to judge by.",
            "If there is more speech than that, it is too quiet beside the loudest sound: take out "
            "knocks and clicks, speak nearer to the microphone.",
        )
    return Finding("length", Severity.ok, found)


def _level(r: Recording, model: EmotionModel | None) -> Finding:
    if r.loudest_dbfs is None or r.speech_dbfs is None:
        return Finding(
            "level",
            Severity.warning,
            "nothing but silence",
            'The answer is "no speech".',
            "Check that the right microphone was chosen, is not muted, and is allowed to be used.",
        )
    found = f"peak {r.peak_dbfs:.1f} dBFS, RMS {r.rms_dbfs:.1f}, speech {r.speech_dbfs:.1f}"
    limit = -70.0 if model is None else model.card.speech_above_dbfs
    if r.loudest_dbfs < limit:
        return Finding(
            "level",
            Severity.warning,
            found,
            f'Nothing is louder than {limit:g} dBFS, so that the answer is "no speech".',
            "Raise the gain of the microphone, or speak nearer to it.",
        )
    if r.speech_dbfs < QUIET_DBFS:
        return Finding(
            "level",
            Severity.note,
            found,
            "The voice is quiet: the noise of microphone and converter is near it"
            + (
                "."
                if model is None or _relative(model)
                else ", and to this model a quiet voice sounds sad."
            ),
            "Raise the gain until speech is at -30 to -15 dBFS, or speak nearer.",
        )
    return Finding("level", Severity.ok, found)


def _relative(model: EmotionModel) -> bool:
    return model.card.silence is not None and model.card.silence.relative


def _clipping(r: Recording) -> Finding:
    found = f"{100 * r.clipped:.2g} % of the samples in peaks cut flat"
    if r.clipped < CLIPPED_NOTE:
        return Finding("clipping", Severity.ok, "none" if r.clipped == 0 else found)
    bad = r.clipped >= CLIPPED_WARNING
    return Finding(
        "clipping",
        Severity.warning if bad else Severity.note,
        found,
        "The recording was too loud for its device, and the voice is distorted: it sounds harsher "
        "than it was."
        if bad
        else "The loudest moments are distorted; the answer hardly suffers.",
        "Turn the gain down until the loudest word stays below -6 dBFS; what is cut off cannot be "
        "brought back.",
    )


def _offset(r: Recording) -> Finding:
    if r.speech_dbfs is None or abs(r.dc) < MIN_DC:
        return Finding("offset", Severity.ok, "none")
    found = f"{100 * r.dc:.2g} % of full scale"
    relative = 20 * math.log10(abs(r.dc)) - r.speech_dbfs
    if relative < DC_NOTE_DB:
        return Finding("offset", Severity.ok, found)
    return Finding(
        "offset",
        Severity.warning if relative >= DC_WARNING_DB else Severity.note,
        f"{found}, {relative:.0f} dB relative to the speech",
        "A constant lies under the sound: a click where it begins and ends, and to models whose "
        "bands reach down to 0 Hz a hum in the pauses too.",
        "Filter it out: ffmpeg -i IN -af highpass=f=30 OUT.wav; a sound card that adds it is "
        "faulty or badly powered.",
    )


def _noise(r: Recording) -> Finding:
    if r.snr_db is None:
        return Finding("noise", Severity.ok, "no speech to compare it with")
    if r.speech_seconds < SHORT_NOTE_SECONDS:
        return Finding("noise", Severity.ok, "too little speech to tell")
    above = round(r.snr_db)
    found = (
        f"speech {above} dB above its pauses"
        if above > 0
        else "nothing stands out from what is heard all the time"
    )
    if r.snr_db >= SNR_NOTE_DB:
        return Finding("noise", Severity.ok, found)
    return Finding(
        "noise",
        Severity.warning if r.snr_db < SNR_WARNING_DB else Severity.note,
        found,
        "Something is heard all the time beside the voice, or there are no pauses; noise changes "
        "a quarter of the answers at 10 dB.",
        "Move the microphone nearer to the mouth and away from fans, roads, loudspeakers and what "
        "hums.",
    )


def _bandwidth(r: Recording, model: EmotionModel | None) -> Finding:
    if r.highest_hz is None:
        return Finding("bandwidth", Severity.ok, "nothing to be heard")
    found = f"up to {r.highest_hz / 1000:.1f} kHz of {r.sample_rate / 2000:g}"
    if _telephone(r):
        return Finding(
            "bandwidth",
            Severity.warning,
            f"{found}, and little below 300 Hz",
            "It sounds as through a telephone, unless the voice is very high. What is missing "
            "below 300 Hz changes about three answers in ten.",
            "Record with a microphone of the full range. For calls, make a speaker profile of "
            "recordings over the same line: edge-ser profile create NAME CLIP...",
        )
    front = None if model is None else model.card.mfcc_config
    hears = 4000.0 if front is None else front.fmax or front.sample_rate / 2
    if r.highest_hz < 0.9 * hears:
        return Finding(
            "bandwidth",
            Severity.note,
            found,
            f"The model hears up to {hears / 1000:g} kHz, and the uppermost part is missing.",
            "Record at 16000 Hz or more; converting the file later does not help.",
        )
    if r.highest_hz < 0.45 * r.sample_rate * 0.9:
        found += f"; the rest is empty, and the model hears up to {hears / 1000:g}"
    return Finding("bandwidth", Severity.ok, found)


def _telephone(r: Recording) -> bool:
    if r.highest_hz is None or r.low_db is None or r.upper_db is None:
        return False
    return (
        r.highest_hz < TELEPHONE_MAX_HZ
        and r.upper_db < TELEPHONE_UPPER_DB
        and r.low_db + r.upper_db < TELEPHONE_EDGES_DB
    )


def _answer(prediction: Prediction, findings: list[Finding]) -> Finding:
    from ..inference.prediction import NO_SPEECH, UNCERTAIN

    found = f"{prediction.label} ({100 * prediction.confidence:.0f} %)"
    worst = {finding.severity for finding in findings}
    if prediction.label == NO_SPEECH and Severity.warning in worst:
        return Finding("answer", Severity.ok, f"{NO_SPEECH}: see the warning above")
    reason = (
        "what stands above may be why." if worst - {Severity.ok} else "nothing above explains it."
    )
    if prediction.label == NO_SPEECH:
        return Finding(
            "answer",
            Severity.warning,
            NO_SPEECH,
            f"The model hears no voice in it; {reason}",
            "Listen to the file. If somebody speaks in it, the voice may be too short, or covered "
            "by noise or music.",
        )
    if prediction.label == UNCERTAIN:
        return Finding(
            "answer",
            Severity.note,
            found,
            f"No emotion is likely enough; {reason}",
            "A longer recording may help; --threshold 0 gives the likeliest in any case.",
        )
    return Finding("answer", Severity.ok, found)
