import gc
import weakref
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_intriguing import models
from keras_intriguing.classifiers import evaluation
from keras_intriguing.training import initialize


def make() -> keras.Model:
    model = models.FC10()
    initialize(model, 0)
    return model


def test_labels_are_the_classes_of_the_largest_logits(mnist5k):
    model, (x, _) = make(), mnist5k
    labels = evaluation.labels(model, x[:2300])
    kernel, bias = (w.astype(np.float64) for w in model.get_weights())
    assert labels.dtype == np.int32
    assert np.array_equal(labels, np.argmax(x[:2300].reshape(-1, 784) @ kernel + bias, axis=1))


def test_the_error_is_the_share_of_wrong_labels(digits):
    model, (x, _) = make(), digits
    y = evaluation.labels(model, x)
    y[:100] = (y[:100] + 1) % 10
    assert evaluation.error(model, x, y) == 100 / len(x)


def test_no_images_have_no_labels(digits):
    assert evaluation.labels(make(), digits[0][:0]).shape == (0,)


def test_labels_follow_new_weights(digits):
    model, (x, _) = make(), digits
    evaluation.labels(model, x)
    kernel, bias = model.get_weights()
    model.set_weights([0 * kernel, bias + np.eye(10)[7]])
    assert np.all(evaluation.labels(model, x) == 7)


def test_an_evaluated_model_can_be_forgotten(digits):
    model = make()
    evaluation.labels(model, digits[0][:5])
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


def test_models_and_images_of_every_form(digits, tmp_path: Path) -> None:
    """The path of a saved model, a data set of batches or of pairs; a dictionary is refused."""
    x, y = digits[0][:40], digits[1][:40]
    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    model.save(tmp_path / "own.keras")
    expected = evaluation.labels(model, x)
    pairs = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    assert np.array_equal(evaluation.labels(tmp_path / "own.keras", x), expected)
    assert np.array_equal(evaluation.labels(str(tmp_path / "own.keras"), pairs), expected)
    assert evaluation.error(model, pairs, y) == np.mean(expected != y)
    with pytest.raises(TypeError, match=r"an array of images, not a dict\. Pass x\['image'\]"):
        evaluation.labels(model, {"image": x})


@pytest.mark.parametrize("outputs", [1, 10])
def test_the_method_predict_stands_for_its_model(digits, outputs: int, capsys) -> None:
    """Of one output, too, whose ending is to be seen in the model only; and no bar is printed."""
    x = digits[0][:40]
    last = keras.layers.Dense(outputs, "sigmoid" if outputs == 1 else None)
    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), last])
    expected = evaluation.labels(model, x)
    for method in (model.predict, model.predict_on_batch):
        assert np.array_equal(evaluation.labels(method, x), expected)
        assert evaluation.error(method, x, expected) == 0
    assert capsys.readouterr().out == ""


def test_a_predict_of_ones_own_is_called(digits) -> None:
    class Step(keras.Sequential):
        def predict_step(self, data):
            return -self(data, training=False)

    class Method(keras.Sequential):
        def predict(self, x, **settings):
            return -np.asarray(self(x))

    x = digits[0][:20]
    for kind in (Step, Method):
        model = kind([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
        lowest = np.argmin(model(x), axis=1)
        assert np.array_equal(evaluation.labels(model.predict, x), lowest)


def test_batches_of_large_images_are_small() -> None:
    sizes = []

    def model(x):
        sizes.append(len(x))
        return x[:, 0, :2, 0]

    assert evaluation.labels(model, np.zeros((50, 400, 400, 3), np.float32)).shape == (50,)
    assert sum(sizes) == 50
    assert max(sizes) * 400 * 400 * 12 <= 2**24
