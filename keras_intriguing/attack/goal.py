"""What the descents of `direct` go for: the constraint h(v) ≤ 0 of images that are to leave or to reach a class.

Shapes: R rows, K classes.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

ANY = -1
_FAR = 1e30


class Goal(NamedTuple):
    """The goals of R rows.

    Attributes:
        label: the class to leave, int [R]; with `reaches`, the class to reach.
        rival: the class to leave it for, int [R], or `ANY`: the one that is nearest where h is taken; without
            meaning with `reaches`.
        margin: by how much the logits must differ, float [R].
        reaches: whether `label` is to be reached; one Python boolean for all.
    """

    label: tf.Tensor
    rival: tf.Tensor
    margin: tf.Tensor
    reaches: bool

    @classmethod
    def of(cls, label: np.ndarray, logits: np.ndarray, reaches: bool) -> "Goal":
        """The goals to leave the classes `label` [B] for any, or to reach them, of images with these logits [B, K].

        The margin is a hundred-thousandth of what the logits have to change by, which lengthens the way by about as
        little, and half a unit in the last place of the logits, so that the constraint is not taken for met in the middle
        of one of their steps; `confirmed` sees to what they are rounded by.
        """
        of_label = np.take_along_axis(logits, label[:, None], axis=1)
        others = np.where(np.arange(logits.shape[1]) == label[:, None], np.nan, logits - of_label)
        gap = np.nanmax(others, axis=1)
        largest = np.maximum(np.abs(of_label[:, 0]), np.abs(of_label[:, 0] + gap))
        margin = 1e-5 * np.abs(gap) + 0.5 * np.spacing(largest)
        rival = np.full(len(label), ANY, np.int32)
        return cls(tf.constant(label, tf.int32), tf.constant(rival), tf.constant(margin, tf.float32), reaches)

    def constraint(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The constraint h [R] by logits z [R, K], and whether the margin is kept, whatever the rival, bool [R].

        Only differences of logits count, so that an offset that all logits share costs no more digits than it
        has cost the logits themselves.
        """
        one = tf.one_hot(self.label, z.shape[-1], on_value=True, off_value=False)
        above = tf.gather(z, self.label, batch_dims=1)[:, None] - z
        if self.reaches:
            h = self.margin - tf.reduce_min(tf.where(one, _FAR, above), axis=-1)
            return h, h <= 0
        excess = tf.where(one, _FAR, above + self.margin[:, None])
        rival = tf.where(self.rival == ANY, tf.argmin(excess, axis=-1, output_type=tf.int32), self.rival)
        return tf.gather(excess, rival, batch_dims=1), tf.reduce_min(excess, axis=-1) <= 0
