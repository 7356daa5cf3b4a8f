"""The examination of a model: its stages, those that take longest kept in the folder when they are done."""

import dataclasses
import os
import secrets
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from keras_intriguing import files
from keras_intriguing.attack import parts
from keras_intriguing.attack.direct import BUDGET
from keras_intriguing.attack.minimal import checked_settings
from keras_intriguing.attack.network import fingerprint
from keras_intriguing.attack.result import Result
from keras_intriguing.certificates import Certificate, certified_distortion
from keras_intriguing.certificates.search import steps_of
from keras_intriguing.classifiers.loading import as_model
from keras_intriguing.classifiers.per_image import PerImage, checked_names, class_names, provenance
from keras_intriguing.classifiers.pixels import shown as shown_bounds
from keras_intriguing.classifiers.request import Request, checked
from keras_intriguing.examination import labels, page, stages
from keras_intriguing.examination.findings import Findings
from keras_intriguing.progress import shown

Kind = TypeVar("Kind", bound=PerImage)
RESULT, CERTIFICATE, RECORD = "result.npz", "certificate.npz", "examination.json"


@dataclasses.dataclass(frozen=True, repr=False)
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
        missing = [f"{stage} not measured: {reason}" for stage, reason in self.findings.missing.items()]
        return "\n".join([*missing, self.findings.summary, f"Page: {self.page}"])

    def __repr__(self) -> str:
        return str(self)


def examine(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    out: str | os.PathLike,
    title: str | None = None,
    names: Sequence[str] | None = None,
    bounds: tuple[Any, Any] = (0.0, 1.0),
    leave_out: str | Collection[str] = (),
    effort: str | None = None,
    batch_size: int | None = None,
    from_probabilities: bool = False,
    on_progress: Callable[[str, float, float], None] | None = None,
    progress: bool = False,
) -> Examination:
    """How fragile a model is on these images: measures it, and writes a page and its JSON.

    Attack and certificates are kept in the folder when they are done, the attack batch by batch: the same call goes on where
    an earlier one was stopped. What cannot be measured of this model is named on the page, with the reason.

    Args:
        model: as of `minimal_distortion`.
        x: float images [B, …] within the bounds; or a `tf.data.Dataset` of them, or of pairs with their labels.
        y: their true labels, int [B] or [B, 1], or one-hot [B, K]; by default those of a data set of pairs, else the model's
            own predictions. An image that the model gives another label has distortion 0.
        out: the folder that receives `report.html`, `REPORT.md`, `examination.json`, `result.npz` and `certificate.npz`.
        title: of the page; by default it names the file of a model that is given by its path, or the model.
        names: of the classes, for people; by default the model's `class_names`, if it has any.
        bounds: as of `minimal_distortion`.
        leave_out: of `STAGES`, what is not to be measured; one of them or several.
        effort: of the certificates, as of `certified_distortion`; by default "standard", but "quick" for nets with
            convolutions, where "standard" takes seconds an image.
        batch_size: images at once, as of `minimal_distortion`.
        from_probabilities: as of `minimal_distortion`.
        on_progress: told a stage, and how much of how much of it is done.
        progress: show a bar in a terminal or a notebook.

    Raises:
        ValueError, TypeError: bad input; the message says what was wrong and what was expected.
        OSError: the folder cannot be written.
    """
    out, leave_out = Path(out), [leave_out] if isinstance(leave_out, str) else leave_out
    if unknown := sorted(set(leave_out) - set(STAGES)):
        raise ValueError(f"leave_out holds {', '.join(unknown)}; the stages are {', '.join(STAGES)}.")
    if effort is not None:
        steps_of(effort)  # raises before any work
    files.require_writable(out / RECORD)
    for name, kind in ((RESULT, Result), (CERTIFICATE, Certificate)):
        files.require_replaceable(out / name, (kind.__name__,))
    file = Path(model).name if isinstance(model, (str, Path)) else None
    model = as_model(model)
    if y is None:
        x, y = labels.of_pairs(x, model)
    request = checked(model, x, None, y, bounds, batch_size, from_probabilities, label_name="y")
    source = "names"
    if names is None:
        names, source = class_names(model), "model.class_names"
    names = None if names is None else checked_names(names, request.classes, source)
    with shown(progress, "examining") as show:

        def tell(stage: str, done: float, total: float) -> None:
            show(done, total)
            if on_progress:
                on_progress(stage, done, total)

        effort = effort or stages.default_effort(model)
        call = _Call(model, request, out, effort, batch_size, tell)
        findings = Findings(request.x, request.label_to_leave, request.before, y is not None, names)
        missing = dict.fromkeys(leave_out, "left out, as asked")
        for stage, measure in _MEASURES.items():
            try:
                if stage not in missing:
                    measure(call, findings)
            except (ValueError, TypeError, AttributeError) as error:
                if stage == "attack":
                    raise
                missing[stage] = str(error)
        findings.missing = {
            stage: missing[stage] for stage in _MEASURES if stage in missing
        } | findings.undrawn
        made = call.provenance(effort=effort)
        files.write_json(out / RECORD, findings.record(made))
        written = page.write(
            title or f"How fragile {file or _called(made['model'])} is", findings, made, request.bounds, out
        )
    return Examination(findings, written, out / RECORD)


