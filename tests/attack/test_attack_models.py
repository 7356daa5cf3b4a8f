"""What the attack promises of its results, and the forms a model may have."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing.classifiers.logits import logits_function


def labels(model, x: np.ndarray) -> np.ndarray:
    return np.argmax(model(x), axis=1)


def rms(result: ki.Result, x: np.ndarray) -> np.ndarray:
    change = result.adversarial.astype(np.float64) - x
    return np.sqrt(np.mean(change.reshape(len(x), -1) ** 2, axis=1))


def check(result: ki.Result, model, x: np.ndarray, bounds: tuple[float, float] = (0, 1)) -> None:
    """What holds for every untargeted attack that succeeds."""
    assert result.success.all()
    assert np.array_equal(result.label_before, labels(model, x))
    assert np.array_equal(result.label_after, labels(model, result.adversarial))
    assert np.all(result.label_after != result.label_before)
    assert result.adversarial.min() >= np.float32(bounds[0])
    assert result.adversarial.max() <= np.float32(bounds[1])
    np.testing.assert_allclose(result.distortion, rms(result, x), rtol=1e-12)


def test_fields_have_their_types_and_shapes(nearest, net_images):
    types = {
        "adversarial": np.float32,
        "success": np.bool_,
        "distortion": np.float64,
        "target": np.int32,
        "label_before": np.int32,
        "label_after": np.int32,
        "survives_rounding": np.bool_,
        "forward_passes": np.int32,
        "backward_passes": np.int32,
    }
    assert {*types, "c", "reason"} == set(nearest.arrays())
    for name, dtype in types.items():
        assert getattr(nearest, name).dtype == dtype, name
        assert len(getattr(nearest, name)) == len(net_images), name
    assert nearest.adversarial.shape == net_images.shape
    assert nearest.reason.tolist() == [""] * len(net_images)
    assert np.all(nearest.backward_passes > 0)
    assert np.all(nearest.forward_passes > nearest.backward_passes)
    assert nearest.c.shape == (8,)
    assert np.isnan(nearest.c).all()
    assert "8 images, 8 succeeded, mean distortion" in repr(nearest)


def test_c_is_of_the_same_type_for_both_methods(nearest):
    assert nearest.c.dtype == np.float64


def test_results_are_what_they_say(nearest, net, net_images):
    check(nearest, net, net_images)
    assert set(nearest.label_before) == {0, 1, 2, 3}


@pytest.mark.parametrize("method", ["direct", "penalty"])
def test_a_target_is_reached(net, net_images, nearest, method: str):
    target = (nearest.label_before + 2) % 4
    result = ki.minimal_distortion(net, net_images, target=target, method=method)
    assert result.success.all()
    assert np.array_equal(labels(net, result.adversarial), target)
    assert np.array_equal(result.target, target)
    assert np.array_equal(result.label_after, target)
    assert np.all(result.distortion >= nearest.distortion * (1 - 1e-4))
    assert np.all(result.c > 0) if method == "penalty" else np.isnan(result.c).all()


def test_the_nearest_class_is_the_nearest_of_all_targets(net, net_images, nearest):
    each = [ki.minimal_distortion(net, net_images, target=t) for t in range(4)]
    distortions = np.array([np.where(r.label_before == t, np.inf, r.distortion) for t, r in enumerate(each)])
    np.testing.assert_allclose(nearest.distortion, distortions.min(axis=0), rtol=1e-2)


@pytest.mark.parametrize("method", ["direct", "penalty"])
def test_a_target_already_met_and_a_label_already_left_need_no_change(net, net_images, nearest, method):
    met = ki.minimal_distortion(net, net_images, target=nearest.label_before, method=method)
    left = ki.minimal_distortion(net, net_images, label=(nearest.label_before + 1) % 4, method=method)
    for result in (met, left):
        assert result.success.all()
        assert np.array_equal(result.adversarial, net_images)
        assert not result.distortion.any()
        assert (result.forward_passes <= 4).all()  # one by every way to call the model
        assert not result.backward_passes.any()
        assert np.array_equal(result.target, nearest.label_before)
        assert np.array_equal(result.label_after, nearest.label_before)
        assert repr(result) == "Result(8 images, 8 succeeded (8 already adversarial))"


def test_one_target_for_all_is_the_target_of_each(net, net_images):
    one = ki.minimal_distortion(net, net_images, target=2)
    each = ki.minimal_distortion(net, net_images, target=np.full(len(net_images), 2))
    assert np.array_equal(one.adversarial, each.adversarial)


@pytest.mark.parametrize("method", ["direct", "penalty"])
def test_a_box_too_small_leaves_the_images_as_they_are(net, net_images, method: str):
    bounds = (0.5, 0.5005)
    x = np.clip(net_images, *bounds)
    result = ki.minimal_distortion(net, x, bounds=bounds, method=method)
    assert not result.success.any()
    assert np.isnan(result.distortion).all()
    assert np.isnan(result.c).all()
    assert np.array_equal(result.adversarial, x)
    assert np.array_equal(result.label_after, result.label_before)
    assert not result.survives_rounding.any()
    end = "; the method 'direct' may find one." if method == "penalty" else "."
    assert set(result.reason) == {f"No point of the box was found where the model gives another class{end}"}
    assert repr(result) == "Result(8 images, 0 succeeded)"


def test_logits_that_do_not_change_are_the_reason_of_the_failure():
    x = np.full((2, 3), 0.5, np.float32)
    beginning = (
        "The gradient of the model's logits is zero at the image, and no way to change them was found; "
    )

    def constant(v: tf.Tensor) -> tf.Tensor:
        return 0 * v + [1.0, 3.0, 2.0]

    for settings, way in (
        ({}, "images of other classes, as starts, may show one."),
        ({"target": 0}, "images of the target class, as starts, may show one."),
        ({"method": "penalty"}, "the method 'direct' may find one."),
    ):
        result = ki.minimal_distortion(constant, x, **settings)
        assert not result.success.any()
        assert np.array_equal(result.adversarial, x)
        assert set(result.reason) == {beginning + way}


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-0.25, 1.25), (0.0, 0.7)], ids=str)
def test_results_never_leave_the_box(net, net_images, bounds):
    x = np.clip(net_images, *bounds)
    check(ki.minimal_distortion(net, x, bounds=bounds), net, x, bounds)


def test_survival_is_that_of_ones_own_rounding(net, net_images, nearest):
    rounded = (np.rint(nearest.adversarial * 255) / 255).astype(np.float32)
    assert np.array_equal(nearest.survives_rounding, labels(net, rounded) != nearest.label_before)
    assert 0 < nearest.survives_rounding.sum() < len(net_images)


def test_fewer_images_give_the_same_results(net, net_images, nearest):
    few = ki.minimal_distortion(net, net_images[:5])
    np.testing.assert_allclose(few.distortion, nearest.distortion[:5], rtol=1e-3)
    assert np.array_equal(few.target, nearest.target[:5])


def test_batches_of_one_equal_a_batch_of_many_and_are_counted(net, net_images, nearest):
    counts: list[tuple[int, int]] = []
    ones = ki.minimal_distortion(
        net, net_images[:3], batch_size=1, on_batch=lambda *count: counts.append(count)
    )
    np.testing.assert_allclose(ones.distortion, nearest.distortion[:3], rtol=1e-3)
    assert np.array_equal(ones.target, nearest.target[:3])
    assert counts == [(1, 3), (2, 3), (3, 3)]


def test_a_call_tells_how_far_it_is_within_a_batch(net, net_images):
    told = []
    ki.minimal_distortion(
        net, net_images[:3], batch_size=1, progress=lambda done, total: told.append((done, total))
    )
    done = [count for count, _ in told]
    assert {total for _, total in told} == {3}
    assert done[0] == 0
    assert done == sorted(done)
    assert done[-1] == 3
    assert any(count % 1 for count in done)


def test_tensors_and_doubles_are_taken_as_images(net, net_images, nearest):
    for x in (tf.constant(net_images), net_images.astype(np.float64), net_images.tolist()):
        assert np.array_equal(ki.minimal_distortion(net, x).adversarial, nearest.adversarial)


def test_the_images_are_not_changed_in_place(net, net_images):
    x = net_images.copy()
    result = ki.minimal_distortion(net, x)
    result.adversarial[:] = 0
    assert np.array_equal(x, net_images)


def test_a_later_call_traces_the_model_only_to_see_what_it_computes(net, net_images):
    traced = 0

    def model(x: tf.Tensor) -> tf.Tensor:
        nonlocal traced
        traced += not tf.executing_eagerly()
        return net(x)

    first = ki.minimal_distortion(model, net_images)
    after_first = traced
    ki.minimal_distortion(model, net_images[::-1])
    ki.minimal_distortion(model, net_images[:7], bounds=(0, 0.999 + net_images.max()))
    assert after_first > 0
    # one trace tells its end, its logits and their gradient, and is the graph that is compared
    assert traced == after_first + 2
    check(first, net, net_images)


def softmax_models(net: keras.Model) -> dict[str, keras.Model]:
    """The layers of `net` with a softmax after them, in every place where Keras can have one."""
    flatten, hidden, last = net.layers
    layer = keras.layers.Dense(4, activation="softmax")
    layer.build((None, 12))
    layer.set_weights(last.get_weights())
    image = keras.Input((6, 6, 1))
    shape = keras.Input((6, 6, 1))
    return {
        "Dense": keras.Sequential([shape, flatten, hidden, layer]),
        "Softmax layer": keras.Sequential([shape, flatten, hidden, last, keras.layers.Softmax()]),
        "Activation": keras.Sequential([shape, net, keras.layers.Activation("softmax")]),
        "operation": keras.Model(image, keras.ops.softmax(net(image))),
        "functional layer": keras.Model(image, keras.layers.Softmax()(net(image))),
        "nested": keras.Sequential([shape, keras.Sequential([flatten, hidden, layer])]),
    }


@pytest.fixture(scope="module")
def softmaxed(net) -> dict[str, keras.Model]:
    return softmax_models(net)


KINDS = ["Dense", "Softmax layer", "Activation", "operation", "functional layer", "nested"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_logits_behind_a_softmax_are_found(softmaxed, kind: str, net, net_images):
    model = softmaxed[kind]
    np.testing.assert_allclose(logits_function(model)(net_images), net(net_images), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(model(net_images), keras.ops.softmax(net(net_images)), rtol=1e-5)


@pytest.mark.parametrize("kind", [pytest.param("Dense", marks=pytest.mark.slow), "operation"])
def test_a_softmax_changes_no_result(softmaxed, kind: str, net, net_images, nearest):
    model = softmaxed[kind]
    result = ki.minimal_distortion(model, net_images)
    check(result, model, net_images)
    np.testing.assert_allclose(result.distortion, nearest.distortion, rtol=1e-4)
    np.testing.assert_allclose(np.sum(model(net_images), axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.sum(model.predict(net_images, verbose=0), axis=1), 1, rtol=1e-5)


def test_new_weights_are_followed_through_a_softmax(softmaxed, net_images):
    model = softmaxed["Dense"]
    before = ki.minimal_distortion(model, net_images)
    weights = model.get_weights()
    try:
        model.set_weights([0.5 * weights[0], *weights[1:]])
        after = ki.minimal_distortion(model, net_images)
        check(after, model, net_images)
        assert not np.allclose(after.distortion, before.distortion, rtol=0.05)
    finally:
        model.set_weights(weights)


def test_a_subclassed_model_is_called_as_in_inference(net, net_images, nearest):
    class Noisy(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dropout = keras.layers.Dropout(0.5)

        def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
            return net(self.dropout(x, training=training))

    result = ki.minimal_distortion(Noisy(), net_images)
    np.testing.assert_allclose(result.distortion, nearest.distortion, rtol=1e-4)


def test_a_model_that_xla_cannot_compile_is_attacked_without_it(net, net_images, nearest):
    def model(x: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.py_function(net, [x], tf.float32), (None, 4))

    result = ki.minimal_distortion(model, net_images)
    np.testing.assert_allclose(result.distortion, nearest.distortion, rtol=1e-3)


def test_a_layer_added_after_an_attack_is_seen(net, net_images):
    model = keras.models.clone_model(net)
    model.set_weights(net.get_weights())
    assert ki.minimal_distortion(model, net_images).success.all()
    model.add(keras.layers.Dense(4, use_bias=False))
    model.layers[-1].set_weights([np.eye(4)[::-1]])
    result = ki.minimal_distortion(model, net_images)
    assert result.success.all()
    check(result, model, net_images)


def test_logits_that_sum_to_one_on_the_boundary_are_attacked(net_images):
    def least_squares(images: tf.Tensor) -> tf.Tensor:
        score = 3 * (tf.reduce_mean(tf.reshape(images, (-1, 36)), axis=-1) - 0.48) * 20
        return tf.stack([score, 1 - score], axis=-1)

    assert ki.minimal_distortion(least_squares, net_images).success.all()


def test_only_the_last_use_of_a_shared_softmax_layer_is_taken_out(net_images):
    layer = keras.layers.Dense(36, activation="softmax")
    image = keras.Input((6, 6, 1))
    inner = layer(keras.layers.Flatten()(image))
    model = keras.Model(image, layer(keras.layers.Rescaling(20.0)(inner)))
    kernel, bias = layer.get_weights()
    inner = keras.ops.softmax(net_images.reshape(8, 36) @ kernel + bias)
    np.testing.assert_allclose(
        logits_function(model)(net_images), 20 * inner @ kernel + bias, rtol=1e-4, atol=1e-5
    )


def test_a_class_that_is_masked_out_stands_in_nobodys_way(net, net_images, nearest):
    mask = tf.constant([[0.0, 0.0, 0.0, 0.0, -1e9]])

    def masked(images: tf.Tensor) -> tf.Tensor:
        return tf.pad(net(images), [[0, 0], [0, 1]]) + mask

    np.testing.assert_allclose(
        ki.minimal_distortion(masked, net_images).distortion, nearest.distortion, rtol=1e-4
    )
