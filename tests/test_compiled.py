"""What XLA compiles is kept on disk, and read only where it is whole."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import keras_intriguing as ki

PROGRAM = """
import sys
import keras_intriguing as ki
folder = ki.keep_compiled(sys.argv[1])
import tensorflow as tf
for wave in (tf.sin, tf.cos):
    print(float(tf.function(lambda x: tf.reduce_sum(wave(x) * x), jit_compile=True)(tf.range(9.0))))
"""


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has not imported TensorFlow."""
    monkeypatch.delitem(sys.modules, "tensorflow")
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_clustering_debug=false")
    monkeypatch.setattr("atexit.register", lambda *arguments: None)


def in_a_process(folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "TF_XLA_FLAGS"}
    command = [sys.executable, "-W", "error::UserWarning", "-c", PROGRAM, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return done.stdout


def entries(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*/*.pb")}


def test_a_damaged_entry_is_compiled_again(tmp_path: Path):
    first = in_a_process(tmp_path)
    damaged, *whole = sorted(tmp_path.glob("*/*.pb"))
    assert whole
    assert len(list(tmp_path.glob("*/*.sha256"))) == 1 + len(whole)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    before, times = entries(tmp_path), {path: path.stat().st_mtime_ns for path in whole}
    assert in_a_process(tmp_path) == first
    after = entries(tmp_path)
    assert after.keys() == before.keys()
    assert after[damaged.name] != before[damaged.name]
    assert {path: path.stat().st_mtime_ns for path in whole} == times  # read, not written


def test_flags_of_ones_own_stay(fresh: None, tmp_path: Path):
    folder = ki.keep_compiled(tmp_path / "new")
    assert folder.parent == tmp_path / "new"
    assert not folder.parent.exists()  # made when something is compiled
    flags = os.environ["TF_XLA_FLAGS"].split()
    assert flags[0] == "--tf_xla_clustering_debug=false"
    assert f"--tf_xla_persistent_cache_directory={folder}" in flags
    assert not any("read_only" in flag for flag in flags)
    ki.keep_compiled(tmp_path / "other")
    assert os.environ["TF_XLA_FLAGS"].split() == flags


def test_by_default_they_lie_in_the_home_of_keras(
    fresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert ki.keep_compiled().parent == tmp_path / "keras_intriguing" / "compiled"


def test_a_folder_that_cannot_be_written_is_only_read(
    fresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "access", lambda *arguments: False)
    with pytest.warns(UserWarning, match=r"are not kept in .*: it cannot be written"):
        ki.keep_compiled(tmp_path)
    assert "--tf_xla_persistent_cache_read_only" in os.environ["TF_XLA_FLAGS"]


def test_damaged_entries_that_cannot_be_removed_are_not_read(
    fresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    entry = ki.keep_compiled(tmp_path) / "xla_compile_cache__1.pb"
    monkeypatch.setenv("TF_XLA_FLAGS", "")
    entry.parent.mkdir()
    entry.write_bytes(b"damaged")
    monkeypatch.setattr(os, "access", lambda *arguments: False)
    with pytest.warns(UserWarning, match="it cannot be written"):
        ki.keep_compiled(tmp_path)
    assert os.environ["TF_XLA_FLAGS"] == ""


def test_without_space_nothing_is_written(fresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.warns(UserWarning, match="less than 256 MiB are free"):
        ki.keep_compiled(tmp_path)
    assert "--tf_xla_persistent_cache_read_only" in os.environ["TF_XLA_FLAGS"]


@pytest.mark.parametrize("below", ["", "cache"])
def test_a_folder_that_is_a_file_is_refused(fresh: None, tmp_path: Path, below: str):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(NotADirectoryError, match=r"cannot be kept in .*file is a file"):
        ki.keep_compiled(file / below)


def test_it_must_come_before_tensorflow(fresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "tensorflow", sys)
    with pytest.raises(RuntimeError, match="before TensorFlow"):
        ki.keep_compiled(tmp_path)
