"""Codes at the token endpoint: bound, short-lived, used once by whoever comes first."""

import asyncio
from dataclasses import asdict
from typing import Any

import pytest

from proofkey.authorization_server.records import NOBODY, AuditEvent, Sender
from proofkey.errors import InvalidGrant, InvalidTarget, InvalidToken, OAuthError
from proofkey.findings import Finding
from proofkey.protocol.pkce import challenge_of
from proofkey.protocol.text import Instant, digest_of
from proofkey.store.memory import MemoryServerStore
from tests.authorization_server.driver import (
    API,
    BILLING,
    CALLBACK,
    ISSUER,
    VERIFIER,
    Desk,
    Visitor,
    claims_of,
    header_of,
    open_desk,
)


@pytest.mark.spec("9068-2.1-a", "OC-2-a", "OC-2-b", "6749-5.1-a")
async def test_a_code_gives_tokens(desk: Desk, visitor: Visitor) -> None:
    tokens = await visitor.tokens(desk, resource=API)
    assert set(tokens) == {"access_token", "token_type", "expires_in", "refresh_token", "id_token", "scope"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 900)
    header, claims = header_of(tokens["access_token"]), dict(claims_of(tokens["access_token"]))
    assert set(header) == {"alg", "kid", "typ"}
    assert (header["alg"], header["typ"]) == ("ES256", "at+jwt")
    now = desk.clock.now()
    assert len(claims.pop("jti")) == 43
    assert claims.pop("authorization_id")
    assert claims == {
        "iss": ISSUER, "sub": "u1", "aud": API, "client_id": "web", "iat": now, "exp": now + 900,
        "scope": "openid profile email offline_access orders:read", "auth_time": now, "roles": ["admin"],
    }  # fmt: skip
    header, claims = header_of(tokens["id_token"]), dict(claims_of(tokens["id_token"]))
    assert set(header) == {"alg", "kid", "typ"}
    assert len(claims.pop("sid")) == 22
    assert len(claims.pop("at_hash")) == 22
    assert claims == {
        "iss": ISSUER, "sub": "u1", "aud": "web", "iat": now, "exp": now + 300, "auth_time": now,
        "nonce": "the nonce", "amr": ["pwd"], "name": "Ann Example", "preferred_username": "ann",
        "roles": ["admin"], "email": "ann@op.test", "email_verified": True,
    }  # fmt: skip


@pytest.mark.spec("OC-15.1-a", "OC-3.1.3.6-a")
async def test_an_id_token_is_signed_as_the_client_registered(desk: Desk, visitor: Visitor) -> None:
    from proofkey.protocol.id_token import at_hash, verify_id_token
    from proofkey.protocol.key_set import KeySet, parse_public_jwk

    tokens = await visitor.tokens(desk, "first")
    assert header_of(tokens["id_token"])["alg"] == "RS256"
    keys = KeySet(parse_public_jwk(jwk) for jwk in desk.core.jwks()["keys"])
    verify_id_token(
        tokens["id_token"], keys, algorithms=frozenset({"RS256"}), issuer=ISSUER, client_id="first",
        nonce="the nonce", access_token=tokens["access_token"], max_age=None, now=desk.clock.now(),
    )  # fmt: skip
    assert claims_of(tokens["id_token"])["at_hash"] == at_hash(tokens["access_token"], "RS256")


async def test_a_request_without_openid_gets_no_id_token(desk: Desk, visitor: Visitor) -> None:
    tokens = await visitor.tokens(desk, scope="orders:read")
    assert "id_token" not in tokens


@pytest.mark.spec("OC-11-a")
async def test_without_offline_access_there_is_no_refresh_token(desk: Desk, visitor: Visitor) -> None:
    assert "refresh_token" not in await visitor.tokens(desk, scope="openid")


@pytest.mark.spec("OC-5.4-a", "OC-5.7-a")
async def test_claims_follow_the_scope_and_absent_ones_are_left_out(desk: Desk, visitor: Visitor) -> None:
    claims = claims_of((await visitor.tokens(desk, scope="openid"))["id_token"])
    assert not {"name", "email", "email_verified", "roles", "preferred_username"} & set(claims)
    claims = claims_of((await visitor.tokens(desk, username="bob", prompt="login"))["id_token"])
    assert claims["email"] == "bob@op.test"
    assert claims["email_verified"] is False
    assert not {"name", "nickname", "roles"} & set(claims)
    assert "roles" not in claims_of((await visitor.tokens(desk))["access_token"])


