"""What a method returns for a batch."""

from typing import NamedTuple

import numpy as np


class Solution(NamedTuple):
    """The nearest points that a method found for a batch of B images, as arrays.

    Attributes:
        v: [B, n].
        distance: ‖v − x‖₂ [B], infinite where no point was found that meets the constraints.
        c: the weight of ‖r‖² [B], NaN for `direct`.
        target: the class to reach, or the one that was gone for, [B].
        forward_passes: of every image [B].
        backward_passes: of every image [B].
    """

    v: np.ndarray
    distance: np.ndarray
    c: np.ndarray
    target: np.ndarray
    forward_passes: np.ndarray
    backward_passes: np.ndarray
