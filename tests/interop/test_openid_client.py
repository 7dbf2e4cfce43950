"""openid-client (npm), a certified relying party, at our server: two worker processes on one SQLite file."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import httpx2
import pytest

from proofkey.protocol.text import Secret
from proofkey.testing.headless import HeadlessBrowser, read_page
from proofkey.testing.server import free_port, running_server, write_server_config
from tests.interop.peer import Peer, PeerRefused, running_peer

pytestmark = pytest.mark.interop

API = "https://api.test"
CALLBACK = "https://rp.test/callback"
AFTER_LOGOUT = "https://rp.test/bye"
SECRET = "Jq4v1Zt7Lr0Xc8Mw5Hd2Np9Sk6Fb3GyTaEuIoRiVhWn"
PASSWORD = "brave otter, quiet river"
SCOPE = "openid profile email offline_access orders:read"
PARTIES = {
    "basic": ("client_secret_basic", "ES256"),
    "post": ("client_secret_post", "RS256"),
    "public": ("none", "ES256"),
    "pss": ("client_secret_basic", "PS256"),
    "edwards": ("client_secret_basic", "Ed25519"),
    "older": ("client_secret_basic", "EdDSA"),
}
"""By client_id: how it authenticates, and how its ID tokens are signed."""
USERINFO = {"pss": "Ed25519", "edwards": "PS256", "post": "RS256"}
"""By client_id: how its UserInfo is signed; the others get JSON."""


def registration(client_id: str, method: str, algorithm: str) -> dict[str, Any]:
    document: dict[str, Any] = {
        "client_id": client_id,
        "token_endpoint_auth_method": method,
        "id_token_signed_response_alg": algorithm,
        "redirect_uris": [CALLBACK],
        "post_logout_redirect_uris": [AFTER_LOGOUT],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": SCOPE,
    }
    if client_id in USERINFO:
        document["userinfo_signed_response_alg"] = USERINFO[client_id]
    if method != "none":
        document["client_secret"] = SECRET
        document["grant_types"] += ["client_credentials"]
    return document


def asking() -> list[dict[str, Any]]:
    """Clients that ask about their tokens: JWT or opaque, in answers signed by one algorithm or the other."""
    return [
        {
            **registration(name + ("-rsa" if algorithm == "RS256" else ""), "client_secret_basic", "ES256"),
            "access_token_format": "jwt" if name == "asks" else "opaque",
            "introspection_signed_response_alg": algorithm,
        }
        for name in ("asks", "opaque")
        for algorithm in ("ES256", "RS256")
    ]


@dataclass(frozen=True)
class Party:
    """One client at our server, played by openid-client, with a browser of its own person."""

    name: str
    issuer: str
    metadata: dict[str, Any]
    peer: Peer
    browser: HeadlessBrowser
    http: httpx2.Client

    def ask(self, command: str, **arguments: Any) -> Any:
        return self.peer.ask({"command": command, "party": self.name, **arguments})

    def begin(self, **changes: str) -> dict[str, Any]:
        parameters = {"redirect_uri": CALLBACK, "scope": SCOPE, **changes}
        begun: dict[str, Any] = self.ask("begin", parameters=parameters)
        return begun

    def walk(self, begun: dict[str, Any], decision: str = "allow") -> str:
        return self.browser.authorize(
            begun["url"], redirect_uri=CALLBACK, username="ann", password=Secret(PASSWORD), decision=decision
        )

    def finish(self, url: str, begun: dict[str, Any], **checks: Any) -> dict[str, Any]:
        tokens: dict[str, Any] = self.ask("finish", url=url, checks={**begun["checks"], **checks})
        return tokens

    def sign_in(self, **changes: str) -> dict[str, Any]:
        begun = self.begin(**changes)
        return self.finish(self.walk(begun), begun)

    def refused(self, command: str, **arguments: Any) -> dict[str, Any]:
        with pytest.raises(PeerRefused) as refusal:
            self.ask(command, **arguments)
        return refusal.value.told


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    port = free_port()
    server = {
        "issuer": f"http://127.0.0.1:{port}",
        "resources": [{"identifier": API, "scopes": ["orders:read"]}],
        "clients": [*(registration(name, *how) for name, how in PARTIES.items()), *asking()],
        "users": [
            {
                "username": "ann",
                "password": PASSWORD,
                "sub": "u1",
                "roles": ["admin"],
                "claims": {"name": "Ann Otter", "email": "ann@op.test"},
            }
        ],
    }
    config = write_server_config(tmp_path_factory.mktemp("server"), server)
    with running_server(config, port=port, workers=2) as running:
        yield running.public_url


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Generator[Peer]:
    with running_peer("relying_party.mjs", tmp_path_factory.mktemp("peer") / "relying_party.log") as running:
        yield running


def party_of(name: str, issuer: str, peer: Peer, http: httpx2.Client) -> Party:
    method, algorithm = PARTIES[name]
    metadata = peer.ask(
        {
            "command": "discover",
            "party": name,
            "issuer": issuer,
            "client_id": name,
            "method": method,
            "secret": None if method == "none" else SECRET,
            "id_token_signed_response_alg": algorithm,
            **({"userinfo_signed_response_alg": USERINFO[name]} if name in USERINFO else {}),
        }
    )
    return Party(name, issuer, metadata, peer, HeadlessBrowser(http), http)


@pytest.fixture
def http() -> Generator[httpx2.Client]:
    with httpx2.Client(timeout=10, follow_redirects=False, trust_env=False) as client:
        yield client


@pytest.fixture(params=PARTIES)
def party(request: pytest.FixtureRequest, issuer: str, peer: Peer, http: httpx2.Client) -> Party:
    return party_of(request.param, issuer, peer, http)


@pytest.fixture
def basic(issuer: str, peer: Peer, http: httpx2.Client) -> Party:
    return party_of("basic", issuer, peer, http)


def with_parameter(url: str, name: str, value: str) -> str:
    parts = urlsplit(url)
    query = {key: values[0] for key, values in parse_qs(parts.query).items()} | {name: value}
    return urlunsplit(parts._replace(query=urlencode(query)))


# --- what works ----------------------------------------------------------------------------------------------
@pytest.mark.spec("OC-3.1.3.7-a", "9207-2-a", "7636-4.6", "OD-3")
def test_a_person_signs_in(party: Party) -> None:
    """openid-client checks state, iss, nonce, audience, times and, with the published keys, the signature."""
    tokens = party.sign_in()
    claims = tokens["claims"]
    assert (claims["iss"], claims["sub"], claims["aud"]) == (party.issuer, "u1", party.name)
    assert tokens["token_type"] == "bearer"
    assert set(tokens["scope"].split()) == set(SCOPE.split())
    signed = {"iss": party.issuer, "aud": party.name} if party.name in USERINFO else {}
    assert party.ask("userinfo", token=tokens["access_token"], sub="u1") == {
        **signed,
        "sub": "u1",
        "name": "Ann Otter",
        "preferred_username": "ann",
        "email": "ann@op.test",
        "email_verified": False,
        "roles": ["admin"],
    }


@pytest.mark.spec("6749-6-a / OC-12.1", "OC-12.2-a", "9700-2.2.2-a / 4.14.2-a")
def test_tokens_are_refreshed_and_refresh_tokens_rotate(party: Party) -> None:
    first = party.sign_in()
    second = party.ask("refresh", token=first["refresh_token"])
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    for claim in ("iss", "sub", "aud", "auth_time", "sid"):
        assert second["claims"][claim] == first["claims"][claim]
    third = party.ask("refresh", token=second["refresh_token"], parameters={"scope": "openid"})
    assert third["scope"] == "openid"
    told = party.ask("userinfo", token=third["access_token"], sub="u1")
    assert told.keys() - {"iss", "aud"} == {"sub"}


@pytest.mark.spec("9068-2.1-a", "9068-3-a / 8707-2.2-a")
def test_an_access_token_for_an_api_is_one_of_rfc_9068(party: Party) -> None:
    tokens = party.sign_in(resource=API)
    claims = party.ask("check_access_token", token=tokens["access_token"], audience=API)
    assert (claims["sub"], claims["client_id"], claims["roles"]) == ("u1", party.name, ["admin"])
    assert "orders:read" in claims["scope"].split()


@pytest.mark.spec("9068-3-a / 8707-2.2-a")
def test_the_token_of_a_plain_login_opens_no_api(basic: Party) -> None:
    tokens = basic.sign_in()
    told = basic.refused("check_access_token", token=tokens["access_token"], audience=API)
    assert told["code"] == "OAUTH_JWT_CLAIM_COMPARISON_FAILED"
    assert told["message"] == 'unexpected JWT "aud" (audience) claim value'


@pytest.mark.spec("6749-4.4", "9068-2.1-a")
@pytest.mark.parametrize("name", ["basic", "post"])
def test_a_client_gets_a_token_of_its_own(name: str, issuer: str, peer: Peer, http: httpx2.Client) -> None:
    party = party_of(name, issuer, peer, http)
    tokens = party.ask("client_credentials", parameters={"scope": "orders:read", "resource": API})
    assert tokens.keys().isdisjoint({"refresh_token", "id_token"})
    claims = party.ask("check_access_token", token=tokens["access_token"], audience=API)
    assert (claims["sub"], claims["client_id"], claims["scope"]) == (name, name, "orders:read")


@pytest.mark.spec("6749-4.4")
def test_a_public_client_gets_no_token_of_its_own(issuer: str, peer: Peer, http: httpx2.Client) -> None:
    told = party_of("public", issuer, peer, http).refused(
        "client_credentials", parameters={"scope": "orders:read"}
    )
    assert (told["name"], told["error"]) == ("ResponseBodyError", "unauthorized_client")


@pytest.mark.spec("OC-3.1.2.1")
def test_a_second_login_is_silent(basic: Party) -> None:
    first = basic.sign_in()
    begun = basic.begin(prompt="none", max_age="60")
    second = basic.finish(basic.walk(begun), begun, maxAge=60)
    assert second["claims"]["auth_time"] == first["claims"]["auth_time"]
    assert second["claims"]["sid"] == first["claims"]["sid"]


@pytest.mark.spec("RL-2-a", "RL-3-a")
def test_signing_out_returns_to_the_client(party: Party) -> None:
    tokens = party.sign_in()
    parameters = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": AFTER_LOGOUT, "state": "s9"}
    answer = party.http.get(party.ask("end_session_url", parameters=parameters))
    assert (answer.status_code, answer.headers["location"]) == (303, f"{AFTER_LOGOUT}?state=s9")
    begun = party.begin(prompt="none")
    assert refusal_of(party, party.walk(begun), begun) == ("AuthorizationResponseError", "login_required")


@pytest.mark.spec("RL-2-b / V10-10.6.2")
def test_signing_out_without_a_hint_asks_the_person(basic: Party) -> None:
    basic.sign_in()
    url = basic.ask("end_session_url", parameters={"post_logout_redirect_uri": AFTER_LOGOUT})
    answer = basic.http.get(url)
    assert (answer.status_code, read_page(answer.text)[0]) == (200, "logout")
    begun = basic.begin(prompt="none")
    basic.finish(basic.walk(begun), begun)


# --- what openid-client refuses ------------------------------------------------------------------------------
def refusal_of(party: Party, url: str, begun: dict[str, Any], **checks: Any) -> tuple[str, str]:
    told = party.refused("finish", url=url, checks={**begun["checks"], **checks})
    return told["name"], told["error"]


@pytest.mark.spec("9207-2-a", "OC-3.1.3.7-a")
@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        pytest.param({"expectedState": "another"}, 'unexpected "state" response parameter value', id="state"),
        pytest.param({"expectedNonce": "another"}, 'unexpected ID Token "nonce" claim value', id="nonce"),
    ],
)
def test_an_answer_to_another_request_is_refused(basic: Party, changes: dict[str, str], cause: str) -> None:
    begun = basic.begin()
    told = basic.refused("finish", url=basic.walk(begun), checks={**begun["checks"], **changes})
    assert (told["name"], told["cause"]) == ("ClientError", cause)


@pytest.mark.spec("9207-2-a")
def test_an_answer_that_names_another_issuer_is_refused(basic: Party) -> None:
    begun = basic.begin()
    back = basic.walk(begun)
    forged = with_parameter(back, "iss", "https://evil.test")
    told = basic.refused("finish", url=forged, checks=begun["checks"])
    assert (told["name"], told["cause"]) == ("ClientError", 'unexpected "iss" (issuer) response parameter value')
    assert basic.finish(back, begun)["claims"]["sub"] == "u1", "the code was not used up by the forgery"


@pytest.mark.spec("7662-2.2-a", "9701 † / F2M-5.5")
@pytest.mark.parametrize("algorithm", [None, "ES256", "RS256"])
@pytest.mark.parametrize("name", ["asks", "opaque"])
def test_a_token_is_asked_about_in_both_forms(
    name: str, algorithm: str | None, issuer: str, peer: Peer, http: httpx2.Client
) -> None:
    """openid-client checks the signed answer's type, issuer, audience and, with the published keys, signature."""
    party = asking_party(name, algorithm, issuer, peer, http)
    tokens = party.sign_in(resource=API)
    assert ("." in tokens["access_token"]) == (name == "asks")
    for parameters in ({}, {"token_type_hint": "refresh_token"}):
        said = party.ask("introspect", token=tokens["access_token"], parameters=parameters)
        assert (said["active"], said["sub"], said["aud"]) == (True, "u1", API)
        assert said["client_id"] == client_id_of(party)
    assert party.ask("introspect", token=tokens["refresh_token"])["token_type"] == "N_A"
    assert party.ask("introspect", token="nobody-knows-this-token") == {"active": False}


