"""What the attack refuses, and what it says then."""

from typing import NamedTuple

import keras
import numpy as np
import psutil
import pytest
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing.classifiers.logits import logits_function
from keras_intriguing.classifiers.outputs import precision
from keras_intriguing.classifiers.request import _check_repeats, checked

X = np.full((3, 2, 2, 1), 0.5, np.float32)


def logits(x: tf.Tensor) -> tf.Tensor:
    """Three classes of images of four values."""
    return tf.reshape(x, (-1, 4))[:, :3] * [1.0, 2.0, 3.0]


def changed(value: float) -> np.ndarray:
    """The images with another value in the second one."""
    x = X.copy()
    x[1, 0, 0, 0] = value
    return x


@pytest.fixture(scope="module")
def dense() -> keras.Model:
    weights = keras.initializers.GlorotUniform(seed=0)
    return keras.Sequential(
        [keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(3, None, True, weights)]
    )


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (X.astype(np.uint8), TypeError, r"x holds uint8, and floats are needed.*astype\('float32'\)"),
        (np.array([[True]]), TypeError, "x holds bool"),
        (changed(np.nan), ValueError, "x has NaN or infinite values in 1 of 3 images, first in image 1"),
        (changed(-np.inf), ValueError, "x has NaN or infinite values in 1 of 3 images, first in image 1"),
        (changed(1.5), ValueError, r"x ranges from 0\.5 to 1\.5, outside the bounds \(0, 1\)"),
        (changed(-0.1), ValueError, r"x ranges from -0\.1 to 0\.5, outside the bounds \(0, 1\)"),
        (X[:0], ValueError, r"at least one image.*\(0, 2, 2, 1\)"),
        (X[:, :0], ValueError, r"at least one image.*\(3, 0, 2, 1\)"),
        (X[0, 0, :, 0], ValueError, r"at least one example.*\(2,\)"),
        (np.float32(0.5), ValueError, r"at least one example.*\(\)"),
    ],
)
def test_images_that_cannot_be_attacked(x, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        ki.minimal_distortion(logits, x)


def test_an_image_without_its_batch_axis(dense):
    with pytest.raises(
        ValueError, match=r"shape \(None, 2, 2, 1\), but x has shape \(2, 2, 1\).*pass x\[None\]"
    ):
        ki.minimal_distortion(dense, X[0])


def test_images_of_another_shape_than_the_models(dense):
    with pytest.raises(ValueError, match=r"but x has shape \(3, 2, 1, 1\)\.$"):
        ki.minimal_distortion(dense, X[:, :, :1])


@pytest.mark.parametrize("name", ["target", "label"])
@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (3, ValueError, "holds 3, but the model has 3 classes, 0 to 2"),
        ([0, 1, -1], ValueError, "holds -1, but the model has 3 classes, 0 to 2"),
        ([0.0, 0.5, 2.0], ValueError, "must hold whole numbers, class indices; it holds 0.5"),
        (["a", "b", "c"], TypeError, "must hold whole numbers"),
        ([0, 1], ValueError, r"must hold one class for each of 3 images; its shape is \(2,\)"),
        (np.ones((3, 3)), ValueError, r"has shape \(3, 3\), but its rows are not one-hot"),
        (np.zeros((0, 0)), ValueError, r"has shape \(0, 0\), but its rows are not one-hot"),
        (np.zeros((3, 0)), ValueError, r"has shape \(3, 0\), but its rows are not one-hot"),
        (np.eye(3, 5), ValueError, r"has rows of 5 classes, but the model has 3: its shape is \(3, 5\)"),
        ([[0], [1]], ValueError, r"must hold one class for each of 3 images; its shape is \(2, 1\)"),
        ([0.0, 1.0, 1e30], ValueError, r"must hold whole numbers, class indices; it holds 1e\+30"),
        (
            np.array([0, 1, 2**64 - 1], np.uint64),
            ValueError,
            "must hold whole numbers, class indices; it holds 18446744073709551615",
        ),
        (
            np.zeros((1, 3, 1), int),
            ValueError,
            r"must hold one class for each of 3 images; its shape is \(1, 3, 1\)",
        ),
    ],
)
def test_classes_that_cannot_be_asked_for(name: str, values, error: type[Exception], message: str):
    with pytest.raises(error, match=f"^{name} {message}"):
        ki.minimal_distortion(logits, X, **{name: values})


