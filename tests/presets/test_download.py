"""Presets from a real HTTP server that serves a zoo folder, well or badly."""

import contextlib
import errno
import io
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from zoo_server import LASTING, PASSING, STALLING, Handler, Server, missing, truncated

import keras_intriguing as ki
from keras_intriguing import files, presets
from keras_intriguing.presets import download, registry

SOURCE = "fc10_mnist_decay1"
PRESET = "fc10_mnist_decay1_seed1"
TRIES = 3


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zoo with a preset which the package knows, but which did not come with it; and an empty cache."""
    zoo, package = tmp_path / "zoo", tmp_path / "package"
    shutil.copytree(registry.ZOO / SOURCE, zoo / PRESET)
    files.write_json(package / "registry.json", registry.build(zoo))
    monkeypatch.setattr(registry, "ZOO", package)
    monkeypatch.setattr(download, "PAUSES", (0.0,) * (TRIES - 1))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv(download.MIRROR, raising=False)
    monkeypatch.chdir(tmp_path)
    return zoo


@pytest.fixture
def server(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server(zoo) as server:
        monkeypatch.setenv(download.MIRROR, server.address)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.ended.set()
        server.shutdown()
        thread.join()


@pytest.fixture(params=PASSING, ids=lambda fault: fault.__name__)
def passing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Handler], None]:
    if request.param in STALLING:
        monkeypatch.setattr(download, "TIMEOUT", 0.3)
    return request.param


def cached() -> list[str]:
    return sorted(str(p.relative_to(download.cache())) for p in download.cache().rglob("*"))


WHOLE = sorted([PRESET, *(f"{PRESET}/{name}" for name in registry.FILES)])


def test_a_preset_is_fetched_once_and_loaded(server: Server, zoo: Path, digits):
    x, _ = digits
    for _ in range(2):
        model = ki.from_preset(PRESET)
    assert np.array_equal(model(x), ki.from_preset(zoo / PRESET)(x))
    assert cached() == WHOLE
    assert sorted(server.asked) == sorted(registry.FILES)
    assert presets.load_metrics(PRESET) == presets.load_metrics(zoo / PRESET)


def test_a_mirror_may_end_with_a_slash(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(download.MIRROR, server.address + "/")
    assert registry.fault(PRESET, download.obtain(PRESET)) is None


def test_progress_is_told_in_bytes_of_the_whole_preset(server: Server):
    server.faults = {"model.weights.h5": [truncated]}
    told: list[tuple[int, int]] = []
    folder = download.obtain(PRESET, lambda done, total: told.append((done, total)))
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert {total for _, total in told} == {size}
    assert told[-1] == (size, size)
    assert max(told) == (size, size)


def test_what_may_pass_is_tried_again(server: Server, passing):
    server.faults = {"model.weights.h5": [passing] * (TRIES - 1)}
    assert download.obtain(PRESET) == download.cache() / PRESET
    assert server.asked.count("model.weights.h5") == TRIES
    assert cached() == WHOLE


def test_what_does_not_pass_is_given_up_and_leaves_nothing(server: Server, passing):
    server.faults = {"model.weights.h5": [passing] * (TRIES + 1)}
    message = rf"{server.address}: {PRESET}/model\.weights\.h5: .*({PASSING[passing]}).*\(last of 3 tries\)"
    with pytest.raises(FileNotFoundError, match=message):
        download.obtain(PRESET)
    assert server.asked.count("model.weights.h5") == TRIES
    assert cached() == []


@pytest.mark.parametrize("fault", LASTING, ids=lambda fault: fault.__name__)
def test_what_lasts_is_not_tried_again_and_leaves_nothing(server: Server, fault):
    server.faults = {"model.weights.h5": [fault] * (TRIES + 1)}
    with pytest.raises(FileNotFoundError, match=rf"model\.weights\.h5: {LASTING[fault]}"):
        download.obtain(PRESET)
    assert server.asked.count("model.weights.h5") == 1
    assert cached() == []


def test_the_error_lists_what_was_tried_and_what_to_do(server: Server, monkeypatch: pytest.MonkeyPatch):
    release = f"{server.address}/elsewhere"
    monkeypatch.setattr(registry, "RELEASE", release)
    server.faults = {"README.md": [missing]}
    with pytest.raises(FileNotFoundError) as caught:
        download.obtain(PRESET)
    by_hand = download.cache() / PRESET
    assert str(caught.value).splitlines() == [
        f"The preset {PRESET!r} cannot be had. Tried:",
        f"  {registry.ZOO / PRESET}: not there",
        f"  {by_hand}: not there",
        f"  {server.address}: {PRESET}/README.md: HTTP 404 Not Found",
        f"  {release}: {PRESET}/config.json: HTTP 404 File not found",
        "Set KERAS_INTRIGUING_ZOO to a copy of the project's zoo folder or to an address that serves it (http, "
        f"https), or put the preset's files by hand into {by_hand}: {', '.join(registry.FILES)}.",
    ]


def test_without_any_mirror_the_error_says_so(zoo: Path):
    expected = "no mirror: KERAS_INTRIGUING_ZOO is not set, and this version has no release address"
    with pytest.raises(FileNotFoundError, match=expected):
        ki.from_preset(PRESET)


def test_files_put_by_hand_are_used(zoo: Path):
    shutil.copytree(zoo / PRESET, download.cache() / PRESET)
    assert presets.find(PRESET) == download.cache() / PRESET


def test_the_next_mirror_is_asked_when_one_fails(server: Server, monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as unused:  # bound but not listening
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv(download.MIRROR, f"http://127.0.0.1:{unused.getsockname()[1]}")
        monkeypatch.setattr(registry, "RELEASE", server.address)
        assert download.obtain(PRESET) == download.cache() / PRESET


def test_a_slow_but_steady_mirror_is_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.3)

    def slow(handler: Handler) -> None:
        content = handler.content()
        handler.start(len(content))
        for first in range(0, len(content), 4096):
            handler.server.ended.wait(0.06)
            handler.wfile.write(content[first : first + 4096])

    server.faults = {"model.weights.h5": [slow]}
    started = time.monotonic()
    download.obtain(PRESET)
    assert time.monotonic() - started > 2 * download.TIMEOUT
    assert server.asked.count("model.weights.h5") == 1


def test_the_time_of_who_is_told_does_not_count(server: Server, monkeypatch: pytest.MonkeyPatch):
    """Neither while the file comes nor when it is there."""
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    monkeypatch.setattr(download, "_CHUNK", 20_000)

    def whole_without_length(handler: Handler) -> None:
        handler.start(None)
        handler.wfile.write(handler.content())

    server.faults = {"model.weights.h5": [whole_without_length]}
    told = []

    def slow(done: int, total: int) -> None:
        told.append(done)
        if len(told) in (2, 4):  # the first and the last chunk of the weights
            time.sleep(0.3)

    assert registry.fault(PRESET, download.obtain(PRESET, slow)) is None
    assert told == sorted(set(told))
    assert server.asked.count("model.weights.h5") == 1


def test_a_whole_file_is_none_that_waits_for_its_end(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(download, "TIMEOUT", 5.0)

    def never_ending(handler: Handler) -> None:
        handler.start(None)
        handler.wfile.write(handler.content())
        handler.server.ended.wait()

    server.faults = {"model.weights.h5": [never_ending]}
    started = time.monotonic()
    assert registry.fault(PRESET, download.obtain(PRESET)) is None
    assert time.monotonic() - started < download.TIMEOUT
    assert server.asked.count("model.weights.h5") == 1


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs signals that suspend")
def test_the_time_of_a_suspended_process_does_not_count(server: Server):
    timeout, started = 0.5, threading.Event()

    def suspending(handler: Handler) -> None:
        content = handler.content()
        handler.start(len(content))
        handler.wfile.write(content[:30_000])
        started.wait(60)
        time.sleep(0.1)  # so that it waits for the rest
        process.send_signal(signal.SIGSTOP)
        time.sleep(2 * timeout)
        handler.wfile.write(content[30_000:])
        process.send_signal(signal.SIGCONT)

    server.faults = {"model.weights.h5": [suspending]}
    code = FETCH.replace("print(", f"download.TIMEOUT = {timeout}; download.PAUSES = ()\nprint(")
    command = [sys.executable, "-c", code, str(registry.ZOO), PRESET]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    started.set()
    printed = process.communicate(timeout=60)[0].strip()
    assert (process.returncode, printed) == (0, str(download.cache() / PRESET))
    assert server.asked.count("model.weights.h5") == 1


def test_a_dripped_handshake_ends_in_time(zoo: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.3)

    class Dripping(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(bytes([22, 3, 3, 64, 0]))  # a record of TLS with 16,384 bytes
            with contextlib.suppress(OSError):
                while True:
                    self.request.sendall(b"\0")
                    time.sleep(0.02)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Dripping) as dripping:
        monkeypatch.setenv(download.MIRROR, f"https://127.0.0.1:{dripping.server_address[1]}")
        thread = threading.Thread(target=dripping.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with pytest.raises(FileNotFoundError, match=r"config\.json: timed out: .*last of 3 tries"):
            download.obtain(PRESET)
        dripping.shutdown()
        thread.join()


@pytest.mark.parametrize("address", ["http://", "http://[", "http://127.0.0.1:port", "nowhere", "ftp://a/b"])
def test_a_mirror_that_is_none_is_named(zoo: Path, monkeypatch: pytest.MonkeyPatch, address: str):
    monkeypatch.setenv(download.MIRROR, address)
    with pytest.raises(FileNotFoundError) as caught:
        download.obtain(PRESET)
    assert f"\n  {address}: " in str(caught.value)


def damage(folder: Path) -> None:
    (folder / "model.weights.h5").write_bytes(b"damaged")
    (folder / "README.md").unlink()


def test_a_damaged_cached_preset_is_fetched_again(server: Server):
    folder = download.obtain(PRESET)
    damage(folder)
    assert download.obtain(PRESET) == folder
    assert cached() == WHOLE
    assert registry.fault(PRESET, folder) is None


def test_a_damaged_cached_preset_is_never_used(zoo: Path):
    shutil.copytree(zoo / PRESET, download.cache() / PRESET)
    damage(download.cache() / PRESET)
    with pytest.raises(FileNotFoundError, match=r"model\.weights\.h5 has 7 bytes instead of 46,272"):
        ki.from_preset(PRESET)


def test_what_killed_fetches_left_is_removed_a_day_later(server: Server):
    old, fresh = download.cache() / ".tmp-old", download.cache() / ".tmp-fresh"
    for left in (old, fresh):
        (left / PRESET).mkdir(parents=True)
    os.utime(old, (0, 0))
    download.obtain(PRESET)
    assert not old.exists()
    assert fresh.exists()


def test_interrupting_leaves_nothing(server: Server):
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download.obtain(PRESET, interrupt)
    assert cached() == []


@pytest.mark.parametrize("name", ["../secret", "..", ".", "/etc", "", f"{PRESET}/../{PRESET}"])
def test_a_name_that_is_not_registered_is_neither_looked_for_nor_asked_for(server: Server, name: str):
    with pytest.raises(ValueError, match="Unknown preset"):
        download.obtain(name)
    assert server.asked == []


# Local mirrors, and caches that cannot be written


def test_a_local_mirror_is_read_in_place(zoo: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(zoo.parent)
    for place in (str(zoo), "zoo"):
        monkeypatch.setenv(download.MIRROR, place)
        assert download.obtain(PRESET) == zoo / PRESET
    assert not download.cache().exists()


def test_a_damaged_local_mirror_is_refused(zoo: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(download.MIRROR, str(zoo))
    damage(zoo / PRESET)
    with pytest.raises(FileNotFoundError, match=rf"{zoo}: {PRESET}: model\.weights\.h5 has 7 bytes"):
        download.obtain(PRESET)


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder can be made, as on a read-only file system; permissions would not stop root."""

    def refuse(path: object, mode: int = 0o777) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(os, "mkdir", refuse)


