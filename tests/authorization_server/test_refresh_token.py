"""Refresh tokens: rotation, the same successor within the grace, and the end of a family that is used twice."""

import asyncio
from typing import Any

import pytest

from proofkey.authorization_server.answers import Json
from proofkey.authorization_server.records import AuditEvent
from proofkey.authorization_server.refresh_token import RefreshHandle, build_refresh_token, read_refresh_token
from proofkey.errors import InvalidGrant, InvalidScope, InvalidTarget, InvalidToken, OAuthError
from proofkey.findings import Finding
from proofkey.protocol.text import Secret
from tests.authorization_server.driver import (
    API,
    BILLING,
    Desk,
    Visitor,
    claims_of,
    client,
    open_desk,
)
from tests.authorization_server.test_authorization_code import CheckThenSetStore

DAY = 86400
KEY = b"k" * 32


@pytest.mark.spec("9700-2.2.2-a", "OC-12.2-a")
async def test_refreshing_rotates_and_keeps_who_and_when(desk: Desk, visitor: Visitor) -> None:
    first = await visitor.tokens(desk)
    desk.clock.turn(100)
    second = await desk.refresh(first["refresh_token"])
    assert second["refresh_token"] != first["refresh_token"]
    assert set(second) == set(first)
    old, new = claims_of(first["id_token"]), claims_of(second["id_token"])
    assert all(old[name] == new[name] for name in ("iss", "sub", "aud", "auth_time", "sid"))
    assert "nonce" not in new
    assert new["iat"] == old["iat"] + 100
    assert claims_of(second["access_token"])["jti"] != claims_of(first["access_token"])["jti"]
    assert "refresh_token" in await desk.refresh(second["refresh_token"])


@pytest.mark.spec("X-rot-a")
async def test_within_the_grace_a_retry_gets_the_same_successor_however_often(
    desk: Desk, visitor: Visitor
) -> None:
    first = (await visitor.tokens(desk))["refresh_token"]
    successor = (await desk.refresh(first))["refresh_token"]
    for passed in (0, 4, 4, 2):
        desk.clock.turn(passed)
        again = await desk.refresh(first)
        assert again["refresh_token"] == successor
        assert await desk.userinfo(again["access_token"])
    assert desk.event_names().count("refresh.rotated") == 1
    desk.clock.turn(1)  # 11 s after the first rotation: the window was never renewed
    with pytest.raises(InvalidGrant) as refused:
        await desk.refresh(first)
    assert refused.value.finding is Finding.REFRESH_REUSED


@pytest.mark.spec("9700-4.14.2-a")
async def test_reuse_after_the_grace_ends_the_family(desk: Desk, visitor: Visitor) -> None:
    first = (await visitor.tokens(desk))["refresh_token"]
    second = await desk.refresh(first)
    desk.clock.turn(11)
    with pytest.raises(InvalidGrant) as refused:
        await desk.refresh(first)
    assert refused.value.finding is Finding.REFRESH_REUSED
    assert "refresh.reused" in desk.event_names()
    with pytest.raises(InvalidGrant) as refused:
        await desk.refresh(second["refresh_token"])
    assert refused.value.finding is Finding.GRANT_REVOKED
    with pytest.raises(InvalidToken):
        await desk.userinfo(second["access_token"])


async def test_the_token_before_the_last_one_ends_the_family_at_once(desk: Desk, visitor: Visitor) -> None:
    first = (await visitor.tokens(desk))["refresh_token"]
    second = (await desk.refresh(first))["refresh_token"]
    await desk.refresh(second)
    with pytest.raises(InvalidGrant) as refused:
        await desk.refresh(first)
    assert refused.value.finding is Finding.REFRESH_REUSED


