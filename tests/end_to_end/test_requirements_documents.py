"""requirements.md §1.10 from outside: clients that describe themselves in a document behind TLS on loopback."""

import json
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest

from proofkey.runtime.clock import CLOCK_FILE
from proofkey.testing.headless import read_page
from proofkey.testing.relying_party import RelyingParty
from proofkey.testing.server import free_port, running_server, write_server_config
from proofkey.testing.toml import toml_document
from tests.end_to_end.provider_kit import (
    API,
    CALLBACK,
    PEOPLE,
    Provider,
    check_log,
    is_refused_without_location,
    page_of,
    sent_back,
    server_settings,
)
from tests.transport.loopback_server import certificate

pytestmark = [pytest.mark.timeout(180)]

DAY = 24 * 3600


@dataclass
class Web:
    """Answers by path: status, body and Cache-Control; `asked` are the paths that came."""

    port: int
    answers: dict[str, tuple[int, bytes, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"https://127.0.0.1:{self.port}{path}"

    def put(self, path: str, *, status: int = 200, cache: str = "max-age=600", **changes: Any) -> str:
        """A client's document there; gives its URL."""
        document = {"client_id": self.url(path), "client_name": "App", "redirect_uris": [CALLBACK], **changes}
        self.answers[path] = (status, json.dumps(document).encode(), cache)
        return self.url(path)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Who hangs up early is no matter of the document's."""


@contextmanager
def publishing(web: Web, context: ssl.SSLContext) -> Generator[None]:
    """They can be had until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.asked.append(self.path)
            status, body, cache = web.answers.get(self.path, (404, b"{}", "no-store"))
            self.send_response(status)
            fields = {"content-type": "application/json", "cache-control": cache, "location": "/moved.json"}
            for name, value in {**fields, "content-length": str(len(body))}.items():
                if name != "location" or status == 302:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = Server(("127.0.0.1", web.port), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def op(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Provider, Web]]:
    """A server with two workers that may ask the documents' host, and the documents; its clock is turned."""
    folder, port = tmp_path_factory.mktemp("cimd"), free_port()
    _, context = certificate(folder)
    web = Web(free_port())
    issuer, clock = f"http://127.0.0.1:{port}", folder / "clock"
    clock.write_text("0")
    people = {"ann": PEOPLE["ann"]}
    documents = {"scope": "openid orders:read"}
    settings = server_settings(issuer, people, clients=[], features=["par", "cimd"], cimd=documents)
    config = write_server_config(folder, settings)
    outgoing = {"ca_file": "ca.pem", "allow_insecure_private_hosts": [f"127.0.0.1:{web.port}"]}
    with config.open("a") as file:
        file.write(toml_document({"outgoing": outgoing}))
    with (
        publishing(web, context),
        running_server(config, port=port, environ={CLOCK_FILE: str(clock)}) as server,
    ):
        provider = Provider(server, issuer, config, clock)
        provider.seen.update(people.values())
        try:
            yield provider, web
        finally:
            provider.close()
    check_log(provider)


def party(op: Provider, client_id: str, **options: Any) -> RelyingParty:
    sent = {"redirect_uri": CALLBACK, "scope": "openid orders:read", "resource": API, "http": op.http(), **options}
    return RelyingParty(op.issuer, client_id, **sent)


def begin(op: Provider, client_id: str, **changes: str) -> httpx2.Response:
    return op.ask("GET", party(op, client_id).start(**changes).url)


def consent_page(op: Provider, client: httpx2.Client, client_id: str) -> str:
    """What a person is shown who has signed in with this client's request."""
    place = client.get(party(op, client_id).start().url).headers["location"]
    form = {"username": "ann", "password": PEOPLE["ann"]}
    same = {"sec-fetch-site": "same-origin"}
    if page_of(client.get(place)) == "login":
        assert client.post(place, data=form, headers=same).status_code == 303
    return client.get(place).text


@pytest.mark.spec("MCP26-reg", "CIMD-4-a")
def test_a_client_that_was_never_seen_signs_people_in_and_the_server_says_so(op: tuple[Provider, Web]) -> None:
    provider, web = op
    document = provider.ask("GET", "/.well-known/openid-configuration").json()
    assert document["client_id_metadata_document_supported"] is True
    rp = party(provider, web.put("/new.json", token_endpoint_auth_method="none"))
    tokens = rp.sign_in(provider.stranger())
    assert rp.userinfo(tokens.access_token).json()["sub"] == "sub-of-ann"


@pytest.mark.spec("CIMD-3-a")
@pytest.mark.parametrize(
    "path",
    ["", "/a/../client.json", "/./client.json", "/%2e%2e/client.json", "/client.json#x", "/client.json?", "\\"],
)
def test_a_url_that_hides_something_is_shown_on_a_page_and_never_asked(
    op: tuple[Provider, Web], path: str
) -> None:
    provider, web = op
    web.put("/client.json")
    web.asked.clear()
    for client_id in (web.url(path), web.url("/client.json").replace("https:", "http:")):
        assert is_refused_without_location(begin(provider, client_id))
    assert is_refused_without_location(begin(provider, web.url("/client.json").replace("//", "//ann@")))
    assert web.asked == []


@pytest.mark.spec("CIMD-4-a")
@pytest.mark.parametrize(
    "answer",
    [
        {"status": 302},
        {"status": 201},
        {"status": 404},
        {"client_id": "https://other.test/client.json"},
        {"client_secret": "a secret that everybody can read"},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"padding": "x" * 6000},
    ],
    ids=lambda one: next(iter(one)) + str(next(iter(one.values())))[:5],
)
def test_a_document_that_is_not_the_clients_is_refused(op: tuple[Provider, Web], answer: dict[str, Any]) -> None:
    provider, web = op
    web.put("/moved.json")
    web.asked.clear()
    refused = begin(provider, web.put(f"/odd-{id(answer)}.json", **answer))
    assert refused.status_code in (400, 503)
    assert "location" not in refused.headers
    assert "/moved.json" not in web.asked


@pytest.mark.spec("CIMD-4.4-a")
def test_no_failure_is_kept_and_what_is_kept_is_bounded(op: tuple[Provider, Web]) -> None:
    provider, web = op
    client_id = web.url("/late.json")
    for status in (500, 404):
        web.put("/late.json", status=status)
        refused = begin(provider, client_id)
        assert refused.status_code in (400, 503)
        assert "location" not in refused.headers
    web.put("/late.json", cache="max-age=31536000")
    assert begin(provider, client_id).status_code == 303
    web.answers.pop("/late.json")
    assert begin(provider, client_id).status_code == 303
    provider.turn(DAY + 1)
    assert begin(provider, client_id).status_code != 303


@pytest.mark.spec("CIMD-6.3-c", "CIMD-6.4-b", "O21-7.9-a")
def test_a_person_sees_whom_nobody_vouches_for_and_is_asked_again_after_a_change(op: tuple[Provider, Web]) -> None:
    provider, web = op
    client_id = web.put("/change.json", logo_uri=web.url("/logo.png"), cache="max-age=300")
    client = provider.http()
    web.asked.clear()
    page = consent_page(provider, client, client_id)
    assert read_page(page)[0] == "consent"
    assert f"127.0.0.1:{web.port}" in page
    assert "logo.png" not in page
    assert "/logo.png" not in web.asked
    web.put("/change.json", client_name="Another", cache="max-age=300")
    provider.turn(DAY + 1)
    page = consent_page(provider, client, client_id)
    assert read_page(page)[0] == "consent"
    assert "Another" in page


@pytest.mark.spec("O21-7.9-a", "9700-4.11.2-b")
def test_such_a_client_has_what_the_operator_says_and_is_no_way_out(op: tuple[Provider, Web]) -> None:
    provider, web = op
    client_id = web.put("/greedy.json", scope="openid orders:read orders:write")
    rp = party(provider, client_id, scope="openid orders:read orders:write")
    tokens = rp.sign_in(provider.stranger())
    assert tokens.scope == ("openid", "orders:read")
    assert is_refused_without_location(begin(provider, client_id, scope="orders:write"))
    signed_in = provider.person().browser.client
    consent_page(provider, signed_in, client_id)
    refused = signed_in.get(party(provider, client_id).start(scope="orders:write").url)
    assert sent_back(refused)["error"] == "invalid_scope"
