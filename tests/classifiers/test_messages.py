"""What is said of models and images that cannot be attacked or certified, and that what is advised works."""

import textwrap
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing.attack import programs
from keras_intriguing.classifiers.loading import as_model
from keras_intriguing.classifiers.logits import adapted

L = keras.layers
X = np.random.default_rng(0).uniform(0.2, 0.8, (8, 5)).astype(np.float32)
IMAGE = keras.Input((5,))
LOGIT = keras.Sequential([keras.Input((5,)), L.Dense(1)])


def seeded(classes: int) -> keras.layers.Layer:
    """A last layer of the same weights in every run, all of whose classes can be reached."""
    return L.Dense(classes, kernel_initializer=keras.initializers.GlorotUniform(seed=0))


def test_several_inputs_and_outputs_are_named() -> None:
    other = keras.Input((2,), name="age")
    both = keras.Model([IMAGE, other], L.Dense(3)(L.Concatenate()([IMAGE, other])), name="both")
    with pytest.raises(
        ValueError, match=r"both has 2 inputs \(.*age \(None, 2\)\); one is needed. One example at"
    ):
        ki.minimal_distortion(both, X)
    with pytest.raises(TypeError, match=r"not a dict \(image, age\). One example at a time can be attacked"):
        ki.minimal_distortion(lambda x: LOGIT(x["image"]), {"image": X, "age": X})
    with pytest.raises(TypeError, match=r"not a dict \(image, age\)\. Pass x\['image'\] alone\.$"):
        ki.minimal_distortion(LOGIT, {"image": X, "age": X})
    heads = keras.Model(IMAGE, {"species": L.Dense(3)(IMAGE), "age": L.Dense(2)(IMAGE)}, name="heads")
    with pytest.raises(
        ValueError,
        match=r"heads has 2 outputs \(species, age\).*\(model\.input, model\.output\['species'\]\)",
    ):
        ki.minimal_distortion(heads, X)
    chosen = keras.Model(heads.input, heads.output["age"])
    np.testing.assert_array_equal(chosen(X), heads(X)["age"])
    listed = keras.Model(IMAGE, [L.Dense(3, name="species")(IMAGE), L.Dense(2, name="age")(IMAGE)])
    with pytest.raises(ValueError, match=r"2 outputs \(species, age\).*\(model\.input, model\.output\[0\]\)"):
        ki.minimal_distortion(listed, X)
    with pytest.raises(ValueError, match=r"a dict with species, age.*model\(x\)\['species'\]"):
        ki.minimal_distortion(lambda x: heads(x), X)


FEW = X[:3]  # the second and the third are examples after the first


SHAPES = {"image": (5,), "age": (2, 1), "dose": (1,)}


# as the model takes its inputs, and as the user has them
FORMS = [(dict, list), (list, dict), (dict, dict), (list, list)]


def one_of(first: int) -> list:
    """A form, and the others if slow tests run too."""
    others = [form for i, form in enumerate(FORMS) if i != first]
    return [FORMS[first], *(pytest.param(*form, marks=pytest.mark.slow) for form in others)]


def of_several_inputs(of_model: type, of_x: type) -> tuple[keras.Model, Any, keras.layers.Layer]:
    """A model, x, and the model's last layer; a list's inputs need no names, but where x is a dictionary by names."""
    has_names = of_model is dict or of_x is dict
    inputs = {name: keras.Input(s, name=name if has_names else None) for name, s in SHAPES.items()}
    last = seeded(3)
    ends = last(L.Concatenate()([L.Flatten()(tensor) for tensor in inputs.values()]))
    model = keras.Model(inputs if of_model is dict else list(inputs.values()), ends)
    random = np.random.default_rng(0)
    others = {n: 0.2 * random.uniform(size=(len(X), *SHAPES[n]))[: len(FEW)] for n in ("age", "dose")}
    values = {"image": FEW, **{name: v.astype(np.float32) for name, v in others.items()}}
    return model, values if of_x is dict else list(values.values()), last


