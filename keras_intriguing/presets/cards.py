"""Model cards, in Markdown."""

from collections.abc import Sequence
from typing import Any

from keras_intriguing.data.photographs import IMAGENETTE


def card(metrics: dict[str, Any]) -> str:
    """The card of a trained preset, out of what was measured when it was made."""
    recipe = metrics["recipe"]
    if "detection" in metrics:
        return _of_detector(metrics)
    on_photographs = "classes" in metrics
    on_digits = _minibatches if "training" in recipe else _full_batch
    whence, settings, stages = (_photographs if on_photographs else on_digits)(metrics)
    paper = recipe.get("paper", (None, None))
    paper_train, paper_test = (f"{percent}%" if percent is not None else "–" for percent in paper)
    other_half = ""
    if "other_half_error" in metrics:
        error, count = 100 * metrics["other_half_error"], metrics["other_half_images"]
        other_half = f"\n| error on the other half, {count:,} images | {error:.2f}% | |"
    test, comment, use = _use_of_photographs(metrics["classes"]) if on_photographs else _OF_DIGITS
    return f"""# {metrics["preset"]}

`{recipe["model"]}` of Szegedy et al. 2014, *Intriguing properties of neural networks*, {whence}.

| | measured | paper |
|---|---|---|
| training error, {metrics["train_images"]:,} images | {100 * metrics["train_error"]:.2f}% | {paper_train} |
| {test} error, {metrics["test_images"]:,} images | {100 * metrics["test_error"]:.2f}% | {paper_test} |{other_half}

```python
import keras_intriguing as ki

# {comment}
model = ki.from_preset("{metrics["preset"]}")
```

{recipe["note"]}

{settings} Seed {metrics["seed"]}. {_seconds(metrics)}

{stages}

Made by `{metrics["command"]}`; all settings, versions and the SHA-256 of the weights are in `metrics.json`.
{use}
"""


def converted(metrics: dict[str, Any], use: str) -> str:
    """The card of a preset whose weights were converted.

    Args:
        metrics: what is recorded of it.
        use: what its images are and its logits, and what was done to the weights.
    """
    source = metrics["source"]
    return f"""# {metrics["preset"]}

`{metrics["model"]}` with the weights of `{source["file"]}`, in the form of {metrics["form"]}; {metrics["parameters"]:,} parameters.

```python
import keras_intriguing as ki

model = ki.from_preset("path/to/this/folder")
```

{use}

Nothing was trained, and no error was measured. The order of the classes, and the terms under which the weights may be used, are those of
their source.

Made by `{metrics["command"]}`; versions, and the SHA-256 of the source and of these weights, are in `metrics.json`.
"""


def _of_detector(metrics: dict[str, Any]) -> str:
    """The card of a net of one class."""
    recipe = metrics["recipe"]
    options = recipe["filters"]
    counts = {split: metrics[f"{split}_images"] for split in ("train", "test")}
    detectors = "\n".join(
        f"| {name} | {_percent(found['value'])} | {_interval(found)} | {_percent(found.get('auc'))} |"
        for name, found in metrics["detection"].items()
    )
    return f"""# {metrics["preset"]}

`{recipe["model"]}` for Figure 6 of Szegedy et al. 2014, *Intriguing properties of neural networks*: the design of Le et al. 2012,
scaled down, with a classifier that tells the class `{recipe["positive"]}` from the rest.

| on {counts["test"]:,} validation photographs, {metrics["positives"]["val"]:,} of the class | balanced accuracy | 95% interval | AUC |
|---|---|---|---|
{detectors}

Balanced accuracy is the mean of the share of the class that is found and the share of the rest that is left; chance is 50%.
Classifiers, units and their thresholds were chosen on training photographs. Because both classes count alike, the plain
error is no measure: it is {100 * metrics["test_error"]:.2f}% here and {100 * metrics["train_error"]:.2f}% on the {counts["train"]:,}
training photographs; that of a net that never finds the class is {100 * metrics["positives"]["val"] / counts["test"]:.2f}%.

```python
import keras_intriguing as ki

# photographs [B, 64, 64, 3] in [0, 1] (ki.photographs.load(...).images(64)) to logits [B, 2], the rest and the class
model = ki.from_preset("{metrics["preset"]}")
```

{recipe["note"]}

Filters: reconstruction ICA without labels on {options["images"]:,} training photographs, patches whitened to
{" and ".join(map(str, options["dimensions"]))} dimensions, λ = {options["reconstruction"]:g}. Classifier: logistic regression on the frozen
last features. Seed {metrics["seed"]}. {_seconds(metrics)}

{_rounds(metrics)}

Made by `{metrics["command"]}`; all settings, versions and the SHA-256 of the weights are in `metrics.json`.
For research and teaching on Imagenette; it is no detector for photographs of any other source.
"""


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}%"


