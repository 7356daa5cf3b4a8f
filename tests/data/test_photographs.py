"""Folders of photographs: what is found, how it is decoded, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_intriguing.data import photographs


def write(
    path: Path, colour: tuple[int, ...] | int, mode: str = "RGB", size: tuple[int, int] = (40, 30)
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes: red in PNG, blue in JPEG."""
    for i in range(3):
        write(tmp_path / "red" / f"{i}.png", (255, 0, 0))
        write(tmp_path / "blue" / f"{i}.JPEG", (0, 0, 255))
    return tmp_path


def test_one_folder_a_class(folder: Path) -> None:
    found = photographs.load(folder)
    assert found.classes == ("blue", "red")
    assert len(found) == 6
    assert sorted(found.names) == [f"blue/{i}.JPEG" for i in range(3)] + [f"red/{i}.png" for i in range(3)]
    images = found.images(16)
    assert images.shape == (6, 16, 16, 3)
    assert images.dtype == np.float32
    colours = np.where(found.labels[:, None] == 1, [1, 0, 0], [0, 0, 1])
    assert np.abs(images - colours[:, None, None]).max() < 0.02
    assert np.array_equal(np.concatenate(list(found.center_crops(16).as_numpy_iterator())), images)


def test_splits_are_read_apart_and_in_the_same_order_every_time(tmp_path: Path) -> None:
    for split, count in (("train", 5), ("val", 2)):
        for name in ("a", "b"):
            for i in range(count):
                write(tmp_path / split / name / f"{i}.png", (i, 0, 0))
    train = photographs.load(tmp_path, "train")
    assert len(train) == 10
    assert photographs.load(tmp_path, "train").names == train.names
    assert photographs.load(tmp_path, "train").sha256 == train.sha256
    assert len(photographs.load(tmp_path, "val")) == 4


def test_a_part_of_them(folder: Path) -> None:
    found = photographs.load(folder)
    part = found[[4, 1]]
    assert part.names == (found.names[4], found.names[1])
    assert np.array_equal(part.labels, found.labels[[4, 1]])
    assert np.array_equal(part.images(8), found.images(8)[[4, 1]])
    assert len(found[found.labels == 0]) == 3
    assert len(found[:2]) == 2
    assert found[4].names == (found.names[4],)
    assert repr(found[[4, 1]]) == "Photographs(2 of 2 classes: blue, red)"
    assert found[:0].images(8).shape == (0, 8, 8, 3)


@pytest.mark.parametrize("size", [0, 8.5])
def test_a_size_that_is_none_is_refused(folder: Path, size: float) -> None:
    with pytest.raises(ValueError, match="size must be a positive whole number of pixels"):
        photographs.load(folder).images(size)


def test_hidden_folders_are_no_classes(folder: Path) -> None:
    write(folder / ".cache" / "0.png", (0, 255, 0))
    (folder / "_empty").mkdir()
    with pytest.raises(ValueError, match=r"no photographs .* of _empty in"):
        photographs.load(folder)
    (folder / "_empty").rmdir()
    found = photographs.load(folder)
    assert found.classes == ("blue", "red")
    assert np.array_equal(found.labels, [name.startswith("red") for name in found.names])
    (folder / "blue" / "link.jpg").symlink_to(folder / "nowhere.jpg")
    with pytest.raises(ValueError, match="1 of 7 photographs"):
        photographs.load(folder)


def test_the_center_crop_is_the_middle(tmp_path: Path) -> None:
    """Of 80 × 160 pixels it is the 70 in the middle, each way; without scaling, pixel by pixel."""
    pixels = np.random.default_rng(0).random((80, 160, 3)).astype(np.float32)
    middle = photographs.center_crop(tf.constant(pixels), 70)
    assert np.allclose(middle, pixels[5:75, 45:115], atol=1e-6)


def test_grey_is_the_luminance() -> None:
    images = np.array([[1, 1, 1], [1, 0, 0], [0, 0.5, 0], [0, 0, 1]], np.float32).reshape(1, 2, 2, 3)
    assert np.allclose(photographs.grey(images).reshape(-1), [1, 0.299, 0.2935, 0.114], atol=1e-6)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [("L", 128, (128, 128, 128)), ("CMYK", (0, 255, 255, 0), (255, 0, 0)), ("P", 0, None)],
)
def test_grey_and_cmyk_files_become_rgb(
    folder: Path, mode: str, colour: tuple[int, ...] | int, expected: tuple[int, ...] | None
) -> None:
    suffix = "png" if mode == "P" else "jpg"
    write(folder / "red" / f"9.{suffix}", colour, mode)
    found = photographs.load(folder)
    (image,) = found[[name == f"red/9.{suffix}" for name in found.names]].images(8)
    assert image.shape == (8, 8, 3)
    if expected:
        assert np.abs(image - np.array(expected) / 255).max() < 0.03


