"""Folders of photographs, one folder a class: what is in them, and their pixels as float32 in [0, 1]."""

import dataclasses
import functools
import hashlib
import numbers
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_intriguing import data

SPLITS = ("train", "val")

# The share of the shorter side that the center crop keeps: 224 of 256, as is usual for nets trained on random crops.
_KEPT = 0.875
_BATCH = 128
_TFDS = "imagenette/160px-v2"
_SUFFIXES = (".jpg", ".jpeg", ".png")

# Imagenette's classes, in the order of their labels: by the names of their folders, which are WordNet's, what they show. So
# `list(IMAGENETTE.values())[label]` is the word for a label.
IMAGENETTE = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Photographs:
    """Photographs and their classes. Pixels stay in their files until they are asked for.

    Attributes:
        sources: their paths, or, where they are no files, their encoded bytes.
        names: their paths below the folder, or another name that is always the same.
        labels: int32 [N].
        classes: the names of the classes, by label.
    """

    sources: tuple[str | bytes, ...]
    names: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sources)

    def __repr__(self) -> str:
        return f"Photographs({len(self)} of {len(self.classes)} classes: {', '.join(self.classes)})"

    def __getitem__(self, chosen: Any) -> "Photographs":
        """Those of the given indices or mask, of a slice, or of one index; always `Photographs`."""
        indices = np.atleast_1d(np.arange(len(self))[chosen])
        pick = lambda values: tuple(values[i] for i in indices)  # noqa: E731
        return dataclasses.replace(
            self, sources=pick(self.sources), names=pick(self.names), labels=self.labels[indices]
        )

    @functools.cached_property
    def _tensor(self) -> tf.Tensor:
        with tf.init_scope():  # a tensor that pipelines share, not a constant written into each one's graph
            return tf.constant(self.sources)

    def read(self, index: tf.Tensor) -> tf.Tensor:
        """One photograph, float32 [H, W, 3] in [0, 1], for use inside a `tf.data` pipeline."""
        source = self._tensor[index]
        return decode(tf.io.read_file(source) if isinstance(self.sources[0], str) else source)

    def center_crops(self, size: int) -> tf.data.Dataset:
        """The middle 7/8 of each, in batches, float32 [B, size, size, 3] in [0, 1], in order; see `center_crop`.

        Raises:
            ValueError: the size is no positive whole number.
        """
        if not isinstance(size, numbers.Integral) or size < 1:
            raise ValueError(f"size must be a positive whole number of pixels, not {size!r}.")
        if not len(self):
            return tf.data.Dataset.from_tensor_slices(np.empty((0, size, size, 3), np.float32)).batch(_BATCH)
        order = tf.data.Dataset.range(len(self))
        crops = order.map(lambda i: center_crop(self.read(i), size), tf.data.AUTOTUNE)
        return crops.batch(_BATCH).prefetch(1)

    def images(self, size: int) -> np.ndarray:
        """Of each the middle square, 7/8 of the shorter side, at once: float32 [N, size, size, 3] in [0, 1]; 12·size² bytes each.

        What lies outside is cut off, as is usual for nets trained on random crops; see `center_crop`.

        Raises:
            ValueError: the size is no positive whole number.
        """
        crops = self.center_crops(size)
        found = np.empty((len(self), size, size, 3), np.float32)
        first = 0
        for batch in crops.as_numpy_iterator():
            found[first : first + len(batch)] = batch
            first += len(batch)
        return found

    @functools.cached_property
    def sha256(self) -> str:
        """The SHA-256 of all their files' bytes, in order, as they are when it is first asked for."""
        return self._digests[0]

    @functools.cached_property
    def _digests(self) -> tuple[str, list[bytes]]:
        """The SHA-256 of all files together, and of each."""
        whole, each = hashlib.sha256(), []
        for source in self.sources:
            content = Path(source).read_bytes() if isinstance(source, str) else source
            whole.update(content)
            each.append(hashlib.sha256(content).digest())
        return whole.hexdigest(), each


