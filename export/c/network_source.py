"""C source of the weights of the networks."""

from __future__ import annotations

import numpy as np

from edge_runtime.inference.card import ModelCard
from edge_runtime.inference.speech_gate import min_speech_frames
from train.network import MAX_SCORE

from .front_end import Constants
from .source import array
from .weights import Dense, Gate, Lstm, Matrix, Member, ModelWeights


def network_constants(card: ModelCard, weights: ModelWeights) -> Constants:
    """Return the constants of the networks."""
    architecture = card.architecture
    hidden, input_size = architecture["hidden_size"], architecture["input_size"]
    step_size = architecture["frame_stack"] * card.mfcc_config.n_mfcc
    macros: dict[str, int | float | np.float32] = {
        "N_MEMBERS": len(weights.members),
        "N_LAYERS": architecture["lstm_layers"],
        "HIDDEN": hidden,
        "FRAME_STACK": architecture["frame_stack"],
        "STEP_SIZE": step_size,
        "INPUT_SIZE": input_size,
        "FIRST_SIZE": input_size or step_size,
        "EMBEDDING_SIZE": architecture["fc_size"],
        "IS_RESIDUAL": int(architecture["residual"]),
        "HAS_ATTENTION": int(architecture["pooling"] == "attention"),
        "MAX_SCORE": np.float32(MAX_SCORE),
        "HAS_GATE": int(weights.gate is not None),
    }
    tables = {"mfcc_mean": weights.mean, "mfcc_deviation": weights.deviation}
    if weights.gate is not None:
        frames = min_speech_frames(card.min_speech or 0.0, card.mfcc_config.frame_period)
        macros["GATE_UNITS"] = len(weights.gate.stem.bias)
        macros["MIN_SPEECH_FRAMES"] = frames
        tables["gate_mean"] = weights.gate.mean
        tables["gate_deviation"] = weights.gate.deviation
    return Constants(macros, tables)


def network_source(weights: ModelWeights) -> str:
    """Return the definitions of the weights of the ensemble and of the speech gate."""
    writer = _Writer()
    members = ",\n".join(writer.member(k, member) for k, member in enumerate(weights.members))
    text = f"const edge_ser_member edge_ser_members[EDGE_SER_N_MEMBERS] = {{\n{members},\n}};\n"
    if weights.gate is not None:
        text += (
            f"\nconst edge_ser_gate_weights edge_ser_gate_model = {writer.gate(weights.gate)};\n"
        )
    return "\n".join([*writer.arrays, text])


class _Writer:
    """Writes arrays, and the initialisers of the structs that refer to them.

    Attributes:
        arrays: Definitions of the arrays so far.
    """

    def __init__(self) -> None:
        self.arrays: list[str] = []

    def member(self, index: int, member: Member) -> str:
        """Return the initialiser of an `edge_ser_member`."""
        name = f"member{index}"
        layers = ", ".join(
            self._lstm(f"{name}_lstm{k}", layer) for k, layer in enumerate(member.layers)
        )
        return (
            f"    {{{self._dense(f'{name}_stem', member.stem)},\n"
            f"     {{{layers}}},\n"
            f"     {self._dense(f'{name}_score', member.score)},\n"
            f"     {self._dense(f'{name}_embedding', member.embedding)},\n"
            f"     {self._dense(f'{name}_output', member.output)}}}"
        )

    def gate(self, gate: Gate) -> str:
        """Return the initialiser of an `edge_ser_gate_weights`."""
        return (
            f"{{\n    {self._dense('gate_stem', gate.stem)},\n"
            f"    {self._lstm('gate_lstm', gate.lstm)},\n"
            f"    {self._dense('gate_output', gate.output)},\n}}"
        )

    def _lstm(self, name: str, lstm: Lstm) -> str:
        bias = self._array(f"{name}_bias", lstm.bias)
        return (
            f"{{{self._matrix(f'{name}_input', lstm.input)}, "
            f"{self._matrix(f'{name}_recurrent', lstm.recurrent)}, {bias}}}"
        )

    def _dense(self, name: str, dense: Dense | None) -> str:
        """Return the initialisers of a matrix and a bias."""
        if dense is None:
            return "{0, 0, 0}, 0"
        return f"{self._matrix(name, dense.matrix)}, {self._array(f'{name}_bias', dense.bias)}"

    def _matrix(self, name: str, matrix: Matrix) -> str:
        if matrix.scales is None:
            return f"{{0, 0, {self._array(name, matrix.values)}}}"
        scales = self._array(f"{name}_scales", matrix.scales)
        return f"{{{self._array(name, matrix.values)}, {scales}, 0}}"

    def _array(self, name: str, values: np.ndarray) -> str:
        self.arrays.append(f"static {array(name, values)}")
        return name
