"""Pictures of a report, drawn to files with two pixels for every one of a page: PNG, or JPEG for photographs."""

from keras_intriguing.report.figures.charts import boxes, curves, differences, dots, heat_maps, planes
from keras_intriguing.report.figures.images import Triple, strips, triples
from keras_intriguing.report.figures.saving import save

__all__ = [
    "Triple",
    "boxes",
    "curves",
    "differences",
    "dots",
    "heat_maps",
    "planes",
    "save",
    "strips",
    "triples",
]
