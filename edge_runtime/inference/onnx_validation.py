"""Validate the structure of an .onnx file before onnxruntime opens it.

onnxruntime executes whatever a graph requests: it reads external weights from other files (relative
to the working directory for a graph passed as bytes, from anywhere in old versions), runs endless
loops and loads custom operators. A network for devices needs none of these features, so that files
with them are rejected. Only the structure is parsed, a few thousand fields, in about a millisecond.

https://protobuf.dev/programming-guides/encoding/
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import ModelError
from ..messages import brief_repr

# Parsing more fields than this would take seconds.
MAX_FIELDS = 1_000_000

# The smallest element type of a tensor has 4 bits (int4).
MAX_ELEMENTS_PER_BYTE = 2

MAX_DIMENSIONS = 64

# Operators whose output is at most as large as an input or as the product of two inputs, and those
# of the graphs that `export` writes. Excluded are operators with subgraphs (Loop, Scan, If,
# SequenceMap), generators (Range, RandomNormal, …), image decoders, and operators on text,
# sequences and maps.
_STANDARD = """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization
    BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu Clip Compress Concat
    Constant ConstantOfShape Conv ConvInteger Cos Cosh CumSum DepthToSpace DequantizeLinear Det Div
    Dropout DynamicQuantizeLinear Elu Equal Erf Exp Flatten Floor GRU Gather GatherElements GatherND
    Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GroupNormalization
    HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN LSTM
    LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization LpPool MatMul
    MatMulInteger Max MaxPool Mean MeanVarianceNormalization Min Mish Mod Mul Neg NonZero Not Or
    PRelu Pad Pow QLinearConv QLinearMatMul QuantizeLinear RMSNormalization RNN Reciprocal ReduceL1
    ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    ReduceSumSquare Relu Reshape ReverseSequence Round ScatterElements ScatterND Selu Shape Shrink
    Sigmoid Sign Sin Sinh Size Slice Softmax SoftmaxCrossEntropyLoss Softplus Softsign SpaceToDepth
    Split Sqrt Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu TopK Transpose Trilu Unsqueeze Where
    Xor
"""
OPERATORS = frozenset(_STANDARD.split())

# Operators of the domain com.microsoft that onnxruntime's quantization and optimization insert.
_ONNXRUNTIME = """
    DynamicQuantizeLSTM DynamicQuantizeMatMul FusedConv FusedGemm FusedMatMul Gelu
    MatMulIntegerToFloat QAttention QGemm QLinearAdd QLinearConcat QLinearMul QLinearSigmoid
    QLinearSoftmax
