"""The installed package, away from the checkout."""

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

from keras_intriguing.presets import registry

ROOT = Path(__file__).parent.parent


def test_checkpoints_travel_with_the_package(tmp_path: Path) -> None:
    script = (
        "import numpy as np, socket\n"
        "def offline(*args, **kwargs): raise OSError('no network')\n"
        "socket.socket.connect = offline\n"
        "import keras_intriguing as ki\n"
        "assert all(getattr(ki, name) for name in ki.__all__)\n"
        "from keras_intriguing.presets import registry\n"
        "assert 'fc100_100_10_mnist' in registry.packaged()\n"
        "for name in registry.packaged():\n"
        "    assert ki.from_preset(name)(np.zeros((2, 28, 28, 1), 'float32')).shape == (2, 10)\n"
        "from keras_intriguing import report\n"
        "import importlib.resources as r\n"
        "assert (r.files('keras_intriguing.report') / 'templates' / 'report.html').is_file()\n"
        "assert (r.files('keras_intriguing') / 'py.typed').is_file()\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_every_package_is_installed() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    packages = set(setup["options"]["packages"].split())
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "keras_intriguing").rglob("__init__.py")}
    assert packages == {".".join(folder.parts) for folder in folders} | {"keras_intriguing.zoo"}


def test_other_seeds_stay_out_of_the_wheel(tmp_path: Path) -> None:
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "keras_intriguing", tmp_path / "keras_intriguing")
    presets = ["net", "net_seed1", "net_seed12"]
    for path in (f"{preset}/{name}" for preset in presets for name in registry.FILES):
        (tmp_path / "zoo" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "zoo" / path).touch()
    (tmp_path / "zoo" / registry.REGISTRY).touch()
    build = "import setuptools; setuptools.setup(script_args=['-q', 'build_py', '--build-lib', 'built'])"
    subprocess.run([sys.executable, "-c", build], cwd=tmp_path, check=True)
    zoo = tmp_path / "built" / "keras_intriguing" / "zoo"
    packaged = {str(path.relative_to(zoo)) for path in zoo.rglob("*") if path.is_file()}
    assert packaged == {registry.REGISTRY, *(f"net/{name}" for name in registry.FILES)}
