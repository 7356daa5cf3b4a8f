"""The examination of a model: its stages, each kept in the folder when it is done."""

import dataclasses
import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from keras_intriguing import files
from keras_intriguing.attack import parts
from keras_intriguing.attack.result import Result
from keras_intriguing.certificates import Certificate, certified_distortion
from keras_intriguing.classifiers.loading import as_model
from keras_intriguing.classifiers.per_image import provenance
from keras_intriguing.classifiers.request import checked
from keras_intriguing.examination import page, stages
from keras_intriguing.examination.findings import Findings
from keras_intriguing.progress import shown

RESULT, CERTIFICATE, RECORD = "result.npz", "certificate.npz", "examination.json"


@dataclasses.dataclass(frozen=True)
class Examination:
    """What was found of a model.

    Attributes:
        findings: the numbers; `findings.result` and `findings.certificate` those of every image.
        page: the HTML page.
        record: the JSON file with the numbers.
    """

    findings: Findings
    page: Path
    record: Path

    def __str__(self) -> str:
        return f"{self.findings.summary}\nPage: {self.page}"


def examine(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    out: str | os.PathLike,
    names: Sequence[str] | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    leave_out: Collection[str] = (),
    effort: str = "standard",
    batch_size: int | None = None,
    from_probabilities: bool = False,
    on_progress: Callable[[str, int, int], None] | None = None,
    progress: bool = False,
) -> Examination:
    """How fragile a model is on these images: measures it, and writes a page and its JSON.

    Every stage is kept in the folder, the attack batch by batch: the same call goes on where an earlier one was stopped.
    What cannot be measured of this model is named on the page, with the reason.

    Args:
        model: as of `minimal_distortion`.
        x: float images [B, …] within the bounds.
        y: their true labels, int [B]; by default the model's own predictions. An image that the model gives another label
            has distortion 0.
        out: the folder that receives `report.html`, `REPORT.md`, `examination.json`, `result.npz` and `certificate.npz`.
        names: of the classes, for people.
        bounds: the smallest and the largest value of a pixel.
        leave_out: of `STAGES`, what is not to be measured.
        effort: of the certificates, as of `certified_distortion`.
        batch_size: images at once, as of `minimal_distortion`.
        from_probabilities: as of `minimal_distortion`.
        on_progress: told a stage, and how much of how much of it is done.
        progress: show a bar in a terminal or a notebook.

    Raises:
        ValueError, TypeError: bad input; the message says what was wrong and what was expected.
        OSError: the folder cannot be written.
    """
    out = Path(out)
    if unknown := sorted(set(leave_out) - set(stages.STAGES)):
        raise ValueError(f"leave_out holds {', '.join(unknown)}; the stages are {', '.join(stages.STAGES)}.")
    files.require_writable(out / RECORD)
    model = as_model(model)
    request = checked(model, x, None, y, bounds, batch_size, from_probabilities)
    label = request.label_to_leave
    if names is not None and len(names) <= label.max():
        raise ValueError(f"names holds {len(names)} names, but there is a class {label.max()}.")
    with shown(progress, "examining") as show:

        def tell(stage: str, done: int, total: int) -> None:
            show(done, total)
            if on_progress:
                on_progress(stage, done, total)

        findings = Findings(request.x, label, request.before, y is not None, list(names) if names else None)
        missing = dict.fromkeys(leave_out, "left out, as asked")
        if "attack" not in missing:
            key = provenance(model, request.x, label=label, bounds=request.bounds)
            del key["versions"]
            tell("attack", 0, len(request.x))
            settings = {"label": label, "bounds": request.bounds, "batch_size": batch_size}
            findings.result = _kept(Result, out / RESULT, key) or parts.attack(
                model,
                request.x,
                parts.Kept(out / RESULT, key),
                lambda done: tell("attack", done, len(request.x)),
                target=None,
                from_probabilities=from_probabilities,
                method="direct",
                **settings,
            )
            findings.result.save(out / RESULT)
            parts.Kept(out / RESULT, {}).remove()
        if "storage" not in missing:
            if findings.result is None:
                missing["storage"] = "there are no adversarial examples without the attack"
            elif tuple(request.bounds) != (0.0, 1.0):
                missing["storage"] = f"bounds are {tuple(request.bounds)}, and not those of pixels in [0, 1]"
            else:
                tell("storage", 0, 1)
                findings.storage = stages.storage(request.model, request.x, label, findings.result)
        if "certificates" not in missing:
            try:
                key = provenance(model, request.x, label=label, bounds=request.bounds, effort=effort)
                del key["versions"]
                tell("certificates", 0, len(request.x))
                findings.certificate = _kept(Certificate, out / CERTIFICATE, key) or certified_distortion(
                    model,
                    request.x,
                    label=label,
                    bounds=request.bounds,
                    effort=effort,
                    on_batch=lambda done, total: tell("certificates", done, total),
                )
                findings.certificate.save(out / CERTIFICATE)
            except (ValueError, TypeError) as error:
                missing["certificates"] = str(error)
        if "norms" not in missing:
            try:
                tell("norms", 0, 1)
                findings.norms = stages.norms(model, lambda name: tell("norms", 0, 1))
            except (ValueError, TypeError, AttributeError) as error:
                missing["norms"] = str(error)
        findings.missing = {name: missing[name] for name in stages.STAGES if name in missing}
        made = provenance(model, request.x, label=label, bounds=request.bounds, effort=effort)
        files.write_json(out / RECORD, findings.record(made))
        written = page.write(findings, made, request.bounds, out)
    return Examination(findings, written, out / RECORD)


def _kept(kind: type, path: Path, key: dict[str, Any]) -> Any:
    """What an earlier call has saved, if it is of the same model, images and settings."""
    try:
        result = kind.load(path)
    except (OSError, ValueError):
        return None
    return result if key.items() <= result.provenance.items() else None