@pytest.mark.spec("9068-3-a", "8707-2-a")
@pytest.mark.parametrize(
    ("default", "asked", "audience"),
    [
        (None, None, ISSUER),
        (BILLING, None, BILLING),
        (BILLING, API, API),
        (None, API, API),
        (None, ISSUER, ISSUER),
    ],
)
async def test_the_audience_is_the_resource_else_the_default_else_the_issuer(
    default: str | None, asked: str | None, audience: str
) -> None:
    from dataclasses import replace

    from tests.authorization_server.driver import POLICY

    desk = await open_desk(replace(POLICY, default_resource=default))
    tokens = await Visitor(desk.core).tokens(desk, resource=asked, scope="openid")
    assert claims_of(tokens["access_token"])["aud"] == audience
    assert (await desk.userinfo(tokens["access_token"]))["sub"] == "u1"


# --- what a code is bound to ----------------------------------------------------------------------


@pytest.mark.spec("9700-2.1.1-a", "9700-4.8.2-a", "6749-4.1.3-a", "O21-10.2-a", "7636-4.2-a", "8707-2-a")
@pytest.mark.parametrize(
    ("client_id", "form", "finding"),
    [
        pytest.param("web", {"code": "not a code"}, Finding.CODE_UNKNOWN, id="unknown code"),
        pytest.param("web", {"code_verifier": ""}, Finding.PKCE_VERIFIER_MISSING, id="no verifier"),
        pytest.param("web", {"code_verifier": "w" * 43}, Finding.PKCE_VERIFIER_WRONG, id="wrong verifier"),
        pytest.param("web", {"code_verifier": "v" * 42}, Finding.PKCE_VERIFIER_MALFORMED, id="verifier of 42"),
        pytest.param("web", {"code_verifier": "v" * 129}, Finding.PKCE_VERIFIER_MALFORMED, id="verifier of 129"),
        pytest.param("web", {"code_verifier": "+" * 43}, Finding.PKCE_VERIFIER_MALFORMED, id="verifier with +"),
        pytest.param(
            "web",
            {"code_verifier": challenge_of(VERIFIER)},
            Finding.PKCE_VERIFIER_WRONG,
            id="the challenge itself",
        ),
        pytest.param("first", {}, Finding.CODE_FOREIGN_CLIENT, id="another client"),
        pytest.param("native", {}, Finding.CODE_FOREIGN_CLIENT, id="a public client"),
        pytest.param(
            "web", {"redirect_uri": "https://rp.test/other"}, Finding.CODE_REDIRECT_URI_DIFFERS, id="other URI"
        ),
        pytest.param("web", {"resource": API}, Finding.RESOURCE_NOT_GRANTED, id="more than was granted"),
    ],
)
async def test_a_code_is_refused_and_lives_on_when(
    desk: Desk, visitor: Visitor, client_id: str, form: dict[str, str], finding: Finding
) -> None:
    code = (await visitor.walk())["code"]
    before = len(desk.events)
    for _ in range(3):
        with pytest.raises((InvalidGrant, InvalidTarget)) as refused:
            await desk.redeem(**{"code": code, "client_id": client_id, **form})
        assert refused.value.finding is finding
    assert len(desk.events) == before  # nothing was written
    assert "access_token" in await desk.redeem(code)


@pytest.mark.spec("9700-4.8.2-a")
async def test_a_verifier_without_a_challenge_is_refused(desk: Desk, visitor: Visitor) -> None:
    back = await visitor.walk("old", code_challenge=None, code_challenge_method=None)
    with pytest.raises(InvalidGrant) as refused:
        await desk.redeem(back["code"], "old")
    assert refused.value.finding is Finding.PKCE_VERIFIER_UNASKED


@pytest.mark.spec("O21-10.2-a")
async def test_an_absent_redirect_uri_is_accepted(desk: Desk, visitor: Visitor) -> None:
    assert "access_token" in await desk.redeem((await visitor.walk())["code"], redirect_uri="")


@pytest.mark.spec("V10-10.4.3")
@pytest.mark.parametrize(("passed", "good"), [(59, True), (60, False), (3600, False)])
async def test_a_code_lives_for_sixty_seconds(desk: Desk, visitor: Visitor, passed: int, good: bool) -> None:
    code = (await visitor.walk())["code"]
    desk.clock.turn(passed)
    if good:
        await desk.redeem(code)
        return
    with pytest.raises(InvalidGrant) as refused:
        await desk.redeem(code)
    assert refused.value.finding is Finding.CODE_EXPIRED


