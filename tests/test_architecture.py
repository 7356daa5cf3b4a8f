"""Imports run one way, read from the sources, those in functions too."""

import ast
import graphlib
import importlib
import pydoc
import re
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

import keras_intriguing as ki

ROOT = Path(__file__).parent.parent

# A room imports only from itself and from the lines above its own. The package itself (`__init__`) loads its names when
# they are used: a room that imported it could reach any other unseen.
PACKAGE = """
files  optimize  progress  quiet
data
presets
models  compiled
classifiers
attack  spectral
certificates  directions  transfer
training  conversion  report
plots
examination
__init__
cli
__main__
"""


REPRODUCTIONS = """
shared
measurements  bench  workers
presentation
coherence
chapters
job  staleness
__main__  __init__
"""

# Beside the names of the package itself; bar and silence are those of its commands.
PUBLIC_ROOMS = (
    "keras_intriguing.attack",
    "keras_intriguing.report",
    "keras_intriguing.progress",
    "keras_intriguing.quiet",
)


def _modules(package: str) -> dict[str, ast.Module]:
    files = sorted((ROOT / package).rglob("*.py"))
    names = (".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files)
    return {
        name: ast.parse(file.read_text(encoding="utf-8")) for name, file in zip(names, files, strict=True)
    }


def _bound(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The names that imports bind, and what they stand for: `import a.b as c` gives c, a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                yield (one.asname, one.name) if one.asname else (one.name, one.name)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "The names of imported modules are written out."
            for one in node.names:
                yield one.asname or one.name, f"{node.module}.{one.name}"


def _used(tree: ast.Module) -> Iterator[str]:
    """What is imported, and all that is looked up in it, such as `keras_intriguing.data.load`."""
    bound = dict(_bound(tree))
    yield from bound.values()
    for node in ast.walk(tree):
        first, _, rest = ast.unparse(node).partition(".") if isinstance(node, ast.Attribute) else ("", "", "")
        if first in bound and re.fullmatch(r"[\w.]+", rest):
            yield f"{bound[first]}.{rest}"


def _graph(modules: dict[str, ast.Module]) -> dict[str, set[str]]:
    """For every module those of the same package that it imports."""
    return {
        name: {module for _, dotted in _bound(tree) if (module := _module_of(dotted, modules))}
        for name, tree in modules.items()
    }


def _module_of(dotted: str, modules: dict[str, ast.Module]) -> str | None:
    """The module that a dotted name is, or in which it stands."""
    parent = dotted.rpartition(".")[0]
    candidates = (dotted, f"{dotted}.__init__", parent, f"{parent}.__init__")
    return next((name for name in candidates if name in modules), None)


def _room(module: str) -> str:
    return module.split(".")[1]


def _against_the_order(package: str, order: str) -> list[str]:
    lines = {room: line for line, rooms in enumerate(order.splitlines()) for room in rooms.split()}
    return [
        f"{module} imports {other}"
        for module, others in _graph(_modules(package)).items()
        for other in others
        if _room(module) != _room(other) and lines[_room(other)] >= lines[_room(module)]
    ]


def test_the_package_imports_one_way() -> None:
    assert _against_the_order("keras_intriguing", PACKAGE) == []


def test_the_reproductions_import_one_way() -> None:
    assert _against_the_order("reproductions", REPRODUCTIONS) == []


def test_no_modules_import_one_another_in_a_circle() -> None:
    for package in ("keras_intriguing", "reproductions"):
        graphlib.TopologicalSorter(
            _graph(_modules(package))
        ).prepare()  # raises CycleError, which names the circle


def test_the_report_knows_nothing_of_what_it_reports() -> None:
    graph = _graph(_modules("keras_intriguing"))
    rooms = {
        _room(other) for module, others in graph.items() if _room(module) == "report" for other in others
    }
    assert rooms == {"report", "files"}


def test_the_package_knows_nothing_of_the_reproductions() -> None:
    for module, tree in _modules("keras_intriguing").items():
        assert not [name for name in _used(tree) if name.startswith("reproductions")], module


def test_the_reproductions_use_public_names_only() -> None:
    for module, tree in _modules("reproductions").items():
        hidden = [
            name for name in _used(tree) if name.startswith("keras_intriguing") and not _is_public(name)
        ]
        assert not hidden, f"{module} uses {hidden}"


def _is_public(dotted: str) -> bool:
    """Whether a name is listed by the package, or by one of its rooms that stands for itself."""
    room = next((room for room in PUBLIC_ROOMS if f"{dotted}.".startswith(f"{room}.")), "keras_intriguing")
    found: object = importlib.import_module(room)
    for part in dotted[len(room) :].split(".")[1:]:
        names = getattr(found, "__all__", None)
        if part.startswith("__"):  # `__file__`
            return True
        if names is None:  # a module or a class without a list
            return not part.startswith("_")
        if part not in names:
            return False
        found = getattr(found, part)
    return True


@pytest.mark.parametrize("package", [ki, ki.training], ids=lambda package: package.__name__)
def test_type_checkers_read_of_the_names_that_are_loaded_when_they_are_used(
    package: types.ModuleType,
) -> None:
    stub = ast.parse(Path(package.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    names = dict(_bound(stub))
    assert set(names) == set(package.__all__)
    for name, dotted in names.items():
        assert getattr(package, name) is pydoc.locate(dotted)
