"""Folders of photographs, one folder a class: what is in them, and their pixels as float32 in [0, 1]."""

import dataclasses
import functools
import hashlib
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_intriguing import data

SPLITS = ("train", "val")

# The share of the shorter side that the middle square keeps: 224 of 256, as is usual for nets trained on random crops.
_KEPT = 0.875
_BATCH = 128
_TFDS = "imagenette/160px-v2"


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

    def __getitem__(self, chosen: Any) -> "Photographs":
        """Those of the given indices or mask, or of a slice."""
        indices = np.arange(len(self))[chosen]
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

    def squares(self, size: int) -> tf.data.Dataset:
        """Their middle squares in batches, float32 [B, size, size, 3] in [0, 1], in order."""
        order = tf.data.Dataset.range(len(self))
        squares = order.map(lambda i: middle_square(self.read(i), size), tf.data.AUTOTUNE)
        return squares.batch(_BATCH).prefetch(1)

    def images(self, size: int) -> np.ndarray:
        """All middle squares at once, float32 [N, size, size, 3] in [0, 1]; 12·size² bytes each."""
        found = np.empty((len(self), size, size, 3), np.float32)
        first = 0
        for batch in self.squares(size).as_numpy_iterator():
            found[first : first + len(batch)] = batch
            first += len(batch)
        return found

    def sha256(self) -> str:
        """The SHA-256 of all their files' bytes, in order."""
        digest = hashlib.sha256()
        for source in self.sources:
            digest.update(Path(source).read_bytes() if isinstance(source, str) else source)
        return digest.hexdigest()


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
            and CMYK files are turned to RGB. By default Imagenette (`imagenette/160px-v2` of
            tensorflow-datasets, downloaded if there is a network).
        split: `"train"` or `"val"`; of no effect for a folder without such folders in it.
        data_dir: of prepared TFDS data, where no folder is given; by default `TFDS_DATA_DIR` or `~/tensorflow_datasets`.
        skip_unreadable: leave out files that cannot be decoded, with a warning that names them.

    Returns:
        The photographs, in an order that is shuffled but always the same.

    Raises:
        ValueError: unknown split, fewer than two classes, a class without images, or files that cannot be decoded,
            which are named.
        FileNotFoundError: no such folder, it holds no images, or Imagenette is not prepared and cannot be downloaded.
    """
    if split not in SPLITS:
        raise ValueError(f"Unknown split {split!r}. Known: {', '.join(SPLITS)}.")
    found = _imagenette(split, data_dir) if folder is None else _folder(Path(folder).expanduser(), split)
    return _readable(found, skip_unreadable)


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Encoded JPEG, PNG, GIF or BMP to float32 [H, W, 3] in [0, 1]; grey and CMYK are turned to RGB."""
    pixels = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    return tf.cast(tf.ensure_shape(pixels, (None, None, 3)), tf.float32) / 255


def middle_square(image: tf.Tensor, size: int) -> tf.Tensor:
    """The middle 7/8 of the shorter side as a square [size, size, 3], resized bilinearly without aliasing."""
    height, width = tf.unstack(tf.shape(image)[:2])
    side = tf.cast(tf.round(_KEPT * tf.cast(tf.minimum(height, width), tf.float32)), tf.int32)
    square = tf.image.crop_to_bounding_box(image, (height - side) // 2, (width - side) // 2, side, side)
    return tf.clip_by_value(tf.image.resize(square, (size, size), antialias=True), 0, 1)


def _folder(folder: Path, split: str) -> Photographs:
    import tensorflow_datasets as tfds

    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder of images {folder}.")
    if (folder / split).is_dir():
        return _from_builder(tfds.ImageFolder(str(folder)), split, folder)
    other = [name for name in SPLITS if (folder / name).is_dir()]
    if other:
        raise FileNotFoundError(f"{folder} holds a folder {other[0]} but no {split}; both are needed.")
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

    classes = tuple(builder.info.features["label"].names)
    if len(classes) < 2:
        raise ValueError(
            f"{where} holds {len(classes)} folders of classes, but at least two are needed, "
            "each with its photographs: FOLDER/CLASS/*.jpg or FOLDER/{train,val}/CLASS/*.jpg."
        )
    sources, names, labels = [], [], []
    if split in builder.info.splits:
        encoded = builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()})
        try:
            for i, example in enumerate(encoded.as_numpy_iterator()):
                path = example.get("image/filename", b"").decode()
                sources.append(path or example["image"])
                names.append(
                    os.path.relpath(path, builder.data_dir) if path else f"{builder.name} {split} {i}"
                )
                labels.append(example["label"])
        except tf.errors.OpError as error:
            raise FileNotFoundError(f"A file in {where} cannot be read: {error.message}") from error
    counts = np.bincount(np.array(labels, int), minlength=len(classes))
    empty = [name for name, count in zip(classes, counts, strict=True) if not count]
    if empty:
        raise ValueError(f"There are no photographs (.jpg, .jpeg, .png) of {', '.join(empty)} in {where}.")
    return Photographs(tuple(sources), tuple(names), np.array(labels, np.int32), classes)


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
            f"{len(broken)} of {len(found)} photographs cannot be decoded (truncated, damaged or no images):\n  {listed}\n"
            "Repair or remove them, or pass skip_unreadable=True (--skip-unreadable)."
        )
    warnings.warn(f"Left out {len(broken)} photographs that cannot be decoded:\n  {listed}", stacklevel=3)
    return found[kept]
