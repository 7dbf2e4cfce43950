"""The authorization endpoint: what never redirects, what redirects as an error, and what comes next."""

from typing import Any

import pytest

from proofkey.authorization_server.answers import Page, Redirect
from proofkey.errors import NoLocation, OAuthError
from proofkey.findings import Finding
from proofkey.protocol.text import Pairs
from tests.authorization_server.driver import (
    API,
    BILLING,
    CALLBACK,
    ISSUER,
    Desk,
    Visitor,
    claims_of,
    interaction_of,
    request,
    sent_back,
)

FOREIGN = "https://evil.test/cb"
FAULTS: dict[str, dict[str, Any]] = {
    "bad scope": {"scope": "no such"},
    "bad response_type": {"response_type": "token"},
    "bad response_mode": {"response_mode": "fragment"},
    "prompt=none": {"prompt": "none"},
    "no challenge": {"code_challenge": None},
    "bad resource": {"resource": "https://who.test"},
    "request object": {"request": "e30."},
}


def _without(name: str) -> Pairs:
    return tuple((key, value) for key, value in request().items() if key != name)


def _with(*extra: tuple[str, str]) -> Pairs:
    return (*request().items(), *extra)


@pytest.mark.spec("6749-4.1.2.1-a", "9700-4.11.2-a", "9700-2.1-a", "6749-3.1-a")
@pytest.mark.parametrize(
    ("pairs", "finding"),
    [
        pytest.param(_without("client_id"), Finding.PARAMETER_MISSING, id="no client_id"),
        pytest.param(tuple(request("nobody").items()), Finding.CLIENT_UNKNOWN, id="unknown client"),
        pytest.param(_with(("client_id", "web")), Finding.PARAMETER_REPEATED, id="client_id twice"),
        pytest.param(_without("redirect_uri"), Finding.REDIRECT_URI_MISSING, id="no redirect_uri"),
        pytest.param(_with(("redirect_uri", CALLBACK)), Finding.PARAMETER_REPEATED, id="redirect_uri twice"),
        *(
            pytest.param(
                tuple(request(redirect_uri=uri).items()), Finding.REDIRECT_URI_UNREGISTERED, id=f"URI {uri}"
            )
            for uri in (
                FOREIGN, CALLBACK + "/", CALLBACK.upper(), CALLBACK + "?a=1", CALLBACK.replace("/cb", "/%63b"),
                CALLBACK + "/more", CALLBACK.replace("rp.test", "rp.test:443"),
            )
        ),
        *(
            pytest.param(
                tuple(request(redirect_uri=FOREIGN, **changes).items()),
                Finding.REDIRECT_URI_UNREGISTERED,
                id=f"foreign redirect_uri and {name}",
            )
            for name, changes in FAULTS.items()
        ),
    ],
)  # fmt: skip
async def test_a_request_gets_no_location_when(
    desk: Desk, visitor: Visitor, pairs: Pairs, finding: Finding
) -> None:
    with pytest.raises(NoLocation) as refused:
        await desk.core.authorize(pairs, visitor.browser)
    assert refused.value.finding is finding


@pytest.mark.spec("9700-4.1.3-a", "O21-8.4.2-a")
@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("http://127.0.0.1/cb", True),
        ("http://127.0.0.1:50001/cb", True),
        ("http://127.0.0.1:50001/other", False),
        ("http://localhost:50001/cb", False),
        ("http://[::1]:50001/cb", False),
        ("https://127.0.0.1:50001/cb", False),
    ],
)
async def test_a_native_client_is_free_in_the_port_alone(
    desk: Desk, visitor: Visitor, uri: str, allowed: bool
) -> None:
    if allowed:
        assert interaction_of(await visitor.authorize("native", redirect_uri=uri))
    else:
        with pytest.raises(NoLocation):
            await visitor.authorize("native", redirect_uri=uri)