def test_a_cache_that_can_only_be_read_works(server: Server, request: pytest.FixtureRequest):
    folder = download.obtain(PRESET)
    server.asked.clear()
    for path in (*folder.iterdir(), folder, folder.parent):
        path.chmod(0o555)
    request.getfixturevalue("read_only")
    assert isinstance(ki.from_preset(PRESET), ki.models.FC10)
    assert server.asked == []
    folder.parent.chmod(0o755)


def test_a_cache_that_cannot_be_written_is_named_before_anything_is_fetched(server: Server, read_only):
    ways = "or set KERAS_HOME to another folder, or KERAS_INTRIGUING_ZOO to a local copy"
    message = rf"Cannot write {download.cache() / PRESET} in the cache: .*Read-only file system.*{ways}"
    with pytest.raises(OSError, match=message):
        ki.from_preset(PRESET)
    assert server.asked == []


def test_a_file_in_the_place_of_the_cache_is_named(server: Server, tmp_path: Path):
    (tmp_path / "keras").touch()
    with pytest.raises(OSError, match=rf"Cannot write {download.cache() / PRESET} in the cache"):
        download.obtain(PRESET)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_named_and_leaves_nothing(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(download, "open", lambda path, mode: io.FileIO("/dev/full", mode), raising=False)
    with pytest.raises(OSError, match=r"Cannot write .*in the cache: .*No space left on device"):
        download.obtain(PRESET)
    assert cached() == []


@pytest.mark.filterwarnings("ignore:Skipping nested container")  # Keras', before its error
def test_weights_that_do_not_fit_their_architecture_are_an_error(server: Server, zoo: Path):
    presets.save_to_preset(ki.models.FC100_100_10(), zoo / "other", {}, "")
    shutil.copy(zoo / "other" / "config.json", zoo / PRESET / "config.json")
    shutil.rmtree(zoo / "other")
    files.write_json(registry.ZOO / "registry.json", registry.build(zoo))
    with pytest.raises(ValueError, match=rf"{PRESET}/model\.weights\.h5 does not fit FC100_100_10"):
        ki.from_preset(PRESET)


# Several processes


FETCH = """
import sys
from pathlib import Path
from keras_intriguing.presets import download, registry
registry.ZOO = Path(sys.argv[1])
print(download.obtain(sys.argv[2]))
assert not {"keras", "tensorflow", "numpy"} & set(sys.modules)
"""


@pytest.mark.parametrize("before", ["nothing", "a damaged one"])
def test_two_processes_fetch_the_same_preset_at_once(server: Server, before: str):
    if before == "a damaged one":
        damage(download.obtain(PRESET))
        server.asked.clear()
    both_are_there = threading.Barrier(2)

    def together(handler: Handler) -> None:
        both_are_there.wait(60)
        handler.serve()

    server.faults = {"config.json": [together, together], "README.md": [together, together]}
    command = [sys.executable, "-c", FETCH, str(registry.ZOO), PRESET]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert printed == [str(download.cache() / PRESET)] * 2
    assert server.asked.count("model.weights.h5") == 2
    assert cached() == WHOLE
    assert registry.fault(PRESET, download.cache() / PRESET) is None


def test_who_comes_second_uses_what_the_first_one_fetched(server: Server, zoo: Path):
    folder = download.cache() / PRESET

    def another_is_faster(done: int, total: int) -> None:
        if not folder.exists():
            shutil.copytree(zoo / PRESET, folder)
            firsts.append((folder / "model.weights.h5").stat().st_ino)

    firsts: list[int] = []
    assert download.obtain(PRESET, another_is_faster) == folder
    assert firsts == [(folder / "model.weights.h5").stat().st_ino]
    assert cached() == WHOLE
