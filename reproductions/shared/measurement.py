"""Planned measurements, and their values: out of their records, or now measured and recorded."""

import abc
import dataclasses
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import keras_intriguing as ki
from reproductions.shared import records
from reproductions.shared.code import code_of
from reproductions.shared.run import Run
from reproductions.shared.serialization import from_json, to_json

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Measurement(abc.ABC, Generic[T]):
    """A planned measurement, whose values are kept in a record.

    Its kinds are frozen dataclasses, so that equal ones are one measurement. The module of a kind decides its values,
    with all that it imports, so that it has no part in presenting them.

    Attributes:
        name: of the record's file, below `records`.
    """

    name: str

    @abc.abstractmethod
    def presets(self, run: Run) -> Sequence[str]:
        """The models that the values rest on."""

    @abc.abstractmethod
    def measure(self, run: Run) -> T:
        """The values: JSON's types, dataclasses and named tuples of them, as the annotation says."""

    def needs(self, run: Run) -> Sequence["Measurement[Any]"]:
        """The measurements that come before this one."""
        return ()

    def images(self, run: Run) -> dict[str, Any]:
        """The images that the values rest on, for the record's key: `dataset`, `images`, `images_sha256`."""
        return {"dataset": run.dataset, "images": run.images, "images_sha256": run.images_hash}

    def settings(self, run: Run) -> dict[str, Any]:
        """Whatever decides the values beside the fields, in JSON's types, for the record's key."""
        return {}

    def key(self, run: Run) -> dict[str, Any]:
        """All that decides the values."""
        return {
            **self.images(run),
            **self.of_tree(run),
            "versions": ki.presets.versions(),
            **self.settings(run),
        }

    def of_tree(self, run: Run) -> dict[str, Any]:
        """The part of the key that needs no images: what is measured, of which presets, by which code."""
        presets = self.presets(run)
        return {
            "fields": to_json(self),
            "seed": run.seed,
            "sha256": {preset: ki.presets.load_metrics(preset)["sha256"] for preset in presets},
            "code": code_of(type(self).__module__, presets),
        }


def measured(run: Run, measurement: Measurement[T]) -> T:
    """The values of a measurement: read if there is a record with the same key, else measured and recorded."""
    run.begin(measurement.name)
    stored = records.keep(
        run.out / "records" / f"{measurement.name}.json",
        measurement.key(run),
        run.command,
        lambda: to_json(measurement.measure(run)),
    )
    return from_json(typing.get_type_hints(type(measurement).measure)["return"], stored)


def each_once(measurements: Iterable[Measurement[Any]], run: Run) -> list[Measurement[Any]]:
    """The measurements and those that they need, in the order in which they are made."""
    found: dict[Measurement[Any], None] = {}
    for one in measurements:
        found |= dict.fromkeys([*each_once(one.needs(run), run), one])
    return list(found)


class Values:
    """What was measured, by measurement."""

    def __init__(self, values: Mapping[Measurement[Any], Any]) -> None:
        self._values = values

    def __getitem__(self, measurement: Measurement[T]) -> T:
        return self._values[measurement]

    def __contains__(self, measurement: Measurement[Any]) -> bool:
        return measurement in self._values
