"""Request objects (RFC 9101): the parameters of a signed JWT and no others, by value and in a pushed request."""

from dataclasses import replace
from typing import Any

import pytest

from proofkey.errors import InvalidRequestObject, NoLocation, OAuthError
from proofkey.findings import Finding
from proofkey.protocol.jose import generate_signing_key
from tests.authorization_server.driver import ISSUER, POLICY, Desk, Visitor, claims_of, open_desk, sent_back
from tests.authorization_server.requests_kit import EVERYTHING, begin, finish, push, pushed, signed


@pytest.fixture
async def desk() -> Desk:
    return await open_desk(EVERYTHING)


def beside(request: str, client_id: str = "signs", **more: str) -> tuple[tuple[str, str], ...]:
    return (("client_id", client_id), ("request", request), *more.items())


async def answer_to(visitor: Visitor, request: str, client_id: str = "signs", **more: str) -> dict[str, str]:
    answer = visitor.keep(await visitor.core.authorize(beside(request, client_id, **more), visitor.browser))
    return sent_back(await finish(visitor, answer))


@pytest.mark.spec("9101-10.2-a", "OC-6")
async def test_a_signed_request_gives_a_code(desk: Desk, visitor: Visitor) -> None:
    back = await answer_to(visitor, signed(state="in the object", nonce="n of the object"))
    assert (back["state"], back["iss"]) == ("in the object", ISSUER)
    tokens = await desk.redeem(back["code"], "signs")
    assert claims_of(tokens["id_token"])["nonce"] == "n of the object"


@pytest.mark.spec("9101-10.2-a", "9101-6.3")
async def test_parameters_beside_the_object_do_not_count(desk: Desk, visitor: Visitor) -> None:
    more = {
        **{"state": "outside", "scope": "no such", "redirect_uri": "https://evil.test/cb"},
        **{"response_type": "token", "prompt": "none", "response_mode": "form_post"},
    }
    back = await answer_to(visitor, signed(), **more)
    assert back["state"] == "the state"
    assert "code" in back


@pytest.mark.spec("9101-10.2-a")
async def test_a_missing_parameter_is_not_taken_from_outside(desk: Desk, visitor: Visitor) -> None:
    back = await answer_to(visitor, signed(code_challenge=None), code_challenge="c" * 43)
    assert back["error"] == "invalid_request"
    with pytest.raises(NoLocation):
        await answer_to(visitor, signed(redirect_uri=None), redirect_uri="https://rp.test/cb")


async def test_numbers_and_lists_of_the_object_are_read(desk: Desk, visitor: Visitor) -> None:
    back = await answer_to(visitor, signed(max_age=300, resource=["https://api.test"]))
    tokens = await desk.redeem(back["code"], "signs")
    assert claims_of(tokens["access_token"])["aud"] in ("https://api.test", ["https://api.test"])
    assert "auth_time" in claims_of(tokens["id_token"])


OTHER_KEY = generate_signing_key("ES256", "key of the client")
BAD: list[Any] = [
    pytest.param({"key": OTHER_KEY}, id="another key"),
    pytest.param({"typ": "JWT"}, id="typ"),
    pytest.param({"typ": "at+jwt"}, id="an access token's typ"),
    pytest.param({"typ": "client-authentication+jwt"}, id="a client assertion's typ"),
    pytest.param({"iss": "web"}, id="iss"),
    pytest.param({"iss": None}, id="no iss"),
    pytest.param({"client_id": "web"}, id="client_id"),
    pytest.param({"client_id": None}, id="no client_id"),
    pytest.param({"sub": "signs"}, id="sub"),
    pytest.param({"aud": f"{ISSUER}/token"}, id="aud"),
    pytest.param({"aud": None}, id="no aud"),
    pytest.param({"request": "e30."}, id="an object inside"),
    pytest.param({"request_uri": "https://rp.test/o"}, id="a reference inside"),
    pytest.param({"exp": None}, id="no exp"),
]


@pytest.mark.spec("9101-10.2-a", "F2M-5.3.1")
@pytest.mark.parametrize("changes", BAD)
async def test_an_object_is_refused(desk: Desk, visitor: Visitor, changes: dict[str, Any]) -> None:
    request = signed(**changes)
    with pytest.raises(NoLocation):
        await answer_to(visitor, request)
    back = await answer_to(visitor, request, redirect_uri="https://rp.test/cb", state="outside")
    assert (back["error"], back["state"]) == ("invalid_request_object", "outside")
    with pytest.raises(InvalidRequestObject):
        await push(desk, "signs", request=request)