class _Call(NamedTuple):
    """What the stages need to know of a call."""

    model: Any
    request: Request
    out: Path
    effort: str
    batch_size: int | None
    tell: Callable[[str, float, float], None]

    def provenance(self, **settings: Any) -> dict[str, Any]:
        """Of a result of these images."""
        label, bounds = self.request.label_to_leave, self.request.bounds
        return provenance(self.model, self.request.x, label=label, bounds=bounds, **settings)

    def key(self, **settings: Any) -> dict[str, Any]:
        """By which a result is known as of the same call; versions may change.

        It tells what the model computes, which is more than its weights; where that cannot be told, no other key is equal.
        """
        made = {name: value for name, value in self.provenance(**settings).items() if name != "versions"}
        return {**made, "computes": fingerprint(self.request.trace) or secrets.token_hex()}


def _attack(call: _Call, findings: Findings) -> None:
    request, path = call.request, call.out / RESULT
    settings = {"method": "direct", "budget": BUDGET, "levels": None}
    key = call.key(**settings)
    count = len(request.x)
    call.tell("attack", 0, count)
    kept = parts.Kept(path, key)
    findings.result = _kept(Result, path, key) or parts.attack(
        call.model,
        request,
        checked_settings(**settings),
        kept,
        lambda done: call.tell("attack", done, count),
        batch_size=call.batch_size,
        label=request.label_to_leave,
        bounds=request.bounds,
        **settings,
    )
    findings.result = _with_key(findings.result, key)
    findings.result.save(path)
    kept.remove()


def _storage(call: _Call, findings: Findings) -> None:
    if findings.result is None:
        raise ValueError("There are no adversarial examples without the attack.")
    if findings.word != "image":
        raise ValueError("Rows of values are not stored as pictures are.")
    if findings.grey_level is None:
        raise ValueError(
            f"Bounds are {shown_bounds(call.request.bounds)}, and not one black and one white for all pixels."
        )
    call.tell("storage", 0, 1)
    request = call.request
    findings.storage = stages.storage(
        request.model, request.x, request.label_to_leave, findings.result, tuple(request.bounds)
    )


def _certificates(call: _Call, findings: Findings) -> None:
    request, path, key = call.request, call.out / CERTIFICATE, call.key(effort=call.effort)
    call.tell("certificates", 0, len(request.x))
    found = _kept(Certificate, path, key) or certified_distortion(
        call.model,
        request.x,
        label=request.label_to_leave,
        bounds=request.bounds,
        effort=call.effort,
        on_batch=lambda done, total: call.tell("certificates", done, total),
    )
    findings.certificate = _with_key(found, key)
    findings.certificate.save(path)


def _norms(call: _Call, findings: Findings) -> None:
    call.tell("norms", 0, 1)
    findings.norms = stages.norms(
        call.model,
        on_stage=lambda name: call.tell("norms", 0, 1),
        on_step=lambda done, total: call.tell("norms", done, total),
    )


_MEASURES: dict[str, Callable[[_Call, Findings], None]] = {
    "attack": _attack,
    "storage": _storage,
    "certificates": _certificates,
    "norms": _norms,
}
STAGES = tuple(_MEASURES)


def _called(model: str) -> str:
    """A model in a title: what has no name would be taken for a mark of HTML."""
    return "this function" if model == "<lambda>" else model


def _with_key(result: Kind, key: dict[str, Any]) -> Kind:
    """The same with the key in its provenance, by which a later call finds it."""
    return dataclasses.replace(result, provenance={**result.provenance, **key})


def _kept(kind: type[Kind], path: Path, key: dict[str, Any]) -> Kind | None:
    """What an earlier call has saved, if it is of the same model, images and settings."""
    try:
        result = kind.load(path)
    except (OSError, ValueError):
        return None
    return result if key.items() <= result.provenance.items() else None
