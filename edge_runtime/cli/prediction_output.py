"""Writers of predictions: text for people, and the choice of a format."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from ..inference.prediction import NO_SPEECH, UNCERTAIN
from ..messages import printable
from ..results.predictions import CsvWriter, JsonLinesWriter, JsonWriter, PredictionWriter
from ..results.rows import answer_text
from ..results.writer import OutputFormat
from .terminal import arousal_text, bold, dim, percentages

if TYPE_CHECKING:
    from ..inference.prediction import Prediction

# Longer names do not widen the column for all others.
MAX_NAME_WIDTH = 60


class TextWriter(PredictionWriter):
    """One line per file, for people.

    Args:
        file: The text file.
        labels: Labels of the model.
        colours: Emphasise emotions by terminal escape sequences.
        names: All files, if known; the text is then aligned in columns.
    """

    def __init__(
        self,
        file: TextIO,
        labels: tuple[str, ...],
        *,
        colours: bool = False,
        names: Iterable[str] = (),
    ) -> None:
        super().__init__(file)
        self._colours = colours
        widths = [len(n) for n in map(printable, names) if len(n) <= MAX_NAME_WIDTH]
        self._width = max(widths, default=0)
        longest = max(map(len, labels)) + len(f"{UNCERTAIN} (?)")
        self._label_width = max(longest, len(NO_SPEECH))

    def _text(self, name: str, prediction: Prediction) -> str:
        label = answer_text(prediction)
        if self._width:
            label = f"{label:<{self._label_width}}"
        if self._colours:
            is_emotion = prediction.label in prediction.probabilities
            label = bold(label) if is_emotion else dim(label)
        head = f"{printable(name) + ':':<{self._width + 1}} "
        if prediction.label == NO_SPEECH:  # probabilities mean nothing without speech
            return f"{head}{label.rstrip()}\n"
        shares = percentages(prediction.probabilities)
        return f"{head}{label}  ({shares}){arousal_text(prediction.arousal)}\n"


def prediction_writer(
    format: OutputFormat,
    file: TextIO,
    labels: tuple[str, ...],
    *,
    colours: bool = False,
    names: Iterable[str] = (),
) -> PredictionWriter:
    """Return the writer of a format.

    Args:
        format: text, json, jsonl or csv.
        file: The text file.
        labels: Labels of the model.
        colours: Emphasise emotions in text.
        names: All files, if known, to align text in columns.
    """
    if format is OutputFormat.text:
        return TextWriter(file, labels, colours=colours, names=names)
    if format is OutputFormat.csv:
        return CsvWriter(file, labels)
    return JsonWriter(file) if format is OutputFormat.json else JsonLinesWriter(file)
