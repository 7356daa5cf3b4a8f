"""Training with adversarial examples, from pools and by gradient steps, small and on real digits."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_intriguing import data, models, presets
from keras_intriguing.classifiers import evaluation
from keras_intriguing.training import (
    chain,
    gradient_steps,
    initialize,
    minibatches,
    pools,
    preset,
    recipes,
    train_preset,
)
from keras_intriguing.training.minibatches import Progress
from keras_intriguing.training.recipes import MinibatchRecipe
from keras_intriguing.training.settings import GradientSteps, MinibatchTraining, Pools

LAYERS = ("image", "hidden1", "hidden2")
PLAIN = MinibatchTraining(decay=(1e-5,) * 3, epochs=6, batch_size=20, learning_rate=5e-3)
POOLS = dataclasses.replace(
    PLAIN, adversarial=Pools(("hidden1", "hidden2"), (0.5, 0.5), size=8, replaced=5, warmup=3)
)
STEPS = dataclasses.replace(PLAIN, adversarial=GradientSteps(LAYERS, (0.1, 0.1, 0.1)))
SHARED = models.FC100_100_10()  # the attack is compiled once a model


class Interrupted(Exception):
    pass


def fresh(seed: int = 0) -> models.FC100_100_10:
    initialize(SHARED, seed)
    return SHARED


@pytest.fixture(scope="module")
def trained(digits) -> models.FC100_100_10:
    model = models.FC100_100_10()
    initialize(model, 0)
    minibatches.fit(model, *digits, PLAIN)
    return model


@pytest.mark.parametrize("layer", LAYERS)
def test_the_parts_of_a_cut_model_compose_to_the_model(layer: str, digits):
    model = fresh()
    below, above, _ = chain.cut(model, layer)
    h = below(digits[0])
    assert h.shape[1:] == {"image": (28, 28, 1)}.get(layer, (100,))
    np.testing.assert_allclose(above(h), model(digits[0]), rtol=1e-6, atol=1e-6)
    model.get_layer("logits").bias.assign(np.arange(10.0))  # they share its variables
    np.testing.assert_allclose(above(h), model(digits[0]), rtol=1e-6, atol=1e-6)


def test_the_parts_do_not_change_the_model():
    model = fresh()
    before = [layer.name for layer in model.layers], len(model.variables), model.get_config()
    chain.cut(model, "hidden1")
    assert before == ([layer.name for layer in model.layers], len(model.variables), model.get_config())


def test_a_layer_that_others_go_around_cannot_be_cut():
    images = keras.Input((4,), name="image")
    hidden = keras.layers.Dense(3, "sigmoid", name="hidden")(images)
    both = keras.layers.Concatenate()([images, hidden])
    model = keras.Model(images, keras.layers.Dense(2)(both))
    with pytest.raises(ValueError, match="do not depend on 'hidden' alone"):
        chain.cut(model, "hidden")


@pytest.mark.parametrize("targets", ["nearest", "random"])
@pytest.mark.parametrize("layer", [pytest.param("image", marks=pytest.mark.slow), "hidden2"])
def test_examples_are_in_the_box_and_misclassified(layer: str, targets: str, trained, digits):
    x, y = digits
    parts = chain.cut(trained, layer)
    correct = np.flatnonzero(evaluation.labels(trained, x) == y)[:32]
    pool, distortion = pools.generate(parts, x, y, correct, targets, seed=0)
    assert set(pool.image) <= set(correct)
    assert len(pool.image) == len(pool.perturbation) > 0.9 * len(correct)
    example = np.asarray(parts.below(x[pool.image])) + pool.perturbation
    assert example.min() >= -1e-6
    assert example.max() <= 1 + 1e-6
    # rounding x + (x' − x) may put a point that lies on the boundary back: a hair further on it never is
    beyond = np.asarray(parts.below(x[pool.image])) + 1.001 * pool.perturbation
    assert (evaluation.labels(parts.above, beyond) != y[pool.image]).all()
    size = np.sqrt(np.mean(pool.perturbation.reshape(len(pool.perturbation), -1) ** 2, axis=1))
    assert distortion == pytest.approx(size.mean(), rel=1e-4)


def test_examples_of_the_last_layer_have_the_exact_size(trained, digits):
    """Above the last hidden layer the model is linear: without the box, the distance is that to a hyperplane."""
    x, y = digits
    correct = np.flatnonzero(evaluation.labels(trained, x) == y)[:32]
    parts = chain.cut(trained, "hidden2")
    pool, _ = pools.generate(parts, x, y, correct, "nearest", seed=0)
    h = np.asarray(parts.below(x[pool.image]), np.float64)
    kernel, bias = trained.get_layer("logits").get_weights()
    z, own = h @ kernel + bias, y[pool.image]
    normals = kernel[:, own].T[:, :, None] - kernel[None]  # [B, 100, 10]
    gaps = z[np.arange(len(z)), own][:, None] - z
    distances = np.where(
        np.eye(10)[own] == 1, np.inf, gaps / np.maximum(np.linalg.norm(normals, axis=1), 1e-12)
    )
    inside = ((h + pool.perturbation > 1e-4) & (h + pool.perturbation < 1 - 1e-4)).all(axis=1)
    size = np.linalg.norm(pool.perturbation, axis=1)
    assert (size >= distances.min(axis=1) * (1 - 1e-4)).all()
    assert inside.any()
    np.testing.assert_allclose(size[inside], distances.min(axis=1)[inside], rtol=1e-3)


def test_replacing_keeps_the_size_and_replaces_as_many_as_there_are_new():
    random = np.random.default_rng(0)
    pool = pools.Pool(np.arange(50, dtype=np.int32), np.arange(100, dtype=np.float32).reshape(50, 2))
    new = pools.Pool(-1 - np.arange(7, dtype=np.int32), -1 - np.arange(14, dtype=np.float32).reshape(7, 2))
    after = pools.replace(pool, new, random)
    changed = after.image < 0
    assert len(after.image) == len(after.perturbation) == 50
    assert sorted(after.image[changed]) == sorted(new.image)
    assert (after.perturbation[~changed] == pool.perturbation[~changed]).all()
    assert sorted(after.perturbation[changed, 0]) == sorted(new.perturbation[:, 0])
    assert pool.image.min() == 0  # the old pool is as it was
    assert (pools.replace(pool, new, random).image != after.image).any()
    smaller = pools.Pool(pool.image[:3], pool.perturbation[:3])
    assert sorted(pools.replace(smaller, new, random).image) == sorted(new.image[:3])


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(POOLS, id="pools"),
        pytest.param(STEPS, id="steps", marks=pytest.mark.slow),
    ],
)
def uncut(
    request: pytest.FixtureRequest, digits, tmp_path_factory: pytest.TempPathFactory
) -> tuple[MinibatchTraining, list[np.ndarray], Progress]:
    model = fresh()
    path = tmp_path_factory.mktemp("uncut") / "checkpoint.npz"
    progress = minibatches.fit(model, *digits, request.param, seed=7, checkpoint=path)
    return request.param, model.get_weights(), progress


def interrupted_after(
    epoch: int, options: MinibatchTraining, digits, path: Path, model: keras.Model | None = None
) -> None:
    def interrupt(progress: Progress, steps: int) -> None:
        if progress.epochs == epoch:
            raise Interrupted

    with pytest.raises(Interrupted):
        minibatches.fit(model or fresh(), *digits, options, seed=7, checkpoint=path, on_epoch=interrupt)


@pytest.mark.parametrize("epoch", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_an_interrupted_run_goes_on_to_the_same_weights(epoch: int, uncut, digits, tmp_path: Path):
    options, weights, end = uncut
    path = tmp_path / "checkpoint.npz"
    interrupted_after(epoch, options, digits, path)
    assert path.exists() == (epoch == 5)
    model, epochs = fresh(seed=3), []  # its weights come from the checkpoint
    if epoch == 1:
        initialize(model, 0)
    progress = minibatches.fit(
        model, *digits, options, seed=7, checkpoint=path, on_epoch=lambda p, steps: epochs.append(p.epochs)
    )
    assert epochs == list(range(6 if epoch == 5 else 1, 7))
    assert progress == end
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), weights, strict=True))


@pytest.mark.slow
def test_a_convolutional_net_learns_and_goes_on_where_it_was_interrupted(digits, tmp_path: Path):
    options = dataclasses.replace(PLAIN, decay=(1e-5,) * 4, learning_rate=2e-3, dropout=(0.0, 0.25))
    path, weights = tmp_path / "checkpoint.npz", []
    for name in ("uncut.npz", path.name):
        model = models.MNISTConvNet()
        initialize(model, 0)
        if name == path.name:
            first = models.MNISTConvNet()
            initialize(first, 0)
            interrupted_after(5, options, digits, path, first)
        minibatches.fit(model, *digits, options, seed=7, checkpoint=tmp_path / name)
        weights.append(model.get_weights())
    assert evaluation.error(model, *digits) < 0.05
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)  # convolutions may sum in another order


def test_progress_tells_epochs_steps_and_sizes(uncut):
    options, _, progress = uncut
    assert (progress.epochs, progress.iterations) == (6, 6 * 20)
    assert set(progress.distortion) == (set(options.adversarial.layers) if options is POOLS else set())
    assert all(0 < size < 1 for size in progress.distortion.values())


def test_the_checkpoint_of_another_training_is_refused(digits, tmp_path: Path):
    path = tmp_path / "checkpoint.npz"
    interrupted_after(5, PLAIN, digits, path)
    other = dataclasses.replace(PLAIN, learning_rate=1e-3)
    with pytest.raises(
        ValueError, match=r"checkpoint\.npz belongs to another model, recipe, seed or data set"
    ):
        minibatches.fit(fresh(), *digits, other, seed=7, checkpoint=path)
    with pytest.raises(ValueError, match="belongs to another model"):
        minibatches.fit(models.FC123_456_10(), *digits, PLAIN, seed=7, checkpoint=path)


@pytest.mark.parametrize("kind", [Pools, GradientSteps])
def test_examples_train_the_layers_above_only(kind: type[Pools] | type[GradientSteps], trained, digits):
    """With the weight of the images' own loss, a step on examples of hidden2 moves the lower layers no further."""
    x, y = digits
    steps = {}
    for weight in (1e-9, 1e3):
        model = fresh()
        model.set_weights(trained.get_weights())
        pool = Pools(("hidden2",), (0.5,), size=8, replaced=1, warmup=0, weight=weight)
        adversarial = pool if kind is Pools else GradientSteps(("hidden2",), (0.1,), weight)
        options = dataclasses.replace(PLAIN, adversarial=adversarial, epochs=1, batch_size=len(x))
        minibatches.fit(model, x, y, options)
        steps[weight] = [np.asarray(w) for w in model.get_weights()]
    lower = [np.allclose(a, b, atol=1e-7) for a, b in zip(*(s[:4] for s in steps.values()), strict=True)]
    upper = [np.allclose(a, b, atol=1e-7) for a, b in zip(*(s[4:] for s in steps.values()), strict=True)]
    assert all(lower)
    assert not any(upper)


