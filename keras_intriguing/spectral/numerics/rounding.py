"""Bounds on what float64 arithmetic can lose, so that a computed bound is a bound (Higham 2002, chapter 3)."""

UNIT = 2.0**-53


def gamma(operations: int) -> float:
    """The relative error of a sum of `operations` rounded products or additions: n·u/(1 − n·u)."""
    return operations * UNIT / (1 - operations * UNIT)
