"""The installed package, away from the checkout."""

import subprocess
import sys
from pathlib import Path


def test_checkpoints_travel_with_the_package(tmp_path: Path) -> None:
    script = (
        "import numpy as np, socket\n"
        "def offline(*args, **kwargs): raise OSError('no network')\n"
        "socket.socket.connect = offline\n"
        "import keras_intriguing as ki\n"
        "assert 'fc100_100_10_mnist' in ki.list_presets()\n"
        "for name in ki.list_presets():\n"
        "    assert ki.from_preset(name)(np.zeros((2, 28, 28, 1), 'float32')).shape == (2, 10)\n"
        "from keras_intriguing import report\n"
        "import importlib.resources as r\n"
        "assert (r.files('keras_intriguing.report') / 'template.html').is_file()\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
