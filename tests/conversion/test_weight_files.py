"""Files of weights: what they give, and that no code in them runs."""

import os
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import weight_writers as write
from weight_writers import call, integers, name, program, tensor, text

from keras_intriguing.conversion import weight_files

ARRAYS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.array([1.5, -2.0]),
    "c": np.array([1, 2, 3], np.float16),
    "d": np.array(7),
}


def assert_same(found: dict[str, Any], expected: dict[str, np.ndarray]) -> None:
    assert list(found) == list(expected)
    for key, array in expected.items():
        assert found[key].dtype == array.dtype
        assert np.array_equal(found[key], array)


@pytest.mark.parametrize("folder", ["archive", "alexnet"])
def test_pth_files_give_their_tensors(folder: str, tmp_path: Path) -> None:
    assert_same(weight_files.read(write.write_pth(tmp_path / "w.pth", ARRAYS, folder=folder)), ARRAYS)


def test_tensors_are_views_of_their_storage(tmp_path: Path) -> None:
    numbers = np.arange(12, dtype=np.float32)
    transposed = tensor("0", "FloatStorage", 12, (2, 4), (1, 2), offset=3)
    parameter = call(name("torch._utils", "_rebuild_parameter"), transposed, b"\x88", b"N")
    path = tmp_path / "w.pth"
    write.write_zip(
        path, write.state_dict(text("view"), transposed, text("own"), parameter), {"0": numbers.tobytes()}
    )
    expected = numbers[3:11].reshape(4, 2).T
    assert_same(weight_files.read(path), {"view": expected, "own": expected})


def test_safetensors_files_give_their_tensors(tmp_path: Path) -> None:
    safetensors.numpy.save_file(ARRAYS, tmp_path / "w.safetensors")
    found = weight_files.read(tmp_path / "w.safetensors")
    assert_same(dict(sorted(found.items())), ARRAYS)


@pytest.mark.parametrize("protocol", range(5))
def test_npy_files_give_their_layers(protocol: int, tmp_path: Path) -> None:
    layers = {
        "one": [ARRAYS["a"], np.asfortranarray(ARRAYS["a"])],
        "two": (ARRAYS["b"], ARRAYS["d"]),
        "three": "no array",
    }
    path = write.write_npy_of_python3(tmp_path / "w.npy", layers, protocol)
    found = weight_files.read(path)
    assert found.pop("three[0]") == "no array"
    expected = {"one[0]": ARRAYS["a"], "one[1]": ARRAYS["a"], "two[0]": ARRAYS["b"], "two[1]": ARRAYS["d"]}
    assert_same(found, expected)