@pytest.mark.spec("7009-2-a", "7009-2.1-a")
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("hint", ["access_token", "refresh_token"])
@pytest.mark.parametrize("name", ["asks", "opaque"])
def test_a_revoked_token_is_not_active(
    name: str, hint: str, kind: str, issuer: str, peer: Peer, http: httpx2.Client
) -> None:
    party = asking_party(name, None, issuer, peer, http)
    tokens = party.sign_in()
    assert party.ask("revoke", token=tokens[kind], parameters={"token_type_hint": hint}) == "revoked"
    for one in ("access_token", "refresh_token"):
        assert party.ask("introspect", token=tokens[one]) == {"active": False}


def client_id_of(party: Party) -> str:
    return party.name.partition(" ")[0]


def asking_party(name: str, algorithm: str | None, issuer: str, peer: Peer, http: httpx2.Client) -> Party:
    """Each of the clients that ask is registered for one algorithm of signed answers."""
    chosen = {"introspection_signed_response_alg": algorithm} if algorithm else {}
    client_id = f"{name}-rsa" if algorithm == "RS256" else name
    asked = {"issuer": issuer, "client_id": client_id, "method": "client_secret_basic", "secret": SECRET, **chosen}
    metadata = peer.ask({"command": "discover", "party": f"{client_id} {algorithm}", **asked})
    return Party(f"{client_id} {algorithm}", issuer, metadata, peer, HeadlessBrowser(http), http)


