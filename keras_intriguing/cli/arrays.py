"""The images that commands take, in an .npz file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

_LABELS = {"label", "y", "target"}
_NAMES = {"x", "starts", "lower", "upper", *_LABELS}


def add_bounds(parser: Any) -> None:
    """Adds the option `--bounds`."""
    parser.add_argument(
        "--bounds",
        type=float,
        nargs=2,
        default=(0.0, 1.0),
        metavar=("LOWEST", "HIGHEST"),
        help="the smallest and the largest value of a pixel, of the images as the model takes them (default: 0 1); arrays lower "
        "and upper of IMAGES.npz, which broadcast to an image and may be infinite, take their place",
    )


def images_within_bounds(stored: dict[str, Any], given: Sequence[float]) -> tuple[Any, Any]:
    """Float32 images [N, …] and their bounds: the file's arrays `lower` and `upper`, or else those that are given.

    Integers are taken as they are where the bounds say that pixels go beyond 1. Imports no TensorFlow, so that what is wrong
    is said at once.

    Raises:
        TypeError, ValueError: they are no images, or not within the bounds.
    """
    from keras_intriguing.classifiers import pixels

    lower, upper = stored.get("lower", given[0]), stored.get("upper", given[1])
    x = _as_floats(stored, "x", upper)
    bounds = pixels.checked_bounds((lower, upper), x.shape[1:])
    return pixels.within(x, bounds), bounds


def images_to_start_from(stored: dict[str, Any], upper: Any) -> Any:
    """The file's array `starts` as float32 images [S, …], whose values go up to `upper`, or None.

    Raises:
        TypeError, ValueError: they are no images.
    """
    return _as_floats(stored, "starts", upper) if "starts" in stored else None


def _as_floats(stored: dict[str, Any], name: str, upper: Any) -> Any:
    import numpy as np

    from keras_intriguing.classifiers import pixels

    images = stored[name]
    if images.dtype.kind in "iu":
        if not np.max(upper) > 1:
            raise TypeError(
                f"{name} holds {images.dtype}, and the bounds are those of floats. If the model takes such values as they are, pass their "
                f"range: --bounds 0 255. Else save what it takes: np.savez(path, {name}={name}.astype('float32') / 255), say."
            )
        images = images.astype(np.float32)
    return pixels.as_floats(images, name)


def load(path: Path) -> dict[str, Any]:
    """The arrays of the file; x are images [N, …], and y, where there is no label, is label; columns [N, 1] of these are rows.

    Where there are no labels, but arrays of names that no command knows, it is said how labels are called.

    Raises:
        FileNotFoundError, ValueError: there is no such file, or it holds something else.
    """
    import numpy as np

    try:
        stored = np.load(path, allow_pickle=False)
        if isinstance(stored, np.ndarray):
            raise ValueError("it holds a single array; np.savez(path, x=array) makes the right form")
        with stored:
            arrays = {name: stored[name] for name in stored.files}
    except FileNotFoundError as error:
        raise FileNotFoundError(f"There is no file {path}.") from error
    except Exception as error:  # zipfile, NumPy and zlib each raise their own
        raise ValueError(f"{path} is not a NumPy .npz file of plain arrays ({error}).") from error
    if arrays.get("x", np.zeros(1)).ndim == 0:
        raise ValueError(f"x in {path} is a single number; it must be images [N, …].")
    if "x" not in arrays:
        raise ValueError(f"{path} holds no array named x; it holds {', '.join(arrays) or 'nothing'}.")
    for name in ("y", "label", "target"):
        if name in arrays and arrays[name].shape[1:] == (1,):
            arrays[name] = arrays[name][:, 0]
    unknown = [name for name in arrays if name not in _NAMES]
    if unknown and not arrays.keys() & _LABELS:
        print(f"{path} holds no labels: they would be called label or y. Not used: {', '.join(unknown)}.")
    return {"label": arrays["y"], **arrays} if "y" in arrays else arrays
