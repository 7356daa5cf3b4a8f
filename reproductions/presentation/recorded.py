"""Errors that a run measured, or else those that were recorded when the checkpoints were made."""

from collections.abc import Mapping

import keras_intriguing as ki
from keras_intriguing.report import Cell
from reproductions.presentation import cells
from reproductions.shared import intervals
from reproductions.shared.intervals import Number
from reproductions.shared.run import Run


def error(run: Run, preset: str, split: str, measured: Mapping[str, Number]) -> Number:
    """A preset's error on a split: measured, or else recorded; over its training runs."""
    if split in measured:
        return measured[split]
    metrics = [ki.presets.load_metrics(p) for p in run.trained(preset)]
    return intervals.share([m[f"{split}_error"] for m in metrics], metrics[0][f"{split}_images"])


def error_cell(run: Run, preset: str, split: str, measured: Mapping[str, Number], paper: str) -> Cell:
    """The same as a cell."""
    return cells.percent(error(run, preset, split, measured), paper, recorded=split not in measured)
