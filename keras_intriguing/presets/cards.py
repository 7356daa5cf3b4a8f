"""Model cards, in Markdown: what every preset's README says, whoever trained it."""

from collections.abc import Sequence
from typing import Any

PAPER = "Szegedy et al. 2014, *Intriguing properties of neural networks*"


def trained(
    metrics: dict[str, Any],
    *,
    summary: str,
    results: str,
    images: str,
    note: str,
    settings: str,
    history: str,
    scope: str,
) -> str:
    """The card of a preset that was trained by a recipe.

    Args:
        metrics: what is recorded of it.
        summary: what it is.
        results: what was measured, as a table.
        images: the images that the model takes and the logits that it gives.
        note: what is to say of the choice of settings.
        settings: those of the training, in sentences.
        history: how the training went.
        scope: what the model is for, and what not.
    """
    resumed = " since it was last resumed" if metrics.get("resumed") else ""
    return f"""# {metrics["preset"]}

{summary}

{results}

```python
import keras_intriguing as ki

# {images}
model = ki.from_preset("{metrics["preset"]}")
```

{note}

{settings} Seed {metrics["seed"]}. {metrics["seconds"]} s{resumed}.

{history}

Made by `{metrics["command"]}`; all settings, versions and the SHA-256 of the weights are in `metrics.json`.
{scope}
"""


def model_of_the_paper(model: str, origin: str) -> str:
    """The summary of a model of the paper's: where it stands there, and what it was trained on."""
    return f"`{model}` of {PAPER}, {origin}."


def error_table(rows: Sequence[tuple[str, int, float, str]]) -> str:
    """A table of errors: of each its name, the number of images, the share of errors, and the paper's error."""
    lines = [
        f"| {name}, {images:,} images | {100 * error:.2f}% | {paper}{' ' if paper else ''}|"
        for name, images, error, paper in rows
    ]
    return "\n".join(["| | measured | paper |", "|---|---|---|", *lines])


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
