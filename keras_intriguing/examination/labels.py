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
