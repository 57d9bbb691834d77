"""Untrusted model files and broken cards raise a ModelError that names the problem."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from support.hostile_models import changed, external, with_nodes, without_checksum
from support.paths import ROOT
from support.tiny_model import write_tiny_model

from edge_runtime import EmotionModel, ModelError
from edge_runtime.inference.checksum import add_checksum
from edge_runtime.inference.onnx_session import MAX_FILE_BYTES
from edge_runtime.inference.onnx_validation import MAX_FIELDS, read_onnx
from edge_runtime.model import BUNDLED_MODEL

onnx = pytest.importorskip("onnx")
TensorProto, helper = onnx.TensorProto, onnx.helper


def refused(path, message: str) -> str:
    """Check that loading raises a short, one-line ModelError within 20 s of CPU time.

    Returns its message.
    """
    started = time.process_time()
    with pytest.raises(ModelError, match=message) as error:
        EmotionModel.load(path)
    assert time.process_time() - started < 20
    text = str(error.value)
    assert text.startswith(f"{path}: ") and text.isprintable() and len(text) < 600
    return text


@pytest.fixture
def secret(tmp_path, monkeypatch):
    """Change to a folder from which weights of the tiny model's size are reachable by three paths:
    in the folder, in its parent and by a symbolic link."""
    folder = tmp_path / "models"
    folder.mkdir()
    content = np.ones(26, np.float32).tobytes()
    (tmp_path / "secret.bin").write_bytes(content)
    (folder / "beside.bin").write_bytes(content)
    (folder / "link.bin").symlink_to("../secret.bin")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    "location",
    [
        "beside.bin",
        "../secret.bin",
        "link.bin",
        "/etc/passwd",
        "../" * 20 + "etc/passwd",
        "ABSOLUTE",
        "",
    ],
    ids=["beside", "parent", "link", "passwd", "climb", "absolute", "empty"],
)
def test_external_weights_are_never_read(secret, location):
    location = location.replace("ABSOLUTE", str(secret.parent / "secret.bin"))
    path = changed(secret / "model.onnx", external(location))
    opened = []
    sys.addaudithook(lambda event, args: opened.append(args[0]) if event == "open" else None)
    refused(path, "requires weights from another file")
    assert str(path) in map(str, opened)
    assert not [name for name in map(str, opened) if "secret" in name or "passwd" in name]


def test_external_weights_are_detected_in_every_tensor(secret):
    def in_an_attribute(model):
        tensor = TensorProto(name="t", dims=[26], data_type=1, data_location=1)
        tensor.external_data.add(key="location", value="beside.bin")
        model.graph.node.append(helper.make_node("Constant", [], ["more"], value=tensor))

    def sparse(model):
        tensor = model.graph.sparse_initializer.add()
        tensor.indices.CopyFrom(TensorProto(name="i", dims=[1], data_type=7, data_location=1))

    for change in (in_an_attribute, sparse):
        refused(changed(secret / "model.onnx", change), "requires weights from another file")


def loop(model):
    """Add a loop, whose body is a graph within the graph."""
    same = [helper.make_node("Identity", [a], [b]) for a, b in (("c", "c_out"), ("x", "y"))]
    body = helper.make_graph(
        same,
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("c_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
        ],
    )
    with_nodes(
        ("Loop", ["", "true", "mean"], ["big"], {"body": body}), constants={"true": np.bool_(True)}
    )(model)


def function(model):
    """Add a model-local function."""
    model.functions.append(
        helper.make_function(
            "mine",
            "F",
            ["a"],
            ["b"],
            [helper.make_node("Relu", ["a"], ["b"])],
            [helper.make_opsetid("", 18)],
        )
    )


NODES = {
    "custom": (
        [("Steal", ["mean"], ["big"], {"domain": "com.example"})],
        "custom operator 'Steal'",
    ),
    "no domain": ([("Steal", ["mean"], ["big"])], "uses unsupported operator 'Steal'"),
    "onnxruntime": (
        [("Inverse", ["mean"], ["big"], {"domain": "com.microsoft"})],
        "operator 'Inverse'",
    ),
    "python": (
        [("PyOp", ["mean"], ["big"], {"domain": "ai.onnx.contrib"})],
        "custom operator 'PyOp'",
    ),
    "endless": ([("RandomNormal", [], ["big"], {"shape": [10**12]})], "'RandomNormal'"),
    "tiled": ([("Tile", ["mean", "size"], ["big"])], "operator 'Tile'"),
    "expanded": ([("Expand", ["zero", "size"], ["big"])], "operator 'Expand'"),
}


@pytest.mark.parametrize(("nodes", "message"), NODES.values(), ids=NODES)
def test_unsupported_operators_are_refused(tmp_path, nodes, message):
    change = with_nodes(*nodes, constants={"size": np.array([10**12], np.int64)})
    refused(changed(tmp_path / "model.onnx", change), message)


@pytest.mark.parametrize(
    ("change", "message"),
    [(loop, "contains a subgraph"), (function, "defines functions")],
    ids=["loop", "function"],
)
def test_nested_graphs_are_refused(tmp_path, change, message):
    refused(changed(tmp_path / "model.onnx", change), message)


def squaring(model):
    """Add steps that each square the number of elements: 13, 169, … 8e8, 6e17."""
    nodes = [("Reshape", ["mean", "flat"], ["v0"])]
    for k in range(5):
        nodes += [
            ("Reshape", [f"v{k}", "column"], [f"c{k}"]),
            ("Mul", [f"v{k}", f"c{k}"], [f"m{k}"]),
            ("Reshape", [f"m{k}", "flat"], [f"v{k + 1}"]),
        ]
    with_nodes(
        *nodes,
        last="v5",
        constants={"flat": np.array([-1], np.int64), "column": np.array([-1, 1], np.int64)},
    )(model)


def terabytes(model):
    """Add an operator with an output of 40 TB."""
    with_nodes(
        ("ConstantOfShape", ["size"], ["big"]), constants={"size": np.array([10**13], np.int64)}
    )(model)


@pytest.mark.slow
@pytest.mark.parametrize("change", [squaring, terabytes], ids=["squaring", "terabytes"])
def test_excessive_memory_is_an_error(tmp_path, change):
    refused(changed(tmp_path / "model.onnx", change), "not enough memory|cannot be run|load it")


def scaled(factor: float):
    """Return a change that multiplies the weights."""

    def change(model):
        for tensor in model.graph.initializer:
            if tensor.name in ("weights", "bias"):
                with np.errstate(all="ignore"):
                    values = np.frombuffer(tensor.raw_data, np.float32) * np.float32(factor)
                tensor.raw_data = values.tobytes()

    return change


def renamed(before: str, after: str):
    """Return a change that renames a value of the graph."""

    def change(model):
        for value in (*model.graph.input, *model.graph.output):
            if value.name == before:
                value.name = after
        for node in model.graph.node:
            for names in (node.input, node.output):
                for k, name in enumerate(names):
                    if name == before:
                        names[k] = after

    return change


def declared(name: str, *, kind: int = TensorProto.FLOAT, shape: list):
    """Return a change that declares another type or shape for an input or output."""

    def change(model):
        for values in (model.graph.input, model.graph.output):
            for k, value in enumerate(values):
                if value.name == name:
                    values[k].CopyFrom(helper.make_tensor_value_info(name, kind, shape))

    return change


def without_softmax(model):
    """Replace the softmax by the identity."""
    for node in model.graph.node:
        if node.op_type == "Softmax":
            node.op_type = "Identity"
            del node.attribute[:]


GRAPHS = {
    "not a number": (scaled(np.nan), "returned non-finite logits"),
    "infinite": (scaled(np.inf), "returned non-finite logits"),
    "no probabilities": (without_softmax, "returned probabilities that do not sum to 1"),
    "no input": (renamed("mfcc", "samples"), "has no input 'mfcc'; its inputs are samples, state"),
    "no state": (renamed("state", "memory"), "has no input 'state'"),
    "no output": (renamed("probabilities", "p"), "has no output 'probabilities'"),
    "integers": (
        declared("mfcc", kind=TensorProto.INT32, shape=["b", "t", 13]),
        "load it|mfcc has type",
    ),
    "no shape": (declared("mfcc", shape=[]), "load it|mfcc has shape|has the inputs"),
    "fixed batch": (declared("state", shape=[7, 14]), "cannot be run|load it"),
    "one frame": (declared("mfcc", shape=["batch", 1, 13]), "accepts only clips of 1 frames"),
    "no graph": (lambda model: model.ClearField("graph"), "expected one graph, got 0"),
    "no operators": (lambda model: model.ClearField("opset_import"), "onnxruntime cannot load it"),
    "of the future": (lambda model: setattr(model, "ir_version", 10_000), "cannot load it"),
    "a size": (
        lambda model: model.graph.initializer[0].dims.__setitem__(0, 10**15),
        "declares .* elements",
    ),
    "a size below 0": (
        lambda model: model.graph.initializer[0].dims.__setitem__(0, -1),
        "declares .* elements",
    ),
}


@pytest.mark.parametrize(("change", "message"), GRAPHS.values(), ids=GRAPHS)
def test_graphs_with_another_interface_are_refused(tmp_path, change, message):
    refused(changed(tmp_path / "model.onnx", change), message)


def test_huge_weights_give_probabilities_or_an_error(tmp_path):
    for factor in (1e30, 3e38):
        path = changed(tmp_path / "model.onnx", scaled(factor))
        try:
            answer = EmotionModel.load(path).classify(np.ones(16_000, np.float32))
        except ModelError as error:
            assert "non-finite" in str(error)
        else:
            assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-3)


def test_special_files_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "is not a regular file")
    refused("/dev/zero", "is not a regular file")
    refused(tmp_path, "is a directory")
    (tmp_path / "empty.onnx").touch()
    refused(tmp_path / "empty.onnx", "is empty")
    with (tmp_path / "huge.onnx").open("wb") as file:
        file.truncate(10 << 30)
    refused(tmp_path / "huge.onnx", "has more than 67,108,864 bytes")
    (tmp_path / "circle").symlink_to("circle")
    refused(tmp_path / "circle", "symbolic links|cannot be read")
    if os.geteuid():
        path = write_tiny_model(tmp_path / "closed.onnx")
        path.chmod(0)
        refused(path, "Permission denied")


@pytest.mark.parametrize(
    "content",
    [
        b"\0" * 1000,
        b"\xff" * 1000,
        b"PK\3\4" + bytes(100),
        b"RIFF\0\0\0\0WAVEfmt ",
        b"{}",
        b"\x80\2}.",
        b"\x7fELF" + bytes(100),
        b"\x1c\0\0\0ORTM" + bytes(100),
        b"\x3a\x02\x0a\x00" * 3,
    ],
    ids=["zeros", "ones", "zip", "wav", "json", "pickle", "elf", "ort", "three graphs"],
)
def test_other_file_formats_are_refused(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    refused(path, "ONNX|metadata|graph")


@pytest.mark.slow
def test_too_many_protobuf_fields_are_refused():
    with pytest.raises(ModelError, match="more than 1000000 fields"):
        read_onnx(b"\x08\x01" * (MAX_FIELDS + 1))


def test_other_metadata_is_ignored_and_huge_metadata_refused(tmp_path):
    def add(key: str, value: str):
        return lambda model: model.metadata_props.add(key=key, value=value)

    path = changed(tmp_path / "model.onnx", add("author", "x" * 100_000))
    assert EmotionModel.load(path).labels == ("low", "high")
    refused(changed(path, add("edge_ser", "{}")), "duplicate metadata 'edge_ser'")
    refused(changed(path, add("notes", "x" * MAX_FILE_BYTES)), "has more than 67,108,864 bytes")
    content = write_tiny_model(path).read_bytes()
    path.write_bytes(content.replace(b'"name": "tiny"', b'"name": "ti\xff\xfe"'))
    refused(path, "a string is not valid UTF-8")


def test_truncated_model_is_refused_at_every_length(tmp_path):
    """Every seventh length of the tiny model, and every 1009th of the bundled one."""
    tiny = write_tiny_model(tmp_path / "whole.onnx").read_bytes()
    bundled = BUNDLED_MODEL.read_bytes()
    path = tmp_path / "model.onnx"
    for content, step in ((tiny, 7), (bundled, 1009)):
        for length in range(0, len(without_checksum(content)), step):
            path.write_bytes(content[:length])
            refused(path, "truncated|damaged|empty|metadata|graph|has no|cannot")


@pytest.mark.slow
def test_flipped_bits_of_a_sealed_model_are_detected(tmp_path):
    content = BUNDLED_MODEL.read_bytes()
    assert content == add_checksum(without_checksum(content)), (
        "the bundled model ends with its checksum"
    )
    path = tmp_path / "model.onnx"
    for at in range(0, len(without_checksum(content)), 499):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
        refused(path, "damaged|has no|metadata|key|operator|graph|card")


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [["tiny"], ["bundled"], ["bundled", "--unsealed"]],
    ids=["tiny", "bundled", "bundled unsealed"],
)
def test_random_damage_never_crashes(tmp_path, arguments):
    path = tmp_path / "tiny.onnx"
    if arguments[0] == "tiny":
        write_tiny_model(path)
    else:
        shutil.copyfile(BUNDLED_MODEL, path)
    done = subprocess.run(
        [sys.executable, "-m", "support.hostile_models", path, "--count", "200", *arguments[1:]],
        cwd=ROOT / "tests",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    counts = list(map(int, done.stdout.split()))
    assert sum(counts) == 200 and counts[0] > (190 if arguments == ["bundled"] else 20)


def test_waveform_graph_is_refused_with_advice():
    other = BUNDLED_MODEL.with_name("edge_ser.waveform.onnx")
    refused(other, "is a waveform graph.* pass the .onnx file")
