"""Pictures of results."""

import dataclasses

import matplotlib.figure
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_intriguing as ki
from keras_intriguing.directions import TopImages

COUNT = 6


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.3, 0.7, (COUNT, 6, 6, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def result(images) -> ki.Result:
    """Changes of growing size; the last image could not be changed."""
    change = 0.02 * np.arange(1, COUNT + 1).reshape(-1, 1, 1, 1)
    success = np.arange(COUNT) < COUNT - 1
    labels = np.arange(COUNT, dtype=np.int32)
    return ki.Result(
        adversarial=np.where(success.reshape(-1, 1, 1, 1), images + change, images).astype(np.float32),
        success=success,
        distortion=np.where(success, change.ravel(), np.nan),
        target=labels + 1,
        label_before=labels,
        label_after=np.where(success, labels + 1, labels),
        c=np.full(COUNT, np.nan),
        survives_rounding=success,
        forward_passes=labels,
        backward_passes=labels,
        reason=np.where(success, "", "lost"),
        provenance={"bounds": [0.0, 1.0], "target": None},
    )


@pytest.fixture(scope="module")
def certificate(result) -> ki.Certificate:
    proved = 0.01 * np.arange(1, COUNT + 1)
    return ki.Certificate(
        proved, 6 * proved, result.label_before, proved, proved, np.full(COUNT, ""), provenance={}
    )


def texts(figure: matplotlib.figure.Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_what_is_no_result_is_said(images, result) -> None:
    for draw in (
        lambda: ki.plots.examples(images, None),
        lambda: ki.plots.robust_accuracy(None),
        lambda: ki.plots.distortions(None),
    ):
        with pytest.raises(TypeError, match="result must be a Result, not NoneType"):
            draw()
    with pytest.raises(TypeError, match="certificate must be a Certificate, not Result"):
        ki.plots.robust_accuracy(result, result)
    with pytest.raises(TypeError, match="top must be a TopImages, not NoneType"):
        ki.plots.top_images(None, images)


def test_examples_have_their_labels_and_the_factor(images, result) -> None:
    figure = ki.plots.examples(images, result, names=list("abcdefg"))
    assert len(figure.axes[0].images) == 3 * COUNT
    assert texts(figure)[0:3:2] == ["a", "b"]
    assert texts(figure)[1] in ("× 24", "× 25")  # the largest that keeps 0.02 within ½, but for rounding
    assert texts(figure)[3 * COUNT - 1] == "not found"
    with pytest.raises(
        ValueError, match=r"x has shape \(2, 6, 6, 1\), but the result is of images \(6, 6, 6, 1\)"
    ):
        ki.plots.examples(images[:2], result)
    with pytest.raises(ValueError, match="one or three colours"):
        ki.plots.examples(images[..., None], result_of(images[..., None], result))
    with pytest.raises(ValueError, match="There are 3 names, and none of number 3"):
        ki.plots.examples(images, result, names=["a", "b", "c"])


def test_examples_of_a_data_set(images, result) -> None:
    drawn = [
        ki.plots.examples(x, result[:2]).axes[0].images
        for x in (images[:2], tf.data.Dataset.from_tensor_slices((images[:2], [0, 1])).batch(1))
    ]
    for one, other in zip(*drawn, strict=True):
        np.testing.assert_array_equal(one.get_array(), other.get_array())
    for names in ({"a", "b"}, "ab", 7):
        with pytest.raises(TypeError, match="names must hold the words for classes 0, 1"):
            ki.plots.examples(images[:2], result[:2], names=names)
        with pytest.raises(TypeError, match="names must hold the words"):
            ki.plots.top_images(TopImages(np.array([[1, 0]]), np.ones((1, 2))), images, names=names)


def test_names_are_of_any_ordered_kind(images, result) -> None:
    """Or a dictionary of those numbers that occur."""
    expected = texts(ki.plots.examples(images, result, names=list("abcdefg")))
    for names in (dict.fromkeys("abcdefg").keys(), iter("abcdefg"), dict(enumerate("abcdefg"))):
        assert texts(ki.plots.examples(images, result, names=names)) == expected


def test_examples_are_as_bright_as_the_bounds_of_the_attack(images, result) -> None:
    of_bytes = dataclasses.replace(
        result,
        adversarial=255 * result.adversarial,
        distortion=255 * result.distortion,
        provenance={"bounds": [0.0, 255.0]},
    )
    shown, plain = (
        drawn.axes[0].images[0].get_array()
        for drawn in (ki.plots.examples(255 * images, of_bytes), ki.plots.examples(images, result))
    )
    np.testing.assert_allclose(shown, plain, atol=1e-6)
    free = dataclasses.replace(result, provenance={"bounds": ["-inf", "inf"]})
    np.testing.assert_array_equal(ki.plots.examples(images, free).axes[0].images[0].get_array(), plain)


def test_of_no_image_nothing_is_drawn(images, result) -> None:
    for draw in (lambda: ki.plots.examples(images[:0], result[[]]), lambda: ki.plots.distortions(result[[]])):
        with pytest.raises(ValueError, match="The result holds no image"):
            draw()


def test_axes_are_one(images, result) -> None:
    with pytest.raises(TypeError, match="axes must be one Axes of matplotlib, not ndarray"):
        ki.plots.distortions(result, axes=np.array([None, None]))


def result_of(images: np.ndarray, result: ki.Result) -> ki.Result:
    return ki.Result(**{**result.arrays(), "adversarial": images})


def test_the_curves_are_the_shares_beyond_every_distance(result, certificate) -> None:
    axes = ki.plots.robust_accuracy(result, certificate).axes[0]
    found, proved = (line.get_xydata() for line in axes.lines)
    for curve, distances in ((found, np.where(result.success, result.l2, np.inf)), (proved, certificate.l2)):
        for at in (0.0, 0.05, 0.13, 0.3, 0.5):
            share = curve[np.searchsorted(curve[:, 0], at, side="right") - 1, 1]
            assert share == pytest.approx(np.mean(distances > at))
    wrong = ki.plots.robust_accuracy(result, y=np.zeros(COUNT, int)).axes[0].lines[0].get_ydata()
    assert wrong[-1] == 0
    with pytest.raises(ValueError, match="other images"):
        ki.plots.robust_accuracy(result, certificate[:2])
    with pytest.raises(ValueError, match="y must hold one class for each of 6 images"):
        ki.plots.robust_accuracy(result, y=[0, 1])


def test_a_certificate_of_other_images_is_refused(result, certificate) -> None:
    """By the hash of the images, and of parts by the numbers of theirs."""
    made = {"images_sha256": "a", "shape": [COUNT, 6, 6, 1]}
    found = dataclasses.replace(result, provenance=made)
    proved = dataclasses.replace(certificate, provenance=made)
    ki.plots.robust_accuracy(found[:3], proved[:3])
    others = dataclasses.replace(certificate, provenance={**made, "images_sha256": "b"})
    for one, other in ((found, others), (found[:3], proved[1:4])):
        with pytest.raises(ValueError, match="of other images than the result"):
            ki.plots.robust_accuracy(one, other)
    ki.plots.robust_accuracy(found[:3], dataclasses.replace(others[:3], provenance=others.provenance))


def test_what_tells_no_robust_accuracy_is_refused(images, result, certificate) -> None:
    towards = dataclasses.replace(result, provenance={**result.provenance, "target": 3})
    for targeted in (towards, ki.Result.concatenate([result, towards])):
        with pytest.raises(ValueError, match="towards given classes"):
            ki.plots.robust_accuracy(targeted)
    of_others = (
        ({"weights_sha256": "a"}, {"weights_sha256": "b"}, "another model"),
        ({"bounds": [0.0, 1.0]}, {"bounds": [0.2, 0.8]}, "other bounds"),
    )
    for found, proved, message in of_others:
        pair = (
            dataclasses.replace(of, provenance=made) for of, made in ((result, found), (certificate, proved))
        )
        with pytest.raises(ValueError, match=message):
            ki.plots.robust_accuracy(*pair)
    with pytest.raises(ValueError, match="More is certified than was found: of image 0"):
        ki.plots.robust_accuracy(result, dataclasses.replace(certificate, l2=3 * certificate.l2))


def test_true_labels_have_every_usual_form(result) -> None:
    labels = result.label_before.astype(np.int64)

    def curve(y) -> np.ndarray:
        return np.asarray(ki.plots.robust_accuracy(result, y=y).axes[0].lines[0].get_ydata())

    for y in (labels[:, None], labels.astype(float), np.eye(COUNT)[labels]):
        np.testing.assert_array_equal(curve(y), curve(labels))
    with pytest.raises(TypeError, match="y must hold whole numbers"):
        ki.plots.robust_accuracy(result, y=labels.astype(str))
    with pytest.raises(ValueError, match="y must hold one class for each of 6 images"):
        ki.plots.robust_accuracy(result, y=labels[:3])


def test_what_is_certified_is_seen_where_nothing_was_found(result, certificate) -> None:
    lost = dataclasses.replace(result, success=np.zeros(COUNT, bool), distortion=np.full(COUNT, np.nan))
    figure = ki.plots.robust_accuracy(lost, dataclasses.replace(certificate, l2=100 * certificate.l2))
    assert figure.axes[0].get_xlim()[1] > 100 * certificate.l2.max()


def test_examples_of_other_images_or_without_a_range_are_refused(images, result) -> None:
    with pytest.raises(ValueError, match="x are other images than the result's: between image 0"):
        ki.plots.examples(images[1:4], result[:3])
    with pytest.raises(ValueError, match="x are other images"):
        ki.plots.examples(images[:3] * 255, result[:3])
    bright = dataclasses.replace(
        result, adversarial=255 * result.adversarial, distortion=255 * result.distortion, provenance={}
    )
    with pytest.raises(ValueError, match=r"Pass bounds=\(black, white\)"):
        ki.plots.examples(255 * images, bright)
    ki.plots.examples(255 * images, bright, bounds=(0, 255))
    with pytest.raises(ValueError, match="unit must be one of rms, l2"):
        ki.plots.distortions(bright, unit="grey levels")


def test_the_histogram_counts_the_changed_images_in_every_unit(result) -> None:
    for unit, factor in (("rms", 1), ("l2", 6), ("grey levels", 255)):
        axes = ki.plots.distortions(result, unit=unit).axes[0]
        assert sum(bar.get_height() for bar in axes.patches) == COUNT - 1
        assert axes.get_title(loc="right") == f"median {0.06 * factor:.3g}"
    with pytest.raises(ValueError, match="unit must be one of rms, l2, grey levels"):
        ki.plots.distortions(result, unit="linf")
    tabular = dataclasses.replace(result, provenance={"bounds": ["-inf", "inf"]})
    with pytest.raises(ValueError, match="unit must be one of rms, l2 for these bounds, not 'grey levels'"):
        ki.plots.distortions(tabular, unit="grey levels")


def test_spectra_of_a_dense_layer_and_of_a_convolution() -> None:
    line = layers.Conv1D(3, 3)
    line.build((None, 8, 2))
    with pytest.raises(ValueError, match="takes a Dense or a Conv2D layer, not a Conv1D"):
        ki.plots.spectrum(line)
    dense, convolution = layers.Dense(3), layers.Conv2D(2, 3)
    dense.build((None, 5))
    convolution.build((None, 8, 8, 1))
    values = ki.plots.spectrum(dense).axes[0].lines[0].get_ydata()
    np.testing.assert_allclose(values, np.linalg.svd(np.asarray(dense.kernel), compute_uv=False), rtol=1e-5)
    assert len(ki.plots.spectrum(convolution).axes) == 2  # with its scale
    with pytest.raises(ValueError, match="a Dense or a Conv2D layer, not a Flatten"):
        ki.plots.spectrum(layers.Flatten())
    with pytest.raises(ValueError, match="The layer 'unbuilt' is not built"):
        ki.plots.spectrum(layers.Dense(3, name="unbuilt"))


def test_top_images_stand_in_rows(images) -> None:
    top = TopImages(np.array([[0, 1, 2], [3, 4, 5]]), np.array([[3.0, 2.0, 1.0], [0.3, 0.2, 0.1]]))
    figure = ki.plots.top_images(top, images)
    assert len(figure.axes[0].images) == 6
    assert texts(figure) == ["3", "2", "1", "0", "0.3", "0.2", "0.1", "1"]
    of_batches = ki.plots.top_images(top, tf.data.Dataset.from_tensor_slices(images).batch(4))
    for one, other in zip(of_batches.axes[0].images, figure.axes[0].images, strict=True):
        np.testing.assert_array_equal(one.get_array(), other.get_array())
    with pytest.raises(ValueError, match="x holds 4 images, but the search found image 5"):
        ki.plots.top_images(top, images[:4])


def test_axes_of_ones_own_and_notebooks(result) -> None:
    figure = matplotlib.figure.Figure()
    left, right = figure.subplots(1, 2)
    assert ki.plots.distortions(result, axes=left) is figure
    assert ki.plots.robust_accuracy(result, axes=right) is figure
    assert ki.plots.distortions(result)._repr_png_().startswith(b"\x89PNG")