async def test_a_generation_from_the_future_ends_the_family(desk: Desk, visitor: Visitor) -> None:
    """As after a restored backup: the token is genuine, the row is behind it."""
    from proofkey.runtime.server_core import MAC_LABEL
    from tests.authorization_server.driver import MASTER_KEY

    token = (await visitor.tokens(desk))["refresh_token"]
    mac_key = MASTER_KEY.derive(MAC_LABEL)
    handle = read_refresh_token(Secret(token), mac_key)
    ahead = build_refresh_token(RefreshHandle(handle.authorization_id, handle.generation + 1), mac_key)
    with pytest.raises(InvalidGrant) as refused:
        await desk.refresh(ahead.reveal())
    assert refused.value.finding is Finding.REFRESH_REUSED
    with pytest.raises(InvalidGrant):
        await desk.refresh(token)


async def test_without_a_grace_the_second_use_ends_the_family() -> None:
    from dataclasses import replace

    from proofkey.authorization_server.policy import Lifetimes
    from tests.authorization_server.driver import POLICY

    desk = await open_desk(replace(POLICY, lifetimes=Lifetimes(refresh_grace=0)))
    first = (await Visitor(desk.core).tokens(desk))["refresh_token"]
    await desk.refresh(first)
    with pytest.raises(InvalidGrant) as refused:
        await desk.refresh(first)
    assert refused.value.finding is Finding.REFRESH_REUSED


@pytest.mark.spec("9700-4.14.2-e")
async def test_a_flipped_character_is_refused_and_harms_nobody(desk: Desk, visitor: Visitor) -> None:
    token = (await visitor.tokens(desk))["refresh_token"]
    before = len(desk.events)
    spoiled = [
        token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :] for place in range(len(token))
    ]
    for wrong in (
        *spoiled,
        token[:-1],
        token + "A",
        token.replace(".1.", ".01."),
        "",
        "x",
        token.rpartition(".")[0],
    ):
        form = {"refresh_token": wrong} if wrong else {"refresh_token": "."}
        with pytest.raises(InvalidGrant) as refused:
            await desk.token(grant_type="refresh_token", **form)
        assert refused.value.finding is Finding.REFRESH_UNKNOWN
    assert len(desk.events) == before
    assert await desk.refresh(token)


@pytest.mark.spec("6749-6-a", "O21-7.7-a")
async def test_a_refresh_token_belongs_to_its_client(desk: Desk, visitor: Visitor) -> None:
    token = (await visitor.tokens(desk))["refresh_token"]
    for other in ("first", "native"):
        with pytest.raises(InvalidGrant) as refused:
            await desk.refresh(token, other)
        assert refused.value.finding is Finding.REFRESH_FOREIGN_CLIENT
    assert await desk.refresh(token)


@pytest.mark.spec("6749-6-a", "8707-2-a", "9700-4.14.2-b")
async def test_scope_and_resource_may_be_narrowed_and_not_widened(desk: Desk, visitor: Visitor) -> None:
    token = (await visitor.tokens(desk, resource=API))["refresh_token"]
    for form, error in (
        ({"scope": "openid orders:write"}, InvalidScope),
        ({"scope": "admin"}, InvalidScope),
        ({"resource": BILLING}, InvalidTarget),
        ({"resource": "https://who.test"}, InvalidTarget),
    ):
        with pytest.raises(error):
            await desk.refresh(token, **form)
    narrow = await desk.refresh(token, scope="orders:read", resource=API)
    assert narrow["scope"] == claims_of(narrow["access_token"])["scope"] == "orders:read"
    assert "id_token" not in narrow
    whole = await desk.refresh(narrow["refresh_token"])
    assert whole["scope"] == "openid profile email offline_access orders:read"


