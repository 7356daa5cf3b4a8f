"""TensorFlow without its lines on standard error about what the machine lacks."""

import contextlib
import os
import sys
from collections.abc import Iterator


def import_tensorflow() -> None:
    """Imports TensorFlow and looks for its devices, which is when it writes these lines, past all log levels."""
    if "tensorflow" in sys.modules:
        return
    with _no_standard_error():
        import tensorflow as tf

        tf.config.list_physical_devices()
        tf.zeros(1)


@contextlib.contextmanager
def _no_standard_error() -> Iterator[None]:
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
