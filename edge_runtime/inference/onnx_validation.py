"""What an .onnx file asks for, read before onnxruntime opens it.

onnxruntime does what a graph says: it reads other files for weights that are kept "externally" (of
a graph that was given as bytes, from the working directory on, in old versions anywhere), repeats
a Loop for ever and looks for operators in libraries. A network for devices needs none of it, so a
file that does is refused here. Only the structure is read, a few thousand numbers, in about a
millisecond.

https://protobuf.dev/programming-guides/encoding/
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import ModelError
from ..messages import brief_repr

# More parts than this, and reading them would take seconds.
MAX_COUNT = 1_000_000

# No number of a tensor takes less than 4 bits (int4).
MAX_ELEMENTS_PER_BYTE = 2

# Operators whose output is at most as large as what they are given, or the product of two of them,
# and those of which a graph that `export` writes is made. Not among them are those that hold graphs
# of their own (Loop, Scan, If, SequenceMap), that make something out of nothing (Range,
# RandomNormal, …), that read images, or that work on text, sequences and maps.
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

# What onnxruntime's own quantization and optimization put in, of its domain com.microsoft.
_ONNXRUNTIME = """
    DynamicQuantizeLSTM DynamicQuantizeMatMul FusedConv FusedGemm FusedMatMul Gelu
    MatMulIntegerToFloat QAttention QGemm QLinearAdd QLinearConcat QLinearMul QLinearSigmoid
    QLinearSoftmax