def test_classes_may_be_a_column_floats_or_one_hot():
    plain = ki.minimal_distortion(logits, X, target=[0, 1, 1])
    bfloat, half = (tf.constant([0, 1, 1], kind).numpy() for kind in (tf.bfloat16, tf.float16))
    for form in ([[0], [1], [1]], [0.0, 1.0, 1.0], np.eye(3)[[0, 1, 1]], [False, True, True], bfloat, half):
        same = ki.minimal_distortion(logits, X, target=form)
        np.testing.assert_array_equal(same.target, plain.target)
        np.testing.assert_array_equal(same.distortion, plain.distortion)


def test_a_channel_that_is_missing(dense):
    with pytest.raises(ValueError, match=r"has shape \(3, 2, 2\). Pass x\[..., None\]"):
        ki.minimal_distortion(dense, X[..., 0])


def test_a_model_that_divides_by_255_and_images_up_to_1(dense):
    model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Rescaling(1 / 255), dense])
    outer = keras.Sequential([keras.Input((2, 2, 1)), model])
    flip = keras.layers.RandomFlip()
    augmented = keras.Sequential([keras.Input((2, 2, 1)), flip, keras.layers.Rescaling(1 / 255), dense])
    apart = keras.Sequential([keras.Input((2, 2, 1)), keras.Sequential([flip]), model])
    for scaled in (model, outer, augmented, apart):
        with pytest.warns(
            UserWarning, match="first layer multiplies by 0.00392, as for values up to 255, but x"
        ):
            checked(scaled, X, None, None, (0, 1), None)
    checked(model, 255 * X, None, None, (0, 255), None)
    image = keras.Input((2, 2, 1))
    right = keras.Model(image, dense(keras.layers.Rescaling(1 / 255)(image * 255.0)))
    checked(right, X, None, None, (0, 1), None)  # any warning is an error
    inner = keras.Sequential(
        [keras.Input((2, 2, 1)), keras.layers.Rescaling(1.0), keras.layers.Rescaling(255.0)]
    )
    checked(keras.Sequential([keras.Input((2, 2, 1)), inner, model]), X, None, None, (0, 1), None)


def test_a_class_to_leave_and_to_reach():
    with pytest.raises(ValueError, match="Image 1 is to leave class 2 and to reach it"):
        ki.minimal_distortion(logits, X, target=2, label=[0, 2, 1])


@pytest.mark.parametrize("bounds", [1.0, (0, 1, 2), ("a", "b"), None, (0.0,)])
def test_bounds_are_two_numbers(bounds):
    with pytest.raises(ValueError, match="bounds must be two numbers"):
        ki.minimal_distortion(logits, X, bounds=bounds)


@pytest.mark.parametrize(
    "bounds", [(1, 0), (0.5, 0.5), (np.inf, np.inf), (np.nan, 1), (0.5, 0.5 + 1e-9), (np.inf, -np.inf)]
)
def test_bounds_are_numbers_and_rising(bounds):
    with pytest.raises(ValueError, match=r"bounds must be \(lowest, highest\), numbers and rising"):
        ki.minimal_distortion(logits, X, bounds=bounds)


def test_the_penalty_needs_values_of_similar_size():
    upper = np.array([1, 1, np.inf, 2000]).reshape(2, 2, 1)
    with pytest.raises(
        ValueError, match=r"similar size, but their ranges go from 1 to 2e\+03.*method 'direct'"
    ):
        ki.minimal_distortion(logits, X, bounds=(0, upper), method="penalty")