@pytest.mark.spec("9700-4.14.2-c", "V10-10.4.8", "10017-6.3.2.3-a")
@pytest.mark.parametrize(
    ("client_id", "steps", "limit"),
    [
        pytest.param("web", [14 * DAY - 1], None, id="idle for less than 14 days"),
        pytest.param("web", [14 * DAY], "idle", id="idle for 14 days"),
        pytest.param("web", [10 * DAY, 10 * DAY, 10 * DAY - 1], None, id="used for less than 30 days"),
        pytest.param("web", [10 * DAY, 10 * DAY, 10 * DAY], "absolute", id="used for 30 days"),
        pytest.param("native", [4 * 3600, 4 * 3600 - 1], None, id="public, less than 8 hours"),
        pytest.param("native", [4 * 3600, 4 * 3600], "absolute", id="public, 8 hours"),
    ],
)
async def test_a_family_has_an_idle_and_an_absolute_end(
    desk: Desk, visitor: Visitor, client_id: str, steps: list[int], limit: str | None
) -> None:
    token = (await visitor.tokens(desk, client_id))["refresh_token"]
    for number, seconds in enumerate(steps, start=1):
        desk.clock.turn(seconds)
        if limit and number == len(steps):
            with pytest.raises(InvalidGrant) as refused:
                await desk.refresh(token, client_id)
            assert (refused.value.finding, refused.value.facts["limit"]) == (Finding.REFRESH_EXPIRED, limit)
            return
        token = (await desk.refresh(token, client_id))["refresh_token"]


async def test_a_client_that_lost_the_grant_may_not_refresh(desk: Desk, visitor: Visitor) -> None:
    from proofkey.errors import UnauthorizedClient

    token = (await visitor.tokens(desk))["refresh_token"]
    await desk.store.put_client(client("web", grant_types=frozenset({"authorization_code"})), desk.clock.now())
    with pytest.raises(UnauthorizedClient):
        await desk.refresh(token)


@pytest.mark.spec("X-rot-a")
async def test_of_fifty_at_once_all_get_one_successor(desk: Desk, visitor: Visitor) -> None:
    token = (await visitor.tokens(desk))["refresh_token"]
    answers = await asyncio.gather(*(desk.refresh(token) for _ in range(50)))
    assert len({answer["refresh_token"] for answer in answers}) == 1
    assert desk.event_names().count("refresh.rotated") == 1
    assert await desk.refresh(answers[0]["refresh_token"])


async def test_the_rotation_race_test_can_fail() -> None:
    desk = await open_desk(store=CheckThenSetStore())
    token = (await Visitor(desk.core).tokens(desk))["refresh_token"]
    told: list[AuditEvent | OAuthError | None] = []

    async def refresh() -> None:
        authorization, pairs = _web()
        answer = await desk.core.token(
            (*pairs, ("grant_type", "refresh_token"), ("refresh_token", token)), authorization, "peer"
        )
        assert isinstance(answer, Json)
        assert isinstance(answer.told, AuditEvent)
        told.append(answer.told)

    await asyncio.gather(*(refresh() for _ in range(50)))
    assert sum(isinstance(event, AuditEvent) and event.name == "refresh.rotated" for event in told) > 1


def _web() -> tuple[tuple[str, ...], Any]:
    from tests.authorization_server.driver import SECRET, credentials

    return credentials("web", SECRET)


async def test_a_lost_race_against_a_revocation_is_refused(desk: Desk, visitor: Visitor) -> None:
    from proofkey.store.memory import MemoryServerStore

    class RevokedMeanwhile(MemoryServerStore):
        async def rotate(self, id_: str, generation: int, now: Any, *args: Any) -> bool:
            await self.revoke(id_, now, AuditEvent(at=now, name="meanwhile"))
            return await super().rotate(id_, generation, now, *args)

    desk = await open_desk(store=RevokedMeanwhile())
    token = (await Visitor(desk.core).tokens(desk))["refresh_token"]
    with pytest.raises(InvalidGrant) as refused:
        await desk.refresh(token)
    assert refused.value.finding is Finding.GRANT_REVOKED


def test_a_handle_survives_its_token_and_another_key_reads_nothing() -> None:
    handle = RefreshHandle("i" * 43, 7)
    token = build_refresh_token(handle, KEY)
    assert read_refresh_token(token, KEY) == handle
    assert build_refresh_token(handle, KEY) == token
    with pytest.raises(InvalidGrant):
        read_refresh_token(token, b"l" * 32)
