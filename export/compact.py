"""Make a graph smaller without a change of its results.

The exporter writes every constant and every computation of a shape where it is used, with long
names: more bytes than the weights of a small network.
"""

from __future__ import annotations

import onnx


def compact(graph: onnx.GraphProto) -> None:
    """Merge equal operations, remove unused ones, and shorten the names of intermediate values.

    Graphs with subgraphs, which refer to outer values by name, stay as they are.

    Args:
        graph: The graph; it is changed. Its operators must be deterministic.
    """
    if any(attribute.HasField("g") for node in graph.node for attribute in node.attribute):
        return
    nodes = _used(_merged(list(graph.node), graph), graph)
    names = _names(graph)
    renamed: dict[str, str] = {}
    for node in nodes:
        node.ClearField("name")
        for k, name in enumerate(node.output):
            if name and name not in names:
                renamed[name] = f"v{len(renamed)}"
                node.output[k] = renamed[name]
        for k, name in enumerate(node.input):
            node.input[k] = renamed.get(name, name)
    del graph.node[:]
    graph.node.extend(nodes)


def _names(graph: onnx.GraphProto) -> set[str]:
    """Return the names of inputs, outputs and weights."""
    return {
        value.name for values in (graph.input, graph.output, graph.initializer) for value in values
    }


def _merged(nodes: list[onnx.NodeProto], graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Return the nodes without those that repeat an earlier one."""
    outputs = {value.name for value in graph.output}
    first: dict[bytes, onnx.NodeProto] = {}
    equal: dict[str, str] = {}
    kept = []
    for node in nodes:  # in topological order
        for k, name in enumerate(node.input):
            node.input[k] = equal.get(name, name)
        key = onnx.NodeProto(
            op_type=node.op_type, domain=node.domain, input=node.input, attribute=node.attribute
        )
        earlier = first.setdefault(key.SerializeToString(deterministic=True), node)
        if earlier is node or outputs & set(node.output) or len(earlier.output) < len(node.output):
            kept.append(node)
        else:
            equal.update(zip(node.output, earlier.output))
    return kept


def _used(nodes: list[onnx.NodeProto], graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Return the nodes that an output depends on."""
    needed = {value.name for value in graph.output}
    kept = []
    for node in reversed(nodes):
        if needed & set(node.output):
            needed.update(node.input)
            kept.append(node)
    return kept[::-1]
