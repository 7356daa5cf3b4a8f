"""Results that hold arrays with an entry for every image, and what made them."""

import dataclasses
import hashlib
import json
import os
import zipfile
from collections.abc import Iterable, Iterator, KeysView, Mapping, Sequence, ValuesView
from typing import Any, Self

import keras
import numpy as np

from keras_intriguing import files, presets
from keras_intriguing.classifiers.pixels import Bounds, word

_KIND, _PROVENANCE, _PART, _DIFFERING = "kind", "provenance", "part", "differing"
_OF_IMAGES = {"shape", "images_sha256", _PART}


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class PerImage:
    """Arrays [B, …] with one entry for each of B images; subclasses name them.

    Attributes:
        provenance: what made it, in JSON's types: the model and a hash of its weights, shape and hash of the images, settings and
            versions. Shape and hash are those of all images of the call; of which of them a part is, `part` says by their
            numbers. Where results of several calls were joined, it is what these have in common, and `differing` lists the
            other settings.
    """

    provenance: dict[str, Any] = dataclasses.field(default_factory=dict, kw_only=True)

    @classmethod
    def names(cls) -> list[str]:
        """Of the arrays."""
        return [field.name for field in dataclasses.fields(cls) if field.name != _PROVENANCE]

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by their names."""
        return {name: getattr(self, name) for name in self.names()}

    @property
    def word(self) -> str:
        """What an entry is called: an image, or an example of tabular data, as far as it is known."""
        return word(tuple(self.provenance.get("shape", "NHW")))

    def __len__(self) -> int:
        return len(getattr(self, self.names()[0]))

    def __getitem__(self, images: int | slice | np.ndarray | list) -> Self:
        """Of some images: one number, which keeps the axis of images, a slice, an array of numbers or of booleans."""
        if isinstance(images, (bool, np.bool_)):
            raise IndexError(
                f"A result is cut by numbers, a slice or an array [B] of booleans, not by {images}."
            )
        if isinstance(images, (int, np.integer)):
            if not -len(self) <= images < len(self):  # which ends a loop over the images, too
                raise IndexError(f"There are {len(self)} {self.word}s, and no {self.word} {images}.")
            images = [int(images)]
        rows = np.arange(len(self))[images]
        arrays = {name: array[rows] for name, array in self.arrays().items()}
        numbers = self._numbers()
        return type(self)(**arrays, provenance=_of_part(self.provenance, [numbers[row] for row in rows]))

    def _numbers(self) -> Sequence[int]:
        """The numbers of the images among those of the call."""
        return self.provenance.get(_PART, range(len(self)))

    @classmethod
    def concatenate(cls, results: Iterable[Self]) -> Self:
        """One result of all images, in this order.

        Raises:
            ValueError: there is none to join, or their images differ in shape.
            TypeError: one is something else.
        """
        if isinstance(results, PerImage):
            raise TypeError(f"concatenate takes a list of them: {cls.__name__}.concatenate([one, other]).")
        parts = list(results)
        if not parts:
            raise ValueError(f"There is no {cls.__name__} to join.")
        if others := sorted({type(part).__name__ for part in parts if not isinstance(part, cls)}):
            raise TypeError(
                f"{cls.__name__}.concatenate joins results of one kind, and not with {', '.join(others)}."
            )
        for name in cls.names():
            if len(shapes := {getattr(part, name).shape[1:] for part in parts}) > 1:
                listed = ", ".join(map(str, sorted(shapes)))
                raise ValueError(
                    f"Results of images of different shapes cannot be joined: {name} is of {listed}."
                )
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in cls.names()}
        made = [{name: v for name, v in part.provenance.items() if name != _PART} for part in parts]
        if any(other != made[0] for other in made):
            return cls(**arrays, provenance=_in_common(made))
        numbers = [number for part in parts for number in part._numbers()]
        return cls(**arrays, provenance=_of_part(made[0], numbers))

    def to_dict(self) -> dict[str, np.ndarray]:
        """The arrays with one value an image, by name: `pandas.DataFrame(result.to_dict())`."""
        return {name: array for name, array in self.arrays().items() if array.ndim == 1}

    def save(self, path: str | os.PathLike) -> None:
        """Writes it to `path`, a compressed .npz file without pickles, whole or not at all.

        Raises:
            OSError: the file cannot be written.
        """
        made = json.dumps(self.provenance, ensure_ascii=False)
        files.write_arrays(os.fspath(path), kind=type(self).__name__, provenance=made, **self.arrays())

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it holds something else, or is damaged; the message names it.
        """
        names = cls.names()
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
                if _KIND not in stored:
                    raise ValueError(f"it holds {', '.join(stored) or 'no arrays'}, and not what save writes")
                if str(stored[_KIND]) != cls.__name__:
                    raise ValueError(f"it holds a {stored[_KIND]}, not a {cls.__name__}")
                if absent := [name for name in (*names, _PROVENANCE) if name not in stored]:
                    raise ValueError(f"it lacks {', '.join(absent)}; another version may have written it")
                arrays = {name: stored[name] for name in names}
                made = json.loads(str(stored[_PROVENANCE]))
        except FileNotFoundError as error:
            raise FileNotFoundError(f"There is no file {path}.") from error
        except (
            TypeError,
            ValueError,
            EOFError,
            OSError,
            AttributeError,
            zipfile.BadZipFile,
        ) as error:
            raise ValueError(f"{path} is no saved {cls.__name__}: {error}") from error
        if not isinstance(made, dict):
            raise ValueError(f"{path} is no saved {cls.__name__}: what made it is a {type(made).__name__}.")
        if len({len(array) if array.ndim else -1 for array in arrays.values()}) != 1:
            raise ValueError(f"{path} is no saved {cls.__name__}: its arrays have different lengths.")
        return cls(**arrays, provenance=made)


