"""What was measured on, in words."""

import keras_intriguing as ki
from reproductions.shared import imagenette
from reproductions.shared.run import Run


def attacked(run: Run) -> str:
    """The attacked images."""
    seeds = (
        f"up to {run.training_seeds} training runs a model"
        if run.training_seeds > 1
        else "one training run a model"
    )
    fewer = (
        f", the first {run.by_penalty:,} of them by the penalty method" if run.by_penalty < run.images else ""
    )
    return (
        f"{run.images:,} MNIST {_split(run)} images{fewer} (seed {run.seed}, not only those that are correctly classified; "
        f"{seeds})"
    )


def all_images(run: Run) -> str:
    """All images of the data set."""
    count = len(run.load("train" if run.dataset == "mnist5k" else "test")[0])
    part = " of mnist5k" if run.dataset == "mnist5k" else ""
    return f"all {count:,} MNIST {_split(run)} images{part}"


def _split(run: Run) -> str:
    return "training" if run.dataset == "mnist5k" else "test"


def pairs(run: Run) -> str:
    """What a cell of a transfer table averages; empty with one training run."""
    if run.training_seeds == 1:
        return ""
    return "A cell is the average over all pairs of a training run of either model."


def photographs(run: Run) -> str:
    """The photographs: validation ones only where they are known to be."""
    found = imagenette.validation(run)
    recorded = ki.presets.load_metrics(imagenette.ALEXNET)["images_sha256"]["val"]
    if run.photographs is None or found.sha256 == recorded:
        return f"the {len(found):,} validation photographs of Imagenette"
    return (
        f"the {len(found):,} photographs of {run.photographs.name} (not the validation photographs that the nets' "
        "errors were measured on; the nets may have been trained on them)"
    )
