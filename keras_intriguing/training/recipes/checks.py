"""Checks of a training's settings, when they are declared."""

import math


def whole_numbers(settings: object, **least: int) -> None:
    """Checks that settings, or all members of a tuple, are whole numbers of at least so much each.

    Raises:
        ValueError: one is not; the message names it.
    """
    for name, smallest in least.items():
        value = getattr(settings, name)
        for number in value if isinstance(value, tuple) else (value,):
            if not isinstance(number, int) or number < smallest:
                raise ValueError(f"{name} must be a whole number of at least {smallest}, not {number!r}.")


def positive(settings: object, *names: str) -> None:
    """Checks that settings are finite and above 0.

    Raises:
        ValueError: one is not; the message names it.
    """
    for name in names:
        if not 0 < (value := getattr(settings, name)) < math.inf:
            raise ValueError(f"{name} must be a positive number, not {value!r}.")


def not_negative(settings: object, *names: str) -> None:
    """Checks that settings are finite and at least 0.

    Raises:
        ValueError: one is not; the message names it.
    """
    for name in names:
        if not 0 <= (value := getattr(settings, name)) < math.inf:
            raise ValueError(f"{name} must be a number of at least 0, not {value!r}.")


def below_one(settings: object, *names: str) -> None:
    """Checks that settings are at least 0 and below 1.

    Raises:
        ValueError: one is not; the message names it.
    """
    for name in names:
        if not 0 <= (value := getattr(settings, name)) < 1:
            raise ValueError(f"{name} must be at least 0 and below 1, not {value!r}.")
