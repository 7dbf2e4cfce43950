"""requirements.md §1.4 from outside: introspection, revocation, opaque tokens and token exchange, with our own
clients of them as the peers."""

import asyncio
from collections.abc import Generator
from typing import Any

import httpx2
import pytest

from proofkey.errors import ExchangeFailed, InvalidToken
from proofkey.fastapi import TokenExchange
from proofkey.protocol.client_authentication import build_basic
from proofkey.protocol.text import Secret
from proofkey.runtime.introspection import Introspection
from proofkey.verifier import Verifier
from tests.end_to_end.provider_kit import API, CALLBACK, CLIENTS, MAIL, Provider, claims_of, running_provider

pytestmark = [pytest.mark.timeout(180)]

STOCK = "https://stock.test"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
SIGNED = "application/token-introspection+jwt"
SCOPE = "openid profile offline_access orders:read stock:read"
INACTIVE = {"active": False}


def secret_of(client_id: str) -> str:
    return f"secret of {client_id}, 0123456789abcdefghij"


def _machine(client_id: str, scope: str) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "client_secret": secret_of(client_id),
        "grant_types": [EXCHANGE],
        "response_types": [],
        "scope": scope,
    }


def _web(client_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "client_secret": secret_of(client_id),
        "redirect_uris": [CALLBACK],
        "scope": SCOPE,
        "skip_consent": True,
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        **changes,
    }


MINE = [
    _web("jwts"),
    _web("opaques", access_token_format="opaque"),
    _machine("api", "orders:read stock:read"),
    _machine("stock", "stock:read"),
    {**_machine("mail", "mail:read"), "grant_types": []},
]
RESOURCES = [
    {"identifier": API, "scopes": ["orders:read", "orders:write", "stock:read"], "clients": ["api"]},
    {"identifier": STOCK, "scopes": ["stock:read"], "clients": ["stock"]},
    {"identifier": MAIL, "scopes": ["mail:read"], "clients": ["mail"]},
]


@pytest.fixture(scope="module")
def op(tmp_path_factory: pytest.TempPathFactory) -> Generator[Provider]:
    CLIENTS.extend(MINE)
    try:
        folder = tmp_path_factory.mktemp("introspecting")
        with running_provider(folder, clients=CLIENTS, resources=RESOURCES) as provider:
            yield provider
    finally:
        del CLIENTS[-len(MINE) :]


def ask(
    op: Provider, token: Secret | str | None, client_id: str = "api", accept: str = "application/json", **form: str
) -> httpx2.Response:
    assert token is not None
    text = token if isinstance(token, str) else token.reveal()
    headers = {"authorization": build_basic(client_id, Secret(secret_of(client_id))), "accept": accept}
    return op.ask("POST", "/introspect", data={"token": text, **form}, headers=headers)


def told(op: Provider, token: Secret | str | None, client_id: str = "api", **form: str) -> dict[str, Any]:
    answer = ask(op, token, client_id, **form)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    members: dict[str, Any] = answer.json()
    return members


def sign_in(op: Provider, client_id: str = "jwts") -> Any:
    return op.party(client_id, scope=SCOPE).sign_in(op.person())


def revoke(op: Provider, token: Secret | None, client_id: str = "jwts", **form: str) -> None:
    answer = op.party(client_id).revoke(token, **form)
    assert (answer.status_code, answer.json()) == (200, {})


# --- introspection -----------------------------------------------------------------------------------------------


@pytest.mark.spec("7662-2.1-a", "8414†")
def test_the_metadata_say_who_may_ask_and_how(op: Provider) -> None:
    metadata = op.ask("GET", "/.well-known/openid-configuration").json()
    assert metadata["introspection_endpoint"] == op.url("/introspect")
    assert "none" not in metadata["introspection_endpoint_auth_methods_supported"]
    assert "client_secret_basic" in metadata["introspection_endpoint_auth_methods_supported"]
    assert {"ES256", "RS256"} <= set(metadata["introspection_signing_alg_values_supported"])
    assert EXCHANGE in metadata["grant_types_supported"]


@pytest.mark.spec("7662-2.1-a", "7662-2.2-a", "7662-4-a", "7009-2.1-a")
@pytest.mark.parametrize("client_id", ["jwts", "opaques"])
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "what"])
def test_a_token_is_told_to_its_api_and_its_client_alone(op: Provider, client_id: str, hint: str) -> None:
    token = sign_in(op, client_id).access_token
    assert ("." in token.reveal()) == (client_id == "jwts")
    said = told(op, token, token_type_hint=hint)
    assert (said["active"], said["aud"], said["sub"], said["client_id"]) == (True, API, "sub-of-ann", client_id)
    assert set(said["scope"].split()) == set(SCOPE.split())
    assert told(op, token, client_id, token_type_hint=hint) == said
    for other in ("stock", "mail", "opaques" if client_id == "jwts" else "jwts"):
        assert told(op, token, other, token_type_hint=hint) == INACTIVE
    assert told(op, token.reveal()[:-1]) == INACTIVE
    assert told(op, "unknown") == INACTIVE


