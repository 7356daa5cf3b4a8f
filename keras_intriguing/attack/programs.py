"""The compiled programs, which are kept for later calls, whatever model makes them."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import tensorflow as tf

from keras_intriguing.attack.network import Network
from keras_intriguing.attack.program import Program
from keras_intriguing.classifiers.logits import Trace
from keras_intriguing.classifiers.outputs import precision

KEPT = 8  # a dense net's program takes some 80 MiB
_KEPT: OrderedDict[Hashable, Program] = OrderedDict()  # by the keys of networks, the last used last
_LOCK = threading.Lock()


class Programs:
    """A model's program and weights during one call of the attack.

    The model is traced once on every replica, which may have variables of its own. If another model, or an earlier call,
    has computed the same, its program is taken.

    Args:
        model: a Keras model or a function of tensors.
        shape: of one image.
        trace: of the model where it is on no replica.
    """

    def __init__(self, model: Callable, shape: tuple[int, ...], trace: Trace | None = None) -> None:
        self._model, self._shape, self._trace = model, shape, trace
        self._networks: dict[int | None, Network] = {}

    def weights(self) -> list[tf.Tensor]:
        """As they are now, on the device where this is called."""
        return self._network().weights()

    def program(self) -> Program:
        """With XLA where that is faster, and compiles the network."""
        network = self._network()
        with _LOCK:
            if network.key in _KEPT:
                _KEPT.move_to_end(network.key)
                return _KEPT[network.key]
            # XLA rounds half precision otherwise, and `predict` may use it
            is_half = network.precision > precision(tf.float32)
            return _keep(network, _prefers_xla(network), is_half and not network.calls_python)

    def without_xla(self) -> Program:
        """For a network that XLA cannot compile; later calls get it, too."""
        network = self._network()
        with _LOCK:
            kept = _KEPT.get(network.key)
            return _keep(network, False, False) if kept is None or kept.compiles else kept

    def _network(self) -> Network:
        replica = tf.distribute.get_replica_context()
        number = int(replica.replica_id_in_sync_group) if replica else None
        if number not in self._networks:
            trace = None if tf.distribute.has_strategy() else self._trace
            self._networks[number] = Network(self._model, self._shape, trace)
        return self._networks[number]


def _keep(network: Network, jit: bool, seen_by_xla: bool) -> Program:
    program = Program(network.function(), network.shape, jit, seen_by_xla, network.precision)
    _KEPT[network.key] = program
    _KEPT.move_to_end(network.key)
    if len(_KEPT) > KEPT:
        _KEPT.popitem(last=False)
    return program


def _prefers_xla(network: Network) -> bool:
    """XLA halves the time and better; but its convolutions on a CPU are several times slower."""
    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    return not network.calls_python and (has_gpu or not network.has_convolutions)
