"""Which models share a compiled program, and which never do."""

import gc
import threading
import weakref
from collections.abc import Callable, Hashable

import keras
import numpy as np
import psutil
import pytest
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing.attack import programs
from keras_intriguing.attack.network import Network
from keras_intriguing.attack.program import Program

SHAPE = (6, 6, 1)


def build(seed: int = 0, activation: str = "tanh", last: str | None = None) -> keras.Sequential:
    """A net like `net` of conftest.py, with other weights."""
    keras.utils.set_random_seed(seed)
    hidden = keras.layers.Dense(12, activation=activation, kernel_initializer="random_normal")
    layers = [keras.layers.Flatten(), hidden, keras.layers.Dense(4, activation=last)]
    return keras.Sequential([keras.Input(SHAPE), *layers])


class Scaled(keras.Model):
    """A net with a call() of its own and a factor that no configuration tells."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten, self.dense, self.factor = keras.layers.Flatten(), keras.layers.Dense(4), 1.0

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.factor * self.dense(self.flatten(x))


def key(model: Callable) -> Hashable:
    return Network(model, SHAPE).key


def logits(model: Callable, images: np.ndarray) -> np.ndarray:
    network = Network(model, SHAPE)
    return np.asarray(network.function()(network.weights(), tf.constant(images)))


def traces() -> int:
    """How often a step of any program that is alive has been traced."""
    gc.collect()
    alive = [value for value in gc.get_objects() if type(value) is Program]
    functions = [
        f for program in alive for f in vars(program).values() if isinstance(f, type(tf.function(len)))
    ]
    return sum(function.experimental_get_tracing_count() for function in functions)


def test_another_seed_a_copy_and_new_weights_compile_nothing(net, net_images, nearest):
    ki.minimal_distortion(net, net_images)  # tests of other files may have driven its program out
    before = traces()
    other = build(1)
    copied = keras.models.clone_model(net)
    copied.set_weights(other.get_weights())
    fine_tuned = build(2)
    fine_tuned.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    fine_tuned.fit(net_images, nearest.label_before, epochs=1, verbose=0)
    for model in (other, copied, fine_tuned):
        result = ki.minimal_distortion(model, net_images)
        assert result.success.all()
        np.testing.assert_array_equal(result.label_before, np.argmax(model(net_images), axis=1))
        np.testing.assert_array_equal(result.label_after, np.argmax(model(result.adversarial), axis=1))
    assert traces() == before
    np.testing.assert_array_equal(ki.minimal_distortion(net, net_images).adversarial, nearest.adversarial)


def test_two_threads_give_the_results_of_one_after_the_other(net_images):
    model = build(3)
    parts = [net_images, net_images[::-1]]
    found: dict[int, ki.Result] = {}

    def attack(i: int) -> None:
        found[i] = ki.minimal_distortion(model, parts[i])

    threads = [threading.Thread(target=attack, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, part in enumerate(parts):
        again = ki.minimal_distortion(model, part)
        for name, value in again.arrays().items():
            np.testing.assert_array_equal(getattr(found[i], name), value, err_msg=name)


def test_presets_of_a_class_have_the_same_network():
    first, second = (ki.from_preset(f"fc100_100_10_mnist{end}") for end in ("", "_seed1"))
    assert Network(first, (28, 28, 1)).key == Network(second, (28, 28, 1)).key
    assert Network(first, (28, 28, 1)).key != Network(ki.from_preset("fc200_200_10_mnist"), (28, 28, 1)).key


def test_new_weights_take_effect(net_images):
    model, weights = build(1), build(2).get_weights()
    ki.minimal_distortion(model, net_images)
    model.set_weights(weights)
    expected = ki.minimal_distortion(build(2), net_images)
    np.testing.assert_array_equal(ki.minimal_distortion(model, net_images).adversarial, expected.adversarial)


@pytest.mark.parametrize("last", [None, "softmax"])
def test_the_weights_are_arguments(net_images, last):
    one, two = build(1, last=last), build(2, last=last)
    function = Network(one, SHAPE).function()
    for model in (one, two):
        z = function(Network(model, SHAPE).weights(), tf.constant(net_images))
        outputs = np.asarray(tf.nn.softmax(z) if last else z)
        np.testing.assert_allclose(outputs, model(net_images), rtol=1e-5, atol=1e-6)
    assert key(one) == key(two)


def change_activation(model: keras.Sequential) -> None:
    model.layers[1].activation = keras.activations.relu


def swap_layers(model: keras.Sequential) -> None:
    last = model.layers[-1]
    model.pop()
    model.add(keras.layers.Dense(4, activation="relu"))
    model.add(last.__class__.from_config(last.get_config()))


def add_layer(model: keras.Sequential) -> None:
    model.add(keras.layers.Rescaling(-1.0))


def replace_call(model: keras.Sequential) -> None:
    layer = model.layers[1]
    layer.call = lambda x, training=None: keras.ops.sin(keras.ops.matmul(x, layer.kernel) + layer.bias)


@pytest.mark.parametrize("change", [change_activation, swap_layers, add_layer, replace_call])
def test_a_changed_model_gets_a_network_of_its_own(net_images, change):
    model = build(1)
    before, outputs = key(model), np.asarray(model(net_images))
    change(model)
    assert key(model) != before
    z = logits(model, net_images)
    np.testing.assert_allclose(z, model(net_images), rtol=1e-5, atol=1e-6)
    assert not np.allclose(z, outputs, rtol=1e-2)


def test_an_attribute_that_no_configuration_tells_makes_another_network(net_images):
    one, two = Scaled(), Scaled()
    one(net_images), two(net_images)
    assert key(one) == key(two)
    two.factor = 1.0001
    assert key(one) != key(two)


def test_the_output_of_a_graph_is_part_of_it():
    def both(x: tf.Tensor) -> list[tf.Tensor]:
        x = tf.reshape(x, (-1, 36))
        return [tf.sin(x), tf.cos(x)]

    assert key(lambda x: both(x)[0]) == key(lambda x: both(x)[0])
    assert key(lambda x: both(x)[0]) != key(lambda x: both(x)[1])


def test_captured_constants_count_by_value_and_captured_variables_by_themselves():
    def times(factor: tf.Tensor | tf.Variable) -> Callable:
        return lambda x: factor * tf.reshape(x, (-1, 36))

    constants = [tf.fill([36], value) for value in (2.0, 2.0, 3.0)]
    variables = [tf.Variable(c) for c in constants[:2]]
    keys = [key(times(c)) for c in constants]
    assert keys[0] == keys[1]
    assert keys[0] != keys[2]
    assert key(times(variables[0])) == key(times(variables[0]))
    assert key(times(variables[0])) != key(times(variables[1]))


class Steps(keras.layers.Layer):
    """Rounds, with a gradient of its own."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def call(self, x: tf.Tensor) -> tf.Tensor:
        rounded = tf.custom_gradient(lambda v: (tf.round(v), lambda upstream: self.slope * upstream))
        return rounded(10 * x) / 10