@pytest.mark.spec("7662-2.1-a", "threats §2 row 26")
def test_nobody_asks_without_proving_himself(op: Provider) -> None:
    token = sign_in(op).access_token.reveal()
    cases: list[dict[str, Any]] = [
        {"data": {"token": token}},
        {"data": {"token": token, "client_id": "spa"}},
        {"data": {"token": token, "client_id": "api"}},
        {"data": {"token": token, "client_id": "api", "client_secret": "w" * 40}},
        {"data": {"token": token}, "headers": {"authorization": f"Bearer {token}"}},
    ]
    answers = [op.ask("POST", "/introspect", **case) for case in cases]
    assert {(one.status_code, one.text) for one in answers} == {(401, answers[0].text)}
    assert answers[0].json()["error"] == "invalid_client"


@pytest.mark.spec("9701 † / F2M-5.5")
def test_a_signed_answer_on_request(op: Provider) -> None:
    token = sign_in(op).access_token
    answer = ask(op, token, accept=SIGNED)
    assert (answer.status_code, answer.headers["content-type"]) == (200, SIGNED)
    claims = claims_of(Secret(answer.text))
    assert (claims["iss"], claims["aud"]) == (op.issuer, "api")
    assert claims["token_introspection"] == told(op, token)
    assert claims.keys().isdisjoint({"sub", "exp", "scope", "client_id"})


@pytest.mark.spec("7662-2.2-a", "9701 † / F2M-5.5")
@pytest.mark.parametrize("signed", [False, True], ids=["plain", "signed"])
def test_our_own_verifier_asks_about_opaque_tokens(op: Provider, signed: bool) -> None:
    introspection = Introspection(
        client_id="api", client_secret=secret_of("api"), signed=signed, max_age=0, size=1
    )
    verifier = Verifier(issuer=op.issuer, audience=API, introspection=introspection)
    tokens = sign_in(op, "opaques")
    token = verifier.verify_sync(tokens.access_token.reveal())
    assert (token.sub, token.aud, token.client_id) == ("sub-of-ann", (API,), "opaques")
    assert token.has_scope("orders:read")
    assert token.roles == ("admin", "clerk")
    for wrong in (tokens.refresh_token, tokens.id_token):
        with pytest.raises(InvalidToken):
            verifier.verify_sync(wrong.reveal())
    revoke(op, tokens.access_token, "opaques")
    with pytest.raises(InvalidToken):
        verifier.verify_sync(tokens.access_token.reveal())


@pytest.mark.spec("7662-4-a")
def test_an_api_that_asks_about_jwts_sees_their_revocation(op: Provider) -> None:
    introspection = Introspection(client_id="api", client_secret=secret_of("api"), always=True, max_age=0)
    verifier = Verifier(issuer=op.issuer, audience=API, introspection=introspection)
    tokens = sign_in(op)
    assert verifier.verify_sync(tokens.access_token.reveal()).sub == "sub-of-ann"
    revoke(op, tokens.refresh_token)
    with pytest.raises(InvalidToken):
        verifier.verify_sync(tokens.access_token.reveal())


# --- revocation --------------------------------------------------------------------------------------------------


@pytest.mark.spec("7009-2-a", "7009-2.1-a")
@pytest.mark.parametrize("client_id", ["jwts", "opaques"])
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "what"])
def test_revoking_a_token_ends_its_grant_everywhere(op: Provider, client_id: str, kind: str, hint: str) -> None:
    tokens = sign_in(op, client_id)
    party = op.party(client_id)
    assert party.userinfo(tokens.access_token).status_code == 200
    other = "opaques" if client_id == "jwts" else "jwts"
    revoke(op, getattr(tokens, kind), other, token_type_hint=hint)
    assert told(op, tokens.access_token)["active"], "another client's token is answered alike and left alone"
    revoke(op, getattr(tokens, kind), client_id, token_type_hint=hint)
    assert told(op, tokens.access_token) == INACTIVE
    assert told(op, tokens.refresh_token, client_id) == INACTIVE
    assert party.userinfo(tokens.access_token).status_code == 401
    assert party.refresh(tokens.refresh_token).status_code == 400


