"""A real issuer on loopback, which signs the corpus: for an API that fetches its keys itself.

```python
with CorpusIssuer(audience="https://api.example.com") as issuer:
    ...  # the API trusts issuer.url, or takes its keys from issuer.jwks_uri
    report = check_api("http://127.0.0.1:8000", "/orders", corpus_of(maker_of(issuer, scope="orders:read")))
```
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final, Self
from urllib.parse import urlsplit

from proofkey.protocol.jose import SigningAlgorithm
from proofkey.protocol.metadata import well_known_paths
from proofkey.runtime.clock import Clock
from proofkey.testing.issuer import AUDIENCE, LocalIssuer
from proofkey.testing.personas import RFC9068, Persona

_POLL: Final = 0.05
"""Seconds until the server sees that it shall end."""


class CorpusIssuer(LocalIssuer):
    """A `LocalIssuer` behind a real HTTP server: discovery, and the key set at `jwks_uri`.

    With `dialect` or `url` the tokens name that issuer, and the API must be told where the keys are: by
    `jwks_uri`, or by the document itself (`jwks`). Without them the issuer is the server's own address.
    Real time, unless there is a `clock`; keys for RS256, which every library takes.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        dialect: str | Persona = RFC9068,
        audience: str = AUDIENCE,
        algorithm: SigningAlgorithm = "RS256",
        port: int = 0,
        clock: Clock | None = None,
    ) -> None:
        """Listens at once, and answers from `start` on, or inside `with`.

        Raises: OSError when the port is taken; ConfigurationError when there is no persona of that name.
        """
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler_of(self))
        self.address: Final = f"http://127.0.0.1:{self._server.server_address[1]}"
        own = self.address if dialect is RFC9068 else None
        try:
            super().__init__(url or own, dialect=dialect, audience=audience, algorithm=algorithm, clock=clock)
        except Exception:
            self._server.server_close()
            raise
        self._thread: Thread | None = None

    @property
    def jwks_uri(self) -> str:
        """Where the key set is, whatever the issuer's name."""
        return f"{self.address}/jwks"

    @property
    def metadata(self) -> dict[str, Any]:
        """As `LocalIssuer`, with the addresses of this server."""
        known = super().metadata
        ends = {name for name in known if name.endswith("_endpoint")}
        here = {name: f"{self.address}/{name.removesuffix('_endpoint')}" for name in ends}
        return known | here | {"jwks_uri": self.jwks_uri}

    def start(self) -> None:
        """Answers in a thread of its own."""
        self._thread = Thread(target=self._server.serve_forever, args=(_POLL,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the server and frees the port."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def document(self, path: str) -> dict[str, Any] | None:
        """What is answered at that path; None: nothing."""
        if path == "/jwks":
            return self.jwks
        known = {*well_known_paths(""), *well_known_paths(urlsplit(self.url).path)}
        return self.metadata if path in known else None


def _handler_of(issuer: CorpusIssuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = issuer.document(self.path.partition("?")[0])
            body = json.dumps(document or {"error": "not_found"}).encode()
            self.send_response(404 if document is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    return Handler