def labels_of(model: keras.Model, images: np.ndarray, x: Any) -> np.ndarray:
    """The labels of images with the other inputs of x."""
    values = [images, *(list(x.values()) if isinstance(x, dict) else x)[1:]]
    given = dict(zip(SHAPES, values, strict=True)) if isinstance(model.input, dict) else values
    return np.asarray(model(given)).argmax(axis=1)


def advice(raised: pytest.ExceptionInfo) -> str:
    """The code of a message."""
    return textwrap.dedent(str(raised.value).partition("\n")[2])


@pytest.mark.parametrize(("of_model", "of_x"), one_of(0))
def test_what_is_advised_for_several_inputs_works(of_model: type, of_x: type) -> None:
    """The code of the message as it stands, and that the next examples compile nothing."""
    model, x, _ = of_several_inputs(of_model, of_x)
    with pytest.raises(ValueError, match="3 inputs") as raised:
        ki.minimal_distortion(model, x)
    attacks, names = [], {"model": model, "x": x}
    with pytest.MonkeyPatch.context() as patch:
        attack = ki.attack.minimal_distortion
        patch.setattr(
            ki.attack, "minimal_distortion", lambda *a: (attacks.append(list(programs._KEPT)), attack(*a))[1]
        )
        exec(advice(raised), names)
    result = names["result"]
    assert x["image" if of_x is dict else 0] is FEW
    assert result.success.all()
    np.testing.assert_array_equal(result.label_before, labels_of(model, FEW, x))
    np.testing.assert_array_equal(result.label_after, labels_of(model, result.adversarial, x))
    assert (result.label_after != result.label_before).all()
    assert attacks[1] == attacks[-1] == list(programs._KEPT)


@pytest.mark.parametrize(("of_model", "of_x"), one_of(1))
def test_what_is_advised_for_a_certificate_of_several_inputs_works(of_model: type, of_x: type) -> None:
    """The code of the message: of a linear model the certificate is the distance to the boundary."""
    model, x, last = of_several_inputs(of_model, of_x)
    with pytest.raises(ValueError, match=r"3 inputs .* can be certified") as raised:
        ki.verify(model, x, 0.1)
    names: dict[str, Any] = {"model": model, "x": x}
    exec(advice(raised), names)
    firsts = {name: v[:1] for name, v in zip(SHAPES, x.values() if of_x is dict else x, strict=True)}
    z = np.asarray(model(firsts if of_model is dict else list(firsts.values())))[0]
    kernel = np.asarray(last.kernel)[:5].T
    label, distances = z.argmax(), []
    for other in {0, 1, 2} - {label}:
        distances.append((z[label] - z[other]) / np.linalg.norm(kernel[label] - kernel[other]))
    within_bounds = ki.minimal_distortion(names["one"], FEW[:1])
    assert names["certified"].l2[0] <= within_bounds.l2[0]
    assert names["certified"].l2[0] >= 0.998 * min(distances)  # the search for it ends within a thousandth


@pytest.mark.parametrize("use_bias", [True, False])
def test_what_is_advised_for_a_certificate_of_one_of_many_labels_works(use_bias: bool) -> None:
    model = keras.Sequential([keras.Input((5,)), L.Dense(3, "sigmoid", use_bias=use_bias)])
    with pytest.raises(ValueError, match="do not exclude each other") as raised:
        ki.certified_distortion(model, X)
    names: dict[str, Any] = {"model": model, "keras": keras}
    exec(advice(raised), names)
    np.testing.assert_allclose(names["single"](X)[:, 0], model(X)[:, 2], rtol=1e-6)
    certified = ki.certified_distortion(names["single"], X, effort="quick", bounds=(-np.inf, np.inf))
    kernel, *bias = (values[..., 2] for values in model.get_weights())
    distances = np.abs(X @ kernel + sum(bias)) / np.linalg.norm(kernel)
    np.testing.assert_allclose(certified.l2, distances, rtol=1e-4)