@pytest.mark.spec("7009-2-a")
@pytest.mark.parametrize("client_id", ["jwts", "opaques"])
def test_a_clients_own_token_is_revoked(op: Provider, client_id: str) -> None:
    party = op.party(client_id)
    first, second = [party.tokens(party.client_token(resource=API)).access_token for _ in range(2)]
    assert told(op, first)["sub"] == client_id
    revoke(op, first, client_id)
    assert told(op, first) == INACTIVE
    assert told(op, second)["active"]


# --- token exchange ----------------------------------------------------------------------------------------------


async def _through_two_apis(op: Provider, received: str) -> tuple[str, str]:
    """What the API calls stock with, and what stock would be called with had it been called wrongly."""
    at_api = TokenExchange(
        issuer=op.issuer, client_id="api", client_secret=secret_of("api"), resource=STOCK, scope="stock:read"
    )
    token = await at_api.exchange(received)
    assert token.scope == ("stock:read",)
    with pytest.raises(ExchangeFailed):
        await at_api.exchange(received, resource=MAIL, scope="stock:read")
    with pytest.raises(ExchangeFailed):
        await at_api.exchange(received, resource=STOCK, scope="orders:read")
    at_stock = TokenExchange(
        issuer=op.issuer, client_id="stock", client_secret=secret_of("stock"), resource=STOCK, scope="stock:read"
    )
    with pytest.raises(ExchangeFailed):
        await at_stock.exchange(received)
    again = await at_stock.exchange(token.reveal())
    return token.reveal(), again.reveal()


@pytest.mark.spec("8693-2-a †", "MCP25-pass")
@pytest.mark.parametrize("client_id", ["jwts", "opaques"])
def test_from_the_web_application_through_one_api_to_the_next(op: Provider, client_id: str) -> None:
    received = sign_in(op, client_id).access_token
    first, second = asyncio.run(_through_two_apis(op, received.reveal()))
    token = Verifier(issuer=op.issuer, audience=STOCK).verify_sync(first)
    assert (token.sub, token.aud, token.client_id, token.scope) == (
        "sub-of-ann",
        (STOCK,),
        "api",
        ("stock:read",),
    )
    assert token.claims["act"] == {"sub": "api"}
    assert claims_of(Secret(second))["act"] == {"sub": "stock", "act": {"sub": "api"}}
    with pytest.raises(InvalidToken):
        Verifier(issuer=op.issuer, audience=API).verify_sync(first)
    assert told(op, first, "stock")["act"] == {"sub": "api"}
    revoke(op, received, client_id)
    for one in (first, second):
        assert told(op, one, "stock") == INACTIVE


@pytest.mark.spec("8693-2-a †", "threats §1.4")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"subject_token": None}, "invalid_request", id="no subject"),
        pytest.param({"subject_token": "unknown"}, "invalid_request", id="an unknown subject"),
        pytest.param({"subject_token_type": None}, "invalid_request", id="no type"),
        pytest.param({"actor_token": "x", "actor_token_type": ACCESS_TOKEN}, "invalid_request", id="an actor"),
        pytest.param({"resource": None}, "invalid_target", id="no target"),
        pytest.param({"resource": MAIL}, "invalid_target", id="a foreign target"),
        pytest.param({"resource": "https://elsewhere.test"}, "invalid_target", id="an unknown target"),
        pytest.param({"scope": "stock:read admin"}, "invalid_scope", id="more scope"),
    ],
)
def test_an_exchange_that_is_not_allowed(op: Provider, changes: dict[str, Any], error: str) -> None:
    form = {
        "grant_type": EXCHANGE,
        "subject_token": sign_in(op).access_token.reveal(),
        "subject_token_type": ACCESS_TOKEN,
        "resource": STOCK,
        **changes,
    }
    headers = {"authorization": build_basic("api", Secret(secret_of("api")))}
    sent = {name: value for name, value in form.items() if value is not None}
    answer = op.ask("POST", "/token", data=sent, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.spec("8693-2-a †")
def test_a_client_without_the_grant_exchanges_nothing(op: Provider) -> None:
    tokens = sign_in(op)
    answer = op.party("jwts").token(
        grant_type=EXCHANGE,
        subject_token=tokens.access_token.reveal(),
        subject_token_type=ACCESS_TOKEN,
        resource=STOCK,
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


# --- at rest -----------------------------------------------------------------------------------------------------


@pytest.mark.spec("6749-10.3")
def test_no_opaque_token_stands_in_the_database(op: Provider) -> None:
    token = sign_in(op, "opaques").access_token.reveal()
    files = list(op.config.parent.glob("server.db*"))
    assert files
    assert not any(token.encode() in file.read_bytes() for file in files)