@pytest.mark.spec("O21-7.7-a")
async def test_no_value_of_a_code_or_token_is_stored(desk: Desk, visitor: Visitor) -> None:
    code = (await visitor.walk())["code"]
    tokens = await desk.redeem(code)
    standing = await desk.store.find_authorization(claims_of(tokens["access_token"])["authorization_id"])
    assert standing is not None
    held = repr(vars(desk.store)) + repr(asdict(standing.authorization))
    assert digest_of(code) in held
    for value in (code, tokens["refresh_token"], tokens["access_token"], tokens["refresh_token"].split(".")[2]):
        assert value not in held


# --- used once ------------------------------------------------------------------------------------


@pytest.mark.spec("O21-7.5.2-a", "6749-4.1.2-a")
async def test_a_valid_replay_revokes_what_came_of_the_code(desk: Desk, visitor: Visitor) -> None:
    code = (await visitor.walk())["code"]
    tokens = await desk.redeem(code)
    desk.clock.turn(120)  # also when the code would have expired meanwhile
    with pytest.raises(InvalidGrant) as refused:
        await desk.redeem(code)
    assert refused.value.finding is Finding.CODE_USED
    assert "code.replayed" in desk.event_names()
    with pytest.raises(InvalidToken):
        await desk.userinfo(tokens["access_token"])
    with pytest.raises(InvalidGrant):
        await desk.refresh(tokens["refresh_token"])


@pytest.mark.spec("O21-7.5.2-a")
@pytest.mark.parametrize("fault", [{"code_verifier": "w" * 43}, {"client_id": "first"}, {"code_verifier": ""}])
async def test_an_invalid_replay_changes_nothing(desk: Desk, visitor: Visitor, fault: dict[str, str]) -> None:
    code = (await visitor.walk())["code"]
    tokens = await desk.redeem(code)
    with pytest.raises(InvalidGrant):
        await desk.redeem(**{"code": code, "client_id": "web", **fault})
    assert await desk.userinfo(tokens["access_token"])
    assert await desk.refresh(tokens["refresh_token"])


class CheckThenSetStore(MemoryServerStore):
    """A store that reads, goes away, and writes: what a single-use value must never be built on."""

    async def use_code(self, id_: str, now: Instant, event: AuditEvent, sender: Sender = NOBODY) -> bool:
        standing = await self.find_authorization(id_)
        await asyncio.sleep(0)
        if standing is None or standing.authorization.code_used_at is not None:
            return False
        await super().use_code(id_, now, event, sender)
        return True

    async def rotate(self, id_: str, generation: int, *args: Any) -> bool:
        standing = await self.find_authorization(id_)
        await asyncio.sleep(0)
        if standing is None or standing.authorization.generation != generation:
            return False
        await super().rotate(id_, generation, *args)
        return True


class SlowStore(MemoryServerStore):
    """Every caller has read before the first one writes; the write itself is one step."""

    async def use_code(self, id_: str, now: Instant, event: AuditEvent, sender: Sender = NOBODY) -> bool:
        await asyncio.sleep(0)
        return await super().use_code(id_, now, event, sender)


async def _race(desk: Desk, number: int) -> int:
    code = (await Visitor(desk.core).walk())["code"]
    answers = await asyncio.gather(*(desk.redeem(code) for _ in range(number)), return_exceptions=True)
    assert all(isinstance(answer, dict | OAuthError) for answer in answers)
    return sum(isinstance(answer, dict) for answer in answers)


@pytest.mark.spec("6749-4.1.2-a", "V10-10.4.2")
async def test_of_fifty_at_once_one_redeems_the_code() -> None:
    assert await _race(await open_desk(store=SlowStore()), 50) == 1


async def test_the_race_test_can_fail() -> None:
    assert await _race(await open_desk(store=CheckThenSetStore()), 50) > 1


async def test_the_callback_is_where_the_code_goes(visitor: Visitor) -> None:
    from proofkey.authorization_server.answers import Redirect

    await visitor.walk()
    answer = await visitor.authorize()
    assert isinstance(answer, Redirect)
    assert answer.url.startswith(CALLBACK + "?")
