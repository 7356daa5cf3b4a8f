"""The true labels of images, as users have them."""

from typing import Any

import numpy as np
import tensorflow as tf

from keras_intriguing.classifiers.images import as_images


def of_pairs(x: Any, model: Any) -> tuple[Any, Any]:
    """Images and labels out of a data set of pairs; of other images x themselves, and None.

    A data set that shuffles gives its pairs in another order each time, so it is run through once.
    """
    spec = x.element_spec if isinstance(x, tf.data.Dataset) else None
    is_pair = (
        isinstance(spec, (tuple, list)) and len(spec) > 1 and all(isinstance(s, tf.TensorSpec) for s in spec)
    )
    if not is_pair or x.cardinality() == tf.data.INFINITE_CARDINALITY:  # which is refused as images
        return x, None
    kept = x.cache()
    images = as_images(kept, model)
    labels = [np.asarray(element[1]) for element in kept]
    is_one_each = len(labels) == len(images) and labels[0].ndim < 2
    return images, np.stack(labels) if is_one_each else np.concatenate(labels)


def as_classes(y: Any) -> np.ndarray:
    """Class indices of labels [B] or [B, 1], or of one-hot rows [B, K]; whole numbers may be floats.

    Raises:
        TypeError, ValueError: they are something else.
    """
    labels = np.asarray(y)
    if labels.dtype.kind not in "biuf":
        raise TypeError(f"y must hold whole numbers, class indices; it holds {labels.dtype}.")
    if labels.ndim == 2 and labels.shape[1] > 1:
        if not np.isin(labels, (0, 1)).all() or (labels.sum(axis=1) != 1).any():
            raise ValueError(
                f"y has shape {labels.shape}, but its rows are not one-hot. One class an image is needed."
            )
        return labels.argmax(axis=1)
    labels = labels[:, 0] if labels.ndim == 2 else labels
    wrong = labels[~np.isfinite(labels) | (labels != np.rint(labels))]
    if wrong.size:
        raise ValueError(f"y must hold whole numbers, class indices; it holds {wrong[0]}.")
    return labels.astype(np.int64)
