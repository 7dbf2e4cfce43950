"""openid-client (npm) by FAPI 2.0 at our server with `profile = "fapi2"`: pushed and signed requests,
private_key_jwt, DPoP with nonces, signed answers, and rich authorization requests."""

import json
from collections.abc import Generator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from proofkey.protocol.text import Secret, decode_base64url
from proofkey.testing.headless import HeadlessBrowser
from proofkey.testing.server import free_port, running_server, write_server_config
from proofkey.testing.tokens import key_for_tests
from tests.interop.peer import Peer, PeerRefused, running_peer

pytestmark = pytest.mark.interop

CALLBACK = "https://rp.test/callback"
SCOPE = "openid offline_access orders:read"
PASSWORD = "brave otter, quiet river"
KEY = key_for_tests("ES256", "client-key")
PAY = {"type": "payment", "amount": "100.00", "creditor": "Bob"}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    port = free_port()
    registration = {
        "client_id": "bank",
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [KEY.public_jwk]},
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "scope": SCOPE,
        "authorization_details_types": ["payment"],
    }
    server = {
        "issuer": f"http://127.0.0.1:{port}",
        "profile": "fapi2",
        "dpop_nonces": True,
        "resources": [{"identifier": "https://api.test", "scopes": ["orders:read"]}],
        "authorization_details_types": [{"type": "payment", "fields": ["amount", "creditor"]}],
        "clients": [registration, {**registration, "client_id": "strict", "require_signed_request_object": True}],
        "users": [{"username": "ann", "password": PASSWORD, "sub": "u1"}],
    }
    config = write_server_config(tmp_path_factory.mktemp("server"), server)
    with running_server(config, port=port, workers=2) as running:
        yield running.public_url


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Generator[Peer]:
    with running_peer("relying_party.mjs", tmp_path_factory.mktemp("peer") / "relying_party.log") as running:
        yield running


@pytest.fixture
def http() -> Generator[httpx2.Client]:
    with httpx2.Client(timeout=10, follow_redirects=False, trust_env=False) as client:
        yield client


class Party:
    """One client, played by openid-client with a DPoP key of its own, and a browser."""

    def __init__(self, client_id: str, issuer: str, peer: Peer, http: httpx2.Client, dpop: str | None) -> None:
        self._name, self._peer, self._browser = f"{client_id} {dpop}", peer, HeadlessBrowser(http)
        self.metadata: dict[str, Any] = self.ask(
            "discover",
            issuer=issuer,
            client_id=client_id,
            id_token_signed_response_alg="ES256",
            use_mtls_endpoint_aliases=False,
            method="private_key_jwt",
            private_jwk=KEY.private_jwk,
            dpop=dpop,
        )

    def ask(self, command: str, **arguments: Any) -> Any:
        return self._peer.ask({"command": command, "party": self._name, **arguments})

    def follow(self, url: str) -> str:
        """Through the pages, to the address of the client's answer."""
        return self._browser.authorize(url, redirect_uri=CALLBACK, username="ann", password=Secret(PASSWORD))


def asked(**changes: str) -> dict[str, str]:
    return {"redirect_uri": CALLBACK, "scope": SCOPE, **changes}


@pytest.mark.spec("F2-5.3.2.2-2..4", "F2-5.3.2.1-9", "F2M-5.3.1", "F2M-5.4", "7523b-4-a", "9449-8-a", "9396-7")
@pytest.mark.parametrize("dpop", ["ES256", "Ed25519"])
def test_a_whole_flow_of_fapi_with_message_signing(
    issuer: str, peer: Peer, http: httpx2.Client, dpop: str
) -> None:
    party = Party("strict", issuer, peer, http, dpop)
    assert party.metadata["require_pushed_authorization_requests"] is True
    party.ask("take_signed_responses")
    parameters = asked(authorization_details=json.dumps([PAY]))
    begun = party.ask("begin_signed", parameters=parameters, jwk=KEY.private_jwk, pushed=True)
    assert parse_qs(urlsplit(begun["url"]).query).keys() == {"client_id", "request_uri"}
    back = party.follow(begun["url"])
    assert parse_qs(urlsplit(back).query).keys() == {"response"}
    tokens = party.ask("finish", url=back, checks=begun["checks"])
    assert tokens["token_type"] == "dpop"
    assert tokens["claims"]["sub"] == "u1"
    assert tokens["authorization_details"] == [PAY]
    assert set(claims_of(tokens["access_token"])["cnf"]) == {"jkt"}
    again = party.ask("refresh", token=tokens["refresh_token"])
    assert again["refresh_token"] == tokens["refresh_token"]
    assert party.ask("userinfo", token=again["access_token"], sub="u1")["sub"] == "u1"
    assert party.ask("introspect", token=again["access_token"])["active"] is True
    assert party.ask("revoke", token=again["refresh_token"]) == "revoked"
    with pytest.raises(PeerRefused) as refused:
        party.ask("refresh", token=again["refresh_token"])
    assert refused.value.told["error"] == "invalid_grant"


@pytest.mark.spec("F2-5.3.2.2-2..4", "9207-2-a")
def test_a_plain_pushed_request_and_a_plain_answer(issuer: str, peer: Peer, http: httpx2.Client) -> None:
    party = Party("bank", issuer, peer, http, "ES256")
    begun = party.ask("begin_pushed", parameters=asked())
    back = party.follow(begun["url"])
    assert parse_qs(urlsplit(back).query)["iss"] == [issuer]
    assert party.ask("finish", url=back, checks=begun["checks"])["token_type"] == "dpop"
    assert party.ask("client_credentials", parameters={"scope": "orders:read"})["token_type"] == "dpop"


@pytest.mark.spec("F2-5.3.2.2-2..4", "9700-2.2.1-a")
def test_the_client_is_told_why_a_step_is_refused(issuer: str, peer: Peer, http: httpx2.Client) -> None:
    strict = Party("strict", issuer, peer, http, "ES256")
    with pytest.raises(PeerRefused) as refused:
        strict.ask("begin_pushed", parameters=asked())
    assert refused.value.told["error"] == "invalid_request"
    plain = Party("bank", issuer, peer, http, None)
    with pytest.raises(PeerRefused) as refused:
        plain.ask("client_credentials", parameters={"scope": "orders:read"})
    assert refused.value.told["error"] == "invalid_dpop_proof"


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(decode_base64url(token.split(".")[1]))
    return found
