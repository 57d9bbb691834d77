"""Who is trained on, who chooses the epoch, who is scored: a speaker is in one split only."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from .clip import Clip, DatasetError

SPEAKER_INDEPENDENT = "speaker-independent"
RANDOM = "random"
RANDOM_VAL = "the validation clips are a random share of the training clips"


@dataclass(frozen=True)
class Split:
    """Indices into a list of clips. `kind` tells what a score on `test` is worth."""

    train: list[int]
    val: list[int]
    test: list[int]
    kind: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("train", "val", "test"):
            if not getattr(self, name):
                raise DatasetError(
                    f"the split leaves no clip for {name!r}: more clips or speakers are needed"
                )


def make_split(
    clips: list[Clip],
    *,
    val: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    answered: Collection[str] | None = None,
) -> Split:
    """Training, validation and test clips; `val` and `test` are shares of 0 to 1, `answered` the
    labels that count (None: all).

    Splits that the data themselves name (folders `train`, `test`; a manifest's column) are kept.
    What remains is divided by speaker; where no speaker is known, at random, and `notes` says so.
    """
    assigned: dict[str, list[int]] = {"train": [], "val": [], "test": []}
    for i, clip in enumerate(clips):
        assigned[clip.split or "train"].append(i)
    notes: list[str] = []
    kind = SPEAKER_INDEPENDENT
    for name, share in (("test", test), ("val", val)):
        if assigned[name]:
            continue
        # The test speakers leave two of each corpus: one to choose the epoch, one to train on.
        remaining = 2 if name == "test" and not assigned["val"] else 1
        chosen, independent = hold_out(clips, assigned["train"], share, seed, remaining, answered)
        assigned[name] = chosen
        assigned["train"] = sorted(set(assigned["train"]) - set(chosen))
        if not independent:
            if name == "test":
                kind = RANDOM
            notes.append(_random_note(name, clips))
    if kind != RANDOM:
        shared = _shared_speakers(clips, assigned)
        notes += _heard_before(clips, assigned)
        unknown = sum(clip.speaker is None for clip in clips)
        if unknown:
            kind = "as given, speakers unknown"
            notes.append(
                f"of {unknown:,} clips nothing tells who speaks: the voices that are tested may "
                "be among those trained on, and the score is optimistic"
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
    """About `share` of the clips `among`, as (indices, whether their speakers are held out whole).

    Each corpus gives whole speakers, in an order that the seed decides, at least one of them, and
    keeps `remaining` of them where it has so many; a corpus of fewer than three speakers gives
    none, unless there is no other. Who alone has a label is kept, and who has none of those that
    are `answered`.
    """
    speakers: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i in among:
        if clips[i].speaker is not None:
            speakers[clips[i].corpus][clips[i].speaker].append(i)
    rich = [corpus for corpus in sorted(speakers) if len(speakers[corpus]) >= 3]
    rich = rich or [corpus for corpus in sorted(speakers) if len(speakers[corpus]) == 2]
    held: list[int] = []
    left = Counter(clips[i].label for i in among)
    for corpus in rich:
        order = sorted(speakers[corpus])
        random.Random(f"{seed}/{corpus}").shuffle(order)
        goal = share * sum(map(len, speakers[corpus].values()))
        taken: list[int] = []
        spare = len(order) - min(remaining, len(order) - 1)
        for speaker in order:
            theirs = speakers[corpus][speaker]
            if not spare or (taken and len(taken) + len(theirs) / 2 > goal):
                break
            labels = Counter(clips[i].label for i in theirs)
            alone = any(count == left[label] for label, count in labels.items())
            if alone or not (answered is None or labels.keys() & set(answered)):
                continue
            taken.extend(theirs)
            left -= labels
            spare -= 1
        held.extend(taken)
    if held:
        return sorted(held), True
    return _random_share(clips, among, share, seed), False


def _random_share(clips: list[Clip], among: list[int], share: float, seed: int) -> list[int]:
    """A share of every class, at least one clip of each that has two or more."""
    by_label: dict[str, list[int]] = defaultdict(list)
    for i in among:
        by_label[clips[i].label].append(i)
    held: list[int] = []
    for label in sorted(by_label):
        order = list(by_label[label])
        random.Random(f"{seed}/{label}").shuffle(order)
        count = min(max(1, round(share * len(order))), len(order) - 1)
        held.extend(order[:count])
    return sorted(held)


def _random_note(name: str, clips: list[Clip]) -> str:
    if name == "val":
        return RANDOM_VAL
    speakers = {clip.speaker for clip in clips} - {None}
    if not speakers:
        return (
            "nothing tells who speaks, so the test clips are a random share: the same voices may "
            "be in training, and the score is optimistic; give speakers in a manifest "
            "(path,label,speaker) or with --speaker-pattern"
        )
    if len(speakers) == 1:
        return (
            f"there is one speaker, {speakers.pop()}, so the test clips are a random share: the "
            "score says nothing about other voices"
        )
    return (
        f"none of the {len(speakers)} speakers can be held out, because each alone has a label or "
        "is the only one of a corpus, so the test clips are a random share: the same voices are in "
        "training, and the score is optimistic"
    )


def notes_on_labels(
    clips: list[Clip], split: Split, choosing: list[list[int]], labels: list[str]
) -> list[str]:
    """What to know of labels that are not in every part of a training: of the clips that are not
    tested, those in each list of `choosing` choose the epoch while the others are trained on.

    Raises DatasetError for a label that nothing is left to learn from, and if none can be
    validated.
    """

    def of(indices: Iterable[int]) -> Counter[str]:
        return Counter(clips[i].label for i in indices)

    untested = {*split.train, *split.val}
    learnt, tested = of(untested), of(split.test)
    to_choose = {label for fold in choosing for label in of(fold)}
    to_train = {label for fold in choosing for label in of(untested - set(fold))}
    if not to_choose & set(labels):
        raise DatasetError(
            f"no clip of the labels {', '.join(labels)} is left to choose the epoch: more clips or "
            "speakers are needed, or another --seed"
        )
    notes = []
    for label in labels:
        if not learnt[label]:
            raise DatasetError(
                f"all {tested[label]} clips labelled {label!r} are in the test set: there "
                "is nothing to learn it from; give some to 'train', or leave it out with --labels"
            )
        lacking = [
            what
            for what, there in (
                ("train on while the epoch is chosen", to_train),
                ("choose the epoch", to_choose),
                ("score", tested),
            )
            if label not in there
        ]
        if lacking:
            total = learnt[label] + tested[label]
            notes.append(
                f"{label!r} has {total:,} clip{'s' * (total > 1)}, "
                f"none to {' or to '.join(lacking)}"
            )
    return notes


def _shared_speakers(clips: list[Clip], assigned: dict[str, list[int]]) -> list[str]:
    """Splits that come with the data may share speakers; then the score is not what it seems."""
    speakers = {
        name: {clips[i].speaker for i in indices} - {None} for name, indices in assigned.items()
    }
    notes = []
    for other, what in (("train", "trained on"), ("val", "choosing the epoch")):
        shared = sorted(speaker for speaker in speakers["test"] & speakers[other] if speaker)
        if shared:
            notes.append(
                f"{len(shared)} speakers are tested that are {what} as well "
                f"({', '.join(shared[:5])}): the score is optimistic"
            )
    return notes


def _heard_before(clips: list[Clip], assigned: dict[str, list[int]]) -> list[str]:
    """Who is to choose the epoch and the temperature, the data say; and they may be wrong."""
    speakers = {clips[i].speaker for i in assigned["train"]} - {None}
    heard = sorted({str(clips[i].speaker) for i in assigned["val"] if clips[i].speaker in speakers})
    if not heard or not any(clip.split == "val" for clip in clips):
        return []
    return [
        f"{len(heard)} speakers of 'val' are trained on as well ({', '.join(heard[:5])}): answers "
        "will be more confident than they should be"
    ]


def leave_one_speaker_out(clips: list[Clip]) -> list[list[int]]:
    """One list of test indices per speaker."""
    return _folds_of_speakers(clips, None)


def actor_folds(clips: list[Clip], n_folds: int = 5) -> list[list[int]]:
    """`n_folds` lists of test indices; the speakers are dealt out in turn, in sorted order."""
    return _folds_of_speakers(clips, n_folds)


def inner_folds(
    clips: list[Clip],
    among: list[int],
    n_folds: int,
    seed: int,
    answered: Collection[str] | None = None,
) -> list[list[int]]:
    """The clips `among` in up to `n_folds` lists, the speakers of each corpus dealt out at random.

    A corpus of fewer than three speakers is in none of them, unless there is no other. Each has
    clips with labels that are `answered` (None: all are). One fold is a fifth of the speakers, as
    `hold_out` chooses them; there is none where it can hold no speaker out.
    """
    if n_folds == 1:
        held, independent = hold_out(clips, among, 0.2, seed, 1, answered)
        return [held] if independent else []
    speakers: dict[str, set[str]] = defaultdict(set)
    for i in among:
        speakers[clips[i].corpus].add(clips[i].speaker or "")
    rich = [corpus for corpus in sorted(speakers) if len(speakers[corpus]) >= 3]
    fold_of: dict[tuple[str, str], int] = {}
    for corpus in rich or sorted(speakers):
        order = sorted(speakers[corpus])
        random.Random(f"{seed}/{corpus}").shuffle(order)
        first = 0 if rich else len(fold_of)  # small corpora share the folds
        fold_of |= {(corpus, speaker): (first + k) % n_folds for k, speaker in enumerate(order)}
    folds = [
        [i for i in among if fold_of.get((clips[i].corpus, clips[i].speaker or "")) == k]
        for k in range(n_folds)
    ]
    return [
        fold
        for fold in folds
        if len(fold) < len(among)
        and any(answered is None or clips[i].label in answered for i in fold)
    ]


def leave_corpus_out(clips: list[Clip]) -> list[list[int]]:
    """One list of test indices per corpus of three speakers or more: the others are trained on."""
    _need_speakers(clips)
    speakers = _speakers_of_corpora(clips)
    if len(speakers) < 2:
        raise DatasetError(
            f"leave-corpus-out needs two corpora or more; found {', '.join(speakers) or 'none'}"
        )
    folds = corpora_that_test(clips)
    if not folds:
        counts = ", ".join(f"{corpus} {len(names)}" for corpus, names in sorted(speakers.items()))
        raise DatasetError(
            f"leave-corpus-out tests corpora of three speakers or more; the speakers are {counts}"
        )
    return folds


def corpora_that_test(clips: list[Clip]) -> list[list[int]]:
    """The clips of each corpus of three speakers or more, where there are others to train on."""
    speakers = _speakers_of_corpora(clips)
    return [
        [i for i, clip in enumerate(clips) if clip.corpus == corpus]
        for corpus in sorted(speakers)
        if len(speakers) > 1 and len(speakers[corpus]) >= 3
    ]


def _speakers_of_corpora(clips: list[Clip]) -> dict[str, set[str | None]]:
    speakers: dict[str, set[str | None]] = defaultdict(set)
    for clip in clips:
        speakers[clip.corpus].add(clip.speaker)
    return speakers


def _folds_of_speakers(clips: list[Clip], n_folds: int | None) -> list[list[int]]:
    _need_speakers(clips)
    counts = Counter(clip.speaker for clip in clips)
    needed = max(n_folds or 0, 3)
    if len(counts) < needed:
        few = "1 speaker is" if len(counts) == 1 else f"{len(counts)} speakers are"
        raise DatasetError(
            f"{few} too few for this protocol, which needs {needed}: some to test, some to choose "
            "the epoch and some to train on; "
            + ("--protocol loso needs 3" if len(counts) >= 3 else "add speakers, or use `fit`")
        )
    n_folds = n_folds or len(counts)
    fold_of = {speaker: k % n_folds for k, speaker in enumerate(sorted(counts))}
    return [
        [i for i, clip in enumerate(clips) if fold_of[clip.speaker] == k] for k in range(n_folds)
    ]


def _need_speakers(clips: list[Clip]) -> None:
    unknown = [clip for clip in clips if clip.speaker is None]
    if unknown:
        raise DatasetError(
            f"some clips have no speaker ({len(unknown):,} of {len(clips):,}, such as "
            f"{unknown[0].path}): a speaker-independent protocol needs them; give a manifest with "
            "a column speaker, or --speaker-pattern"
        )
