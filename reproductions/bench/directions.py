"""`python -m reproductions.bench.directions`: what finding top images costs beside the matrix product it needs.

10,000 images × 4,096 dimensions × 4,096 directions by default, random numbers all; in a process of its own, whose
memory is measured too.
"""

import argparse
import os
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

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
    from reproductions.bench.cost import in_a_fresh_process

    found = in_a_fresh_process(cost, *sizes, options.k)
    columns = ("", "seconds", "CPU seconds", "GFLOP per CPU second", "MiB beyond what was there")
    table = Table(*columns, title=" × ".join(map(str, sizes)))
    operations = 2 * sizes[0] * sizes[1] * sizes[2] / 1e9
    names = {"product": "plain matrix product", "search": f"top_images, k = {options.k}"}
    for key, name in names.items():
        cpu = found[f"{key}_cpu_seconds"]
        numbers = (found[f"{key}_seconds"], cpu, operations / cpu, found[f"{key}_mib"])
        table.add_row(
            name, *(f"{number:.{digits}f}" for number, digits in zip(numbers, (2, 2, 1, 0), strict=True))
        )
    Console().print(table)
    share = found["product_cpu_seconds"] / found["search_cpu_seconds"]
    print(
        f"top_images reaches {100 * share:.0f}% of the plain product's rate, by processor time (the least of {_REPEATS} each, "
        f"taken in turn).\nWith images that come in batches of {_BATCH}, the whole process holds {found['process_mib']:.0f} "
        f"MiB at its peak, {found['imported_mib']:.0f} of which it has held since TensorFlow was imported."
    )
    return 0


def cost(images: int, dimensions: int, directions: int, k: int) -> dict[str, float]:
    """Seconds and peak memory, in MiB, of `top_images` on a layer that hands its inputs on, and of a product.

    The product is that of all images with all directions at once, by TensorFlow and compiled. Memory is measured
    first, with images that come in batches and are not kept.
    """
    import keras
    import numpy as np
    import tensorflow as tf

    import keras_intriguing as ki
    from reproductions.bench.cost import Cost, measured, peak_mib

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
    found = {"search_mib": streamed.peak_mib, "process_mib": process, "imported_mib": imported}
    searches, products = zip(*turns, strict=True)
    found["product_mib"] = max(one.peak_mib for one in products)
    for key, costs in (("search", searches), ("product", products)):
        found[f"{key}_seconds"] = min(one.seconds for one in costs)
        found[f"{key}_cpu_seconds"] = min(one.cpu_seconds for one in costs)
    return found


if __name__ == "__main__":
    sys.exit(main())
