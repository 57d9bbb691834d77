"""Splits and folds are speaker-independent, or a note says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_runtime.datasets.clip import Clip, DatasetError
from train.data.folds import actor_folds, inner_folds, leave_corpus_out, leave_one_speaker_out
from train.data.splits import hold_out, make_split


def clips_of(speakers: dict[str, int], corpus: str = "c", split: str | None = None) -> list[Clip]:
    return [
        Clip(
            Path(f"{corpus}-{speaker}-{k}.wav"),
            ("angry", "sad")[k % 2],
            f"{corpus}/{speaker}",
            split,
            corpus,
        )
        for speaker, count in speakers.items()
        for k in range(count)
    ]


def speakers_in(clips, indices):
    return {clips[i].speaker for i in indices}


@pytest.mark.slow
@given(
    counts=st.lists(st.integers(1, 40), min_size=4, max_size=30),
    seed=st.integers(0, 99),
    more=st.lists(st.integers(1, 40), max_size=3),
)
@example(counts=[14, 1, 1, 1], seed=1, more=[])  # three small speakers fill the test share
def test_no_speaker_is_in_two_splits(counts, seed, more):
    clips = clips_of({str(k): n for k, n in enumerate(counts)}) + clips_of(
        {str(k): n for k, n in enumerate(more)}, corpus="d"
    )
    split = make_split(clips, seed=seed)
    parts = [speakers_in(clips, part) for part in (split.train, split.val, split.test)]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    assert sorted(split.train + split.val + split.test) == list(range(len(clips)))
    assert split.kind == "speaker-independent"


def test_every_large_corpus_contributes_test_speakers():
    clips = (
        clips_of({"a": 9, "b": 9, "c": 9, "d": 9})
        + clips_of({"x": 5, "y": 5, "z": 5, "w": 5}, corpus="d")
        + clips_of({"OAF": 50, "YAF": 50}, corpus="two")
    )
    split = make_split(clips)
    for part in (split.val, split.test):
        assert {clips[i].corpus for i in part} == {"c", "d"}


def test_unknown_speakers_are_noted():
    clips = [Clip(Path(f"{k}.wav"), ("a", "b")[k % 2]) for k in range(40)]
    split = make_split(clips)
    assert split.kind == "random"
    assert any("optimistic" in note for note in split.notes)
    for part in (split.train, split.val, split.test):
        assert {clips[i].label for i in part} == {"a", "b"}


def test_given_splits_are_kept_and_shared_speakers_noted():
    clips = clips_of({"a": 10, "b": 10, "c": 10}, split="train") + clips_of(
        {"c": 4, "d": 6}, split="test"
    )
    split = make_split(clips)
    assert split.test == list(range(30, 40))
    assert any("test speakers are also in training (c/c)" in note for note in split.notes)
    assert split.kind == "as given, speakers shared"
    assert not speakers_in(clips, split.train) & speakers_in(clips, split.val)


def test_same_seed_gives_the_same_split():
    clips = clips_of({str(k): 5 for k in range(20)})
    assert make_split(clips, seed=3) == make_split(clips, seed=3)
    assert make_split(clips, seed=3) != make_split(clips, seed=4)


def test_protocols_test_every_clip_once():
    clips = clips_of({f"{k:02d}": 6 for k in range(1, 25)})
    for folds in (leave_one_speaker_out(clips), actor_folds(clips)):
        assert sorted(i for fold in folds for i in fold) == list(range(len(clips)))
        for fold in folds:
            rest = [i for i in range(len(clips)) if i not in set(fold)]
            assert not speakers_in(clips, fold) & speakers_in(clips, rest)
            val, whole = hold_out(clips, rest, 0.2, seed=0)
            assert whole
            assert not speakers_in(clips, val) & speakers_in(clips, set(rest) - set(val))
    assert len(actor_folds(clips)) == 5


def test_protocol_requires_speakers():
    with pytest.raises(DatasetError, match="2 of 2 clips have no speaker"):
        actor_folds([Clip(Path("a.wav"), "a"), Clip(Path("b.wav"), "b")])
    with pytest.raises(DatasetError, match="2 speakers are too few"):
        leave_one_speaker_out(clips_of({"a": 3, "b": 3}))


def test_too_few_clips_are_an_error():
    with pytest.raises(DatasetError, match="leaves no clip"):
        make_split([Clip(Path("a.wav"), "a"), Clip(Path("b.wav"), "b")])


def test_corpora_are_left_out_whole_and_small_ones_never_tested():
    three = {"a": 3, "b": 2, "c": 4}
    clips = clips_of(three, "x") + clips_of({"d": 5, "e": 5}, "y") + clips_of(three, "z")
    folds = leave_corpus_out(clips)
    assert [{clips[i].corpus for i in fold} for fold in folds] == [{"x"}, {"z"}]
    assert [len(fold) for fold in folds] == [9, 9]
    with pytest.raises(DatasetError, match="at least two corpora; found x"):
        leave_corpus_out(clips_of(three, "x"))
    with pytest.raises(DatasetError, match="have no speaker"):
        leave_corpus_out([Clip(Path("a.wav"), "sad", None, None, "x")])


def test_inner_folds_validate_every_speaker_once():
    clips = [
        clip
        for corpus, count in (("a", 7), ("b", 3), ("small", 2))
        for clip in clips_of({f"{k}": 2 for k in range(count)}, corpus)
    ]
    among = [i for i, clip in enumerate(clips) if clip.speaker != "a/0"]
    folds = inner_folds(clips, among, 3, seed=1)
    assert len(folds) == 3
    left_out = [i for fold in folds for i in fold]
    assert sorted(left_out) == [i for i in among if clips[i].corpus != "small"]
    for fold in folds:
        speakers = {clips[i].speaker for i in fold}
        assert speakers.isdisjoint(clips[i].speaker for i in set(among) - set(fold))
        assert {clips[i].corpus for i in fold} == {"a", "b"}
    assert inner_folds(clips, among, 3, seed=1) == folds != inner_folds(clips, among, 3, seed=2)
    pair = [i for i, clip in enumerate(clips) if clip.corpus == "small"]
    assert [len(fold) for fold in inner_folds(clips, pair, 3, seed=0)] == [2, 2]
    (only,) = inner_folds(clips, among, 1, seed=0)
    assert 0 < len(only) < len(among)
