"""Files of named weights that other programs write: NumPy's dictionaries, PyTorch's state dicts, safetensors."""

import functools
import io
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from keras_intriguing.conversion import unpickling
from keras_intriguing.conversion.unpickling import Array, Function

_PICKLE = "/data.pkl"
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # at the beginning of PyTorch's files before version 1.6
_SMALL = 2**24  # bytes of the names and shapes of weights
_STORAGES = {
    "torch.DoubleStorage": "<f8",
    "torch.FloatStorage": "<f4",
    "torch.HalfStorage": "<f2",
    "torch.LongStorage": "<i8",  # counters of batch normalization: of other networks, which are then named as such
}


def read(path: Path) -> dict[str, Any]:
    """The entries of a file, of which every one should be an array; no code in the file is run.

    Args:
        path: ending in `.npy` (a dictionary of layers; the entries are `conv1[0]`, `conv1[1]`, …), `.pth` (PyTorch's
            zip format) or `.safetensors`.

    Returns:
        The entries by name, in the file's order. What is no array is left as it is.

    Raises:
        ValueError: the file has another form than its name says, is damaged, or its pickle asks for anything that
            weights do not need.
        OSError: it cannot be read.
    """
    try:
        return _READERS[path.suffix.lower()](path)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # zipfile, zlib, NumPy and safetensors each raise their own
        raise ValueError(f"{path} could not be read: {error}") from error


def _numpy_dictionary(path: Path) -> dict[str, Any]:
    """Of `np.save(path, {"conv1": [kernel, bias], …})`."""
    with open(path, "rb") as file:
        headers = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
        _, _, dtype = headers[np.lib.format.read_magic(file)[0]](file)
        if not dtype.hasobject:
            raise ValueError(f"it holds one array of {dtype}, not a dictionary of layers.")
        loaded = unpickling.load(file, unpickling.NUMPY)
    layers = _named(loaded.value if isinstance(loaded, Array) else loaded)
    return {
        f"{layer}[{i}]": _plain(part)
        for layer, parts in layers.items()
        for i, part in enumerate(parts if isinstance(parts, (list, tuple)) else [parts])
    }


def _state_dict(path: Path) -> dict[str, Any]:
    """Of `torch.save(model.state_dict(), path)`."""
    if not zipfile.is_zipfile(path):
        return _state_dict_before_zip(path)
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.endswith(_PICKLE)]
        if len(pickles) != 1:
            raise ValueError(f"it is a zip file without {_PICKLE[1:]}, not one of torch.save.")
        folder = pickles[0].removesuffix(_PICKLE)
        if f"{folder}/byteorder" in archive.namelist() and _read(archive, f"{folder}/byteorder") != b"little":
            raise ValueError("its numbers are in big-endian order; save it on a little-endian machine.")

        @functools.cache
        def storage(reference: tuple) -> Array:
            _, dtype, key, _, count = reference
            if dtype not in _STORAGES.values():
                raise ValueError(f"a storage has the type {dtype!r}")
            member = archive.getinfo(f"{folder}/data/{key}")
            if (member.file_size, member.compress_type) != (count * int(dtype[-1]), zipfile.ZIP_STORED):
                raise ValueError(f"{member.filename} does not hold {count} numbers of {dtype[-1]} bytes")
            return Array(np.frombuffer(archive.read(member), dtype))

        loaded = unpickling.load(io.BytesIO(_read(archive, pickles[0])), _TORCH, storage)
    return {name: _plain(value) for name, value in _named(loaded).items()}


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    """A small member, whose size is checked before it is inflated; the numbers are not among these."""
    size = archive.getinfo(name).file_size
    if size > _SMALL:
        raise ValueError(
            f"{name} in it would inflate to {size:,} bytes, where at most {_SMALL:,} are expected."
        )
    return archive.read(name)


def _state_dict_before_zip(path: Path) -> dict[str, Any]:
    """As PyTorch wrote it before version 1.6: pickles one after the other, then the storages' numbers."""
    size = path.stat().st_size
    storages: dict[str, np.ndarray] = {}

    def storage(reference: tuple) -> Array:
        """Room for the numbers, which come after the tensors."""
        kind, dtype, key, _, count, view = reference
        if kind != "storage" or dtype not in _STORAGES.values() or view is not None:
            raise ValueError(f"a storage has the type {dtype!r}, or is part of another")
        if key not in storages:
            if count * np.dtype(dtype).itemsize + sum(known.nbytes for known in storages.values()) > size:
                raise ValueError("its storages have more numbers than the file has room for")
            storages[key] = np.empty(count, dtype)
        return Array(storages[key])

    with open(path, "rb") as file:
        if unpickling.load(file, {}) != _MAGIC or unpickling.load(file, {}) != _PROTOCOL:
            raise ValueError("it is truncated, or in none of the formats of torch.save.")
        if unpickling.load(file, {}).get("little_endian") is not True:
            raise ValueError("its numbers are in big-endian order; save it on a little-endian machine.")
        loaded = unpickling.load(file, _TORCH, storage)
        keys = unpickling.load(file, {})
        if set(keys) != set(storages):
            raise ValueError("its storages are not those that its tensors name")
        for key in keys:
            numbers = storages[key]
            if int.from_bytes(file.read(8), "little") != numbers.size or (
                file.readinto(numbers.data) != numbers.nbytes
            ):
                raise ValueError("it is truncated.")
    return {name: _plain(value) for name, value in _named(loaded).items()}


class _OrderedDict(dict):
    """For `collections.OrderedDict`."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        """The versions of PyTorch's modules, which are not needed."""


def _tensor(storage: Array, offset: int, shape: tuple, strides: tuple, *_: Any) -> Array:
    """A view of a storage; NumPy checks that it stays inside."""
    numbers = storage.value
    if math.prod(shape) > numbers.size:  # a stride of 0 would make any size out of one number
        raise ValueError(f"a tensor of shape {shape} has more numbers than its storage")
    size = numbers.itemsize
    steps = [stride * size for stride in strides]
    return Array(np.ndarray(shape, numbers.dtype, numbers, offset * size, steps))


def _named(loaded: Any) -> dict[str, Any]:
    if not isinstance(loaded, dict) or not all(isinstance(name, str) for name in loaded):
        raise ValueError("it holds no dictionary of named weights.")
    return loaded


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Array) else value


_TORCH = {
    "collections.OrderedDict": Function(_OrderedDict),
    "torch._utils._rebuild_tensor_v2": Function(_tensor),
    "torch._utils._rebuild_parameter": Function(lambda tensor, *_: tensor),
    **_STORAGES,
}

_READERS = {
    ".npy": _numpy_dictionary,
    ".pth": _state_dict,
    ".safetensors": safetensors.numpy.load_file,
}
