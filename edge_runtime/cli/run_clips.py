"""`edge-ser classify` for clips: one prediction per file."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from ..audio.decode import AudioFile
from ..audio.paths import expand
from ..audio.stdin import STDIN_NAME
from ..batch import adapted_classifier, process_all, speaker_units
from ..errors import AudioError, EdgeSerError
from ..messages import clock, printable
from ..results.sources import classify_source
from .classify_request import STDIN, AudioInputs, ClassifyRequest
from .output import open_writer
from .prediction_output import prediction_writer
from .terminal import Interruption, Progress, has_colours, is_terminal, print_error

if TYPE_CHECKING:
    from typing import TextIO

    from ..audio.limits import AudioLimits
    from ..audio.read import AudioSource
    from ..inference.prediction import Prediction
    from ..inference.profile import SpeakerProfile
    from ..model import EmotionModel
    from ..results.predictions import PredictionWriter

# A recording of this duration holds more than one emotion.
LONG_SECONDS = 30.0


def run_clips(
    request: ClassifyRequest, model: EmotionModel, profile: SpeakerProfile | None
) -> bool:
    """Classify all inputs and write their predictions in the order of the inputs.

    Returns:
        True if an input failed.
    """
    inputs, output = request.inputs, request.output
    names: Iterable[str | AudioError] = expand(inputs.paths)
    unit_of: dict[str, str] = {}
    if request.adapt:
        names, unit_of = speaker_units(inputs.paths)
    column_names: list[str] = []
    long: list[tuple[str, float]] = []
    progress = None
    aligned = output.path is None and is_terminal(sys.stdout)
    if aligned or request.show_progress:  # else keep the iterator: there may be a million files
        names = list(names)
        if request.show_progress:
            progress = Progress(len(names) + len(unit_of))
        if aligned:
            column_names = [name for name in names if isinstance(name, str)]

    def create_writer(file: TextIO) -> PredictionWriter:
        colours = has_colours(file)
        return prediction_writer(
            output.format, file, model.labels, colours=colours, names=column_names
        )

    classify = functools.partial(
        classify_audio,
        model,
        threshold=request.threshold,
        speech_threshold=request.speech_threshold,
        profile=profile,
    )
    classify_file: Callable[[str], TimedPrediction] = functools.partial(
        _classify_file, classify, inputs.limits, inputs.channel.number
    )
    if request.adapt:

        def count() -> None:
            Interruption.check()
            if progress is not None:
                progress.advance()

        try:
            adapted = adapted_classifier(
                model,
                unit_of,
                request.jobs,
                threshold=request.threshold,
                speech_threshold=request.speech_threshold,
                limits=inputs.limits,
                channel=inputs.channel.number,
                on_file=count,
            )
            classify_file = functools.partial(_without_duration, adapted)
        except BaseException:
            if progress is not None:
                progress.close()
            raise
    in_process = {STDIN: lambda: _classify_stdin(inputs, classify)}
    with (
        open_writer(output.path, output.force, create_writer) as writer,
        contextlib.closing(process_all(classify_file, names, request.jobs, in_process)) as results,
    ):
        try:
            for result in results:
                Interruption.check()
                if progress is not None:
                    progress.clear()
                if isinstance(result.result, EdgeSerError):
                    print_error(result.result)
                    writer.failed = True
                else:
                    prediction, seconds = result.result
                    writer.add(result.file, prediction)
                    if seconds >= LONG_SECONDS:
                        long.append((result.file, seconds))
                if progress is not None:
                    progress.advance()
        finally:
            if progress is not None:
                progress.close()
    if long and not request.quiet:
        print(_note_on_long(long), file=sys.stderr)
    return writer.failed


class TimedPrediction(NamedTuple):
    """The prediction for a recording, and its duration.

    Attributes:
        prediction: The prediction.
        seconds: Duration by the header; 0 if it is not known.
    """

    prediction: Prediction
    seconds: float


def classify_audio(
    model: EmotionModel,
    audio: AudioSource,
    *,
    threshold: float | None,
    speech_threshold: float | None,
    profile: SpeakerProfile | None,
) -> TimedPrediction:
    """Classify an open recording.

    Args:
        model: The model.
        audio: The recording.
        threshold: Confidence below which the label is "uncertain".
        speech_threshold: Probability from which a frame is speech.
        profile: Profile of the speaker, or None.

    Raises:
        AudioError: If it cannot be used.
    """
    prediction = classify_source(
        model, audio, threshold=threshold, speech_threshold=speech_threshold, profile=profile
    )
    return TimedPrediction(prediction, (audio.n_samples or 0) / audio.sample_rate)


def _classify_file(
    classify: Callable[[AudioSource], TimedPrediction],
    limits: AudioLimits,
    channel: int | None,
    name: str,
) -> TimedPrediction:
    return classify(AudioFile(name, limits=limits, channel=channel))


def _without_duration(classify: Callable[[str], Prediction], name: str) -> TimedPrediction:
    return TimedPrediction(classify(name), 0.0)


def _classify_stdin(
    inputs: AudioInputs, classify: Callable[[AudioSource], TimedPrediction]
) -> TimedPrediction:
    """Classify all of stdin; errors name stdin."""
    try:
        return classify(inputs.read_stdin())
    except AudioError as error:
        message = str(error)
        if not message.startswith(STDIN_NAME):
            message = f"{STDIN_NAME}: {message}"
        raise AudioError(message) from error


def _note_on_long(recordings: list[tuple[str, float]]) -> str:
    """Return a note that recommends a timeline for recordings, given as name and duration."""
    name, seconds = recordings[0]
    what, which = f"{name} lasts {clock(seconds)}", "it"
    if len(recordings) > 1:
        what = f"{len(recordings)} recordings last {LONG_SECONDS:.0f} s or more, such as {name}"
        which = "them"
    return f"edge-ser: note: {printable(what)}; --timeline splits {which} into segments"