# --- what our server refuses ---------------------------------------------------------------------------------
@pytest.mark.spec("9207-2-a")
def test_who_denies_consent_comes_back_with_an_error(issuer: str, peer: Peer, http: httpx2.Client) -> None:
    party = party_of("public", issuer, peer, http)
    begun = party.begin()
    back = party.walk(begun, decision="deny")
    assert parse_qs(urlsplit(back).query)["iss"] == [issuer]
    assert refusal_of(party, back, begun) == ("AuthorizationResponseError", "access_denied")


@pytest.mark.spec("7636-4.6")
def test_a_wrong_verifier_is_refused(party: Party) -> None:
    begun = party.begin()
    wrong = {"pkceCodeVerifier": "w" * 43}
    assert refusal_of(party, party.walk(begun), begun, **wrong) == ("ResponseBodyError", "invalid_grant")


@pytest.mark.spec("6749-4.1.2")
def test_a_code_works_once_and_a_replay_ends_what_came_of_it(party: Party) -> None:
    begun = party.begin()
    back = party.walk(begun)
    tokens = party.finish(back, begun)
    assert refusal_of(party, back, begun) == ("ResponseBodyError", "invalid_grant")
    assert party.refused("refresh", token=tokens["refresh_token"])["error"] == "invalid_grant"


