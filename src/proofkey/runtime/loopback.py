"""A listener on the loopback interface that takes one authorization response (RFC 8252 §7.3)."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Empty, Queue
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qsl, urlsplit

from proofkey.errors import LoginFailed
from proofkey.findings import Finding
from proofkey.protocol.text import Pairs

PATH: Final = "/callback"
ADDRESS: Final = "127.0.0.1"
MAX_TARGET: Final = 16_384
"""Characters of a request target; a longer one is no authorization response."""
_PAGE: Final = (
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    "<title>Signed in</title><style>:root{color-scheme:light dark}body{font:1rem/1.6 system-ui,sans-serif;"
    "max-width:30rem;margin:15vh auto;padding:0 1rem}</style>"
    "<h1>You may close this window</h1><p>The answer has reached the terminal.</p></html>"
)


class LoopbackListener:
    """Listens on a free port of 127.0.0.1 while it is open, and only then."""

    def __init__(self) -> None:
        self._answers: Queue[Pairs] = Queue(maxsize=1)
        self._server = HTTPServer((ADDRESS, 0), _handler(self._answers))
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
    class Handler(BaseHTTPRequestHandler):
        timeout = 5
        server_version = "proofkey"
        sys_version = ""

        def do_GET(self) -> None:
            target = urlsplit(self.path) if len(self.path) <= MAX_TARGET else None
            if target is None or target.path != PATH or answers.full():
                self.send_error(404)
                return
            self._say(_PAGE)
            answers.put(tuple(parse_qsl(target.query, keep_blank_values=True)))

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
