"""openid-client (npm) with keys of its own at our server: private_key_jwt, and DPoP with nonces."""

import json
from collections.abc import Generator
from typing import Any, Literal

import httpx2
import pytest

from proofkey.protocol.text import Secret, decode_base64url
from proofkey.testing.headless import HeadlessBrowser
from proofkey.testing.server import free_port, running_server, write_server_config
from proofkey.testing.tokens import key_for_tests
from tests.interop.peer import Peer, PeerRefused, running_peer

pytestmark = pytest.mark.interop

CALLBACK = "https://rp.test/callback"
SCOPE = "openid profile email offline_access orders:read"
PASSWORD = "brave otter, quiet river"
KEY = key_for_tests("ES256", "client-key")
Name = Literal["signed", "bound", "public", "plain"]
PARTIES: dict[Name, dict[str, Any]] = {
    "signed": {"method": "private_key_jwt", "private_jwk": KEY.private_jwk},
    "bound": {"method": "private_key_jwt", "private_jwk": KEY.private_jwk, "dpop": "ES256"},
    "public": {"method": "none", "dpop": "Ed25519"},
    "plain": {"method": "none"},
}
"""How openid-client plays each; `plain` is `public` without its key."""


def registration(client_id: str, **members: Any) -> dict[str, Any]:
    grants = ["authorization_code", "refresh_token", *(["client_credentials"] if "jwks" in members else [])]
    return {
        "client_id": client_id,
        "redirect_uris": [CALLBACK],
        "grant_types": grants,
        "scope": SCOPE,
        "skip_consent": True,
        **members,
    }


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    port = free_port()
    signed = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [KEY.public_jwk]}}
    server = {
        "issuer": f"http://127.0.0.1:{port}",
        "dpop_nonces": True,
        "resources": [{"identifier": "https://api.test", "scopes": ["orders:read"]}],
        "clients": [
            registration("signed", **signed),
            registration("bound", **signed, dpop_bound_access_tokens=True),
            registration("public", token_endpoint_auth_method="none"),
        ],
        "users": [{"username": "ann", "password": PASSWORD, "sub": "u1"}],
    }
    config = write_server_config(tmp_path_factory.mktemp("server"), server)
    with running_server(config, port=port, workers=2) as running:
        yield running.public_url


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Generator[Peer]:
    with running_peer("relying_party.mjs", tmp_path_factory.mktemp("peer") / "relying_party.log") as running:
        yield running


class Party:
    """One client, played by openid-client, with a browser."""

    def __init__(self, name: Name, issuer: str, peer: Peer, http: httpx2.Client) -> None:
        client_id = "public" if name == "plain" else name
        self._name, self._peer, self._browser = name, peer, HeadlessBrowser(http)
        self.metadata = self.ask(
            "discover",
            issuer=issuer,
            client_id=client_id,
            id_token_signed_response_alg="ES256",
            use_mtls_endpoint_aliases=False,
            **PARTIES[name],
        )

    def ask(self, command: str, **arguments: Any) -> Any:
        return self._peer.ask({"command": command, "party": self._name, **arguments})

    def sign_in(self) -> dict[str, Any]:
        begun = self.ask("begin", parameters={"redirect_uri": CALLBACK, "scope": SCOPE})
        url = self._browser.authorize(
            begun["url"], redirect_uri=CALLBACK, username="ann", password=Secret(PASSWORD)
        )
        tokens: dict[str, Any] = self.ask("finish", url=url, checks=begun["checks"])
        return tokens


@pytest.fixture
def http() -> Generator[httpx2.Client]:
    with httpx2.Client(timeout=10, follow_redirects=False, trust_env=False) as client:
        yield client


@pytest.mark.spec("9700-2.5-a", "7523b-4-a", "V10-10.4.10")
def test_a_client_signs_its_way_through_every_endpoint(issuer: str, peer: Peer, http: httpx2.Client) -> None:
    party = Party("signed", issuer, peer, http)
    assert party.ask("client_credentials", parameters={"scope": "orders:read"})["token_type"] == "bearer"
    tokens = party.sign_in()
    assert tokens["token_type"] == "bearer"
    again = party.ask("refresh", token=tokens["refresh_token"])
    assert again["refresh_token"] != tokens["refresh_token"]
    assert party.ask("userinfo", token=again["access_token"], sub="u1")["sub"] == "u1"
    assert party.ask("revoke", token=again["refresh_token"]) == "revoked"
    with pytest.raises(PeerRefused) as refused:
        party.ask("refresh", token=again["refresh_token"])
    assert refused.value.told["error"] == "invalid_grant"


@pytest.mark.spec("9449-8-a", "9449-10-a", "9449-5-b", "9449-5.2-a", "F2-5.3.2.1-9")
def test_a_confidential_client_proves_a_key_and_keeps_its_refresh_token(
    issuer: str, peer: Peer, http: httpx2.Client
) -> None:
    party = Party("bound", issuer, peer, http)
    tokens = party.sign_in()
    assert tokens["token_type"] == "dpop"
    assert set(confirmation_of(tokens["access_token"])) == {"jkt"}
    again = party.ask("refresh", token=tokens["refresh_token"])
    assert (again["token_type"], again["refresh_token"]) == ("dpop", tokens["refresh_token"])
    assert confirmation_of(again["access_token"]) == confirmation_of(tokens["access_token"])
    assert party.ask("userinfo", token=again["access_token"], sub="u1")["sub"] == "u1"
    assert party.ask("client_credentials", parameters={})["token_type"] == "dpop"


@pytest.mark.spec("9449-8-a", "9449-10-a", "9449-5-a")
def test_a_public_client_proves_a_key_and_rotates(issuer: str, peer: Peer, http: httpx2.Client) -> None:
    party = Party("public", issuer, peer, http)
    tokens = party.sign_in()
    again = party.ask("refresh", token=tokens["refresh_token"])
    assert again["token_type"] == "dpop"
    assert again["refresh_token"] != tokens["refresh_token"]
    assert party.ask("userinfo", token=again["access_token"], sub="u1")["sub"] == "u1"
    for thief, error in (
        (Party("plain", issuer, peer, http), "invalid_dpop_proof"),
        (Party("public", issuer, peer, http), "invalid_grant"),
    ):
        with pytest.raises(PeerRefused) as refused:
            thief.ask("refresh", token=again["refresh_token"])
        assert refused.value.told["error"] == error


def confirmation_of(token: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(decode_base64url(token.split(".")[1]))["cnf"]
    return found