@pytest.mark.spec(
    "6749-4.1.2.1-b",
    "9207-2-a",
    "9700-2.1.1-b",
    "V10-10.4.6",
    "V10-10.4.4",
    "V10-10.4.12",
    "8707-2-a",
    "OC-3.1.2.1-b",
)
@pytest.mark.parametrize(
    ("client_id", "changes", "error"),
    [
        pytest.param("web", {"response_type": "token"}, "unsupported_response_type", id="implicit"),
        pytest.param("web", {"response_type": "code id_token"}, "unsupported_response_type", id="hybrid"),
        pytest.param("web", {"response_type": None}, "invalid_request", id="no response_type"),
        pytest.param("web", {"response_mode": "fragment"}, "invalid_request", id="fragment"),
        pytest.param("web", {"response_mode": "web_message"}, "invalid_request", id="web_message"),
        pytest.param("web", {"response_mode": "jwt"}, "invalid_request", id="a signed response"),
        pytest.param("web", {"code_challenge": None}, "invalid_request", id="no challenge"),
        pytest.param("native", {"code_challenge": None}, "invalid_request", id="no challenge, public"),
        pytest.param("web", {"code_challenge_method": "plain"}, "invalid_request", id="plain"),
        pytest.param("web", {"code_challenge_method": None}, "invalid_request", id="no method"),
        pytest.param("old", {"code_challenge_method": "plain"}, "invalid_request", id="plain without need"),
        pytest.param("web", {"code_challenge": "x" * 42}, "invalid_request", id="challenge of 42"),
        pytest.param("web", {"scope": "admin"}, "invalid_scope", id="no scope is left"),
        pytest.param("web", {"scope": "openid  email"}, "invalid_scope", id="two spaces"),
        pytest.param("web", {"scope": "bills:read", "resource": API}, "invalid_scope", id="another API's scope"),
        pytest.param("web", {"resource": "https://who.test"}, "invalid_target", id="unknown resource"),
        pytest.param("web", {"resource": "relative"}, "invalid_target", id="relative resource"),
        pytest.param("web", {"resource": API + "#x"}, "invalid_target", id="resource with fragment"),
        pytest.param("web", {"prompt": "none login"}, "invalid_request", id="none and login"),
        pytest.param("web", {"prompt": "none"}, "login_required", id="none, nobody there"),
        pytest.param("web", {"max_age": "soon"}, "invalid_request", id="max_age"),
        pytest.param("web", {"max_age": "-1"}, "invalid_request", id="negative max_age"),
        pytest.param("web", {"request": "e30."}, "request_not_supported", id="request"),
        pytest.param("web", {"request_uri": "http://169.254.1.1"}, "request_uri_not_supported", id="request_uri"),
        pytest.param("web", {"id_token_hint": "e30.e30.AA"}, "invalid_request", id="hint"),
    ],
)
async def test_a_request_is_sent_back_with(
    visitor: Visitor, client_id: str, changes: dict[str, str | None], error: str
) -> None:
    state = "s" * 1200
    answer = await visitor.authorize(client_id, state=state, **changes)
    back = sent_back(answer)
    assert (back["error"], back["state"], back["iss"]) == (error, state, ISSUER)
    assert "code" not in back
    assert isinstance(answer, Redirect)
    assert isinstance(answer.told, OAuthError)
    assert not visitor.interactions


@pytest.mark.spec("6749-3.1-a")
@pytest.mark.parametrize("name", ["state", "scope", "nonce", "code_challenge", "prompt", "unknown_to_us"])
async def test_a_repeated_parameter_is_sent_back(desk: Desk, visitor: Visitor, name: str) -> None:
    pairs = _with((name, "1"), (name, "2"))
    back = sent_back(await desk.core.authorize(pairs, visitor.browser))
    assert back["error"] == "invalid_request"
    assert back.get("state") == (None if name == "state" else "the state")


@pytest.mark.spec("8707-2-a")
async def test_two_resources_are_refused(desk: Desk, visitor: Visitor) -> None:
    pairs = _with(("resource", API), ("resource", BILLING))
    assert sent_back(await desk.core.authorize(pairs, visitor.browser))["error"] == "invalid_target"


@pytest.mark.spec("6749-3.1-a", "OC-15.1-a")
async def test_unknown_and_empty_parameters_are_ignored(visitor: Visitor) -> None:
    harmless = {
        "x": "1", "claims_locales": "de", "display": "touch", "ui_locales": "fr de", "acr_values": "1 2",
        "login_hint": "", "max_age": "", "prompt": "", "response_mode": "",
    }  # fmt: skip
    assert interaction_of(await visitor.authorize(**harmless))


@pytest.mark.spec("9700-2.1.1-b")
async def test_a_client_may_go_without_a_challenge_only_when_its_registration_says_so(
    desk: Desk, visitor: Visitor
) -> None:
    back = await visitor.walk("old", code_challenge=None, code_challenge_method=None, scope="openid")
    tokens = await desk.redeem(back["code"], "old", code_verifier="")
    assert "id_token" in tokens


