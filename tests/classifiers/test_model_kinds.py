"""Models and images as users have them."""

import gc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing.classifiers.images import as_images
from keras_intriguing.classifiers.loading import as_model
from keras_intriguing.classifiers.logits import Trace, adapted, check_logits, logits_function
from keras_intriguing.classifiers.request import checked

L = keras.layers
RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(0.2, 0.8, (8, 5)).astype(np.float32)
KERNEL, BIAS = RANDOM.normal(size=(5, 1)).astype(np.float32), np.float32(0.3)
Z = X @ KERNEL + BIAS


def linear(activation: str | None = None) -> keras.Model:
    """z, or its sigmoid, of one output."""
    layer = L.Dense(1, activation=activation)
    model = keras.Sequential([keras.Input((5,)), layer])
    layer.set_weights([KERNEL, np.array([BIAS])])
    return model


class Subclassed(keras.Model):
    """A head behind a dense layer."""

    def __init__(self, head: Callable) -> None:
        super().__init__()
        self.inner, self.head = linear(), head

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.head(self.inner(x))


BINARY = {
    "logit": linear(),
    "Dense": linear("sigmoid"),
    "Activation": keras.Sequential([keras.Input((5,)), linear(), L.Activation("sigmoid")]),
    "operation": keras.Model(image := keras.Input((5,)), keras.ops.sigmoid(linear()(image))),
    "subclassed": Subclassed(keras.ops.sigmoid),
    "function": lambda x: tf.sigmoid(tf.linalg.matmul(x, KERNEL) + BIAS),
    "reshaped": lambda x: tf.reshape(
        tf.expand_dims(tf.sigmoid(tf.linalg.matmul(x, KERNEL) + BIAS), 1), (-1, 1)
    ),
    "nested": keras.Sequential([keras.Input((5,)), linear("sigmoid"), L.Reshape((1,))]),
}


