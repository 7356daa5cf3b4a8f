"""Which code a measurement rests on: the modules that it reaches over imports, hashed without what only people read."""

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import keras_intriguing as ki


class Code:
    """The source files of some packages and the imports among them.

    A module rests on every module that it imports, in functions too. A package from which a name is taken counts as
    a module itself; one that only lies on the way to a module does not. Of a package that loads its names when they
    are used (one with a `__getattr__`, such as `keras_intriguing`), only the names that are used are followed.

    Args:
        packages: their folders, by name.
    """

    def __init__(self, packages: Mapping[str, Path]) -> None:
        self._packages = packages

    def hash(self, *modules: str) -> str:
        """Of what the modules rest on, without comments, docstrings, layout and what errors say: 16 hexadecimal digits.

        Raises:
            ValueError: a module is in none of the packages.
        """
        digest = hashlib.sha256()
        for module in sorted(self.reached(*modules)):
            digest.update(f"{module}\0{self._normal_form(module)}\0".encode())
        return digest.hexdigest()[:16]

    def reached(self, *modules: str) -> set[str]:
        """The names of the modules and of all that they rest on.

        Raises:
            ValueError: a module is in none of the packages.
        """
        found: set[str] = set()
        left = list(modules)
        while left:
            module = left.pop()
            if module not in found:
                found.add(module)
                left += self._imported(module)
        return found

    def _path(self, module: str) -> Path | None:
        package, *rest = module.split(".")
        if package not in self._packages:
            return None
        path = self._packages[package].joinpath(*rest)
        files = (path / "__init__.py", path.with_name(f"{path.name}.py"))
        return next((file for file in files if file.is_file()), None)

    @functools.cache  # noqa: B019 (here and below: there is one such object, which lives as long as the process)
    def _tree(self, module: str) -> ast.Module:
        path = self._path(module)
        if path is None:
            raise ValueError(f"There is no module {module} in {', '.join(self._packages)}.")
        return _WithoutWords().visit(ast.parse(path.read_text(encoding="utf-8")))

    @functools.cache  # noqa: B019
    def _normal_form(self, module: str) -> str:
        return ast.unparse(self._tree(module))

    @functools.cache  # noqa: B019
    def _imported(self, module: str) -> frozenset[str]:
        nodes = list(_executed(self._tree(module)))
        bound = dict(pair for node in nodes for pair in _bound(node))
        names = {*bound.values()}
        for node in nodes:
            first, *rest = _dotted(node)
            if first in bound:
                names.add(".".join([bound[first], *rest]))
        return frozenset(found for name in names if (found := self._module_of(name)))

    def _module_of(self, dotted: str) -> str | None:
        """The module that a dotted name is, or in which it is found; None where that decides no value."""
        module, *rest = dotted.split(".")
        if module not in self._packages:
            return None
        for name in rest:
            lazy = self._lazy_names(module) or {}
            below = f"{module}.{name}"
            if name in lazy:
                module = lazy[name]
            elif self._path(below):
                module = below
            else:
                break
        return module if self._lazy_names(module) is None else None

    @functools.cache  # noqa: B019
    def _lazy_names(self, package: str) -> dict[str, str] | None:
        """The modules of the names that a package loads when they are used; None if it is no such package."""
        body = self._tree(package).body
        if not any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in body):
            return None
        assigned = [node.value for node in body if isinstance(node, ast.Assign)]
        tables = [ast.literal_eval(value) for value in assigned if isinstance(value, ast.Dict)]
        return {name: f"{package}.{module}" for table in tables for name, module in table.items()}


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        executed: list[ast.AST] = [node]
        if isinstance(node, ast.If) and _dotted(node.test)[-1] == "TYPE_CHECKING":
            executed = [*node.orelse]
        for one in executed:
            yield one
            yield from _executed(one)


def _bound(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Which names an import binds, and to what."""
    if isinstance(node, ast.Import):
        for one in node.names:
            yield one.asname or one.name, one.name
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "Relative imports are not followed."
        for one in node.names:
            yield one.asname or one.name, f"{node.module}.{one.name}"


def _dotted(node: ast.AST) -> list[str]:
    """The parts of a name such as `a.b.c`; of anything else an empty one."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        return [*_dotted(node.value), node.attr]
    return [""]


class _WithoutWords(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Nothing of a string that stands alone."""
        alone = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if alone else node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """An error without its message: what is raised is never a measured value."""
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return node


CODE = Code({"keras_intriguing": Path(ki.__file__).parent, "reproductions": Path(__file__).parent.parent})


def code_of(module: str, presets: Iterable[str] = ()) -> str:
    """The hash of what a module rests on, and the classes of the presets that it loads."""
    return CODE.hash(module, *map(_model_module, presets))


@functools.cache
def _model_module(preset: str) -> str:
    """Where the class of a preset is defined: its configuration says so, no import does."""
    return ki.files.read_json(ki.presets.find(preset) / ki.presets.CONFIG)["module"]
