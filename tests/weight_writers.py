"""Writes weights as other programs do: NumPy under Python 2 and 3, PyTorch's zip format, without those programs."""

import pickle
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

_HEADER = {"descr": "|O", "fortran_order": False, "shape": ()}
_STORAGES = {"f8": "DoubleStorage", "f4": "FloatStorage", "f2": "HalfStorage", "i8": "LongStorage"}


def name(module: str, attribute: str) -> bytes:
    """The opcode that names a function or class."""
    return f"c{module}\n{attribute}\n".encode()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def integers(values: Sequence[int]) -> bytes:
    return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + b"(" + b"".join(arguments) + b"tR"


def program(*opcodes: bytes) -> bytes:
    """A whole pickle of protocol 2."""
    return b"\x80\x02" + b"".join(opcodes) + b"."


# NumPy


def write_npy(path: Path, pickled: bytes) -> Path:
    """A file of one object whose pickle is given."""
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, _HEADER)
        file.write(pickled)
    return path


def write_npy_of_python2(path: Path, layers: Mapping[str, Sequence[np.ndarray]]) -> Path:
    """As Python 2 wrote it: text and numbers as strings of bytes."""
    entries = [
        bytes2(layer.encode()) + b"(" + b"".join(array2(np.ascontiguousarray(a)) for a in arrays) + b"l"
        for layer, arrays in layers.items()
    ]
    dictionary = b"}(" + b"".join(entries) + b"u"
    return write_npy(path, program(filled2((), "O8", "|", b"(" + dictionary + b"l")))


def bytes2(value: bytes) -> bytes:
    return b"T" + struct.pack("<i", len(value)) + value


def array2(array: np.ndarray) -> bytes:
    return filled2(array.shape, array.dtype.str[1:], "<", bytes2(array.tobytes()))


def filled2(shape: Sequence[int], code: str, order: str, data: bytes) -> bytes:
    empty = call(
        name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray"), integers([0]), bytes2(b"b")
    )
    plain = call(name("numpy", "dtype"), bytes2(code.encode()), b"K\x00", b"K\x01")
    flags = b"K\x3f" if code == "O8" else b"K\x00"
    rest = b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff" + flags
    dtype = plain + b"(K\x03" + bytes2(order.encode()) + rest + b"tb"
    return empty + b"(K\x01" + integers(shape) + dtype + b"\x89" + data + b"tb"


def write_npy_of_python3(
    path: Path, layers: Mapping[str, Sequence[np.ndarray]], protocol: int = 4, numpy1: bool = False
) -> Path:
    """As `np.save` writes it; `numpy1`: with the name that NumPy 1 gives its module."""
    pickled = pickle.dumps(np.array(layers, object), protocol)
    if numpy1:
        pickled = pickled.replace(b"numpy._core", b"numpy.core")
    return write_npy(path, pickled)


# PyTorch


def tensor(
    key: str,
    storage: str,
    numbers: int,
    shape: Sequence[int],
    strides: Sequence[int],
    offset: int = 0,
    view: bytes = b"",
) -> bytes:
    """The opcodes that rebuild a tensor of a storage; `view`, which the zip format lacks, is of a storage's part."""
    reference = (
        b"(" + text("storage") + name("torch", storage) + text(key) + text("cpu") + integers([numbers])[1:-1]
    )
    return call(
        name("torch._utils", "_rebuild_tensor_v2"),
        reference + view + b"tQ",
        integers([offset])[1:-1],
        integers(shape),
        integers(strides),
        b"\x89",
        call(name("collections", "OrderedDict")),
    )


def write_zip(path: Path, pickled: bytes, storages: Mapping[str, bytes], folder: str = "archive") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{folder}/data.pkl", pickled)
        archive.writestr(f"{folder}/byteorder", "little")
        for key, numbers in storages.items():
            archive.writestr(f"{folder}/data/{key}", numbers)
        archive.writestr(f"{folder}/version", "3\n")
    return path


def write_pth(path: Path, arrays: Mapping[str, np.ndarray], **settings: Any) -> Path:
    """As `torch.save(model.state_dict(), path)`."""
    entries, storages = [], {}
    for key, (entry, array) in enumerate(arrays.items()):
        strides = [stride // array.itemsize for stride in np.ascontiguousarray(array).strides]
        kind = _STORAGES[array.dtype.str[1:]]
        entries.append(text(entry) + tensor(str(key), kind, array.size, array.shape, strides[: array.ndim]))
        storages[str(key)] = array.tobytes()
    return write_zip(path, state_dict(*entries), storages, **settings)


def state_dict(*entries: bytes) -> bytes:
    """The pickle of an ordered dictionary with the versions of the model's parts beside it."""
    ordered = call(name("collections", "OrderedDict"))
    return program(ordered, b"(", *entries, b"u", b"}", text("_metadata"), ordered, b"s", b"b")


def write_pth_before_zip(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """As `torch.save` wrote a state dict before version 1.6: pickles, then every storage's length and numbers."""
    entries, storages = [], []
    for key, (entry, array) in enumerate(arrays.items()):
        strides = [stride // array.itemsize for stride in np.ascontiguousarray(array).strides]
        kind = _STORAGES[array.dtype.str[1:]]
        rebuilt = tensor(str(key), kind, array.size, array.shape, strides[: array.ndim], view=b"N")
        entries.append(text(entry) + rebuilt)
        storages.append(struct.pack("<q", array.size) + array.tobytes())
    keys = pickle.dumps([str(key) for key in range(len(arrays))], protocol=2)
    path.write_bytes(head_before_zip() + state_dict(*entries) + keys + b"".join(storages))
    return path


def head_before_zip() -> bytes:
    """What stands before the state dict: PyTorch's number, the version of the format, the machine."""
    machine = {
        "protocol_version": 1001,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    return b"".join(pickle.dumps(part, protocol=2) for part in (0x1950A86A20F9469CFC6C, 1001, machine))
