"""Smaller graphs with the same results."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from export.compact import compact


def model_of(*nodes):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("x", "y")]
    graph = helper.make_graph(list(nodes), "graph", values[:1], values[1:])
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def constant(name, value):
    tensor = onnx.numpy_helper.from_array(np.array(value, np.float32))
    return helper.make_node("Constant", [], [name], value=tensor)


def result(model):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": np.array([1, 2], np.float32)})[0]


def test_equal_and_unused_operations_are_removed():
    model = model_of(
        constant("a/long/name/0", 3),
        constant("a/long/name/1", 3),
        constant("other", 4),
        helper.make_node("Mul", ["x", "a/long/name/0"], ["left"], name="a"),
        helper.make_node("Mul", ["x", "a/long/name/1"], ["right"], name="b"),
        helper.make_node("Add", ["right", "other"], ["unused"]),
        helper.make_node("Sub", ["x", "right"], ["difference"]),
        helper.make_node("Mul", ["left", "difference"], ["y"]),
    )
    before = result(model)
    compact(model.graph)
    assert [node.op_type for node in model.graph.node] == ["Constant", "Mul", "Sub", "Mul"]
    assert [list(node.output) for node in model.graph.node] == [["v0"], ["v1"], ["v2"], ["y"]]
    np.testing.assert_array_equal(result(model), before)


def test_output_that_repeats_an_operation_is_kept():
    model = model_of(
        helper.make_node("Neg", ["x"], ["a"]),
        helper.make_node("Neg", ["x"], ["b"]),
        helper.make_node("Neg", ["a"], ["c"]),
        helper.make_node("Neg", ["b"], ["y"]),
    )
    compact(model.graph)
    np.testing.assert_array_equal(result(model), [1, 2])
    assert len(model.graph.node) == 2


def test_graph_with_subgraphs_is_unchanged():
    branch = helper.make_graph(
        [helper.make_node("Neg", ["outer"], ["inner"])],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, [2])],
    )
    condition = onnx.numpy_helper.from_array(np.array(True))
    model = model_of(
        helper.make_node("Constant", [], ["condition"], value=condition),
        helper.make_node("Neg", ["x"], ["outer"]),
        helper.make_node("If", ["condition"], ["y"], then_branch=branch, else_branch=branch),
    )
    before = model.SerializeToString(deterministic=True)
    compact(model.graph)
    assert model.SerializeToString(deterministic=True) == before
