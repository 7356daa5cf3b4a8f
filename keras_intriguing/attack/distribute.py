"""The attack's batches on the devices of a `tf.distribute` strategy, in one process or in several workers."""

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing.attack.result import Result
from keras_intriguing.attack.workers import Workers
from keras_intriguing.classifiers.logits import logits_function
from keras_intriguing.classifiers.request import PROBE, Request

_SUPPORTED = (
    tf.distribute.OneDeviceStrategy,
    tf.distribute.MirroredStrategy,
    tf.distribute.MultiWorkerMirroredStrategy,
)


class _Replica(NamedTuple):
    """A device of this worker, and its number among the replicas of all workers."""

    number: int
    device: str


class Replicas:
    """The replicas of a strategy, each of which attacks whole batches.

    The attack's loops look at values between compiled steps, and outside of a `tf.function` `strategy.run` runs
    one replica after the other. So every replica of this worker has a thread of its own, in the context of the
    replica, where a mirrored variable is the replica's copy, and takes the next batch when it is done with one.
    Workers deal out the batches beforehand and exchange their results when all are done.

    Args:
        strategy: of one device, mirrored, or mirrored over several workers.

    Raises:
        TypeError: any other.
    """

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        if not isinstance(strategy, _SUPPORTED):
            raise TypeError(
                "strategy must be None or a OneDeviceStrategy, MirroredStrategy or MultiWorkerMirroredStrategy of "
                f"tf.distribute, not a {type(strategy).__name__}."
            )
        self._strategy = strategy
        numbers = strategy.experimental_distribute_values_from_function(lambda c: c.replica_id_in_sync_group)
        numbers = strategy.experimental_local_results(numbers)
        self._local = [
            _Replica(*pair) for pair in zip(numbers, strategy.extended.worker_devices, strict=True)
        ]
        self._workers = Workers(strategy, self._local[0].number, len(self._local))

    def __len__(self) -> int:
        """How many replicas all workers have together."""
        return self._strategy.num_replicas_in_sync

    def agreed(self, check: Callable[[], Request], others: Any) -> Request:
        """The checked input, of which it is also checked that all replicas can work on it alike.

        Args:
            check: gives the checked input, or raises an error.
            others: the other arguments; their `repr` is compared between workers.

        Raises:
            ValueError: a replica does not have the model's variables, or the workers were not called alike.
            RuntimeError: another worker raised an error.
        """
        with self._workers.telling_errors():
            request = check()
            few = tf.constant(request.x[:PROBE])
            logits = logits_function(request.model)
            values = logits(few).numpy()
            for replica in self._local:
                self._check_variables(logits, few, replica)
        self._workers.agree(
            values,
            request.x,
            request.target,
            request.label,
            request.starts.x,
            *map(np.asarray, request.bounds),
            others,
        )
        return request

    def attack(
        self,
        parts: list[Request],
        attack: Callable[[Request], Result],
        on_done: Callable[[int, Result], None],
    ) -> None:
        """Attacks all parts, each on one replica.

        Args:
            parts: the batches.
            attack: attacks one of them, on the device where it is called.
            on_done: is given the number of a part and its result, in any order; those of other workers come at the
                end.

        Raises:
            RuntimeError: another worker raised an error.
        """
        own = {}

        def keep(index: int, result: Result) -> None:
            own[index] = result
            on_done(index, result)

        with self._workers.telling_errors():
            share = {
                index: parts[index] for index in range(self._workers.index, len(parts), self._workers.count)
            }
            self._attack_own(share, attack, keep)
        for index, result in self._workers.exchange_results(own).items():
            on_done(index, result)

    def _attack_own(
        self,
        parts: dict[int, Request],
        attack: Callable[[Request], Result],
        on_done: Callable[[int, Result], None],
    ) -> None:
        """Attacks this worker's parts, in as many threads as it has replicas."""
        free: queue.SimpleQueue[_Replica] = queue.SimpleQueue()
        for replica in self._local:
            free.put(replica)

        def on_free_replica(part: Request) -> Result:
            replica = free.get()
            try:
                with self._on(replica):
                    return attack(part)
            finally:
                free.put(replica)

        pool = ThreadPoolExecutor(len(self._local))
        try:
            running = {pool.submit(on_free_replica, part): index for index, part in parts.items()}
            for future in as_completed(running):
                on_done(running[future], future.result())
        finally:
            pool.shutdown(cancel_futures=True)  # those that wait, where one failed

    @contextmanager
    def _on(self, replica: _Replica) -> Iterator[None]:
        with tf.distribute.ReplicaContext(self._strategy, replica.number), tf.device(replica.device):
            yield

    def _check_variables(self, logits: Callable, images: tf.Tensor, replica: _Replica) -> None:
        """Checks that the replica has the model's variables on its device.

        TensorFlow would fetch others from their device at every step, and XLA refuses to.
        """
        try:
            with self._on(replica):
                function = tf.function(logits, autograph=False).get_concrete_function(images)
            far = [v.name for v in function.graph.variables if _place(v.device) != _place(replica.device)]
        except IndexError:  # by a variable that is mirrored over fewer replicas
            far = ["of another strategy"]
        if far:
            raise ValueError(
                f"The strategy's replica on {replica.device} has no copy of the model's variables "
                f"({', '.join(far[:3])}). Build or load the model inside `with strategy.scope():`."
            )


def _place(device: str) -> tuple[str, int]:
    """Kind and number of one of this worker's devices."""
    spec = tf.DeviceSpec.from_string(device)
    return spec.device_type, spec.device_index
