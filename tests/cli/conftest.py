"""What the tests of commands share."""

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def images(tmp_path: Path, mnist5k: tuple[np.ndarray, np.ndarray]) -> Path:
    x, y = mnist5k
    np.savez(tmp_path / "images.npz", x=x[::500], digits=y[::500])
    return tmp_path / "images.npz"