@pytest.mark.parametrize("method", ["direct", pytest.param("penalty", marks=pytest.mark.slow)])
def test_bounds_as_arrays_and_then_as_numbers(dense, method: str):
    """One compiled program serves both."""
    upper = np.array([1, 1, 2, 2]).reshape(2, 2, 1)
    found = [
        ki.minimal_distortion(dense, X, bounds=b, method=method) for b in ((0, upper), (0, 2.0), (0, upper))
    ]
    assert all(result.success.all() for result in found)
    np.testing.assert_allclose(found[2].l2, found[0].l2, rtol=1e-6)
    assert (found[1].l2 <= 1.01 * found[0].l2).all()


def test_who_is_told_of_batches_can_be_called(dense):
    with pytest.raises(TypeError, match="on_batch must be a function of two numbers, or None, not 3"):
        ki.minimal_distortion(dense, X, on_batch=3)


def test_bounds_of_single_values_fit_the_images():
    with pytest.raises(
        ValueError, match=r"broadcast to an image of shape \(2, 2, 1\), not arrays of shapes \(3,\) and \(\)"
    ):
        ki.minimal_distortion(logits, X, bounds=(np.zeros(3), 1.0))
    upper = np.ones((2, 2, 1))
    upper[1, 0] = 0
    with pytest.raises(ValueError, match=r"rising, not 0 to 0 at 1, 0, 0\. They may be infinite"):
        ki.minimal_distortion(logits, X, bounds=(0, upper))
    upper[1, 0] = 0.25
    with pytest.raises(ValueError, match=r"outside the bounds \(each its own, from 0 to 1\)"):
        ki.minimal_distortion(logits, X, bounds=(0, upper))
    with pytest.raises(ValueError, match=r"x ranges from 0.5 to 0.5, outside the bounds \(-inf, 0.25\)"):
        ki.minimal_distortion(logits, X, bounds=(-np.inf, 0.25))
    with pytest.raises(ValueError, match="Between infinite bounds there are no 256 grey levels"):
        ki.minimal_distortion(logits, X, bounds=(0, np.inf), levels=256)


@pytest.mark.parametrize("size", [0, -1, 2.0, "4"])
def test_a_batch_size_is_a_positive_whole_number(size):
    with pytest.raises(ValueError, match="batch_size must be a positive whole number or None, not"):
        ki.minimal_distortion(logits, X, batch_size=size)


def test_an_unknown_method_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"Unknown method 'fgsm'\. Known: direct, penalty"):
        ki.minimal_distortion(logits, X, method="fgsm")


def test_what_is_no_model():
    with pytest.raises(TypeError, match="model must be a Keras model or a function, not str"):
        ki.minimal_distortion("resnet", X)


def test_another_backend(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(RuntimeError, match="Keras runs on torch; the attack needs TensorFlow"):
        ki.minimal_distortion(logits, X)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda x: tf.nn.softmax(logits(x)) + 0.0, "gives probabilities .*needs logits"),
        (lambda x: [logits(x)], "one tensor of logits .*gave a list"),
        (lambda x: {"logits": logits(x)}, "one tensor of logits .*gave a dict"),
        (lambda x: None, "one tensor of logits .*gave a NoneType"),
        (lambda x: x, r"logits \[B, K\] .*for 3 images it gave shape \(3, 2, 2, 1\)"),
        (lambda x: logits(x)[0], r"for 3 images it gave shape \(3,\)"),
        (
            lambda x: logits(x)[:, :0],
            r"K ≥ 2 classes, or one .* for two; for 3 images it gave shape \(3, 0\)",
        ),
        (lambda x: tf.tile(logits(x), (2, 1)), r"for 3 images it gave shape \(6, 3\)"),
        (lambda x: logits(x) / 0, "outputs are NaN or infinite for 3 of 3 images"),
        (lambda x: tf.cast(100 * logits(x), tf.int32), "floating-point logits, but it gave .*int32"),
        (lambda x: tf.constant(logits(x).numpy()), "cannot differentiate the model's logits"),
        (lambda x: tf.stop_gradient(logits(x)), "cannot differentiate the model's logits"),
        (lambda x: tf.round(logits(x)) + tf.constant([[1.0, 2.0, 4.0]]), "cannot differentiate"),
    ],
)
def test_functions_that_cannot_be_attacked(model, message: str):
    with pytest.raises(ValueError, match=message):
        ki.minimal_distortion(model, X)


