"""Classes of images, as users have them; needs no TensorFlow."""

from typing import Any

import numpy as np

_MOST = 2**31  # classes


def as_classes(name: str, given: Any, classes: int | None = None) -> np.ndarray:
    """Class indices int64 [B] of labels [B] or [B, 1], or of one-hot rows [B, K]; [] of one number.

    Whole numbers may be floats.

    Args:
        name: of the argument, for messages.
        given: the labels.
        classes: K, where it is known.

    Raises:
        TypeError, ValueError: they are something else.
    """
    labels = np.asarray(given)
    if labels.dtype.kind == "f" or labels.dtype.name.startswith("bfloat"):
        labels = labels.astype(np.float64)
    if labels.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold whole numbers, class indices; it holds {labels.dtype}.")
    if labels.ndim == 2 and labels.shape[1] != 1:
        if not labels.size or not np.isin(labels, (0, 1)).all() or (labels.sum(axis=1) != 1).any():
            raise ValueError(
                f"{name} has shape {labels.shape}, but its rows are not one-hot. One class an image is needed."
            )
        if classes is not None and labels.shape[1] != classes:
            raise ValueError(
                f"{name} has rows of {labels.shape[1]} classes, but the model has {classes}: its shape is {labels.shape}."
            )
        return labels.argmax(axis=1)
    labels = labels[:, 0] if labels.ndim == 2 else labels
    wrong = labels[~np.isfinite(labels) | (labels != np.rint(labels)) | (np.abs(labels) > _MOST)]
    if wrong.size:
        raise ValueError(f"{name} must hold whole numbers, class indices; it holds {wrong.flat[0]}.")
    return labels.astype(np.int64)
