"""How an authorization response goes back: by query, by a form, signed; and by none that a client may not have."""

import json
from dataclasses import replace

import pytest

from proofkey.authorization_server.answers import Answer, FormPost, Redirect
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.jws import verify_compact
from proofkey.protocol.key_set import KeySet
from tests.authorization_server.driver import (
    CALLBACK,
    ISSUER,
    POLICY,
    Desk,
    Visitor,
    claims_of,
    client,
    header_of,
    open_desk,
    request,
    sent_back,
)
from tests.authorization_server.requests_kit import EVERYTHING, begin, finish, posted, pushed

NATIVE_SCHEME = client(
    "phone",
    secret_digest=None,
    token_endpoint_auth_method="none",
    application_type="native",
    redirect_uris=frozenset({"com.acme.app:/cb", "http://[::1]/cb"}),
    grant_types=frozenset({"authorization_code"}),
)
CHOOSY = client("choosy", response_modes=frozenset({"form_post"}))
SIGNED_ONLY = client(
    "signed", response_modes=frozenset({"jwt", "form_post.jwt"}), authorization_signed_response_alg="RS256"
)


@pytest.fixture
async def desk() -> Desk:
    return await open_desk(replace(EVERYTHING, clients=(*EVERYTHING.clients, CHOOSY, SIGNED_ONLY, NATIVE_SCHEME)))


async def walk(visitor: Visitor, client_id: str = "web", **changes: str | None) -> Answer:
    return await finish(visitor, await visitor.authorize(client_id, **changes))


@pytest.mark.spec("FP-2-a", "9207-2-a")
async def test_a_code_goes_back_by_a_form(desk: Desk, visitor: Visitor) -> None:
    answer = await walk(visitor, response_mode="form_post")
    assert isinstance(answer, FormPost)
    assert answer.url == CALLBACK
    fields = posted(answer)
    assert fields.keys() == {"code", "state", "iss"}
    assert (fields["state"], fields["iss"]) == ("the state", ISSUER)
    assert "access_token" in await desk.redeem(fields["code"])


@pytest.mark.spec("FP-2-a", "6749-4.1.2.1-b")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"scope": "no such"}, "invalid_scope", id="at once"),
        pytest.param({"prompt": "none"}, "login_required", id="silent"),
        pytest.param({"response_type": "token"}, "unsupported_response_type", id="response_type"),
        pytest.param({"request_uri": "https://rp.test/o"}, "request_uri_not_supported", id="request_uri"),
    ],
)
async def test_an_error_goes_back_the_same_way(
    desk: Desk, visitor: Visitor, changes: dict[str, str], error: str
) -> None:
    fields = posted(await walk(visitor, response_mode="form_post", **changes))
    assert (fields["error"], fields["state"], fields["iss"]) == (error, "the state", ISSUER)


async def test_who_says_no_is_reported_by_the_form(desk: Desk, visitor: Visitor) -> None:
    id_, _ = await visitor.page(response_mode="form_post")
    await visitor.log_in(id_)
    answer = visitor.keep(await desk.core.consent(id_, (("decision", "deny"),), visitor.browser))
    assert posted(answer)["error"] == "access_denied"
    assert not visitor.interactions, "the flow's cookie is taken away"


async def test_a_pushed_request_says_how_it_is_answered(desk: Desk, visitor: Visitor) -> None:
    uri = await pushed(desk, response_mode="form_post")
    assert "code" in posted(await finish(visitor, await begin(visitor, "web", uri)))


@pytest.mark.spec("V10-10.4.12", "9700-4.17.2-a")
@pytest.mark.parametrize("mode", ["fragment", "web_message", "query ", "FORM_POST", "fragment.jwt", "x"])
async def test_a_mode_that_is_not_offered_is_refused_by_query(desk: Desk, visitor: Visitor, mode: str) -> None:
    back = sent_back(await visitor.authorize(response_mode=mode))
    assert (back["error"], back["state"]) == ("invalid_request", "the state")


@pytest.mark.spec("V10-10.4.12")
async def test_a_client_has_its_own_modes_only(desk: Desk, visitor: Visitor) -> None:
    assert posted(await walk(visitor, "choosy", response_mode="form_post"))["code"]
    for mode in (None, "query", "jwt"):
        assert sent_back(await visitor.authorize("choosy", response_mode=mode))["error"] == "invalid_request"