def test_a_function_that_draws_random_numbers():
    noise = tf.random.Generator.from_seed(0)
    for model in (
        lambda x: tf.nn.softmax(logits(x) + noise.normal((3, 3))),
        lambda x: logits(x) + 0.1 * noise.normal((1, 3)),
    ):
        with pytest.raises(
            ValueError,
            match=r"Two calls .* gave different outputs, by up to 0\.\d+: .*random.*training=False",
        ):
            ki.minimal_distortion(model, X)


FACTORS = {
    "class": tf.constant([1e7, 1, 1]),
    "negative": tf.constant([-1e9, 1, 1]),
    "image": tf.constant([[1], [1e7], [1]]),
}


@pytest.mark.parametrize("large", FACTORS)
def test_large_outputs_do_not_hide_random_ones(large: str):
    noise = tf.random.Generator.from_seed(0)
    with pytest.raises(ValueError, match=r"Two calls .* gave different outputs, by up to 0\.\d+: "):
        ki.minimal_distortion(lambda x: logits(x) * FACTORS[large] + 0.1 * noise.normal((3, 3)), X)


def rounded(random: tf.random.Generator, values: tf.Tensor, bits: int = 1) -> tf.Tensor:
    """Each value up to so many of its last bits larger, at random, as sums are whose order is not fixed."""
    steps = random.uniform(values.shape, 0, bits + 1, tf.int32)
    eps = np.finfo(np.float32).eps if values.dtype == tf.float32 else 2.0**-7
    return values * (1 + eps * tf.cast(steps, values.dtype))


@pytest.mark.parametrize(
    "outputs",
    [
        lambda z, random: rounded(random, z, 8),
        lambda z, random: rounded(random, z + 1e6),
        lambda z, random: rounded(random, z * FACTORS["class"]),
        lambda z, random: rounded(random, z * FACTORS["image"]),
        lambda z, random: rounded(random, 1 + 1e-6 * z),
        lambda z, random: rounded(random, tf.cast(z, tf.bfloat16)),
        lambda z, random: tf.nn.softmax(rounded(random, 80 * z)),
        lambda z, random: tf.concat([1 - (p := rounded(random, tf.sigmoid(12 - z[:, :1]), 4)), p], axis=1),
    ],
    ids=["logits", "offset", "class", "image", "equal", "bfloat16", "saturated", "one less"],
)
@pytest.mark.parametrize("count", [1, 3])
def test_rounding_that_changes_is_not_random(outputs, count: int):
    random = tf.random.Generator.from_seed(0)
    before, *others = (outputs(logits(X[:count]), random) for _ in range(20))
    assert any(np.any(before != again) for again in others)
    for again in others:
        _check_repeats(before, again, precision(again.dtype))


def test_outputs_that_are_not_finite_for_a_later_image():
    with pytest.raises(ValueError, match="outputs are NaN or infinite for 1 of 3 images"):
        ki.minimal_distortion(lambda x: logits(tf.math.log(x)), changed(0.0))


@pytest.mark.parametrize("activation", ["argument", "layer", "alone"])
def test_a_keras_model_that_ends_in_sigmoid(activation: str, dense):
    if activation == "argument":
        last = [keras.layers.Flatten(), keras.layers.Dense(3, activation="sigmoid")]
    elif activation == "layer":
        last = [dense, keras.layers.Activation("sigmoid")]
    else:
        last = [dense, keras.Sequential([keras.layers.Dense(3, activation="sigmoid")])]
    model = keras.Sequential([keras.Input((2, 2, 1)), *last], name="many_labels")
    with pytest.raises(ValueError, match=r"ends in a sigmoid .*drop the sigmoid"):
        ki.minimal_distortion(model, X)


def test_a_keras_model_with_two_outputs():
    image = keras.Input((4,))
    outputs = [keras.layers.Dense(3)(image), keras.layers.Dense(2)(image)]
    model = keras.Model(image, outputs, name="two_heads")
    with pytest.raises(
        ValueError, match=r"two_heads has 2 outputs.*keras\.Model\(model\.input, model\.output\[0\]\)"
    ):
        logits_function(model)


