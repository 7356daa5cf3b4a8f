"""Pickles of arrays, read so that no code in them can run.

A pickle is a program: it may name any function of any module and call it. Here it may name only what its reader knows,
and gets stand-ins for it, made for this purpose, that a pickle can call or pass on but not alter. NumPy's and
PyTorch's own classes are never handed to it.
"""

import pickle
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np


class Refused(ValueError):
    """A pickle asks for something that arrays do not need."""


class Opaque:
    """What a pickle may pass on but not alter."""

    def __setstate__(self, state: Any) -> None:
        """Called where the pickle would set attributes.

        Raises:
            Refused: always.
        """
        raise Refused("its pickle alters a function or an array. Nothing in the file was run.")


class Function(Opaque):
    """A function that a pickle may call."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        """What the function gives."""
        return self._function(*arguments)


class Array(Opaque):
    """An array, on its way through a pickle.

    Attributes:
        value: the array; of NumPy's arrays of one object, that object.
    """

    def __init__(self, value: Any = None) -> None:
        self.value = value


def load(file: BinaryIO, known: Mapping[str, Any], storage: Callable[[Any], Any] | None = None) -> Any:
    """The object in a pickle.

    Args:
        file: open at the pickle's beginning.
        known: a stand-in for every name, with its module, that the pickle may use: a `Function`, or a plain string
            where the pickle only passes it on.
        storage: maps the references to data outside the pickle to the data.

    Raises:
        Refused: the pickle names something else, or alters a stand-in. Nothing in it was run.
        ValueError: it is damaged, or asks for more memory than there is.
    """
    try:
        return _Unpickler(file, known, storage).load()
    except Refused:
        raise
    except MemoryError as error:  # a damaged length, as a rule
        raise ValueError("its pickle is damaged, or asks for more memory than there is") from error
    except Exception as error:  # of a damaged pickle nearly every kind
        raise ValueError(f"its pickle is damaged ({error})") from error


class _Unpickler(pickle.Unpickler):
    def __init__(
        self, file: BinaryIO, known: Mapping[str, Any], storage: Callable[[Any], Any] | None
    ) -> None:
        super().__init__(file, encoding="latin1")  # the bytes in Python 2's pickles come as text
        self._known, self._storage = known, storage

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in; by default it would be the object itself, imported."""
        found = self._known.get(f"{module}.{name}")
        if found is None:
            raise Refused(
                f"its pickle names {module}.{name}, which weights do not need. Nothing in the file was run. If the file "
                "is your own and holds a whole model or the state of a training, save the weights alone, in PyTorch by "
                "torch.save(model.state_dict(), FILE)."
            )
        return found

    def persistent_load(self, reference: Any) -> Any:
        """Data outside the pickle."""
        if self._storage is None:
            raise Refused("its pickle refers to data outside itself. Nothing in the file was run.")
        return self._storage(reference)


class _NumPyType:
    """NumPy's dtype, as text."""

    def __init__(self, code: str, *_: Any) -> None:
        self.text = str(code)

    def __setstate__(self, state: tuple) -> None:
        """The second of the state's parts is the order of bytes."""
        self.text = f"{state[1]}{self.text}"


class _NumPyArray(Array):
    """NumPy's array, which its pickle makes empty and then fills."""

    def __setstate__(self, state: tuple) -> None:
        """The state: version, shape, dtype, whether in Fortran's order, and bytes or, of objects, a list."""
        _, shape, dtype, fortran, data = state
        if isinstance(data, list):
            if shape != () or len(data) != 1:
                raise ValueError(f"an array of objects has the shape {shape}")
            self.value = data[0]
        else:
            raw = data.encode("latin1") if isinstance(data, str) else data
            # np.frombuffer takes numbers only, and no more than there are
            self.value = np.frombuffer(raw, dtype.text).reshape(shape, order="F" if fortran else "C")


def _array(kind: Any, *_: Any) -> _NumPyArray:
    if kind != _NDARRAY:
        raise Refused(f"its pickle makes an array of class {kind!r}. Nothing in the file was run.")
    return _NumPyArray()


def _encoded(text: str, encoding: str) -> bytes:
    if encoding != "latin1":  # as Python 3 writes bytes for Python 2
        raise ValueError(f"bytes are written as {encoding!r}")
    return text.encode(encoding)


_NDARRAY = "numpy.ndarray"

# What NumPy's arrays name in their pickles; the second name is that of NumPy 2.
NUMPY: Mapping[str, Any] = {
    "numpy.core.multiarray._reconstruct": Function(_array),
    "numpy._core.multiarray._reconstruct": Function(_array),
    "numpy.ndarray": _NDARRAY,
    "numpy.dtype": Function(_NumPyType),
    "_codecs.encode": Function(_encoded),
}