@pytest.mark.parametrize("kind", BINARY)
def test_one_output_is_two_classes(kind: str) -> None:
    model = BINARY[kind]
    request = checked(model, X, None, None, (0, 1), None)
    np.testing.assert_allclose(logits_function(request.model)(X), np.hstack([0 * Z, Z]), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(request.before, Z[:, 0] > 0)
    np.testing.assert_array_equal(ki.evaluation.labels(model, X), Z[:, 0] > 0)


def test_a_logit_of_1_is_no_probability() -> None:
    kernel = np.ones((5, 1), np.float32)
    logit = keras.Sequential([keras.Input((5,)), L.Dense(1)])
    logit.set_weights([kernel, np.zeros(1, np.float32)])
    x = np.full((1, 5), 0.2, np.float32)  # z = 1, and 0 and 1 look like probabilities
    result = ki.minimal_distortion(logit, x, bounds=(-9, 9))
    np.testing.assert_allclose(result.l2, 1 / np.sqrt(5), rtol=1e-3)


@pytest.mark.parametrize("kind", ["logit", "Dense"])
def test_a_binary_classifier_is_attacked_to_its_optimum_and_certified(kind: str) -> None:
    optimum = np.abs(Z[:, 0]) / np.linalg.norm(KERNEL)
    result = ki.minimal_distortion(BINARY[kind], X, bounds=(-9, 9))
    assert result.success.all()
    np.testing.assert_allclose(result.l2, optimum, rtol=1e-3)
    np.testing.assert_array_equal(BINARY[kind](result.adversarial)[:, 0] > (kind == "Dense") / 2, Z[:, 0] < 0)
    for effort in ("quick", "standard"):
        certified = ki.certified_distortion(BINARY[kind], X, bounds=(-9, 9), effort=effort)
        np.testing.assert_allclose(certified.l2, optimum, rtol=1e-3)
        assert (certified.l2 <= result.l2).all()


def head(x: tf.Tensor) -> tf.Tensor:
    return tf.concat([x, 2 - x, x**2], axis=-1)


@pytest.mark.parametrize(
    "model",
    [
        Subclassed(lambda x: keras.ops.softmax(head(x))),
        lambda x: tf.nn.softmax(head(BINARY["subclassed"].inner(x))),
        lambda x: tf.squeeze(tf.nn.softmax(head(BINARY["logit"](x))[:, None, None]), (1, 2)),
        keras.Sequential(
            [keras.Input((5,)), linear(), L.Lambda(lambda x: tf.nn.softmax(head(x)), output_shape=(3,))]
        ),
        keras.Sequential([keras.Input((5,)), linear(), L.Lambda(head, output_shape=(3,)), L.Softmax()]),
    ],
)
def test_a_softmax_is_seen_however_it_is_written(model: Callable) -> None:
    np.testing.assert_allclose(logits_function(model)(X), head(Z), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "model",
    [
        keras.Sequential([keras.Input((5,)), L.Dense(3, activation="sigmoid")]),
        keras.Model(image, keras.ops.sigmoid(L.Dense(3)(image))),
        Subclassed(lambda x: keras.ops.sigmoid(head(x))),
        lambda x: tf.sigmoid(head(BINARY["logit"](x))),
    ],
)
def test_labels_that_do_not_exclude_each_other_are_refused_however_they_are_written(model: Callable) -> None:
    with pytest.raises(ValueError, match=r"ends in a sigmoid.* of 3 outputs.*lambda x: model\(x\)\[:, 2:3\]"):
        adapted(model, X)


def test_probabilities_that_cannot_be_seen_need_a_word() -> None:
    softmax = tf.function(lambda x: tf.nn.softmax(head(BINARY["logit"](x))))
    with pytest.raises(ValueError, match=r"look like probabilities.*from_probabilities=True"):
        adapted(softmax, X)
    logits = logits_function(adapted(softmax, X, from_probabilities=True).model)(X)
    np.testing.assert_allclose(keras.ops.softmax(logits), softmax(X), rtol=1e-5)
    sigmoid = tf.function(lambda x: tf.sigmoid(BINARY["logit"](x)))
    with pytest.raises(ValueError, match=r"look like a probability .*from_probabilities=True"):
        adapted(sigmoid, X)
    logits = logits_function(adapted(sigmoid, X, from_probabilities=True).model)(X)
    np.testing.assert_allclose(logits, np.hstack([0 * Z, Z]), rtol=1e-4, atol=1e-5)
    mixtures = (
        lambda z: 1 - tf.sigmoid(z),
        lambda z: tf.clip_by_value(tf.sigmoid(z), 1e-3, 1),
        lambda z: 0.9 * tf.sigmoid(z) + 0.05,
        lambda z: 1 - 1 / (1 + tf.exp(z)),
        lambda z: tf.nn.softmax(tf.concat([0 * z, z], axis=1))[:, 1:],
        lambda z: tf.reduce_mean(tf.stack([tf.sigmoid(z), tf.sigmoid(2 * z)]), axis=0),
        lambda z: tf.reduce_sum(tf.nn.softmax(tf.concat([-z, 0 * z, z], axis=1))[:, 1:], 1, keepdims=True),
        lambda z: tf.gather(tf.nn.softmax(tf.concat([0 * z, z], axis=1)), [1], axis=1),
        lambda z: tf.where(z >= 0, 1 / (1 + tf.exp(-z)), tf.exp(z) / (1 + tf.exp(z))),
        lambda z: 0.5 * (1 + tf.tanh(z / 2)),
        lambda z: tf.exp(tf.math.log_sigmoid(z)),
        lambda z: tf.einsum(
            "bi,bi->b", tf.nn.softmax(tf.concat([z, -z], 1)), tf.sigmoid(tf.concat([z, z], 1))
        )[:, None],
    )
    for mixed in mixtures:
        model = lambda x, mixed=mixed: mixed(BINARY["logit"](x))  # noqa: E731
        with pytest.raises(ValueError, match=r"look like a probability .*from_probabilities=True"):
            adapted(model, X)
        found = logits_function(adapted(model, X, from_probabilities=True).model)(X)
        np.testing.assert_allclose(keras.ops.softmax(found)[:, 1:], model(X), rtol=1e-4)
    gate = tf.Variable(0.0)
    for gated in (
        lambda z: z * tf.sigmoid(gate),
        lambda z: 0.5 + 0.01 * z,
        lambda z: tf.reduce_max(tf.stack([z, 0.1 * z], axis=1), axis=1),
    ):
        # logits, though all may lie between 0 and 1
        adapted(lambda x, gated=gated: gated(BINARY["logit"](x)), X)
    with pytest.raises(ValueError, match=r"outputs range from .* Leave it out for logits"):
        adapted(BINARY["logit"], X, from_probabilities=True)
    with pytest.raises(ValueError, match=r"do not sum to 1"):
        adapted(lambda x: tf.sigmoid(head(BINARY["logit"](x))), X, from_probabilities=True)


def test_a_tie_in_half_precision_is_no_other_ranking() -> None:
    """bfloat16 logits near 8 are 0.03 apart, and another program may round two of them otherwise."""
    logits, outputs = np.array([[8.0, 8.03125, 0.0]], np.float32), np.array([[0.508, 0.492, 0.0]], np.float32)
    half, single = (SimpleNamespace(kind="softmax", precision=p, coarsest=p) for p in (2.0**-7, 2.0**-23))
    check_logits(linear(), half, logits, outputs, needs_layers=False)
    with pytest.raises(ValueError, match="ranks the classes otherwise"):
        check_logits(linear(), single, logits, outputs, needs_layers=False)


def test_one_logit_may_come_from_anywhere() -> None:
    """Also through many layers, and where an image's logit is hardly above zero."""
    x = np.random.default_rng(0).uniform(size=(3, 8, 8, 2)).astype(np.float32)
    heads = {
        "pooled": [L.Conv2D(1, 1, use_bias=False), L.AveragePooling2D(8), L.Flatten()],
        "transposed": [L.Conv2DTranspose(1, 3, use_bias=False), L.GlobalMaxPooling2D()],
        "dilated": [L.Conv2D(1, 3, dilation_rate=2, use_bias=False), L.GlobalAveragePooling2D()],
        "leaky": [L.Flatten(), L.Dense(1, use_bias=False), L.LeakyReLU()],
        "deep": [
            L.Flatten(),
            *(layer for _ in range(400) for layer in (L.Dense(2), L.ReLU())),
            L.Dense(1, use_bias=False),
        ],
    }
    for name, layers in heads.items():
        model = keras.Sequential([keras.Input((8, 8, 2)), *layers])
        assert Trace(model, (8, 8, 2)).kind is None, name
    near = keras.Sequential([keras.Input((8, 8, 2)), L.Flatten(), L.Dense(1, use_bias=False)])
    near.set_weights([np.full((128, 1), 1e-9)])
    assert ki.minimal_distortion(near, x, budget=100).label_before.tolist() == [1, 1, 1]


def test_a_function_may_have_any_name() -> None:
    function = tf.function(lambda x: 100 * tf.linalg.matmul(x, KERNEL)).get_concrete_function(
        tf.TensorSpec((None, 5), tf.float32)
    )
    assert ki.minimal_distortion(function, X, bounds=(-9, 9), budget=200).success.all()


def test_probabilities_that_round_to_0_and_1_have_finite_logarithms() -> None:
    sure = tf.function(lambda x: tf.sigmoid(tf.constant([[200.0], [-200.0]]) + 0 * x[:2, :1]))
    logits = np.asarray(logits_function(adapted(sure, X[:2], from_probabilities=True).model)(X[:2]))
    assert np.isfinite(logits).all()
    assert logits[0, 1] > 15
    assert logits[1, 1] < -80


def test_a_path_to_a_saved_model_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "own.keras"
    keras.Sequential([keras.Input((5,)), L.Dense(3)]).save(path)
    assert (ki.certified_distortion(path, X, effort="quick").distortion >= 0).all()
    assert len(ki.certified_distortion(str(path), X, effort="quick")) == 8
    with pytest.raises(FileNotFoundError, match=r"no model file elsewhere.keras"):
        ki.minimal_distortion("elsewhere.keras", X)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"own\.keras could not be loaded"):
        ki.minimal_distortion(path, X)


