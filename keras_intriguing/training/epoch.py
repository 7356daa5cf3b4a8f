"""One epoch of minibatch training as one compiled function."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.training import chain, gradient_steps
from keras_intriguing.training.chain import Dropout
from keras_intriguing.training.pools import Pool
from keras_intriguing.training.settings import GradientSteps, MinibatchTraining, Pools

_PoolTensors = tuple[tf.Tensor, tf.Tensor]  # a `Pool` inside the compiled epoch
_Gradients = tuple[tf.Tensor, list[tf.Tensor]]  # a value and its gradients by the trainable variables

# Of the first step's number, the images of every step [steps, batch], the places of their examples in the pools, likewise,
# and the pools: the mean over the epoch of what was minimized.
RunEpoch = Callable[[int, np.ndarray, np.ndarray, Mapping[str, Pool]], tf.Tensor]


def compiled(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    options: MinibatchTraining,
    optimizer: keras.optimizers.Optimizer,
    seed: int,
) -> RunEpoch:
    """Compiles the epoch, by XLA where no layer is a convolution: on a CPU its convolutions are slow."""
    by_xla = all(len(kernel.shape) == 2 for kernel in kernels(model))
    objective = _Objective(model, x, y, options, seed, "threefry" if by_xla else "philox")
    variables = model.trainable_variables

    @tf.function(autograph=False, jit_compile=by_xla)
    def run(
        first: tf.Tensor, order: tf.Tensor, drawn: tf.Tensor, examples: Sequence[_PoolTensors]
    ) -> tf.Tensor:
        def step(i: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            value, gradients = objective.gradients(first + i, order[i], drawn[i], examples)
            optimizer.apply(gradients, variables)
            return i + 1, total + value

        count = tf.shape(order)[0]
        _, total = tf.while_loop(lambda i, _: i < count, step, (0, 0.0))
        return total / tf.cast(count, tf.float32)

    def run_epoch(
        first: int, order: np.ndarray, drawn: np.ndarray, examples: Mapping[str, Pool]
    ) -> tf.Tensor:
        indices = [tf.constant(i, tf.int32) for i in (first, order, drawn)]
        pairs = [(tf.constant(pool.image), tf.constant(pool.perturbation)) for pool in examples.values()]
        return run(indices[0], indices[1], indices[2], pairs)

    return run_epoch


def kernels(model: keras.Model) -> list[keras.Variable]:
    """The trainable weights that decay."""
    return [v for v in model.trainable_variables if len(v.shape) > 1]


class _Objective:
    """What a step minimizes: cross-entropies of images and of adversarial examples, and the weight decay."""

    def __init__(
        self,
        model: keras.Model,
        x: np.ndarray,
        y: np.ndarray,
        options: MinibatchTraining,
        seed: int,
        algorithm: str,
    ) -> None:
        self._model, self._options, self._seed, self._algorithm = model, options, seed, algorithm
        self._images, self._labels = tf.constant(x), tf.constant(y)
        self._variables = model.trainable_variables

    def gradients(
        self, step: tf.Tensor, chosen: tf.Tensor, drawn: tf.Tensor, examples: Sequence[_PoolTensors]
    ) -> _Gradients:
        """The objective and its gradients.

        Args:
            step: its number, which decides the dropout and the layer whose turn it is.
            chosen: indices of the minibatch's images.
            drawn: places in the pool.
            examples: the pools; none before the first are generated, or where there are none.
        """
        images, labels = tf.gather(self._images, chosen), tf.gather(self._labels, chosen)
        adversarial = self._options.adversarial
        steps = adversarial if isinstance(adversarial, GradientSteps) else None
        dropout = Dropout(*self._options.dropout, tf.stack([self._seed, step]), self._algorithm)
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = chain.outputs(self._model, images, dropout)
            value = _entropy(labels, outputs[self._model.layers[-1].name]) + self._decay()
        h = {layer: outputs[layer] for layer in steps.layers} if steps else {}
        gradients, by_outputs = tape.gradient(value, (self._variables, h))
        if steps:
            losses = [
                partial(self._of_step, layer, length, labels, h[layer], by_outputs[layer])
                for layer, length in zip(steps.layers, steps.lengths, strict=True)
            ]
        elif isinstance(adversarial, Pools):
            losses = [
                partial(self._of_pool, layer, stretch, drawn, pool)
                for layer, stretch, pool in zip(
                    adversarial.layers, adversarial.stretches, examples, strict=bool(examples)
                )
            ]
        else:
            losses = []
        if adversarial is None or not losses:
            return value, gradients
        loss, others = self._turn(step, losses)
        pairs = zip(gradients, others, strict=True)
        return value + adversarial.weight * loss, [a + adversarial.weight * b for a, b in pairs]

    def _decay(self) -> tf.Tensor:
        pairs = zip(self._options.decay, kernels(self._model), strict=True)
        return tf.add_n([decay * tf.reduce_sum(kernel**2) for decay, kernel in pairs])

    def _of_step(
        self, layer: str, length: float, labels: tf.Tensor, h: tf.Tensor, gradient: tf.Tensor
    ) -> tf.Tensor:
        """The cross-entropy of the minibatch after a step at a layer."""
        parts = chain.cut(self._model, layer)
        return _entropy(labels, parts.above(gradient_steps.moved(h, gradient, length, parts.bounds)))

    def _of_pool(self, layer: str, stretch: float, drawn: tf.Tensor, pool: _PoolTensors) -> tf.Tensor:
        """The cross-entropy of the examples drawn from a layer's pool."""
        image, perturbation = pool
        places = tf.math.floormod(drawn, tf.shape(image)[0])  # a failed attack leaves the pool smaller
        originals = tf.gather(image, places)
        parts = chain.cut(self._model, layer)
        h = parts.below(tf.gather(self._images, originals)) + stretch * tf.gather(perturbation, places)
        above = parts.above(tf.stop_gradient(tf.clip_by_value(h, *parts.bounds)))
        return _entropy(tf.gather(self._labels, originals), above)

    def _turn(self, step: tf.Tensor, losses: Sequence[Callable[[], tf.Tensor]]) -> _Gradients:
        """The loss of the layer whose turn it is, and its gradients: zero for the layers below."""

        def of(loss: Callable[[], tf.Tensor]) -> _Gradients:
            with tf.GradientTape() as tape:
                value = loss()
            pairs = zip(self._variables, tape.gradient(value, self._variables), strict=True)
            return value, [tf.zeros(v.shape) if g is None else g for v, g in pairs]

        branches = [partial(of, loss) for loss in losses]
        return tf.switch_case(tf.math.floormod(step, len(branches)), branches)


def _entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
