"""Why an attack failed, in words."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_intriguing.classifiers.logits import logits_function
from keras_intriguing.classifiers.request import Request


def failures(
    model: Callable, request: Request, method: str, success: np.ndarray, has_point: np.ndarray
) -> np.ndarray:
    """Why each image failed; empty where it did not.

    Args:
        model: that was attacked.
        request: of the batch.
        method: that was used.
        success: bool [B].
        has_point: whether the compiled model has a point that is adversarial, bool [B].
    """
    if success.all():
        return np.full(len(success), "")
    with tf.GradientTape() as tape:
        x = tf.constant(request.x)
        tape.watch(x)
        logits = logits_function(model)(x)
        # differences of logits, weighted so that nothing cancels where some are equal
        of_classes = tf.cos(tf.range(1.0, logits.shape[-1] + 1))
        spread = tf.linalg.matvec(logits, of_classes - tf.reduce_mean(of_classes))
    flat = ~np.any(np.asarray(tape.gradient(spread, x)).reshape(len(success), -1), axis=1)
    goal, others = "another class", "images of other classes"
    if request.target is not None:
        goal, others = "the target class", "images of the target class"
    is_direct = method == "direct"
    lost = f"The point found gives {goal} in the compiled model but not when the model is called afresh."
    never = f"No point of the box was found where the model gives {goal}"
    never += "." if is_direct else "; the method 'direct' may find one."
    constant = (
        "The gradient of the model's logits is zero at the image, and no way to change them was found; "
    )
    constant += f"{others}, as starts, may show one." if is_direct else "the method 'direct' may find one."
    return np.where(success, "", np.where(flat, constant, np.where(has_point, lost, never)))