def provenance(model: Any, x: np.ndarray, **settings: Any) -> dict[str, Any]:
    """What a result of a model and images x [B, …] is to remember.

    Args:
        model: a Keras model, whose weights are hashed, or a function, of which only the name is known. The words for its
            classes, `class_names`, are kept.
        x: the images.
        **settings: values of JSON's types; of arrays their hash is kept.
    """
    made: dict[str, Any] = {
        "model": getattr(model, "name", None) or getattr(model, "__name__", str(type(model)))
    }
    if isinstance(model, keras.Model):
        made["weights_sha256"] = _hash(*(np.asarray(weight) for weight in model.weights))
    if names := class_names(model):
        made["classes"] = names
    made |= {"shape": list(x.shape), "images_sha256": images_hash(x)}
    kept = {name: _setting(value) for name, value in settings.items()}
    return {**made, **kept, "versions": presets.versions()}


def _of_part(made: dict[str, Any], numbers: Sequence[int]) -> dict[str, Any]:
    """What made the images of these numbers, by what made all of them."""
    if "shape" not in made or list(numbers) == list(range(made["shape"][0])):
        return made
    return {**made, _PART: [int(number) for number in numbers]}


def _in_common(made: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What made images that are of several calls, by what made those of each."""
    names = {name: None for of in made for name in of if name not in _OF_IMAGES | {_DIFFERING}}  # in order
    common = {name for name in names if all(name in of and of[name] == made[0][name] for of in made)}
    differing = {name for of in made for name in of.get(_DIFFERING, ())} | (names.keys() - common)
    kept = {name: made[0][name] for name in names if name in common - differing}
    return {**kept, _DIFFERING: sorted(differing)} if differing else kept


def class_names(model: Any) -> list[str] | None:
    """The words for a model's classes, if it has a list of them as its attribute `class_names`, as presets do.

    A dictionary or a method of that name may mean anything, and is left alone.

    Raises:
        TypeError: they are in no order, or can be read only once.
    """
    names = getattr(model, "class_names", None)
    if names is None or isinstance(names, Mapping) or callable(names):
        return None
    if isinstance(names, Iterator):
        raise TypeError(
            f"model.class_names is a {type(names).__name__}, which can be read only once. Make it a list."
        )
    return in_order(names, "model.class_names")


def in_order(names: Any, source: str) -> list[str]:
    """Words for classes 0, 1, … as a list.

    Raises:
        TypeError: they are a set, a dictionary or one word; the message says of what `source`.
    """
    is_one = isinstance(names, (str, bytes)) or (isinstance(names, np.ndarray) and names.ndim == 0)
    has_places = (
        hasattr(names, "__len__") and hasattr(names, "__getitem__") and not isinstance(names, Mapping)
    )
    if is_one or not (has_places or isinstance(names, (KeysView, ValuesView, Iterator))):
        raise TypeError(
            f"{source} must hold the words for classes 0, 1, … in this order, as a list does; it is a {type(names).__name__}."
        )
    return [str(name) for name in names]


def checked_names(names: Any, classes: int, source: str) -> list[str]:
    """Words for all classes.

    Raises:
        TypeError: they are in no order.
        ValueError: they are fewer; the message says of what `source`.
    """
    found = in_order(names, source)
    if len(found) < classes:
        raise ValueError(f"{source} holds {len(found)} names, but there are {classes} classes.")
    return found


def grey_level(made: dict[str, Any]) -> float | None:
    """A 255th of the range of values, by what made a result; None where it is infinite, not the same for all, or not known."""
    bounds = made.get("bounds")
    if bounds is None or isinstance(bounds, dict):
        return None
    lower, upper = (float(b) for b in bounds)
    return (upper - lower) / 255 if np.isfinite(upper - lower) else None


def extremes(name: str, values: np.ndarray, unit: str) -> list[str]:
    """A line of a summary on the values [B] of some images."""
    low, middle, high = np.quantile(values, (0, 0.5, 1))
    return [f"  {name}: {low:.4g} to {high:.4g}, median {middle:.4g} ({unit})"]


def images_hash(x: np.ndarray) -> str:
    """The SHA-256 of images as float32, their shape included."""
    return _hash(x.astype(np.float32, copy=False))


def _setting(value: Any) -> Any:
    """A value of JSON's types for a setting: a number, a pair of numbers, a hash of more."""
    if isinstance(value, Bounds):
        value = np.stack(np.broadcast_arrays(*value))
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        return value
    if array.size > 2:
        return {"sha256": _hash(array)}
    return array.tolist() if np.isfinite(array).all() else array.astype(str).tolist()  # JSON has no infinity


def _hash(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8))
    return digest.hexdigest()
