"""Servers on loopback that do whatever a test wants: answer late, lie, trickle, never end."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias

Answer: TypeAlias = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """Serves on 127.0.0.1 what `answer` does with each request, of any method; gives the address.

    `answer` gets the request's handler (`path`, `headers`, `rfile`) and writes to it, by `send` or with its own bytes
    to `wfile`. A client that goes away ends it.
    """

    connections = []

    class Handler(BaseHTTPRequestHandler):
        def setup(self) -> None:
            super().setup()
            connections.append(self.connection)

        def handle_one_request(self) -> None:
            with suppress(OSError):
                super().handle_one_request()

        def log_message(self, *_: object) -> None: ...

        def __getattr__(self, name: str) -> Callable[[], None]:
            if name.startswith("do_"):
                return lambda: answer(self)
            raise AttributeError(name)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads, server.block_on_close = True, False
        thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            for connection in connections:  # or a client would wait on for one that is slow
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


def send(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, length: int | None = None) -> None:
    """Answers with a body; `length` is what to say of its length, if not the truth."""
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    handler.wfile.write(body)


def trickle(handler: BaseHTTPRequestHandler, pause: float = 1.0, chunk: bytes = b" ") -> None:
    """Promises a long body and sends it a chunk at a time, until the client goes away."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000000")
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    stop = threading.Event()
    while not stop.wait(pause):
        handler.wfile.write(chunk)


def endless(handler: BaseHTTPRequestHandler, location: str = "") -> None:
    """Sends a body without a length and without an end, as fast as the client takes it; perhaps a redirection's."""
    handler.send_response(302 if location else 200)
    handler.send_header("Content-Type", "application/json")
    if location:
        handler.send_header("Location", location)
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * 65536)