def test_every_pool_is_stretched_by_its_own_factor(trained, digits):
    """As layers take turns, what the examples of both add to the objective is the sum of what those of each add."""

    def objective(stretches: tuple[float, float]) -> float:
        model = fresh()
        model.set_weights(trained.get_weights())
        pools = Pools(("image", "hidden2"), stretches, size=100, replaced=1, warmup=0)
        options = dataclasses.replace(PLAIN, adversarial=pools, epochs=1, learning_rate=1e-12)
        return minibatches.fit(model, *digits, options).objective

    none, image, hidden, both = map(objective, ((1e-6, 1e-6), (1.5, 1e-6), (1e-6, 1.5), (1.5, 1.5)))
    assert min(image, hidden) > none + 0.1
    assert both - none == pytest.approx(image - none + hidden - none, rel=1e-3)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_gradient_step_goes_where_the_loss_rises_most(layer: str, trained, digits):
    """By finite differences of the loss along every unit, or along some of the pixels."""
    x, y = digits[0][:5], digits[1][:5]
    parts = chain.cut(trained, layer)
    h = np.asarray(parts.below(x), np.float32)

    def losses(points: np.ndarray) -> np.ndarray:
        return np.asarray(
            keras.losses.sparse_categorical_crossentropy(y, parts.above(points), from_logits=True)
        )

    with tf.GradientTape() as tape:
        inputs = tf.constant(h)
        tape.watch(inputs)
        value = keras.ops.mean(
            keras.losses.sparse_categorical_crossentropy(y, parts.above(inputs), from_logits=True)
        )
    gradient = tape.gradient(value, inputs)
    free = (-np.inf, np.inf)
    step = np.asarray(gradient_steps.moved(inputs, gradient, 0.1, free)) - h
    rows, flat = step.reshape(len(h), -1), h.reshape(len(h), -1)
    spread = np.sqrt(np.mean(np.sum((flat - flat.mean(axis=0)) ** 2, axis=1)))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 0.1 * spread, rtol=1e-4)
    units = np.argsort(-np.abs(rows).sum(axis=0))[:40]
    slopes = []
    for unit in units:
        moved = np.zeros_like(flat)
        moved[:, unit] = 0.02
        moved = moved.reshape(h.shape)
        slopes.append((losses(h + moved) - losses(h - moved)) / 0.04)
    along, found = rows[:, units], np.transpose(slopes)
    cosines = (along * found).sum(axis=1) / np.linalg.norm(along, axis=1) / np.linalg.norm(found, axis=1)
    assert cosines.min() > 0.99
    clipped = np.asarray(gradient_steps.moved(inputs, gradient, 0.5, parts.bounds))
    assert (clipped.min(), clipped.max()) >= (0, 0)
    assert clipped.max() <= 1


