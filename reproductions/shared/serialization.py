"""Values as JSON and back: dataclasses and named tuples as objects, by the names of their fields."""

import base64
import dataclasses
import types
import typing
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np


def to_json(value: Any) -> Any:
    """The value in JSON's types; a dataclass' fields that are None are left out, arrays are compressed."""
    if isinstance(value, np.ndarray):
        packed = base64.b64encode(zlib.compress(np.ascontiguousarray(value).tobytes(), 9))
        return {"dtype": value.dtype.str, "shape": list(value.shape), "zlib": packed.decode()}
    if dataclasses.is_dataclass(value):
        pairs = [(f.name, getattr(value, f.name)) for f in dataclasses.fields(value)]
        return {name: to_json(field) for name, field in pairs if field is not None}
    if hasattr(value, "_asdict"):
        return to_json(value._asdict())
    if isinstance(value, Mapping):
        return {name: to_json(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(one) for one in value]
    return value


def from_json(kind: Any, stored: Any) -> Any:
    """What `to_json` was given.

    Args:
        kind: its type: of JSON, an array, a dataclass, a named tuple, or `dict[str, …]`, `list[…]` and `… | None` of these.
        stored: JSON's values.
    """
    if stored is None or kind is Any:
        return stored
    if kind is np.ndarray:
        content = zlib.decompress(base64.b64decode(stored["zlib"]))
        return np.frombuffer(content, stored["dtype"]).reshape(stored["shape"])
    if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"):
        hints, made = typing.get_type_hints(kind), typing.cast(Any, kind)
        return made(**{name: from_json(hints[name], value) for name, value in stored.items()})
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is dict:
        return {name: from_json(arguments[1], value) for name, value in stored.items()}
    if origin is list:
        return [from_json(arguments[0], value) for value in stored]
    if origin is types.UnionType:
        (given,) = (one for one in arguments if one is not types.NoneType)
        return from_json(given, stored)
    return stored
