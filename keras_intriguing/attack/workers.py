"""What the workers of a multi-worker strategy tell each other before and after their shares of an attack."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import tensorflow as tf

from keras_intriguing.attack.result import Result

_AT_ONCE = 2**22  # int64 values that a replica sends in one collective
_START = "start"


class Workers:
    """The processes of a strategy; one, if it is none of several workers.

    They exchange messages twice, before and after the work. In an exchange every worker waits for all others,
    so one that fails before it takes part nevertheless, with its error as the message.

    Args:
        strategy: what they share.
        first: the number of this worker's first replica among those of all workers.
        replicas: how many replicas every worker has.
    """

    def __init__(self, strategy: tf.distribute.Strategy, first: int, replicas: int) -> None:
        self.index = first // replicas
        self.count = strategy.num_replicas_in_sync // replicas
        self._strategy, self._first, self._replicas = strategy, first, replicas
        self._moment = _START
        self._gathered = tf.function(lambda rows: strategy.gather(rows, axis=0), autograph=False)
        self._gathered._omit_frequent_tracing_warning = True  # one trace for each length of a message

    @contextmanager
    def telling_errors(self) -> Iterator[None]:
        """For the work before the next exchange, so that the others do not wait for a worker that failed."""
        try:
            yield
        except Exception as error:
            # Whatever else is wrong, this worker's own error is the one to raise here.
            with suppress(RuntimeError, tf.errors.OpError):
                self._exchange({"error": np.array(f"{type(error).__name__}: {error}")})
            raise

    def agree(self, logits: np.ndarray, *arguments: Any) -> None:
        """Checks that all workers were called alike.

        Args:
            logits: of this worker's model for a few images.
            arguments: arrays, and values that their `repr` tells apart.

        Raises:
            ValueError: they were not.
            RuntimeError: another worker raised an error.
        """
        if self.count == 1:
            return
        call = _digest(arguments)
        for worker, theirs in self._exchange({"call": np.array(call), "logits": logits}).items():
            if theirs["call"] != call:
                raise ValueError(
                    f"Worker {worker} was called with other arguments than worker {self.index}: the images and "
                    "all else but on_batch must be the same on every worker."
                )
            # the same on either side, so that all workers come to the same verdict
            scale = max(np.abs(logits).max(), np.abs(theirs["logits"]).max())
            if not np.abs(theirs["logits"] - logits).max() <= 1e-2 * scale:
                raise ValueError(
                    f"The model of worker {worker} computes something else than that of worker {self.index}. "
                    "Build it inside `with strategy.scope():`, or load the same weights on every worker."
                )
        self._moment = call

    def exchange_results(self, own: dict[int, Result]) -> dict[int, Result]:
        """The results of the other workers, in exchange for this one's, by the number of their batch.

        Raises:
            RuntimeError: another worker raised an error.
        """
        if self.count == 1:
            return {}
        arrays = {
            f"{index}.{name}": array
            for index, result in own.items()
            for name, array in result.arrays().items()
        }
        results = {}
        for theirs in self._exchange(arrays).values():
            batches: dict[int, dict[str, Any]] = {}
            for key, array in theirs.items():
                index, _, name = key.partition(".")
                batches.setdefault(int(index), {})[name] = array
            results |= {index: Result(**fields) for index, fields in batches.items()}
        return results

    def _exchange(self, arrays: dict[str, Any]) -> dict[int, dict[str, np.ndarray]]:
        """The arrays of the other workers.

        Raises:
            RuntimeError: one raised an error, or is at another moment.
        """
        if self.count == 1:
            return {}
        packed = io.BytesIO()
        np.savez(packed, moment=np.array(self._moment), **arrays)
        received = {}
        for worker, message in enumerate(self._send(packed.getvalue())):
            if worker == self.index:
                continue
            with np.load(io.BytesIO(message)) as opened:
                theirs = dict(opened)
            if theirs.pop("moment") != self._moment:
                raise RuntimeError(
                    f"Worker {worker} is in another call of minimal_distortion than worker {self.index}."
                )
            if "error" in theirs:
                raise RuntimeError(f"Worker {worker} failed: {theirs['error']}")
            received[worker] = theirs
        return received

    def _send(self, message: bytes) -> list[bytes]:
        """The messages of all workers, of any lengths; the replicas send their worker's in equal pieces."""
        lengths = self._gather(np.full((self._replicas, 1), len(message)))[:: self._replicas, 0]
        width = -(-lengths.max() // (8 * self._replicas))
        pieces = np.zeros((self._replicas, width), np.int64)
        pieces.reshape(-1).view(np.uint8)[: len(message)] = np.frombuffer(message, np.uint8)
        parts = [self._gather(pieces[:, first : first + _AT_ONCE]) for first in range(0, width, _AT_ONCE)]
        rows = np.concatenate(parts, axis=1).reshape(self.count, -1).view(np.uint8)
        return [row[:length].tobytes() for row, length in zip(rows, lengths, strict=True)]

    def _gather(self, rows: np.ndarray) -> np.ndarray:
        """One row [n] of each replica, of all workers, from those of this worker's replicas.

        They are int64, which NCCL can send and TensorFlow keeps on a GPU.
        """
        values = self._strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(rows[None, context.replica_id_in_sync_group - self._first], tf.int64)
        )
        return self._gathered(values).numpy()


def _digest(arguments: tuple) -> str:
    digest = hashlib.sha256()
    for argument in arguments:
        if isinstance(argument, np.ndarray):
            digest.update(f"{argument.dtype}{argument.shape}".encode())
            digest.update(np.ascontiguousarray(argument))
        else:
            digest.update(repr(argument).encode())
    return digest.hexdigest()