def test_no_step_is_taken_where_the_gradient_is_zero():
    h = tf.constant([[0.2, 0.4], [0.6, 0.1]])
    gradient = tf.constant([[0.0, 0.0], [1e-10, 0.0]])
    moved = np.asarray(gradient_steps.moved(h, gradient, 0.1, (0.0, 1.0)))
    spread = np.sqrt(0.2**2 + 0.15**2)
    np.testing.assert_allclose(moved, [[0.2, 0.4], [0.6 + 0.1 * spread, 0.1]], rtol=1e-5)


def test_only_sigmoid_layers_start_larger():
    model = models.FC100_100_10()
    initialize(model, 0)
    before = model.get_weights()
    initialize(model, 0, sigmoid_scale=2.0)
    factors = [
        np.linalg.norm(a) / np.linalg.norm(b)
        for a, b in zip(model.get_weights()[::2], before[::2], strict=True)
    ]
    assert factors == pytest.approx([2, 2, 1])


def test_training_learns(trained, digits):
    assert evaluation.error(trained, *digits) < 0.1


def test_dropout_is_no_part_of_the_model(digits, tmp_path: Path):
    x, y = digits
    without, model = models.FC100_100_10(), models.FC100_100_10()
    for net in (without, model):
        initialize(net, 0)
    minibatches.fit(without, x, y, dataclasses.replace(PLAIN, epochs=2))
    minibatches.fit(model, x, y, dataclasses.replace(PLAIN, epochs=2, dropout=(0.2, 0.5)))
    assert not np.allclose(model(x), without(x))  # it was trained otherwise
    assert not any(isinstance(layer, keras.layers.Dropout) for layer in model.layers)
    assert len(model.variables) == len(without.variables)
    presets.save_to_preset(model, tmp_path, {}, "")
    assert np.array_equal(presets.from_preset(tmp_path)(x, training=True), model(x, training=False))