@pytest.mark.spec("7009-2-a")
def test_a_revoked_refresh_token_ends_every_token_of_its_family(party: Party) -> None:
    tokens = party.sign_in()
    assert party.ask("revoke", token=tokens["refresh_token"]) == "revoked"
    assert party.refused("refresh", token=tokens["refresh_token"])["error"] == "invalid_grant"
    told = party.refused("userinfo", token=tokens["access_token"], sub="u1")
    (challenge,) = (one for one in told["challenges"] if one["scheme"] == "bearer")  # one for DPoP beside it
    assert told["status"] == 401
    assert challenge["parameters"]["error"] == "invalid_token"


@pytest.mark.spec("7009-2-a")
def test_an_unknown_token_is_revoked_in_silence(party: Party) -> None:
    assert party.ask("revoke", token="nobody-knows-this-token") == "revoked"


@pytest.mark.spec("6749-5.2")
def test_a_wrong_client_secret_is_refused(basic: Party) -> None:
    asked = {"issuer": basic.issuer, "client_id": "basic", "method": "client_secret_basic"}
    basic.peer.ask({"command": "discover", "party": "thief", "secret": SECRET[::-1], **asked})
    with pytest.raises(PeerRefused) as refusal:
        basic.peer.ask({"command": "client_credentials", "party": "thief"})
    told = refusal.value.told
    (challenge,) = told["challenges"]
    assert (told["status"], challenge["scheme"]) == (401, "basic")
