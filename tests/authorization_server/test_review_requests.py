"""Requests that a review of the server's endpoints and grants thought of."""

from dataclasses import replace
from typing import Any

import pytest

from proofkey.authorization_server.answers import Json, Jwt
from proofkey.authorization_server.sender import Presented
from proofkey.errors import InvalidDpopProof, InvalidRequestObject, InvalidScope, InvalidToken, NoLocation
from proofkey.findings import Finding
from proofkey.protocol.text import ClientId
from proofkey.testing.dpop import DpopKey
from proofkey.testing.tokens import key_for_tests
from tests.authorization_server.driver import (
    API,
    ISSUER,
    PEER,
    SECRET,
    Desk,
    Visitor,
    claims_of,
    client,
    credentials,
    open_desk,
)
from tests.authorization_server.requests_kit import EVERYTHING, push, signed
from tests.authorization_server.tokens_kit import KIT, SCOPE, STOCK, exchange, open_kit
from tests.authorization_server.tokens_kit import ask as introspected


@pytest.fixture
async def desk() -> Desk:
    return await open_desk(EVERYTHING)


# --- refresh: what a client is registered for now ----------------------------------------------------------------


async def register_for(desk: Desk, *scope: str) -> None:
    """The operator changes what the client may ask for."""
    web = await desk.store.find_client(ClientId("web"))
    assert web
    await desk.store.put_client(replace(web, scope=scope), desk.clock.now())


@pytest.mark.spec("6749-6-a / OC-12.1", "threats §1.4")
async def test_a_scope_that_was_taken_from_the_client_is_not_refreshed(desk: Desk, visitor: Visitor) -> None:
    issued = await visitor.tokens(desk)
    assert "orders:read" in issued["scope"].split()
    await register_for(desk, "openid", "profile", "offline_access")
    answer = await desk.refresh(issued["refresh_token"])
    assert answer["scope"] == "openid profile offline_access"
    assert claims_of(answer["access_token"])["scope"] == "openid profile offline_access"
    again = await desk.refresh(issued["refresh_token"])
    assert again["scope"] == answer["scope"], "nor by a retry"


@pytest.mark.spec("6749-6-a / OC-12.1", "threats §1.4")
async def test_a_refresh_that_leaves_no_scope_is_refused_and_costs_nothing(desk: Desk, visitor: Visitor) -> None:
    issued = await visitor.tokens(desk)
    await register_for(desk, "bills:read")
    with pytest.raises(InvalidScope) as refused:
        await desk.refresh(issued["refresh_token"])
    assert refused.value.finding is Finding.SCOPE_NOT_ALLOWED
    await register_for(desk, "openid", "offline_access")
    with pytest.raises(InvalidScope):
        await desk.refresh(issued["refresh_token"], scope="orders:read")
    answer = await desk.refresh(issued["refresh_token"])
    assert answer["scope"] == "openid offline_access"


@pytest.mark.spec("OC-5.4-a", "threats §1.4")
async def test_a_single_claim_goes_with_its_scope(desk: Desk, visitor: Visitor) -> None:
    """The client may no longer ask for the e-mail address: neither token nor UserInfo tells it any more."""
    asked = '{"id_token": {"email": null}, "userinfo": {"email": null}}'
    issued = await visitor.tokens(desk, scope="openid offline_access", claims=asked)
    assert claims_of(issued["id_token"])["email"] == "ann@op.test"
    assert (await desk.userinfo(issued["access_token"]))["email"] == "ann@op.test"
    await register_for(desk, "openid", "profile", "offline_access")
    answer = await desk.refresh(issued["refresh_token"])
    assert "email" not in claims_of(answer["id_token"])
    assert "email" not in await desk.userinfo(answer["access_token"])


@pytest.mark.spec("OC-8.1-a", "OC-5.3-a")
async def test_userinfo_says_no_other_name_than_the_client_knows_now(desk: Desk, visitor: Visitor) -> None:
    """A token from before the client's subjects became pairwise tells the old name to nobody."""
    issued = await visitor.tokens(desk)
    assert (await desk.userinfo(issued["access_token"]))["sub"] == "u1"
    web = await desk.store.find_client(ClientId("web"))
    assert web
    await desk.store.put_client(replace(web, subject_type="pairwise"), desk.clock.now())
    with pytest.raises(InvalidToken):
        await desk.userinfo(issued["access_token"])
    answer = await desk.refresh(issued["refresh_token"])
    assert (await desk.userinfo(answer["access_token"]))["sub"] == claims_of(answer["id_token"])["sub"] != "u1"


# --- pushed requests ---------------------------------------------------------------------------------------------


