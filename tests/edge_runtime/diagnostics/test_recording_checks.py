"""Checks of recordings: each problem is found in a signal that has it, and only there."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from support import hostile
from support.command import edge_ser
from support.paths import ROOT, VOICES
from support.tiny_model import write_tiny_model

from edge_runtime import AudioError, EmotionModel, Prediction
from edge_runtime.diagnostics.finding import Finding, Severity, verdict
from edge_runtime.diagnostics.recording import MEASURED_SECONDS, clipped_share, measure_recording
from edge_runtime.diagnostics.recording_checks import Examination, check_answer, examine
from edge_runtime.diagnostics.signal_checks import check_level
from edge_runtime.diagnostics.synthetic_voice import synthetic_voice
from edge_runtime.inference.network import network_of

RATE = 16_000
VOICE = synthetic_voice(3.0) - np.float32(synthetic_voice(3.0).mean())
VOICE_RMS = float(np.sqrt(np.mean(VOICE**2)))
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model():
    return EmotionModel.load()


@pytest.fixture
def examine_samples(tmp_path, model):
    """Examine samples as a file."""

    def examined(samples: np.ndarray, rate: int = RATE, **options) -> Examination:
        soundfile.write(tmp_path / "clip.wav", samples, rate, **options)
        return examine(tmp_path / "clip.wav", model)

    return examined


def severities(examination: Examination) -> dict[str, str]:
    """Return the severities other than ok by name."""
    return {
        finding.name: finding.severity.value
        for finding in examination.findings
        if finding.severity is not Severity.ok
    }


def band(samples: np.ndarray, low: float, high: float) -> np.ndarray:
    """Remove all frequencies outside a band."""
    spectrum = np.fft.rfft(samples)
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE)
    spectrum[(frequencies < low) | (frequencies > high)] = 0
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def noisy(decibels: float) -> np.ndarray:
    """Return the voice with white noise at a signal-to-noise ratio."""
    noise = VOICE_RMS * 10 ** (-decibels / 20) * RNG.standard_normal(len(VOICE))
    return 0.5 * (VOICE + noise)


def stereo(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.stack([left, right], axis=1)


def test_good_recording_has_no_problems(examine_samples):
    for samples in (VOICE, stereo(VOICE, VOICE)):
        examination = examine_samples(samples)
        assert severities(examination).keys() <= {"answer"}
    recording = [finding for finding in examination.findings if finding.name != "answer"]
    assert verdict(recording) == "fine"


@pytest.mark.parametrize(
    ("label", "confidence", "severity", "found"),
    [
        ("angry", 0.6, Severity.note, "angry (60 %), then sad (30 %)"),
        ("angry", 0.8, Severity.ok, "angry (80 %)"),
        ("uncertain", 0.35, Severity.note, "uncertain (35 %)"),
    ],
)
def test_answer_of_low_confidence_is_not_fine(label, confidence, severity, found):
    prediction = Prediction(label, confidence, {"happy": 0.1, "sad": 0.3, "angry": 0.6})
    finding = check_answer(prediction, [])
    assert (finding.severity, finding.found) == (severity, found)
    assert ("profile create" in finding.advice) == (severity is not Severity.ok)


def test_noisy_recording_has_no_percentage_of_silence(examine_samples):
    found = {finding.name: finding for finding in examine_samples(noisy(5)).findings}
    assert "noise fills the pauses" in found["length"].found
    assert "trained on have 16 dB or more" in found["noise"].meaning


PROBLEMS = {
    "clipped": (np.clip(8 * VOICE, -1, 1), "clipping", "warning"),
    "a little clipped": (
        np.clip(VOICE / np.quantile(np.abs(VOICE), 0.996), -1, 1),
        "clipping",
        "note",
    ),
    "clipped, then turned down": (0.3 * np.clip(8 * VOICE, -1, 1), "clipping", "warning"),
    "a constant": (0.5 * VOICE + 0.5 * VOICE_RMS, "offset", "warning"),
    "a small constant": (VOICE + 0.05 * VOICE_RMS, "offset", "note"),
    "much noise": (noisy(5), "noise", "warning"),
    "some noise": (noisy(14), "noise", "note"),
    "quiet": (VOICE * 10 ** (-35 / 20), "level", "note"),
    "hardly there": (VOICE * 10 ** (-60 / 20), "level", "warning"),
    "silence": (np.zeros(2 * RATE), "level", "warning"),
    "a telephone": (band(VOICE, 300, 3400), "bandwidth", "warning"),
    "half a second": (VOICE[:6400], "length", "warning"),
    "less than a second": (VOICE[: RATE * 3 // 4], "length", "note"),
    "minutes": (np.tile(VOICE, 21), "length", "note"),
    "one channel upside down": (stereo(VOICE, -VOICE), "channels", "warning"),
    "upside down and quieter": (stereo(VOICE, -0.7 * VOICE), "channels", "warning"),
    "one channel empty": (stereo(VOICE, 0 * VOICE), "channels", "note"),
    "one channel with hiss": (
        stereo(1e-4 * RNG.standard_normal(len(VOICE)), VOICE),
        "channels",
        "note",
    ),
    "two people": (stereo(VOICE, np.roll(VOICE[::-1], 5000)), "channels", "note"),
}


@pytest.mark.parametrize(("samples", "name", "severity"), PROBLEMS.values(), ids=PROBLEMS)
def test_problem_is_found(examine_samples, samples, name, severity):
    examination = examine_samples(samples)
    finding = {finding.name: finding for finding in examination.findings}[name]
    assert finding.severity.value == severity
    assert finding.meaning and finding.advice
    # Consequences of the problem may be found too, but no other problem.
    consequences = {"answer", "level"} if severity == "warning" else {"answer"}
    if name in ("level", "length"):
        consequences |= {"length", "noise"}
    assert set(severities(examination)) <= {name} | consequences


def test_eight_bits_are_a_note(examine_samples):
    assert severities(examine_samples(VOICE, subtype="PCM_U8"))["format"] == "note"


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_findings_do_not_depend_on_the_sample_rate(examine_samples, rate):
    import soxr

    found = severities(examine_samples(soxr.resample(VOICE, RATE, rate), rate))
    assert found.keys() <= {"answer"}
    telephone = soxr.resample(band(VOICE, 300, 3400), RATE, rate)
    assert severities(examine_samples(telephone, rate)).get("bandwidth") == "warning"


@pytest.mark.parametrize("decibels", [30, 20, 10, 5, 0])
def test_noise_estimate_is_close(tmp_path, decibels):
    """The quietest twentieth of the noise is 1 to 2 dB below its mean."""
    soundfile.write(tmp_path / "clip.wav", noisy(decibels), RATE)
    assert measure_recording(tmp_path / "clip.wav").snr_db == pytest.approx(decibels - 0.5, abs=2.5)


@pytest.mark.parametrize("share", [0.03, 0.1, 0.3])
def test_clipped_share_equals_share_of_flat_samples(share):
    limit = float(np.quantile(np.abs(VOICE), 1 - share))
    assert clipped_share(np.clip(VOICE / limit, -1, 1)) == pytest.approx(share, rel=0.3)
    assert clipped_share(VOICE / np.abs(VOICE).max()) == 0


def test_levels_are_relative_to_a_full_scale_square_wave(tmp_path):
    square = np.where(np.arange(RATE) // 40 % 2, 0.5, -0.5)
    soundfile.write(tmp_path / "clip.wav", square, RATE)
    measured = measure_recording(tmp_path / "clip.wav")
    for level in (measured.peak_dbfs, measured.rms_dbfs, measured.speech_dbfs):
        assert level == pytest.approx(-6.02, abs=0.01)
    assert measured.silence == 0 and measured.seconds == 1.0


def test_silence_is_that_of_the_model(tmp_path, model):
    samples = np.concatenate([np.zeros(2 * RATE, np.float32), VOICE])
    soundfile.write(tmp_path / "clip.wav", samples, RATE, subtype="FLOAT")
    kept = len(network_of(model).speech_frames(samples))
    assert measure_recording(tmp_path / "clip.wav", model).speech_seconds == pytest.approx(
        0.02 * kept
    )


def test_long_file_is_measured_at_its_beginning(tmp_path):
    samples = np.zeros(int((MEASURED_SECONDS + 5) * 8000), np.float32)
    samples[-8000:] = 0.5  # after the measured beginning
    soundfile.write(tmp_path / "long.wav", samples, 8000)
    measured = measure_recording(tmp_path / "long.wav")
    assert measured.seconds == MEASURED_SECONDS + 5
    assert measured.measured_seconds == MEASURED_SECONDS
    assert measured.peak_dbfs is None


def test_one_sample_and_one_millisecond_are_examined(examine_samples):
    for n in (1, 16):
        assert severities(examine_samples(np.full(n, 0.1)))["length"] == "warning"


def test_samples_beyond_full_scale_are_clipped(examine_samples):
    assert severities(examine_samples(8 * VOICE, subtype="FLOAT"))["clipping"] == "warning"


def test_an_offset_without_a_signal_is_silence(examine_samples):
    recording = examine_samples(noisy(20)).recording
    finding = check_level(dataclasses.replace(recording, rms_dbfs=None), None)
    assert (finding.severity, finding.found) == ("warning", "silence only")


def test_unreadable_file_is_an_error(tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    with pytest.raises(AudioError, match="bad.wav"):
        examine(tmp_path / "bad.wav")


def test_command_checks_the_installation():
    result = edge_ser("doctor")
    assert result.returncode == 0, result.stderr
    for name in ("machine", "numpy", "onnxruntime", "libsndfile", "self-test", "microphone"):
        assert name in result.stdout
    assert result.stdout.splitlines()[-1].startswith("verdict: ")


@pytest.mark.slow
def test_command_checks_clips_and_reports_unreadable_ones(tmp_path):
    soundfile.write(tmp_path / "loud.wav", np.clip(8 * VOICE, -1, 1), RATE)
    missing = tmp_path / "missing.wav"
    result = edge_ser("doctor", tmp_path / "loud.wav", missing)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1 and str(missing) in result.stderr
    assert "! clipping" in result.stdout
    assert result.stdout.splitlines()[-1] == ("verdict: 1 unreadable; 1 problem (1 warning)")
    about = json.loads(edge_ser("doctor", "--json", tmp_path / "loud.wav", missing).stdout)
    loud, bad = about["clips"]
    assert loud["file"] == str(tmp_path / "loud.wav") and loud["recording"]["clipped"] > 0.01
    assert {"name": "clipping", "severity": "warning"}.items() <= loud["findings"][4].items()
    assert str(missing) in bad["error"]


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"no audio at all\n" * 50, "play it with another program; if that works, convert it"),
        (hostile.wav(size=99_999), "copy or record it again; `edge-ser classify --timeline`"),
    ],
    ids=["text", "truncated"],
)
def test_command_advises_on_unreadable_recordings(tmp_path, content, advice):
    path = tmp_path / "clip.wav"
    path.write_bytes(content)
    result = edge_ser("doctor", path)
    error, last = result.stderr.splitlines()
    assert result.returncode == 1 and str(path) in error
    assert last.startswith(f"edge-ser: {advice}")


def test_command_searches_folders(tmp_path):
    for name in ("calls/a.wav", "calls/b.wav", "empty/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, VOICE, RATE, format="WAV")
    result = edge_ser("doctor", "--json", tmp_path / "calls", tmp_path / "empty")
    clips = json.loads(result.stdout)["clips"]
    assert [clip["file"] for clip in clips] == [
        str(tmp_path / name) for name in ("calls/a.wav", "calls/b.wav", "empty")
    ]
    assert result.returncode == 1 and "holds no audio files" in clips[2]["error"]


def test_warnings_give_status_0(tmp_path):
    soundfile.write(tmp_path / "loud.wav", np.clip(8 * VOICE, -1, 1), RATE)
    assert edge_ser("doctor", tmp_path / "loud.wav").returncode == 0


def test_silence_gives_valid_json(tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros((RATE, 2)), RATE)
    text = edge_ser("doctor", "--json", tmp_path / "silence.wav").stdout
    about = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert about["clips"][0]["recording"]["peak_dbfs"] is None


@pytest.mark.slow
def test_invalid_model_gives_status_1_and_clips_are_checked(tmp_path):
    (tmp_path / "bad.onnx").write_text("no model")
    clip = VOICES / "sad" / "speaker01-1.wav"
    result = edge_ser("doctor", "--model", tmp_path / "bad.onnx", clip)
    assert result.returncode == 1
    assert "bad.onnx" in result.stdout and "bandwidth" in result.stdout
    own = write_tiny_model(tmp_path / "tiny.onnx")
    result = edge_ser("doctor", "--model", own, clip)
    assert result.returncode == 0 and "answer" in result.stdout


def test_verdict_counts_notes_and_warnings():
    findings = [
        Finding("a", Severity.note, ""),
        Finding("b", Severity.ok, ""),
        Finding("c", Severity.warning, ""),
    ]
    assert verdict(findings) == "2 problems (1 warning, 1 note)"


def test_full_disk_is_not_reported_as_a_problem_of_the_clip(tmp_path):
    clip = tmp_path / "a.wav"
    soundfile.write(clip, np.full(RATE, 0.1), RATE)
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "edge_runtime", "doctor", str(clip)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
    assert result.returncode == 1 and "a.wav" not in result.stderr
    assert "No space left on device" in result.stderr
