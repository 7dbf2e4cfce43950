"""Clients' back-channel logout addresses: a TLS server on loopback that a test makes deaf, slow or refusing."""

import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from proofkey.protocol.text import Secret
from tests.end_to_end.provider_kit import claims_of


@dataclass
class Receivers:
    """What came, in order: (path, logout token). Each path belongs to one client."""

    port: int = 0
    came: list[tuple[str, str]] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    """The paths that were asked, also those that have no answer yet."""
    status: dict[str, int] = field(default_factory=dict)
    silent: dict[str, threading.Event] = field(default_factory=dict)
    """Paths that do not answer before their event."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def told(self, path: str) -> list[dict[str, Any]]:
        """The claims of the tokens that were answered there."""
        with self._lock:
            return [claims_of(Secret(token)) for at, token in self.came if at == path]

    def asked(self, path: str) -> int:
        with self._lock:
            return self.begun.count(path)

    def answer(self, path: str, token: str) -> int:
        with self._lock:
            self.begun.append(path)
        if path in self.silent:
            self.silent[path].wait(60)
        with self._lock:
            self.came.append((path, token))
        return self.status.get(path, 200)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Who hangs up, as a worker that is killed does, is no matter of the receiver's."""


@contextmanager
def receiving(receivers: Receivers, context: ssl.SSLContext, port: int) -> Generator[None]:
    """They listen on that port until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode(), strict_parsing=True)
            assert self.headers["content-type"] == "application/x-www-form-urlencoded"
            assert set(form) == {"logout_token"}
            status = receivers.answer(self.path, form["logout_token"][0])
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = Server(("127.0.0.1", port), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    receivers.port = port
    try:
        yield
    finally:
        for event in receivers.silent.values():
            event.set()
        server.shutdown()
        server.server_close()
        thread.join()