@pytest.mark.spec("9449-11.1-a", "9449-10-a / 10.1-a")
async def test_a_proof_pushes_one_request(desk: Desk) -> None:
    key = DpopKey(key=key_for_tests("ES256", "dpop"), clock=desk.clock)
    proof = key.proof("POST", f"{ISSUER}/par")
    await push(desk, presented=Presented((proof,)))
    with pytest.raises(InvalidDpopProof) as refused:
        await push(desk, presented=Presented((proof,)))
    assert refused.value.finding is Finding.DPOP_PROOF_REPLAYED


@pytest.mark.spec("OC-3.1.2.2-b")
async def test_two_places_that_name_different_people_ask_for_nobody(desk: Desk, visitor: Visitor) -> None:
    await visitor.tokens(desk)
    same = '{"id_token": {"sub": {"value": "u1"}}, "userinfo": {"sub": {"values": ["u2", "u1"]}}}'
    assert "code" in await visitor.walk("web", claims=same, prompt="none")
    other = '{"id_token": {"sub": {"value": "u1"}}, "userinfo": {"sub": {"value": "u2"}}}'
    assert (await visitor.walk("web", claims=other, prompt="none"))["error"] == "login_required"


# --- hints -------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OC-3.1.2.2-a", "threats §1.4")
async def test_a_signed_userinfo_answer_is_no_hint(visitor: Visitor) -> None:
    """It has the same signer, type, issuer and audience as an ID token, but was never one."""
    desk = await open_desk(replace(EVERYTHING, clients=(client("web", userinfo_signed_response_alg="ES256"),)))
    visitor.core = desk.core
    issued = await visitor.tokens(desk)
    told = await desk.core.userinfo((f"Bearer {issued['access_token']}",), ())
    assert isinstance(told, Jwt)
    assert "code" in await visitor.walk("web", id_token_hint=issued["id_token"], prompt="none")
    refused = await visitor.walk("web", id_token_hint=told.token, prompt="none")
    assert refused["error"] == "invalid_request"
    with pytest.raises(NoLocation):
        await desk.core.end_session((("id_token_hint", told.token),), visitor.browser)


# --- request objects ---------------------------------------------------------------------------------------------


@pytest.mark.spec("threats §2.20", "9101-10.2-a † / OC-6")
@pytest.mark.parametrize("changes", [{"nonce": "a\0b"}, {"a\0b": "c"}, {"claims": {"id_token": {"a\0b": None}}}])
async def test_a_nul_in_an_object_goes_no_further(desk: Desk, visitor: Visitor, changes: dict[str, Any]) -> None:
    """No parameter of a form can have one, and no database's text; JSON inside a parameter has it escaped."""
    token = signed(scope="openid", **changes)
    authorization, pairs = credentials("signs", SECRET)
    if "claims" in changes:
        answer = await visitor.core.push((*pairs, ("request", token)), authorization, PEER)
        assert isinstance(answer, Json)
        assert answer.status == 201
        return
    with pytest.raises(InvalidRequestObject) as refused:
        await visitor.core.push((*pairs, ("request", token)), authorization, PEER)
    assert refused.value.facts["reason"] == "NUL"


# --- token exchange ----------------------------------------------------------------------------------------------


@pytest.mark.spec("8693-2-a †", "OC-5.3-a")
async def test_an_exchanged_token_never_opens_userinfo_whatever_a_resource_lists(visitor: Visitor) -> None:
    """An operator who names `openid` among an API's scopes has neither taken it from the logins for other APIs nor
    let that one read the profile."""
    resources = dict(KIT.resources)
    resources[STOCK] = replace(resources[STOCK], scopes=("openid", "profile", "orders:read"))
    desk = await open_kit(resources=resources)
    visitor.core = desk.core
    issued = await visitor.tokens(desk, scope=SCOPE, resource=API)
    assert issued["scope"] == SCOPE
    answer = await exchange(desk, issued["access_token"])
    assert answer["scope"] == "orders:read"
    with pytest.raises(InvalidScope):
        await exchange(desk, issued["access_token"], scope="openid")


@pytest.mark.spec("7009-2-a", "7662-4-a")
async def test_a_jwt_that_was_revoked_alone_stays_so_to_its_end(visitor: Visitor) -> None:
    """What remembers it is not purged before the token is over."""
    desk = await open_kit()
    visitor.core = desk.core
    issued = await visitor.tokens(desk, scope=SCOPE, resource=API)
    token = (await exchange(desk, issued["access_token"]))["access_token"]
    assert (await introspected(desk, token, "stock"))["active"]
    await desk.revoke(token, "api")
    desk.clock.turn(claims_of(token)["exp"] - desk.clock.now() - 1)
    while await desk.store.purge(desk.clock.now()):
        pass
    assert await introspected(desk, token, "stock") == {"active": False}