async def test_a_mode_that_stands_twice_is_refused_by_query(desk: Desk, visitor: Visitor) -> None:
    pairs = (*request(response_mode="form_post").items(), ("response_mode", "form_post"))
    assert sent_back(await desk.core.authorize(pairs, visitor.browser))["error"] == "invalid_request"


async def test_a_form_needs_a_web_address(desk: Desk, visitor: Visitor) -> None:
    answer = await visitor.authorize("phone", redirect_uri="com.acme.app:/cb", response_mode="form_post")
    assert isinstance(answer, Redirect)
    assert answer.url.startswith("com.acme.app:/cb?error=invalid_request")
    fields = posted(await walk(visitor, "phone", redirect_uri="http://[::1]:5000/cb", response_mode="form_post"))
    assert "code" in fields


# --- signed ---------------------------------------------------------------------------------------------------


def opened(desk: Desk, response: str, algorithm: str) -> dict[str, object]:
    """The claims, once a published key has proven them."""
    listed = desk.core.jwks()["keys"]
    keys = KeySet.from_document(json.dumps({"keys": listed}).encode())
    verify_compact(response, keys, frozenset({algorithm}))
    return dict(claims_of(response))


@pytest.mark.spec("JARM")
@pytest.mark.parametrize("mode", ["jwt", "query.jwt", "form_post.jwt"])
async def test_a_signed_response_holds_all_and_nothing_stands_beside_it(
    desk: Desk, visitor: Visitor, mode: str
) -> None:
    answer = await walk(visitor, response_mode=mode)
    fields = posted(answer) if mode.startswith("form_post") else sent_back(answer)
    assert fields.keys() == {"response"}
    claims = opened(desk, fields["response"], "ES256")
    assert claims.keys() == {"iss", "aud", "exp", "iat", "code", "state"}
    assert (claims["iss"], claims["aud"], claims["state"]) == (ISSUER, "web", "the state")
    assert claims["exp"] == desk.clock.now() + 300
    assert "access_token" in await desk.redeem(str(claims["code"]))


@pytest.mark.spec("JARM")
async def test_an_error_is_signed_too(desk: Desk, visitor: Visitor) -> None:
    fields = sent_back(await visitor.authorize(response_mode="jwt", scope="no such"))
    claims = opened(desk, fields["response"], "ES256")
    assert (claims["error"], claims["state"], claims["iss"]) == ("invalid_scope", "the state", ISSUER)


@pytest.mark.spec("JARM")
async def test_the_client_says_by_which_algorithm(desk: Desk, visitor: Visitor) -> None:
    fields = posted(await walk(visitor, "signed", response_mode="form_post.jwt"))
    assert header_of(fields["response"])["alg"] == "RS256"
    assert "code" in opened(desk, fields["response"], "RS256")
    assert sent_back(await visitor.authorize("signed"))["error"] == "invalid_request"


async def test_the_metadata_say_what_is_offered(desk: Desk) -> None:
    metadata = desk.core.metadata()
    modes = ["query", "form_post", "jwt", "query.jwt", "form_post.jwt"]
    assert metadata["response_modes_supported"] == modes
    assert {"ES256", "RS256"} <= set(metadata["authorization_signing_alg_values_supported"])


@pytest.mark.spec("OD-4.2-a")
async def test_signed_responses_are_off_by_default() -> None:
    desk = await open_desk()
    for mode in ("jwt", "query.jwt", "form_post.jwt"):
        assert sent_back(await Visitor(desk.core).authorize(response_mode=mode))["error"] == "invalid_request"
    assert desk.core.metadata()["response_modes_supported"] == ["query", "form_post"]
    assert "authorization_signing_alg_values_supported" not in desk.core.metadata()


# --- registration ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"response_modes": frozenset({"fragment"})}, "response_modes"),
        ({"request_object_signing_alg": "none"}, "request_object_signing_alg"),
        ({"request_object_signing_alg": "HS256"}, "request_object_signing_alg"),
        ({"authorization_signed_response_alg": "none"}, "authorization_signed_response_alg"),
        ({"require_signed_request_object": True}, "jwks"),
        ({"request_object_signing_alg": "ES256"}, "jwks"),
    ],
)
async def test_a_registration_is_refused(changes: dict[str, object], member: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        await open_desk(replace(POLICY, clients=(client("web", **changes),)))
    assert refused.value.finding is Finding.CLIENT_METADATA_BAD
    assert refused.value.facts["member"] == member
