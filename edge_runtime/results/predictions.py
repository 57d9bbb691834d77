"""Writers of predictions for programs: JSON, JSON lines and CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from .rows import answer_columns, answer_values, prediction_row
from .writer import JsonList, Writer, csv_row

if TYPE_CHECKING:
    from ..inference.prediction import Prediction


class PredictionWriter(Writer):
    """Base of the writers of predictions."""

    def add(self, name: str, prediction: Prediction) -> None:
        """Write the prediction for the file `name`."""
        self._write(self._text(name, prediction))
        self.count += 1

    def _text(self, name: str, prediction: Prediction) -> str:
        raise NotImplementedError


class JsonLinesWriter(PredictionWriter):
    """One JSON object per line."""

    def _text(self, name: str, prediction: Prediction) -> str:
        return self._json_line(prediction_row(name, prediction))


class JsonWriter(PredictionWriter):
    """One JSON list.

    Args:
        file: The text file.
    """

    def __init__(self, file: TextIO) -> None:
        self._list = JsonList(file)
        super().__init__(file, self._list.begin)

    def _text(self, name: str, prediction: Prediction) -> str:
        return self._list.item(prediction_row(name, prediction))

    def _footer(self) -> str:
        return self._list.end()


class CsvWriter(PredictionWriter):
    """A header and one row per file.

    Args:
        file: The text file.
        labels: Labels of the model.
    """

    def __init__(self, file: TextIO, labels: tuple[str, ...]) -> None:
        super().__init__(file, csv_row(["file", *answer_columns(labels)]))

    def _text(self, name: str, prediction: Prediction) -> str:
        return csv_row([name, *answer_values(prediction)])
