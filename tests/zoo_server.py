"""A real HTTP server that serves a zoo folder, and misbehaves file by file as it is told."""

import socket
import struct
import threading
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(SimpleHTTPRequestHandler):
    """Serves the folder, but misbehaves where it is told to."""

    def do_GET(self) -> None:
        name = Path(self.path).name
        self.server.asked.append(name)
        faults = self.server.faults.get(name)
        (faults.pop(0) if faults else Handler.serve)(self)

    def serve(self) -> None:
        super().do_GET()

    def content(self) -> bytes:
        return Path(self.translate_path(self.path)).read_bytes()

    def start(self, length: int | None) -> None:
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self.faults: dict[str, list[Callable[[Handler], None]]] = {}
        self.ended = threading.Event()
        super().__init__(("127.0.0.1", 0), lambda *args: Handler(*args, directory=str(folder)))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


def truncated(handler: Handler) -> None:
    content = handler.content()
    handler.start(len(content))
    handler.wfile.write(content[: len(content) // 2])


def dropped(handler: Handler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def reset(handler: Handler) -> None:
    truncated(handler)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def broken_chunks(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"ff\r\nnot so many")


def failing(handler: Handler) -> None:
    handler.send_error(500)


def stalled(handler: Handler) -> None:
    handler.server.ended.wait()


def stalled_midway(handler: Handler) -> None:
    truncated(handler)
    handler.server.ended.wait()


def dripping(handler: Handler) -> None:
    handler.start(len(handler.content()))
    for byte in handler.content():
        if handler.server.ended.wait(0.01):
            break
        handler.wfile.write(bytes([byte]))


def dripping_headers(handler: Handler) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + bytes([120]) * 10_000:
        if handler.server.ended.wait(0.01):
            break
        handler.wfile.write(bytes([byte]))


def dripping_chunk_size(handler: Handler) -> None:
    """The length of a chunk, with zeros before it that never end, after more than enough bytes for a good average."""
    content = handler.content()[:-1]
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"%x\r\n%b\r\n" % (len(content), content))
    while not handler.server.ended.wait(0.05):
        handler.wfile.write(b"0")


def continuing(handler: Handler) -> None:
    while not handler.server.ended.wait(0.01):
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def short_error_page(handler: Handler) -> None:
    handler.start(None)
    handler.wfile.write(b"<html>Out of order")


def missing(handler: Handler) -> None:
    handler.send_error(404)


def error_page(handler: Handler) -> None:
    page = b"<html>Out of order</html>"
    handler.start(len(page))
    handler.wfile.write(page)


def altered(handler: Handler) -> None:
    content = bytearray(handler.content())
    content[len(content) // 2] ^= 1
    handler.start(len(content))
    handler.wfile.write(content)


def endless(handler: Handler) -> None:
    handler.start(None)
    while not handler.server.ended.is_set():
        handler.wfile.write(bytes(1 << 16))


# What may pass when it is tried again, and how the error tells of it if it does not.
PASSING = {
    truncated: "ended after 23,136 of 46,272 bytes|IncompleteRead",
    dropped: "closed connection without response|reset by peer",
    reset: "reset by peer|ended after",
    broken_chunks: "IncompleteRead",
    failing: "HTTP 500 Internal Server Error",
    stalled: "timed out",
    stalled_midway: "timed out",
    dripping: "timed out: .*less than 1024 bytes a second",
    dripping_chunk_size: "timed out: .*less than 1024 bytes a second",
    dripping_headers: "timed out: no whole answer",
    continuing: "timed out: no whole answer",
    short_error_page: "ended after 18 of 46,272 bytes",
}
STALLING = (stalled, stalled_midway, dripping, dripping_chunk_size, dripping_headers, continuing)

# What will not pass.
LASTING = {
    missing: "HTTP 404",
    error_page: "has 25 bytes instead of 46,272; it is an error page or another file",
    altered: r"has SHA-256 \w{64} instead of \w{64}",
    endless: "sends more than the registered 46,272 bytes",
}
