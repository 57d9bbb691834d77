"""Messy datasets: no recording is lost, duplicated or leaked without a message."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.training import TRAINING_MFCC

from edge_runtime.datasets.clip import DatasetError
from edge_runtime.datasets.corpora import scan, spellings
from edge_runtime.datasets.folders import audio_files
from edge_runtime.features.silence import SilenceConfig
from train.data.features import load_dataset
from train.dataset import DatasetSpec, open_dataset
from train.recipes import DEFAULT_RECIPE


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def recordings(root: Path, *names: str) -> Path:
    """Write different noise to each path."""
    for k, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        samples = 0.1 * np.random.default_rng(k).standard_normal(4000)
        with (root / name).open("wb") as file:
            soundfile.write(file, samples, 16_000, format="WAV")
    return root


def load(root: Path, silence: SilenceConfig | None = None, **options):
    return load_dataset(scan([root], **options), TRAINING_MFCC, root.parent / "cache", silence)


FOUR = ("angry/a-1.wav", "angry/b-1.wav", "sad/a-2.wav", "sad/b-2.wav")
BY_NAME = {"speaker_pattern": r"([ab])-"}


# ------------------------------------------------------------------ names and labels


def test_spellings_of_a_label_are_merged_and_noted(tmp_path):
    root = touch(
        tmp_path,
        "Happy/1.wav",
        "happy/2.wav",
        "HAPPY /3.wav",
        "joy/4.wav",
        "a\u0308rger/5.wav",
        "\u00e4rger/6.wav",
        "\u200b\u00e4rger/7.wav",
    )
    clips = scan([root])
    assert {clip.label for clip in clips} == {"happy", "ärger"}
    happy, anger = sorted(spellings(clips), key=lambda line: "ärger'" in line)
    assert "'HAPPY ' (1), 'Happy' (1), 'happy' (1), 'joy' (1) are one label, 'happy'" in happy
    assert anger.count("(1)") == 3
    assert spellings(scan([touch(tmp_path / "plain", "a/1.wav", "b/1.wav")])) == []


def test_renamed_labels_are_noted(tmp_path):
    clips = scan([touch(tmp_path, "Anger/1.wav", "fear/2.wav", "joy/3.wav", "sad/4.wav")])
    assert spellings(clips) == [
        "labels are renamed to adjectives: 'Anger' is 'angry', 'fear' is 'fearful', "
        "'joy' is 'happy'"
    ]


def test_skipped_formats_are_noted(tmp_path, caplog):
    root = touch(tmp_path, "a/1.wav", "b/2.wav", "a/3.ape", "b/4.ape", "b/.5.ape", "b/6.txt")
    assert len(scan([root])) == 2
    assert f"{root}: note: skipped 2 .ape; convert each with `ffmpeg" in caplog.text


def test_speaker_names_ignore_case(tmp_path):
    (tmp_path / "m.csv").write_text("path,label,speaker\n1,sad,Anna\n2,angry, anna\n3,sad,ANNA \n")
    assert {clip.speaker for clip in scan([tmp_path / "m.csv"])} == {"m/Anna"}


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("uncertain", "is reserved by the runtime"),
        ("No  Speech", "is reserved by the runtime"),
        ("a\x07b", r"'a\\x07b' contains a control character"),
        (os.fsdecode(b"\xe4"), "bytes that are not UTF-8"),
        ("x" * 65, "has 65 characters; expected 64 at most"),
    ],
)
def test_invalid_label_is_refused(tmp_path, label, message):
    root = touch(tmp_path, f"{label}/1.wav", "sad/2.wav", "angry/3.wav")
    with pytest.raises(DatasetError, match=message):
        scan([root])
    assert len(scan([root], labels=["sad", "angry"])) == 2


def test_corpus_names_are_printable(tmp_path):
    root = touch(tmp_path / "nb\xa0sp \u200c\x07", "a/1.wav", "b/2.wav")
    assert {clip.corpus for clip in scan([root])} == {"nb sp \\u200c\\x07"}
    (tmp_path / "m.csv").write_text("path,label,corpus\n1,a,x\u200cy\n2,b,x\u200cy\n")
    assert {clip.corpus for clip in scan([tmp_path / "m.csv"])} == {"x\\u200cy"}


def test_unusual_file_names_are_read(tmp_path):
    names = ["-x.wav", "a b.wav", "a\nb.wav", "ä.wav", os.fsdecode(b"\xff.wav"), "%s'\".wav"]
    root = recordings(tmp_path / "x", *(f"{label}/{name}" for label in "ab" for name in names))
    assert len(load(root).clips) == 12


def test_split_folder_is_not_a_label(tmp_path):
    with pytest.raises(DatasetError, match="without a label folder"):
        scan([touch(tmp_path / "a", "train/1.wav", "test/2.wav")])
    root = touch(tmp_path / "b", "train/03-01-05-01-01-01-09.wav", "test/03-01-04-01-01-01-08.wav")
    assert {(c.label, c.split) for c in scan([root])} == {("angry", "train"), ("sad", "test")}


# ------------------------------------------------------------------ folders and links


def test_hidden_files_and_folders_are_skipped(tmp_path):
    root = touch(
        tmp_path,
        "a/1.wav",
        "a/._1.wav",
        ".DS_Store",
        ".git/x.wav",
        "__MACOSX/a/1.wav",
        "a/.ipynb_checkpoints/1.wav",
        "b/2.wav",
        "b/notes.txt",
    )
    assert [str(path.relative_to(root)) for path in audio_files(root)] == ["a/1.wav", "b/2.wav"]


def test_linked_folder_is_labelled_by_the_link(tmp_path):
    touch(tmp_path / "disk", "x17/1.wav")
    root = touch(tmp_path / "root", "angry/2.wav")
    (root / "sad").symlink_to(tmp_path / "disk" / "x17")
    assert [clip.label for clip in scan([root])] == ["angry", "sad"]


def test_link_loops_end_and_second_label_is_refused(tmp_path):
    root = touch(tmp_path, "angry/1.wav", "sad/2.wav")
    (root / "angry" / "up").symlink_to(root)
    (root / "sad" / "self").symlink_to("self")
    (root / "sad" / "self.wav").symlink_to("self.wav")
    (root / "sad" / "gone.wav").symlink_to("nowhere.wav")
    (root / "sad" / "over").symlink_to(root / "angry" / "up")
    clips = scan([root])
    assert [clip.path.name for clip in clips] == ["1.wav", "2.wav", "gone.wav", "self.wav"]
    (root / "calm").symlink_to(root / "sad")
    with pytest.raises(DatasetError, match="calm: links to .*sad, whose recordings would have"):
        scan([root])


def test_unreadable_folder_is_an_error(tmp_path, monkeypatch):
    root = touch(tmp_path, "angry/1.wav", "sad/2.wav")
    real = os.scandir

    def locked(path):
        if Path(path).name == "sad":
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", locked)
    with pytest.raises(DatasetError, match="sad: cannot be read: Permission denied"):
        scan([root])


# ------------------------------------------------------------------ manifests


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_spreadsheet_manifest_is_read(tmp_path, ends):
    lines = ["Path,LABEL,note", '"a, ""b"".wav",Sad,x', ",,", "../c.wav,angry", "/abs/d.wav,angry,"]
    (tmp_path / "m.csv").write_bytes(b"\xef\xbb\xbf" + ends.join(lines).encode())
    clips = scan([tmp_path / "m.csv"])
    assert [str(clip.path) for clip in clips] == [
        str(tmp_path / 'a, "b".wav'),
        str(tmp_path / "../c.wav"),
        "/abs/d.wav",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path;label\na.wav;sad\n", "no column label, path.*found: path;label"),
        (b"path,label,label\na,b,c\n", "has the column label twice"),
        (b"path,label\na,b.wav,sad\n", "line 2: 3 values for 2 columns"),
        (b'path,label\n"a.wav,sad\nb.wav,sad\n', "cannot be read as a manifest"),
        ("path,label\nä,sad\n".encode("utf-16"), "expected CSV in UTF-8"),
        (b"path,label\n" + b"a.wav\n" * 9, "path or label is empty.*and 4 more invalid lines"),
        (b"path,label\na\0.wav,sad\nb.wav,angry\n", "zero byte|NUL"),
    ],
)
def test_invalid_manifest_is_refused(tmp_path, content, message):
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        scan([tmp_path / "m.csv"])


def test_manifest_without_recordings_is_refused(tmp_path):
    (tmp_path / "manifest.csv").write_text("path,label,speaker\n")
    with pytest.raises(DatasetError, match="contains no recording"):
        scan([tmp_path])


def test_dangling_manifest_link_is_refused(tmp_path):
    root = touch(tmp_path, "angry/1.wav", "sad/2.wav")
    (root / "manifest.csv").symlink_to("nowhere.csv")
    with pytest.raises(DatasetError, match="manifest.csv: cannot be read as a manifest"):
        scan([root])


def test_many_missing_files_are_one_short_error(tmp_path):
    rows = [f"{k}.wav,{'sad' if k % 2 else 'angry'}" for k in range(5000)]
    root = recordings(tmp_path / "x", *FOUR)
    rows += [f"{name},{name.partition('/')[0]}" for name in FOUR]
    (root / "manifest.csv").write_text("path,label\n" + "\n".join(rows))
    with pytest.raises(DatasetError, match="5,004 clips: 5,000 cannot be read") as caught:
        load(root)
    assert len(str(caught.value)) < 1000 and "0.wav: no such file" in str(caught.value)


def test_few_bad_clips_are_skipped_and_listed(tmp_path, caplog):
    caplog.set_level("INFO")
    root = recordings(tmp_path / "x", *FOUR)
    (root / "sad" / "text\nfile.wav").write_text("no audio")
    (root / "sad" / "empty.wav").touch()
    (root / "sad" / "cut.wav").write_bytes((root / FOUR[0]).read_bytes()[:-4000])
    soundfile.write(root / "sad" / "silent.wav", np.zeros(8000), 16_000)
    soundfile.write(root / "sad" / "one.wav", np.full(1, 0.5), 16_000)
    (root / "sad" / "gone.wav").symlink_to("nowhere.wav")
    with pytest.raises(DatasetError, match="at least two classes are required"):
        load(touch(tmp_path / "y", "a/1.wav", "b/1.wav"))
    recordings(root, *FOUR, *(f"sad/c-{k}.wav" for k in range(3)))
    recipe = DEFAULT_RECIPE.with_settings(["speech=false"])  # needs no noise to be synthesised
    data = open_dataset(DatasetSpec((root,), cache=tmp_path / "cache"), recipe)
    assert len(data.clips) == 8 and len(data.unreadable) == 5
    lines = caplog.messages
    assert sum(line.startswith("Skipped: ") for line in lines) == 5
    assert "5 of 13 clips cannot be used" in lines
    assert all(np.isfinite(frames).all() for frames in data.frames)


# ------------------------------------------------------------------ copies


def test_copies_with_different_speakers_are_all_dropped(tmp_path):
    root = recordings(tmp_path / "x", *FOUR)
    shutil.copy(root / "sad/a-2.wav", root / "sad/b-9.wav")
    data = load(root, **BY_NAME)
    assert len(data.clips) == 3
    assert any("has another speaker in" in line and "b-9.wav" in line for line in data.duplicates)


def test_copy_with_an_excluded_label_is_dropped(tmp_path):
    root = recordings(tmp_path / "x", *FOUR, "calm/a-3.wav", "calm/a-4.wav")
    shutil.copy(root / "sad/a-2.wav", root / "calm/a-9.wav")
    (root / "calm/a-8.wav").write_bytes(b"no audio, but not of a requested label")
    recipe = DEFAULT_RECIPE.with_settings(["speech=false"])
    data = open_dataset(DatasetSpec((root,), ("angry", "sad"), cache=tmp_path / "cache"), recipe)
    assert len(data.clips) == 3 and data.labels == ["angry", "sad"] and not data.unreadable
    assert data.n_dropped == 1 and "a-2.wav" not in {clip.path.name for clip in data.clips}
    assert "has another label in" in data.duplicates[0]
    everything = open_dataset(DatasetSpec((root,), cache=tmp_path / "cache"), recipe)
    assert len(everything.clips) == 5 and everything.n_dropped == 2


def test_copy_with_a_speaker_is_preferred(tmp_path):
    root = recordings(tmp_path / "x", *FOUR)
    shutil.copy(root / "sad/b-2.wav", root / "sad/0.wav")
    data = load(root, **BY_NAME)
    assert len(data.clips) == 4 and {clip.speaker for clip in data.clips} == {"x/a", "x/b"}
    assert data.duplicates[0].endswith("0.wav; kept once")


def test_copy_in_training_and_test_is_kept_once(tmp_path):
    root = recordings(tmp_path / "x", *(f"train/{name}" for name in FOUR), "test/sad/z.wav")
    shutil.copy(root / "train/sad/a-2.wav", root / "test/sad/copy.wav")
    data = load(root)
    assert len(data.clips) == 5 and "kept once, in test" in data.duplicates[0]


def test_repeated_folder_gives_one_note(tmp_path):
    root = recordings(tmp_path / "x", *FOUR)
    clips = scan([root, root, root / "sad"], **BY_NAME)
    data = load_dataset(clips, TRAINING_MFCC, tmp_path / "cache")
    assert len(data.clips) == 4 and data.n_dropped == 6
    assert [line.split(": ")[1] for line in data.duplicates] == [
        "is listed more than once and counted once, and so are others"
    ]


def test_non_finite_cache_entries_are_recomputed(tmp_path):
    root, cache = recordings(tmp_path / "x", *FOUR), tmp_path / "cache"
    first = load(root)
    for entry in cache.rglob("*.npz"):
        with np.load(entry) as stored:
            values = dict(stored)
        np.savez(entry, **{**values, "rows": values["rows"] * np.nan})
    for a, b in zip(first.frames, load(root).frames):
        np.testing.assert_array_equal(a, b)
