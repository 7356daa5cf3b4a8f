"""What a measurement rests on: planted packages, and the chapters' records on a changed copy of the sources."""

import shutil
from pathlib import Path

import pytest

import keras_intriguing as ki
from reproductions import chapters
from reproductions.chapters import table1
from reproductions.shared import code
from reproductions.shared.code import CODE, Code
from reproductions.shared.measurement import Measurement, measured
from reproductions.shared.run import Run
from reproductions.shared.serialization import to_json

FILES = {
    "pack/__init__.py": '''
"""Lazy."""
_NAMES = {"far": "inner", "other": "unused"}
def __getattr__(name): ...
''',
    "pack/inner/__init__.py": "from pack.inner.deep import far\n",
    "pack/inner/deep.py": "import numpy\nfrom pack import used_late\n",
    "pack/used_late.py": "x = 1\n",
    "pack/unused.py": "",
    "pack/in_function.py": "",
    "pack/typed.py": "",
    "pack/start.py": '''"""Doc."""
from typing import TYPE_CHECKING

import pack as p

if TYPE_CHECKING:
    from pack import typed

def f():
    """Doc."""
    from pack import in_function  # why
    return p.far.something
''',
}


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "pack"


def test_imports_in_functions_and_lazily_loaded_names_are_followed(planted: Path) -> None:
    reached = Code({"pack": planted}).reached("pack.start")
    assert reached == {
        *("pack.start", "pack.in_function", "pack.inner", "pack.inner.deep", "pack.used_late"),
    }


def test_a_module_that_is_not_there_is_an_error(planted: Path) -> None:
    with pytest.raises(ValueError, match=r"no module pack\.none"):
        Code({"pack": planted}).hash("pack.none")


@pytest.mark.parametrize(
    ("file", "old", "new", "same"),
    [
        ("start", '"""Doc."""', '"""Another."""', True),
        ("start", "# why", "# because", True),
        ("start", "    return", "\n    return", True),
        ("start", "something", "anything", False),
        ("used_late", "x = 1", "x = 2", False),
        ("unused", "", "x = 1", True),
        ("typed", "", "x = 1", True),
    ],
)
def test_what_does_something_else_has_another_hash(
    planted: Path, file: str, old: str, new: str, same: bool
) -> None:
    before = Code({"pack": planted}).hash("pack.start")
    path = planted / f"{file}.py"
    path.write_text(path.read_text().replace(old, new))
    assert (Code({"pack": planted}).hash("pack.start") == before) is same


PACKAGES = {"keras_intriguing": Path(ki.__file__).parent, "reproductions": Path(chapters.__file__).parents[1]}


@pytest.fixture
def copied(tmp_path: Path) -> dict[str, Path]:
    for name, folder in PACKAGES.items():
        shutil.copytree(folder, tmp_path / name, ignore=shutil.ignore_patterns("results", "__pycache__"))
    return {name: tmp_path / name for name in PACKAGES}


def planned(name: str, out: Path) -> list[Measurement]:
    return chapters.load(name).measurements(Run("mnist5k", 4, 4, 0, 1, out, None, ""))


def hashes(planned: list[Measurement], of: Code) -> list[str]:
    return [of.hash(type(one).__module__) for one in planned]


def comment(folders: dict[str, Path]) -> None:
    for folder in folders.values():
        for path in folder.rglob("*.py"):
            path.write_text(f"# in another word\n{path.read_text()}")


def test_a_comment_changes_no_records_code(copied: dict[str, Path], tmp_path: Path) -> None:
    comment(copied)
    for name in ("table1", "table2", "table5"):
        measurements = planned(name, tmp_path)
        assert hashes(measurements, Code(copied)) == hashes(measurements, CODE)


def test_what_an_error_says_decides_no_record_and_which_error_it_is_does(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").touch()
    (tmp_path / "words.py").write_text("def say(x):\n    return x\n")
    hashes = []
    for error in ("ValueError('no: %s' % x)", "ValueError(f'never: {say(x)}')", "TypeError('no: %s' % x)"):
        (tmp_path / "check.py").write_text(
            f"from package.words import say\n\ndef check(x):\n    if x:\n        raise {error}\n"
        )
        hashes.append(Code({"package": tmp_path}).hash("package.check"))
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_line_of_the_attack_changes_table_2_and_not_table_5(
    copied: dict[str, Path], tmp_path: Path
) -> None:
    path = copied["keras_intriguing"] / "attack" / "program.py"
    path.write_text(f"{path.read_text()}\nONE_MORE = 1\n")
    table2, table5 = planned("table2", tmp_path), planned("table5", tmp_path)
    pairs = zip(hashes(table2, Code(copied)), hashes(table2, CODE), strict=True)
    assert all(changed != before for changed, before in pairs)
    assert hashes(table5, Code(copied)) == hashes(table5, CODE)


def test_how_values_are_shown_decides_no_record(tmp_path: Path) -> None:
    for name in ("figure1", "table1", "table2", "table5", "directions"):
        for module in {type(one).__module__ for one in planned(name, tmp_path)}:
            shown = [
                m
                for m in CODE.reached(module)
                if m.startswith(("keras_intriguing.report", "reproductions.chap"))
            ]
            assert not shown, (module, shown)


def test_a_record_is_found_again_after_a_comment_and_not_after_a_change(
    copied: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, errors = Run("mnist5k", 4, 4, 0, 1, tmp_path, None, ""), table1.errors("fc10_mnist_decay1")
    values, path = measured(run, errors), tmp_path / "records" / f"{errors.name}.json"
    written = path.read_bytes()
    comment(copied)
    monkeypatch.setattr(code, "CODE", Code(copied))
    assert to_json(measured(run, errors)) == to_json(values)
    assert path.read_bytes() == written
    evaluation = copied["keras_intriguing"] / "classifiers" / "evaluation.py"
    evaluation.write_text(f"{evaluation.read_text()}\nONE_MORE = 1\n")
    monkeypatch.setattr(code, "CODE", Code(copied))
    assert to_json(measured(run, errors)) == to_json(values)
    assert path.read_bytes() != written
