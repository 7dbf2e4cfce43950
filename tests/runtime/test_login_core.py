"""Logins and sessions: what an honest provider gives, and what a hostile one never gets."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from proofkey.errors import LoginFailed, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer
from proofkey.store.memory import MemorySessionStore
from proofkey.testing.provider import ScriptedProvider
from proofkey.testing.provider_faults import ProviderFaults
from tests.client.login_kit import API, ISSUER, World, pairs_of


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def world() -> World:
    return World()


async def test_an_honest_login_makes_a_session_and_leads_to_the_stored_path(world: World) -> None:
    finished = await world.sign_in("/me?tab=1")
    session = finished.session
    assert finished.next_path == "/me?tab=1"
    assert (session.issuer, session.sub, session.name) == (ISSUER, "u1", "Ann Arbor")
    assert session.id == finished.handle.digest()
    assert await world.core.session(finished.handle) == session


@pytest.mark.spec("8707-cli", "9700-2.1.1-e")
async def test_resource_and_pkce_are_in_both_requests(world: World) -> None:
    await world.sign_in()
    asked, form = world.provider.authorization_requests[0], world.provider.token_requests()[0]
    assert asked["resource"] == form["resource"] == [API]
    assert asked["code_challenge_method"] == ["S256"]
    assert form["code_verifier"]


@pytest.mark.spec("9700-2.1.1-e")
async def test_every_login_has_its_own_challenge_state_and_nonce_also_after_an_error(world: World) -> None:
    world.provider.faults.authorization_response = {"code": None, "error": "access_denied"}
    for _ in range(3):
        with pytest.raises(LoginFailed):
            await world.sign_in()
    for name in ("code_challenge", "state", "nonce"):
        assert len({asked[name][0] for asked in world.provider.authorization_requests}) == 3


def set_faults(**switches: Any) -> Callable[[ProviderFaults], None]:
    def switch(faults: ProviderFaults) -> None:
        for name, value in switches.items():
            setattr(faults, name, value)

    return switch


def claims(**changes: Any) -> Callable[[ProviderFaults], None]:
    return set_faults(id_token_claims=changes)


def header(**changes: Any) -> Callable[[ProviderFaults], None]:
    return set_faults(id_token_header=changes)


def comes_back(**changes: Any) -> Callable[[ProviderFaults], None]:
    return set_faults(authorization_response=changes)


def token_says(**changes: Any) -> Callable[[ProviderFaults], None]:
    return set_faults(token_response=changes)


def person_is(**changes: Any) -> Callable[[ProviderFaults], None]:
    return set_faults(userinfo=changes)


def signed_person(**changes: Any) -> Callable[[ProviderFaults], None]:
    return set_faults(userinfo=changes, userinfo_signed=True)


def says(body: bytes, *, kind: str = "application/json") -> Callable[[ProviderFaults], None]:
    return set_faults(overrides={"userinfo": Answer(200, {"content-type": kind}, body)})


HUGE = Answer(200, {}, b"{" + b" " * 300_000 + b"}")
REDIRECT = Answer(307, {"location": "https://evil.test/token"}, b"")

HOSTILE = [
    # OIDC Core §3.1.3.7
    pytest.param(claims(iss="https://evil.test"), Finding.TOKEN_ISSUER, id="iss of another"),
    pytest.param(claims(iss=[ISSUER]), None, id="iss is a list"),
    pytest.param(claims(iss=None), None, id="no iss"),
    pytest.param(claims(aud="other"), Finding.TOKEN_AUDIENCE, id="aud of another client"),
    pytest.param(claims(aud=["web", "other"], azp="web"), Finding.TOKEN_AUDIENCE, id="a second, untrusted aud"),
    pytest.param(claims(aud=[]), None, id="empty aud"),
    pytest.param(claims(aud=None), None, id="no aud"),
    pytest.param(claims(azp="other"), Finding.ID_TOKEN_AZP, id="azp of another client"),
    pytest.param(claims(nonce="other"), Finding.ID_TOKEN_NONCE, id="another nonce"),
    pytest.param(claims(nonce=None), Finding.ID_TOKEN_NONCE, id="no nonce"),
    pytest.param(claims(at_hash="AAAAAAAAAAAAAAAAAAAAAA"), Finding.ID_TOKEN_AT_HASH, id="wrong at_hash"),
    pytest.param(claims(at_hash=7), Finding.ID_TOKEN_AT_HASH, id="at_hash is a number"),
    pytest.param(claims(exp=1), Finding.TOKEN_EXPIRED, id="expired"),
    pytest.param(claims(exp=None), None, id="no exp"),
    pytest.param(claims(exp="2099"), None, id="exp is text"),
    pytest.param(claims(iat=None), None, id="no iat"),
    pytest.param(claims(iat=4_000_000_000, exp=4_000_000_300), Finding.TOKEN_NOT_YET_VALID, id="from the future"),
    pytest.param(claims(sub=None), None, id="no sub"),
    pytest.param(claims(sub=""), None, id="empty sub"),
    pytest.param(claims(sub=7), None, id="sub is a number"),
    pytest.param(header(alg="none"), None, id="alg none"),
    pytest.param(header(alg="HS256"), None, id="alg HS256 in the header"),
    pytest.param(header(alg="RS256"), None, id="another alg than the key's"),
    pytest.param(header(kid="other"), Finding.TOKEN_KEY_UNKNOWN, id="unknown kid"),
    pytest.param(header(typ="at+jwt"), None, id="an access token in its place"),
    pytest.param(header(typ="logout+jwt"), None, id="a logout token in its place"),
    pytest.param(header(crit=["exp"]), None, id="crit"),
    pytest.param(set_faults(id_token_unsigned=True), None, id="unsigned"),
    pytest.param(set_faults(id_token_hmac=True), None, id="signed with the client secret"),
    pytest.param(set_faults(id_token_foreign_key=True), Finding.TOKEN_SIGNATURE, id="signed by another key"),
    pytest.param(set_faults(id_token_replayed="a.b"), None, id="no JWS at all"),
    pytest.param(set_faults(id_token_replayed="x" * 20_000), None, id="a huge ID token"),
    # token response
    pytest.param(token_says(id_token=None), Finding.LOGIN_RESPONSE_MALFORMED, id="no id_token"),
    pytest.param(token_says(access_token=None), Finding.LOGIN_RESPONSE_MALFORMED, id="no access_token"),
    pytest.param(token_says(token_type="DPoP"), Finding.LOGIN_TOKEN_TYPE, id="another token type"),
    pytest.param(set_faults(overrides={"token": HUGE}), Finding.OUTGOING_TOO_LARGE, id="a huge answer"),
    pytest.param(set_faults(overrides={"token": REDIRECT}), Finding.OUTGOING_REDIRECT, id="a redirect"),
    pytest.param(set_faults(overrides={"token": Answer(200, {}, b"<html>")}), None, id="an HTML answer"),
    pytest.param(set_faults(overrides={"token": Answer(500, {}, b"")}), None, id="a broken token endpoint"),
    pytest.param(set_faults(overrides={"jwks": Answer(200, {}, b"<html>")}), None, id="an HTML key set"),
    pytest.param(set_faults(overrides={"jwks": Answer(200, {}, b'{"keys":[]}')}), None, id="no keys"),
    # UserInfo, OIDC Core §5.3.2
    pytest.param(person_is(sub="u2"), Finding.USERINFO_SUBJECT, id="UserInfo about another person"),
    pytest.param(person_is(sub=None), Finding.USERINFO_SUBJECT, id="UserInfo about nobody"),
    pytest.param(person_is(sub=["u1"]), Finding.USERINFO_SUBJECT, id="UserInfo about a list of persons"),
    pytest.param(says(b"[]"), Finding.USERINFO_MALFORMED, id="UserInfo that is no object"),
    pytest.param(says(b'{"sub":"u1","sub":"u1"}'), Finding.USERINFO_MALFORMED, id="UserInfo with sub twice"),
    pytest.param(says(b"<html>", kind="text/html"), Finding.USERINFO_MALFORMED, id="UserInfo of HTML"),
    pytest.param(says(b"x" * 70_000), Finding.OUTGOING_TOO_LARGE, id="huge UserInfo"),
    pytest.param(set_faults(overrides={"userinfo": REDIRECT}), Finding.OUTGOING_REDIRECT, id="UserInfo elsewhere"),
    pytest.param(says(b"a.b", kind="application/jwt"), None, id="signed UserInfo that is no JWT"),
    pytest.param(says(b"\xff", kind="application/jwt"), Finding.USERINFO_MALFORMED, id="signed UserInfo of bytes"),
    pytest.param(signed_person(sub="u2"), Finding.USERINFO_SUBJECT, id="signed UserInfo about another person"),
    pytest.param(signed_person(aud="other"), Finding.TOKEN_AUDIENCE, id="signed UserInfo for another client"),
    pytest.param(signed_person(aud=None), None, id="signed UserInfo for nobody"),
    pytest.param(signed_person(iss="https://evil.test"), Finding.TOKEN_ISSUER, id="signed UserInfo of another"),
    pytest.param(signed_person(exp=1), Finding.TOKEN_EXPIRED, id="signed UserInfo that is over"),
    # authorization response
    pytest.param(comes_back(state=None), None, id="no state"),
    pytest.param(comes_back(state=""), None, id="empty state"),
    pytest.param(comes_back(state="other"), Finding.LOGIN_STATE_UNKNOWN, id="edited state"),
    pytest.param(comes_back(iss="https://evil.test"), Finding.LOGIN_ISSUER, id="foreign iss"),
    pytest.param(comes_back(iss=None), Finding.LOGIN_ISSUER, id="iss left out though advertised"),
    pytest.param(comes_back(code="other"), Finding.LOGIN_REFUSED, id="another code"),
    pytest.param(comes_back(code=None), Finding.LOGIN_RESPONSE_MALFORMED, id="no code"),
    pytest.param(comes_back(error="access_denied"), Finding.LOGIN_RESPONSE_MALFORMED, id="code and error"),
    pytest.param(comes_back(code=None, error="access_denied"), Finding.LOGIN_REFUSED, id="an error"),
    pytest.param(set_faults(repeat_parameter="code"), Finding.PARAMETER_REPEATED, id="code twice"),
    pytest.param(set_faults(repeat_parameter="state"), Finding.PARAMETER_REPEATED, id="state twice"),
    pytest.param(set_faults(repeat_parameter="iss"), Finding.PARAMETER_REPEATED, id="iss twice"),
    # metadata
    pytest.param(set_faults(metadata={"issuer": "https://x.test"}), Finding.METADATA_ISSUER, id="another's"),
    pytest.param(set_faults(metadata={"issuer": f"{ISSUER}/"}), Finding.METADATA_ISSUER, id="a slash in it"),
    pytest.param(
        set_faults(metadata={"code_challenge_methods_supported": None}),
        Finding.PKCE_NOT_ADVERTISED,
        id="no PKCE advertised",
    ),
    pytest.param(set_faults(metadata={"token_endpoint": "http://op.test/token"}), None, id="an http endpoint"),
    pytest.param(
        set_faults(metadata={"id_token_signing_alg_values_supported": ["RS256"]}),
        Finding.TOKEN_ALGORITHM,
        id="an algorithm that the metadata does not name",
    ),
]  # fmt: skip


@pytest.mark.spec(
    "OC-3.1.3.7-a", "OC-3.1.3.7-b", "OC-3.1.3.8-a", "9700-4.5.3.2-a", "9700-4.7.1-b", "9207-2.4-a", "OD-4.3-b",
    "MCP25-pkce", "6749-5.1-c", "9449-5-c", "OC-5.3.2-a",
)  # fmt: skip
@pytest.mark.parametrize(("switch", "finding"), HOSTILE)
async def test_no_session_is_ever_made_when_the_provider_sends(
    world: World, switch: Callable[[ProviderFaults], None], finding: Finding | None
) -> None:
    switch(world.provider.faults)
    with pytest.raises((LoginFailed, Unavailable)) as refused:
        await world.sign_in()
    assert world.session_count() == 0
    if finding is not None:
        assert refused.value.finding is finding


@pytest.mark.spec("9207-2.4-a", "9700-4.4.2-a", "9700-4.7.1-b")
@pytest.mark.parametrize(
    "switch",
    [
        pytest.param(comes_back(iss="https://evil.test"), id="foreign iss"),
        pytest.param(comes_back(iss=None), id="missing iss"),
        pytest.param(comes_back(state="other"), id="edited state"),
        pytest.param(set_faults(repeat_parameter="code"), id="code twice"),
    ],
)
async def test_the_code_is_not_sent_to_anybody_after(
    world: World, switch: Callable[[ProviderFaults], None]
) -> None:
    switch(world.provider.faults)
    with pytest.raises(LoginFailed):
        await world.sign_in()
    assert world.provider.token_requests() == []


@pytest.mark.parametrize("alg", ["ES256", "RS256", "PS256", "Ed25519"])
async def test_an_honest_login_works_with(alg: Any) -> None:
    world = World()
    world.provider.key = ScriptedProvider(algorithm=alg).key
    assert (await world.sign_in()).session.sub == "u1"


async def test_iss_is_taken_when_it_is_right_though_not_advertised(world: World) -> None:
    world.provider.faults.metadata = {"authorization_response_iss_parameter_supported": False}
    await world.sign_in()


async def test_a_provider_without_iss_works_when_it_never_promised_it(world: World) -> None:
    world.provider.faults.metadata = {"authorization_response_iss_parameter_supported": None}
    world.provider.faults.authorization_response = {"iss": None}
    await world.sign_in()


# --- binding ---------------------------------------------------------------------------------------------------
@pytest.mark.spec("9700-2.1-b", "9700-4.7.1-a")
async def test_a_login_started_in_one_browser_does_not_finish_in_another(world: World) -> None:
    back = world.provider.authorize(await world.start())
    with pytest.raises(LoginFailed) as refused:
        await world.core.finish(pairs_of(back), {})
    assert refused.value.finding is Finding.LOGIN_FOREIGN_BROWSER
    assert world.session_count() == 0
    assert world.provider.token_requests() == []
    # the attempt did not cost the right browser its login
    assert (await world.core.finish(pairs_of(back), world.cookies)).session.sub == "u1"


@pytest.mark.spec("9700-2.1-b")
async def test_the_cookie_of_one_flow_does_not_finish_another(world: World) -> None:
    first = world.provider.authorize(await world.start())
    (flow,) = world.cookies
    other = await world.core.start("/")
    with pytest.raises(LoginFailed) as refused:
        await world.core.finish(pairs_of(first), {flow: other.browser})
    assert refused.value.finding is Finding.LOGIN_FOREIGN_BROWSER


@pytest.mark.spec("9700-4.2.4-b")
async def test_a_callback_is_taken_once(world: World) -> None:
    back = world.provider.authorize(await world.start())
    world.provider.faults.code_reusable = True
    await world.core.finish(pairs_of(back), world.cookies)
    with pytest.raises(LoginFailed) as refused:
        await world.core.finish(pairs_of(back), world.cookies)
    assert refused.value.finding is Finding.LOGIN_STATE_UNKNOWN
    assert world.session_count() == 1
    assert len(world.provider.token_requests()) == 1


@pytest.mark.spec("9700-4.2.4-b")
async def test_of_twenty_callbacks_at_once_one_is_taken(world: World) -> None:
    back = world.provider.authorize(await world.start())
    world.provider.faults.code_reusable = True
    world.provider.faults.delay = 0.01
    outcomes: list[bool] = []

    async def deliver() -> None:
        try:
            await world.core.finish(pairs_of(back), world.cookies)
            outcomes.append(True)
        except LoginFailed:
            outcomes.append(False)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(deliver)
    assert outcomes.count(True) == 1
    assert world.session_count() == 1


class Slow(MemorySessionStore):
    """Still shows a login that another worker has just taken."""

    async def take_pending(self, state_digest: str) -> None:
        return None


async def test_a_login_that_another_worker_took_meanwhile_is_refused() -> None:
    world = World(store=Slow())
    with pytest.raises(LoginFailed) as refused:
        await world.sign_in()
    assert refused.value.finding is Finding.LOGIN_STATE_UNKNOWN
    assert world.provider.token_requests() == []


async def test_a_login_takes_ten_minutes_at_most(world: World) -> None:
    back = world.provider.authorize(await world.start("/orders"))
    world.clock.turn(600)
    with pytest.raises(LoginFailed) as refused:
        await world.core.finish(pairs_of(back), world.cookies)
    assert refused.value.finding is Finding.LOGIN_EXPIRED
    assert refused.value.next_path == "/orders"


async def test_two_tabs_log_in_side_by_side(world: World) -> None:
    first, second = await world.start("/one"), await world.start("/two")
    back_two, back_one = world.provider.authorize(second), world.provider.authorize(first)
    two = await world.core.finish(pairs_of(back_two), world.cookies)
    one = await world.core.finish(pairs_of(back_one), world.cookies)
    assert (one.next_path, two.next_path) == ("/one", "/two")
    assert one.session.id != two.session.id


@pytest.mark.spec("V7-7.2.4")
async def test_a_new_login_ends_the_session_that_the_browser_had(world: World) -> None:
    old = await world.sign_in()
    back = world.provider.authorize(await world.start())
    new = await world.core.finish(pairs_of(back), world.cookies, previous=old.handle)
    assert await world.core.session(old.handle) is None
    assert await world.core.session(new.handle) is not None


async def test_two_hundred_parallel_logins_never_mix() -> None:
    world = World()
    sessions: dict[str, str] = {}

    async def one(number: int) -> None:
        url = await world.core.start(f"/{number}")
        back = world.provider.authorize(url.url)
        finished = await world.core.finish(pairs_of(back), {url.flow: url.browser})
        sessions[finished.next_path] = finished.session.id

    async with anyio.create_task_group() as group:
        for number in range(200):
            group.start_soon(one, number)
    assert len(sessions) == len(set(sessions.values())) == 200


# --- max_age, prompt -------------------------------------------------------------------------------------------
async def test_a_sign_in_older_than_max_age_is_refused(world: World) -> None:
    world.provider.faults.id_token_claims = {"auth_time": world.clock.now() - 3600}
    back = world.provider.authorize(await world.start(max_age=600, prompt=frozenset({"login"})))
    assert world.provider.authorization_requests[0]["max_age"] == ["600"]
    assert world.provider.authorization_requests[0]["prompt"] == ["login"]
    with pytest.raises(LoginFailed) as refused:
        await world.core.finish(pairs_of(back), world.cookies)
    assert refused.value.finding is Finding.ID_TOKEN_AUTH_TIME
