"""Values to JSON and back."""

import dataclasses
import json
from typing import Any, NamedTuple

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