def test_dropout_zeroes_the_stated_share_and_keeps_the_mean():
    """A net of units that are one whatever comes: what the last layer sums is dropout alone."""
    model = fresh()
    model.set_weights([np.zeros(w.shape) for w in model.weights])
    model.get_layer("hidden2").bias.assign(np.full(100, 50.0))
    model.get_layer("logits").kernel.assign(np.ones((100, 10)))
    x = tf.ones((2000, 28, 28, 1))

    def logits(seed: int) -> np.ndarray:
        dropout = chain.Dropout(0.0, 0.25, tf.constant([1, seed]), "philox")
        return np.asarray(chain.outputs(model, x, dropout)["logits"])

    kept = logits(2)[:, 0] * 0.75
    np.testing.assert_allclose(kept, np.rint(kept), atol=1e-3)
    assert kept.mean() == pytest.approx(75, abs=0.5)
    assert kept.std() == pytest.approx(np.sqrt(100 * 0.25 * 0.75), rel=0.1)
    assert np.array_equal(logits(2), logits(2))
    assert not np.array_equal(logits(2), logits(3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"adversarial": Pools(("hidden3",), (0.5,))}, "at 'hidden3' of .*: image, hidden1, hidden2"),
        (
            {"adversarial": GradientSteps(("logits",), (0.1,))},
            "at 'logits' of .*: image, hidden1, hidden2",
        ),
        (
            {"adversarial": Pools(("image",), (0.5,), size=1000, replaced=1)},
            "A pool of 1000 is larger than the training set of 417 images",
        ),
        ({"batch_size": 1000}, "batch_size is 1000, but there are 417 images"),
        ({"decay": (1e-5,)}, "decay has 1 coefficients, but .* has 3 kernels"),
        (
            {"adversarial": Pools(("image",), (0.5,), size=200, replaced=1, warmup=0)},
            "200 examples are to be generated, but only .* images are correctly classified",
        ),
    ],
)
def test_options_that_do_not_fit_are_named(change: dict, message: str, digits):
    with pytest.raises(ValueError, match=message):
        minibatches.fit(fresh(), *digits, dataclasses.replace(PLAIN, **change))