def _interval(found: dict[str, Any]) -> str:
    return f"{100 * found['low']:.1f}–{100 * found['high']:.1f}%" if "low" in found else "–"


_OF_DIGITS = (
    "test",
    "images [B, 28, 28, 1] in [0, 1] to logits [B, 10]",
    "For research and teaching on MNIST; it is no recognizer for digits of any other source.",
)


def _use_of_photographs(classes: Sequence[str]) -> tuple[str, str, str]:
    return (
        "validation",
        "photographs [B, 128, 128, 3] in [0, 1] (ki.photographs.load(...).images(128)) to logits "
        f"[B, {len(classes)}]",
        f"For research and teaching; it knows {len(classes)} classes and calls everything one of them.",
    )


def _source(classes: Sequence[str]) -> str:
    return "Imagenette" if tuple(classes) == tuple(IMAGENETTE) else f"a folder of {len(classes)} classes"


def _seconds(metrics: dict[str, Any]) -> str:
    return f"{metrics['seconds']} s{' since it was last resumed' if metrics.get('resumed') else ''}."


def _photographs(metrics: dict[str, Any]) -> tuple[str, str, str]:
    """Where the model comes from, its settings, and its learning curve."""
    options, (stage,) = metrics["recipe"]["training"], metrics["stages"]
    source = _source(metrics["classes"])
    whence = f"Figures 3 to 5, trained on the {metrics['train_images']:,} photographs of {source} by AdamW on minibatches"
    averaged = (
        f", in the last {options['averaged']} epochs {options['averaged_rate']:g}, over which weights are averaged"
        if options["averaged"]
        else ""
    )
    mixup = f", mixed with one another (mixup, α = {options['mixup']:g})" if options["mixup"] else ""
    settings = (
        f"{options['epochs']} epochs of minibatches of {options['batch_size']}, learning rate "
        f"{options['learning_rate']:g} falling along a cosine after {options['warmup']} of warm-up{averaged}, weight decay "
        f"{options['weight_decay']:g}, labels smoothed by {options['label_smoothing']:g}; random crops of at least "
        f"{options['smallest_crop']:.0%} of the area, mirrored, with colours changed by up to {options['colours']:.0%}{mixup}. "
        f"Classes, in order: {', '.join(metrics['classes'])}."
    )
    rows = [
        f"| {epoch} | {objective:.4f} | {100 * error:.1f}% | {100 * validation:.1f}% |"
        for epoch, (objective, error, validation) in enumerate(stage["curve"], start=1)
        if validation is not None
    ]
    seen = "error on mixed crops (larger part's class)" if mixup else "error on crops"
    of = "validation error before averaging" if averaged else "validation error"
    head = f"| epoch | objective | {seen}, with dropout | {of} |\n|---|---|---|---|"
    return whence, settings, "\n".join(["Learning curve:", "", head, *rows])


def _full_batch(metrics: dict[str, Any]) -> tuple[str, str, str]:
    """Where the model comes from, its settings, and how its training went."""
    recipe = metrics["recipe"]
    whole = recipe["split"] == "train"
    of = "all" if whole else f"the half {recipe['split'].upper()} of"
    whence = f"Table {1 if whole else 3}, trained on {of} MNIST's 60,000 training images by full-batch L-BFGS"
    return whence, _decay(recipe["decay"]), _rounds(metrics)


def _rounds(metrics: dict[str, Any]) -> str:
    """How stages of full-batch L-BFGS went."""
    return "\n".join(
        f"- {s['stage']}: {s['iterations']} iterations, {s['evaluations']} evaluations, objective "
        f"{s['objective']:.6g}, {'converged' if s['converged'] else 'stopped at its largest number'}"
        for s in metrics["stages"]
    )


def _minibatches(metrics: dict[str, Any]) -> tuple[str, str, str]:
    options = metrics["recipe"]["training"]
    place = "Figures 1 and 2" if metrics["recipe"]["model"] == "MNISTConvNet" else "§4.2"
    whence = f"{place}, trained on all MNIST's 60,000 training images by Adam on minibatches"
    settings = _decay(options["decay"])
    if any(options["dropout"]):
        settings += " Dropout: {:g} of the pixels, {:g} of the hidden units.".format(*options["dropout"])
    if options["layers"]:
        settings += (
            f" Adversarial examples at: {', '.join(options['layers'])}; in each pool {options['pool']:,}, of which "
            f"{options['replaced']:,} are replaced an epoch."
        )
    stages = "\n".join(
        f"- {s['stage']}: {s['epochs']} epochs, {s['iterations']} steps, objective {s['objective']:.6g}"
        + "".join(f"; last examples at {layer}: distortion {d:.4f}" for layer, d in s["distortion"].items())
        for s in metrics["stages"]
    )
    return whence, settings, stages


def _decay(coefficients: list[float]) -> str:
    return f"Coefficients of Σw² per layer: {', '.join(f'{c:g}' for c in coefficients)}."
