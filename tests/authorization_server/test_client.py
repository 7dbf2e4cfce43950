"""Client authentication and the client_credentials grant at the token endpoint."""

from typing import Any

import pytest

from proofkey.authorization_server.records import AuditEvent
from proofkey.errors import (
    InvalidClient,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    OAuthError,
    TooManyRequests,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from proofkey.protocol.client_authentication import build_basic
from proofkey.protocol.text import ClientId, Pairs, Secret
from tests.authorization_server.driver import (
    API,
    BILLING,
    ISSUER,
    PEER,
    SECRET,
    Desk,
    Visitor,
    claims_of,
    client,
    header_of,
)

ASK: Pairs = (("grant_type", "client_credentials"),)
BASIC = build_basic("web", SECRET)
WRONG = Secret("another secret that is long enough too")


@pytest.mark.spec("6749-2.3.1-a", "6749-2.3-a", "6749-3.2.1-b", "V10-10.4.10", "6749-5.2-a")
@pytest.mark.parametrize(
    ("authorization", "pairs", "error"),
    [
        pytest.param((), ASK, InvalidClient, id="nothing"),
        pytest.param((), (*ASK, ("client_id", "web")), InvalidClient, id="confidential without secret"),
        pytest.param((build_basic("web", WRONG),), ASK, InvalidClient, id="wrong secret"),
        pytest.param((build_basic("nobody", SECRET),), ASK, InvalidClient, id="unknown client"),
        pytest.param((build_basic("native", SECRET),), ASK, InvalidClient, id="public with secret"),
        pytest.param((build_basic("post", SECRET),), ASK, InvalidClient, id="basic, but registered for post"),
        pytest.param(
            (),
            (*ASK, ("client_id", "web"), ("client_secret", SECRET.reveal())),
            InvalidClient,
            id="post, not basic",
        ),
        pytest.param(("Basic !!!",), ASK, InvalidClient, id="broken basic"),
        pytest.param(("Bearer x",), ASK, InvalidClient, id="another scheme"),
        pytest.param((BASIC,), (*ASK, ("client_secret", SECRET.reveal())), InvalidRequest, id="two methods"),
        pytest.param((BASIC,), (*ASK, ("client_id", "first")), InvalidRequest, id="two clients"),
        pytest.param((BASIC, BASIC), ASK, InvalidRequest, id="two headers"),
        pytest.param((BASIC,), (), InvalidRequest, id="no grant_type"),
        pytest.param((BASIC,), (("grant_type", ""),), InvalidRequest, id="empty grant_type"),
        pytest.param((BASIC,), (*ASK, *ASK), InvalidRequest, id="grant_type twice"),
        pytest.param((BASIC,), (("grant_type", "authorization_code"),), InvalidRequest, id="no code"),
        pytest.param((BASIC,), (("grant_type", "refresh_token"),), InvalidRequest, id="no refresh token"),
    ],
)
async def test_a_token_request_is_refused_for(
    desk: Desk, authorization: tuple[str, ...], pairs: Pairs, error: type[OAuthError]
) -> None:
    with pytest.raises(error):
        await desk.core.token(pairs, authorization, PEER)


@pytest.mark.spec("9700-2.4-a", "V10-10.4.4")
@pytest.mark.parametrize("grant_type", ["password", "implicit", "urn:ietf:params:oauth:grant-type:device_code"])
async def test_other_grants_are_not_offered(desk: Desk, grant_type: str) -> None:
    with pytest.raises(UnsupportedGrantType):
        await desk.token(grant_type=grant_type, username="ann", password="x")


async def test_all_client_faults_read_alike(desk: Desk) -> None:
    event = AuditEvent(at=desk.clock.now(), name="x")
    await desk.store.disable_client(ClientId("first"), desk.clock.now(), event)
    said = set[tuple[str, str]]()
    for client_id, secret in (("nobody", SECRET), ("web", WRONG), ("first", SECRET), ("post", None)):
        with pytest.raises(InvalidClient) as refused:
            await desk.token(client_id, secret=secret, grant_type="client_credentials")
        said.add((refused.value.error, refused.value.description))
    assert said == {("invalid_client", "Client authentication failed.")}


@pytest.mark.spec("6749-2.3.1-a")
async def test_a_secret_with_special_characters_authenticates(desk: Desk) -> None:
    secret = Secret("a:secret+with%percent&and=é " * 2)
    await desk.store.put_client(client("web", secret_digest=secret.digest()), desk.clock.now())
    assert await desk.token(secret=secret, grant_type="client_credentials")


# --- throttled ------------------------------------------------------------------------------------


@pytest.mark.spec("6749-2.3.1-b", "O21-2.4.1-b")
async def test_wrong_secrets_are_throttled_by_client_and_address(desk: Desk) -> None:
    refusals: list[type[Exception]] = []
    for _ in range(50):
        with pytest.raises((InvalidClient, TooManyRequests)) as refused:
            await desk.token(secret=WRONG, grant_type="client_credentials")
        refusals.append(refused.type)
    assert refusals == [InvalidClient] * 20 + [TooManyRequests] * 30
    with pytest.raises(TooManyRequests) as refused:  # the right one does not help from there …
        await desk.token(grant_type="client_credentials")
    assert refused.value.retry_after >= 1
    assert await desk.token(grant_type="client_credentials", peer="198.51.100.1")  # … but elsewhere
    assert await desk.token("first", grant_type="client_credentials")
    desk.clock.turn(6)
    assert await desk.token(grant_type="client_credentials")
    assert await desk.token(grant_type="client_credentials")


async def test_unknown_clients_are_throttled_alike(desk: Desk) -> None:
    refusals: list[type[Exception]] = []
    for _ in range(21):
        with pytest.raises((InvalidClient, TooManyRequests)) as refused:
            await desk.token("nobody", grant_type="client_credentials")
        refusals.append(refused.type)
    assert refusals == [InvalidClient] * 20 + [TooManyRequests]


async def test_a_client_that_never_failed_costs_no_write(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*args: object) -> None:
        raise AssertionError("a throttle was asked")

    monkeypatch.setattr(type(desk.store), "take", refuse)
    for _ in range(30):
        await desk.token(grant_type="client_credentials")


def test_suspects_are_bounded() -> None:
    from proofkey.authorization_server.role import Suspects

    suspects = Suspects(most=3)
    for number in range(10):
        suspects.add(str(number))
    assert [str(number) in suspects for number in range(10)] == [False] * 7 + [True] * 3
    suspects.discard("9")
    assert "9" not in suspects


# --- client_credentials ---------------------------------------------------------------------------


@pytest.mark.spec("6749-4.4-a", "9700-4.15-a", "9068-2.1-a")
async def test_a_client_gets_a_token_of_its_own(desk: Desk) -> None:
    tokens = await desk.token("robot", grant_type="client_credentials", resource=API)
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope"}
    assert tokens["expires_in"] == 600
    assert header_of(tokens["access_token"])["typ"] == "at+jwt"
    claims = dict(claims_of(tokens["access_token"]))
    assert claims.pop("jti")
    now = desk.clock.now()
    assert claims == {
        "iss": ISSUER, "sub": "robot", "client_id": "robot", "aud": API, "iat": now, "exp": now + 600,
        "scope": "orders:read orders:write",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("form", "scope"),
    [
        ({}, "orders:read orders:write bills:read"),
        ({"scope": "orders:read openid offline_access"}, "orders:read"),
        ({"scope": "orders:read bills:read", "resource": BILLING}, "bills:read"),
    ],
)
async def test_a_clients_own_scope_is_about_no_person(desk: Desk, form: dict[str, Any], scope: str) -> None:
    assert (await desk.token("robot", grant_type="client_credentials", **form))["scope"] == scope


async def test_a_client_without_scopes_of_its_own_gets_a_token_without_scope(desk: Desk) -> None:
    await desk.store.put_client(client("robot", scope=("openid",)), desk.clock.now())
    tokens = await desk.token("robot", grant_type="client_credentials")
    assert "scope" not in tokens
    assert "scope" not in claims_of(tokens["access_token"])


@pytest.mark.parametrize(
    ("client_id", "form", "error"),
    [
        ("native", {}, UnauthorizedClient),
        ("old", {}, UnauthorizedClient),
        ("robot", {"scope": "openid"}, InvalidScope),
        ("robot", {"scope": "admin"}, InvalidScope),
        ("robot", {"resource": "https://who.test"}, InvalidTarget),
    ],
)
async def test_client_credentials_are_refused(
    desk: Desk, client_id: str, form: dict[str, Any], error: type[OAuthError]
) -> None:
    with pytest.raises(error):
        await desk.token(client_id, grant_type="client_credentials", **form)


async def test_the_code_grant_needs_its_registration(desk: Desk, visitor: Visitor) -> None:
    code = (await visitor.walk())["code"]
    without: Any = frozenset({"client_credentials"})
    await desk.store.put_client(client("web", grant_types=without), desk.clock.now())
    with pytest.raises(UnauthorizedClient):
        await desk.redeem(code)