@pytest.mark.parametrize("request_", ["e30.e30.", "a", "a.b.c", "..", "e30.e30.e30", "a.b.c.d.e", "x" * 20_000])
async def test_what_is_no_signed_object_is_refused(desk: Desk, visitor: Visitor, request_: str) -> None:
    back = await answer_to(visitor, request_, redirect_uri="https://rp.test/cb")
    assert back["error"] == "invalid_request_object"


@pytest.mark.parametrize("client_id", ["web", "nobody"])
async def test_a_client_without_keys_has_no_objects(desk: Desk, visitor: Visitor, client_id: str) -> None:
    with pytest.raises(NoLocation):
        await answer_to(visitor, signed(client_id), client_id)


@pytest.mark.spec("F2M-5.3.1")
@pytest.mark.parametrize(
    ("nbf", "exp", "is_good"),
    [
        pytest.param(0, 3600, True, id="an hour"),
        pytest.param(0, 3601, False, id="over an hour"),
        pytest.param(8, 60, True, id="8 s ahead"),
        pytest.param(60, 120, False, id="60 s ahead"),
        pytest.param(-3600, 0, True, id="an hour old, over for less than the leeway"),
        pytest.param(-3700, -100, False, id="over"),
        pytest.param(-60, -11, False, id="just over"),
        pytest.param(None, 3600, True, id="no nbf"),
        pytest.param(None, 3601, False, id="no nbf, over an hour"),
    ],
)
async def test_an_object_is_good_for_a_short_time(
    desk: Desk, visitor: Visitor, nbf: int | None, exp: int, is_good: bool
) -> None:
    now = desk.clock.now()
    request = signed(nbf=None if nbf is None else now + nbf, exp=now + exp)
    back = await answer_to(visitor, request, redirect_uri="https://rp.test/cb")
    assert ("code" in back) is is_good
    assert back.get("error") == (None if is_good else "invalid_request_object")


async def test_the_registered_algorithm_is_the_only_one(desk: Desk, visitor: Visitor) -> None:
    signs = next(one for one in EVERYTHING.clients if one.client_id == "signs")
    for algorithm, expected in (("ES256", "code"), ("PS256", "error")):
        await desk.store.put_client(replace(signs, request_object_signing_alg=algorithm), desk.clock.now())
        assert expected in await answer_to(visitor, signed(), redirect_uri="https://rp.test/cb")


@pytest.mark.spec("9101-10.2-a", "9126-3")
async def test_an_object_can_be_pushed(desk: Desk, visitor: Visitor) -> None:
    uri = await pushed(desk, "signs", request=signed(state="in the object"), state="outside", scope="no such")
    back = sent_back(await finish(visitor, await begin(visitor, "signs", uri)))
    assert back["state"] == "in the object"
    with pytest.raises(InvalidRequestObject):
        await push(desk, "web", request=signed())


@pytest.mark.spec("9101-10.5")
async def test_a_client_can_be_held_to_signed_objects(desk: Desk, visitor: Visitor) -> None:
    assert sent_back(await visitor.authorize("must-sign"))["error"] == "invalid_request"
    with pytest.raises(OAuthError) as refused:
        await push(desk, "must-sign")
    assert refused.value.finding is Finding.REQUEST_OBJECT_NEEDED
    assert "code" in await answer_to(visitor, signed("must-sign"), "must-sign")


async def test_an_object_and_a_reference_are_too_much(desk: Desk, visitor: Visitor) -> None:
    with pytest.raises(NoLocation) as refused:
        await answer_to(visitor, signed(), request_uri="https://rp.test/o")
    assert refused.value.finding is Finding.REQUEST_URI_AND_OBJECT


@pytest.mark.spec("9101-10.2-a", "OC-6")
async def test_objects_are_off_by_default(visitor: Visitor) -> None:
    desk = await open_desk(replace(EVERYTHING, features=POLICY.features))
    visitor = Visitor(desk.core)
    assert sent_back(await visitor.authorize("signs", request=signed()))["error"] == "request_not_supported"
    metadata = desk.core.metadata()
    assert metadata["request_parameter_supported"] is False
    assert metadata["request_uri_parameter_supported"] is False
    assert "request_object_signing_alg_values_supported" not in metadata


async def test_the_metadata_say_that_objects_are_taken(desk: Desk) -> None:
    metadata = desk.core.metadata()
    assert metadata["request_parameter_supported"] is True
    assert metadata["request_uri_parameter_supported"] is False
    assert "none" not in metadata["request_object_signing_alg_values_supported"]
    assert metadata["require_signed_request_object"] is False
