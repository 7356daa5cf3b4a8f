"""The attack under `tf.distribute` strategies; see run_distributed.py for what the other processes do."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from test_attack_known_answers import Linear, images, optimum

import keras_intriguing as ki
from keras_intriguing.attack.distribute import Replicas

SCRIPT = Path(__file__).with_name("run_distributed.py")
COUNT = 3  # not a multiple of two
DEADLOCK = 900  # seconds
Outcome = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def linear() -> Linear:
    return Linear(150, seed=1)


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return images((150,), (0.0, 1.0), 0.1)[:COUNT]


@pytest.fixture(scope="module")
def target(linear, x) -> np.ndarray:
    return (linear.logits(x).argmax(axis=1) + 3) % 10


@pytest.fixture(scope="module")
def inputs(linear, x, target, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("distribute") / "inputs.npz"
    np.savez(path, a=linear.a, x=x, target=target)
    return path


def outcomes(kind: str, inputs: Path, environments: list[dict[str, str]]) -> list[Outcome]:
    """What a process in each of the environments found; they run side by side."""
    paths = [inputs.with_name(f"{kind}{i}.npz") for i in range(len(environments))]
    runs = [
        subprocess.Popen(
            [sys.executable, SCRIPT, kind, inputs, path],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for path, environment in zip(paths, environments, strict=True)
    ]
    try:
        for run in runs:
            said, _ = run.communicate(timeout=DEADLOCK)
            assert run.returncode == 0, said
    finally:
        for run in runs:
            run.kill()
    return [dict(np.load(path)) for path in paths]


@pytest.fixture(scope="module")
def mirrored(inputs) -> Outcome:
    return outcomes("mirrored", inputs, [{}])[0]


@pytest.fixture(scope="module")
def workers(inputs) -> list[Outcome]:
    with socket.socket() as first, socket.socket() as second:
        addresses = []
        for one in (first, second):
            one.bind(("127.0.0.1", 0))
            addresses.append(f"127.0.0.1:{one.getsockname()[1]}")
    tasks = [{"cluster": {"worker": addresses}, "task": {"type": "worker", "index": i}} for i in range(2)]
    return outcomes("worker", inputs, [{"TF_CONFIG": json.dumps(task)} for task in tasks])


def check_same(outcome: Outcome, name: str, expected: Outcome, other: str, count: int = COUNT) -> None:
    """Batches of the same images, by the same program on another device of the same kind: equal to the bit."""
    for field in ki.Result.names():
        given, wanted = outcome[f"{name}.{field}"], expected[f"{other}.{field}"]
        np.testing.assert_array_equal(given, wanted[:count], err_msg=field)


def test_two_devices_find_the_optimum(mirrored, linear, x):
    ratio = mirrored["two direct.distortion"] / optimum(linear, x, (0, 1), None)
    assert ratio.min() > 1 - 1e-5
    assert ratio.max() < 1.01
    assert mirrored["two direct.success"].all()
    np.testing.assert_array_equal(mirrored["two direct.label_before"], linear.logits(x).argmax(axis=1))


@pytest.mark.slow
@pytest.mark.parametrize(("method", "most"), [("direct", 1.0005), ("penalty", 1.1)])
def test_what_xla_does_not_compile_reaches_its_targets_on_two_devices(
    method: str, most: float, linear, x, target, inputs
):
    (found,) = outcomes(method, inputs, [{}])
    ratio = found["two.distortion"] / optimum(linear, x, (0, 1), target)
    assert ratio.min() > 1 - 1e-5
    assert ratio.mean() < most
    np.testing.assert_array_equal(found["two.label_after"], target)
    check_same(found, "two", found, "one")


def test_two_devices_give_the_results_of_one(mirrored):
    check_same(mirrored, "two direct", mirrored, "one direct")


@pytest.mark.parametrize(("name", "count"), [("two images", 2), ("one image", 1)])
def test_fewer_images_than_make_a_batch(mirrored, name: str, count: int):
    check_same(mirrored, name, mirrored, "one direct", count)


def test_both_devices_work(mirrored):
    assert mirrored["devices"].tolist() == ["device:CPU:0", "device:CPU:1"]


def test_progress_counts_the_images_of_all_devices(mirrored):
    assert mirrored["progress"].tolist() == [[i + 1, COUNT] for i in range(COUNT)]


def test_the_replicas_of_a_worker_send_its_message_in_pieces(mirrored):
    assert mirrored["sent"].tolist() == [bytes(range(99))]


def test_devices_follow_a_change_of_the_weights(mirrored):
    check_same(mirrored, "two changed", mirrored, "one changed", 2)
    assert (mirrored["two changed.label_before"] != mirrored["one direct.label_before"][:2]).any()


def test_an_error_in_the_callback_ends_the_attack(mirrored):
    assert mirrored["callback error"] == "OSError: full disk"


@pytest.mark.parametrize("name", ["plain error", "other strategy error"])
def test_a_model_from_outside_of_the_scope_is_refused(mirrored, name: str):
    assert str(mirrored[name]).startswith("ValueError: The strategy's replica on /job:localhost")
    assert "device:CPU:1 has no copy of the model's variables" in str(mirrored[name])
    assert str(mirrored[name]).endswith("Build or load the model inside `with strategy.scope():`.")


def test_two_workers_give_the_results_of_one(workers, mirrored):
    for outcome in workers:
        check_same(outcome, "two direct", mirrored, "one direct")


def test_a_worker_may_have_no_share(workers, mirrored):
    for outcome in workers:
        check_same(outcome, "one image", mirrored, "one direct", 1)


def test_images_of_other_workers_count_at_the_end(workers):
    assert [outcome["progress"][:, 0].tolist() for outcome in workers] == [list(range(1, COUNT + 1))] * 2


def test_workers_that_are_not_called_alike(workers):
    for i, outcome in enumerate(workers):
        pair = f"orker {1 - i} was called with other arguments than worker {i}"
        assert pair in str(outcome["other images error"])
        assert f"model of worker {1 - i} computes something else" in str(outcome["other model error"])


def test_an_error_of_one_worker_reaches_the_other(workers):
    first, second = workers
    assert str(second["bad images error"]).startswith("ValueError: x has NaN")
    assert str(first["bad images error"]).startswith("RuntimeError: Worker 1 failed: ValueError: x has NaN")
    assert second["callback error"] == "OSError: full disk"
    assert first["callback error"] == "RuntimeError: Worker 1 failed: OSError: full disk"


def test_workers_are_in_step_after_errors(workers, mirrored):
    for outcome in workers:
        check_same(outcome, "after errors", mirrored, "one direct")


def test_a_strategy_that_is_not_supported(linear, x):
    for strategy in ("mirrored", tf.distribute.experimental.CentralStorageStrategy(["CPU:0"])):
        with pytest.raises(TypeError, match=rf"strategy must be None or .*not a {type(strategy).__name__}"):
            ki.minimal_distortion(linear, x, strategy=strategy)


def test_a_strategy_of_one_device(x):
    device = tf.distribute.OneDeviceStrategy("CPU:0")
    found = {}
    Replicas(device).attack(list(x), lambda row: (tf.reduce_sum(row).device, row), found.__setitem__)
    assert sorted(found) == list(range(COUNT))
    for i, (where, row) in found.items():
        assert where.endswith("CPU:0")
        np.testing.assert_array_equal(row, x[i])


def test_the_default_strategy_distributes_nothing(net, net_images, nearest):
    again = ki.minimal_distortion(net, net_images, strategy=tf.distribute.get_strategy())
    np.testing.assert_array_equal(again.adversarial, nearest.adversarial)
