"""Checks of the signal of a recording: level, clipping, DC offset, noise and bandwidth.

The comments state the share of predictions that changed; see `recording_checks`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .finding import Finding, Severity
from .recording import Recording

if TYPE_CHECKING:
    from ..inference.card import ModelCard

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

# The fifth percentile of 60 clips of each corpus of the bundled model is 16.6 dB (TESS) to 30.7 dB
# (RAVDESS). Their speech levels are -49 to -15 dBFS (5th to 95th percentiles).
TRAINED_SNR_DB = 16.0

# Level of attenuated speech. A twentieth to a tenth changed for levels relative to the loudest
# frame, up to half for absolute levels.
QUIET_DBFS = -50.0

# A telephone passes 300 to 3400 Hz: a quarter changed (reports/channels.md), nearly all of them
# because of the missing band below 300 Hz. High voices have little power below 200 Hz and soft ones
# little above 3.5 kHz, so that both bands must be weak. Their levels are added.
TELEPHONE_MAX_HZ = 5000.0
TELEPHONE_UPPER_DB, TELEPHONE_EDGES_DB = -9.0, -28.0

MIN_SPEECH_SECONDS = 1.0  # for an estimate of the noise

DEFAULT_MIN_DBFS = -70.0
DEFAULT_MAX_HZ = 4000.0
FULL_BAND_SHARE = 0.9  # of the band of the model or of the file


def check_level(r: Recording, card: ModelCard | None) -> Finding:
    """Check the level of a recording."""
    # An RMS of None is a mere offset.
    if r.loudest_dbfs is None or r.speech_dbfs is None or r.rms_dbfs is None:
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
        meaning = (
            "The voice is close to the noise of the microphone and converter, and quieter than "
            "nearly all recordings that the bundled model was trained on."
        )
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


def check_clipping(r: Recording) -> Finding:
    """Check the clipping of a recording."""
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


def check_offset(r: Recording) -> Finding:
    """Check the DC offset of a recording."""
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


def check_noise(r: Recording) -> Finding:
    """Check the noise of a recording."""
    if r.snr_db is None:
        return Finding("noise", Severity.ok, "not measured: no speech")
    if r.speech_seconds < MIN_SPEECH_SECONDS:
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
        f"predictions at 10 dB. The recordings that the bundled model was trained on have "
        f"{TRAINED_SNR_DB:.0f} dB or more.",
        "Move the microphone closer to the mouth, and away from fans, roads, loudspeakers and "
        "sources of hum. If that is not possible, create a speaker profile in the same noise: "
        "`edge-ser profile create NAME CLIP...`.",
    )


def check_bandwidth(r: Recording, card: ModelCard | None) -> Finding:
    """Check the bandwidth of a recording."""
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
            "recordings of the same line: `edge-ser profile create NAME CLIP...`.",
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
