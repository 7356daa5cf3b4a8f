"""The main job: measures what was asked for, keeps sections beside the records, and puts the report together."""

import argparse
import contextlib
import dataclasses
import functools
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
import tensorflow as tf
from rich.progress import TaskID

import keras_intriguing as ki
from keras_intriguing import report
from keras_intriguing.progress import Bar
from reproductions import chapters, workers
from reproductions.chapters import deviations
from reproductions.presentation import descriptions
from reproductions.shared import imagenette
from reproductions.shared.chapter import Chapter
from reproductions.shared.measurement import each_once
from reproductions.shared.paper import PAPER
from reproductions.shared.run import Run

_MOST_WORKERS, _MEMORY_OF_WORKER = 4, 3 * 2**30
_TICK = 10.0  # seconds


def reproduce(options: argparse.Namespace) -> Path:
    """Measures the chapters that the command line asks for; returns the path of the report's HTML page."""
    chosen = [chapters.load(name) for name in options.what]
    run = run_of(options)
    _require_inputs(run, chosen)
    planned = each_once((one for chapter in chosen for one in chapter.plan(run)), run)
    with Bar() as bar:
        task = bar.add_task("what has been measured", total=len(planned))
        run.begin = lambda name: bar.update(task, description=name)
        with _ticking(bar, task):
            workers.measure_all(
                planned,
                run,
                functools.partial(run_of, options),
                options.workers or _workers_by_default(chosen),
                lambda done: bar.update(task, completed=done),
            )
        bar.update(task, completed=len(planned), description="report")
        for chapter in chosen:
            _keep(run, chapter)
    return _write(run)


@contextlib.contextmanager
def _ticking(bar: Bar, task: TaskID) -> Iterator[None]:
    """Lets the bar say that work goes on while a measurement takes long, where it is no terminal that shows the time."""
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(_TICK):
            bar.update(task)

    ticking = threading.Thread(target=tick, daemon=True)
    ticking.start()
    try:
        yield
    finally:
        ended.set()
        ticking.join()


def _workers_by_default(chosen: list[Chapter]) -> int:
    """One process for each core, four at most, as far as there is memory; one where the work uses all that there is by itself."""
    if tf.config.list_physical_devices("GPU") or any(chapter.photographs for chapter in chosen):
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    fitting = psutil.virtual_memory().available // _MEMORY_OF_WORKER
    return max(1, min(_MOST_WORKERS, cores, fitting))


def run_of(options: argparse.Namespace) -> Run:
    """The run that a command line asks for."""
    return Run(
        options.dataset,
        options.attacked,
        options.by_penalty,
        options.seed,
        options.training_seeds,
        options.out,
        options.data_dir,
        options.command,
        alexnet=options.alexnet,
        photographs=options.images,
        skip_unreadable=options.skip_unreadable,
    )


def _require_inputs(run: Run, chosen: list[Chapter]) -> None:
    """Loads images, finds models and reads the other chapters' sections: what is wrong is said before any work."""
    _stored(run, [name for name in chapters.NAMES if name not in {chapter.name for chapter in chosen}])
    _ = run.attacked  # there may be fewer than are asked for
    if any(chapter.photographs for chapter in chosen):
        imagenette.validation(run)
    for preset in dict.fromkeys(preset for chapter in chosen for preset in chapter.presets(run)):
        ki.presets.find(preset)  # fetched now, if it must be


def _keep(run: Run, chapter: Chapter) -> None:
    """Writes a chapter's section beside the records; the report is put together out of all that are there."""
    values = chapter.measure(run)
    section = chapter.section(run, values)
    versions = ", ".join(f"{name} {version}" for name, version in ki.presets.versions().items())
    hashes = {preset: ki.presets.load_metrics(preset)["sha256"] for preset in chapter.presets(run)}
    provenance = [
        *(section.provenance or [("measured on", descriptions.attacked(run))]),
        ("command", run.command),
        ("versions", versions),
        *((f"SHA-256 of {preset}", sha256) for preset, sha256 in hashes.items()),
    ]
    section = dataclasses.replace(section, claims=chapter.claims(run, values), provenance=provenance)
    report.sections.save(section, run.out / "sections" / f"{chapter.name}.json", run.out)


def _stored(run: Run, names: Iterable[str]) -> dict[str, report.Section]:
    """The finished sections of those chapters that have one, by name."""
    paths = {name: run.out / "sections" / f"{name}.json" for name in names}
    return {name: report.sections.load(path, run.out) for name, path in paths.items() if path.exists()}


def _write(run: Run) -> Path:
    stored = _stored(run, chapters.NAMES)
    return report.write(
        report.Report(
            title="Intriguing properties of neural networks, remeasured",
            summary=(
                f"We measured the tables and figures of {PAPER['source']}, again, with networks trained as the paper describes "
                "them. Adversarial examples are found by the paper's method and by one that comes closer to the smallest "
                "change. Averages over images have 95% intervals, and every verdict is computed by one rule: a claim holds, "
                "or does not, where that is shown at the 95% level."
            ),
            caution=deviations.TRAINING_IMAGES if run.dataset == "mnist5k" else "",
            sections=list(stored.values()),
            deviations=deviations.of(stored),
        ),
        run.out,
    )