@pytest.mark.spec("9207-2-a", "OD-4.3-a")
async def test_success_brings_code_state_and_issuer(visitor: Visitor) -> None:
    back = await visitor.walk(state="s" * 1200)
    assert set(back) == {"code", "state", "iss"}
    assert (back["iss"], back["state"]) == (ISSUER, "s" * 1200)
    assert len(back["code"]) == 43


async def test_a_redirect_uri_keeps_its_query(desk: Desk, visitor: Visitor) -> None:
    from tests.authorization_server.driver import client

    await desk.store.put_client(client("web", redirect_uris=frozenset({CALLBACK + "?a=1"})), desk.clock.now())
    back = await visitor.walk(redirect_uri=CALLBACK + "?a=1")
    assert back["a"] == "1"
    assert "code" in back


@pytest.mark.spec("O21-1.4.1-a")
async def test_without_a_scope_the_client_gets_its_registered_one(desk: Desk, visitor: Visitor) -> None:
    tokens = await visitor.tokens(desk, scope=None)
    assert tokens["scope"] == "openid profile email offline_access orders:read orders:write bills:read"


@pytest.mark.spec("O21-1.4.1-a", "9700-2.3-a")
async def test_scopes_that_cannot_be_granted_are_dropped_and_told(desk: Desk, visitor: Visitor) -> None:
    tokens = await visitor.tokens(desk, scope="openid admin bills:read orders:read", resource=API)
    assert tokens["scope"] == "openid orders:read"
    assert claims_of(tokens["access_token"])["scope"] == "openid orders:read"


@pytest.mark.spec("OC-11-a")
async def test_offline_access_needs_the_refresh_token_grant(desk: Desk, visitor: Visitor) -> None:
    tokens = await visitor.tokens(desk, "old", scope="openid offline_access")
    assert tokens["scope"] == "openid"
    assert "refresh_token" not in tokens


# --- prompt, max_age, hints -----------------------------------------------------------------------


@pytest.mark.spec("OC-3.1.2.1-b")
async def test_prompt_none_issues_when_nothing_is_left_to_ask(visitor: Visitor) -> None:
    await visitor.walk()
    back = sent_back(await visitor.authorize(prompt="none"))
    assert "code" in back


@pytest.mark.spec("OC-3.1.2.1-b", "O21-7.3-a")
@pytest.mark.parametrize(
    ("client_id", "scope", "error"),
    [
        pytest.param("web", "openid orders:write", "consent_required", id="more than was allowed"),
        pytest.param("native", "openid", "consent_required", id="a public client"),
        pytest.param("first", "openid", None, id="a first-party client"),
        pytest.param("web", "openid email", None, id="less than was allowed"),
    ],
)
async def test_prompt_none_shows_no_consent_page(
    visitor: Visitor, client_id: str, scope: str, error: str | None
) -> None:
    await visitor.walk("web")
    await visitor.walk("native")
    assert sent_back(await visitor.authorize(client_id, prompt="none", scope=scope)).get("error") == error


@pytest.mark.spec("OC-3.1.2.3-a", "OC-3.1.2.1-c")
@pytest.mark.parametrize("prompt", ["login", "select_account", "login consent"])
async def test_prompt_asks_for_a_new_sign_in_once(desk: Desk, visitor: Visitor, prompt: str) -> None:
    before = claims_of((await visitor.tokens(desk))["id_token"])
    desk.clock.turn(30)
    _, page = await visitor.page(prompt=prompt)
    assert page.name == "login"
    after = claims_of((await visitor.tokens(desk, prompt=prompt))["id_token"])
    assert after["auth_time"] == before["auth_time"] + 30
    assert after["sid"] == before["sid"]


@pytest.mark.spec("OC-3.1.2.4-a")
async def test_prompt_consent_asks_again(visitor: Visitor) -> None:
    await visitor.walk()
    _, page = await visitor.page(prompt="consent")
    assert page.name == "consent"
    await visitor.walk("first")
    _, page = await visitor.page("first", prompt="consent")
    assert page.name == "consent"


async def test_a_prompt_that_is_not_offered_is_ignored(visitor: Visitor) -> None:
    _, page = await visitor.page(prompt="create")
    assert page.name == "login"


