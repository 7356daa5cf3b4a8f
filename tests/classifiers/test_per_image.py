"""Results by image: parts of them, files, summaries, what made them."""

import dataclasses
import types
from collections import deque
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_intriguing as ki
from keras_intriguing.classifiers.per_image import (
    PerImage,
    checked_names,
    class_names,
    grey_level,
    provenance,
)


def assert_same(one: ki.Result, other: ki.Result) -> None:
    for name, array in one.arrays().items():
        np.testing.assert_array_equal(getattr(other, name), array, err_msg=name)
    assert one.provenance == other.provenance


def test_the_distance_is_that_of_the_change(nearest, net_images) -> None:
    change = (nearest.adversarial.astype(np.float64) - net_images).reshape(len(net_images), -1)
    np.testing.assert_allclose(nearest.l2, np.linalg.norm(change, axis=1), rtol=1e-12)


def test_parts_and_their_union(nearest) -> None:
    assert len(nearest) == 8
    assert nearest[2].distortion == nearest.distortion[2:3]
    assert_same(nearest[-1], nearest[7:])
    assert_same(nearest[[0, 5]], nearest[np.isin(np.arange(8), (0, 5))])
    assert [len(one) for one in nearest] == [1] * 8
    assert_same(ki.Result.concatenate([nearest[:3], nearest[3:]]), nearest)
    with pytest.raises(IndexError, match="There are 8 images, and no image 8"):
        nearest[8]
    with pytest.raises(ValueError, match="no Result to join"):
        ki.Result.concatenate([])
    with pytest.raises(TypeError, match="joins results of one kind, and not with PerImage, dict"):
        ki.Result.concatenate([nearest, {}, PerImage()])
    with pytest.raises(TypeError, match="takes a list of them"):
        ki.Result.concatenate(nearest)
    flat = dataclasses.replace(nearest, adversarial=nearest.adversarial.reshape(8, 36))
    with pytest.raises(ValueError, match=r"adversarial is of \(6, 6, 1\), \(36,\)"):
        ki.Result.concatenate([nearest, flat])


def test_results_of_several_calls_keep_what_they_have_in_common(nearest) -> None:
    made = {**nearest.provenance, "bounds": [0.0, 255.0], "classes": list("abcdefghij")}
    one = dataclasses.replace(nearest, provenance={**made, "images_sha256": "of others", "label": 3})
    joined = ki.Result.concatenate([dataclasses.replace(nearest, provenance=made), one])
    common = made.keys() - {"shape", "images_sha256", "label"}
    assert joined.provenance == {**{name: made[name] for name in common}, "differing": ["label"]}
    assert grey_level(joined.provenance) == 1
    twice = ki.Result.concatenate([joined, joined[:3]])
    assert (len(twice), twice.provenance) == (19, joined.provenance)
    other_bounds = dataclasses.replace(joined, provenance={**joined.provenance, "bounds": [0.0, 1.0]})
    mixed = ki.Result.concatenate([joined, other_bounds]).provenance
    assert mixed["differing"] == ["bounds", "label"]
    assert grey_level(mixed) is None


def test_a_single_boolean_is_no_number(nearest) -> None:
    with pytest.raises(IndexError, match="not by True"):
        nearest[True]


def test_of_no_image_nothing_is_verified(net, net_images) -> None:
    none = ki.verify(net, net_images, 0.01, effort="quick")[[]]
    assert repr(none) == str(none) == "Verification(0 images)"


def test_a_file_holds_all_of_it(nearest, net, net_images, tmp_path: Path) -> None:
    nearest.save(tmp_path / "folder" / "result.npz")
    assert_same(ki.Result.load(tmp_path / "folder" / "result.npz"), nearest)
    certificate = ki.certified_distortion(net, net_images, effort="quick")
    certificate.save(str(tmp_path / "certificate"))
    loaded = ki.Certificate.load(str(tmp_path / "certificate"))
    np.testing.assert_array_equal(loaded.distortion, certificate.distortion)
    np.testing.assert_allclose(loaded.l2, 6 * loaded.distortion)
    assert loaded.provenance["images_sha256"] == nearest.provenance["images_sha256"]
    verification = ki.verify(net, net_images, 0.01, effort="quick")
    verification.save(tmp_path / "verification.npz")
    assert (ki.Verification.load(tmp_path / "verification.npz")[2:].radius == 0.01).all()