def test_pools_need_layers_between_zero_and_one(digits):
    images = keras.Input((28, 28, 1), name="image")
    hidden = keras.layers.Dense(4, "relu", name="hidden")(keras.layers.Flatten()(images))
    model = keras.Model(images, keras.layers.Dense(10)(hidden))
    options = dataclasses.replace(PLAIN, decay=(0.0, 0.0), epochs=1)
    with pytest.raises(ValueError, match="at the input and at sigmoid layers only"):
        minibatches.fit(
            model, *digits, dataclasses.replace(options, adversarial=Pools(("hidden",), (0.5,), warmup=0))
        )
    steps = GradientSteps(("hidden",), (0.1,))
    assert minibatches.fit(model, *digits, dataclasses.replace(options, adversarial=steps)).epochs == 1


def test_bad_data_is_named(digits):
    x, y = digits
    with pytest.raises(ValueError, match="x ranges from 0 to 255"):
        minibatches.fit(fresh(), 255 * x, y, PLAIN)
    with pytest.raises(ValueError, match="417 images and y 416 labels"):
        minibatches.fit(fresh(), x, y[1:], PLAIN)


def test_a_preset_is_trained_by_its_recipe(digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    options = dataclasses.replace(
        PLAIN, adversarial=Pools(("hidden2",), (0.5,), size=8, replaced=5, warmup=3), start=2.0
    )
    recipe = MinibatchRecipe(model="FC100_100_10", training=options, paper=(None, 1.2), note="A note.")
    monkeypatch.setitem(recipes.RECIPES, "short", recipe)
    monkeypatch.setattr(data, "load", lambda *_: digits)
    folder = train_preset("short", tmp_path, seed=3)
    metrics = presets.load_metrics(folder)
    assert metrics["test_error"] == evaluation.error(presets.from_preset(folder), *digits)
    assert (metrics["seed"], metrics["recipe"]["seed"]) == (3, 3)
    assert metrics["stages"][0]["epochs"] == options.epochs
    card = (folder / presets.CARD).read_text()
    assert "A note." in card
    assert "their changes times 0.5 at hidden2; in each pool 8" in card
    assert "start at 2 times Glorot's" in card
    assert not (folder / preset.CHECKPOINT).exists()
