"""Splits and notes for few speakers and few clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_runtime.datasets.clip import Clip, DatasetError
from edge_runtime.datasets.corpora import same_names
from train.data.folds import corpus_folds, inner_folds, leave_one_speaker_out
from train.data.splits import RANDOM, Split, make_split, notes_on_labels


def clips_of(*rows: tuple[str | None, str, int]) -> list[Clip]:
    return [
        Clip(Path(f"{speaker}-{label}-{k}.wav"), label, speaker and f"c/{speaker}", None, "c")
        for speaker, label, count in rows
        for k in range(count)
    ]


def test_one_speaker_is_a_random_split_and_told_so():
    split = make_split(clips_of(("a", "sad", 9), ("a", "angry", 9)))
    assert split.kind == RANDOM
    assert split.notes[0].startswith("there is only one speaker, c/a,")
    with pytest.raises(
        DatasetError, match="1 speaker is too few for this protocol, which requires 3"
    ):
        leave_one_speaker_out(clips_of(("a", "sad", 9)))


@pytest.mark.parametrize("seed", range(6))
def test_who_alone_has_a_label_is_trained_on(seed):
    clips = clips_of(
        *((s, label, 4) for s in "abcdef" for label in ("sad", "angry")), ("c", "happy", 1)
    )
    split = make_split(clips, seed=seed)
    assert len(clips) - 1 in split.train and split.kind == "speaker-independent"
    (note,) = notes_on_labels(clips, split, [split.val], ["angry", "happy", "sad"])
    assert note == "'happy' has 1 clip, none to validate on or to test"


def test_speakers_of_one_label_each_cannot_be_held_out():
    split = make_split(clips_of(("a", "sad", 9), ("b", "angry", 9), ("d", "happy", 9)))
    assert split.kind == RANDOM and "none of the 3 speakers can be held out" in split.notes[0]


def test_a_label_that_is_only_tested_is_an_error():
    clips = clips_of(("a", "sad", 4), ("b", "angry", 2))
    with pytest.raises(
        DatasetError, match="all 2 clips with the label 'angry' are in the test set"
    ):
        notes_on_labels(
            clips, Split([0, 1], [2, 3], [4, 5], "as given"), [[2, 3]], ["angry", "sad"]
        )


def test_who_chooses_in_turn_is_who_the_notes_speak_of():
    clips = clips_of(
        *((s, label, 4) for s in "abcdef" for label in ("sad", "angry")),
        ("c", "happy", 1),
        ("d", "happy", 1),
    )
    split = make_split(clips, seed=0)
    untested = sorted(split.train + split.val)
    happy = [i for i in untested if clips[i].label == "happy"]
    rest = [i for i in untested if i not in happy]
    labels = ["angry", "happy", "sad"]
    in_turn = [[happy[0], *rest[:10]], [*happy[1:], *rest[10:]]]
    assert len(happy) == 2  # who alone has a label is trained on
    notes = notes_on_labels(clips, split, in_turn, labels)
    assert notes == ["'happy' has 2 clips, none to test"]
    (note,) = notes_on_labels(clips, split, [rest[:10], rest[10:]], labels)
    assert note == "'happy' has 2 clips, none to validate on or to test"


def test_speakers_that_are_called_alike_in_two_manifests_are_told_of():
    mine = [
        Clip(Path("a.wav"), "sad", "train/anna", corpus="train"),
        Clip(Path("b.wav"), "sad", "test/anna", corpus="test"),
        Clip(Path("c.wav"), "sad", "test/ben", corpus="test"),
    ]
    known = [Clip(Path("d.wav"), "sad", f"{name}/03", corpus=name) for name in ("emodb", "ravdess")]
    (note,) = same_names([*mine, *known])
    assert note.startswith(
        "speaker anna is in test and in train: they are treated as different people"
    )
    assert same_names(known) == [] == same_names(mine[1:])


def test_speakers_of_val_that_are_trained_on_are_told_of():
    clips = [
        replace(clip, split=split)
        for clip, split in zip(
            clips_of(("a", "sad", 2), ("a", "angry", 2), ("b", "sad", 1), ("b", "angry", 1)),
            ["train", "val", "train", "val", "test", "test"],
        )
    ]
    split = make_split(clips)
    assert split.kind == "speaker-independent"  # the score is
    assert any(
        note.startswith("1 speakers of 'val' are also in training (c/a)") for note in split.notes
    )


def test_a_speaker_who_cannot_be_held_out_chooses_nothing():
    clips = clips_of(("a", "sad", 9), ("b", "angry", 9), ("d", "happy", 9))
    assert inner_folds(clips, list(range(27)), 1, seed=0) == []


def test_corpora_of_few_speakers_leave_the_choice_to_speakers():
    few = [
        Clip(Path(f"{c}{s}{i}.wav"), ("sad", "angry")[i], f"{c}/{s}", corpus=c)
        for c in "pq"
        for s in "ab"
        for i in range(2)
    ]
    assert corpus_folds(few) == []
    many = [replace(clip, corpus="r", speaker=f"r/{k // 2}") for k, clip in enumerate(few)]
    assert corpus_folds([*few, *many]) == [list(range(8, 16))]


def test_a_corpus_each_speaker_takes_turns_as_well():
    clips = [
        Clip(Path(f"{name}{k}.wav"), ("sad", "angry")[k], f"{name}/x", corpus=name)
        for name in "pqr"
        for k in range(2)
    ]
    assert inner_folds(clips, list(range(4)), 3, seed=0) == [[0, 1], [2, 3]]
    assert inner_folds(clips, list(range(6)), 3, seed=0) == [[0, 1], [2, 3], [4, 5]]


def test_auxiliary_speakers_are_not_held_out():
    clips = clips_of(
        *((s, label, 3) for s in "ab" for label in ("sad", "angry")),
        *((s, "calm", 3) for s in "cdefg"),
    )
    for seed in range(5):
        split = make_split(clips, seed=seed, answered=["angry", "sad"])
        assert {clips[i].label for i in split.test} == {"angry", "sad"}