def test_another_file_is_refused(nearest, tmp_path: Path) -> None:
    path = tmp_path / "result.npz"
    with pytest.raises(FileNotFoundError, match=r"There is no file .*result\.npz"):
        ki.Result.load(path)
    path.write_bytes(b"not a file of NumPy")
    with pytest.raises(ValueError, match=r"result\.npz is no saved Result"):
        ki.Result.load(path)
    nearest.save(path)
    with pytest.raises(ValueError, match="it holds a Result, not a Certificate"):
        ki.Certificate.load(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"result\.npz is no saved Result"):
        ki.Result.load(path)
    np.savez(path, x=np.zeros(3), y=np.zeros(3))
    with pytest.raises(ValueError, match=r"result\.npz is no saved Result: it holds x, y, and not what save"):
        ki.Result.load(path)
    np.savez(path, kind="Result", provenance="{}", success=np.ones(3, bool))
    with pytest.raises(ValueError, match=r"result\.npz is no saved Result: it lacks adversarial, distortion"):
        ki.Result.load(path)
    np.savez(path, kind="Result", provenance="[3]", **nearest.arrays())
    with pytest.raises(ValueError, match=r"result\.npz is no saved Result: what made it is a list"):
        ki.Result.load(path)
    np.savez(path, x=np.array([{}], object))
    with pytest.raises(ValueError, match=r"result\.npz is no saved Result"):
        ki.Result.load(path)


def test_the_summary_has_the_extremes_and_the_reasons(nearest) -> None:
    lines = str(nearest).splitlines()
    assert lines[0] == repr(nearest)
    changed = nearest.distortion
    assert (
        f"distortion: {changed.min():.4g} to {changed.max():.4g}, median {np.median(changed):.4g}" in lines[1]
    )
    assert f"l2: {nearest.l2.min():.4g} to" in lines[2]
    assert lines[3].endswith("keep their new label when rounded to 256 grey levels")


def test_the_summaries_of_what_is_proved(net, net_images) -> None:
    certificate = ki.certified_distortion(net, net_images, effort="quick")
    lines = str(certificate).splitlines()
    low, middle, high = np.quantile(certificate.distortion, (0, 0.5, 1))
    assert lines[0] == f"Certificate(8 images, mean distortion {certificate.distortion.mean():.4g})"
    assert (
        lines[1] == f"  distortion: {low:.4g} to {high:.4g}, median {middle:.4g} (root mean square, proved)"
    )
    assert lines[2].startswith("  l2: ")
    assert lines[3] == "  8 by the network's Lipschitz bound alone"
    verification = ki.verify(net, net_images, 0.01, effort="quick")
    count = verification.verified.sum()
    first, second = str(verification).splitlines()
    assert first == f"Verification({count} of 8 images verified within ‖r‖₂ = 0.01)"
    assert second.startswith(f"  margin: {verification.margin.min():.4g} to ")
    radii = ki.verify(net, net_images, np.linspace(0.01, 0.02, 8), effort="quick")
    assert "within ‖r‖₂ = 0.01 to 0.02, each its own" in repr(radii)
    wrong = ki.certified_distortion(net, net_images, label=(certificate.label + 1) % 4, effort="quick")
    assert "8 have another label already" in str(wrong)


def test_words_for_classes_are_kept_and_printed(net, net_images, nearest, tmp_path: Path) -> None:
    assert "classes" not in nearest.provenance
    named = keras.models.clone_model(net)
    named.set_weights(net.get_weights())
    named.class_names = ("ant", "bee", "cat", "dog")
    result = ki.minimal_distortion(named, net_images[:1])
    before, after = (named.class_names[labels[0]] for labels in (result.label_before, result.label_after))
    result.save(tmp_path / "result.npz")
    assert ki.Result.load(tmp_path / "result.npz").provenance["classes"] == list(named.class_names)
    assert f"{before} became {after}" not in str(result[:0])
    assert f"  {before} became {after}" in str(result).splitlines()
    drawn = ki.plots.examples(net_images[:1], result).axes[0].texts
    assert {before, after} <= {text.get_text() for text in drawn}


