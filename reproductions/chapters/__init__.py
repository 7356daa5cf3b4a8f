"""The report's chapters, one of the paper's tables or figures a file."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reproductions.shared.chapter import Chapter

# All chapters in the report's order, and whether a run measures one that asks for none: others take minutes, of permutations
# or of AlexNet's layers, or need photographs.
BY_DEFAULT = {
    "figure1": True,
    "figure2": True,
    "directions": False,
    "figure3": False,
    "figure4": False,
    "table1": True,
    "table2": True,
    "table3": True,
    "table4": True,
    "figure5": False,
    "figure6": False,
    "imagenet": False,
    "figure7": True,
    "adversarial": True,
    "table5": False,
}
NAMES = tuple(BY_DEFAULT)


def load(name: str) -> "Chapter":
    """A chapter by its name; imports TensorFlow."""
    return importlib.import_module(f"{__name__}.{name}").CHAPTER