def test_a_softmax_before_the_last_layer_is_found_by_its_values(dense):
    hidden = keras.Sequential(
        [keras.Input((2, 2, 1)), dense, keras.layers.Softmax(), keras.layers.Rescaling(1.0)]
    )
    with pytest.raises(ValueError, match="gives probabilities"):
        ki.minimal_distortion(hidden, X)


def test_a_model_that_cannot_be_kept():
    class Equal:
        __hash__ = None

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return logits(x)

    with pytest.raises(TypeError, match=r"Equal, which is not hashable.*model\.__call__"):
        ki.minimal_distortion(Equal(), X)


class Memory(NamedTuple):
    """What `psutil.virtual_memory` tells."""

    available: int


def test_a_batch_that_does_not_fit_the_free_memory_is_made_smaller_and_said(dense, monkeypatch):
    x = np.random.default_rng(0).random((8, 2, 2, 1)).astype(np.float32)
    whole = ki.minimal_distortion(dense, x, batch_size=8)
    an_image = 84 * 4 * 4
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(3 * an_image))
    sizes = []
    with pytest.warns(UserWarning, match=r"batch_size 8 takes about .* MiB.* batches of 2 instead"):
        parts = ki.minimal_distortion(dense, x, batch_size=8, on_batch=lambda done, all_: sizes.append(done))
    assert sizes == [2, 4, 6, 8]
    np.testing.assert_allclose(parts.distortion, whole.distortion, rtol=1e-4, atol=1e-6)


def test_a_batch_that_a_device_has_no_memory_for_is_attacked_in_halves(dense, monkeypatch):
    from keras_intriguing.attack import batch

    x = np.random.default_rng(0).random((8, 2, 2, 1)).astype(np.float32)
    whole, attack = ki.minimal_distortion(dense, x), batch._attack

    def exhausted(model, program, weights, request, size, settings):
        if size > 2:
            raise MemoryError(f"Out of memory for {size} images")
        return attack(model, program, weights, request, size, settings)

    monkeypatch.setattr(batch, "_attack", exhausted)
    warning = "Not enough memory for {} images at once: batches of {} instead"
    first, second = (pytest.warns(UserWarning, match=warning.format(*sizes)) for sizes in ((8, 4), (4, 2)))
    with first, second:
        halves = ki.minimal_distortion(dense, x)
    np.testing.assert_allclose(halves.distortion, whole.distortion, rtol=1e-4, atol=1e-6)

    def never(*arguments):
        raise MemoryError("Out of memory for a single image")

    monkeypatch.setattr(batch, "_attack", never)
    with pytest.warns(UserWarning, match="batches of"), pytest.raises(MemoryError, match="single image"):
        ki.minimal_distortion(dense, x)


def test_a_full_disk_is_not_taken_for_too_little_memory(dense, monkeypatch):
    from keras_intriguing.attack import batch

    def full(*arguments):
        raise tf.errors.ResourceExhaustedError(None, None, "/cache/xla.pb; No space left on device")

    monkeypatch.setattr(batch, "_attack", full)
    x = np.full((2, 2, 2, 1), 0.5, np.float32)
    with pytest.raises(OSError, match=r"No space left on device, where compiled programs are kept.*/cache"):
        ki.minimal_distortion(dense, x)


def test_a_model_of_the_package_takes_pixels_between_0_and_1():
    model = ki.models.FC10()
    with pytest.raises(ValueError, match=r"takes pixels in \[0, 1\], but bounds are \(0, 255\)"):
        ki.minimal_distortion(model, np.full((2, 28, 28, 1), 128.0), bounds=(0, 255))


def test_photographs_are_not_their_pixels(dense):
    photographs = ki.photographs.Photographs((b"",), ("one",), np.zeros(1, np.int32), ("a", "b"))
    with pytest.raises(TypeError, match=r"pass photographs\.images\(size\)"):
        ki.minimal_distortion(dense, photographs)
    with pytest.raises(ValueError, match=r"photographs\.images\(size\)"):
        ki.directions.top_images(dense, dense.layers[-1].name, photographs, np.eye(3), 1)
