"""Writers of predictions: text for people; JSON, JSON lines and CSV for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

from ..inference.prediction import NO_SPEECH, UNCERTAIN
from ..messages import printable
from .output import JsonList, OutputFormat, Writer, arousal_of, confidence_of, csv_row, rounded
from .terminal import arousal_text, bold, dim, percentages

if TYPE_CHECKING:
    from ..inference.prediction import Prediction

# Longer names do not widen the column for all others.
MAX_NAME_WIDTH = 60


class PredictionWriter(Writer):
    """Base of the writers of predictions."""

    def add(self, name: str, prediction: Prediction) -> None:
        """Write the prediction for the file `name`."""
        self._write(self._text(name, prediction))
        self.count += 1

    def _text(self, name: str, prediction: Prediction) -> str:
        raise NotImplementedError


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
        self._label_width = max(map(len, (*labels, UNCERTAIN, NO_SPEECH)))

    def _text(self, name: str, prediction: Prediction) -> str:
        label = prediction.label
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


class JsonLinesWriter(PredictionWriter):
    """One JSON object per line."""

    def _text(self, name: str, prediction: Prediction) -> str:
        return self._json_line(_as_row(name, prediction))


class JsonWriter(PredictionWriter):
    """One JSON list.

    Args:
        file: The text file.
    """

    def __init__(self, file: TextIO) -> None:
        self._list = JsonList(file)
        super().__init__(file, self._list.begin)

    def _text(self, name: str, prediction: Prediction) -> str:
        return self._list.item(_as_row(name, prediction))

    def _footer(self) -> str:
        return self._list.end()


class CsvWriter(PredictionWriter):
    """A header and one row per file.

    Args:
        file: The text file.
        labels: Labels of the model.
    """

    def __init__(self, file: TextIO, labels: tuple[str, ...]) -> None:
        super().__init__(file, csv_row(["file", "label", "confidence", *labels, "arousal"]))

    def _text(self, name: str, prediction: Prediction) -> str:
        probabilities = rounded(prediction.probabilities).values()
        confidence, arousal = confidence_of(prediction), arousal_of(prediction)
        return csv_row([name, prediction.label, confidence, *probabilities, arousal])


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


def _as_row(name: str, prediction: Prediction) -> dict[str, Any]:
    return {
        "file": name,
        "label": prediction.label,
        "confidence": confidence_of(prediction),
        "probabilities": rounded(prediction.probabilities),
        "arousal": arousal_of(prediction),
    }
