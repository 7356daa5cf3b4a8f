"""What several files share. A model is compiled once per shape of batch, so they share it and its images."""

import atexit
import functools
import gc
import importlib.metadata
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Two processes run side by side; threads in each, NumPy's and TensorFlow's, would wait for those of the other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
# Most programs run once, so that compiling them well, or in many parts, takes longer than it saves. Those that tests
# start do the same. A TensorFlow that does not know a flag ends the process.
if importlib.metadata.version("tensorflow").startswith("2.21."):
    os.environ.setdefault(
        "XLA_FLAGS",
        "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
        " --xla_cpu_parallel_codegen_split_count=1",
    )
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import keras_intriguing as ki

# The processes of a run, and those that tests start, compile a program once.
if "TF_XLA_FLAGS" not in os.environ:
    compiled = tempfile.mkdtemp(prefix="keras-intriguing-tests-")
    atexit.register(shutil.rmtree, compiled, ignore_errors=True)
    ki.keep_compiled(compiled)

import numpy as np
import pytest
from xdist.scheduler import LoadScopeScheduling

# The process that only hands out tests needs no TensorFlow, and those that run them start when it is ready.
if TYPE_CHECKING:
    import keras

DIGITS = 400
ATTACKING_NET = re.compile("/attack/|/examination/|test_per_image")


class Scheduling(LoadScopeScheduling):
    """A file's tests stay together, since they share models that are compiled once; so do those that attack `net`."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "net" if ATTACKING_NET.search(file) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # short files last, so that the two processes end together; those of the folders and the README's are long
    here = Path(__file__).parent
    items.sort(key=lambda item: item.path.parent == here and item.path.name != "test_readme.py")
    prepared = Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser() / "mnist"
    missing = {
        "mnist": "" if prepared.is_dir() else "needs the whole of MNIST in TFDS_DATA_DIR",
        "imagenette": "" if "IMAGENETTE_DIR" in os.environ else "needs Imagenette's folder in IMAGENETTE_DIR",
    }
    for item in items:
        for marker, reason in missing.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_finish() -> None:
    """Tracing makes many objects that live on, which the collector by default looks through again and again."""
    gc.collect()
    gc.freeze()  # TensorFlow and the tests themselves
    gc.set_threshold(100_000, 20, 20)


@pytest.fixture(scope="module")
def small_figures() -> Iterator[None]:
    """Reports with figures of a quarter of the pixels, which take a third of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_intriguing.report.figures.saving.DPI", 96)
        yield


@pytest.fixture(scope="session")
def mnist5k() -> tuple[np.ndarray, np.ndarray]:
    return ki.data.load("mnist5k", "train")


@pytest.fixture(scope="session")
def mnist() -> Callable[[str], tuple[np.ndarray, np.ndarray]]:
    """The whole of MNIST by the name of a split, read once: it takes seconds."""

    @functools.cache
    def split(name: str) -> tuple[np.ndarray, np.ndarray]:
        if name not in ("p1", "p2"):
            return ki.data.load("mnist", name)
        x, y = split("train")
        chosen = halves() == int(name[1])
        return x[chosen], y[chosen]

    @functools.cache
    def halves() -> np.ndarray:
        return ki.data.half(split("train")[0])

    return split


@pytest.fixture(scope="session")
def digits(mnist5k) -> tuple[np.ndarray, np.ndarray]:
    """Some images of every digit."""
    x, y = mnist5k
    every = slice(None, None, len(x) // DIGITS)
    return x[every], y[every]


@pytest.fixture(scope="session")
def net_images() -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(8, 6, 6, 1)).astype(np.float32)


@pytest.fixture(scope="session")
def net(net_images) -> "keras.Model":
    """A small smooth classifier with four classes, all of which the images have."""
    import keras

    random = np.random.default_rng(0)
    hidden, last = keras.layers.Dense(12, activation="tanh"), keras.layers.Dense(4)
    model = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Flatten(), hidden, last])
    hidden.set_weights([random.normal(size=(36, 12)), -0.5 * np.ones(12)])
    kernel = random.normal(size=(12, 4))
    last.set_weights([kernel, np.zeros(4)])
    last.set_weights([kernel, -np.mean(model(net_images), axis=0)])
    return model


@pytest.fixture(scope="session")
def nearest(net, net_images) -> "ki.Result":
    """The attack on `net` that most tests look at."""
    return ki.minimal_distortion(net, net_images)