def test_a_part_says_which_images_it_has(nearest, tmp_path: Path) -> None:
    """By their numbers among those of the call, whose hash it keeps."""
    part = nearest[2:6][[3, 0]]
    assert part.provenance == {**nearest.provenance, "part": [5, 2]}
    assert "part" not in nearest[:].provenance
    assert ki.Result.concatenate([nearest[:2], part]).provenance["part"] == [0, 1, 5, 2]
    part.save(tmp_path / "part.npz")
    assert ki.Result.load(tmp_path / "part.npz").provenance["part"] == [5, 2]


def test_rows_of_values_are_examples() -> None:
    """Also of results that hold none of them."""
    model, x = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)]), np.full((4, 5), 0.5, np.float32)
    assert "Certificate(4 examples" in repr(ki.certified_distortion(model, x, effort="quick"))
    verification = ki.verify(model, x, 0.1, effort="quick")
    assert "of 4 examples verified" in repr(verification)
    with pytest.raises(IndexError, match="There are 4 examples, and no example 4"):
        verification[4]
    with pytest.raises(ValueError, match="radius must be a number or one for each of 4 examples"):
        ki.verify(model, x, [1, 2])
    with pytest.raises(ValueError, match="one class for each of 4 examples"):
        ki.verify(model, x, 0.1, label=[1, 2])


@pytest.mark.parametrize(
    "names", [{"ant", "bee"}, frozenset("ab"), "ab", b"ab", np.array("ab"), 2, {"ant": 0}.items()]
)
def test_words_for_classes_have_an_order(names) -> None:
    with pytest.raises(
        TypeError, match=r"model\.class_names must hold the words for classes 0, 1, … in this order"
    ):
        class_names(types.SimpleNamespace(class_names=names))
    with pytest.raises(TypeError, match=f"names must hold .* it is a {type(names).__name__}"):
        checked_names(names, 2, "names")


def test_all_that_has_an_order_will_do() -> None:
    """A dictionary may map numbers to words or words to numbers."""
    words = ["ant", "bee"]
    numbers = dict.fromkeys(words)
    for names in (
        tuple(words),
        np.array(words),
        deque(words),
        numbers.keys(),
        dict(enumerate(words)).values(),
    ):
        assert checked_names(names, 2, "names") == words
        assert class_names(types.SimpleNamespace(class_names=names)) == words
    assert checked_names(iter(words), 2, "names") == words
    with pytest.raises(
        TypeError, match=r"model\.class_names is a list_iterator, which can be read only once"
    ):
        class_names(types.SimpleNamespace(class_names=iter(words)))
    with pytest.raises(TypeError, match=r"names must hold the words .* it is a dict"):
        checked_names(numbers, 2, "names")
    for other in (numbers, lambda: words, None):  # what may mean anything
        assert class_names(types.SimpleNamespace(class_names=other)) is None


def test_columns_for_a_table(nearest) -> None:
    columns = nearest.to_dict()
    assert "adversarial" not in columns
    assert {"distortion", "l2", "label_after", "reason"} <= set(columns)
    assert {len(column) for column in columns.values()} == {8}


def test_what_made_a_result(net, nearest, net_images) -> None:
    made = nearest.provenance
    assert made["model"] == net.name
    assert (made["method"], made["bounds"], made["target"]) == ("direct", [0, 1], None)
    assert made["versions"]["keras"] == keras.__version__
    again = provenance(net, net_images)
    assert again["weights_sha256"] == made["weights_sha256"]
    other = keras.models.clone_model(net)
    assert provenance(other, net_images)["weights_sha256"] != made["weights_sha256"]
    assert provenance(net, net_images[1:])["images_sha256"] != made["images_sha256"]
    assert "weights_sha256" not in provenance(np.tanh, net_images)
    settings = provenance(net, net_images, target=np.int64(3), many=np.arange(9), name="a")
    assert (settings["target"], settings["name"], list(settings["many"])) == (3, "a", ["sha256"])
