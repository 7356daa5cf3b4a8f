import os
from pathlib import Path

import pytest

from keras_intriguing import files


def test_replacing_puts_the_new_file_in_place(tmp_path: Path):
    path = tmp_path / "new" / "folder" / "value.txt"
    with files.replacing(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_replacing_leaves_the_old_file_when_the_block_raises(tmp_path: Path):
    path = tmp_path / "value.txt"
    path.write_text("old")

    def write_half() -> None:
        with files.replacing(path) as temporary:
            temporary.write_text("half of the n")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_replacing_leaves_nothing_where_nothing_was_when_the_block_raises(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt), files.replacing(tmp_path / "value.txt"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_the_temporary_file_lies_beside_the_new_one_and_keeps_its_suffixes(tmp_path: Path):
    with files.replacing(tmp_path / "model.weights.h5") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.endswith(".weights.h5")


def test_a_new_file_has_the_mode_of_any_other(tmp_path: Path):
    usual, path = tmp_path / "usual", tmp_path / "ours"
    usual.touch()
    files.write_text(path, "")
    assert path.stat().st_mode == usual.stat().st_mode


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"), files.replacing(tmp_path / "file" / "value.txt"):
        pass


def test_json_keeps_its_values_and_its_letters(tmp_path: Path):
    path, value = tmp_path / "value.json", {"λ": [1, 2.5, None], "name": "Größe"}
    files.write_json(path, value)
    assert files.read_json(path) == value
    assert "Größe" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("content", [b'{"a": 1', b"", b"\xff\xfe\x00"])
def test_reading_what_is_no_json_names_the_file(tmp_path: Path, content: bytes):
    path = tmp_path / "value.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"value\.json is not valid JSON"):
        files.read_json(path)


def test_sha256_is_that_of_the_bytes(tmp_path: Path):
    path = tmp_path / "value"
    path.write_bytes(b"abc")  # the example of FIPS 180
    assert files.sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_place_that_can_be_written_is_left_as_it_was(tmp_path: Path):
    for path in (tmp_path / "value.txt", tmp_path / "folder" / "another" / "value.txt"):
        files.require_writable(path)
        assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "value.txt"):
        with pytest.raises(OSError, match=f"Cannot write {path}: .*Choose another place"):
            files.require_writable(path)


def test_what_a_killed_process_left_is_removed_a_day_later(tmp_path: Path) -> None:
    old, fresh, other = (tmp_path / f".tmp-{name}" for name in ("a-data.json", "b-data.json", "c-other.json"))
    for left in (old, fresh, other):
        left.touch()
    for left in (old, other):
        os.utime(left, (0, 0))
    files.write_json(tmp_path / "data.json", 1)
    assert {path.name for path in tmp_path.iterdir()} == {"data.json", fresh.name, other.name}
