"""Pushed authorization requests (RFC 9126): who may push what, and that each is used up once, when it ends."""

from dataclasses import replace
from typing import Any

import pytest

from proofkey.authorization_server.answers import Page, Redirect
from proofkey.authorization_server.pushed import REQUEST_URI
from proofkey.authorization_server.sender import Presented
from proofkey.errors import (
    InvalidClient,
    InvalidDpopProof,
    InvalidRequestUri,
    NoLocation,
    OAuthError,
    TooManyRequests,
)
from proofkey.findings import Finding
from proofkey.protocol.text import Secret, digest_of
from proofkey.testing.dpop import DpopKey
from tests.authorization_server.driver import (
    CALLBACK,
    ISSUER,
    LOOPBACK,
    POLICY,
    Desk,
    Visitor,
    claims_of,
    interaction_of,
    open_desk,
    request,
    sent_back,
)
from tests.authorization_server.requests_kit import EVERYTHING, begin, finish, push, pushed

# --- pushing --------------------------------------------------------------------------------------------------


@pytest.mark.spec("9126-2.2-a", "F2-5.3.2.2-12")
async def test_a_pushed_request_is_answered_with_a_request_uri(desk: Desk) -> None:
    answer = await push(desk)
    assert answer.status == 201
    assert answer.body.keys() == {"request_uri", "expires_in"}
    assert answer.body["expires_in"] == 90
    uri = answer.body["request_uri"]
    assert uri.startswith(REQUEST_URI)
    assert len(uri.removeprefix(REQUEST_URI)) == 43
    assert await desk.store.find_pushed_request(digest_of(uri.removeprefix(REQUEST_URI)))


@pytest.mark.spec("9126-2.1-a", "V10-10.4.10")
@pytest.mark.parametrize("client_id", ["web", "post"])
async def test_a_confidential_client_proves_itself(desk: Desk, client_id: str) -> None:
    assert (await push(desk, client_id)).status == 201
    for secret in (None, Secret("another secret of thirty-two and more")):
        with pytest.raises(InvalidClient):
            await push(desk, client_id, secret=secret)


async def test_a_public_client_pushes_by_its_name(desk: Desk, visitor: Visitor) -> None:
    uri = await pushed(desk, "native")
    back = sent_back(await finish(visitor, await begin(visitor, "native", uri)))
    assert "access_token" in await desk.redeem(back["code"], "native", redirect_uri=LOOPBACK)


REFUSED: list[Any] = [
    pytest.param({"request_uri": REQUEST_URI + "x" * 43}, "invalid_request", id="a request_uri"),
    pytest.param({"request_uri": "https://rp.test/object"}, "invalid_request", id="a foreign request_uri"),
    pytest.param({"redirect_uri": "https://evil.test/cb"}, "invalid_request", id="a foreign redirect_uri"),
    pytest.param({"redirect_uri": None}, "invalid_request", id="no redirect_uri"),
    pytest.param({"response_type": "token"}, "unsupported_response_type", id="another response_type"),
    pytest.param({"response_mode": "fragment"}, "invalid_request", id="another response_mode"),
    pytest.param({"scope": "no such"}, "invalid_scope", id="scope"),
    pytest.param({"resource": "https://who.test"}, "invalid_target", id="resource"),
    pytest.param({"code_challenge": None}, "invalid_request", id="no challenge"),
    pytest.param({"code_challenge_method": "plain"}, "invalid_request", id="plain"),
    pytest.param({"prompt": "none login"}, "invalid_request", id="prompt"),
    pytest.param({"request": "e30.e30.AA"}, "request_not_supported", id="a request object"),
    pytest.param({"id_token_hint": "a.b.c"}, "invalid_request", id="hint"),
    pytest.param({"dpop_jkt": "too short"}, "invalid_request", id="dpop_jkt"),
]


@pytest.mark.spec("9126-2.1-a", "9126-2.4-a")
@pytest.mark.parametrize("client_id", ["web", "native"])
@pytest.mark.parametrize(("changes", "error"), REFUSED)
async def test_a_pushed_request_is_judged_at_once(
    desk: Desk, client_id: str, changes: dict[str, Any], error: str
) -> None:
    with pytest.raises(OAuthError) as refused:
        await push(desk, client_id, **changes)
    assert refused.value.error == error


async def test_a_repeated_parameter_is_refused(desk: Desk) -> None:
    pairs = (*request("native").items(), ("state", "another"))
    with pytest.raises(OAuthError) as refused:
        await desk.core.push(pairs, (), "peer")
    assert refused.value.error == "invalid_request"


@pytest.mark.spec("9126-2.3-a")
async def test_too_many_pushes_are_refused_and_others_go_on(desk: Desk) -> None:
    for _ in range(300):
        await push(desk, "native", peer="203.0.113.9")
    with pytest.raises(TooManyRequests) as refused:
        await push(desk, "native", peer="203.0.113.9")
    assert refused.value.retry_after >= 1
    assert (await push(desk, "native", peer="203.0.113.10")).status == 201
    assert (await push(desk, "web", peer="203.0.113.9")).status == 201


