"""openid-client (npm) at our server: pushed and signed requests, answers by a form and signed."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from proofkey.protocol.jose import generate_signing_key
from proofkey.protocol.text import Secret
from proofkey.testing.headless import HeadlessBrowser, read_page
from proofkey.testing.server import free_port, running_server, write_server_config
from tests.interop.peer import Peer, PeerRefused, running_peer

pytestmark = pytest.mark.interop

CALLBACK = "https://rp.test/callback"
SECRET = "Jq4v1Zt7Lr0Xc8Mw5Hd2Np9Sk6Fb3GyTaEuIoRiVhWn"
PASSWORD = "brave otter, quiet river"
KEY = generate_signing_key("ES256", "key-1")
CLIENTS: dict[str, dict[str, Any]] = {
    "pushes": {"require_pushed_authorization_requests": True},
    "signs": {"jwks": {"keys": [KEY.public_jwk]}, "require_signed_request_object": True},
    "posts": {"response_modes": ["form_post"]},
    "jarm": {"response_modes": ["jwt"], "authorization_signed_response_alg": "ES256"},
    "public": {"client_secret": None},
}


def registration(client_id: str, changes: dict[str, Any]) -> dict[str, Any]:
    members = {
        "client_id": client_id,
        "client_secret": SECRET,
        "redirect_uris": [CALLBACK],
        "scope": "openid email",
        "token_endpoint_auth_method": "none" if client_id == "public" else "client_secret_basic",
    }
    return {name: value for name, value in (members | changes).items() if value is not None}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    port = free_port()
    server = {
        "issuer": f"http://127.0.0.1:{port}",
        "features": ["par", "jar", "jarm"],
        "clients": [registration(name, changes) for name, changes in CLIENTS.items()],
        "users": [{"username": "ann", "password": PASSWORD, "sub": "u1"}],
    }
    config = write_server_config(tmp_path_factory.mktemp("server"), server)
    with running_server(config, port=port, workers=2) as running:
        yield running.public_url


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Generator[Peer]:
    with running_peer("relying_party.mjs", tmp_path_factory.mktemp("peer") / "requests.log") as running:
        yield running


@dataclass(frozen=True)
class Party:
    """One client, played by openid-client, with a browser of its own person."""

    name: str
    peer: Peer
    http: httpx2.Client
    metadata: dict[str, Any]

    def ask(self, command: str, **arguments: Any) -> Any:
        return self.peer.ask({"command": command, "party": self.name, **arguments})

    def begin(self, command: str, **arguments: Any) -> dict[str, Any]:
        parameters = {"redirect_uri": CALLBACK, "scope": "openid email", **arguments.pop("parameters", {})}
        begun: dict[str, Any] = self.ask(command, parameters=parameters, **arguments)
        return begun

    def walk(self, url: str) -> str:
        browser = HeadlessBrowser(self.http)
        return browser.authorize(url, redirect_uri=CALLBACK, username="ann", password=Secret(PASSWORD))

    def sign_in(self, command: str, **arguments: Any) -> dict[str, Any]:
        begun = self.begin(command, **arguments)
        tokens: dict[str, Any] = self.ask("finish", url=self.walk(begun["url"]), checks=begun["checks"])
        return tokens


@pytest.fixture
def parties(issuer: str, peer: Peer) -> Generator[dict[str, Party]]:
    with httpx2.Client(timeout=10, follow_redirects=False, trust_env=False) as http:
        found: dict[str, Party] = {}
        for name in CLIENTS:
            method, secret = ("none", None) if name == "public" else ("client_secret_basic", SECRET)
            asked = {"party": name, "issuer": issuer, "client_id": name, "method": method, "secret": secret}
            algorithms = {
                "id_token_signed_response_alg": "ES256",
                "authorization_signed_response_alg": "ES256",
            }
            metadata = peer.ask({"command": "discover", **asked, **algorithms})
            found[name] = Party(name, peer, http, metadata)
        yield found


@pytest.mark.spec("9126-2.2-a", "9126-2.1-a")
@pytest.mark.parametrize("name", ["pushes", "public"])
def test_a_pushed_request(parties: dict[str, Party], name: str) -> None:
    begun = parties[name].begin("begin_pushed")
    assert parse_qs(urlsplit(begun["url"]).query).keys() == {"client_id", "request_uri"}
    back = parties[name].walk(begun["url"])
    tokens = parties[name].ask("finish", url=back, checks=begun["checks"])
    assert tokens["claims"]["sub"] == "u1"
    answer = parties[name].http.get(begun["url"])
    assert (answer.status_code, read_page(answer.text)[0]) == (400, "error"), "it is used up"


@pytest.mark.spec("9126-2.1-a")
def test_what_may_not_be_pushed_is_told_at_once(parties: dict[str, Party]) -> None:
    with pytest.raises(PeerRefused) as refused:
        parties["pushes"].begin("begin_pushed", parameters={"redirect_uri": "https://evil.test/"})
    assert (refused.value.told["error"], refused.value.told["status"]) == ("invalid_request", 400)


@pytest.mark.spec("9126-5-a")
def test_a_plain_request_of_a_client_that_pushes_is_refused(parties: dict[str, Party]) -> None:
    begun = parties["pushes"].begin("begin")
    back = parties["pushes"].walk(begun["url"])
    assert parse_qs(urlsplit(back).query)["error"] == ["invalid_request"]


@pytest.mark.spec("9101-10.2-a")
@pytest.mark.parametrize("pushed", [False, True], ids=["by value", "pushed"])
def test_a_signed_request(parties: dict[str, Party], pushed: bool) -> None:
    tokens = parties["signs"].sign_in("begin_signed", jwk=KEY.private_jwk, pushed=pushed)
    assert tokens["claims"]["sub"] == "u1"


@pytest.mark.spec("9101-10.2-a")
def test_a_request_that_another_key_signed_is_refused(parties: dict[str, Party]) -> None:
    other = generate_signing_key("ES256", "key-1")
    with pytest.raises(PeerRefused) as refused:
        parties["signs"].begin("begin_signed", jwk=other.private_jwk, pushed=True)
    assert refused.value.told["error"] == "invalid_request_object"


@pytest.mark.spec("JARM")
def test_a_signed_response(parties: dict[str, Party]) -> None:
    """openid-client verifies it with the published keys."""
    party = parties["jarm"]
    party.ask("take_signed_responses")
    begun = party.begin("begin", parameters={"response_mode": "jwt"})
    back = party.walk(begun["url"])
    assert parse_qs(urlsplit(back).query).keys() == {"response"}
    assert party.ask("finish", url=back, checks=begun["checks"])["claims"]["sub"] == "u1"


@pytest.mark.spec("FP-2-a")
def test_an_answer_by_a_form(parties: dict[str, Party]) -> None:
    party = parties["posts"]
    begun = party.begin("begin", parameters={"response_mode": "form_post"})
    answer = party.http.get(begun["url"])
    for form in ({"username": "ann", "password": PASSWORD}, {"decision": "allow"}):
        url = str(answer.url.join(answer.headers.get("location", "")))
        page = party.http.get(url)
        assert page.status_code == 200
        headers = {"origin": f"{page.url.scheme}://{page.url.netloc.decode()}"}
        answer = party.http.post(url, data=form, headers=headers)
    name, forms, _ = read_page(answer.text)
    assert (name, forms[0].action) == ("form-post", CALLBACK)
    tokens = party.ask("finish_form", url=CALLBACK, form=forms[0].fields, checks=begun["checks"])
    assert tokens["claims"]["sub"] == "u1"