"""
ONNXRUNTIME_OPERATORS = frozenset(_ONNXRUNTIME.split())

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


# The parts that hold parts, by the numbers of their fields.
_GRAPH = {1: "node", 5: "tensor", 11: "input", 15: "sparse"}
_NODE = {5: "attribute"}
_ATTRIBUTE = {5: "tensor", 10: "tensor", 22: "sparse", 23: "sparse"}
_SPARSE = {1: "tensor", 2: "tensor"}
_INSIDE: dict[str, dict[int, str]] = {
    "graph": _GRAPH,
    "node": _NODE,
    "attribute": _ATTRIBUTE,
    "sparse": _SPARSE,
    "tensor": {},
    "input": {},
}


@dataclass(frozen=True)
class OnnxFile:
    """What a file says of itself."""

    metadata: dict[str, str]
    inputs: tuple[str, ...]  # the names of the graph's
    refused: str | None  # why onnxruntime should not be given it


def read_onnx(content: bytes) -> OnnxFile:
    """What the `content` of a file says, if that is a model; else, and where it would read other
    files, ModelError."""
    return _Reader(content).read()


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.count = 0
        self.inputs: list[str] = []
        self.refused: str | None = None

    def refuse(self, why: str | None) -> None:
        """The first reason is the one that is told."""
        self.refused = self.refused or why

    def read(self) -> OnnxFile:
        metadata: dict[str, str] = {}
        graphs = 0
        for number, kind, value, end in self.fields(0, len(self.content)):
            if number == 7 and kind == _BYTES:
                graphs += 1
                self.walk("graph", value, end)
            elif number == 14 and kind == _BYTES:
                key, text = self.entry(value, end)
                if key in metadata:
                    raise ModelError(f"has the metadata {brief_repr(key)} twice")
                metadata[key] = text
            elif number == 20:
                self.refuse("holds a training; wanted a network alone")
            elif number == 25:
                self.refuse("holds functions of its own; wanted standard operators alone")
        if graphs != 1:
            raise ModelError(f"is not an ONNX model: it has {graphs or 'no'} graphs")
        return OnnxFile(metadata, tuple(self.inputs), self.refused)

    def walk(self, part: str, start: int, end: int) -> None:
        """Check a part of the model, and the parts within."""
        inside = _INSIDE[part]
        operator, domain, elements = "", "", 1
        for number, kind, value, stop in self.fields(start, end):
            if number in inside and kind == _BYTES:
                self.walk(inside[number], value, stop)
            elif part == "node" and number == 4 and kind == _BYTES:
                operator = self.text(value, stop)
            elif part == "node" and number == 7 and kind == _BYTES:
                domain = self.text(value, stop)
            elif part == "attribute" and number in (6, 11):
                self.refuse("holds a graph in the graph (Loop, Scan, If): not supported")
            elif part == "input" and number == 1 and kind == _BYTES:
                self.inputs.append(self.text(value, stop))
            elif part == "tensor" and number == 1:
                elements = min(elements * self.elements(kind, value, stop), 1 << 64)
            elif part == "tensor" and (number == 13 or number == 14 and value):
                raise ModelError(
                    "wants weights from another file (external data): save it as one file, with "
                    "everything inside"
                )
        if part == "node":
            self.refuse(_no_operator(operator, domain))
        elif part == "tensor" and elements > MAX_ELEMENTS_PER_BYTE * len(self.content):
            raise ModelError(f"is damaged: one of its tensors claims {elements} numbers")

    def elements(self, kind: int, value: int, end: int) -> int:
        """The product of the sizes that a tensor's field `dims` gives, one of them or all."""
        if kind == _VARINT:
            return value
        sizes = []
        while kind == _BYTES and value < end:
            size, value = self.varint(value, end)
            sizes.append(size)
            if len(sizes) > 64:
                raise ModelError("is damaged: one of its tensors has more than 64 dimensions")
        return math.prod(sizes)

    def entry(self, start: int, end: int) -> tuple[str, str]:
        """A key of the metadata and its value."""
        texts = {1: "", 2: ""}
        for number, kind, value, stop in self.fields(start, end):
            if number in texts and kind == _BYTES:
                texts[number] = self.text(value, stop)
        return texts[1], texts[2]

    def text(self, start: int, end: int) -> str:
        try:
            return self.content[start:end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise ModelError(f"is damaged: what should be text is none ({error.reason})") from error

    def fields(self, position: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """The fields of a message: number, kind, value, and the end of what has a length; its
        value is where it begins."""
        while position < end:
            self.count += 1
            if self.count > MAX_COUNT:
                raise ModelError(f"has more than {MAX_COUNT} parts; no network for devices has")
            tag, position = self.varint(position, end)
            number, kind = tag >> 3, tag & 7
            if number == 0 or tag >> 32:
                raise ModelError("is not an ONNX model, or is damaged: a part has no number")
            if kind == _VARINT:
                value, position = self.varint(position, end)
                yield number, kind, value, position
                continue
            if kind == _BYTES:
                length, position = self.varint(position, end)
            elif kind in (_FIXED64, _FIXED32):
                length = 8 if kind == _FIXED64 else 4
            else:
                raise ModelError(f"is not an ONNX model, or is damaged: a part is of kind {kind}")
            if length > end - position:
                raise ModelError(
                    f"is truncated, damaged or not an ONNX model: a part of {length} bytes begins "
                    f"{end - position} before the end"
                )
            yield number, kind, position, position + length
            position += length

    def varint(self, position: int, end: int) -> tuple[int, int]:
        """A number of seven bits a byte, of 64 in all, and where it ends."""
        value = shift = 0
        while position < end and shift < 70:
            byte = self.content[position]
            value |= (byte & 0x7F) << shift
            position += 1
            shift += 7
            if byte < 0x80:
                return value & 0xFFFF_FFFF_FFFF_FFFF, position
        raise ModelError("is truncated, damaged or not an ONNX model: a number has no end")


def _no_operator(operator: str, domain: str) -> str | None:
    """Why an operator is not to be run."""
    if domain in ("", "ai.onnx"):
        known, whose = OPERATORS, "that a network for devices needs"
    elif domain == "com.microsoft":
        known, whose = ONNXRUNTIME_OPERATORS, "of onnxruntime that is supported"
    else:
        return f"uses the custom operator {brief_repr(operator)} of {brief_repr(domain)}; none is"
    if operator not in known:
        return f"uses the operator {brief_repr(operator)}, which is none {whose}"
    return None