# --- using ----------------------------------------------------------------------------------------------------


@pytest.mark.spec("9126-2.2-a", "9207-2-a")
async def test_a_browser_brings_it_and_gets_a_code(desk: Desk, visitor: Visitor) -> None:
    uri = await pushed(desk, state="pushed state", nonce="pushed nonce")
    back = sent_back(await finish(visitor, await begin(visitor, "web", uri)))
    assert back.keys() == {"code", "state", "iss"}
    assert (back["state"], back["iss"]) == ("pushed state", ISSUER)
    assert claims_of((await desk.redeem(back["code"]))["id_token"])["nonce"] == "pushed nonce"


@pytest.mark.spec("9126-4")
async def test_parameters_beside_it_do_not_count(desk: Desk, visitor: Visitor) -> None:
    uri = await pushed(desk)
    more = (
        *(("state", "x"), ("state", "y"), ("scope", "orders:write"), ("response_type", "token")),
        *(("redirect_uri", "https://evil.test/cb"), ("response_mode", "form_post"), ("prompt", "none")),
    )
    back = sent_back(await finish(visitor, await begin(visitor, "web", uri, *more)))
    assert back["state"] == "the state"


@pytest.mark.parametrize(
    ("pairs", "finding"),
    [
        pytest.param((), Finding.PARAMETER_MISSING, id="no client_id"),
        pytest.param((("client_id", "web"), ("client_id", "web")), Finding.PARAMETER_MISSING, id="two"),
        pytest.param((("client_id", "web"), ("request", "e")), Finding.REQUEST_URI_AND_OBJECT, id="an object"),
    ],
)
async def test_beside_it_stands_one_client_id(
    desk: Desk, visitor: Visitor, pairs: tuple[tuple[str, str], ...], finding: Finding
) -> None:
    uri = await pushed(desk)
    with pytest.raises(NoLocation) as refused:
        await desk.core.authorize((*pairs, ("request_uri", uri)), visitor.browser)
    assert refused.value.finding is finding


async def refusal(visitor: Visitor, uri: str, client_id: str = "web") -> str:
    with pytest.raises(InvalidRequestUri) as refused:
        await begin(visitor, client_id, uri)
    assert refused.value.error == "invalid_request_uri"
    assert refused.value.finding is Finding.PUSHED_REQUEST_UNKNOWN
    return refused.value.facts["reason"]


@pytest.mark.spec("9126-2.2-a", "9700-4.11.2-a")
async def test_another_clients_and_an_invented_one_go_nowhere(desk: Desk, visitor: Visitor) -> None:
    uri = await pushed(desk)
    assert await refusal(visitor, uri, "native") == "another client's"
    assert await refusal(visitor, uri, "first") == "another client's"
    for invented in (REQUEST_URI + "x" * 43, REQUEST_URI, uri + "x", uri[:-1]):
        assert await refusal(visitor, invented) == "unknown"
    assert isinstance(await begin(visitor, "web", uri), Redirect), "the owner can still use it"


@pytest.mark.spec("F2-5.3.2.2-12")
async def test_it_begins_an_authorization_for_90_seconds(desk: Desk, visitor: Visitor) -> None:
    uri = await pushed(desk)
    desk.clock.turn(89)
    answer = await begin(visitor, "web", uri)
    desk.clock.turn(1)
    assert await refusal(visitor, uri) == "expired"
    desk.clock.turn(400)
    await desk.core.upkeep()
    assert "code" in sent_back(await finish(visitor, answer)), "the page that it began goes on"


@pytest.mark.spec("9126-4-a / 7.3")
async def test_a_page_may_be_loaded_again_but_the_end_comes_once(desk: Desk, visitor: Visitor) -> None:
    uri = await pushed(desk)
    first, second = await begin(visitor, "web", uri), await begin(visitor, "web", uri)
    assert interaction_of(first) != interaction_of(second)
    assert "code" in sent_back(await finish(visitor, second))
    assert await refusal(visitor, uri) == "used"
    with pytest.raises(InvalidRequestUri):
        await finish(visitor, first)
    assert desk.event_names().count("code.issued") == 1


@pytest.mark.spec("9126-4-a / 7.3")
async def test_another_browser_cannot_finish_it_again(desk: Desk, visitor: Visitor) -> None:
    other, uri = Visitor(desk.core), await pushed(desk)
    waiting = await begin(other, "web", uri)
    assert "code" in sent_back(await finish(visitor, await begin(visitor, "web", uri)))
    with pytest.raises(InvalidRequestUri):
        await finish(other, waiting, "bob")


@pytest.mark.spec("9126-4-a / 7.3")
async def test_who_says_no_uses_it_up_too(desk: Desk, visitor: Visitor) -> None:
    uri = await pushed(desk)
    id_ = interaction_of(await begin(visitor, "web", uri))
    await visitor.log_in(id_)
    assert sent_back(await visitor.decide(id_, "deny"))["error"] == "access_denied"
    assert await refusal(visitor, uri) == "used"


