"""A listener on the loopback interface that takes one authorization response (RFC 8252 §7.3)."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qsl

from proofkey.errors import LoginFailed
from proofkey.findings import Finding
from proofkey.protocol.text import Pairs

PATH: Final = "/callback"
ADDRESS: Final = "127.0.0.1"
MAX_TARGET: Final = 16_384
"""Characters of a request target; a longer one is no authorization response."""
_PAGE: Final = (
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    "<title>You may close this window</title>"
    "<style>:root{color-scheme:light dark}body{font:1rem/1.6 system-ui,sans-serif;"
    "max-width:30rem;margin:15vh auto;padding:0 1rem}</style>"
    "<h1>You may close this window</h1><p>The answer has reached the terminal.</p></html>"
)


class _Server(ThreadingHTTPServer):
    """Browsers open connections in advance: one that says nothing must not keep the answer waiting."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: who hangs up early is no news, and the terminal belongs to the command."""


class LoopbackListener:
    """Listens on a free port of 127.0.0.1 while it is open, and only then."""

    def __init__(self) -> None:
        self._answers: Queue[Pairs] = Queue(maxsize=1)
        self._server = _Server((ADDRESS, 0), _handler(self._answers))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def redirect_uri(self) -> str:
        """With the port that was free."""
        return f"http://{ADDRESS}:{self._server.server_port}{PATH}"

    def wait(self, timeout: float) -> Pairs:
        """The parameters of the first answer. Raises: LoginFailed after `timeout` seconds without one."""
        try:
            return self._answers.get(timeout=timeout)
        except Empty:
            raise LoginFailed(Finding.LOGIN_EXPIRED, waited=f"{timeout:.0f} s") from None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=2)


def _handler(answers: Queue[Pairs]) -> type[BaseHTTPRequestHandler]:
    first = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        timeout = 5
        server_version = "proofkey"
        sys_version = ""

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if len(self.path) > MAX_TARGET or path != PATH or not first.acquire(blocking=False):
                self.send_error(404)
                return
            try:
                self._say(_PAGE)  # before the answer is passed on: the listener closes then
            finally:
                answers.put(tuple(parse_qsl(query, keep_blank_values=True)))

        def _say(self, page: str) -> None:
            body = page.encode()
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.send_header("cache-control", "no-store")
            self.send_header("referrer-policy", "no-referrer")
            self.send_header(
                "content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
            )
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the request line holds the code."""

    return Handler
