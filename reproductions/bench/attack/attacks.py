"""The attacks that are compared."""

import dataclasses
from importlib import metadata
from typing import Any

from reproductions.bench.attack.subjects import Subject
from reproductions.shared.code import code_of

EXACT = "exact"
BUDGETS = (100, 300, 1000, 2000)  # forward and backward passes an image; the last is AttackBench's

TENSORFLOW, TORCH = "tensorflow", "torch"
_HERE = __name__.rpartition(".")[0]


@dataclasses.dataclass(frozen=True)
class Attack:
    """One attack of the comparison.

    Attributes:
        title: in tables.
        run: the module and the function that map a model, images, labels and the settings to `Attacked`.
        settings: of it, with which it is compared; they take 2,000 passes or the tool's default.
        packages: that it needs, by their names in the registry.
        backend: of Keras, on which it runs.
        step: the setting that its passes follow, and how many of it one pass buys; None where there is none.
        warm_up: how many images its first call gets, which compiles, and whose time is given on its own; None: all.
    """

    title: str
    run: tuple[str, str]
    settings: dict[str, Any]
    packages: tuple[str, ...] = ()
    backend: str = TENSORFLOW
    step: tuple[str, float] | None = None
    warm_up: int | None = 0

    def within(self, budget: int) -> dict[str, Any]:
        """The settings with which it takes about `budget` passes an image."""
        if self.step is None:
            return self.settings
        name, share = self.step
        return {**self.settings, name: int(budget * share)}


def _own(title: str, function: str, **settings: Any) -> Attack:
    step = ("budget", 1.0) if settings["method"] == "direct" else None
    return Attack(title, (f"{_HERE}.own", function), settings, step=step, warm_up=None)


def _tensorflow(title: str, function: str, package: str, **settings: Any) -> Attack:
    step = ("steps", 0.5) if "steps" in settings else None
    return Attack(title, (f"{_HERE}.tensorflow_attacks", function), settings, (package,), step=step)


def _foolbox(title: str, attack: str, **settings: Any) -> Attack:
    return _tensorflow(f"foolbox {title}", "foolbox", "foolbox", attack=attack, **settings)


def _brendel_bethge(title: str, start: str) -> Attack:
    run = (f"{_HERE}.tensorflow_attacks", "foolbox_brendel_bethge")
    return Attack(f"foolbox {title}", run, {"start": start}, ("foolbox", "numba"), warm_up=10)


def _art(title: str, attack: str) -> Attack:
    return _tensorflow(f"ART {title}", "art", "adversarial-robustness-toolbox", attack=attack)


def _adv_lib(title: str, attack: str, step: str = "", **settings: Any) -> Attack:
    run = (f"{_HERE}.torch_attacks", "adv_lib")
    buys = (step, 0.5) if step else None
    return Attack(f"adv_lib {title}", run, {"attack": attack, **settings}, ("adv-lib",), TORCH, buys)


UNTARGETED = {
    "direct": _own("direct", "untargeted", method="direct", budget=2000),
    "penalty": _own("penalty", "untargeted", method="penalty"),
    "alma": _adv_lib("ALMA, 1000 steps", "alma", "num_steps", num_steps=1000),
    "ddn": _adv_lib("DDN, 1000 steps", "ddn", "steps", steps=1000, levels=None),
    "ddn100": _adv_lib("DDN, 100 steps", "ddn", steps=100, levels=None),
    "fab": _adv_lib("FAB", "fab", norm=2),
    "fab-targeted": _adv_lib("FAB, each class", "fab", norm=2, targeted_restarts=True),
    "sdf": _adv_lib("SuperDeepFool", "sdf"),
    "fmn": _adv_lib("FMN, 1000 steps", "fmn", "steps", norm=2, steps=1000),
    "pdgd": _adv_lib("PDGD, 1000 steps", "pdgd", "num_steps", num_steps=1000),
    "apgd": Attack(
        "adv_lib APGD, search",
        (f"{_HERE}.torch_attacks", "apgd_search"),
        {"binary_search_steps": 12, "n_iter": 80},
        ("adv-lib",),
        TORCH,
    ),
    "foolbox-ddn": _foolbox("DDN, 1000 steps", "DDNAttack", steps=1000),
    "foolbox-deepfool": _foolbox("DeepFool", "L2DeepFoolAttack"),
    "foolbox-fmn": _tensorflow(
        "foolbox FMN, mended, 1000 steps", "foolbox_fmn_mended", "foolbox", steps=1000
    ),
    "bb": _brendel_bethge("Brendel–Bethge from images", start="images"),
    "bb-ddn": _brendel_bethge("Brendel–Bethge from DDN", start="DDN"),
    "foolbox-cw": _foolbox("C&W", "L2CarliniWagnerAttack"),
    "art-deepfool": _art("DeepFool", "DeepFool"),
    "art-cw": _art("C&W", "CarliniL2Method"),
}
TARGETED = {
    "direct": _own("direct", "targeted", method="direct", budget=2000),
    "penalty": _own("penalty", "targeted", method="penalty"),
    "scipy": Attack("penalty, SciPy L-BFGS-B", (f"{_HERE}.scipy_attack", "penalty"), {}, ("scipy",)),
}
COMPARISONS = {"untargeted": UNTARGETED, "targeted": TARGETED}


def title(comparison: str, name: str) -> str:
    """What a table calls an attack."""
    return "exact optimum" if name == EXACT else COMPARISONS[comparison][name].title


def key(subject: Subject, comparison: str, name: str, budget: int) -> dict[str, Any]:
    """What of an attack on a model decides its outcome, for its record's key.

    Raises:
        ImportError: a package that it needs is not there.
    """
    presets = [] if subject.path else [subject.name]
    if name == EXACT:
        return {"code": code_of(f"{_HERE}.exact", presets), "scipy": metadata.version("scipy")}
    attack = COMPARISONS[comparison][name]
    packages = [*attack.packages, "keras", "torch" if attack.backend == TORCH else "tensorflow"]
    try:
        versions = {package: metadata.version(package) for package in packages}
    except metadata.PackageNotFoundError as error:
        raise ImportError(
            f"{attack.title} needs {error.name}: pip install 'keras-intriguing[bench,bench-torch]', or choose others "
            "with --attacks."
        ) from error
    settings = attack.within(budget)
    return {"attack": name, "settings": settings, "code": code_of(attack.run[0], presets), **versions}
