"""The command `keras-intriguing`. TensorFlow is imported only by the commands that compute."""

import argparse
import os
import re
import sys
import warnings

import keras_intriguing
from keras_intriguing.cli import attack, certify, convert, examine, spectral, train, zoo

FAILED, INTERRUPTED = 2, 130
_NODE = r"\{\{.*?\}\} ?"  # where in its graph TensorFlow has found an error


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    # no word from TensorFlow of what the machine lacks, nor from XLA of programs that it has kept on disk
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            if "tensorflow" not in sys.modules:
                keras_intriguing.keep_compiled()
            options.run(options)
    except KeyboardInterrupt:
        print(f"\nInterrupted. {options.interrupted}", file=sys.stderr)
        return INTERRUPTED
    except (ValueError, TypeError, ArithmeticError, OSError, ImportError, MemoryError, RuntimeError) as error:
        print(f"error: {str(error) or type(error).__name__}", file=sys.stderr)
        return FAILED
    except Exception as error:
        if not _is_of_tensorflow(error):
            raise
        print(f"error: {re.sub(_NODE, '', str(error)).strip() or type(error).__name__}", file=sys.stderr)
        return FAILED
    return 0


def _warn(message: Warning | str, *_: object) -> None:
    """Without the place in the code, which says nothing in the shell."""
    print(f"warning: {message}", file=sys.stderr)


def _is_of_tensorflow(error: Exception) -> bool:
    """Whether an operation of the model raised it: shapes that do not match, no memory on a device."""
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(error, tensorflow.errors.OpError)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras-intriguing",
        description="Networks, attack and checkpoints of 'Intriguing properties of neural networks' for Keras 3.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {keras_intriguing.__version__}")
    parser.set_defaults(interrupted="Nothing was written.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (zoo, train, attack, certify, examine, spectral, convert):
        command.add_to(commands)
    return parser
