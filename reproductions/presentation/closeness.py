"""The claim of Figure 5: every photograph can be driven to a class, by a change that should not be visible."""

from collections.abc import Mapping

import numpy as np

from keras_intriguing.report import Claim
from reproductions.measurements.one_target import Targeted
from reproductions.presentation import cells
from reproductions.presentation.verdicts import DISTORTION, evidence
from reproductions.shared import verdict
from reproductions.shared.effects import of_values
from reproductions.shared.paper import PAPER

CLOSE = 4 / 255  # the customary limit of a pixel's change on ImageNet (RobustBench, Croce et al. 2021)


def claim(statement: str, methods: Mapping[str, Targeted], judged: str, target: str, remark: str) -> Claim:
    """Whether all photographs could be driven there, and the changes are small on average.

    Args:
        statement: the claim's.
        methods: what came out, by method.
        judged: the method whose distortions decide.
        target: how the class was chosen, in words.
        remark: of what else the paper's figure is.
    """
    measured = methods[judged]
    tried = sum(one.each.size for one in methods.values())
    failed = sum(int(np.isnan(one.each).sum()) for one in methods.values())
    success = min(one.success.value for one in methods.values())
    below = {f"Below {CLOSE:.4f} by": of_values(CLOSE - measured.each.astype(float))}
    close = verdict.greater(list(below.values()), 0.0)
    size = measured.distortion
    least = "Either method succeeds" if len(methods) > 1 else "The attack succeeds"
    return Claim(
        statement,
        verdict.all_of([verdict.without_exception(failed, tried), close.verdict]),
        f"average distortion, {255 * size.value:.2g} of 255 levels",
        cells.distortion(size, f"{PAPER['figure5']['distortion']:g}"),
        f"§4.2; read as: of every photograph that was attacked, for {target}, at an average distortion below "
        f"{255 * CLOSE:g} of 255 levels, which is customary for changes of photographs that should not be visible. {least} "
        f"on at least {100 * success:.1f}% of {measured.success.n} photographs. "
        f"{evidence(close, below, DISTORTION)} {remark}",
    )
