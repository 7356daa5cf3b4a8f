"""Hashes of traced graphs by what they compute: operations, attributes, constants and wiring, not names."""

import hashlib
from collections.abc import Iterable
from typing import Any

# Attributes that are new in every trace, whatever is traced.
_WITHOUT_MEANING = ("_gradient_op_type", "_user_specified_name", "_class")


class Digests:
    """The hashes of a graph and of its functions.

    Args:
        graph: a `GraphDef`.
    """

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._functions = {function.signature.name: function for function in graph.library.function}

    def of_graph(self, results: Iterable[str]) -> str:
        """Of the whole graph with these outputs, all told by their places in it."""
        return self._of_nodes(self._graph.node, (), results)

    def _of_function(self, name: str) -> str:
        function = self._functions[name]
        arguments = [argument.name for argument in function.signature.input_arg]
        results = [function.ret[argument.name] for argument in function.signature.output_arg]
        return self._of_nodes(function.node_def, arguments, results)

    def _of_nodes(self, nodes: Iterable[Any], arguments: Iterable[str], results: Iterable[str]) -> str:
        names = [*arguments, *(node.name for node in nodes)]
        places = {name: str(place) for place, name in enumerate(names)}

        def renamed(reference: str) -> str:
            """`^name`, `name`, `name:1` or, in a function, `name:output:1`."""
            control = reference[: reference.startswith("^")]
            name, *output = reference[len(control) :].split(":")
            return ":".join([control + places[name], *output])

        digest = hashlib.sha256()
        for original in nodes:
            node = type(original)()
            node.CopyFrom(original)
            node.name = places[original.name]
            node.ClearField("experimental_debug_info")
            node.input[:] = [renamed(reference) for reference in original.input]
            for name in _WITHOUT_MEANING:
                node.attr.pop(name, None)
            for value in node.attr.values():
                for function in [*([value.func] if value.HasField("func") else []), *value.list.func]:
                    function.name = self._of_function(function.name)
            digest.update(node.SerializeToString(deterministic=True))
        digest.update(" ".join(renamed(result) for result in results).encode())
        return digest.hexdigest()
