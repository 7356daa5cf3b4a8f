"""`python -m reproductions.bench.directions`: what finding top images costs beside the matrix product it needs.

10,000 images × 4,096 dimensions × 4,096 directions by default, random numbers all; in a process of its own, whose
memory is measured too.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from reproductions.bench.cost import Cost, in_a_fresh_process, measured, peak_mib

_REPEATS = 3
_BATCH = 500  # images that come at once where memory is measured


def main() -> int:
    """Measures and prints; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m reproductions.bench.directions",
        description="Time and memory of directions.top_images, beside those of a plain matrix product.",
    )
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--dimensions", type=int, default=4096)
    parser.add_argument("--directions", type=int, default=4096)
    parser.add_argument("-k", type=int, default=10, help="images a direction (default: 10)")
    options = parser.parse_args()
    sizes = (options.images, options.dimensions, options.directions)
    if min(*sizes, options.k) < 1 or options.k > min(options.images, options.directions):
        parser.error("sizes must be positive, and k at most the number of images and directions")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    found = in_a_fresh_process(cost, *sizes, options.k)
    columns = ("", "seconds", "CPU seconds", "GFLOP per CPU second", "MiB beyond what was there")
    table = Table(*columns, title=" × ".join(map(str, sizes)))
    operations = 2 * sizes[0] * sizes[1] * sizes[2] / 1e9
    rows = (("plain matrix product", found.product), (f"top_images, k = {options.k}", found.search))
    for name, one in rows:
        numbers = (one.seconds, one.cpu_seconds, operations / one.cpu_seconds, one.peak_mib)
        table.add_row(
            name, *(f"{number:.{digits}f}" for number, digits in zip(numbers, (2, 2, 1, 0), strict=True))
        )
    Console().print(table)
    share = found.product.cpu_seconds / found.search.cpu_seconds
    print(
        f"top_images reaches {100 * share:.0f}% of the plain product's rate, by processor time (the least of {_REPEATS} each, "
        f"taken in turn).\nWith images that come in batches of {_BATCH}, the whole process holds {found.process_mib:.0f} "
        f"MiB at its peak, {found.imported_mib:.0f} of which it has held since TensorFlow was imported."
    )
    return 0


class Costs(NamedTuple):
    """What was measured; times are the least of several.

    Attributes:
        product: of a plain matrix product.
        search: of `top_images`; its memory with images that come in batches.
        process_mib: the most memory of the process that searched, in MiB.
        imported_mib: what it had held since TensorFlow was imported.
    """

    product: Cost
    search: Cost
    process_mib: float
    imported_mib: float


def cost(images: int, dimensions: int, directions: int, k: int) -> Costs:
    """Seconds and peak memory of `top_images` on a layer that hands its inputs on, and of a product.

    The product is that of all images with all directions at once, by TensorFlow and compiled. Memory is measured
    first, with images that come in batches and are not kept.
    """
    import keras
    import numpy as np
    import tensorflow as tf

    import keras_intriguing as ki

    imported = peak_mib()
    inputs = keras.Input((dimensions,))
    model = keras.Model(inputs, keras.layers.Identity(name="same")(inputs))
    random = np.random.default_rng(0)
    rows = ki.directions.random_directions(dimensions, directions, 0)

    def search(batches: Any) -> Cost:
        return measured(lambda: ki.directions.top_images(model, "same", batches, rows, k))[1]

    search(rows[:k])  # traces
    sizes = [min(_BATCH, images - first) for first in range(0, images, _BATCH)]
    streamed = search(random.standard_normal((size, dimensions), np.float32) for size in sizes)
    process = peak_mib()

    x = random.standard_normal((images, dimensions), np.float32)
    product = tf.function(lambda a, b: tf.matmul(a, b, transpose_b=True), autograph=False)
    turns = [(search(x), measured(lambda: product(x, rows).numpy())[1]) for _ in range(_REPEATS)]
    searches, products = zip(*turns, strict=True)
    return Costs(
        _least(products, max(one.peak_mib for one in products)),
        _least(searches, streamed.peak_mib),
        process,
        imported,
    )


def _least(costs: Sequence[Cost], memory: float) -> Cost:
    return Cost(min(one.seconds for one in costs), min(one.cpu_seconds for one in costs), memory)


if __name__ == "__main__":
    sys.exit(main())
