"""Model cards, in Markdown."""

from typing import Any


def card(metrics: dict[str, Any]) -> str:
    """The card of a trained preset, out of what was measured when it was made."""
    recipe = metrics["recipe"]
    on_photographs = "classes" in metrics
    on_digits = _minibatches if "training" in recipe else _full_batch
    whence, settings, stages = (_photographs if on_photographs else on_digits)(metrics)
    paper = recipe.get("paper", (None, None))
    paper_train, paper_test = (f"{percent}%" if percent is not None else "–" for percent in paper)
    other_half = ""
    if "other_half_error" in metrics:
        error, count = 100 * metrics["other_half_error"], metrics["other_half_images"]
        other_half = f"\n| error on the other half, {count:,} images | {error:.2f}% | |"
    test, comment, use = _OF_PHOTOGRAPHS if on_photographs else _OF_DIGITS
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

{settings} Seed {metrics["seed"]}. {metrics["seconds"]} s.

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


_OF_DIGITS = (
    "test",
    "images [B, 28, 28, 1] in [0, 1] to logits [B, 10]",
    "For research and teaching on MNIST; it is no recognizer for digits of any other source.",
)
_OF_PHOTOGRAPHS = (
    "validation",
    "photographs [B, 128, 128, 3] in [0, 1] (ki.photographs.load(...).images(128)) to logits [B, 10]",
    "For research and teaching on Imagenette; it knows ten classes and calls everything one of them.",
)


def _photographs(metrics: dict[str, Any]) -> tuple[str, str, str]:
    """Where the model comes from, its settings, and its learning curve."""
    options, (stage,) = metrics["recipe"]["training"], metrics["stages"]
    whence = f"Figures 3 to 5, trained on the {metrics['train_images']:,} photographs of Imagenette by AdamW on minibatches"
    settings = (
        f"{options['epochs']} epochs of minibatches of {options['batch_size']}, learning rate "
        f"{options['learning_rate']:g} falling along a cosine, weight decay {options['weight_decay']:g}, labels smoothed by "
        f"{options['label_smoothing']:g}; random crops of at least {options['smallest_crop']:.0%} of the area, mirrored, "
        f"with random colours. Classes, in order: {', '.join(metrics['classes'])}."
    )
    rows = [
        f"| {epoch} | {objective:.4f} | {100 * error:.1f}% | {100 * validation:.1f}% |"
        for epoch, (objective, error, validation) in enumerate(stage["curve"], start=1)
        if validation is not None
    ]
    head = "| epoch | objective | error on crops, with dropout | validation error |\n|---|---|---|---|"
    return whence, settings, "\n".join(["Learning curve:", "", head, *rows])


def _full_batch(metrics: dict[str, Any]) -> tuple[str, str, str]:
    """Where the model comes from, its settings, and how its training went."""
    recipe = metrics["recipe"]
    whole = recipe["split"] == "train"
    of = "all" if whole else f"the half {recipe['split'].upper()} of"
    whence = f"Table {1 if whole else 3}, trained on {of} MNIST's 60,000 training images by full-batch L-BFGS"
    stages = "\n".join(
        f"- {s['stage']}: {s['iterations']} iterations, {s['evaluations']} evaluations, objective "
        f"{s['objective']:.6g}, {'converged' if s['converged'] else 'stopped at its largest number'}"
        for s in metrics["stages"]
    )
    return whence, _decay(recipe["decay"]), stages


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
