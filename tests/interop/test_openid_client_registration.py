"""openid-client (npm) at our server without a client of its own: it registers one, by an initial access token."""

from collections.abc import Generator
from typing import Any

import httpx2
import pytest

from proofkey.protocol.text import Secret
from proofkey.testing.headless import HeadlessBrowser
from proofkey.testing.server import free_port, running_server, write_server_config
from proofkey.testing.tokens import key_for_tests
from tests.interop.peer import Peer, PeerRefused, running_peer

pytestmark = pytest.mark.interop

CALLBACK = "https://rp.test/callback"
PASSWORD = "brave otter, quiet river"
TOKEN = "Zq8Nf3Lx7Vb2Rk9Tm4Wc6Yd1Hs5Jp0Gu"
KEY = key_for_tests("ES256", "own-key")
METADATA: dict[str, Any] = {
    "redirect_uris": [CALLBACK],
    "client_name": "Own orders",
    "grant_types": ["authorization_code", "refresh_token"],
}
KINDS: dict[str, dict[str, Any]] = {
    "silent": {"metadata": {}, "method": "client_secret_basic"},
    "basic": {"metadata": {"token_endpoint_auth_method": "client_secret_basic"}, "method": "client_secret_basic"},
    "public": {"metadata": {"token_endpoint_auth_method": "none"}, "method": "none"},
    "keys": {
        "metadata": {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [dict(KEY.public_jwk)]}},
        "method": "private_key_jwt",
        "private_jwk": dict(KEY.private_jwk),
    },
    "signed": {
        "metadata": {
            "token_endpoint_auth_method": "client_secret_post",
            "id_token_signed_response_alg": "ES256",
            "userinfo_signed_response_alg": "PS256",
        },
        "method": None,
    },
}
"""How openid-client registers, and how it proves itself then; None: as it does by itself, by post."""


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    port = free_port()
    server = {
        "issuer": f"http://127.0.0.1:{port}",
        "features": ["par", "registration"],
        "registration": {"initial_access_tokens": [TOKEN]},
        "resources": [{"identifier": "https://api.test", "scopes": ["orders:read"]}],
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
def browser() -> Generator[HeadlessBrowser]:
    with httpx2.Client(timeout=10, follow_redirects=False, trust_env=False) as client:
        yield HeadlessBrowser(client)


def register(peer: Peer, issuer: str, kind: str, token: str | None = TOKEN, **changes: Any) -> dict[str, Any]:
    how = KINDS[kind]
    told: dict[str, Any] = peer.ask(
        {
            "command": "register",
            "party": kind,
            "issuer": issuer,
            "token": token,
            **how,
            "metadata": {**METADATA, **how["metadata"], **changes},
        }
    )
    return told


@pytest.mark.spec("7591-3-a")
@pytest.mark.parametrize("kind", KINDS)
def test_it_registers_and_signs_people_in(peer: Peer, issuer: str, browser: HeadlessBrowser, kind: str) -> None:
    told = register(peer, issuer, kind)
    assert ("client_secret" in told) is (kind not in ("public", "keys"))
    command = "begin" if kind == "public" else "begin_pushed"
    parameters = {"redirect_uri": CALLBACK, "scope": "openid offline_access orders:read"}
    begun = peer.ask({"command": command, "party": kind, "parameters": parameters})
    back = browser.authorize(
        begun["url"], redirect_uri=CALLBACK, username="ann", password=Secret(PASSWORD), decision="allow"
    )
    tokens = peer.ask({"command": "finish", "party": kind, "url": back, "checks": begun["checks"]})
    assert (tokens["claims"]["aud"], tokens["claims"]["sub"]) == (told["client_id"], "u1")
    assert peer.ask({"command": "refresh", "party": kind, "token": tokens["refresh_token"]})["access_token"]
    assert (
        peer.ask({"command": "userinfo", "party": kind, "token": tokens["access_token"], "sub": "u1"})["sub"]
        == "u1"
    )


@pytest.mark.spec("7591-3-a", "7591-5-a / V10-10.4.7")
@pytest.mark.parametrize(
    ("changes", "token", "error"),
    [
        ({"redirect_uris": ["http://rp.test/callback"]}, TOKEN, "invalid_redirect_uri"),
        ({"grant_types": ["client_credentials"]}, TOKEN, "invalid_client_metadata"),
        ({}, None, None),
        ({}, "x" * 32, "invalid_token"),
    ],
    ids=["a bad address", "a grant of its own", "no token", "another token"],
)
def test_it_understands_why_it_is_refused(
    peer: Peer, issuer: str, changes: dict[str, Any], token: str | None, error: str | None
) -> None:
    with pytest.raises(PeerRefused) as refused:
        register(peer, issuer, "silent", token, **changes)
    told = refused.value.told
    if (error is not None and error.startswith("invalid_client")) or error == "invalid_redirect_uri":
        assert (told["status"], told["error"]) == (400, error)
        return
    (challenge,) = told["challenges"]
    assert (told["status"], challenge["scheme"], challenge["parameters"].get("error")) == (401, "bearer", error)