def load(
    folder: str | os.PathLike | None = None,
    split: str = "val",
    *,
    data_dir: str | os.PathLike | None = None,
    skip_unreadable: bool = False,
) -> Photographs:
    """Finds photographs, and decodes each once to see that it can be read.

    Args:
        folder: photographs of one's own: `folder/CLASS/*.jpg` (or .jpeg, .png), or `folder/SPLIT/CLASS/*.jpg`. Grey
            and CMYK files are turned to RGB; transparency and EXIF's orientation are ignored; files of other suffixes and
            in folders further down are left out. By default Imagenette (`imagenette/160px-v2` of tensorflow-datasets,
            downloaded if there is a network).
        split: `"train"` or `"val"`; of no effect for a folder without such folders in it. Every folder below either is
            a class.
        data_dir: of prepared TFDS data, where no folder is given; by default `TFDS_DATA_DIR` or `~/tensorflow_datasets`.
        skip_unreadable: leave out files that cannot be read or decoded, with a warning that names them.

    Returns:
        The photographs, in an order that is shuffled but always the same.

    Raises:
        ValueError: unknown split, fewer than two classes, a class without images that can be used, or files that cannot
            be read or decoded, which are named.
        FileNotFoundError: no such folder, it holds no images, or Imagenette is not prepared and cannot be downloaded.
    """
    if split not in SPLITS:
        raise ValueError(f"Unknown split {split!r}. Known: {', '.join(SPLITS)}.")
    if folder is None:
        where: Path | str = _TFDS
        found = _imagenette(split, data_dir)
    else:
        where = Path(folder).expanduser()
        found = _folder(where, split)
        where = where / split if (where / split).is_dir() else where
    _require_all_classes(found, where)
    found = _readable(found, skip_unreadable)
    _require_all_classes(found, where)
    return found


