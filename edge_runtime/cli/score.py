"""`edge-ser score`: scores of a model on labelled clips."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..audio.limits import audio_limits
from ..errors import ConfigError, EdgeSerError
from .options import (
    ForceOption,
    JobsOption,
    JsonOption,
    LabelCodesOption,
    LabelPatternOption,
    OutputOption,
    QuietOption,
    SpeakerPatternOption,
    SpeechThresholdOption,
    ThresholdOption,
    max_duration_option,
    max_size_option,
)
from .terminal import Interruption, Progress, is_terminal, print_error, wrap_hanging

if TYPE_CHECKING:
    from ..datasets.clip import Clip
    from ..scoring.clip_answers import ClipAnswer, ClipClassifier

ANSWER_COLUMNS = ["file", "corpus", "speaker", "truth"]


def score(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            readable=False,
            help="An .onnx model, or edge_ser or edge_ser_open, which are bundled.",
        ),
    ],
    data: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATA...",
            readable=False,
            help="Folders of labelled clips, or manifests: CSV files with columns path, label and "
            "optionally speaker.",
        ),
    ],
    speaker_pattern: SpeakerPatternOption = None,
    label_pattern: LabelPatternOption = None,
    label_codes: LabelCodesOption = None,
    split: Annotated[
        Literal["train", "val", "test"] | None,
        typer.Option(help="Score only clips that the data assign to this split."),
    ] = None,
    profiles: Annotated[
        bool,
        typer.Option(
            help="Score again with a profile from a minute of other clips of each speaker."
        ),
    ] = True,
    threshold: ThresholdOption = None,
    speech_threshold: SpeechThresholdOption = None,
    max_duration: Annotated[float | None, max_duration_option("1800")] = None,
    max_size: Annotated[str | None, max_size_option("1G")] = None,
    jobs: JobsOption = 1,
    as_json: JsonOption = False,
    output: OutputOption = None,
    answers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the answer for each clip to a CSV file."),
    ] = None,
    force: ForceOption = False,
    quiet: QuietOption = False,
) -> None:
    """Score a model on labelled clips.

    Reads what training reads: folders named as labels, also below train, val and test; corpora
    whose file names have the labels (CREMA-D, RAVDESS, EMO-DB, TESS and others); or a manifest.

    Prints the UAR (the mean of the recalls of the labels) with its interval, the recall of each
    label, the confusion matrix, the calibration error (ECE), the clips that were answered with "no
    speech", and how a profile of each speaker changes that, where the speakers are known.

    \b
    Examples:
      edge-ser score my.onnx recordings/
      edge-ser score edge_ser ravdess/ emodb/ --jobs 0
      edge-ser score my.onnx test.csv --json -o scores.json --answers answers.csv
      edge-ser score my.onnx calls/ --label-pattern "_([A-Z]+)\\.wav" --label-codes A=angry,S=sad
    """  # noqa: D301
    from ..datasets.corpora import find_clips, same_names, unused_folders
    from ..datasets.patterns import parse_codes
    from ..files import check_writable
    from ..inference.network import network_of
    from ..model import EmotionModel
    from ..scoring.clip_answers import ClipClassifier
    from ..scoring.model_scores import model_scores, scorable
    from ..scoring.score_report import as_text

    if model.is_dir():
        raise ConfigError(f"{model}: is a folder; expected MODEL first: edge-ser score MODEL DATA")
    for path in (output, answers):
        if path is not None:
            check_writable(path, force)
    limits = audio_limits(max_duration, max_size, False)
    loaded = EmotionModel.load(model)
    network = network_of(loaded)
    limit = network.check_threshold(threshold)
    codes = None if label_codes is None else parse_codes(label_codes)
    found = find_clips(data, speaker_pattern, label_pattern, codes)
    clips, other_labels = scorable(found, loaded.labels, split)
    for note in (*unused_folders(clips), *same_names(clips)):
        print(f"edge-ser: note: {note}", file=sys.stderr)
    show_progress = not quiet and is_terminal(sys.stderr)
    network.check_speech_threshold(speech_threshold)
    classifier = ClipClassifier(loaded, limits, speech_threshold)
    results, errors = _answers(classifier, clips, jobs, profiles, show_progress)
    for error in errors:
        print_error(error)
    if not results:
        raise typer.Exit(1)
    report = {
        "model": loaded.card.name,
        "file": str(network.path),
        "data": [str(path) for path in data],
        "with_profiles": profiles,
        "other_labels": other_labels,
        "errors": [str(error) for error in errors],
        **model_scores(loaded.card, results, limit),
    }
    text = json.dumps(report, indent=2, ensure_ascii=False) if as_json else as_text(report)
    if output is None and not as_json:
        text = wrap_hanging(text, 6, sys.stdout)
    _write(output, force, f"{text}\n")
    if answers is not None:
        _write(answers, force, _answer_table(results, loaded.labels, limit))
    if errors:
        raise typer.Exit(1)


def _answers(
    classifier: ClipClassifier, clips: list[Clip], jobs: int, profiles: bool, show_progress: bool
) -> tuple[list[ClipAnswer], list[EdgeSerError]]:
    """Classify the clips, with a progress bar."""
    from ..scoring.clip_answers import answer_clips

    n_profiled = sum(clip.speaker is not None for clip in clips) if profiles else 0
    progress = Progress(len(clips) + n_profiled) if show_progress else None

    def on_clip() -> None:
        Interruption.check()
        if progress is not None:
            progress.advance()

    try:
        return answer_clips(classifier, clips, jobs=jobs, profiles=profiles, on_clip=on_clip)
    finally:
        if progress is not None:
            progress.close()


def _write(output: Path | None, force: bool, text: str) -> None:
    from ..files import atomic_text_writer

    if output is None:
        print(text, end="")
        return
    with atomic_text_writer(output, force) as file:
        file.write(text)


def _answer_table(results: list[ClipAnswer], labels: tuple[str, ...], threshold: float) -> str:
    """Return the answer for each clip as CSV, without and with a profile."""
    from ..inference.prediction import NO_SPEECH, UNCERTAIN
    from ..results.rows import answer_columns, answer_values, guess_of

    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow([*ANSWER_COLUMNS, *answer_columns(labels), "guess_with_profile"])
    for result in results:
        clip, answer, profiled = result.clip, result.plain, result.profiled
        if answer.label != NO_SPEECH and answer.confidence < threshold:
            answer = dataclasses.replace(answer, label=UNCERTAIN)
        about = [clip.path, clip.corpus, clip.speaker, clip.label]
        with_profile = None if profiled is None else guess_of(profiled)
        writer.writerow([*about, *answer_values(answer), with_profile])
    return table.getvalue()