def stepped(slope: float, seed: int = 0) -> keras.Sequential:
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(4), Steps(slope)])


def test_layers_with_gradients_of_their_own_are_compared_by_these():
    assert key(build(1, activation="silu")) == key(build(2, activation="silu"))
    assert key(stepped(1.0)) == key(stepped(1.0, seed=1))
    assert key(stepped(1.0)) != key(stepped(2.0))
    model = stepped(1.0)
    before = key(model)
    model.layers[-1].slope = 2.0
    assert key(model) != before


class Compiled(keras.layers.Layer):
    """A dense layer whose call is a function of TensorFlow, which keeps its first trace."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(4)

    def build(self, shape: tuple[int, ...]) -> None:
        self.dense.build(shape)

    @tf.function
    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.dense(x)


def test_a_layer_that_is_a_function_of_tensorflow_stays_whole(net_images):
    models = [keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), Compiled()]) for _ in range(2)]
    for model in models:
        for _ in range(2):
            result = ki.minimal_distortion(model, net_images)
            assert result.success.all()
            np.testing.assert_array_equal(np.argmax(model(net_images), axis=1), result.label_before)
            np.testing.assert_array_equal(np.argmax(model(result.adversarial), axis=1), result.label_after)
            model.set_weights([weights[..., ::-1] for weights in model.get_weights()])
    assert key(models[0]) == key(models[0])
    assert key(models[0]) != key(models[1])


def tied(seed: int) -> keras.Model:
    """A net whose decoder reads the encoder's kernel as the variable behind it."""
    keras.utils.set_random_seed(seed)
    image, encoder = keras.Input(SHAPE), keras.layers.Dense(12, "tanh")
    code = encoder(keras.layers.Flatten()(image))
    kernel = encoder.kernel.value
    decoded = keras.layers.Lambda(lambda z: tf.matmul(z, kernel, transpose_b=True), output_shape=(36,))(code)
    return keras.Model(image, keras.layers.Dense(4)(decoded))


class OfItsGradient(keras.layers.Layer):
    """Differentiates by its own kernel."""

    def build(self, shape: tuple[int, ...]) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], 4), initializer="random_normal")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            energy = tf.reduce_sum(self.kernel**4)
        return tf.matmul(x, self.kernel - 0.01 * tape.gradient(energy, self.kernel.value))


def of_its_gradient(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), OfItsGradient()])


@pytest.mark.parametrize("build", [tied, of_its_gradient])
def test_a_weight_that_is_read_around_keras_is_never_anothers(build: Callable, net_images):
    first, second = build(0), build(1)
    for model in (first, second, first):
        np.testing.assert_allclose(logits(model, net_images), model(net_images), rtol=1e-4, atol=1e-5)
    assert key(first) == key(first)
    assert key(first) != key(second)
    ki.minimal_distortion(first, net_images, budget=200)
    result = ki.minimal_distortion(second, net_images, budget=200)
    assert result.success.all()
    np.testing.assert_array_equal(np.argmax(second(result.adversarial), axis=1), result.label_after)