@pytest.mark.parametrize("damage", ["truncated", "empty", "text"])
def test_files_that_cannot_be_decoded_are_named_and_skipped_on_request(folder: Path, damage: str) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(
        folder / "red/x.jpg"
    )
    content = (folder / "red/x.jpg").read_bytes()
    broken = {"truncated": content[: len(content) // 2], "empty": b"", "text": b"no image"}[damage]
    (folder / "red/x.jpg").write_bytes(broken)
    with pytest.raises(
        ValueError, match=r"1 of 7 photographs cannot be read or decoded[^$]*red/x\.jpg"
    ) as error:
        photographs.load(folder)
    assert "--skip-unreadable" in str(error.value)
    with pytest.warns(UserWarning, match=r"red/x\.jpg"):
        found = photographs.load(folder, skip_unreadable=True)
    assert len(found) == 6
    assert "red/x.jpg" not in found.names


def test_all_files_that_cannot_be_read_are_named_with_those_that_cannot_be_decoded(folder: Path) -> None:
    (folder / "red" / "link.jpg").symlink_to(folder / "nowhere.jpg")
    (folder / "blue" / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "blue" / "junk.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"3 of 9 photographs cannot be read or decoded") as error:
        photographs.load(folder)
    for name in ("red/link.jpg", "blue/gone.png", "blue/junk.png"):
        assert str(folder / name) in str(error.value)
    with pytest.warns(UserWarning, match="Left out 3 photographs"):
        found = photographs.load(folder, skip_unreadable=True)
    assert sorted(found.names) == [f"blue/{i}.JPEG" for i in range(3)] + [f"red/{i}.png" for i in range(3)]
    assert np.array_equal(found.labels, [name.startswith("red") for name in found.names])


def test_a_class_of_which_nothing_is_left_is_named(folder: Path) -> None:
    for path in (folder / "red").iterdir():
        path.write_bytes(b"no image")
    with (
        pytest.warns(UserWarning, match="Left out 3"),
        pytest.raises(ValueError, match=r"no photographs .* of red in"),
    ):
        photographs.load(folder, skip_unreadable=True)


def test_a_copy_of_a_photograph_under_another_name_is_found(folder: Path, tmp_path: Path) -> None:
    ours = photographs.load(folder)
    other = tmp_path / "other"
    for i, name in enumerate(("red", "blue")):
        write(other / name / "0.png", (i, 0, 9))
    photographs.require_disjoint(ours, photographs.load(other))
    (other / "red" / "copy.png").write_bytes((folder / "red" / "0.png").read_bytes())
    with pytest.raises(ValueError, match=r"1 of the photographs to validate on .* red/copy\.png"):
        photographs.require_disjoint(ours, photographs.load(other))


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no folder of images"):
        photographs.load(tmp_path / "missing")
    with pytest.raises(ValueError, match="Unknown split 'test'"):
        photographs.load(tmp_path, "test")


@pytest.mark.parametrize(("classes", "what"), [(0, "no folders"), (1, "1 folder")])
def test_less_than_two_classes_are_refused(tmp_path: Path, classes: int, what: str) -> None:
    if classes:
        write(tmp_path / "only" / "0.png", (0, 0, 0))
    with pytest.raises(ValueError, match=f"holds {what} of a class, but at least two are needed"):
        photographs.load(tmp_path)


def test_a_class_without_photographs_is_named(folder: Path) -> None:
    (folder / "green").mkdir()
    (folder / "green" / "notes.txt").write_text("none yet")
    with pytest.raises(ValueError, match=r"no photographs .* of green"):
        photographs.load(folder)


def test_a_split_that_is_missing_is_said(tmp_path: Path) -> None:
    write(tmp_path / "train" / "a" / "0.png", (0, 0, 0))
    with pytest.raises(FileNotFoundError, match="holds a folder train but no val"):
        photographs.load(tmp_path, "val")


def test_photographs_that_are_no_files_are_read_from_memory(folder: Path) -> None:
    """As those of a prepared TFDS data set are."""
    found = photographs.load(folder)
    encoded = tuple(Path(source).read_bytes() for source in found.sources)
    held = photographs.Photographs(encoded, found.names, found.labels, found.classes)
    assert np.array_equal(held.images(8), found.images(8))
    assert held.sha256 == found.sha256


def test_no_imagenette_and_no_network_names_the_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*args: object, **settings: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("socket.create_connection", unreachable)
    with pytest.raises(FileNotFoundError, match=r"imagenette/160px-v2 could not be read[^$]*--images DIR"):
        photographs.load(data_dir=tmp_path)