def test_data_sets_are_images() -> None:
    pairs = tf.data.Dataset.from_tensor_slices((X, np.arange(8)))
    for dataset in (pairs, pairs.batch(3), pairs.batch(3).map(lambda x, y: x)):
        np.testing.assert_array_equal(as_images(dataset), X)
    whole_batches = pairs.batch(4, drop_remainder=True)
    np.testing.assert_array_equal(as_images(whole_batches, BINARY["logit"]), X)
    with pytest.raises(ValueError, match=r"without end. Pass x\.take\(n\)"):
        as_images(pairs.repeat())
    with pytest.raises(ValueError, match=r"without elements"):
        as_images(pairs.take(0))
    with pytest.raises(TypeError, match=r"data set of images or of pairs"):
        as_images(pairs.map(lambda x, y: {"image": x}))


def test_what_is_outside_by_rounding_is_clipped() -> None:
    x = X.copy()
    x[0, 0] = np.nextafter(np.float32(1), np.float32(2))
    with pytest.warns(
        UserWarning, match=r"1 values outside the bounds \(0, 1\) by rounding, at most by 1\.2e-07"
    ):
        assert checked(BINARY["logit"], x, None, None, (0, 1), None).x.max() == 1
    x[0, 0] = 1.0001
    with pytest.raises(ValueError, match=r"to 1\.0001, outside the bounds \(0, 1\)"):
        checked(BINARY["logit"], x, None, None, (0, 1), None)


