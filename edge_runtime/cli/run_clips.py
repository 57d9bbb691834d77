"""`edge-ser classify` for clips: one prediction per file."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..audio.paths import expand
from ..audio.stdin import STDIN_NAME
from ..batch import adapted_classifier, process_all, speaker_units
from ..errors import AudioError, EdgeSerError
from .classify_request import STDIN, AudioInputs, ClassifyRequest
from .output import open_writer
from .prediction_output import prediction_writer
from .terminal import Interruption, Progress, has_colours, is_terminal, print_error

if TYPE_CHECKING:
    from typing import TextIO

    import numpy as np

    from ..inference.prediction import Prediction
    from ..inference.profile import SpeakerProfile
    from ..model import EmotionModel
    from ..results.predictions import PredictionWriter


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

    classify = functools.partial(model.classify, threshold=request.threshold, profile=profile)
    classify_file: Callable[[str], Prediction]
    classify_file = functools.partial(classify, limits=inputs.limits, channel=inputs.channel)
    if request.adapt:

        def count() -> None:
            Interruption.check()
            if progress is not None:
                progress.advance()

        try:
            classify_file = adapted_classifier(
                model,
                unit_of,
                request.jobs,
                threshold=request.threshold,
                limits=inputs.limits,
                channel=inputs.channel,
                on_file=count,
            )
        except BaseException:
            if progress is not None:
                progress.close()
            raise
    in_process = {STDIN: lambda: _classify_stdin(inputs, classify, model.sample_rate)}
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
                    writer.add(result.file, result.result)
                if progress is not None:
                    progress.advance()
        finally:
            if progress is not None:
                progress.close()
    return writer.failed


def _classify_stdin(
    inputs: AudioInputs, classify: Callable[[np.ndarray], Prediction], sample_rate: int
) -> Prediction:
    """Classify all of stdin at the model's rate; errors name stdin."""
    from ..audio.read import read_whole

    try:
        return classify(read_whole(inputs.read_stdin(), sample_rate))
    except AudioError as error:
        message = str(error)
        if not message.startswith(STDIN_NAME):
            message = f"{STDIN_NAME}: {message}"
        raise AudioError(message) from error
