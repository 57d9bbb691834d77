"""Emotions of cues, and `edge-ser attach` as a process."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import soundfile
from support.command import edge_ser

from edge_runtime import AudioError, EmotionModel, SpeakerProfile
from edge_runtime.attach.emotions import classify_cues
from edge_runtime.attach.transcript import By, Cue
from edge_runtime.audio.channel_roles import parse_roles
from edge_runtime.errors import ConfigError
from edge_runtime.notes import notes_to

RATE = 16_000
GAP = 0.5


@pytest.fixture(scope="module")
def model():
    return EmotionModel.load()


@pytest.fixture(scope="module")
def call(tmp_path_factory, voice_clips):
    """Two speakers on two channels, who take turns, and their cues."""
    folder = tmp_path_factory.mktemp("calls")
    gap = np.zeros(round(GAP * RATE), np.float32)
    sides, cues, time = [], [], 0.0
    for number, clip in enumerate(voice_clips):
        both = np.zeros((len(clip) + len(gap), 2), np.float32)
        both[: len(clip), number % 2] = clip
        sides.append(both)
        speaker = ("agent", "customer")[number % 2]
        cues.append(Cue(round(time, 3), round(time + len(clip) / RATE, 3), speaker))
        time += len(both) / RATE
    samples = np.concatenate(sides)
    soundfile.write(folder / "call.wav", samples, RATE)
    soundfile.write(folder / "mono.wav", samples.mean(axis=1), RATE)
    return folder, cues


def test_cues_equal_clips(model, call):
    folder, cues = call
    samples, _ = soundfile.read(folder / "mono.wav", dtype="float32")
    emotions = classify_cues(model, folder / "mono.wav", cues, threshold=0)
    for cue, emotion in zip(cues, emotions):
        clip = samples[round(cue.start * RATE) : round(cue.end * RATE)]
        expected = model.classify(clip, threshold=0)
        assert emotion == (expected.label, expected.confidence, expected.probabilities)
    backwards = classify_cues(model, folder / "mono.wav", cues[::-1], threshold=0)
    assert backwards == emotions[::-1]


def test_overlapping_and_unusable_cues(model, call):
    folder, cues = call
    end = cues[-1].end + GAP
    others = [Cue(0.0, 0.1), Cue(0.2, end + 60), Cue(end + 1, end + 2), Cue(0, 1000)]
    notes = []
    with notes_to(notes.append):
        emotions = classify_cues(model, folder / "mono.wav", [*others, *cues], threshold=0)
    assert emotions[0] is None and emotions[1] is not None
    assert emotions[2:4] == [None, None]
    assert emotions[4:] == classify_cues(model, folder / "mono.wav", cues, threshold=0)
    assert any("1 cue longer than 300 s gets no emotion" in text for text in notes)
    assert any("1 cue after its end gets no emotion" in text for text in notes)


def test_speakers_have_profiles(model, call):
    folder, cues = call
    samples, _ = soundfile.read(folder / "mono.wav", dtype="float32")
    clips = [samples[round(c.start * RATE) : round(c.end * RATE)] for c in cues]
    emotions = classify_cues(model, folder / "mono.wav", cues, by=By.speaker, threshold=0)
    for name in ("agent", "customer"):
        own = [clip for clip, cue in zip(clips, cues) if cue.speaker == name]
        profile = SpeakerProfile.create("speaker", model, own)
        expected = [model.classify(clip, profile=profile, threshold=0).label for clip in own]
        assert [e and e.label for e, c in zip(emotions, cues) if c.speaker == name] == expected


def test_channels(model, call):
    folder, cues = call
    path = folder / "call.wav"
    roles = parse_roles("1=agent,2=customer", "customer")
    capitals = [cue._replace(speaker=cue.speaker.upper()) for cue in cues[:2]]
    named = [*capitals, *cues[2:]]
    by_role = classify_cues(model, path, named, by=By.channel, roles=roles, threshold=0)
    unnamed = [cue._replace(speaker=None) for cue in cues]
    loudest = classify_cues(model, path, unnamed, by=By.channel, threshold=0)
    assert [e is None for e in by_role] == [cue.speaker == "agent" for cue in cues]
    assert all(role in (None, loud) for role, loud in zip(by_role, loudest))
    with pytest.raises(AudioError, match="has one channel"):
        classify_cues(model, folder / "mono.wav", cues, by=By.channel)


@pytest.mark.parametrize(
    "channels, only, message",
    [
        (None, "agent", "requires --channels"),
        ("agent", None, "expected channel=role"),
        ("1=agent,1=customer", None, "twice"),
        ("1=a,2=a", None, "twice"),
        ("1=agent,3=customer", None, "a role for each channel from 1 to 3"),
        ("1=agent,2=customer", "boss", "expected agent, customer"),
        ("1=../x", None, "expected channel=role"),
    ],
)
def test_invalid_roles(channels, only, message):
    with pytest.raises(ConfigError, match=message):
        parse_roles(channels, only)


@pytest.mark.slow
def test_command(call, tmp_path):
    folder, cues = call
    srt = tmp_path / "call.srt"
    srt.write_bytes(
        b"".join(
            b"%d\r\n00:00:%06.3f --> 00:00:%06.3f\r\ncaf\xe9\r\n\r\n" % (k, cue.start, cue.end)
            for k, cue in enumerate(cues)
        )
    )
    done = edge_ser("attach", srt, folder / "mono.wav", "--threshold", 0, "-o", tmp_path / "a.srt")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    content = (tmp_path / "a.srt").read_bytes()
    assert content.count(b"\r\n[") == len(cues) and b"] caf\xe9\r\n" in content
    again = edge_ser("attach", srt, folder / "mono.wav", "-o", tmp_path / "a.srt")
    assert again.returncode == 2 and "exists already" in again.stderr
    none = edge_ser("attach", srt, folder / "mono.wav", "--threshold", 1, "-o", tmp_path / "b.srt")
    assert none.returncode == 0 and (tmp_path / "b.srt").read_bytes() == srt.read_bytes()


@pytest.mark.slow
def test_command_writes_a_sidecar_of_rttm(call, tmp_path):
    folder, cues = call
    rttm = tmp_path / "call.rttm"
    rttm.write_text(
        "".join(
            f"SPEAKER call {1 + k % 2} {c.start} {c.end - c.start:.3f} <NA> <NA> {c.speaker}"
            " <NA> <NA>\n"
            for k, c in enumerate(cues)
        )
    )
    done = edge_ser("attach", rttm, folder / "call.wav", "--by", "channel")
    assert done.returncode == 2 and "--output is required" in done.stderr
    out = tmp_path / "out.rttm"
    done = edge_ser("attach", rttm, folder / "call.wav", "--threshold", 0, "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert out.read_bytes() == rttm.read_bytes()
    with (tmp_path / "out.emotions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(float(r["start"]), r["speaker"]) for r in rows] == [(c.start, c.speaker) for c in cues]
    assert {row["emotion"] for row in rows} <= {"angry", "happy", "neutral", "sad"}


@pytest.mark.slow
def test_invalid_options_of_the_command(call, tmp_path):
    folder, _ = call
    (tmp_path / "call.srt").write_text("")
    for options, message in (
        (["--style", "class"], "--style class is not supported for .srt; expected prefix"),
        (["--by", "speaker", "--channels", "1=a"], "--channels requires --by channel"),
        (["--tier", "a"], "--tier applies to TextGrids"),
        (["-o", tmp_path / "a.vtt"], "a.vtt: the output has the format of the transcript"),
    ):
        done = edge_ser("attach", tmp_path / "call.srt", folder / "mono.wav", *options)
        assert done.returncode == 2 and message in done.stderr
