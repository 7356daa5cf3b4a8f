"""HTTP requests that end when a mirror keeps them waiting, in whatever way: with an answer, a header, a byte."""

import contextlib
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

_TICKS = 20  # in which a timeout is counted


class Watch:
    """Shuts down the connections of a request that does not come on, which ends every wait for them.

    Time is counted in ticks of its thread, not by a clock: so a process that was suspended has lost one tick at most.

    Args:
        timeout: seconds from one sign that it has come on to the next, without those in which it is `paused`.

    Attributes:
        timeout: the same.
        expired: whether there was none for so long.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout, self.expired = timeout, False
        self._came_on, self._paused = False, False
        self._connections: list[socket.socket] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()
        for connection in self._connections:
            connection.close()

    def extend(self) -> None:
        """The request has come on."""
        self._came_on = True

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Nobody waits for the request."""
        self._paused = True
        yield
        self._paused = False

    def connect(self, *arguments: Any, **keywords: Any) -> socket.socket:
        """`socket.create_connection`, watched from before its first byte: a TLS handshake can be dripped, too."""
        connected = socket.create_connection(*arguments, **keywords)
        self._connections.append(connected.dup())  # since TLS detaches the socket that it wraps
        if self.expired:
            connected.close()
            raise TimeoutError
        return connected

    def _run(self) -> None:
        left = _TICKS
        while left:
            if self._ended.wait(self.timeout / _TICKS):
                return
            if self._came_on:
                self._came_on, left = False, _TICKS
            elif not self._paused:
                left -= 1
        self.expired = True
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def opened(request: urllib.request.Request, watch: Watch) -> Any:
    """The response, once its status and headers are there; as `urllib.request.urlopen`, but watched."""

    class Handler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
        def do_open(self, http_class: Callable, req: urllib.request.Request, **settings: Any) -> Any:
            def connection(*arguments: Any, **keywords: Any) -> Any:
                made = http_class(*arguments, **keywords)
                made._create_connection = watch.connect
                return made

            return super().do_open(connection, req, **settings)

    return urllib.request.build_opener(Handler).open(request, timeout=watch.timeout)