def test_npy_files_by_numpy_itself_and_by_python_2(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", {"one": [ARRAYS["a"], ARRAYS["b"]]})
    expected = {"one[0]": ARRAYS["a"], "one[1]": ARRAYS["b"]}
    assert_same(weight_files.read(tmp_path / "w.npy"), expected)
    path = write.write_npy_of_python2(tmp_path / "2.npy", {"one": [ARRAYS["a"], ARRAYS["b"]]})
    assert_same(weight_files.read(path), expected)
    assert np.load(path, allow_pickle=True, encoding="latin1").item().keys() == {"one"}  # NumPy reads it, too


class Calls:
    """Pickled as a call."""

    def __init__(self, function: Callable, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple:
        return self._call


def attempts(marker: Path) -> dict[str, tuple[bytes, str]]:
    """Pickles that would make a file or reach for functions, and what the error says of them; in both forms."""
    command = f"touch {marker}"
    return {
        "call": (pickle.dumps(Calls(os.system, command), 2), "names posix.system"),
        "call inside a dictionary": (pickle.dumps({"a": [1, Calls(os.system, command)]}, 4), "names posix.system"),
        "built-in": (pickle.dumps(Calls(exec, f"open({str(marker)!r}, 'w')"), 4), "names builtins.exec"),
        "built-in of Python 2": (program(call(name("__builtin__", "eval"), text("1"))), "names __builtin__.eval"),
        "instance": (b"(S'" + command.encode() + b"'\nios\nsystem\n.", "names os.system"),
        "on the stack": (program(text("os"), text("system"), b"\x93", text(command), b"\x85R"), "names os.system"),
        "dotted": (program(text("numpy"), text("os.system"), b"\x93", text(command), b"\x85R"), "names numpy.os.system"),
        "attribute": (program(call(name("builtins", "getattr"), text("x"), text("y"))), "names builtins.getattr"),
        "loader of NumPy": (program(call(name("numpy", "load"), text("x"))), "names numpy.load"),
    }  # fmt: skip


def attempts_with_numpy(marker: Path) -> dict[str, tuple[bytes, str]]:
    """The same by way of what a .npy file may name."""
    evil = Calls(os.system, f"touch {marker}")
    reconstruct, rest = name("numpy.core.multiarray", "_reconstruct"), (integers([0]), text("b"))
    return {
        "call inside an array": (pickle.dumps(np.array({"conv1": evil}, object), 4), "names posix.system"),
        "scalar": (program(call(name("numpy.core.multiarray", "scalar"), text("O"))), "names numpy.core.multiarray.scalar"),
        "array of a class": (program(call(reconstruct, name("os", "system"), *rest)), "names os.system"),
        "array of a known thing": (program(call(reconstruct, name("numpy", "dtype"), *rest)), "makes an array of class"),
        "function altered": (program(reconstruct, b"N}", text("_function"), reconstruct, b"s\x86b"), "alters a function or an array"),
    }  # fmt: skip


def attempts_with_torch(marker: Path) -> dict[str, tuple[bytes, str]]:
    """The same by way of what a .pth file may name."""
    ordered = call(name("collections", "OrderedDict"))
    evil = call(name("os", "system"), text(f"touch {marker}"))
    rebuild = name("torch._utils", "_rebuild_tensor_v2")
    alter = b"N}" + text("_function") + rebuild + b"s\x86b"
    storage = tensor("0", "FloatStorage", 1, (1,), (1,))
    return {
        "call inside a state dict": (write.state_dict(text("a"), evil), "names os.system"),
        "call in what a state dict carries": (program(ordered, b"}", text("_metadata"), evil, b"sb"), "names os.system"),
        "whole model": (program(name("torchvision.models.alexnet", "AlexNet"), b")\x81"), "names torchvision.models.alexnet.AlexNet"),
        "function altered": (program(rebuild, alter), "alters a function or an array"),
        "tensor altered": (program(storage, alter), "alters a function or an array"),
    }  # fmt: skip


ATTEMPTS = [
    *((".npy", make, attempt) for make in (attempts, attempts_with_numpy) for attempt in make(Path())),
    *((".pth", make, attempt) for make in (attempts, attempts_with_torch) for attempt in make(Path())),
]  # fmt: skip


@pytest.mark.parametrize(("suffix", "make", "attempt"), ATTEMPTS, ids=[f"{a[0]} {a[2]}" for a in ATTEMPTS])
def test_no_code_in_a_pickle_runs(suffix: str, make: Callable, attempt: str, tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / f"weights{suffix}"
    pickled, message = make(marker)[attempt]
    if suffix == ".npy":
        write.write_npy(path, pickled)
    else:
        write.write_zip(path, pickled, {"0": bytes(4)})
    with pytest.raises(
        ValueError, match=rf"weights\{suffix} could not be read: its pickle {re.escape(message)}"
    ) as caught:
        weight_files.read(path)
    assert "Nothing in the file was run" in str(caught.value)
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # they leave files open
def test_the_attempts_are_real(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    for attempt in ("call", "call inside a dictionary", "built-in", "instance", "on the stack"):
        pickle.loads(attempts(marker)[attempt][0])
        marker.unlink()


def of_dtype(code: str, order: str, data: bytes, shape: tuple[int, ...] = (1,)) -> bytes:
    """An array whose type and bytes are given."""
    return program(write.filled2(shape, code, order, write.bytes2(data)))


@pytest.mark.parametrize(
    "pickled",
    [
        of_dtype("O8", "|", bytes(8)),  # eight bytes as an address
        of_dtype("f4", "<", bytes(4), (1 << 20,)),
        of_dtype("f4", "<", bytes(8), (-5,)),
        of_dtype("nonsense", "<", bytes(4)),
        program(b"]"),
        program(b"}K\x01K\x02s"),
        b"\x80\x02}",
        b"\x80\x09.",
        b"",
        program(call(name("_codecs", "encode"), text("x"), text("rot13"))),
        program(text("storage"), b"Q"),
        b"\x80\x04\x8d" + (1 << 61).to_bytes(8, "little"),  # a string longer than any memory
    ],
    ids=["pointer", "short", "negative", "type", "list", "numbers", "end", "protocol", "empty", "codec", "reference", "length"],
)  # fmt: skip
def test_damaged_npy_files_are_named(pickled: bytes, tmp_path: Path) -> None:
    path = write.write_npy(tmp_path / "w.npy", pickled)
    with pytest.raises(ValueError, match=r"w\.npy could not be read: "):
        weight_files.read(path)


@pytest.mark.parametrize(
    "entry",
    [
        tensor("0", "FloatStorage", 3, (4,), (1,)),
        tensor("0", "FloatStorage", 3, (2,), (1,), offset=2),
        tensor("0", "FloatStorage", 3, (2,), (1,), offset=-1),
        tensor("0", "FloatStorage", 3, (2,), (5,)),
        tensor("0", "FloatStorage", 3, (2,), (-1,)),
        tensor("0", "FloatStorage", 3, (1 << 20, 1 << 20), (0, 0)),
        tensor("0", "FloatStorage", 3, (-1,), (1,)),
        tensor("0", "FloatStorage", 2, (2,), (1,)),
        tensor("0", "DoubleStorage", 3, (3,), (1,)),
        tensor("1", "FloatStorage", 3, (3,), (1,)),
        tensor("../version", "FloatStorage", 3, (3,), (1,)),
        call(name("torch._utils", "_rebuild_tensor_v2"), text("no storage"), integers([0]), integers([1]), integers([1])),
    ],
    ids=[
        *("numbers", "end", "offset", "stride", "backwards", "bomb", "negative", "storage", "type", "absent"),
        *("elsewhere", "text"),
    ],
)  # fmt: skip
def test_tensors_stay_inside_their_storage(entry: bytes, tmp_path: Path) -> None:
    storages = {"0": np.ones(3, np.float32).tobytes()}
    path = write.write_zip(tmp_path / "w.pth", write.state_dict(text("a"), entry), storages)
    with pytest.raises(ValueError, match=r"w\.pth could not be read: its pickle is damaged"):
        weight_files.read(path)


def test_a_compressed_storage_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "a/data.pkl", write.state_dict(text("a"), tensor("0", "FloatStorage", 9, (9,), (1,)))
        )
        archive.writestr("a/data/0", bytes(36))
    with pytest.raises(ValueError, match=r"a/data/0 does not hold 9 numbers"):
        weight_files.read(tmp_path / "w.pth")


@pytest.mark.parametrize("member", ["data.pkl", "byteorder"])
def test_a_member_that_would_inflate_is_refused_before_it_is_read(member: str, tmp_path: Path) -> None:
    members = {"data.pkl": write.state_dict(), member: bytes(2**25)}
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        for short, content in members.items():
            archive.writestr(f"a/{short}", content)
    with pytest.raises(ValueError, match=f"{member} in it would inflate to 33,554,432 bytes"):
        weight_files.read(tmp_path / "a.pth")


def test_numbers_in_big_endian_order_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
        archive.writestr("a/data.pkl", write.state_dict())
        archive.writestr("a/byteorder", "big")
    with pytest.raises(ValueError, match="big-endian"):
        weight_files.read(tmp_path / "w.pth")


def make(path: Path) -> None:
    if path.suffix == ".npy":
        write.write_npy_of_python3(path, {"one": [ARRAYS["a"], ARRAYS["b"]]})
    elif path.suffix == ".pth":
        write.write_pth(path, ARRAYS)
    else:
        safetensors.numpy.save_file(ARRAYS, path)


@pytest.mark.parametrize("suffix", [".npy", ".pth", ".safetensors"])
def test_truncated_files_and_other_forms_are_named(suffix: str, tmp_path: Path) -> None:
    whole, path = tmp_path / f"whole{suffix}", tmp_path / f"w{suffix}"
    make(whole)
    content = whole.read_bytes()
    others = [tmp_path / f"other{other}" for other in {".npy", ".pth", ".safetensors"} - {suffix}]
    for other in others:
        make(other)
    np.savez(tmp_path / "arrays.npz", x=np.zeros(3))
    np.save(tmp_path / "plain.npy", np.zeros(3))
    contents = [content[: len(content) * i // 4] for i in range(4)] + [
        content[:-1],
        b"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.",
    ]
    contents += [other.read_bytes() for other in [*others, tmp_path / "arrays.npz", tmp_path / "plain.npy"]]
    for wrong in contents:
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match=rf"w\{suffix} could not be read: "):
            weight_files.read(path)