def test_certificates_are_told_what_helps_them(tmp_path: Path) -> None:
    """No from_probabilities, which they lack, and no layer of embeddings."""
    made = keras.Sequential([keras.Input((5,)), L.Dense(3, "softmax")])
    made.export(tmp_path / "exported", verbose=False)
    served = keras.Sequential([keras.Input((5,)), L.TFSMLayer(tmp_path / "exported", call_endpoint="serve")])
    words = keras.Sequential([keras.Input((5,), dtype="int32"), L.Embedding(9, 4), L.Flatten(), L.Dense(3)])
    for certify in (ki.certified_distortion, lambda model, x: ki.verify(model, x, 0.1)):
        with pytest.raises(
            ValueError, match=r"of a SavedModel, the model that it was exported from"
        ) as raised:
            certify(served, X)
        assert "from_probabilities" not in str(raised.value)
        with pytest.raises(
            TypeError, match=r"its layer 'embedding.*' looks up embeddings. Pass what comes behind"
        ):
            certify(words, X)
        behind = keras.Sequential([made, L.Rescaling(1.0)])
        with pytest.raises(ValueError, match=r"gives probabilities.* leave out what comes behind it\.$"):
            certify(behind, X)


def test_what_is_advised_for_a_dictionary_and_a_function_works() -> None:
    model, x, _ = of_several_inputs(dict, dict)
    function = lambda values: model(values)  # noqa: E731
    with pytest.raises(TypeError, match=r"not a dict \(image, age, dose\)\. One example at a time") as raised:
        ki.minimal_distortion(function, x)
    names: dict[str, Any] = {"model": function, "x": x}
    exec(advice(raised), names)
    np.testing.assert_array_equal(
        names["result"].label_after, labels_of(model, names["result"].adversarial, x)
    )
    assert names["result"].success.all()


def test_what_is_advised_for_a_subclassed_model_works() -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.first = seeded(3), L.Dense(4, "relu")

        def call(self, x: tf.Tensor) -> tf.Tensor:
            return self.last(self.first(x))

    model = Own()
    expected = np.asarray(model(X))
    with pytest.raises(ValueError, match="whose layers are Keras' own, with images x") as raised:
        ki.certified_distortion(model, X)
    names: dict[str, Any] = {"model": model, "x": X, "keras": keras}
    exec(advice(raised), names)
    np.testing.assert_allclose(names["model"](X), expected, rtol=1e-6)
    assert len(ki.certified_distortion(names["model"], X, effort="quick")) == len(X)


def test_the_layer_of_many_labels_is_the_last_one() -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.first = L.Dense(3, "sigmoid", name="last"), L.Dense(4, name="first")

        def call(self, x: tf.Tensor) -> tf.Tensor:
            return self.last(self.first(x))

    inputs = keras.Input((5,))
    with pytest.raises(ValueError, match=r"ends in a sigmoid of 3 outputs"):
        adapted(Own(), X)
    with pytest.raises(ValueError, match=r"ends in a sigmoid \(layer 'last'\) of 3 outputs"):
        adapted(keras.Model(inputs, Own().call(inputs)), X)


def test_numbers_are_said_plainly() -> None:
    one = np.float32(1)
    for bounds, said in (
        ((np.float32(0.1), one, one), r"not \(0\.1, 1\.0, 1\.0\)"),
        ((np.array(0.5, np.float32), "one"), r"not \(0\.5, 'one'\)"),
        ((one, 0.25), "not 1 to 0.25"),
    ):
        with pytest.raises(ValueError, match=said):
            ki.minimal_distortion(LOGIT, X, bounds=bounds)


class Batches(keras.utils.PyDataset):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return X, np.zeros(len(X))


def test_what_is_no_array_is_said() -> None:
    model = keras.Sequential([keras.Input((5,)), L.Dense(3)])
    with pytest.raises(TypeError, match=r"Pass x\['a'\]"):
        ki.minimal_distortion(model, {"a": X})
    with pytest.raises(TypeError, match=r"a tuple of 2 parts of shapes .* label="):
        ki.minimal_distortion(model, (X, np.zeros(len(X))))
    batches = Batches()
    with pytest.raises(TypeError, match="not a Batches, which gives batches"):
        ki.minimal_distortion(model, batches)
    for x, what in (
        (None, "of type NoneType"),
        ("photos", "of type str"),
        (X.astype(object), "an array of object"),
    ):
        with pytest.raises(TypeError, match=rf"x must be an array of floats \[B, …\]; it is {what}"):
            ki.minimal_distortion(model, x)


