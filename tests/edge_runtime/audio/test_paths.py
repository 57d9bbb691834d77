"""Expansion of files, folders and patterns."""

from __future__ import annotations

import os
import subprocess

import pytest

from edge_runtime.audio import paths
from edge_runtime.audio.paths import AUDIO_SUFFIXES, expand
from edge_runtime.errors import AudioError

FILES = [
    "a.wav",
    "b.FLAC",
    "notes.txt",
    ".hidden.wav",
    "deep/er/c.mp3",
    "deep/d.wav",
    ".secret/e.wav",
    "empty/readme.md",
    "x[1].wav",
    "Z.ogg",
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def expanded(*names: str) -> list[str]:
    return [str(name) for name in expand(names)]


def test_folder_expands_to_its_audio_files_in_order(folder):
    inside = ["Z.ogg", "a.wav", "b.FLAC", "x[1].wav", "deep/d.wav", "deep/er/c.mp3"]
    assert expanded(".") == [os.path.join(".", name) for name in inside]
    assert expanded(str(folder)) == [str(folder / name) for name in inside]


OTHERS = ("a.m4a", "b.M4A", "deep/c.amr", "film.mp4")


@pytest.mark.parametrize("pattern", [".", "**/*"])
def test_skipped_audio_is_noted(folder, caplog, monkeypatch, pattern):
    monkeypatch.setattr(paths, "has_extra_formats", lambda: False)
    before = expanded(pattern)
    assert not caplog.records
    for name in OTHERS:
        (folder / name).touch()
    assert expanded(pattern) == before
    (record,) = caplog.records
    assert record.message == (
        f"{pattern}: note: skipped 1 .amr, 2 .m4a, 1 .mp4; convert each with `ffmpeg -i NAME.m4a "
        "-ac 1 NAME.wav`; `pip install 'edge-ser[formats]'` reads .amr .m4a"
    )


def test_extra_formats_are_found_where_they_can_be_read(folder, caplog, monkeypatch):
    monkeypatch.setattr(paths, "has_extra_formats", lambda: True)
    before = expanded(".")
    for name in OTHERS:
        (folder / name).touch()
    assert {*expanded(".")} - {*before} == {"./a.m4a", "./b.M4A", "./deep/c.amr"}
    assert "skipped 1 .mp4" in caplog.text


def test_file_names_are_passed_on(folder):
    names = ["notes.txt", ".hidden.wav", "missing.wav", "x[1].wav", "-", "a.wav", "a.wav"]
    assert expanded(*names) == names


def test_links_are_followed_once(folder):
    (folder / "deep" / "up").symlink_to(folder)
    (folder / "deep" / "self").symlink_to(folder / "deep" / "self")
    (folder / "deep" / "again").symlink_to(folder / "deep")
    (folder / "deep" / "gone.wav").symlink_to(folder / "nowhere")
    assert expanded("deep") == [
        "deep/d.wav",
        "deep/gone.wav",
        "deep/er/c.mp3",
        *(f"deep/up/{name}" for name in ("Z.ogg", "a.wav", "b.FLAC", "x[1].wav")),
    ]
    assert "deep/up/a.wav" in expanded("deep/**/*.wav")
    (folder / "link").symlink_to(folder / "empty")
    assert expanded("link/..") == expanded(".")[:0] + [
        f"link/../{name[2:]}" for name in expanded(".")
    ]


@pytest.mark.parametrize(
    "pattern",
    [
        "*.wav",
        "?.wav",
        "[ab].*",
        "deep/*.wav",
        "**/*.wav",
        "deep/**/*.mp3",
        "*/*.wav",
        "./*.wav",
        "**/er/*",
        "*.txt",
        "[!a].wav",
    ],
)
def test_pattern_matches_as_in_bash(folder, pattern):
    shell = subprocess.run(
        ["bash", "-O", "globstar", "-O", "nullglob", "-c", f"printf '%s\\n' {pattern}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    if shell:
        assert sorted(expanded(pattern)) == sorted(shell)
    else:
        assert expanded(pattern) == [f"{pattern}: matches no audio files"]


def test_pattern_without_suffix_matches_audio_once(folder):
    everything = ["Z.ogg", "a.wav", "b.FLAC", "deep/d.wav", "deep/er/c.mp3", "x[1].wav"]
    assert sorted(expanded("*")) == sorted(expanded("**")) == everything
    assert sorted(expanded("**/**/*")) == everything
    assert expanded(f"{folder}/d*") == [f"{folder}/deep/d.wav", f"{folder}/deep/er/c.mp3"]


def test_error_takes_the_place_of_an_empty_name(folder):
    names = list(expand(["a.wav", "empty", "no*.wav", "b.FLAC"]))
    assert [isinstance(name, AudioError) for name in names] == [False, True, True, False]
    assert "empty: holds no audio files" in str(names[1])
    assert "no*.wav: matches no audio files" in str(names[2])


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may read")
def test_unreadable_folder_does_not_hide_others(folder):
    (folder / "deep").chmod(0)
    names = list(expand(["."]))
    (folder / "deep").chmod(0o755)
    assert "deep: cannot be searched" in str(names[-1]) and "./a.wav" in names


def test_undecodable_names_are_kept(folder):
    name = os.fsdecode(b"\xff\xfe.wav")
    (folder / "empty" / name).touch()
    assert expanded("empty") == [os.path.join("empty", name)]


def test_suffixes_are_formats_of_libsndfile():
    import soundfile

    known = {f".{kind.lower()}" for kind in soundfile.available_formats()}
    assert {
        ".wav",
        ".flac",
        ".ogg",
        ".aiff",
        ".au",
        ".caf",
        ".w64",
        ".rf64",
        ".voc",
        ".avr",
        ".nist",
        ".ircam",
    } <= known & AUDIO_SUFFIXES
    assert not {".mat", ".txt", ".m4a"} & AUDIO_SUFFIXES