def test_a_loss_of_ones_own_is_not_needed(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((5,)), L.Dense(3)])

    def own(y: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        return keras.ops.mean((y - z) ** 2)

    model.compile("adam", loss=own, metrics=[own])
    model.save(tmp_path / "compiled.keras")
    np.testing.assert_array_equal(as_model(tmp_path / "compiled.keras")(X), model(X))


def test_embeddings_of_positions_are_no_embeddings_of_the_input() -> None:
    class Patches(L.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.dense, self.positions = L.Dense(4), L.Embedding(4, 4)

        def call(self, x: tf.Tensor) -> tf.Tensor:
            parts = keras.ops.reshape(x, (-1, 4, 4))
            return self.dense(parts) + self.positions(keras.ops.arange(4))

    model = keras.Sequential([keras.Input((4, 4, 1)), Patches(), L.Flatten(), L.Dense(3, "softmax")])
    images = np.random.default_rng(0).uniform(size=(3, 4, 4, 1)).astype(np.float32)
    request = checked(model, images, None, None, (0, 1), None)
    np.testing.assert_array_equal(request.before, model.predict(images, verbose=0).argmax(axis=1))


def test_a_saved_model_is_its_function(tmp_path: Path) -> None:
    BINARY["logit"].export(tmp_path / "saved", verbose=False)
    saved = tf.saved_model.load(tmp_path / "saved")
    request = checked(as_model(saved), X, None, None, (0, 1), None)
    np.testing.assert_allclose(logits_function(request.model)(X)[:, 1:], Z, rtol=1e-5)
    del request, saved
    for signature in (False, True):  # nothing else holds what is loaded
        loaded = tf.saved_model.load(tmp_path / "saved")
        if signature:
            del loaded.serve
        function = as_model(loaded)
        del loaded
        gc.collect()
        np.testing.assert_allclose(function(X), Z, rtol=1e-5)
