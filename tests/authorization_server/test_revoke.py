"""Revocation: every kind of token, whatever the hint says, and never somebody else's."""

import pytest

from proofkey.authorization_server.answers import Json
from proofkey.authorization_server.records import AuditEvent, OpaqueToken
from proofkey.errors import (
    InvalidClient,
    InvalidGrant,
    InvalidRequest,
    InvalidToken,
    Unavailable,
)
from proofkey.findings import Finding
from proofkey.protocol.text import Instant, digest_of
from proofkey.store.memory import MemoryServerStore
from tests.authorization_server.driver import API, PEER, SECRET, Desk, Visitor, client, credentials, open_desk
from tests.authorization_server.tokens_kit import KIT, ask, open_kit

HINTS = [
    {},
    {"token_type_hint": "access_token"},
    {"token_type_hint": "refresh_token"},
    {"token_type_hint": "other"},
]


@pytest.mark.spec("7009-2-a", "7009-2.1-a")
@pytest.mark.parametrize("hint", HINTS, ids=lambda hint: hint.get("token_type_hint", "no hint"))
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_a_token_is_revoked_with_all_of_its_grant(
    desk: Desk, visitor: Visitor, kind: str, hint: dict[str, str]
) -> None:
    tokens = await visitor.tokens(desk)
    answer = await desk.revoke(tokens[kind], **hint)
    assert (answer.status, answer.body) == (200, {})
    assert "grant.revoked" in desk.event_names()
    with pytest.raises(InvalidGrant):
        await desk.refresh(tokens["refresh_token"])
    with pytest.raises(InvalidToken):
        await desk.userinfo(tokens["access_token"])
    assert (await desk.revoke(tokens[kind], **hint)).status == 200


@pytest.mark.spec("7009-2-a")
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_another_clients_token_is_answered_like_an_unknown_one(
    desk: Desk, visitor: Visitor, kind: str
) -> None:
    tokens = await visitor.tokens(desk)
    for other in ("first", "native"):
        assert await desk.revoke(tokens[kind], other) == await desk.revoke("what is this", other)
    assert await desk.refresh(tokens["refresh_token"])
    assert await desk.userinfo(tokens["access_token"])


async def test_an_older_refresh_token_revokes_its_family_too(desk: Desk, visitor: Visitor) -> None:
    first = (await visitor.tokens(desk))["refresh_token"]
    second = (await desk.refresh(first))["refresh_token"]
    await desk.revoke(first)
    with pytest.raises(InvalidGrant):
        await desk.refresh(second)


async def test_a_public_client_revokes_its_own(desk: Desk, visitor: Visitor) -> None:
    tokens = await visitor.tokens(desk, "native")
    await desk.revoke(tokens["refresh_token"], "native")
    with pytest.raises(InvalidGrant):
        await desk.refresh(tokens["refresh_token"], "native")


async def test_an_expired_access_token_is_answered_and_nothing_happens(desk: Desk, visitor: Visitor) -> None:
    tokens = await visitor.tokens(desk)
    desk.clock.turn(1000)
    assert (await desk.revoke(tokens["access_token"])).status == 200
    assert await desk.refresh(tokens["refresh_token"])


@pytest.mark.spec("7009-2-a", "7009-2.1-a")
@pytest.mark.parametrize("hint", HINTS, ids=lambda hint: hint.get("token_type_hint", "no hint"))
@pytest.mark.parametrize("access_token_format", ["jwt", "opaque"])
async def test_a_clients_own_token_ends_alone(access_token_format: str, hint: dict[str, str]) -> None:
    desk = await open_kit(clients=(*KIT.clients, client("machine", access_token_format=access_token_format)))
    first, second = [
        (await desk.token("machine", grant_type="client_credentials", resource=API))["access_token"] for _ in "12"
    ]
    assert (await desk.revoke(first, "first", **hint)).status == 200
    assert (await ask(desk, first))["active"], "another client's"
    for _ in range(2):
        assert await desk.revoke(first, "machine", **hint) == Json(body={})
    assert await ask(desk, first) == {"active": False}
    assert (await ask(desk, second))["active"]
    assert desk.event_names().count("access_token.revoked") == 1
    desk.clock.turn(700)
    while await desk.store.purge(desk.clock.now()):
        pass
    assert await ask(desk, first) == {"active": False}, "over by itself, and nothing of it is kept"
    assert await desk.store.find_opaque_token(digest_of(first)) is None


@pytest.mark.spec("7009-2-a", "7009-2.1-a")
@pytest.mark.parametrize("hint", HINTS, ids=lambda hint: hint.get("token_type_hint", "no hint"))
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_an_opaque_token_is_revoked_with_all_of_its_grant(kind: str, hint: dict[str, str]) -> None:
    desk = await open_kit()
    tokens = await Visitor(desk.core).tokens(desk, "opaque")
    assert (await desk.userinfo(tokens["access_token"]))["sub"] == "u1"
    assert await desk.revoke(tokens[kind], "web", **hint) == Json(body={})
    assert await desk.userinfo(tokens["access_token"]), "another client's"
    await desk.revoke(tokens[kind], "opaque", **hint)
    with pytest.raises(InvalidToken):
        await desk.userinfo(tokens["access_token"])
    with pytest.raises(InvalidGrant):
        await desk.refresh(tokens["refresh_token"], "opaque")


@pytest.mark.spec("V10-10.4.10")
async def test_the_client_must_prove_itself(desk: Desk, visitor: Visitor) -> None:
    token = (await visitor.tokens(desk))["refresh_token"]
    for authorization, pairs in ((), ()), credentials("web", None):
        with pytest.raises(InvalidClient):
            await desk.core.revoke((*pairs, ("token", token)), authorization, PEER)
    assert await desk.refresh(token)


@pytest.mark.parametrize("pairs", [(), (("token", ""),), (("token", "a"), ("token", "a"))])
async def test_the_token_stands_there_once(desk: Desk, pairs: tuple[tuple[str, str], ...]) -> None:
    authorization, _ = credentials("web", SECRET)
    with pytest.raises(InvalidRequest):
        await desk.core.revoke(pairs, authorization, PEER)


async def test_a_store_that_fails_is_never_a_success() -> None:
    class Failing(MemoryServerStore):
        async def revoke(self, id_: str, now: Instant, event: AuditEvent) -> bool:
            raise Unavailable(Finding.STORE_UNAVAILABLE)

        async def revoke_opaque_token(self, token: OpaqueToken, now: Instant, event: AuditEvent) -> bool:
            raise Unavailable(Finding.STORE_UNAVAILABLE)

    desk = await open_desk(store=Failing())
    tokens = await Visitor(desk.core).tokens(desk)
    own = await desk.token(grant_type="client_credentials")
    for token in (tokens["refresh_token"], tokens["access_token"], own["access_token"]):
        with pytest.raises(Unavailable):
            await desk.revoke(token)
