"""Pictures of one's own results.

Every function draws into the axes that it is given, or makes a figure, which a notebook shows and `savefig` writes.
"""

import io
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from keras_intriguing.attack.result import Result
from keras_intriguing.certificates.distortion import Certificate
from keras_intriguing.classifiers.images import as_array
from keras_intriguing.classifiers.labels import as_classes
from keras_intriguing.classifiers.per_image import grey_level, in_order
from keras_intriguing.classifiers.pixels import word
from keras_intriguing.directions.search import TopImages
from keras_intriguing.report.figures.charts import plane
from keras_intriguing.report.figures.images import magnification
from keras_intriguing.spectral.layers import frequency_norms, is_convolution

_FOUND, _CERTIFIED = "#1b4f8f", "#c4560a"
_GAP = 0.08  # between images, in images
_POINTS = 64  # frequencies along an axis


class Picture(Figure):
    """A figure that notebooks show by themselves."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()


def examples(
    x: Any,
    result: Result,
    *,
    names: Sequence[str] | None = None,
    bounds: tuple[float, float] | None = None,
    axes: Axes | None = None,
) -> Figure:
    """A row for each image: the original, the change around middle grey times the factor below it, and the adversarial image.

    Args:
        x: the attacked images [B, H, W], [B, H, W, 1] or [B, H, W, 3]; take a few, `x[:5]` with `result[:5]`. Or a
            `tf.data.Dataset` of them, as for the attack; `x.take(n)` are a few.
        result: of the attack on them.
        names: of the classes; by default the model's `class_names`, if it had any, else their numbers.
        bounds: what is black and what is white; by default the bounds of the attack, or 0 and 1 where these have no range or are
            not known.
        axes: where to draw; by default in a new figure.

    Raises:
        TypeError: result is no `Result`, or names are in no order.
        ValueError: the result is empty, x are no images or others than the result's, or there are too few names; or bounds are needed.
    """
    _check_result(result)
    x = np.asarray(as_array(x), np.float32)
    named = _names(result.provenance.get("classes") if names is None else names)
    bounds = bounds or _range(x, result)
    before, after = (_as_pictures(images, bounds) for images in (x, result.adversarial))
    _check_same_images(x, result)
    axes = _axes(axes, 5.4, 0.4 + 1.85 * len(x))
    titles = ("original", "change", "adversarial")
    for i, (original, adversarial) in enumerate(zip(before, after, strict=True)):
        change = adversarial - original
        factor = magnification(change)
        row = (original, 0.5 + factor * change, adversarial)
        words = [_name(named, label[i]) for label in (result.label_before, result.label_after)]
        captions = (words[0], f"× {factor:g}", words[1] if result.success[i] else "not found")
        for j, (picture, caption) in enumerate(zip(row, captions, strict=True)):
            _tile(axes, picture, j * (1 + _GAP), i * 1.28, caption)
    for j, title in enumerate(titles):
        axes.text(j * (1 + _GAP) + 0.5, -0.08, title, ha="center", va="bottom", fontsize=10, weight="bold")
    _frame(axes, 3 + 2 * _GAP, 1.28 * len(x), top=-0.25)
    return _figure(axes)


def robust_accuracy(
    result: Result, certificate: Certificate | None = None, *, y: Any = None, axes: Axes | None = None
) -> Figure:
    """The share of images that keep their label, over the distance ‖r‖₂ that a change may have.

    The true share is no more than what the attack leaves, and no less than what is certified.

    Args:
        result: of the attack, without a target; an image where it failed counts as robust.
        certificate: of the same model and images, with the same bounds.
        y: their true labels [B]: an image that the model gives another counts as lost at every distance.
        axes: where to draw; by default in a new figure.

    Raises:
        TypeError: result is no `Result`, certificate no `Certificate`, or y holds no classes.
        ValueError: the result is empty or has targets, the certificate is of something else, or y of another number.
    """
    _check_result(result)
    _check_untargeted(result)
    axes = _axes(axes, 6.4, 4.0)
    count = len(result)
    right = np.ones(count, bool) if y is None else _checked_labels(y, count) == result.label_before
    found = np.where(right, np.where(result.success, result.l2, np.inf), 0.0)
    proved = np.zeros(count)
    if certificate is not None:
        _check_is(Certificate, certificate, "certificate")
        _check_certificate(result, certificate)
        proved = np.where(right, certificate.l2, 0.0)
    farthest = max((d for d in (*found, *proved) if np.isfinite(d)), default=0.0)
    end = 1.05 * farthest if farthest > 0 else 1.0
    _stairs(axes, found, end, _FOUND, "at most (found by the attack)")
    if certificate is not None:
        _stairs(axes, proved, end, _CERTIFIED, "at least (certified)")
        grid = np.linspace(0, end, 400)
        low, high = (np.mean(distances[:, None] > grid, axis=0) for distances in (proved, found))
        axes.fill_between(grid, low, high, color="0.9", zorder=0, label="not known")
    axes.set(xlim=(0, end), ylim=(0, 1.02), xlabel="distance ‖r‖₂", ylabel="robust accuracy")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9)
    return _figure(axes)


def distortions(result: Result, *, unit: str = "rms", axes: Axes | None = None) -> Figure:
    """A histogram of the minimal distortions of the images that were changed.

    Args:
        result: of the attack.
        unit: `"rms"` for ‖r‖₂/√n, as in the paper; `"l2"` for ‖r‖₂; `"grey levels"` for the root mean square in 255ths of
            the range of values.
        axes: where to draw; by default in a new figure.

    Raises:
        TypeError: result is no `Result`.
        ValueError: the result is empty, the unit unknown, or grey levels where bounds are infinite, not the same for all pixels or not known.
    """
    _check_result(result)
    units = {
        "rms": (result.distortion, "distortion ‖r‖₂/√n"),
        "l2": (result.l2, "distance ‖r‖₂"),
    }
    level = grey_level(result.provenance)
    if level is not None:
        units["grey levels"] = result.distortion / level, "distortion ‖r‖₂/√n, grey levels of 256"
    if unit not in units:
        raise ValueError(f"unit must be one of {', '.join(units)} for these bounds, not {unit!r}.")
    values, label = units[unit]
    values = values[result.success & (result.distortion > 0)]
    axes = _axes(axes, 6.4, 3.2)
    axes.hist(values, bins="auto" if len(values) > 1 else 1, color=_FOUND, alpha=0.85)
    if len(values):
        median = float(np.quantile(values, 0.5, method="lower"))
        axes.axvline(median, color="k", linewidth=1, linestyle="--")
        axes.set_title(f"median {median:.3g}", fontsize=9, loc="right")
    axes.set(xlabel=label, ylabel=f"{word(result.adversarial.shape)}s")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", alpha=0.3)
    return _figure(axes)


def spectrum(layer: keras.layers.Layer, *, axes: Axes | None = None) -> Figure:
    """The singular values of a built layer.

    Of a dense layer all of them, falling; of a two-dimensional convolution the largest at every pair of frequencies.

    Raises:
        ValueError: another layer, or one that is not built.
    """
    if is_convolution(layer) and layer.rank == 2:
        norms = frequency_norms(layer, _POINTS)
        axes = _axes(axes, 5.0, 4.2)
        _figure(axes).colorbar(plane(axes, norms), ax=axes, label="largest singular value")
        axes.set(
            xlabel="frequency along the second axis", ylabel="frequency along the first", title=layer.name
        )
        return _figure(axes)
    if type(layer) is not keras.layers.Dense:
        raise ValueError(f"spectrum takes a Dense or a Conv2D layer, not a {type(layer).__name__}.")
    if not layer.built:
        raise ValueError(f"The layer {layer.name!r} is not built: it has no weights yet.")
    values = np.linalg.svd(np.asarray(layer.kernel, np.float64), compute_uv=False)
    axes = _axes(axes, 6.4, 3.2)
    axes.plot(np.arange(1, len(values) + 1), values, ".-", color=_FOUND, linewidth=1, markersize=4)
    axes.set(xlabel="number", ylabel="singular value", title=layer.name, ylim=(0, None))
    axes.grid(alpha=0.3)
    return _figure(axes)


def top_images(
    top: TopImages,
    x: Any,
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    names: Sequence[str] | None = None,
    axes: Axes | None = None,
) -> Figure:
    """A row for each direction: the images that maximize it, with their activations.

    Args:
        top: of a few directions: `TopImages(top.indices[:5], top.activations[:5])`.
        x: the images that were searched, [N, H, W], [N, H, W, 1] or [N, H, W, 3], or a `tf.data.Dataset` of them.
        bounds: what is black and what is white.
        names: of the directions; by default their numbers.
        axes: where to draw; by default in a new figure.

    Raises:
        TypeError: top is no `TopImages`, or names are in no order.
        ValueError: x are no images, or fewer than those that were searched.
    """
    _check_is(TopImages, top, "top")
    x, named = np.asarray(as_array(x)), _names(names)
    indices = np.asarray(top.indices)
    if len(x) <= indices.max():
        raise ValueError(f"x holds {len(x)} images, but the search found image {indices.max()}.")
    count, k = indices.shape
    axes = _axes(axes, 1.0 + 0.9 * k, 0.3 + 1.15 * count)
    for i in range(count):
        pictures = _as_pictures(np.asarray(x[indices[i]], np.float32), bounds)
        for j, picture in enumerate(pictures):
            _tile(axes, picture, j * (1 + _GAP), i * 1.28, f"{top.activations[i, j]:.3g}")
        axes.text(-0.1, i * 1.28 + 0.5, _name(named, i), ha="right", va="center", fontsize=9)
    _frame(axes, k * (1 + _GAP), 1.28 * count, top=-0.05)
    return _figure(axes)


def _axes(given: Axes | None, width: float, height: float) -> Axes:
    """Those that are given, or of a new figure."""
    if given is None:
        return Picture(figsize=(width, height), layout="constrained").add_subplot()
    if not isinstance(given, Axes):
        raise TypeError(f"axes must be one Axes of matplotlib, not {type(given).__name__}.")
    return given


def _figure(axes: Axes) -> Figure:
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure


def _as_pictures(images: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    """[B, H, W] or [B, H, W, 3] in [0, 1]."""
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim != 3 and not (images.ndim == 4 and images.shape[-1] == 3):
        raise ValueError(
            f"Images [B, H, W] of one or three colours are needed; their shape is {images.shape}. "
            "Other data have ki.plots.distortions and ki.plots.robust_accuracy."
        )
    lower, upper = bounds
    return (images - lower) / (upper - lower)


def _range(x: np.ndarray, result: Result) -> tuple[float, float]:
    """Black and white of the images x of a result."""
    if grey_level(result.provenance) is not None:
        lower, upper = result.provenance["bounds"]
        return lower, upper
    if x.size and (x.min() < 0 or x.max() > 1):
        raise ValueError(
            f"What is black and what is white is not known, and x ranges from {x.min():.4g} to {x.max():.4g}. Pass bounds=(black, white)."
        )
    return 0.0, 1.0


def _tile(axes: Axes, picture: np.ndarray, left: float, top: float, caption: str) -> None:
    extent = (left, left + 1, top + 1, top)
    axes.imshow(np.clip(picture, 0, 1), cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="nearest")
    axes.text(left + 0.5, top + 1.03, caption, ha="center", va="top", fontsize=9)


def _frame(axes: Axes, width: float, height: float, top: float) -> None:
    axes.set(xlim=(-0.02, width), ylim=(height, top), aspect="equal")
    axes.set_axis_off()


def _stairs(axes: Axes, distances: np.ndarray, end: float, color: str, label: str) -> None:
    """The share of distances that are beyond every point."""
    edges = np.sort(distances[np.isfinite(distances)])
    shares = 1 - np.arange(len(edges) + 1) / len(distances)
    axes.step([0, *edges, max(end, *edges, 0)], [*shares, shares[-1]], where="post", color=color, label=label)


def _names(given: Any) -> list[str] | dict[int, str] | None:
    """Those that are given, in order or by number."""
    return given if given is None or isinstance(given, dict) else in_order(given, "names")


def _name(names: list[str] | dict[int, str] | None, label: int) -> str:
    if names is None:
        return str(label)
    if label not in names if isinstance(names, dict) else label >= len(names):
        raise ValueError(f"There are {len(names)} names, and none of number {label}.")
    return str(names[label])


def _check_is(kind: type, value: Any, name: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, not {type(value).__name__}.")


def _check_result(result: Any) -> None:
    _check_is(Result, result, "result")
    if not len(result):
        raise ValueError("The result holds no image.")


def _check_same_images(x: np.ndarray, result: Result) -> None:
    if x.shape != result.adversarial.shape:
        raise ValueError(f"x has shape {x.shape}, but the result is of images {result.adversarial.shape}.")
    change = (result.adversarial - x).reshape(len(x), -1)
    distances = np.sqrt(np.mean(change.astype(np.float64) ** 2, axis=1))
    rounding = 1e-6 * max(1.0, np.abs(x).max(initial=0.0))
    differ = result.success & ~np.isclose(distances, result.distortion, rtol=1e-3, atol=rounding)
    if differ.any():
        i = int(np.argmax(differ))
        raise ValueError(
            f"x are other images than the result's: between image {i} and its adversarial one ‖r‖₂/√n is {distances[i]:.4g}, the result "
            f"has {result.distortion[i]:.4g}. Of images x[5:9] the result is result[5:9]; values must be those that were attacked."
        )


def _check_untargeted(result: Result) -> None:
    made = result.provenance
    if made.get("target") is not None or "target" in made.get("differing", ()):
        raise ValueError(
            "The result is of an attack towards given classes: how far another class is, it does not tell. Attack without target."
        )


def _check_certificate(result: Result, certificate: Certificate) -> None:
    found, proved = result.provenance, certificate.provenance
    for name, word_for in (("weights_sha256", "another model"), ("bounds", "other bounds")):
        if name in found and name in proved and found[name] != proved[name]:
            raise ValueError(f"The certificate is of {word_for} than the result.")
    images, parts = ([made.get(name) for made in (found, proved)] for name in ("images_sha256", "part"))
    if None in images or (images[0] != images[1] and any(parts)):  # the images of a part alone are not known
        differ = False
    else:
        differ = images[0] != images[1] or parts[0] != parts[1]
    if len(certificate) != len(result) or differ:
        raise ValueError("The certificate is of other images than the result.")
    # A proof is of exact arithmetic, an example of float32. `label=` may have been given to one of them only: images that are
    # adversarial before do not count.
    size = np.abs(result.adversarial).max(initial=0.0) * np.sqrt(result.adversarial[0].size)
    too_far = result.success & (result.l2 > 0) & (certificate.l2 > 1.01 * result.l2 + 1e-5 * size)
    if too_far.any():
        i = int(np.argmax(too_far))
        raise ValueError(
            f"More is certified than was found: of image {i} a distance of {certificate.l2[i]:.4g}, and {result.l2[i]:.4g}. They are of "
            "different models or bounds."
        )


def _checked_labels(y: Any, count: int) -> np.ndarray:
    labels = as_classes("y", y)
    if labels.shape != (count,):
        raise ValueError(f"y must hold one class for each of {count} images; its shape is {np.shape(y)}.")
    return labels