def test_what_python_computes_may_change(net, net_images, nearest):
    order = [0, 1, 2, 3]

    def model(x: tf.Tensor) -> tf.Tensor:
        shuffled = lambda v: tf.gather(net(v), order, axis=1)  # noqa: E731
        return tf.ensure_shape(tf.py_function(shuffled, [x], tf.float32), (None, 4))

    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):
        result = ki.minimal_distortion(model, net_images, budget=100)
        np.testing.assert_array_equal(np.take(order, result.label_before), nearest.label_before)
        np.testing.assert_array_equal(
            np.argmax(model(tf.constant(result.adversarial)), axis=1), result.label_after
        )


def test_a_function_that_computes_something_else_is_traced_again(net, net_images, nearest):
    factors = [1.0]

    def model(x: tf.Tensor) -> tf.Tensor:
        return net(x) * factors[0]

    first = ki.minimal_distortion(model, net_images)
    factors[0] = -1.0
    second = ki.minimal_distortion(model, net_images)
    np.testing.assert_array_equal(first.label_before, nearest.label_before)
    np.testing.assert_array_equal(second.label_before, np.argmin(net(net_images), axis=1))
    np.testing.assert_array_equal(second.label_after, np.argmin(net(second.adversarial), axis=1))


def test_captured_text_counts_by_value():
    def lengths(text: tf.Tensor) -> Callable:
        return lambda x: tf.reshape(x, (-1, 36)) * tf.cast(tf.strings.length(text), tf.float32)

    texts = [tf.constant(["a", "bc"] * 18) for _ in range(2)]
    assert key(lengths(texts[0])) == key(lengths(texts[1]))
    assert key(lengths(texts[0])) != key(lengths(tf.constant(["a", "bd"] * 18)))


def test_xla_takes_no_weight_or_image_for_a_constant(net_images):
    """Else it would compile anew for all others: the axis of a gather or a concatenation is wanted for the gradient."""
    inputs = keras.Input(SHAPE)
    hidden = keras.layers.Dense(5, "tanh")(keras.layers.Flatten()(inputs))
    both = keras.ops.concatenate([hidden, keras.ops.take(hidden, [0, 3], axis=1)], axis=1)
    network = Network(keras.Model(inputs, keras.layers.Dense(3)(both)), SHAPE)
    function = network.function()

    @tf.function(autograph=False, jit_compile=True)
    def gradient(weights, images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            largest = tf.reduce_max(function(weights, images), axis=-1)
        return tape.gradient(largest, images)

    weights = network.weights()
    compiled = gradient.experimental_get_compiler_ir(weights, tf.constant(net_images))(stage="hlo")
    entry = compiled[compiled.index("ENTRY") :]
    assert entry.count(" parameter(") == len(weights) + 1


def test_a_network_that_xla_cannot_compile_leaves_the_programs_of_others(net_images):
    text = tf.constant(["a", "bc", "def", "g"])

    def with_text(x: tf.Tensor) -> tf.Tensor:
        return x[:, 0, :4, 0] * tf.cast(tf.strings.length(text), tf.float32)

    dense = programs.Programs(build(1), SHAPE)
    kept = dense.program()
    threads = [
        threading.Thread(target=ki.minimal_distortion, args=(with_text, net_images), kwargs={"budget": 100})
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not programs.Programs(with_text, SHAPE).program().jit
    assert kept.jit
    assert dense.program() is kept


def test_functions_within_the_graph_are_compared():
    def conditional(otherwise: Callable) -> Callable:
        return lambda x: tf.cond(
            tf.reduce_sum(x) > 0, lambda: x[:, 0, :2, 0], lambda: otherwise(x[:, 0, :2, 0])
        )

    assert key(conditional(tf.sin)) == key(conditional(tf.sin))
    assert key(conditional(tf.sin)) != key(conditional(tf.cos))


def test_programs_and_models_do_not_pile_up(net_images):
    def alive() -> int:
        gc.collect()
        return sum(type(value) is Program for value in gc.get_objects())

    models = []
    for units in range(1, 31):
        model = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(units)])
        programs.Programs(model, SHAPE).program()
        models.append(weakref.ref(model))
    del model
    assert alive() <= programs.KEPT
    assert not any(model() for model in models)


def test_memory_does_not_grow_with_models_of_a_class(net_images):
    resident = []
    for seeds in (range(12), range(12, 18)):  # the first compile the sizes of batches that the last need
        for seed in seeds:
            ki.minimal_distortion(build(seed), net_images, budget=100)
        gc.collect()
        resident.append(psutil.Process().memory_info().rss)
    assert resident[1] - resident[0] < 2**23, [bytes_held >> 20 for bytes_held in resident]


def test_a_kept_function_gives_way_to_others(net_images):
    def make(factor: float) -> Callable:
        return lambda x: factor * x[:, 0, :3, 0]

    functions = [make(float(i)) for i in range(30)]
    references = [weakref.ref(function) for function in functions]
    for function in functions:
        programs.Programs(function, SHAPE).program()
    del function, functions
    gc.collect()
    assert sum(reference() is not None for reference in references) <= programs.KEPT
