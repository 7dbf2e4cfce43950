"""Introspection: what a live token says, to whom, and the one answer to every other question."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from proofkey.authorization_server.answers import Json, Jwt
from proofkey.authorization_server.endpoints.introspect import NOT_AN_ACCESS_TOKEN, SIGNED
from proofkey.errors import InvalidClient, InvalidRequest, TooManyRequests, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, Secret
from proofkey.store.memory import MemoryServerStore
from tests.authorization_server.driver import (
    API,
    BILLING,
    ISSUER,
    PEER,
    SECRET,
    Desk,
    Visitor,
    claims_of,
    credentials,
    header_of,
)
from tests.authorization_server.tokens_kit import SCOPE, ask, ask_for_answer, open_kit, sign

INACTIVE = {"active": False}
HINTS: list[dict[str, Any]] = [
    {},
    {"token_type_hint": "access_token"},
    {"token_type_hint": "refresh_token"},
    {"token_type_hint": "x"},
]


@pytest.fixture
async def desk() -> Desk:
    return await open_kit()


async def tokens(desk: Desk, visitor: Visitor, client_id: str = "web", **changes: Any) -> dict[str, Any]:
    return await visitor.tokens(desk, client_id, **{"scope": SCOPE, "resource": API, **changes})


# --- what is said ------------------------------------------------------------------------------------------------


@pytest.mark.spec("7662-2.1-a", "7662-2.2-a", "7009-2.1-a")
@pytest.mark.parametrize("hint", HINTS, ids=lambda hint: hint.get("token_type_hint", "no hint"))
@pytest.mark.parametrize("issued_to", ["web", "opaque"])
async def test_a_live_access_token_says_what_stands_in_it(
    desk: Desk, visitor: Visitor, issued_to: str, hint: dict[str, Any]
) -> None:
    token = (await tokens(desk, visitor, issued_to))["access_token"]
    said = await ask(desk, token, **hint)
    now = desk.clock.now()
    assert said.pop("jti")
    assert said == {
        "active": True,
        "token_type": "Bearer",
        "iss": ISSUER,
        "sub": "u1",
        "aud": API,
        "client_id": issued_to,
        "scope": SCOPE,
        "iat": now,
        "exp": now + 900,
        "auth_time": now,
        "roles": ["admin"],
        "username": "ann",
    }


async def test_the_username_is_told_with_the_scope_profile_alone(desk: Desk, visitor: Visitor) -> None:
    token = (await tokens(desk, visitor, scope="openid orders:read"))["access_token"]
    assert "username" not in await ask(desk, token)


@pytest.mark.parametrize("hint", HINTS, ids=lambda hint: hint.get("token_type_hint", "no hint"))
async def test_a_live_refresh_token_is_no_access_token(desk: Desk, visitor: Visitor, hint: dict[str, Any]) -> None:
    token = (await tokens(desk, visitor))["refresh_token"]
    now = desk.clock.now()
    assert await ask(desk, token, "web", **hint) == {
        "active": True,
        "token_type": NOT_AN_ACCESS_TOKEN,
        "iss": ISSUER,
        "aud": ISSUER,
        "client_id": "web",
        "sub": "u1",
        "scope": SCOPE,
        "iat": now,
        "exp": now + 14 * 86_400,
        "username": "ann",
    }


async def test_a_clients_own_token_has_no_person(desk: Desk) -> None:
    token = (await desk.token("robot", grant_type="client_credentials", resource=API, scope="orders:read"))[
        "access_token"
    ]
    said = await ask(desk, token)
    assert (said["active"], said["sub"], said["client_id"]) == (True, "robot", "robot")
    assert said.keys().isdisjoint({"username", "roles", "auth_time"})


# --- to whom -----------------------------------------------------------------------------------------------------


@pytest.mark.spec("7662-4-a", "threats §1.4")
@pytest.mark.parametrize("issued_to", ["web", "opaque"])
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_its_own_client_and_its_api_may_ask_and_nobody_else(
    desk: Desk, visitor: Visitor, kind: str, issued_to: str
) -> None:
    token = (await tokens(desk, visitor, issued_to))[kind]
    allowed = {
        one.client_id
        for one in desk.core.policy.clients
        if not one.is_public and (await ask(desk, token, one.client_id)) != INACTIVE
    }
    assert allowed == ({issued_to, "api", "deaf"} if kind == "access_token" else {issued_to})


@pytest.mark.spec("7662-2.2-a")
async def test_the_log_says_why_and_the_answer_does_not(desk: Desk, visitor: Visitor) -> None:
    token = (await tokens(desk, visitor))["access_token"]
    known = await ask_for_answer(desk, token, "billing")
    unknown = await ask_for_answer(desk, "never seen", "billing")
    assert isinstance(known, Json)
    assert isinstance(unknown, Json)
    assert known == unknown, "but for what is told to the log"
    assert known.told is not None
    assert getattr(known.told, "finding", None) is Finding.INTROSPECTION_FOREIGN
    assert getattr(unknown.told, "finding", None) is Finding.TOKEN_NOT_OURS


async def test_a_token_for_the_issuer_is_for_its_client_alone(desk: Desk, visitor: Visitor) -> None:
    token = (await tokens(desk, visitor, resource=None, scope="openid"))["access_token"]
    assert claims_of(token)["aud"] == ISSUER
    assert await ask(desk, token, "api") == INACTIVE
    assert (await ask(desk, token, "web"))["active"]


@pytest.mark.spec("7662-2.1-a")
@pytest.mark.parametrize(
    ("client_id", "secret"),
    [
        pytest.param("native", None, id="a public client, its own token"),
        pytest.param("web", None, id="no credentials"),
        pytest.param("web", Secret("w" * 40), id="a wrong secret"),
        pytest.param("nobody", SECRET, id="an unknown client"),
    ],
)
async def test_whoever_asks_proves_himself(
    desk: Desk, visitor: Visitor, client_id: str, secret: Secret | None
) -> None:
    token = (await tokens(desk, visitor, "native"))["access_token"]
    with pytest.raises(InvalidClient):
        await ask(desk, token, client_id, secret=secret)


# --- what is not active ------------------------------------------------------------------------------------------


@pytest.mark.spec("7662-4-a")
@pytest.mark.parametrize("issued_to", ["web", "opaque"])
async def test_a_token_is_over_at_its_end_to_the_second(desk: Desk, visitor: Visitor, issued_to: str) -> None:
    token = (await tokens(desk, visitor, issued_to))["access_token"]
    desk.clock.turn(899)
    assert (await ask(desk, token))["active"]
    desk.clock.turn(1)
    assert await ask(desk, token) == INACTIVE


@pytest.mark.parametrize("limit", ["idle", "absolute"])
async def test_a_refresh_token_is_over_at_its_limits(desk: Desk, visitor: Visitor, limit: str) -> None:
    token = (await tokens(desk, visitor))["refresh_token"]
    while limit == "absolute" and desk.clock.now() < 1_800_000_000 + 25 * 86_400:
        desk.clock.turn(13 * 86_400)
        token = (await desk.refresh(token))["refresh_token"]
    said = await ask(desk, token, "web")
    desk.clock.turn(said["exp"] - desk.clock.now())
    assert await ask(desk, token, "web") == INACTIVE


@pytest.mark.spec("7662-4-a")
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda token: token[:-1], id="one character short"),
        pytest.param(lambda token: token + "A", id="one character long"),
        pytest.param(lambda token: token[:20], id="its beginning"),
        pytest.param(lambda token: ("B" if token[0] != "B" else "C") + token[1:], id="another first character"),
        pytest.param(lambda token: "x" * 200_000, id="huge"),
        pytest.param(lambda token: "..", id="dots"),
        pytest.param(lambda token: "\x00é", id="no ASCII"),
        pytest.param(lambda token: " " + token, id="with a space"),
    ],
)
@pytest.mark.parametrize("kind", ["web access_token", "opaque access_token", "web refresh_token"])
async def test_what_is_not_letter_for_letter_a_token_is_not_active(
    desk: Desk, visitor: Visitor, kind: str, spoil: Callable[[str], str]
) -> None:
    issued_to, name = kind.split()
    token = (await tokens(desk, visitor, issued_to))[name]
    assert await ask(desk, spoil(token), issued_to) == INACTIVE
    assert (await ask(desk, token, issued_to))["active"], "and nothing happened to it"


@pytest.mark.spec("7662-4-a")
async def test_another_jwt_of_ours_is_no_access_token(desk: Desk, visitor: Visitor) -> None:
    issued = await tokens(desk, visitor)
    assert await ask(desk, issued["id_token"], "web") == INACTIVE
    answer = await ask_for_answer(desk, issued["access_token"], "web", signed=True)
    assert isinstance(answer, Jwt)
    assert await ask(desk, answer.token, "web") == INACTIVE


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"iss": "https://evil.test"}, id="another issuer"),
        pytest.param({"aud": "https://elsewhere.test"}, id="an audience that is not ours"),
        pytest.param({"nbf": 1_900_000_000}, id="not yet"),
        pytest.param({"authorization_id": "a" * 43}, id="an authorization that is gone"),
        pytest.param({"cnf": {"kid": "x"}}, id="bound in a way that nobody knows"),
    ],
)
async def test_claims_are_checked_however_good_the_signature(
    desk: Desk, visitor: Visitor, changes: dict[str, Any]
) -> None:
    claims = dict(claims_of((await tokens(desk, visitor))["access_token"]))
    assert (await ask(desk, await sign(desk, claims), "web"))["active"]
    assert await ask(desk, await sign(desk, claims | changes), "web") == INACTIVE


async def test_a_bound_token_says_to_what(desk: Desk, visitor: Visitor) -> None:
    claims = dict(claims_of((await tokens(desk, visitor))["access_token"]))
    for cnf, token_type in (({"jkt": "k" * 43}, "DPoP"), ({"x5t#S256": "c" * 43}, "Bearer")):
        said = await ask(desk, await sign(desk, claims | {"cnf": cnf}))
        assert (said["cnf"], said["token_type"]) == (cnf, token_type)


@pytest.mark.spec("9700-2.2.2-a / 4.14.2-a")
async def test_a_used_refresh_token_is_not_active_and_asking_ends_nothing(desk: Desk, visitor: Visitor) -> None:
    first = (await tokens(desk, visitor))["refresh_token"]
    second = (await desk.refresh(first))["refresh_token"]
    assert (await ask(desk, first, "web"))["active"], "a retry would still be taken"
    desk.clock.turn(11)
    assert await ask(desk, first, "web") == INACTIVE
    assert (await ask(desk, second, "web"))["active"]
    assert await desk.refresh(second)


@pytest.mark.spec("7009-2-a")
@pytest.mark.parametrize("issued_to", ["web", "opaque"])
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_revocation_is_seen(desk: Desk, visitor: Visitor, kind: str, issued_to: str) -> None:
    issued = await tokens(desk, visitor, issued_to)
    await desk.revoke(issued[kind], issued_to)
    for name in ("access_token", "refresh_token"):
        assert await ask(desk, issued[name], issued_to) == INACTIVE


@pytest.mark.parametrize("form", [{"token": ""}, {"token": "a"}], ids=["empty", "twice"])
async def test_the_token_stands_there_once(desk: Desk, form: dict[str, str]) -> None:
    authorization, _ = credentials("api", SECRET)
    pairs = (("token", form["token"]), *((("token", "b"),) if form["token"] else ()))
    with pytest.raises(InvalidRequest):
        await desk.core.introspect(pairs, authorization, PEER)


async def test_a_store_that_fails_says_neither_yes_nor_no() -> None:
    class Failing(MemoryServerStore):
        down = False

        async def find_client(self, client_id: ClientId) -> ClientRegistration | None:
            return await super().find_client(client_id)

        async def find_authorization(self, id_: str) -> Any:
            return await self._read(super().find_authorization(id_))

        async def find_opaque_token(self, digest: str) -> Any:
            return await self._read(super().find_opaque_token(digest))

        async def _read(self, reading: Awaitable[Any]) -> Any:
            found = await reading
            if self.down:
                raise Unavailable(Finding.STORE_UNAVAILABLE)
            return found

    store = Failing()
    desk = await open_kit(store)
    issued = [await tokens(desk, Visitor(desk.core), one) for one in ("web", "opaque")]
    store.down = True
    for one in issued:
        for token in (one["access_token"], one["refresh_token"]):
            with pytest.raises(Unavailable):
                await ask(desk, token, "web")


async def test_whoever_tries_tokens_out_is_slowed_down_and_live_tokens_are_not(
    desk: Desk, visitor: Visitor
) -> None:
    token = (await tokens(desk, visitor))["access_token"]
    for number in range(1000):
        assert await ask(desk, f"guess {number}") == INACTIVE
    with pytest.raises(TooManyRequests):
        await ask(desk, "one more guess")
    assert (await ask(desk, token))["active"]
    assert await ask(desk, "another client's guess", "web") == INACTIVE
    desk.clock.turn(1)
    assert await ask(desk, "a guess") == INACTIVE


# --- signed answers ----------------------------------------------------------------------------------------------


@pytest.mark.spec("9701 † / F2M-5.5", "threats §1.4")
@pytest.mark.parametrize(("asks", "algorithm"), [("api", "ES256"), ("web", "RS256")])
async def test_a_signed_answer_is_for_the_client_that_asked(
    desk: Desk, visitor: Visitor, asks: str, algorithm: str
) -> None:
    from dataclasses import replace

    found = await desk.store.find_client(ClientId(asks))
    assert found
    await desk.store.put_client(replace(found, introspection_signed_response_alg=algorithm), desk.clock.now())
    token = (await tokens(desk, visitor))["access_token"]
    answer = await ask_for_answer(desk, token, asks, signed=True)
    assert isinstance(answer, Jwt)
    assert answer.media_type == SIGNED
    header = header_of(answer.token)
    assert (header["typ"], header["alg"]) == ("token-introspection+jwt", algorithm)
    claims = dict(claims_of(answer.token))
    said = claims.pop("token_introspection")
    assert claims == {"iss": ISSUER, "aud": asks, "iat": desk.clock.now()}
    assert said == await ask(desk, token, asks)


@pytest.mark.spec("9701 † / F2M-5.5")
@pytest.mark.parametrize("token", ["unknown", "foreign"])
async def test_a_signed_answer_says_no_more_than_a_plain_one(desk: Desk, visitor: Visitor, token: str) -> None:
    text = (await tokens(desk, visitor, resource=BILLING, scope="openid bills:read"))["access_token"]
    answer = await ask_for_answer(desk, text if token == "foreign" else token, signed=True)
    assert isinstance(answer, Jwt)
    assert claims_of(answer.token)["token_introspection"] == INACTIVE