@pytest.mark.spec("OC-3.1.2.3-a", "OC-15.1-a")
@pytest.mark.parametrize(
    ("max_age", "passed", "asked"),
    [("0", 0, True), ("1", 1, False), ("1", 2, True), ("3600", 3000, False), ("99999", 3000, False)],
)
async def test_max_age_asks_for_a_sign_in_that_is_young_enough(
    desk: Desk, visitor: Visitor, max_age: str, passed: int, asked: bool
) -> None:
    await visitor.walk()
    desk.clock.turn(passed)
    answer = await visitor.authorize(max_age=max_age)
    assert isinstance(answer, Redirect)
    assert answer.url.startswith(f"{ISSUER}/interaction/") is asked


@pytest.mark.spec("OC-3.1.2.3-a")
async def test_a_sign_in_within_the_flow_is_young_enough_however_long_the_consent_takes(
    desk: Desk, visitor: Visitor
) -> None:
    id_, _ = await visitor.page(max_age="1")
    await visitor.log_in(id_)
    desk.clock.turn(60)
    assert "code" in sent_back(await visitor.decide(id_))


@pytest.mark.spec("OC-3.1.2.2-a", "OC-3.1.2.2-b")
@pytest.mark.parametrize("prompt", [None, "none"])
async def test_a_hint_of_another_person_is_sent_back(desk: Desk, visitor: Visitor, prompt: str | None) -> None:
    hint = (await visitor.tokens(desk))["id_token"]
    desk.clock.turn(600)  # the hint has expired, which is allowed
    assert "code" in sent_back(await visitor.authorize(id_token_hint=hint, prompt=prompt))
    other = Visitor(desk.core)
    await other.walk(username="bob")
    back = sent_back(await other.authorize(id_token_hint=hint, prompt=prompt))
    assert back["error"] == "login_required"


@pytest.mark.spec("OC-3.1.2.2-b")
async def test_another_person_who_signs_in_than_the_hint_says_is_sent_back(desk: Desk, visitor: Visitor) -> None:
    hint = (await visitor.tokens(desk))["id_token"]
    other = Visitor(desk.core)
    id_, page = await other.page(id_token_hint=hint)
    assert page.name == "login"
    assert sent_back(await other.log_in(id_, "bob"))["error"] == "login_required"


async def test_a_hint_is_its_own_clients_and_an_id_token(desk: Desk, visitor: Visitor) -> None:
    tokens = await visitor.tokens(desk)
    for client_id, hint in (("first", tokens["id_token"]), ("web", tokens["access_token"])):
        back = sent_back(await visitor.authorize(client_id, id_token_hint=hint))
        assert back["error"] == "invalid_request"


# --- consent --------------------------------------------------------------------------------------


@pytest.mark.spec("OC-3.1.2.4-a", "V10-10.7.1", "O21-7.3-a")
@pytest.mark.parametrize(
    ("client_id", "first", "second"),
    [
        pytest.param("web", "consent", None, id="confidential: once"),
        pytest.param("native", "consent", "consent", id="public: every time"),
        pytest.param("first", None, None, id="first-party: never"),
    ],
)
async def test_consent_is_asked(visitor: Visitor, client_id: str, first: str | None, second: str | None) -> None:
    await visitor.walk("web", scope="email")  # signed in
    for expected in (first, second):
        answer = await visitor.authorize(client_id)
        if expected is None:
            assert "code" in sent_back(answer)
            continue
        id_ = interaction_of(answer)
        page = await visitor.look(id_)
        assert isinstance(page, Page)
        assert page.name == expected
        assert "code" in sent_back(await visitor.decide(id_))


@pytest.mark.parametrize("changes", [{"scope": "openid orders:write"}, {"resource": API}])
async def test_consent_is_asked_for_what_is_new(visitor: Visitor, changes: dict[str, str]) -> None:
    await visitor.walk()
    _, page = await visitor.page(**changes)
    assert page.name == "consent"


async def test_a_disabled_client_gets_a_page(desk: Desk, visitor: Visitor) -> None:
    from proofkey.authorization_server.records import AuditEvent
    from proofkey.protocol.text import ClientId

    event = AuditEvent(at=desk.clock.now(), name="client.disabled")
    await desk.store.disable_client(ClientId("web"), desk.clock.now(), event)
    with pytest.raises(NoLocation) as refused:
        await visitor.authorize()
    assert refused.value.finding is Finding.CLIENT_DISABLED


async def test_a_client_without_the_code_flow_is_sent_back(desk: Desk, visitor: Visitor) -> None:
    from tests.authorization_server.driver import client

    grants = frozenset({"client_credentials"})
    await desk.store.put_client(client("web", grant_types=grants), desk.clock.now())
    assert sent_back(await visitor.authorize())["error"] == "unauthorized_client"