def require_disjoint(images: Photographs, validation: Photographs) -> None:
    """Refuses photographs to train on and to validate on that have not the same classes, or share files.

    Raises:
        ValueError: the classes differ, or files are in both sets, under whatever name.
    """
    if images.classes != validation.classes:
        raise ValueError(
            f"The classes to train on ({', '.join(images.classes)}) are not those to validate on "
            f"({', '.join(validation.classes)})."
        )
    known = set(images._digests[1])
    shared = [
        name for name, digest in zip(validation.names, validation._digests[1], strict=True) if digest in known
    ]
    if shared:
        listed = ", ".join(shared[:5]) + (", …" if len(shared) > 5 else "")
        raise ValueError(
            f"{len(shared)} of the photographs to validate on are also among those to train on: {listed}. The folder needs "
            "two in it, train and val, each with the classes' folders and with other photographs."
        )


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Encoded JPEG, PNG, GIF or BMP to float32 [H, W, 3] in [0, 1]; grey and CMYK are turned to RGB."""
    pixels = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    return tf.cast(tf.ensure_shape(pixels, (None, None, 3)), tf.float32) / 255


def center_crop(image: tf.Tensor, size: int) -> tf.Tensor:
    """The middle 7/8 of the shorter side as a square [size, size, 3], resized bilinearly without aliasing."""
    height, width = tf.unstack(tf.shape(image)[:2])
    side = tf.cast(tf.round(_KEPT * tf.cast(tf.minimum(height, width), tf.float32)), tf.int32)
    square = tf.image.crop_to_bounding_box(image, (height - side) // 2, (width - side) // 2, side, side)
    return tf.clip_by_value(tf.image.resize(square, (size, size), antialias=True), 0, 1)


def grey(images: np.ndarray) -> np.ndarray:
    """The luminance of images [N, H, W, 3] in RGB, as Rec. 601 weights the colours: float32 [N, H, W, 1]."""
    return images @ np.array([[0.299], [0.587], [0.114]], np.float32)


def _folder(folder: Path, split: str) -> Photographs:
    import tensorflow_datasets as tfds

    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder of images {folder}.")
    if (folder / split).is_dir():
        return _from_builder(tfds.ImageFolder(str(folder)), split, folder)
    other = [name for name in SPLITS if (folder / name).is_dir()]
    if other:
        raise FileNotFoundError(f"{folder} holds a folder {other[0]} but no {split}.")
    # ImageFolder wants a level of splits above the classes
    with tempfile.TemporaryDirectory() as above:
        (Path(above) / split).symlink_to(folder.resolve(), target_is_directory=True)
        found = _from_builder(tfds.ImageFolder(above), split, folder)
        names = tuple(os.path.relpath(name, split) for name in found.names)
        return dataclasses.replace(found, names=names, sources=tuple(str(folder / name) for name in names))


def _imagenette(split: str, data_dir: str | os.PathLike | None) -> Photographs:
    stored = "validation" if split == "val" else split
    instead = "give a folder of photographs of your own (--images DIR)"
    return data.from_tfds(_TFDS, data_dir, lambda builder: _from_builder(builder, stored, _TFDS), instead)


def _from_builder(builder: Any, split: str, where: Path | str) -> Photographs:
    """The photographs of a tfds builder; those of files by their paths, others as encoded bytes.

    Errors call it by `where` it comes from.
    """
    import tensorflow_datasets as tfds

    listed = builder.info.features["label"].names
    classes = tuple(name for name in listed if not name.startswith("."))  # others are what programs hide
    if len(classes) < 2:
        raise ValueError(
            f"{where} holds {len(classes) or 'no'} folder{'s' * (len(classes) != 1)} of a class, but at least two are needed, "
            "each with its photographs: FOLDER/CLASS/*.jpg or FOLDER/{train,val}/CLASS/*.jpg."
        )
    sources, names, labels = [], [], []
    if split in builder.info.splits:
        encoded = builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()})
        # files that cannot be read are left out here
        for i, example in enumerate(encoded.ignore_errors().as_numpy_iterator()):
            name = listed[example["label"]]
            if name not in classes:
                continue
            path = example.get("image/filename", b"").decode()
            sources.append(path or example["image"])
            names.append(os.path.relpath(path, builder.data_dir) if path else f"{builder.name} {split} {i}")
            labels.append(classes.index(name))
        if len(sources) < builder.info.splits[split].num_examples:
            if not isinstance(builder, tfds.ImageFolder):
                raise OSError(f"Records of {where} in {builder.data_dir} cannot be read; prepare it anew.")
            # appended to be found, with all that cannot be decoded
            files = (p for p in Path(builder.data_dir, split).glob("*/*") if p.suffix.lower() in _SUFFIXES)
            lost = sorted({str(path) for path in files if path.parent.name in classes} - set(sources))
            sources += lost
            names += [os.path.relpath(path, builder.data_dir) for path in lost]
            labels += [classes.index(Path(path).parent.name) for path in lost]
    return Photographs(tuple(sources), tuple(names), np.array(labels, np.int32), classes)


def _require_all_classes(found: Photographs, where: Path | str) -> None:
    counts = np.bincount(found.labels, minlength=len(found.classes))
    empty = [name for name, count in zip(found.classes, counts, strict=True) if not count]
    if empty:
        raise ValueError(
            f"There are no photographs ({', '.join(_SUFFIXES)}) that can be used of {', '.join(empty)} in {where}. "
            "Every folder in it, or in the one beside it, is taken for a class."
        )


def _readable(found: Photographs, skip: bool) -> Photographs:
    """Those that can be decoded, if the others are to be skipped."""

    def readable(index: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all(found.read(index) >= 0)

    # an element that raises is left out, so that what is left tells which those were
    checked = tf.data.Dataset.range(len(found)).map(lambda i: (i, readable(i)), tf.data.AUTOTUNE)
    kept = [i for i, _ in checked.ignore_errors().as_numpy_iterator()]
    if len(kept) == len(found):
        return found
    broken = [
        source if isinstance(source := found.sources[i], str) else found.names[i]
        for i in sorted(set(range(len(found))) - set(kept))
    ]
    listed = "\n  ".join(broken[:20] + ([f"and {len(broken) - 20} more"] if len(broken) > 20 else []))
    if not skip:
        raise ValueError(
            f"{len(broken)} of {len(found)} photographs cannot be read or decoded (damaged, no images, no permission):\n"
            f"  {listed}\n"
            "Repair or remove them, or pass skip_unreadable=True (--skip-unreadable)."
        )
    warnings.warn(
        f"Left out {len(broken)} photographs that cannot be read or decoded:\n  {listed}", stacklevel=3
    )
    return found[kept]