"""
ONNXRUNTIME_OPERATORS = frozenset(_ONNXRUNTIME.split())

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Message types by the field number in which they occur, for each message type that is parsed.
_GRAPH = {1: "node", 5: "tensor", 11: "input", 15: "sparse"}
_NODE = {5: "attribute"}
_ATTRIBUTE = {5: "tensor", 10: "tensor", 22: "sparse", 23: "sparse"}
_SPARSE = {1: "tensor", 2: "tensor"}
_SUBMESSAGES: dict[str, dict[int, str]] = {
    "graph": _GRAPH,
    "node": _NODE,
    "attribute": _ATTRIBUTE,
    "sparse": _SPARSE,
    "tensor": {},
    "input": {},
}


@dataclass(frozen=True)
class OnnxFile:
    """The parts of an .onnx file that are needed before it is loaded.

    Attributes:
        metadata: The `metadata_props`.
        inputs: Names of the graph's inputs.
        refused: Why the file must not be passed to onnxruntime; None if it may be.
    """

    metadata: dict[str, str]
    inputs: tuple[str, ...]
    refused: str | None


def read_onnx(content: bytes) -> OnnxFile:
    """Parse the structure of an .onnx file.

    Args:
        content: The whole file.

    Returns:
        The metadata and inputs, and the reason not to run the file, if there is one.

    Raises:
        ModelError: If the content is not an ONNX model, is damaged or refers to other files.
    """
    return _Reader(content).read()


class _Reader:
    """Parser of the protobuf wire format."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.n_fields = 0
        self.inputs: list[str] = []
        self.refused: str | None = None

    def refuse(self, reason: str | None) -> None:
        """Record why the file must not be run; the first reason is kept."""
        self.refused = self.refused or reason

    def read(self) -> OnnxFile:
        """Parse the ModelProto."""
        metadata: dict[str, str] = {}
        n_graphs = 0
        for number, kind, value, end in self.fields(0, len(self.content)):
            if number == 7 and kind == _BYTES:
                n_graphs += 1
                self.walk("graph", value, end)
            elif number == 14 and kind == _BYTES:
                key, text = self.entry(value, end)
                if key in metadata:
                    raise ModelError(f"has duplicate metadata {brief_repr(key)}")
                metadata[key] = text
            elif number == 20:
                self.refuse("contains training information, which is not supported")
            elif number == 25:
                self.refuse("defines functions, which are not supported")
        if n_graphs != 1:
            raise ModelError(f"is not an ONNX model: expected one graph, got {n_graphs}")
        return OnnxFile(metadata, tuple(self.inputs), self.refused)

    def walk(self, message: str, start: int, end: int) -> None:
        """Validate a message and the messages within."""
        submessages = _SUBMESSAGES[message]
        operator, domain, n_elements = "", "", 1
        for number, kind, value, stop in self.fields(start, end):
            if number in submessages and kind == _BYTES:
                self.walk(submessages[number], value, stop)
            elif message == "node" and number == 4 and kind == _BYTES:
                operator = self.text(value, stop)
            elif message == "node" and number == 7 and kind == _BYTES:
                domain = self.text(value, stop)
            elif message == "attribute" and number in (6, 11):
                self.refuse("contains a subgraph (Loop, Scan, If), which is not supported")
            elif message == "input" and number == 1 and kind == _BYTES:
                self.inputs.append(self.text(value, stop))
            elif message == "tensor" and number == 1:
                n_elements = min(n_elements * self.elements(kind, value, stop), 1 << 64)
            elif message == "tensor" and (number == 13 or number == 14 and value):
                raise ModelError(
                    "requires weights from another file (external data), which is not supported; "
                    "save the model as a single file"
                )
        if message == "node":
            self.refuse(_operator_problem(operator, domain))
        elif message == "tensor" and n_elements > MAX_ELEMENTS_PER_BYTE * len(self.content):
            raise ModelError(f"is damaged: a tensor declares {n_elements} elements")

    def elements(self, kind: int, value: int, end: int) -> int:
        """Return the product of the sizes in a `dims` field, which holds one size or all."""
        if kind == _VARINT:
            return value
        sizes = []
        while kind == _BYTES and value < end:
            size, value = self.varint(value, end)
            sizes.append(size)
            if len(sizes) > MAX_DIMENSIONS:
                raise ModelError(f"is damaged: a tensor has more than {MAX_DIMENSIONS} dimensions")
        return math.prod(sizes)

    def entry(self, start: int, end: int) -> tuple[str, str]:
        """Return the key and value of a metadata entry."""
        texts = {1: "", 2: ""}
        for number, kind, value, stop in self.fields(start, end):
            if number in texts and kind == _BYTES:
                texts[number] = self.text(value, stop)
        return texts[1], texts[2]

    def text(self, start: int, end: int) -> str:
        """Return a string field."""
        try:
            return self.content[start:end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise ModelError(f"is damaged: a string is not valid UTF-8 ({error.reason})") from error

    def fields(self, position: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield the fields of a message.

        Yields:
            Field number, wire type, value and end. The value of a field with a length is the
            position of its first byte.
        """
        while position < end:
            self.n_fields += 1
            if self.n_fields > MAX_FIELDS:
                raise ModelError(f"has more than {MAX_FIELDS} fields, too many for a model")
            tag, position = self.varint(position, end)
            number, kind = tag >> 3, tag & 7
            if number == 0 or tag >> 32:
                raise ModelError("is not an ONNX model, or is damaged: invalid field number")
            if kind == _VARINT:
                value, position = self.varint(position, end)
                yield number, kind, value, position
                continue
            if kind == _BYTES:
                length, position = self.varint(position, end)
            elif kind in (_FIXED64, _FIXED32):
                length = 8 if kind == _FIXED64 else 4
            else:
                raise ModelError(f"is not an ONNX model, or is damaged: invalid wire type {kind}")
            if length > end - position:
                raise ModelError(
                    f"is truncated, damaged or not an ONNX model: a field of {length} bytes starts "
                    f"{end - position} bytes before the end"
                )
            yield number, kind, position, position + length
            position += length

    def varint(self, position: int, end: int) -> tuple[int, int]:
        """Return a variable-length integer of at most 64 bits and the position after it."""
        value = shift = 0
        while position < end and shift < 70:
            byte = self.content[position]
            value |= (byte & 0x7F) << shift
            position += 1
            shift += 7
            if byte < 0x80:
                return value & 0xFFFF_FFFF_FFFF_FFFF, position
        raise ModelError("is truncated, damaged or not an ONNX model: unterminated integer")


def _operator_problem(operator: str, domain: str) -> str | None:
    """Return why an operator is not supported, or None if it is."""
    if domain in ("", "ai.onnx"):
        supported = OPERATORS
    elif domain == "com.microsoft":
        supported = ONNXRUNTIME_OPERATORS
    else:
        return (
            f"uses custom operator {brief_repr(operator)} (domain {brief_repr(domain)}); custom "
            "operators are not supported"
        )
    if operator not in supported:
        return f"uses unsupported operator {brief_repr(operator)}"
    return None