def test_class_numbers_are_no_logits() -> None:
    logits = keras.Sequential([keras.Input((5,)), L.Dense(3)])
    numbers = keras.Model(IMAGE, keras.ops.argmax(logits(IMAGE), axis=-1, keepdims=True))
    for model in (
        numbers,
        lambda x: tf.argmax(logits(x), axis=-1),
        lambda x: tf.cast(tf.argmax(logits(x), axis=-1), tf.float32),
    ):
        with pytest.raises(ValueError, match=r"gives class numbers.* leave its argmax out"):
            ki.minimal_distortion(model, X)


def test_the_method_predict_is_no_model() -> None:
    model = keras.Sequential([keras.Input((5,)), L.Dense(3)])
    for function in (ki.minimal_distortion, ki.certified_distortion):
        with pytest.raises(TypeError, match=r"Pass the model itself, not its method predict,"):
            function(model.predict, X)
    with pytest.raises(ValueError, match=r"by model\(x\), not by model\.predict\(x\)"):
        ki.minimal_distortion(lambda x: model.predict(x, verbose=0), X)


def test_rows_of_values_are_examples_in_messages() -> None:
    model, x = keras.Sequential([keras.Input((5,)), L.Dense(3)]), X.copy()
    with pytest.raises(ValueError, match=r"at least one example.*\(5,\)\. For a single one pass x\[None\]"):
        ki.minimal_distortion(model, X[0])
    x[2, 0] = np.nan
    with pytest.raises(ValueError, match="in 1 of 8 examples, first in example 2"):
        ki.minimal_distortion(model, x)


def test_a_file_with_a_class_of_ones_own_is_said_in_a_sentence(tmp_path: Path) -> None:

    class Own(L.Layer):
        def call(self, x: tf.Tensor) -> tf.Tensor:
            return 2 * x

    keras.Sequential([keras.Input((5,)), Own(), L.Dense(3)]).save(tmp_path / "own.keras")
    with pytest.raises(ValueError, match=r"own\.keras holds 'Own', which is not Keras' own") as raised:
        as_model(tmp_path / "own.keras")
    assert len(str(raised.value)) < 500


def test_whole_numbers_have_no_small_changes() -> None:
    words, cast = (
        keras.Sequential([keras.Input((5,), dtype=kind), L.Embedding(9, 4), L.Flatten(), L.Dense(3)])
        for kind in ("int32", "float32")
    )
    for model, x in ((words, X), (words, np.zeros((2, 5), np.int32)), (cast, X)):
        with pytest.raises(TypeError, match=r"whole numbers.* its layer 'embedding.*' looks up"):
            ki.minimal_distortion(model, x)


def test_pixels_that_are_whole_numbers_are_said() -> None:
    pixels = keras.Sequential([keras.Input((5,), dtype="uint8"), L.Rescaling(1 / 255), L.Dense(3)])
    with pytest.raises(TypeError, match=r"its input is uint8. Build it again with a float32 input"):
        ki.minimal_distortion(pixels, X)


@pytest.mark.filterwarnings("ignore:You are using a softmax")
def test_other_mistakes_are_said() -> None:
    with pytest.raises(TypeError, match=r"not the class Sequential"):
        ki.minimal_distortion(keras.Sequential, X)
    with pytest.raises(ValueError, match=r"a softmax of one output, which is always 1"):
        ki.minimal_distortion(keras.Sequential([keras.Input((5,)), L.Dense(1, "softmax")]), X)


def test_a_model_that_tells_no_classes_apart_is_said_at_once() -> None:
    tied = keras.Sequential([keras.Input((5,)), L.Dense(3, kernel_initializer="zeros")])
    random = keras.initializers.RandomNormal(stddev=1e-11, seed=0)
    softmax = keras.Sequential([keras.Input((5,)), L.Dense(3, "softmax", kernel_initializer=random)])
    for model in (tied, softmax):
        with pytest.raises(ValueError, match=r"tells no classes apart. Has it been trained"):
            ki.minimal_distortion(model, X)