@pytest.mark.spec("9126-4-a / 7.3", "OC-3.1.2.1-b")
async def test_without_a_page_it_is_used_up_at_once(desk: Desk, visitor: Visitor) -> None:
    silent = await pushed(desk, prompt="none")
    assert sent_back(await begin(visitor, "web", silent))["error"] == "login_required"
    assert await refusal(visitor, silent) == "used"
    await visitor.walk()
    uri = await pushed(desk)
    assert "code" in sent_back(await begin(visitor, "web", uri))
    assert await refusal(visitor, uri) == "used"


async def test_it_is_judged_anew_when_it_is_used(desk: Desk, visitor: Visitor) -> None:
    """What changed in between counts."""
    uri, other = await pushed(desk), await pushed(desk)
    web = next(one for one in POLICY.clients if one.client_id == "web")
    await desk.store.put_client(replace(web, scope=("profile",), grant_types=frozenset()), desk.clock.now())
    assert sent_back(await begin(visitor, "web", uri))["error"] == "unauthorized_client"
    assert await refusal(visitor, uri) == "used"
    await desk.store.put_client(replace(web, redirect_uris=frozenset()), desk.clock.now())
    with pytest.raises(NoLocation):
        await begin(visitor, "web", other)


@pytest.mark.spec("OC-3.1.2.2-a")
async def test_whom_the_hint_names_is_remembered(desk: Desk, visitor: Visitor) -> None:
    tokens = await visitor.tokens(desk)
    for sub_of, expected in (("ann", "code"), ("bob", "error")):
        other = Visitor(desk.core)
        uri = await pushed(desk, id_token_hint=tokens["id_token"])
        assert expected in sent_back(await finish(other, await begin(other, "web", uri), sub_of))


# --- required -------------------------------------------------------------------------------------------------


@pytest.mark.spec("9126-5-a")
async def test_a_client_can_be_held_to_push() -> None:
    desk = await open_desk(EVERYTHING)
    visitor = Visitor(desk.core)
    back = sent_back(await visitor.authorize("must-push"))
    assert back["error"] == "invalid_request"
    assert back["state"] == "the state"
    uri = await pushed(desk, "must-push")
    assert "code" in sent_back(await finish(visitor, await begin(visitor, "must-push", uri)))


@pytest.mark.spec("9126-5-a", "F2-5.3.2.2-2..4 / V10-10.4.13")
async def test_every_client_can_be_held_to_push() -> None:
    desk = await open_desk(replace(POLICY, require_pushed_authorization_requests=True))
    visitor = Visitor(desk.core)
    assert sent_back(await visitor.authorize())["error"] == "invalid_request"
    assert desk.core.metadata()["require_pushed_authorization_requests"] is True
    assert "code" in sent_back(await finish(visitor, await begin(visitor, "web", await pushed(desk))))


async def test_with_the_feature_off_a_request_uri_means_nothing() -> None:
    desk = await open_desk(replace(POLICY, features=frozenset()))
    back = sent_back(await Visitor(desk.core).authorize(request_uri=REQUEST_URI + "x" * 43))
    assert back["error"] == "request_uri_not_supported"
    assert "pushed_authorization_request_endpoint" not in desk.core.metadata()


@pytest.mark.parametrize("uri", ["http://169.254.169.254/latest", "https://rp.test/object", "urn:example:1"])
async def test_a_foreign_request_uri_is_not_fetched(desk: Desk, visitor: Visitor, uri: str) -> None:
    assert sent_back(await visitor.authorize(request_uri=uri))["error"] == "request_uri_not_supported"


# --- bound to a key -------------------------------------------------------------------------------------------


@pytest.mark.spec("9449-10-a / 10.1-a")
async def test_a_proof_binds_the_code_to_its_key(desk: Desk, visitor: Visitor) -> None:
    key = DpopKey(clock=desk.clock)
    proof = key.proof("POST", f"{ISSUER}/par")
    uri = await pushed(desk, presented=Presented((proof,)))
    found = await desk.store.find_pushed_request(digest_of(uri.removeprefix(REQUEST_URI)))
    assert found is not None
    assert found.dpop_jkt == found.request.dpop_jkt == key.jkt


@pytest.mark.spec("9449-10-a / 10.1-a")
async def test_a_proof_of_another_key_than_dpop_jkt_is_refused(desk: Desk) -> None:
    proof = DpopKey(clock=desk.clock).proof("POST", f"{ISSUER}/par")
    with pytest.raises(InvalidDpopProof):
        await push(desk, presented=Presented((proof,)), dpop_jkt="j" * 43)


async def test_a_page_of_a_pushed_request_says_who_asks(desk: Desk, visitor: Visitor) -> None:
    page = await visitor.look(interaction_of(await begin(visitor, "web", await pushed(desk))))
    assert isinstance(page, Page)
    assert page.form_targets == (CALLBACK.removesuffix("/cb"),)
