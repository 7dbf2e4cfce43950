"""Token exchange at the server: who may pass a token on, to where, and what is left of it."""

from dataclasses import replace
from typing import Any

import anyio
import pytest

from proofkey.authorization_server.answers import Json
from proofkey.authorization_server.grants.token_exchange import MOST_ACTORS
from proofkey.authorization_server.sender import Presented
from proofkey.errors import (
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    InvalidToken,
    SubjectTokenRefused,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from proofkey.findings import Finding
from proofkey.protocol.text import ClientId
from proofkey.protocol.token_messages import ACCESS_TOKEN, JWT, TOKEN_EXCHANGE
from proofkey.testing.dpop import DpopKey
from proofkey.testing.tokens import key_for_tests
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
from tests.authorization_server.tokens_kit import SCOPE, STOCK, ask, exchange, open_kit, sign


@pytest.fixture
async def desk() -> Desk:
    return await open_kit()


async def received(desk: Desk, visitor: Visitor, client_id: str = "web", **changes: Any) -> str:
    """What the API receives from a web application."""
    issued = await visitor.tokens(desk, client_id, **{"scope": SCOPE, "resource": API, **changes})
    token: str = issued["access_token"]
    return token


# --- what is issued ----------------------------------------------------------------------------------------------


@pytest.mark.spec("8693-2-a †", "9068-2.1-a", "9700-2.3-a")
@pytest.mark.parametrize("issued_to", ["web", "opaque"])
@pytest.mark.parametrize("subject_token_type", [ACCESS_TOKEN, JWT])
async def test_the_new_token_says_for_whom_and_who_acts(
    desk: Desk, visitor: Visitor, issued_to: str, subject_token_type: str
) -> None:
    token = await received(desk, visitor, issued_to)
    desk.clock.turn(100)
    answer = await exchange(desk, token, subject_token_type=subject_token_type)
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope", "issued_token_type"}
    assert (answer["token_type"], answer["issued_token_type"]) == ("Bearer", ACCESS_TOKEN)
    assert (answer["scope"], answer["expires_in"]) == ("orders:read", 800), "not longer than the received one"
    claims = dict(claims_of(answer["access_token"]))
    assert header_of(answer["access_token"])["typ"] == "at+jwt"
    assert claims.pop("jti")
    assert claims.pop("authorization_id")
    now = desk.clock.now()
    assert claims == {
        "iss": ISSUER,
        "sub": "u1",
        "aud": STOCK,
        "client_id": "api",
        "act": {"sub": "api"},
        "scope": "orders:read",
        "roles": ["admin"],
        "auth_time": now - 100,
        "iat": now,
        "exp": now + 800,
    }
    said = await ask(desk, answer["access_token"], "stock")
    assert (said["sub"], said["act"], said["client_id"]) == ("u1", {"sub": "api"}, "api")


@pytest.mark.spec("8693-2-a †")
async def test_the_chain_of_actors_is_kept_and_ends(desk: Desk, visitor: Visitor) -> None:
    token = await received(desk, visitor)
    token = (await exchange(desk, token))["access_token"]
    token = (await exchange(desk, token, "stock", resource=API, scope="orders:read"))["access_token"]
    assert claims_of(token)["act"] == {"sub": "stock", "act": {"sub": "api"}}
    for _ in range(MOST_ACTORS - 2):
        token = (await exchange(desk, token, resource=API))["access_token"]
    with pytest.raises(SubjectTokenRefused) as refused:
        await exchange(desk, token)
    assert refused.value.finding is Finding.EXCHANGE_TOO_DEEP


async def test_a_client_narrows_its_own_token(desk: Desk, visitor: Visitor) -> None:
    api = await desk.store.find_client(ClientId("web"))
    assert api
    changed = replace(api, grant_types=api.grant_types | {TOKEN_EXCHANGE})
    await desk.store.put_client(changed, desk.clock.now())
    token = await received(desk, visitor)
    answer = await exchange(desk, token, "web", resource=API, scope="orders:read")
    assert answer["scope"] == "orders:read"
    with pytest.raises(InvalidScope):
        await exchange(desk, answer["access_token"], "web", resource=API, scope="orders:write")


async def test_it_ends_with_the_authorization_and_alone_by_its_own_client(desk: Desk, visitor: Visitor) -> None:
    token = await received(desk, visitor)
    first, second = [(await exchange(desk, token))["access_token"] for _ in range(2)]
    await desk.revoke(first, "web")
    assert (await ask(desk, first, "stock"))["active"], "web is not its client"
    await desk.revoke(first, "api")
    assert await ask(desk, first, "stock") == {"active": False}
    assert (await ask(desk, second, "stock"))["active"]
    assert (await ask(desk, token))["active"], "the API cannot sign the person out of the web application"
    with pytest.raises(SubjectTokenRefused):
        await exchange(desk, first, "stock", resource=BILLING)
    await desk.revoke(token, "web")
    assert await ask(desk, second, "stock") == {"active": False}


async def test_it_opens_no_userinfo(desk: Desk, visitor: Visitor) -> None:
    answer = await exchange(desk, await received(desk, visitor))
    from proofkey.errors import InsufficientScope

    with pytest.raises(InsufficientScope):
        await desk.userinfo(answer["access_token"])
    with pytest.raises(InvalidScope):
        await exchange(desk, await received(desk, visitor), scope="openid")


async def test_an_opaque_one_where_the_api_downstream_takes_those(visitor: Visitor) -> None:
    from tests.authorization_server.tokens_kit import KIT

    stock = replace(KIT.resources[STOCK], access_token_format="opaque")
    desk = await open_kit(resources={**KIT.resources, STOCK: stock})
    answer = await exchange(desk, await received(desk, Visitor(desk.core)))
    assert "." not in answer["access_token"]
    said = await ask(desk, answer["access_token"], "stock")
    assert (said["aud"], said["act"], said["sub"]) == (STOCK, {"sub": "api"}, "u1")


@pytest.mark.spec("8693-2-a †", "9449-5-a")
async def test_it_is_bound_to_the_key_of_the_api_that_asks(desk: Desk, visitor: Visitor) -> None:
    """The key of the received token, which the API never had, is not passed on."""
    theirs, own = [DpopKey(key=key_for_tests("ES256", name), clock=desk.clock) for name in ("theirs", "own")]
    token = await sign(desk, {**claims_of(await received(desk, visitor)), "cnf": {"jkt": theirs.jkt}})
    assert "cnf" not in claims_of((await exchange(desk, token))["access_token"])
    authorization, _ = credentials("api", SECRET)
    form = {
        "grant_type": TOKEN_EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        "resource": STOCK,
    }
    presented = Presented((own.proof("POST", f"{ISSUER}/token"),))
    answer = await desk.core.token(tuple(form.items()), authorization, PEER, presented)
    assert isinstance(answer, Json)
    assert answer.body["token_type"] == "DPoP"
    said = await ask(desk, answer.body["access_token"], "stock")
    assert (said["cnf"], said["token_type"]) == ({"jkt": own.jkt}, "DPoP")


async def test_roles_that_were_taken_away_are_not_passed_on(desk: Desk, visitor: Visitor) -> None:
    from proofkey.protocol.text import Subject

    token = await received(desk, visitor)
    ann = await desk.store.find_user(Subject("u1"))
    assert ann
    await desk.store.put_user(replace(ann, roles=("clerk",)), desk.clock.now())
    assert "roles" not in claims_of((await exchange(desk, token))["access_token"])


# --- who may -----------------------------------------------------------------------------------------------------


async def _refused(desk: Desk, token: str, client_id: str = "api", **form: Any) -> Finding:
    with pytest.raises(SubjectTokenRefused) as refused:
        await exchange(desk, token, client_id, **form)
    assert (refused.value.error, refused.value.description) == (
        "invalid_request",
        "The subject_token is not accepted.",
    ), "no oracle"
    return refused.value.finding


@pytest.mark.spec("8693-2-a †", "threats §1.4")
async def test_only_the_api_that_received_it_may_pass_a_token_on(desk: Desk, visitor: Visitor) -> None:
    token = await received(desk, visitor)
    for other in ("stranger", "stock", "billing"):
        target = BILLING if other == "billing" else STOCK
        assert await _refused(desk, token, other, resource=target) is Finding.EXCHANGE_FOREIGN
    with pytest.raises(UnauthorizedClient):
        await exchange(desk, token, "deaf")  # stands for the API, but has not the grant
    assert await exchange(desk, token)


@pytest.mark.spec("8693-2-a †")
async def test_a_public_client_exchanges_nothing(desk: Desk, visitor: Visitor) -> None:
    with pytest.raises(UnauthorizedClient):
        await exchange(desk, await received(desk, visitor, "native"), "native")


@pytest.mark.spec("8693-2-a †", "threats §1.4")
async def test_only_a_live_access_token_of_ours_is_a_subject(desk: Desk, visitor: Visitor) -> None:
    issued = await visitor.tokens(desk, scope=SCOPE, resource=API)
    for name in ("refresh_token", "id_token"):
        assert await _refused(desk, issued[name]) is Finding.EXCHANGE_SUBJECT
    assert await _refused(desk, issued["access_token"][:-2]) is Finding.EXCHANGE_SUBJECT
    assert await _refused(desk, "unknown") is Finding.EXCHANGE_SUBJECT
    desk.clock.turn(900)
    assert await _refused(desk, issued["access_token"]) is Finding.EXCHANGE_SUBJECT


async def test_nobody_acts_for_a_machine(desk: Desk) -> None:
    token = (await desk.token("robot", grant_type="client_credentials", resource=API))["access_token"]
    assert await _refused(desk, token) is Finding.EXCHANGE_NOBODY


@pytest.mark.spec("8693-2-a †")
@pytest.mark.parametrize(
    ("may_act", "taken"),
    [
        pytest.param({"sub": "api"}, True, id="this client"),
        pytest.param({"sub": "api", "iss": ISSUER}, True, id="this client of ours"),
        pytest.param({"sub": "stock"}, False, id="another client"),
        pytest.param({"sub": "api", "iss": "https://evil.test"}, False, id="another issuer's"),
        pytest.param({"sub": "api", "email": "x@y.test"}, False, id="more than is understood"),
        pytest.param({}, False, id="nobody"),
        pytest.param("api", False, id="no object"),
        pytest.param(None, False, id="null"),
    ],
)
async def test_who_may_act_is_respected_and_carried_on(
    desk: Desk, visitor: Visitor, may_act: object, taken: bool
) -> None:
    token = await sign(desk, {**claims_of(await received(desk, visitor)), "may_act": may_act})
    if taken:
        assert claims_of((await exchange(desk, token))["access_token"])["may_act"] == may_act
    else:
        assert await _refused(desk, token) is Finding.EXCHANGE_ACTOR


# --- where to, and with what -------------------------------------------------------------------------------------


@pytest.mark.spec("8693-2-a †", "8707-2-a ‡")
@pytest.mark.parametrize(
    "form",
    [
        pytest.param({"resource": None}, id="none"),
        pytest.param({"resource": "https://elsewhere.test"}, id="unknown"),
        pytest.param({"resource": ISSUER}, id="the issuer"),
        pytest.param({"audience": "stock"}, id="a client"),
        pytest.param({"resource": BILLING}, id="one that this client has no scope for"),
        pytest.param({"resource": STOCK, "audience": API}, id="two"),
    ],
)
async def test_the_target_is_one_api_for_which_the_client_has_a_scope(
    desk: Desk, visitor: Visitor, form: dict[str, Any]
) -> None:
    token = await received(desk, visitor)
    with pytest.raises(InvalidTarget):
        await exchange(desk, token, **form)


@pytest.mark.parametrize("form", [{"audience": STOCK}, {"audience": STOCK, "resource": STOCK}])
async def test_the_target_may_stand_in_audience(desk: Desk, visitor: Visitor, form: dict[str, str]) -> None:
    answer = await exchange(desk, await received(desk, visitor), **form)
    assert claims_of(answer["access_token"])["aud"] == STOCK


async def test_resource_and_audience_may_repeat(desk: Desk, visitor: Visitor) -> None:
    authorization, _ = credentials("api", SECRET)
    pairs = (
        ("grant_type", TOKEN_EXCHANGE),
        ("subject_token", await received(desk, visitor)),
        ("subject_token_type", ACCESS_TOKEN),
        ("audience", STOCK),
    )
    await desk.core.token((*pairs, ("audience", STOCK)), authorization, PEER)
    with pytest.raises(InvalidTarget):
        await desk.core.token((*pairs, ("audience", API)), authorization, PEER)
    with pytest.raises(InvalidRequest):
        await desk.core.token((*pairs, ("scope", "a"), ("scope", "b")), authorization, PEER)


@pytest.mark.spec("8693-2-a †")
@pytest.mark.parametrize(
    "scope",
    ["stock:read", "orders:read stock:read", "orders:write", "bills:read", "admin"],
)
async def test_the_scope_is_never_wider(desk: Desk, visitor: Visitor, scope: str) -> None:
    """`stock:read` is the API's to ask for, and stock's, but the person never granted it."""
    with pytest.raises(InvalidScope):
        await exchange(desk, await received(desk, visitor), scope=scope)


@pytest.mark.spec("8693-2-a †")
async def test_without_any_common_scope_a_token_without_scope_and_roles(desk: Desk, visitor: Visitor) -> None:
    token = await received(desk, visitor, scope="openid orders:write")
    assert claims_of(token)["roles"] == ["admin"]
    answer = await exchange(desk, token)
    assert "scope" not in answer
    claims = claims_of(answer["access_token"])
    assert "scope" not in claims, "not the client's registered scope instead"
    assert "roles" not in claims, "roles do not open an API at which the person has allowed nothing"


@pytest.mark.spec("8693-2-a †")
@pytest.mark.parametrize(
    "form",
    [
        pytest.param({"subject_token": None}, id="no subject"),
        pytest.param({"subject_token_type": None}, id="no type"),
        pytest.param({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, id="SAML"),
        pytest.param({"subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, id="refresh token"),
        pytest.param({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, id="refresh"),
        pytest.param({"requested_token_type": "urn:ietf:params:oauth:token-type:id_token"}, id="wants ID token"),
        pytest.param({"actor_token": "x", "actor_token_type": ACCESS_TOKEN}, id="an actor"),
        pytest.param({"actor_token_type": ACCESS_TOKEN}, id="an actor's type alone"),
    ],
)
async def test_what_is_not_offered_is_refused(desk: Desk, visitor: Visitor, form: dict[str, Any]) -> None:
    token = await received(desk, visitor)
    with pytest.raises(InvalidRequest):
        await exchange(desk, token, **form)


async def test_another_spelling_of_the_grant_is_unknown(desk: Desk) -> None:
    with pytest.raises(UnsupportedGrantType):
        await desk.token("api", grant_type="token-exchange")


# --- at the same time --------------------------------------------------------------------------------------------


async def test_after_a_revocation_no_exchange_and_no_exchanged_token_lives(desk: Desk, visitor: Visitor) -> None:
    """Whatever overtakes what: twenty exchanges race one revocation."""
    token = await received(desk, visitor)
    made: list[str] = []

    async def one() -> None:
        try:
            made.append((await exchange(desk, token))["access_token"])
        except (SubjectTokenRefused, InvalidGrant, InvalidToken):
            return

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(one)
            if number == 10:
                group.start_soon(desk.revoke, token)
    with pytest.raises(SubjectTokenRefused):
        await exchange(desk, token)
    assert made
    for new in made:
        assert await ask(desk, new, "stock") == {"active": False}
