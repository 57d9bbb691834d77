"""Model files of strangers and broken cards: a ModelError that says what is wrong, and no more."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from support.hostile_models import changed, external, unsealed, with_nodes
from support.paths import ROOT
from support.tiny_model import write_tiny_model

from edge_runtime import EmotionModel, ModelError
from edge_runtime.inference.checksum import sealed
from edge_runtime.inference.onnx_session import MAX_FILE
from edge_runtime.inference.onnx_validation import MAX_COUNT, read_onnx
from edge_runtime.model import BUNDLED_MODEL

onnx = pytest.importorskip("onnx")
TensorProto, helper = onnx.TensorProto, onnx.helper


def refused(path, message: str) -> str:
    started = time.monotonic()
    with pytest.raises(ModelError, match=message) as error:
        EmotionModel.load(path)
    assert time.monotonic() - started < 20
    said = str(error.value)
    assert said.startswith(f"{path}: ") and said.isprintable() and len(said) < 600
    return said


@pytest.fixture
def secret(tmp_path, monkeypatch):
    """A folder to work in with a file beside it that a model of tiny's size could take weights of,
    and the names by which it can be reached."""
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
)
def test_weights_in_other_files_are_never_read(secret, location):
    location = location.replace("ABSOLUTE", str(secret.parent / "secret.bin"))
    path = changed(secret / "model.onnx", external(location))
    read = []
    sys.addaudithook(lambda event, args: read.append(args[0]) if event == "open" else None)
    refused(path, "wants weights from another file")
    assert str(path) in map(str, read)
    assert not [name for name in map(str, read) if "secret" in name or "passwd" in name]


def test_weights_in_other_files_are_found_wherever_tensors_are(secret):
    def in_an_attribute(model):
        tensor = TensorProto(name="t", dims=[26], data_type=1, data_location=1)
        tensor.external_data.add(key="location", value="beside.bin")
        model.graph.node.append(helper.make_node("Constant", [], ["more"], value=tensor))

    def sparse(model):
        tensor = model.graph.sparse_initializer.add()
        tensor.indices.CopyFrom(TensorProto(name="i", dims=[1], data_type=7, data_location=1))

    for change in (in_an_attribute, sparse):
        refused(changed(secret / "model.onnx", change), "wants weights from another file")


def loop(model):
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
    "of no domain": ([("Steal", ["mean"], ["big"])], "uses the operator 'Steal'"),
    "of onnxruntime": (
        [("Inverse", ["mean"], ["big"], {"domain": "com.microsoft"})],
        "operator 'Inverse'",
    ),
    "of Python": (
        [("PyOp", ["mean"], ["big"], {"domain": "ai.onnx.contrib"})],
        "custom operator 'PyOp'",
    ),
    "endless": ([("RandomNormal", [], ["big"], {"shape": [10**12]})], "'RandomNormal'"),
    "tiled": ([("Tile", ["mean", "size"], ["big"])], "operator 'Tile'"),
    "expanded": ([("Expand", ["zero", "size"], ["big"])], "operator 'Expand'"),
}


@pytest.mark.parametrize(("nodes", "message"), NODES.values(), ids=NODES)
def test_operators_that_are_not_known_are_refused(tmp_path, nodes, message):
    change = with_nodes(*nodes, constants={"size": np.array([10**12], np.int64)})
    refused(changed(tmp_path / "model.onnx", change), message)


@pytest.mark.parametrize(
    ("change", "message"), [(loop, "graph in the graph"), (function, "functions of its own")]
)
def test_graphs_within_graphs_are_refused(tmp_path, change, message):
    refused(changed(tmp_path / "model.onnx", change), message)


def atomic_text_writer(model):
    """Each step squares the number of elements: 13, 169, … 8e8, 6e17."""
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
    with_nodes(
        ("ConstantOfShape", ["size"], ["big"]), constants={"size": np.array([10**13], np.int64)}
    )(model)


@pytest.mark.parametrize("change", [atomic_text_writer, terabytes])
def test_memory_that_is_not_there_is_an_error(tmp_path, change):
    refused(changed(tmp_path / "model.onnx", change), "wants more memory|cannot be run|load it")


def scaled(factor: float):
    def change(model):
        for tensor in model.graph.initializer:
            if tensor.name in ("weights", "bias"):
                with np.errstate(all="ignore"):
                    values = np.frombuffer(tensor.raw_data, np.float32) * np.float32(factor)
                tensor.raw_data = values.tobytes()

    return change


def renamed(before: str, after: str):
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
    def change(model):
        for values in (model.graph.input, model.graph.output):
            for k, value in enumerate(values):
                if value.name == name:
                    values[k].CopyFrom(helper.make_tensor_value_info(name, kind, shape))

    return change


def without_softmax(model):
    for node in model.graph.node:
        if node.op_type == "Softmax":
            node.op_type = "Identity"
            del node.attribute[:]


GRAPHS = {
    "not a number": (scaled(np.nan), "gives logits that are no numbers"),
    "infinite": (scaled(np.inf), "gives logits that are no numbers"),
    "no probabilities": (without_softmax, "gives probabilities that do not sum to 1"),
    "no input": (renamed("mfcc", "samples"), "has no 'mfcc'; it has samples, state"),
    "no state": (renamed("state", "memory"), "has no 'state'"),
    "no output": (renamed("probabilities", "p"), "has no 'probabilities'"),
    "integers": (declared("mfcc", kind=TensorProto.INT32, shape=["b", "t", 13]), "load it|mfcc is"),
    "no shape": (declared("mfcc", shape=[]), "load it|mfcc has shape|takes"),
    "fixed batch": (declared("state", shape=[7, 14]), "cannot be run|load it"),
    "one frame": (declared("mfcc", shape=["batch", 1, 13]), "takes clips of 1 frames only"),
    "no graph": (lambda model: model.ClearField("graph"), "it has no graphs"),
    "no operators": (lambda model: model.ClearField("opset_import"), "onnxruntime cannot load it"),
    "of the future": (lambda model: setattr(model, "ir_version", 10_000), "cannot load it"),
    "a size": (
        lambda model: model.graph.initializer[0].dims.__setitem__(0, 10**15),
        "claims .* numbers",
    ),
    "a size below 0": (
        lambda model: model.graph.initializer[0].dims.__setitem__(0, -1),
        "claims .* numbers",
    ),
}


@pytest.mark.parametrize(("change", "message"), GRAPHS.values(), ids=GRAPHS)
def test_graphs_that_are_something_else_are_refused(tmp_path, change, message):
    refused(changed(tmp_path / "model.onnx", change), message)


def test_huge_weights_give_probabilities_or_an_error(tmp_path):
    for factor in (1e30, 3e38):
        path = changed(tmp_path / "model.onnx", scaled(factor))
        try:
            answer = EmotionModel.load(path).classify(np.ones(16_000, np.float32))
        except ModelError as error:
            assert "no numbers" in str(error)
        else:
            assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-3)


def test_what_is_no_file_to_read_is_refused(tmp_path):
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
)
def test_what_is_no_onnx_is_refused(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    refused(path, "ONNX|metadata|graphs")


def test_a_file_of_too_many_parts_is_refused():
    with pytest.raises(ModelError, match="more than 1000000 parts"):
        read_onnx(b"\x08\x01" * (MAX_COUNT + 1))


def test_metadata_beside_the_card_do_no_harm_but_huge_ones_are_refused(tmp_path):
    def add(key: str, value: str):
        return lambda model: model.metadata_props.add(key=key, value=value)

    path = changed(tmp_path / "model.onnx", add("author", "x" * 100_000))
    assert EmotionModel.load(path).labels == ("low", "high")
    refused(changed(path, add("edge_ser", "{}")), "metadata 'edge_ser' twice")
    refused(changed(path, add("notes", "x" * MAX_FILE)), "has more than 67,108,864 bytes")
    content = write_tiny_model(path).read_bytes()
    path.write_bytes(content.replace(b'"name": "tiny"', b'"name": "ti\xff\xfe"'))
    refused(path, "what should be text is none")


def test_a_model_that_ends_early_is_refused_at_every_length(tmp_path):
    """Of the bundled one at many, of the tiny one at all."""
    tiny = write_tiny_model(tmp_path / "whole.onnx").read_bytes()
    bundled = BUNDLED_MODEL.read_bytes()
    path = tmp_path / "model.onnx"
    for content, step in ((tiny, 7), (bundled, 1009)):
        for length in range(0, len(unsealed(content)), step):
            path.write_bytes(content[:length])
            refused(path, "truncated|damaged|empty|metadata|graphs|has no|cannot")


def test_every_flipped_bit_of_a_sealed_model_is_found(tmp_path):
    content = BUNDLED_MODEL.read_bytes()
    assert content == sealed(unsealed(content)), "the bundled model ends with its checksum"
    path = tmp_path / "model.onnx"
    for at in range(0, len(unsealed(content)), 499):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
        refused(path, "damaged|has no|metadata|key|operator|graphs|card")


@pytest.mark.parametrize("arguments", [["tiny"], ["bundled"], ["bundled", "--unsealed"]])
def test_damage_by_chance_ends_no_process(tmp_path, arguments):
    path = tmp_path / "tiny.onnx"
    if arguments[0] == "tiny":
        write_tiny_model(path)
    else:
        shutil.copyfile(BUNDLED_MODEL, path)
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "tests" / "hostile_models.py",
            path,
            "--count",
            "200",
            *arguments[1:],
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    counts = list(map(int, done.stdout.split()))
    assert sum(counts) == 200 and counts[0] > (190 if arguments == ["bundled"] else 20)


def test_the_other_graph_of_an_export_says_that_it_is_that():
    other = BUNDLED_MODEL.with_name("edge_ser.waveform.onnx")
    refused(other, "is a waveform graph.* give the .onnx file")
