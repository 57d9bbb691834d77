"""Training, validation and test splits; no speaker is in more than one of them."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from edge_runtime.datasets.clip import Clip, DatasetError

SPEAKER_INDEPENDENT = "speaker-independent"
RANDOM = "random"
RANDOM_VAL = "the validation clips are a random share of the training clips"
MAX_LISTED_SPEAKERS = 5  # in a note


@dataclass(frozen=True)
class Split:
    """Indices into a list of clips.

    Attributes:
        train: Clips to train on.
        val: Clips for model selection and calibration.
        test: Clips to score.
        kind: Quality of the split: "speaker-independent", "random", or a description.
        notes: Caveats for the user.
    """

    train: list[int]
    val: list[int]
    test: list[int]
    kind: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("train", "val", "test"):
            if not getattr(self, name):
                raise DatasetError(f"the split leaves no clip for {name!r}: add clips or speakers")


def make_split(
    clips: list[Clip],
    *,
    val: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    answered: Collection[str] | None = None,
) -> Split:
    """Divide clips into training, validation and test.

    Splits that the data define (folders `train` and `test`, or a column of the manifest) are kept.
    The rest is divided by speaker or, if no speaker can be held out, at random.

    Args:
        clips: The clips.
        val: Share of the clips to validate on, 0 to 1.
        test: Share of the clips to test on, 0 to 1.
        seed: Seed of the order of the speakers.
        answered: Labels that the network predicts. Default: all.

    Raises:
        DatasetError: If a part would be empty.
    """
    assigned: dict[str, list[int]] = {"train": [], "val": [], "test": []}
    for i, clip in enumerate(clips):
        assigned[clip.split or "train"].append(i)
    notes: list[str] = []
    kind = SPEAKER_INDEPENDENT
    for name, share in (("test", test), ("val", val)):
        if assigned[name]:
            continue
        # Testing leaves two speakers of each corpus: one to validate on and one to train on.
        remaining = 2 if name == "test" and not assigned["val"] else 1
        held_out, independent = hold_out(clips, assigned["train"], share, seed, remaining, answered)
        assigned[name] = held_out
        assigned["train"] = sorted(set(assigned["train"]) - set(held_out))
        if not independent:
            if name == "test":
                kind = RANDOM
            notes.append(_random_note(name, clips))
    if kind != RANDOM:
        shared = _shared_test_speakers(clips, assigned)
        notes += _shared_validation_speakers(clips, assigned)
        unknown = sum(clip.speaker is None for clip in clips)
        if unknown:
            kind = "as given, speakers unknown"
            notes.append(
                f"{unknown:,} clips have no speaker: the test speakers may be among the training "
                "speakers, and the score is optimistic"
            )
        elif shared:
            kind = "as given, speakers shared"
        notes.extend(shared)
    return Split(assigned["train"], assigned["val"], assigned["test"], kind, tuple(notes))


def hold_out(
    clips: list[Clip],
    among: list[int],
    share: float,
    seed: int,
    remaining: int = 1,
    answered: Collection[str] | None = None,
) -> tuple[list[int], bool]:
    """Hold out whole speakers of every corpus, or random clips if no speaker can be held out.

    Corpora of fewer than three speakers contribute none, unless there are no others. Speakers who
    are the only ones with a label are never held out, nor are those without an `answered` label.

    Args:
        clips: All clips.
        among: Indices of the clips to choose from.
        share: Approximate share of the clips to hold out, 0 to 1. At least one speaker per corpus.
        seed: Seed of the order of the speakers.
        remaining: Speakers of each corpus to keep, if it has as many.
        answered: Labels that the network predicts. Default: all.

    Returns:
        The indices of the clips, and whether they are all clips of their speakers.
    """
    speakers: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i in among:
        speaker = clips[i].speaker
        if speaker is not None:
            speakers[clips[i].corpus][speaker].append(i)
    large = [corpus for corpus in sorted(speakers) if len(speakers[corpus]) >= 3]
    large = large or [corpus for corpus in sorted(speakers) if len(speakers[corpus]) == 2]
    held_out: list[int] = []
    label_counts = Counter(clips[i].label for i in among)  # of the clips that are left
    for corpus in large:
        order = sorted(speakers[corpus])
        random.Random(f"{seed}/{corpus}").shuffle(order)
        goal = share * sum(map(len, speakers[corpus].values()))
        chosen: list[int] = []
        spare = len(order) - min(remaining, len(order) - 1)
        for speaker in order:
            own = speakers[corpus][speaker]
            if not spare or (chosen and len(chosen) + len(own) / 2 > goal):
                break
            labels = Counter(clips[i].label for i in own)
            indispensable = any(count == label_counts[label] for label, count in labels.items())
            if indispensable or not (answered is None or labels.keys() & set(answered)):
                continue
            chosen.extend(own)
            label_counts -= labels
            spare -= 1
        held_out.extend(chosen)
    if held_out:
        return sorted(held_out), True
    return _random_share(clips, among, share, seed), False


def _random_share(clips: list[Clip], among: list[int], share: float, seed: int) -> list[int]:
    """Return a share of every class, at least one clip of each class that has two or more."""
    by_label: dict[str, list[int]] = defaultdict(list)
    for i in among:
        by_label[clips[i].label].append(i)
    chosen: list[int] = []
    for label in sorted(by_label):
        order = list(by_label[label])
        random.Random(f"{seed}/{label}").shuffle(order)
        count = min(max(1, round(share * len(order))), len(order) - 1)
        chosen.extend(order[:count])
    return sorted(chosen)


def _random_note(name: str, clips: list[Clip]) -> str:
    if name == "val":
        return RANDOM_VAL
    speakers = {clip.speaker for clip in clips} - {None}
    if not speakers:
        return (
            "the speakers are unknown, so the test clips are a random share: the same voices may "
            "be in training, and the score is optimistic; give speakers in a manifest "
            "(path,label,speaker) or with --speaker-pattern"
        )
    if len(speakers) == 1:
        return (
            f"there is only one speaker, {speakers.pop()}, so the test clips are a random share: "
            "the score does not apply to other voices"
        )
    return (
        f"none of the {len(speakers)} speakers can be held out, because each is the only one with "
        "a label or the only one of a corpus, so the test clips are a random share: the same "
        "voices are in training, and the score is optimistic"
    )


def notes_on_labels(
    clips: list[Clip], split: Split, validation_folds: list[list[int]], labels: list[str]
) -> list[str]:
    """Return a note for each label that is missing from a part of the training.

    Args:
        clips: All clips.
        split: Their split; `train` and `val` together are cross-validated.
        validation_folds: Clips to validate on, one fold at a time, while the others are trained on.
        labels: Labels that the network predicts.

    Raises:
        DatasetError: If a label has no clip to train on, or no label has a clip to validate on.
    """

    def count(indices: Iterable[int]) -> Counter[str]:
        return Counter(clips[i].label for i in indices)

    untested = {*split.train, *split.val}
    trained, tested = count(untested), count(split.test)
    in_validation = {label for fold in validation_folds for label in count(fold)}
    in_training = {label for fold in validation_folds for label in count(untested - set(fold))}
    if not in_validation & set(labels):
        raise DatasetError(
            f"no clip with a label of {', '.join(labels)} is left to validate on: add clips or "
            "speakers, or use another --seed"
        )
    notes = []
    for label in labels:
        if not trained[label]:
            raise DatasetError(
                f"all {tested[label]} clips with the label {label!r} are in the test set: move "
                "some to 'train', or exclude it with --labels"
            )
        missing = [
            purpose
            for purpose, present in (
                ("train on during validation", in_training),
                ("validate on", in_validation),
                ("test", tested),
            )
            if label not in present
        ]
        if missing:
            total = trained[label] + tested[label]
            clip_count = f"{total:,} clip{'s' * (total > 1)}"
            notes.append(f"{label!r} has {clip_count}, none to {' or to '.join(missing)}")
    return notes


def _shared_test_speakers(clips: list[Clip], assigned: dict[str, list[int]]) -> list[str]:
    """Return notes on test speakers that a split given with the data also uses elsewhere."""
    speakers = {
        name: {clips[i].speaker for i in indices} - {None} for name, indices in assigned.items()
    }
    notes = []
    for other, purpose in (("train", "training"), ("val", "validation")):
        shared = sorted(speaker for speaker in speakers["test"] & speakers[other] if speaker)
        if shared:
            notes.append(
                f"{len(shared)} test speakers are also in {purpose} ({_listed(shared)}): the score "
                "is optimistic"
            )
    return notes


def _shared_validation_speakers(clips: list[Clip], assigned: dict[str, list[int]]) -> list[str]:
    """Return a note on validation speakers, if the data define them, that are also trained on."""
    trained = {clips[i].speaker for i in assigned["train"]} - {None}
    shared = sorted({str(clips[i].speaker) for i in assigned["val"] if clips[i].speaker in trained})
    if not shared or not any(clip.split == "val" for clip in clips):
        return []
    return [
        f"{len(shared)} speakers of 'val' are also in training ({_listed(shared)}): the model will "
        "be overconfident"
    ]


def _listed(speakers: list[str]) -> str:
    return ", ".join(speakers[:MAX_LISTED_SPEAKERS])
