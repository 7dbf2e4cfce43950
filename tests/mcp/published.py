"""A host that publishes one client's document over TLS, on loopback, and counts who asks."""

import json
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.transport.loopback_server import certificate


@dataclass
class Published:
    port: int
    ca_file: Path
    members: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/client.json"


@contextmanager
def publishing(folder: Path, members: dict[str, Any]) -> Generator[Published]:
    """The document says those members and its own address as client_id."""
    ca_file, context = certificate(folder)
    published: list[Published] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            one = published[0]
            one.asked.append(self.path)
            body = json.dumps({"client_id": one.url, **one.members}).encode()
            self.send_response(one.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = _over_tls(server, context)
    published.append(Published(server.server_address[1], ca_file, dict(members)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield published[0]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)


def _over_tls(server: ThreadingHTTPServer, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Each connection shakes hands in its own thread, at its first read."""
    return context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
