"""The command `zoo`."""

import re
import shutil
from pathlib import Path

import pytest

import keras_intriguing as ki
from keras_intriguing import files, presets
from keras_intriguing.cli import main as cli
from keras_intriguing.presets import download, registry

PRESET = "fc10_mnist_decay1e-2"


def test_list_names_every_preset(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["zoo", "list"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ki.list_presets())


@pytest.fixture
def other_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A preset that did not come with the package; the mirror with it is a local folder, the cache is empty."""
    name = f"{PRESET}_seed1"
    package, zoo = tmp_path / "package", tmp_path / "zoo"
    shutil.copytree(registry.ZOO / PRESET, zoo / name)
    shutil.copytree(registry.ZOO / PRESET, zoo / PRESET)
    shutil.copytree(registry.ZOO / PRESET, package / PRESET)
    files.write_json(package / registry.REGISTRY, registry.build(zoo))
    monkeypatch.setattr(registry, "ZOO", package)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv(download.MIRROR, str(zoo))
    return name


def test_list_tells_where_a_preset_is(
    other_seed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def where() -> list[str]:
        assert cli.main(["zoo", "list"]) == 0
        return re.findall(r" (package|cache|local mirror|to fetch) *$", capsys.readouterr().out, re.MULTILINE)

    assert where() == ["package", "local mirror"]
    cached = download.cache() / other_seed
    shutil.copytree(registry.ZOO / PRESET, cached)
    assert where() == ["package", "cache"]
    (cached / "README.md").write_text("another card")
    assert where() == ["package", "local mirror"]
    monkeypatch.delenv(download.MIRROR)
    monkeypatch.chdir(tmp_path / "package")
    assert where() == ["package", "to fetch"]
    monkeypatch.chdir(tmp_path)  # as in a clone, whose zoo lies in the present folder
    (tmp_path / "zoo" / registry.REGISTRY).write_text("{}")
    assert where() == ["package", "local mirror"]
    assert presets.find(other_seed) == tmp_path / "zoo" / other_seed


def test_fetch_and_show_get_what_is_not_here(other_seed: str, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["zoo", "fetch", PRESET, other_seed]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{name}: {presets.find(name)}" for name in (PRESET, other_seed)]
    assert cli.main(["zoo", "show", other_seed]) == 0
    assert f"# {PRESET}" in capsys.readouterr().out


def test_fetch_shows_how_far_it_is(
    other_seed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def slowly(preset: str, on_bytes: download.OnBytes) -> Path:
        on_bytes(48_000, 48_000)
        return registry.ZOO / PRESET

    monkeypatch.setattr(download, "obtain", slowly)
    assert cli.main(["zoo", "fetch", PRESET, other_seed]) == 0
    shown = capsys.readouterr().err.strip().splitlines()
    assert len(shown) == 1  # nothing for the one that was here
    assert re.match(rf"{other_seed} .* 48.0/48.0 kB", shown[0])


def test_interrupting_a_fetch_is_no_traceback(
    other_seed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "obtain", interrupt)
    assert cli.main(["zoo", "fetch", other_seed]) == cli.INTERRUPTED
    assert capsys.readouterr().err.endswith("Interrupted. What was fetched whole is kept, nothing else.\n")


def test_verify_tells_what_is_wrong(other_seed: str, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["zoo", "verify"]) == 0
    assert capsys.readouterr().out == f"{PRESET} (package): ok\n"
    assert cli.main(["zoo", "verify", other_seed]) == cli.FAILED
    assert capsys.readouterr().out == f"{other_seed} (nowhere): not there\n"
    cached = download.cache() / other_seed
    shutil.copytree(registry.ZOO / PRESET, cached)
    assert cli.main(["zoo", "verify", other_seed]) == 0
    (cached / "README.md").unlink()
    capsys.readouterr()
    assert cli.main(["zoo", "verify"]) == cli.FAILED
    out, error = capsys.readouterr()
    assert out == f"{PRESET} (package): ok\n{other_seed} (cache): README.md is missing\n"
    assert error.startswith("error: 1 of these are not as registered.")
    shutil.rmtree(cached)
    shutil.rmtree(registry.ZOO / PRESET)
    assert cli.main(["zoo", "verify"]) == cli.FAILED
    assert capsys.readouterr().out == f"{PRESET} (nowhere): not there\n"


def test_show_prints_the_card_and_the_hash(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["zoo", "show", PRESET]) == 0
    printed = capsys.readouterr().out
    assert f"# {PRESET}" in printed
    assert ki.presets.load_metrics(PRESET)["sha256"] in printed
