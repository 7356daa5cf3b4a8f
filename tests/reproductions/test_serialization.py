"""Values to JSON and back."""

import dataclasses
import json
from typing import Any, NamedTuple

import numpy as np
import pytest

from reproductions.shared.intervals import Number
from reproductions.shared.serialization import from_json, to_json


class Pair(NamedTuple):
    first: float
    second: float


@dataclasses.dataclass(frozen=True)
class Everything:
    number: Number
    by_name: dict[str, dict[str, Number]]
    pairs: list[Pair]
    left_out: Number | None = None
    given: str | None = None


NUMBER = Number(0.5, 0.4, 0.6, 10, [0.5, 0.5])
VALUE = Everything(NUMBER, {"a": {"b": NUMBER}}, [Pair(1.0, 2.0)], given="yes")


@pytest.mark.parametrize(
    ("kind", "value"),
    [(Everything, VALUE), (dict[str, Number], {"a": NUMBER}), (list[float], [1.0, 2.0]), (Any, {"a": 1})],
)
def test_values_come_back(kind: Any, value: Any) -> None:
    assert from_json(kind, json.loads(json.dumps(to_json(value)))) == value


def test_numbers_are_objects_by_their_fields() -> None:
    assert to_json(NUMBER) == {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10, "runs": [0.5, 0.5]}
    assert "left_out" not in to_json(VALUE)


def test_arrays_are_compressed_and_come_back() -> None:
    outcomes = np.zeros((2, 5000), np.float16)
    outcomes[:, 7], outcomes[1, 9] = 1, np.nan
    stored = json.loads(json.dumps(to_json({"a": outcomes})))
    assert len(stored["a"]["zlib"]) < 150
    found = from_json(dict[str, np.ndarray], stored)["a"]
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, outcomes)
